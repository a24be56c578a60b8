use super::*;
use crate::source::SourceMap;

/// Compiles a text without data; anything but a warning is a mistake of the test.
fn model(text: &str) -> Model {
    let mut sources = SourceMap::default();
    let main = sources.add("model.hgnn", text);
    let none = |_: &str| Err(std::io::ErrorKind::NotFound.into());
    let (program, parse) = crate::syntax::load_program(&mut sources, main, &none);
    assert!(parse.is_empty(), "{parse:#?}\n{text}");
    let outcome = crate::check::check(&program, None);
    outcome.model.unwrap_or_else(|| panic!("{:#?}\n{text}", outcome.diagnostics)).get().clone()
}

fn of(text: &str) -> Canonical {
    Canonical::of(&model(text))
}

/// The files in `models/`, with their names.
fn shipped() -> Vec<(String, String)> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("models/")
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "hgnn"))
        .collect();
    files.sort();
    let text = |path: &std::path::Path| std::fs::read_to_string(path).expect("readable");
    files.iter().map(|path| (path.display().to_string(), text(path))).collect()
}

const PLAIN: &str = "gcn(64) -> relu -> gcn(64) -> relu -> concat(mean, max) -> mlp";

#[test]
fn formatting_names_blocks_and_written_defaults_do_not_matter() {
    let other = "
        // The same model in other words.
        let width = 60 + 4
        block layer(out, after = relu) = gcn(out, bias = true) -> after -> identity
        evaluate { metrics = [accuracy] }
        model = repeat(2, layer(width)) as deep
            -> concat(deep -> mean, max)
            -> mlp(dropout = 0)
        loss = 1 * cross_entropy
        task = graph_classification
        train { epochs = 100 }
    ";
    assert_eq!(of(PLAIN).to_string(), of(other).to_string());
    assert_eq!(of(PLAIN).hash(Part::All), of(other).hash(Part::All));
}

#[test]
fn a_residual_is_the_sum_that_it_stands_for() {
    let short = of("model = gcn(8) -> residual(gcn(8) -> relu) -> mean -> mlp");
    assert_eq!(short, of("model = gcn(8) -> add(identity, gcn(8) -> relu) -> mean -> mlp"));
    assert_eq!(short, of("model = gcn(8) as x -> add(x, gcn(8) -> relu) -> mean -> mlp"));
}

#[test]
fn the_order_of_branches_and_every_value_matter() {
    let texts = [
        "gcn(64) -> concat(mean, max) -> mlp",
        "gcn(64) -> concat(max, mean) -> mlp",
        "gcn(32) -> concat(mean, max) -> mlp",
        "gcn(64, bias = false) -> concat(mean, max) -> mlp",
        "model = gcn(64) -> concat(mean, max) -> mlp\ntrain { seed = 1 }",
        "model = gcn(64) -> concat(mean, max) -> mlp\nevaluate { metrics = [macro_f1] }",
    ];
    let hashes: Vec<_> = texts.iter().map(|text| of(text).hash(Part::All)).collect();
    for (idx, hash) in hashes.iter().enumerate() {
        assert!(!hashes[..idx].contains(hash), "model {idx}");
    }
    let architecture: Vec<_> = texts.iter().map(|text| of(text).hash(Part::Architecture)).collect();
    assert_eq!(architecture[0], architecture[4]);
    assert_eq!(architecture[0], architecture[5]);
    assert_ne!(architecture[0], architecture[1]);
    let training: Vec<_> = texts.iter().map(|text| of(text).hash(Part::Training)).collect();
    assert_eq!(training[0], training[3]);
    assert_ne!(training[0], training[4]);
}

