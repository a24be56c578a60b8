//! What holds of values of the edges in a model.

use super::{Canonical, Model, canonical::Part};
use crate::data::Features;
use crate::data::batch::EdgeReads;
use crate::data::synthetic::{RandomGraphs, random_graphs};
use crate::lower::testing::compile;
use crate::lower::{ForwardCx, Network, witness};
use crate::ops::testing::{codes, nodes, outcome, types};
use crate::types::DataFacts;
use candle_core::{DType, Device};

/// A model with one value of the edges.
fn with(item: &str, model: &str) -> String {
    format!("{item}\nmodel = {model} -> mean -> linear")
}

#[test]
fn a_named_pipeline_is_known_before_and_after_it_and_in_blocks_and_built_once() {
    let before = "block layer(width) = edge_sum(edge = bonds) -> linear(width) -> relu\n\
                  model = layer(8) -> edge_sum(edge = bonds) -> mean -> linear\n\
                  edges -> linear(16) -> relu as bonds";
    let after = "edges -> linear(16) -> relu as bonds\n\
                 model = edge_sum(edge = bonds) -> linear(8) -> relu -> edge_sum(edge = bonds) -> mean -> linear";
    for text in [before, after] {
        let types = types(text, None);
        assert_eq!(types[..4], ["nodes[N, F]", "edges[E, F_e]", "edges[E, 16]", "edges[E, 16]"], "{text}");
        assert_eq!(types.iter().filter(|ty| ty.starts_with("edges")).count(), 3, "{text}");
    }
}

#[test]
fn the_words_stand_as_arguments_too() {
    let text = "edge_sum(edge = edges, relation = edge_labels) -> mean -> linear";
    assert_eq!(types(text, None)[1..4], ["edges[E, F_e]", "kinds[E, R]", "nodes[N, F+F_e+1]"]);
    let inline = "edge_sum(weight = edges -> mlp(hidden = [4], out = 1) -> sigmoid) -> mean -> linear";
    assert_eq!(codes(inline), [""; 0]);
}

#[test]
fn below_a_selection_the_remaining_edges_are_meant_once_for_each_selection() {
    let text = with(
        "edges -> linear(4) as bonds",
        "edge_sum(edge = bonds) -> topk(ratio = 0.5) -> edge_sum(edge = bonds) -> edge_sum(edge = bonds) -> topk(k = 2) \
         -> edge_sum(edge = bonds, weight = edges -> linear(1))",
    );
    let model = compile(&text, None);
    let added: Vec<_> = model.get().nodes().filter(|(_, node)| node.op.name() == "remaining_edges").collect();
    // `bonds` below the first, `bonds` below both, and the weight below the first and below both.
    assert_eq!(added.len(), 4);
    for (idx, node) in added {
        assert_eq!(node.author, crate::ir::Author::Compiler);
        let levels: Vec<u32> =
            model.get().inputs(idx).iter().map(|&input| model.get().graph[input].ty.level.0).collect();
        assert_eq!(levels, [node.ty.level.0 - 1, node.ty.level.0]);
    }
}

#[test]
fn a_mistake_about_edges_is_one_message() {
    for (item, model, code) in [
        ("", "edge_sum(edge = linear(8))", "levels::edges_needed"),
        ("", "edge_sum(edge = edge_labels)", "levels::edges_needed"),
        ("", "edge_sum(relation = edges)", "levels::edges_needed"),
        ("", "edge_sum(weight = edges -> linear(2))", "shape::width_mismatch"),
        ("", "diffpool(k = 4) -> edge_sum(edge = edges)", "levels::edges_end"),
        ("", "edge_sum(edge = edges -> gcn(8))", "levels::not_for_edges"),
        ("", "edge_sum(edge = edges -> mean)", "levels::not_for_edges"),
        ("", "edge_sum(edge = edge_labels -> linear(8))", "levels::kinds"),
        ("", "edge_sum(edge = edges -> topk(k = 3))", "levels::not_for_edges"),
        ("", "concat(edges, identity)", "levels::mixed_levels"),
        ("", "gcn(8) -> edges", "names::not_first"),
        ("", "edge_sum(edge = edges(3))", "args::too_many"),
        ("edges -> linear(8) as bonds", "gcn(8)", "unused::edges"),
        ("edges -> linear(8)", "gcn(8)", "names::unnamed_edges"),
        ("edges", "gcn(8)", "names::unnamed_edges"),
        ("edges -> linear(8) as bonds", "edge_sum(edge = bond)", "names::unknown"),
        ("edges -> concat(identity, bonds) as bonds", "edge_sum(edge = bonds)", "names::recursive"),
        ("edges -> lineer(8) as bonds", "edge_sum(edge = bonds)", "names::unknown"),
        ("edges -> linear(8) as bonds", "gcn(8) -> bonds", "names::not_first"),
        ("edges -> linear(8) as bonds", "edge_sum(edge = bonds) as bonds", "names::duplicate"),
        ("let edges = 3", "gcn(8)", "names::reserved"),
        ("", "gcn(edges)", "args::wrong_kind"),
    ] {
        let text = with(item, model);
        assert_eq!(codes(&text), [code], "{text}: {:#?}", outcome(&text, None).diagnostics);
    }
    assert_eq!(
        codes("edges -> linear(3)\nedges -> relu as b\nmodel = edge_sum(edge = b) -> mean -> linear").len(),
        1
    );
}

