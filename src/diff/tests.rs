use super::*;
use crate::source::SourceMap;

/// The side of a text, without data.
fn side(text: &str) -> Side {
    let mut sources = SourceMap::default();
    let main = sources.add("model.hgnn", text);
    let none = |_: &str| Err(std::io::ErrorKind::NotFound.into());
    let (program, parse) = crate::syntax::load_program(&mut sources, main, &none);
    assert!(parse.is_empty(), "{parse:#?}\n{text}");
    let outcome = crate::check::check(&program, None);
    let model = outcome.model.unwrap_or_else(|| panic!("{:#?}\n{text}", outcome.diagnostics));
    Side { name: "model".into(), model: model.get().clone(), facts: None, text: Some(text.to_owned()) }
}

/// `class: text` of every change.
fn changes(before: &str, after: &str) -> Vec<String> {
    let diff = compare(&side(before), &side(after));
    diff.changes.iter().map(|change| format!("{}: {}", change.class.name(), change.text)).collect()
}

fn check(before: &str, after: &str, expected: &[&str]) {
    assert_eq!(changes(before, after), expected, "\n{before}\n{after}");
}

const BASE: &str = "gcn(64) -> relu -> gcn(64) -> relu -> mean -> mlp(hidden = [64])";

#[test]
fn a_layer_at_the_front_is_one_change() {
    check(
        BASE,
        "linear(32) -> gcn(64) -> relu -> gcn(64) -> relu -> mean -> mlp(hidden = [64])",
        &["weight-breaking: linear(32) added after the input"],
    );
}

#[test]
fn another_number_of_rounds_is_one_change() {
    let rounds = |n: usize| format!("repeat({n}, gcn(64) -> relu) -> mean -> linear");
    check(&rounds(3), &rounds(4), &["weight-breaking: repeat 3 → 4 times: gcn(64) -> relu"]);
    check(&rounds(4), &rounds(2), &["weight-breaking: repeat 4 → 2 times: gcn(64) -> relu"]);
    let behind = |n: usize| format!("linear(4) -> {}", rounds(n));
    check(
        &rounds(3),
        &behind(4),
        &[
            "weight-breaking: repeat 3 → 4 times: gcn(64) -> relu",
            "weight-breaking: linear(4) added after the input",
        ],
    );
    check(
        "gcn(8) -> mean -> linear",
        "gcn(8) -> relu -> gcn(8) -> relu -> gcn(8) -> mean -> linear",
        &["weight-breaking: repeat(2, relu -> gcn(8)) added after gcn (stage 1)"],
    );
    let two =
        |n: usize| format!("repeat(2, gcn(64) -> relu) -> repeat({n}, gcn(64) -> elu) -> mean -> linear");
    check(&two(2), &two(3), &["weight-breaking: repeat 2 → 3 times: gcn(64) -> elu"]);
}

#[test]
fn a_width_is_the_change_and_what_follows_from_it_is_not() {
    check(
        BASE,
        "gcn(128) -> relu -> gcn(64) -> relu -> mean -> mlp(hidden = [64])",
        &["weight-breaking: gcn 64 → 128 (stage 1)"],
    );
    check(
        "gcn(64) -> relu -> concat(mean, max) -> linear(2)",
        "gcn(64) -> relu -> concat(mean, max, sum) -> linear(2)",
        &[
            "weight-breaking: concat (stage 6): branches 2 → 3",
            "weight-compatible: sum added after relu (stage 2)",
        ],
    );
    check(
        "gcn(64) -> diffpool(k = 4) -> gcn(64) -> mean -> mlp",
        "gcn(64) -> diffpool(k = 8) -> gcn(64) -> mean -> mlp",
        &["weight-breaking: diffpool: k 4 → 8 (stage 3)"],
    );
}

#[test]
fn what_leaves_every_weight_in_place_is_compatible() {
    for (after, expected) in [
        (BASE.replacen("relu", "gelu", 1), "relu → gelu (stage 2)"),
        (BASE.replacen("-> mean", "-> dropout(0.3) -> mean", 1), "dropout(0.3) added after relu (stage 4)"),
        (BASE.replacen("mean", "max", 1), "mean → max (stage 5)"),
        (
            BASE.replacen("gcn(64)", "gcn(64, self_loops = false)", 1),
            "gcn: self_loops true → false (stage 1)",
        ),
    ] {
        check(BASE, &after, &[&format!("weight-compatible: {expected}")]);
    }
}

#[test]
fn a_stage_in_another_place_has_moved() {
    check(
        "gcn(64) -> dropout(0.3) -> relu -> gcn(64) -> mean -> linear",
        "gcn(64) -> relu -> gcn(64) -> mean -> dropout(0.3) -> linear",
        &["weight-compatible: dropout(0.3) moved: after mean (stage 4), was after gcn (stage 1)"],
    );
}

