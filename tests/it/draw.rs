//! Drawings: every form of every shipped model, and models that are hard to draw.

use hgnn::check::check;
use hgnn::draw::{self, Detail, Direction, Look, Marks, Scene, Theme};
use hgnn::ir::Model;
use hgnn::source::SourceMap;
use petgraph::graph::NodeIndex;
use std::process::{Command, Output};

fn model(text: &str) -> Model {
    let mut sources = SourceMap::default();
    let main = sources.add("m.hgnn", text);
    let (program, _) = hgnn::syntax::load_program(&mut sources, main, &|path| std::fs::read_to_string(path));
    let outcome = check(&program, None);
    outcome.model.unwrap_or_else(|| panic!("{text}: {:?}", outcome.diagnostics)).get().clone()
}

fn look(direction: Direction) -> Look {
    Look { title: "m <\"&\"> \u{7}".into(), direction, theme: Theme::Light }
}

const POOLED: &str = "let width = 16
block encoder() = repeat(2, sage(width) -> relu)
model = encoder() as fine -> diffpool(k = 4, assign = encoder()) -> residual(gcn(width))
    -> concat(fine -> max, max) -> mlp(hidden = [8])
loss = cross_entropy + 0.1 * entropy";

#[test]
fn drawings_are_well_formed_and_need_nothing_from_outside() {
    for theme in [Theme::Light, Theme::Dark, Theme::Print] {
        for direction in [Direction::Down, Direction::Right] {
            let scene = Scene::of(&model(POOLED), None, Detail::Blocks);
            let svg = draw::svg(&scene, &Look { theme, ..look(direction) });
            let document = roxmltree::Document::parse(&svg).expect("well-formed XML");
            let named = |name: &str| document.descendants().filter(|node| node.has_tag_name(name)).count();
            assert_eq!((named("script"), named("image"), named("use")), (0, 0, 0));
            let title = document.descendants().find(|node| node.has_tag_name("title"));
            assert_eq!(title.and_then(|title| title.text()), Some("m <\"&\">  "));
            let outside = svg.matches("http").count() - svg.matches("http://www.w3.org/2000/svg").count();
            assert_eq!(outside, 0, "{svg}");
        }
    }
}

#[test]
fn the_same_model_gives_the_same_bytes() {
    let draw = || {
        let model = model(POOLED);
        let scene = Scene::of(&model, None, Detail::Blocks);
        let look = look(Direction::Down);
        [
            draw::svg(&scene, &look),
            draw::dot(&scene, &look),
            draw::mermaid(&scene, &look),
            draw::html(&scene, &model, None, &look),
        ]
    };
    assert_eq!(draw(), draw());
}

#[test]
fn graphs_in_words_say_what_the_drawing_shows() {
    let model = model(POOLED);
    let scene = Scene::of(&model, None, Detail::Blocks);
    let look = Look { title: "pooled".into(), ..Look::default() };
    let shown = format!("{}\n{}", draw::dot(&scene, &look), draw::mermaid(&scene, &look));
    snapbox::assert_data_eq!(shown, snapbox::file!["snapshots/graph.txt"].raw());
}

#[test]
fn equal_rounds_are_drawn_once_unless_every_stage_is_wanted() {
    let model = model("model = gcn(8) -> repeat(5, gcn(8) -> relu) -> mean -> mlp");
    let units = |detail| Scene::of(&model, None, detail).units.len();
    assert_eq!((units(Detail::Blocks), units(Detail::Stages)), (6, 10));
    // Rounds that grow differ.
    let grows = "model = gcn(8) -> repeat(3, concat(identity, gcn(8))) -> mean -> mlp";
    let scene = Scene::of(&self::model(grows), None, Detail::Blocks);
    assert!(scene.groups.iter().all(|group| group.times == 1));
}

#[test]
fn a_model_of_thousands_of_stages_stays_a_drawing() {
    let chain: String = (0..5000).map(|idx| format!("gcn({}) -> ", 8 + idx % 7)).collect();
    let wide: String = vec!["gcn(8)"; 300].join(", ");
    for text in [format!("model = {chain}mean -> mlp"), format!("model = concat({wide}) -> mean -> mlp")] {
        for detail in [Detail::Blocks, Detail::Stages] {
            let scene = Scene::of(&model(&text), None, detail);
            assert!(scene.units.len() < 250 && scene.n_hidden > 100, "{}", scene.units.len());
            let svg = draw::svg(&scene, &look(Direction::Down));
            let document = roxmltree::Document::parse(&svg).expect("well-formed XML");
            let width: f64 = document.root_element().attribute("width").unwrap().parse().unwrap();
            assert!(width < 6000.0, "{width}");
        }
    }
}

#[test]
fn a_comparison_shows_what_changed_with_signs_and_numbers() {
    let before = model("model = gcn(64) -> relu -> gcn(32) -> mean -> mlp");
    let after = model("model = gcn(64) -> gcn(128) -> mean -> dropout(0.5) -> mlp");
    let at = |idx: usize| NodeIndex::new(idx);
    let marks = Marks {
        pairs: vec![(at(0), at(0)), (at(1), at(1)), (at(4), at(3)), (at(5), at(5))],
        changed: vec![(at(3), at(2))],
        removed: vec![at(2)],
        added: vec![at(4)],
    };
    let svg = draw::side_by_side(&before, &after, &marks);
    let document = roxmltree::Document::parse(&svg).expect("well-formed XML");
    let texts: Vec<String> = document
        .descendants()
        .filter(|node| node.has_tag_name("text"))
        .map(|text| text.descendants().filter_map(|node| node.text().filter(|_| node.is_text())).collect())
        .collect();
    let has = |wanted: &str| texts.iter().any(|text| text == wanted);
    for wanted in ["gcn(32 → 128)", "nodes[N, 32 → 128]", "+", "−", "~", "before", "after", "unchanged"]
    {
        assert!(has(wanted), "{wanted}: {texts:?}");
    }
}

/// Runs `hgnnc graph` in an empty folder with `m.hgnn` in it.
fn run(text: &str, arguments: &[&str]) -> (tempfile::TempDir, Output) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(folder.path().join("m.hgnn"), text).expect("writable");
    let output = Command::new(env!("CARGO_BIN_EXE_hgnnc"))
        .arg("graph")
        .args(arguments)
        .current_dir(folder.path())
        .env("HGNN_OFFLINE", "1")
        .output()
        .expect("the binary runs");
    (folder, output)
}

#[test]
fn the_ending_says_the_form() {
    for (name, begin) in [
        ("m.svg", "<svg"),
        ("m.html", "<!DOCTYPE html>"),
        ("m.dot", "// Architecture"),
        ("m.gv", "// Architecture"),
        ("m.mmd", "flowchart"),
    ] {
        let (folder, output) = run(POOLED, &["m.hgnn", "-o", name]);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let written = std::fs::read_to_string(folder.path().join(name)).expect("written");
        assert!(written.starts_with(begin), "{name}: {written}");
    }
    let (folder, output) = run(POOLED, &["m.hgnn", "-o", "m.png"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains(".svg, .html, .dot or .mmd"), "{output:?}");
    assert!(!folder.path().join("m.png").exists());
}

#[test]
fn a_broken_file_is_refused_with_its_findings_and_leaves_the_old_drawing() {
    let (folder, output) = run("gnc(8) -> mean -> mlp", &["m.hgnn", "-o", "m.hgnn.svg"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("names::unknown"), "{output:?}");
    assert!(!folder.path().join("m.hgnn.svg").exists());
}