#[test]
fn the_text_is_what_checkpoints_hold() {
    let text = "data = tu(\"a \\\"b\\\"\\\\c\")
        model = gcn(64) -> diffpool(k = 8) as a -> concat(a -> mean, identity -> max) -> mlp(hidden = [16])
        loss = link_prediction / 10 + cross_entropy(class_weights = none)
        train { clip_norm = 2, optimizer = adam(lr = 1e-7) }";
    let expected = "\
hgnn-ir 3
stage 0 = input()
stage 1 = gcn(out = 64, self_loops = true, bias = true) of 0
stage 2 = sage(aggregate = mean, root_weight = true, normalize = false, bias = true) of 1
stage 3 = diffpool(k = 8) of 1, 2
stage 4 = mean() of 3
stage 5 = max() of 3
stage 6 = concat() of 4, 5
stage 7 = mlp(hidden = [16], activation = relu, dropout = 0.0, norm = none) of 6
output 7
task graph_classification
loss 1.0 cross_entropy(class_weights = none)
loss 0.1 link_prediction()
data tu(name = \"a \\\"b\\\"\\\\c\", features = auto, target = auto)
train optimizer = adam(lr = 1e-7, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0.0)
train schedule = constant()
train epochs = 100
train batch_size = 32
train clip_norm = 2.0
train early_stop = best(monitor = val_loss)
train seed = 0
evaluate seeds = 1
evaluate metrics = [accuracy]
";
    let canonical = of(text);
    assert_eq!(canonical.to_string(), expected);
    assert_eq!(canonical.text(Part::Architecture).lines().count(), 11);
    let parts = [Part::Architecture, Part::Training].map(|part| canonical.text(part));
    let joined: String =
        parts[0].lines().chain(parts[1].lines().skip(1)).map(|line| format!("{line}\n")).collect();
    assert_eq!(joined, expected);
}

/// What version 1 wrote for a model; checkpoints with such a text exist.
const VERSION_1: &str = "\
hgnn-ir 1
stage 0 = input()
stage 1 = gcn(out = 64, self_loops = true, bias = true) of 0
stage 2 = identity() of 1
stage 3 = sage(aggregate = mean, root = true, normalize = false, bias = true) of 1
stage 4 = diffpool(k = 8) of 1, 3
stage 5 = mean() of 4
stage 6 = mlp(hidden = [16], activation = relu, dropout = 0, norm = none) of 5
output 6
task graph_classification
loss 0.1 entropy
loss 1 cross_entropy
data tu(name = \"PROTEINS\", features = auto)
train optimizer = adam(lr = 0.001, beta1 = 0.9, beta2 = 0.999, eps = 0.00000001, weight_decay = 0)
train schedule = constant()
train epochs = 20
train batch_size = 32
train clip_norm = inferred
train early_stop = best(monitor = val_loss)
train seed = 0
evaluate protocol = inferred
evaluate seeds = 1
evaluate metrics = inferred
";

#[test]
fn version_1_stays_readable() {
    let now = "data = tu(\"PROTEINS\")
        model = gcn(64) -> diffpool(k = 8) -> mean -> mlp(hidden = [16])
        loss = cross_entropy + 0.1 * entropy
        train { epochs = 20 }";
    assert_eq!(Canonical::parse(VERSION_1).unwrap().to_string(), of(now).to_string());
}

#[test]
fn every_shipped_model_is_read_back_as_it_was_with_its_types() {
    for (name, text) in shipped() {
        let built = model(&text);
        let (canonical, nodes) = Canonical::with_nodes(&built);
        let read = Canonical::parse(&canonical.to_string()).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(read.to_string(), canonical.to_string(), "{name}");
        let again = read.model(None).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(Canonical::of(&again).to_string(), canonical.to_string(), "{name}");
        for (idx, node) in nodes.into_iter().enumerate() {
            let (was, is) = (&built.graph[node].ty, &again.graph[NodeIndex::new(idx)].ty);
            assert_eq!(was.to_string(), is.to_string(), "{name}, stage {idx}");
        }
        assert_eq!(again.outputs.size, built.outputs.size, "{name}");
    }
}

#[test]
fn widths_that_were_inferred_are_inferred_again() {
    for text in [
        "gcn(16) -> residual(gcn -> relu) -> mean -> linear",
        "gcn(16) -> diffpool(k = 4, assign = residual(sage) -> relu -> linear) -> mean -> mlp",
        "model = gcn(16) as a -> diffpool(k = 4, assign = a) -> diffpool(ratio = 0.5, assign = gcn -> relu) -> mean -> mlp",
        "model = linear(4) -> add(linear, linear -> relu)\ntask = node_classification",
        "gcn(8) -> mean -> residual(linear(8) -> relu -> linear) -> linear(3)",
    ] {
        let built = model(text);
        let (canonical, nodes) = Canonical::with_nodes(&built);
        let again = Canonical::parse(&canonical.to_string()).unwrap().model(None).expect(text);
        for (idx, node) in nodes.into_iter().enumerate() {
            let (was, is) = (&built.graph[node].ty, &again.graph[NodeIndex::new(idx)].ty);
            assert_eq!(was.to_string(), is.to_string(), "{text}, stage {idx}");
        }
    }
}

#[test]
fn a_damaged_text_names_its_line() {
    let text = of("data = tu(\"PROTEINS\")\nmodel = gcn(64) -> mean -> mlp").to_string();
    let cases = [
        ("hgnn-ir 3", "hgnn-ir 4", "line 1: this is version 4"),
        ("hgnn-ir 3", "hello", "line 1: a canonical form begins"),
        ("gcn(out = 64", "gcn(out = 0", "line 3: `out` of `gcn` is 0"),
        ("gcn(out = 64", "gnc(out = 64", "line 3: there is no operator `gnc`"),
        ("gcn(out = 64", "gcn(out = (64", "line 3: "),
        ("bias = true)", "biass = true)", "line 3: `gcn` has no argument `biass`"),
        (" of 0", " of 7", "line 3: a stage reads only the values"),
        (" of 1", " of 1, 0", "line 4: `mean` cannot have 2 inputs"),
        ("output 3", "output 9", "line 6: there is no stage 9"),
        ("output 3", "output", "line 6: `` is not a stage number"),
        ("task graph", "task egde", "line 7: there is no task"),
        ("loss 1.0", "loss NaN", "line 8: a loss reads"),
        ("data tu", "data tuu", "line 9: "),
        ("epochs = 100", "epochs = many", "line 12: "),
        ("epochs = 100", "epochs 100", "line 12: a setting reads"),
        ("evaluate seeds", "evolve seeds", "line 16: `evolve` is not a line"),
    ];
    for (from, to, expected) in cases {
        let damaged = text.replacen(from, to, 1);
        assert_ne!(damaged, text, "{from}");
        let error = Canonical::parse(&damaged).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{to}: {error}");
    }
    for end in 0..text.len() {
        // A cut text is refused or is one with fewer settings, and never a panic.
        if text.is_char_boundary(end) {
            let _ = Canonical::parse(&text[..end]);
        }
    }
}

/// Hashes of version 2. A change here reports to every user that unchanged models differ from their checkpoints: give
/// a new argument no place in the text where it has its default, or raise the version.
#[test]
fn hashes_stay() {
    let pinned = [
        (PLAIN, "089c4d41cfd83469"),
        ("sage(64) -> diffpool(ratio = 0.25) -> mean -> mlp", "88d4c0ef39356b23"),
        (
            "model = gat(8, heads = 4) -> elu -> dropout -> gat(heads = 2, concat = false)\ndata = karate()",
            "419bf5cfd9be5f6a",
        ),
    ];
    let found = pinned.map(|(text, _)| of(text).hash(Part::All)[..16].to_owned());
    assert_eq!(found, pinned.map(|(_, expected)| expected.to_owned()));
}

#[test]
fn the_page_about_the_form_shows_it() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("grammar/CANONICAL.md");
    let page = std::fs::read_to_string(path).expect("the page");
    let fence = |kind: &str| {
        let (_, rest) = page.split_once(&format!("```{kind}\n")).expect("a fence");
        rest.split_once("```").expect("its end").0.to_owned()
    };
    assert_eq!(of(&fence("hgnn")).to_string(), fence("text"));
    assert!(page.contains(&format!("| `{HEAD}{VERSION}` |")), "the version is in the table");
}

/// A random number below `n`, from a state that moves on.
fn below(state: &mut u64, n: usize) -> usize {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    ((*state >> 33) as usize) % n.max(1)
}

/// The text written in another way: tokens set apart anew with comments between them, and every name that the file
/// gives replaced.
fn rewritten(text: &str, state: &mut u64) -> String {
    let tokens = crate::syntax::lex::lex(text).tokens;
    let words: Vec<&str> = tokens.iter().map(|token| &text[token.start..token.end]).collect();
    let mut given: Vec<&str> = Vec::new();
    for pair in words.windows(2) {
        if matches!(pair[0], "let" | "block" | "as") {
            given.push(pair[1]);
        }
    }
    let mut out = String::new();
    let mut end = 0;
    for (token, word) in tokens.iter().zip(&words) {
        let space = &text[end..token.start];
        end = token.end;
        // A line that ends something may only get blank lines and comments; elsewhere, more room inside the line.
        if space.contains('\n') {
            let last = space.rsplit('\n').next().unwrap_or("");
            let comments = ["\n", "\n\n", " // gcn(1) -> relu\n", "\n    // let width = 3\n\n"];
            out.push_str(comments[below(state, comments.len())]);
            out.push_str(last);
        } else {
            out.push_str(space);
            if !space.is_empty() {
                out.push_str(&" ".repeat(below(state, 3)));
            }
        }
        out.push_str(word);
        if given.contains(word) {
            out.push_str("_renamed");
        }
    }
    out
}

#[test]
fn no_way_of_writing_a_shipped_model_changes_its_form() {
    let mut state = 7;
    for (name, text) in shipped() {
        let form = of(&text).to_string();
        for _ in 0..12 {
            let other = rewritten(&text, &mut state);
            assert_eq!(of(&other).to_string(), form, "{name}\n{other}");
        }
        // Items in another order: blocks of lines that a blank line sets apart begin with an item each.
        let mut items: Vec<&str> = text.split("\n\n").filter(|item| !item.trim().is_empty()).collect();
        let is_item = |item: &&str| {
            let line = item.lines().find(|line| !line.trim_start().starts_with("//")).unwrap_or("");
            !line.starts_with(' ')
        };
        assert!(items.iter().all(is_item), "{name}");
        for _ in 0..4 {
            let by = below(&mut state, items.len());
            items.rotate_left(by);
            items.swap(0, by);
            let other = items.join("\n\n");
            assert_eq!(of(&other).to_string(), form, "{name}\n{other}");
        }
    }
}

/// Every default of every section and stage written out, by the form itself.
#[test]
fn a_form_with_every_default_written_out_in_a_file_is_the_same_form() {
    for (name, text) in shipped() {
        let form = of(&text);
        let mut file = String::new();
        for section in ["train", "evaluate"] {
            let prefix = format!("{section} ");
            let written = form.to_string();
            let lines = written
                .lines()
                .filter_map(|line| line.strip_prefix(&prefix))
                .map(|line| format!("    {line}\n"));
            file.push_str(&format!("{section} {{\n{}}}\n", lines.collect::<String>()));
        }
        let terms: Vec<_> =
            form.losses.iter().map(|term| format!("{:?} * {}", term.weight, term.call())).collect();
        file.push_str(&format!("loss = {}\ntask = {}\n", terms.join(" + "), form.task.name()));
        // The rest of the file: its items but for those that were written anew.
        let rest = text.split("\n\n").filter(|item| {
            let is_given = |word: &str| item.lines().any(|line| line.starts_with(word));
            !["train", "evaluate", "loss", "task", "published"].iter().any(|word| is_given(word))
        });
        file.push_str(&rest.collect::<Vec<_>>().join("\n\n"));
        assert_eq!(of(&file).to_string(), form.to_string(), "{name}\n{file}");
    }
}

/// Levels are counted in the order of the form, whatever the order of the file, and where a term names none the text is
/// that of before.
#[test]
fn terms_of_levels_are_sorted_and_counted_as_the_form_has_its_stages() {
    let chain = "model = diffpool(k = 4) -> sage(8) -> diffpool(k = 2) -> mean -> linear";
    let lines = |text: &str| -> Vec<String> {
        of(text).to_string().lines().filter(|line| line.starts_with("loss")).map(str::to_owned).collect()
    };
    let of_levels = |loss: &str| lines(&format!("{chain}\nloss = cross_entropy + {loss}"))[1..].to_vec();
    assert_eq!(of_levels("entropy"), ["loss 1.0 entropy()"]);
    assert_eq!(of_levels("entropy(level = [1])"), ["loss 1.0 entropy(level = 1)"]);
    assert_eq!(of_levels("0.5 * entropy(level = [2, 1])"), ["loss 0.5 entropy(level = [1, 2])"]);
    for loss in
        ["0.1 * entropy(level = 2) + entropy(level = 1)", "entropy(level = 1) + entropy(level = 2) / 10"]
    {
        assert_eq!(of_levels(loss), ["loss 1.0 entropy(level = 1)", "loss 0.1 entropy(level = 2)"]);
    }
    // The branch that the output reads first is the second of the file.
    let branches = |first: usize, second: usize| {
        format!(
            "model = sage(8) as x -> diffpool(k = 4) -> mean as late
                 -> concat(x -> diffpool(k = 2) -> mean, late) -> linear
             loss = cross_entropy + entropy(level = {first}) + 0.1 * entropy(level = {second})"
        )
    };
    assert_eq!(lines(&branches(1, 2))[1..], ["loss 0.1 entropy(level = 1)", "loss 1.0 entropy(level = 2)"]);
    for text in [branches(1, 2), format!("{chain}\nloss = cross_entropy + entropy(level = 2)")] {
        let form = of(&text);
        let read = Canonical::parse(&form.to_string()).unwrap();
        assert_eq!(read.to_string(), form.to_string());
        let model = read.model(None).unwrap();
        assert_eq!(Canonical::of(&model).to_string(), form.to_string());
        // Each term is about the same pooling in both.
        let clusters = |model: &crate::ir::Model| -> Vec<String> {
            let mut found: Vec<_> = model
                .losses
                .iter()
                .flat_map(|term| model.reporters(term).into_iter().map(move |node| (term.weight, node)))
                .map(|(weight, node)| format!("{weight} of {}", model.graph[node].ty.rows.size))
                .collect();
            found.sort();
            found
        };
        assert_eq!(clusters(&model), clusters(&self::model(&text)));
    }
    let twice =
        format!("{}loss 1.0 entropy(level = 2)\n", of(&format!("{chain}\nloss = cross_entropy + entropy")));
    assert!(Canonical::parse(&twice).unwrap_err().to_string().contains("appears twice"));
}

/// A convolution with everything that a body can have.
const EVERYTHING: &str = "
    let n = 2
    conv all(out, hidden = 2 * out, slope = 0.2, act = elu, how = max, loops = true) {
        self_loops = loops
        message    = softmax(leaky_relu(dot(
            heads(linear(n * out, x_i), n) - heads(linear(n * out, x_j, e_ij, bias = false), n),
            weight(n, out, init = ones),
        ), slope)) * heads(matvec(linear(width(x_j) * n * out, e_ij), x_j), n) / (1 + degree_j) * rsqrt(degree_i)
        aggregate  = [how, std]
        update     = dropout(linear(out, act(linear(hidden, flat(aggregated), init = glorot)), -x_i), 0.5)
            + max(mean_heads(heads(x_i, 1)), -(slope + 1) * log(degree_i + 2)) * 0 - (min(1, slope) - 2)
    }
    model = linear(6) -> all(6, edge = edges) -> relu -> all(6, act = relu, loops = false, edge = edges)
        -> mean -> linear
";

#[test]
fn a_convolution_of_the_file_is_written_out_and_read_back() {
    let canonical = of(EVERYTHING);
    let text = canonical.to_string();
    let back = Canonical::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert_eq!(back.to_string(), text);
    let model = back.model(None).unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert_eq!(Canonical::of(&model).to_string(), text);
}

#[test]
fn names_inside_a_convolution_and_defaults_that_are_written_do_not_matter() {
    let one = "conv a(out, slope = 0.2) { message = leaky_relu(linear(out, x_j), slope), aggregate = mean }
        model = a(8) -> a(8, 0.1) -> a -> mean";
    let other = "/// In other words.
        let rate = 0.2
        conv b(width, by = 0.2) {
            aggregate = [mean]
            message = (leaky_relu(linear(width, x_j, init = kaiming), slope = by))
            update = aggregated
            self_loops = false
        }
        conv c(out) { message = leaky_relu(linear(out, x_j, bias = true), rate), aggregate = mean }
        model = b(8, rate) -> b(by = 0.1, width = 8) -> c -> mean";
    assert_eq!(of(one).to_string(), of(other).to_string());
    let third = one.replace("linear(out, x_j)", "linear(out, x_j, bias = false)");
    assert_ne!(of(one).hash(Part::Architecture), of(&third).hash(Part::Architecture));
}

#[test]
fn damaged_convolutions_are_refused_with_their_line() {
    let text =
        of("conv a(out) { message = linear(out, x_j), aggregate = mean }\nmodel = a(8) -> mean -> linear");
    let text = text.to_string();
    for (from, to, message) in [
        ("aggregate = [mean], ", "", "has no `aggregate`"),
        ("x_j", "x_k", "has no value `x_k` to read"),
        ("linear(8", "linear(0", "has to be"),
    ] {
        let error = Canonical::parse(&text.replace(from, to)).expect_err("it is damaged");
        assert_eq!(error.line, 3);
        assert!(error.message.contains(message), "{error}");
    }
}

#[test]
fn shared_weights_are_named_by_the_stage_that_has_them() {
    let text = "linear(8) -> repeat(3, linear(8) -> relu, share = true) -> mean -> linear";
    let (shared, apart) = (of(text), of(&text.replace(", share = true", "")));
    let lines = shared.to_string();
    assert!(lines.contains("stage 4 = linear(out = 8, bias = true) of 3 with weights of 2\n"), "{lines}");
    assert!(
        lines.contains(
            "stage 5 = relu() of 4\nstage 6 = linear(out = 8, bias = true) of 5 with weights of 2\n"
        ),
        "{lines}"
    );
    assert_eq!(lines.replace(" with weights of 2", ""), apart.to_string());
    let back = Canonical::parse(&lines).unwrap();
    assert_eq!(back.to_string(), lines);
    assert_eq!(Canonical::of(&back.model(None).unwrap()).to_string(), lines);
    assert_eq!(
        of("linear(8) -> repeat(2, linear(8) -> relu, share = false) -> mean -> linear").to_string(),
        of("linear(8) -> linear(8) -> relu -> linear(8) -> relu -> mean -> linear").to_string()
    );
    for (owner, message) in
        [("9", "shares the weights"), ("3", "shares the weights"), ("x", "not a stage number")]
    {
        let damaged = lines.replace("of 3 with weights of 2", &format!("of 3 with weights of {owner}"));
        let error = Canonical::parse(&damaged).expect_err(owner);
        assert!(error.line == 6 && error.message.contains(message), "{error}");
    }
    let wider = lines.replacen("linear(out = 8, bias = true) of 0", "linear(out = 7, bias = true) of 0", 1);
    assert!(Canonical::parse(&wider).unwrap().model(None).is_err());
}
