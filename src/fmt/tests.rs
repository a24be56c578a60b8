use super::format;
use crate::source::SourceMap;

fn formatted(text: &str) -> String {
    let mut sources = SourceMap::default();
    let id = sources.add("m.hgnn", text);
    format(&sources, id).unwrap_or_else(|found| panic!("{text}\n{found:#?}"))
}

/// The layout is `expected`, and laying it out again changes nothing.
fn check(text: &str, expected: &str) {
    assert_eq!(formatted(text), expected);
    assert_eq!(formatted(expected), expected);
}

#[test]
fn spaces_become_one_layout() {
    check("model=gcn( 64 )->relu  ->mean->mlp", "model = gcn(64) -> relu -> mean -> mlp\n");
    check("let a=-3*( 2+b )/x", "let a = -3 * (2 + b) / x\n");
    check("let a = [ 1,2,\n3, ]", "let a = [1, 2, 3]\n");
    check("block f ( a,b=2 , ) = gcn(a)", "block f(a, b = 2) = gcn(a)\n");
    check("train{epochs=3,seed=1,}", "train { epochs = 3, seed = 1 }\n");
    check("train\n{\n}\n", "train {}\n");
    check("allow ( a,b )", "allow(a, b)\n");
    check("", "");
    check("\n \n", "");
}

#[test]
fn line_ends_and_marks_of_editors_go() {
    check("\u{feff}let a = 1\r\n// c\r\nlet b = 2", "let a = 1\n// c\nlet b = 2\n");
}

#[test]
fn a_carriage_return_inside_a_comment_ends_no_line() {
    check("// a\rlet x = 3\r\ngcn", "// a\rlet x = 3\ngcn\n");
}

#[test]
fn a_pipeline_is_one_line_or_a_stage_a_line() {
    check("model = a\n  -> b -> c", "model = a\n    -> b\n    -> c\n");
    check("model = a ->\n  b -> c", "model = a\n    -> b\n    -> c\n");
    check("model =\n  a -> b(\n3) -> c", "model = a -> b(3) -> c\n");
}

#[test]
fn what_is_too_long_breaks_at_the_outermost_place() {
    let name = "n".repeat(30);
    check(
        &format!("model = f({name}, x = {name} -> {name} -> {name}, y = [{name}, {name}]) -> mean"),
        &format!(
            "model =\n    f(\n        {name},\n        x = {name} -> {name}\n"
        )
        .replace(&format!("x = {name} -> {name}\n"), &format!("x = {name}\n            -> {name}\n            -> {name},\n        y = [{name}, {name}],\n    )\n    -> mean\n")),
    );
    check(
        &format!("loss = {name} + 2 * {name} - {name}\n + {name}"),
        &format!("loss = {name}\n    + 2 * {name}\n    - {name}\n    + {name}\n"),
    );
}

#[test]
fn numbers_of_a_list_share_lines() {
    let numbers = |n: usize| (0..n).map(|_| "1000000").collect::<Vec<_>>().join(", ");
    check(
        &format!("let a = [{}]", numbers(12)),
        &format!("let a = [\n    {},\n    {},\n]\n", numbers(10), numbers(2)),
    );
}

#[test]
fn entries_are_aligned_in_lines_of_their_own() {
    check(
        "train { epochs = 3, batch_size = 20\n\n\n seed = 1 // s\n}",
        "train {\n    epochs     = 3\n    batch_size = 20\n\n    seed       = 1 // s\n}\n",
    );
}

#[test]
fn comments_stay_where_they_were() {
    check(
        "// top\n\n\n\n/// doc\nmodel = a // one\n // two\n -> b // three\n\n // four\n\n -> f( // five\n // six\n x // seven\n , y, // eight\n // nine\n ) // ten\n\n// end",
        "// top\n\n/// doc\nmodel = a // one\n    // two\n    -> b // three\n\n    // four\n    -> f( // five\n        // six\n        x, // seven\n        y, // eight\n        // nine\n    ) // ten\n\n// end\n",
    );
    check("model = a -> // one\n b // two", "model = a // one\n    -> b // two\n");
    check("let a = // one\n 3 + // two\n 4", "let a = // one\n    3 // two\n    + 4\n");
    check("let // one\n a // two\n = 3", "let // one\n    a = // two\n    3\n");
    check(
        "train // one\n{ // two\n epochs = 3, // three\n // four\n}",
        "train { // one\n    // two\n    epochs = 3 // three\n    // four\n}\n",
    );
    check("model = a as // one\n b", "model = a as // one\n    b\n");
}

#[test]
fn parentheses_that_say_nothing_go() {
    check("let a = ((3))", "let a = 3\n");
    check("model = (a -> b)", "model = a -> b\n");
    check("model = f((a -> b), x = (c)) -> (d) -> (e -> f)", "model = f(a -> b, x = c) -> d -> (e -> f)\n");
    check("let a = (b + c) * (d) - ((e - g)) - -(3) - (-4)", "let a = (b + c) * d - (e - g) - -3 - (-4)\n");
    check(
        "let a = ( // why\n 3)",
        "let a = (\n    // why\n    3\n)\n".replace("(\n    // why", "( // why").as_str(),
    );
}

#[test]
fn numbers_and_strings_keep_their_spelling() {
    check("let a = [1e-3, 1E-3, 0.10, 007, \"a  // b\"]", "let a = [1e-3, 1e-3, 0.10, 007, \"a  // b\"]\n");
}

#[test]
fn deep_and_long_files_are_laid_out() {
    let deep = format!("let a = {}1{}", "f(1, ".repeat(64), ")".repeat(64));
    let once = formatted(&deep);
    assert_eq!(formatted(&once), once);
    let sum = format!("let a = 1{}", " + (2 - 3)".repeat(200));
    let once = formatted(&sum);
    assert_eq!(formatted(&once), once);
    let long = format!("model = gcn(8){}", " -> residual(gcn(8) -> relu) as a // c\n".repeat(5000));
    let once = formatted(&long);
    assert_eq!(once.lines().count(), 5001);
    assert_eq!(formatted(&once), once);
}

#[test]
fn what_does_not_parse_is_refused_as_by_check() {
    let mut sources = SourceMap::default();
    let id = sources.add("m.hgnn", "model = gcn(64 -> mean\nlet a = 3");
    let refused = format(&sources, id).unwrap_err();
    assert_eq!(refused, crate::syntax::parse(&sources, id).1);
    assert_eq!(refused.len(), 1);
}

#[test]
fn convolutions_are_laid_out_as_sections_are() {
    check(
        "conv // one\n a( b , // two\n c=1 ) // three\n { message=x_j // four\n ,aggregate=mean }",
        "conv // one\n    a(\n    b, // two\n    c = 1,\n) { // three\n    message   = x_j // four\n    aggregate = mean\n}\n",
    );
    check("conv a{}", "conv a {}\n");
}