#[test]
fn a_skip_is_told_by_its_sum() {
    check(
        "gcn(64) -> gcn(64) -> relu -> mean -> linear",
        "gcn(64) -> residual(gcn(64) -> relu) -> mean -> linear",
        &["weight-compatible: add added of gcn (stage 1) and relu (stage 3)"],
    );
}

#[test]
fn terms_of_one_loss_are_told_by_their_levels() {
    let of = |loss: &str| {
        format!(
            "model = gcn(8) -> diffpool(k = 4) -> gcn(8) -> diffpool(k = 2) -> mean -> mlp\n\
             loss = cross_entropy + {loss}"
        )
    };
    let both = of("0.3 * entropy(level = 1) + 0.1 * entropy(level = 2)");
    check(
        &of("entropy"),
        &both,
        &[
            "training: loss: entropy removed",
            "training: loss: 0.3 · entropy(level = 1) added",
            "training: loss: 0.1 · entropy(level = 2) added",
        ],
    );
    check(
        &both,
        &of("0.3 * entropy(level = 1) + 0.2 * entropy(level = 2)"),
        &["training: loss: weight of entropy(level = 2) 0.1 → 0.2"],
    );
    check(&both, &of("0.3 * entropy(level = 1)"), &["training: loss: 0.1 · entropy(level = 2) removed"]);
    check(
        &of("entropy"),
        &of("0.5 * entropy(level = 2)"),
        &[
            "training: loss: entropy → entropy(level = 2)",
            "training: loss: weight of entropy(level = 2) 1 → 0.5",
        ],
    );
}

#[test]
fn settings_are_told_with_their_values() {
    let head = "model = gcn(8) -> dropout(0.5) -> diffpool(k = 3) -> mean -> mlp\n";
    check(
        &format!("{head}loss = cross_entropy + 0.1 * entropy\ndata = tu(\"MUTAG\")"),
        &format!(
            "{}loss = cross_entropy(class_weights = balanced) + link_prediction\ndata = tu(\"AIDS\")
            train {{ optimizer = adam(lr = 1e-2), epochs = 7, clip_norm = 2.0, schedule = cosine }}
            evaluate {{ metrics = [macro_f1] }}",
            head.replace("0.5", "0.2")
        ),
        &[
            "training: dropout: p 0.5 → 0.2 (stage 2)",
            "training: data tu(\"MUTAG\") → tu(\"AIDS\")",
            "training: loss: cross_entropy: class_weights none → balanced",
            "training: loss: 0.1 · entropy removed",
            "training: loss: link_prediction added",
            "training: optimizer adam: lr 0.001 → 0.01",
            "training: schedule constant → cosine",
            "training: epochs 100 → 7",
            "training: clip_norm no clipping → 2",
            "training: metrics [accuracy] → [macro_f1]",
        ],
    );
}

#[test]
fn what_goes_in_and_comes_out_breaks_the_interface() {
    check(
        "model = gcn(8) -> mean -> linear(2)",
        "model = gcn(8) -> mean -> linear(3)",
        &["interface-breaking: outputs 2 → 3", "weight-breaking: linear 2 → 3 (stage 3)"],
    );
    let data = |features: &str| {
        format!("data = tu(\"MUTAG\", features = {features})\nmodel = gcn(8) -> mean -> mlp")
    };
    check(&data("auto"), &data("degree"), &["interface-breaking: input features auto → degree"]);
}

#[test]
fn names_and_comments_are_cosmetic() {
    let one = "model = gcn(8) as fine -> relu -> concat(fine -> mean, max) -> mlp";
    check(one, &one.replace("fine", "first"), &["cosmetic: name fine → first"]);
    let text = "cosmetic: written differently: formatting, comments, names, order or defaults";
    check(one, &format!("// A comment.\n{one}"), &[text]);
    assert_eq!(compare(&side(one), &side(one)).class, Class::Same);
}

/// Models to be compared with each other, near and far.
fn family() -> Vec<String> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let mut paths: Vec<_> =
        std::fs::read_dir(folder).expect("models/").map(|entry| entry.expect("readable").path()).collect();
    paths.sort();
    let text = |path: &std::path::PathBuf| std::fs::read_to_string(path).expect("readable");
    let mut family: Vec<String> =
        paths.iter().filter(|path| path.extension().is_some_and(|e| e == "hgnn")).map(text).collect();
    let near = [
        ("relu", "gelu"),
        ("64", "48"),
        ("relu", "relu -> dropout(0.1)"),
        ("repeat(3", "repeat(5"),
        ("0.25", "0.5"),
        ("max", "mean"),
        ("sage(", "gin("),
        ("epochs     = 100", "epochs     = 7"),
    ];
    for text in family.clone() {
        for (from, to) in near {
            let changed = text.replace(from, to);
            if changed != text && !changed.contains("[mean") {
                family.push(changed);
            }
        }
    }
    family.truncate(60);
    family
}