#[test]
fn messages_point_at_the_argument_and_the_pooling_and_have_a_line_to_paste() {
    let text = with("edges -> linear(8) as bonds", "diffpool(k = 4) -> edge_sum(edge = bonds)");
    let found = outcome(&text, None).diagnostics;
    let places: Vec<&str> = found[0]
        .labels
        .iter()
        .map(|label| &text[label.span.start as usize..label.span.end as usize])
        .collect();
    assert_eq!(places, ["edge = bonds", "diffpool(k = 4)"]);
    assert!(found[0].help.as_deref().unwrap().contains("leave `edge` out"));
}

/// Graphs whose edges carry two numbers and one of three kinds.
fn molecules() -> crate::data::Dataset {
    let wanted = RandomGraphs {
        n_graphs: 6,
        n_edge_features: 2,
        n_edge_kinds: 3,
        mean_degree: 2.0,
        directed: true,
        ..RandomGraphs::default()
    };
    random_graphs(&wanted)
}

/// What comes out of a model on the first graphs, row by row, with the sums over a node's edges worked out from the data.
#[test]
fn a_convolution_gets_the_values_of_its_own_edges() {
    let data = molecules();
    let model = compile("model = edge_sum(edge = edges)\ntask = node_classification", None);
    let network = Network::build(&model, &data.facts(), DType::F64, &Device::Cpu, 1).unwrap();
    let graphs = [2, 0, 5];
    let batch = data.batch_for(EdgeReads::of(model.get()), &graphs, DType::F64, &Device::Cpu).unwrap();
    let rows: Vec<Vec<f64>> =
        network.forward(&batch, &mut ForwardCx::evaluation()).unwrap().x.to_vec2().unwrap();
    let Some(Features::Dense { values, .. }) = &data.edge_features else { panic!("numbers on edges") };
    let nodes = graphs.iter().flat_map(|&graph| data.graph_nodes(graph as usize));
    for (node, row) in nodes.zip(&rows) {
        let entries = data.adjacency.offsets[node] as usize..data.adjacency.offsets[node + 1] as usize;
        for column in 0..2 {
            let sum: f64 = entries.clone().map(|entry| f64::from(values[2 * entry + column])).sum();
            assert!((row[data.n_features() + column] - sum).abs() < 1e-12, "node {node}");
        }
    }
}

#[test]
fn values_of_edges_move_with_them_through_selections_and_renumberings() {
    for text in [
        "edge_sum(edge = edges, weight = edges -> linear(1), relation = edge_labels) -> linear(8) -> relu -> sum -> linear",
        "edge_sum(edge = edges) -> linear(8) -> topk(ratio = 0.6) -> edge_sum(edge = edges, relation = edge_labels) \
         -> topk(k = 3) -> edge_sum(edge = edges -> linear(4) -> batch_norm -> relu) -> sum -> linear",
        "edge_sum(edge = edges -> layer_norm(mode = graph) -> dropout(0.5)) -> mean -> linear",
    ] {
        let data = molecules();
        let on_data = witness(&compile(text, Some(&data.facts())), Some(&data)).unwrap();
        let on_random = witness(&compile(text, None), None).unwrap();
        for found in [on_data, on_random] {
            assert!(found.deviation < 1e-5, "{text}: {found:?}");
        }
    }
}