#[test]
fn a_comparison_has_the_same_class_in_both_directions_and_itself_is_the_same() {
    let mut sources = Vec::new();
    for text in family() {
        // Some of the mutations are no models; they have their own tests.
        if let Ok(side) = std::panic::catch_unwind(|| side(&text)) {
            sources.push(side);
        }
    }
    assert!(sources.len() > 30, "{}", sources.len());
    for (idx, one) in sources.iter().enumerate() {
        assert_eq!(compare(one, one).class, Class::Same);
        for other in sources.iter().skip(idx % 5).step_by(5) {
            let (there, back) = (compare(one, other), compare(other, one));
            assert_eq!(there.class, back.class, "{}\n{}", text(&there, false), text(&back, false));
            assert_eq!(there.pairs.len(), back.pairs.len());
            // A class is never without a reason.
            assert!(
                there.changes.first().map_or(Class::Same, |change| change.class) == there.class
                    || there.class == Class::WeightBreaking,
                "{}",
                text(&there, false)
            );
        }
    }
}

#[test]
fn renderings_hold_the_headline_and_every_change() {
    let (one, other) = (side(BASE), side(&BASE.replacen("64", "32", 1)));
    let diff = compare(&one, &other);
    let plain = text(&diff, false);
    assert!(plain.starts_with("model → model: weight-breaking") && plain.contains("gcn 64 → 32"), "{plain}");
    assert!(!plain.contains('\u{1b}') && text(&diff, true).contains('\u{1b}'));
    let comment = markdown(&diff);
    assert!(comment.starts_with("### `model`: weight-breaking\n"), "{comment}");
    assert!(comment.contains("\n- gcn(out = 64, ") && comment.contains("\n+ gcn(out = 32, "), "{comment}");
    let data = json(&diff);
    assert_eq!(data["class"], "weight-breaking");
    assert_eq!(data["changes"][0]["after"][0], 1);
    assert!(svg(&one, &other, &diff).contains("<svg"));
}

#[test]
fn a_value_of_edges_that_is_given_and_one_that_goes_elsewhere_are_changes() {
    let with = |args: &str| format!("edge_sum({args}) -> linear(8) -> relu -> mean -> linear");
    let found = changes(&with("edge = edges -> linear(1)"), &with("weight = edges -> linear(1)"));
    assert_eq!(
        found,
        [
            "weight-compatible: edge_sum: edge given → none (stage 3)",
            "weight-compatible: edge_sum: weight none → given (stage 3)"
        ]
    );
    // What comes out becomes wider, so the next layer has another weight.
    let found = changes(&with(""), &with("edge = edges"));
    assert!(
        found.iter().any(|text| text.starts_with("weight-breaking: edge_sum: edge none → given")),
        "{found:#?}"
    );
    assert!(!found.iter().any(|text| text.contains("inputs 1")), "{found:#?}");
}

#[test]
fn a_changed_body_is_a_change_of_its_part_alone() {
    let model = |message: &str, rest: &str| {
        format!(
            "conv mine(out, slope = 0.2) {{\nmessage = {message}\naggregate = mean{rest}\n}}\nmodel = mine(8) -> mean -> linear"
        )
    };
    let plain = model("leaky_relu(linear(out, x_j), slope)", "");
    check(
        &plain,
        &model("tanh(linear(out, x_j)) * slope", ""),
        &[
            "weight-compatible: mine: message leaky_relu(linear(out, x_j, bias = true, init = kaiming), slope) → \
           tanh(linear(out, x_j, bias = true, init = kaiming)) * slope (stage 1)",
        ],
    );
    check(
        &plain,
        &model("leaky_relu(linear(out, x_j), slope)", "\nupdate = aggregated + linear(out, x_i)"),
        &[
            "weight-breaking: mine: update aggregated → aggregated + linear(out, x_i, bias = true, init = kaiming) (stage 1)",
        ],
    );
    check(
        &plain,
        &plain.replace("mine(8)", "mine(8, 0.1)"),
        &["weight-compatible: mine: slope 0.2 → 0.1 (stage 1)"],
    );
    check(
        &plain,
        &plain.replace("mine", "other").replace("slope", "by"),
        &["cosmetic: written differently: formatting, comments, names, order or defaults"],
    );
    check(
        &plain,
        &plain
            .replace("= mine(8)", "= gcn(8)")
            .split_once("\nmodel")
            .map(|(_, model)| format!("model{model}"))
            .unwrap(),
        &["weight-breaking: mine(8) → gcn(8) (stage 1)"],
    );
}

#[test]
fn shared_weights_are_a_change_of_weights() {
    let text = "linear(8) -> repeat(3, linear(8) -> relu, share = true) -> mean -> linear";
    let apart = text.replace(", share = true", "");
    check(
        &apart,
        text,
        &["weight-breaking: linear: weights its own → shared with stage 2, 2 times (stages 4, 6)"],
    );
    check(text, &text.replace('3', "4"), &["weight-compatible: repeat 3 → 4 times: linear(8) -> relu"]);
    check(text, text, &[]);
}