/// Of a path `0 → 1 → 2 → 3` with the values 1, 10, 100 on its edges the last three nodes are kept.
#[test]
fn below_a_selection_a_node_sums_the_edges_that_remain() {
    let mut data = nodes(4, &[(0, 1), (1, 2), (2, 3)]);
    data.features = Features::Dense { values: vec![-1.0, 1.0, 2.0, 3.0].into(), width: 1 };
    data.edge_features = Some(Features::Dense { values: vec![1.0, 10.0, 100.0].into(), width: 1 });
    let text =
        "model = topk(k = 3) -> edge_sum(edge = edges) -> topk(k = 2) -> edge_sum(edge = edges) -> sum";
    let model = compile(text, None);
    let network = Network::build(&model, &data.facts(), DType::F64, &Device::Cpu, 1).unwrap();
    let mut observed = Vec::new();
    let batch = data.batch(&[0], DType::F64, &Device::Cpu).unwrap();
    network
        .forward_observed(&batch, &mut ForwardCx::evaluation(), &mut |step, value| {
            let name = model.get().graph[step.node].op.name();
            if name == "edge_sum" || name == "remaining_edges" {
                let rows: Vec<Vec<f64>> = value.x.to_vec2().unwrap();
                observed.push((name, rows.into_iter().map(|row| row[row.len() - 1]).collect::<Vec<_>>()));
            }
        })
        .unwrap();
    // The direction has a sign of its own, so that either end of the path may be the one that goes.
    let first = &observed[0].1;
    assert!(*first == [10.0, 100.0] || *first == [1.0, 10.0], "{observed:?}");
    assert_eq!(observed[1].1, [&[0.0][..], first].concat(), "{observed:?}");
    assert_eq!(observed[2].1.len(), 1, "{observed:?}");
    assert!(first.contains(&observed[2].1[0]), "{observed:?}");
    assert_eq!(observed[3].1, [0.0, observed[2].1[0]], "{observed:?}");
}

#[test]
fn the_canonical_form_says_which_argument_an_input_is() {
    let text = "edge_sum(weight = edges -> linear(1)) -> topk(k = 2) -> edge_sum(relation = edge_labels, edge = edges) \
                -> mean -> linear";
    let model = compile(text, None);
    let canonical = Canonical::of(model.get());
    let written = canonical.text(Part::Architecture);
    for line in [
        "stage 1 = edges()",
        "stage 3 = edge_sum() of 0, weight = 2",
        "stage 5 = remaining_edges() of 1, 4",
        "stage 8 = edge_sum() of 4, edge = 5, relation = 7",
    ] {
        assert!(written.lines().any(|own| own == line), "{line}\n{written}");
    }
    let read = Canonical::parse(&canonical.to_string()).unwrap();
    assert_eq!(read, canonical);
    let again = read.model(None).unwrap();
    let types = |model: &Model| -> Vec<String> {
        Canonical::with_nodes(model).1.iter().map(|&node| model.graph[node].ty.to_string()).collect()
    };
    assert_eq!(types(&again), types(model.get()));
    assert_ne!(canonical, Canonical::of(compile(&text.replace("weight", "edge"), None).get()));
    for (from, to) in [
        ("of 0, weight = 2", "of 0, 2"),
        ("of 0, weight = 2", "of weight = 2, 0"),
        ("of 0, weight = 2", "of 0, wait = 2"),
        ("edge = 5, relation = 7", "relation = 7, edge = 5"),
    ] {
        let damaged = canonical.to_string().replace(from, to);
        assert!(Canonical::parse(&damaged).map(|read| read.model(None).is_ok()) != Ok(true), "{to}");
    }
}

#[test]
fn a_model_costs_what_it_does_on_edges() {
    let data = molecules();
    let facts = data.facts();
    let text = "edges -> linear(4) as bonds\n\
                model = edge_sum(edge = bonds) -> topk(ratio = 0.5) -> edge_sum(edge = bonds) -> mean -> linear";
    let stages = crate::plan::stages(compile(text, Some(&facts)).get(), Some(&facts));
    let cost = |name: &str| {
        let stage = stages.iter().find(|stage| stage.text.starts_with(name)).unwrap();
        (stage.parameters.unwrap(), stage.flops.unwrap())
    };
    let edges = facts.total_edges as f64 / facts.n_graphs as f64;
    assert_eq!(cost("linear(out = 4"), (2 * 4 + 4, edges * (2.0 * 2.0 * 4.0 + 4.0)));
    assert_eq!(cost("remaining_edges").0, 0);
}

#[test]
fn data_without_what_a_stage_asks_for_is_an_error_and_names_it() {
    let with = |edge_features, edge_kinds| DataFacts { edge_features, edge_kinds, ..molecules().facts() };
    for (argument, facts, expected) in [
        ("edge = edges", with(0, 0), "data::no_edge_features"),
        ("edge = edges", with(0, 3), "data::no_edge_features"),
        ("relation = edge_labels", with(2, 0), "data::no_edge_kinds"),
    ] {
        let text = format!("edge_sum({argument}) -> edge_sum({argument}) -> mean -> linear");
        let mut found = outcome(&text, Some(&facts)).diagnostics;
        found.retain(crate::diagnostic::Diagnostic::is_error);
        let [finding] = found.as_slice() else { panic!("{text}: {found:?}") };
        assert_eq!(finding.code, expected);
        assert!(finding.message.contains("random graphs"), "{finding:?}");
    }
}

#[test]
fn labels_that_are_no_kinds_are_said_to_be_there() {
    use crate::types::NoKinds;
    let text = "data = tu(\"X\", parallel = sum)\nmodel = edge_sum(relation = edge_labels) -> mean -> linear";
    for (no_kinds, part, help) in [
        (None, "have no labels", "`edges` stands for them"),
        (Some(NoKinds::Merged), "have lost their labels where several became one", "write `parallel = drop`"),
        (Some(NoKinds::Columns(2)), "have several columns of labels", "keep the column that is meant"),
    ] {
        let facts = DataFacts { edge_kinds: 0, no_kinds, ..molecules().facts() };
        let mut found = outcome(text, Some(&facts)).diagnostics;
        found.retain(|finding| finding.code == "data::no_edge_kinds");
        let [finding] = found.as_slice() else { panic!("{found:?}") };
        assert!(finding.message.contains(part), "{finding:?}");
        assert!(finding.help.as_deref().unwrap().contains(help), "{finding:?}");
        let mended = finding.fix.as_ref().map(|fix| fix.apply(text));
        let is_merged = no_kinds == Some(NoKinds::Merged);
        assert_eq!(mended, is_merged.then(|| text.replace("parallel = sum", "parallel = drop")));
    }
}

#[test]
fn what_belongs_to_the_whole_file_stands_at_the_front_and_rounds_stay_alike() {
    let text = "model = linear(8) -> repeat(3, edge_sum(edge = bonds) -> linear(8) -> relu) -> topk(k = 2)\n\
                \x20   -> repeat(2, edge_sum(edge = bonds) -> linear(8) -> relu) -> mean -> linear\n\
                edges -> linear(4) as bonds";
    let model = compile(text, None);
    let names: Vec<&str> = model.get().nodes().map(|(_, node)| node.op.name()).collect();
    let round = ["edge_sum", "linear", "relu"];
    let rounds = |n: usize| round.repeat(n);
    let expected =
        [vec!["input", "edges", "linear", "linear"], rounds(3), vec!["topk", "remaining_edges"], rounds(2)]
            .concat();
    assert_eq!(names[..expected.len()], expected);
    let scene = crate::draw::Scene::of(model.get(), None, Default::default());
    let times: Vec<usize> = scene.groups.iter().map(|group| group.times).filter(|&times| times > 1).collect();
    assert_eq!(times, [3, 2]);
    let labels: Vec<&str> = scene.edges.iter().map(|edge| edge.label.as_str()).collect();
    assert_eq!(labels.iter().filter(|&&label| label == "edge").count(), 2, "{labels:?}");
    let titles: Vec<&str> =
        scene.units.iter().flat_map(|unit| &unit.parts).map(|part| part.title.as_str()).collect();
    assert!(titles.contains(&"edge features") && titles.contains(&"remaining_edges (added)"), "{titles:?}");
}

#[test]
fn a_file_can_use_the_values_of_edges_of_another() {
    use crate::source::SourceMap;
    let other = "edges -> linear(4) -> relu as bonds\nedges -> linear(1) as strengths\n\
                 block layer(width) = edge_sum(edge = bonds) -> linear(width)\n";
    let main = "use \"other.hgnn\"\nmodel = layer(8) -> edge_sum(edge = bonds) -> mean -> linear";
    let mut sources = SourceMap::default();
    let id = sources.add("main.hgnn", main);
    let (program, findings) = crate::syntax::load_program(&mut sources, id, &|_| Ok(other.to_owned()));
    assert!(findings.is_empty(), "{findings:?}");
    let outcome = crate::check::check(&program, None);
    assert!(outcome.diagnostics.is_empty(), "{:#?}", outcome.diagnostics);
    let model = outcome.model.unwrap();
    assert_eq!(model.get().nodes().filter(|(_, node)| node.ty.entity.is_of_edges()).count(), 3);
    // A file of nothing but values of edges is one for others.
    let mut sources = SourceMap::default();
    let id = sources.add("other.hgnn", "edges -> linear(4) as bonds");
    let (program, _) =
        crate::syntax::load_program(&mut sources, id, &|_| Err(std::io::ErrorKind::NotFound.into()));
    let outcome = crate::check::check(&program, None);
    assert!(outcome.is_library && outcome.diagnostics.is_empty(), "{outcome:?}");
}
