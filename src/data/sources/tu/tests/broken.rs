//! Every mistake has its message.

use super::*;

#[test]
fn each_broken_file_is_named_with_its_line() {
    refuses(&[("A", "1, 2\n2, 6\n")], "data::out_of_range", "TINY_A.txt:2: node 6 is not one of 1 to 5");
    let zero =
        refuses(&[("A", "1, 2\n0, 1\n")], "data::out_of_range", "TINY_A.txt:2: node 0 is not one of 1 to 5");
    assert!(zero.help.expect("help").contains("add 1 to every number"));
    refuses(
        &[("A", "1, 2\n3, 4\n")],
        "data::edge_between_graphs",
        "TINY_A.txt:2: the edge 3, 4 joins graph 1 and graph 2",
    );
    refuses(
        &[("A", " "), ("edge_labels", "1\n2\n")],
        "data::count",
        "TINY_edge_labels.txt: has 2 lines, one for each edge, but NAME_A.txt, which holds the edges, is empty",
    );
    refuses(
        &[("A", "1, 2\n3\n")],
        "data::ragged",
        "TINY_A.txt:2: expected two node numbers, `source, target`, but `3` has 1 value",
    );
    refuses(
        &[("A", "1, 2\n2, x\n")],
        "data::not_a_number",
        "TINY_A.txt:2: expected two node numbers, `source, target`, but found `x`",
    );
    refuses(
        &[("graph_indicator", "0\n0\n0\n1\n1\n")],
        "data::out_of_range",
        "TINY_graph_indicator.txt:1: graph 0 is named, but graphs are numbered from 1",
    );
    refuses(
        &[("graph_indicator", "1\n1\n2\n1\n3\n")],
        "data::graph_order",
        "TINY_graph_indicator.txt:4: the nodes are not sorted by graph: graph 1 comes after graph 2",
    );
    refuses(
        &[("graph_indicator", "1\n1\n1\n3\n3\n")],
        "data::empty_graph",
        "TINY_graph_indicator.txt:4: graph 3 follows graph 1: graph 2 has no nodes",
    );
    refuses(
        &[("graph_indicator", "2\n2\n2\n3\n3\n")],
        "data::empty_graph",
        "TINY_graph_indicator.txt:1: graph 2 comes first: graph 1 has no nodes",
    );
    refuses(
        &[("graph_indicator", "\n")],
        "data::empty",
        "TINY_graph_indicator.txt: the file is empty, so the data set has no nodes",
    );
    refuses(
        &[("node_attributes", "1, 2\n3, 4\n5, NaN\n7, 8\n9, 10\n")],
        "data::not_finite",
        "TINY_node_attributes.txt:3: expected a node attribute (a real number), but `NaN` is not finite",
    );
    refuses(
        &[("node_attributes", "1, 2\n3, 4\n5\n7, 8\n9, 10\n")],
        "data::ragged",
        "TINY_node_attributes.txt:3: `5` has 1 value, but the lines before have 2",
    );
    refuses(
        &[("node_labels", "3\n5\n3\n3\n")],
        "data::count",
        "TINY_node_labels.txt: has 4 lines, but there are 5 nodes",
    );
    refuses(
        &[("node_labels", "3\n5\n3\n3.5\n6\n")],
        "data::not_a_number",
        "TINY_node_labels.txt:4: expected a node label (a whole number), but found `3.5`",
    );
    refuses(
        &[("graph_labels", "1\n")],
        "data::count",
        "TINY_graph_labels.txt: has 1 line, but TINY_graph_indicator.txt names 2 graphs",
    );
    refuses(
        &[("graph_labels", "1\n2\n1\n")],
        "data::count",
        "TINY_graph_labels.txt: has 3 lines, but TINY_graph_indicator.txt names 2 graphs: graph 3 has no nodes",
    );
    refuses(
        &[("graph_labels", "1, 1\n2, 2\n")],
        "data::not_a_label",
        "TINY_graph_labels.txt:2: column 1: 2 is neither 1 nor 0",
    );
}

#[test]
fn each_broken_file_of_edges_is_named_with_its_line() {
    let count = refuses(
        &[("edge_labels", "1\n2\n1\n1\n2\n")],
        "data::count",
        "TINY_edge_labels.txt: has 5 lines, but there are 6 edges",
    );
    assert_eq!(
        count.help.as_deref(),
        Some("line i belongs to edge i, the one of line i of NAME_A.txt: add the missing lines")
    );
    let surplus = refuses(
        &[("edge_attributes", "1\n2\n1\n1\n2\n3\n4\n")],
        "data::count",
        "TINY_edge_attributes.txt: has 7 lines, but there are 6 edges",
    );
    assert!(surplus.help.expect("help").ends_with("delete the surplus lines"));
    refuses(
        &[("edge_attributes", "1, 2\n3, 4\n5\n1, 2\n1, 2\n1, 2\n")],
        "data::ragged",
        "TINY_edge_attributes.txt:3: `5` has 1 value, but the lines before have 2",
    );
    for (value, found) in [("nan", "`nan` is not finite"), ("1e39", "`1e39` is not finite")] {
        refuses(
            &[("edge_attributes", &format!("1\n{value}\n1\n1\n2\n3\n"))],
            "data::not_finite",
            &format!("TINY_edge_attributes.txt:2: expected an edge attribute (a real number), but {found}"),
        );
    }
    let real = refuses(
        &[("edge_labels", "1\n0.5\n1\n1\n2\n3\n")],
        "data::not_a_number",
        "TINY_edge_labels.txt:2: expected an edge label (a whole number), but found `0.5`",
    );
    assert!(real.help.expect("help").contains("NAME_edge_attributes.txt"));
    refuses(
        &[("edge_labels", "1\n99999999999999999999\n1\n1\n2\n3\n")],
        "data::out_of_range",
        "TINY_edge_labels.txt:2: expected an edge label (a whole number), but `99999999999999999999` is too large",
    );
    // Labels are read for the kinds of edges, whatever the features are.
    let root = folder(&[("edge_labels", "x\n")]);
    let error = load(&root, &[("edge_features", ArgValue::Choice("none"))]).expect_err("no number");
    assert_eq!(error.code, "data::not_a_number");
    let many: String = (0..10_001).map(|label| format!("{label}\n")).collect();
    let edges = "1, 2\n".repeat(10_001);
    let error = load(&folder(&[("A", &edges), ("edge_labels", &many)]), &[]).expect_err("too many");
    assert_eq!(
        (error.code, error.message.as_str()),
        ("data::too_many_labels", "has more than 10000 different edge labels")
    );
}

#[test]
fn missing_parts_are_named_with_what_they_are_for() {
    let missing = |part: &str, args: &[(&str, ArgValue)], message: &str| {
        let error = load(&folder(&[(part, "")]), args).expect_err(message);
        assert_eq!((error.code, error.message.as_str()), ("data::missing_part", message));
        assert!(error.help.is_some() && error.file.is_some());
    };
    missing(
        "graph_indicator",
        &[],
        "`TINY_graph_indicator.txt` is missing: it says which graph each node belongs to",
    );
    missing("A", &[], "`TINY_A.txt` is missing: it holds the edges");
    missing(
        "node_labels",
        &[("features", ArgValue::Choice("both"))],
        "`features = both` needs `TINY_node_labels.txt`, which TINY does not have",
    );
    missing(
        "edge_labels",
        &[("edge_features", ArgValue::Choice("labels"))],
        "`edge_features = labels` needs `TINY_edge_labels.txt`, which TINY does not have",
    );
    missing(
        "graph_attributes",
        &[("target", ArgValue::Choice("attributes"))],
        "`target = attributes` needs `TINY_graph_attributes.txt`, which TINY does not have",
    );
}

#[test]
fn no_bytes_whatever_make_the_reader_panic() {
    use crate::rng::{below, generator};
    let pieces: [&[u8]; 14] = [
        b"\n",
        b",",
        b"-",
        b"0",
        b"9",
        b" ",
        b".",
        b"e",
        b"nan",
        b"\xFF",
        b"\0",
        b"99999999999999999999",
        b"\n\n",
        b"1\n2\n",
    ];
    let mut rng = generator(11, 0);
    let root = folder(&CARRIED);
    let all_parts = [&TINY[..], &CARRIED].concat();
    let archive = tempfile::tempdir().expect("a temporary folder");
    let zip = archive.path().join("TINY.zip");
    zip_of(&zip, &parts(&[]));
    let whole = std::fs::read(&zip).expect("readable");
    let (mut n_read, mut n_refused) = (0, 0);
    let both = [("features", ArgValue::Choice("both")), ("edge_features", ArgValue::Choice("both"))];
    for round in 0..700 {
        let (part, text) = all_parts[round % all_parts.len()];
        let mut bytes = if round % 7 == 0 { whole.clone() } else { text.as_bytes().to_vec() };
        for _ in 0..1 + below(&mut rng, 3) {
            let at = below(&mut rng, bytes.len() + 1);
            let until = (at + below(&mut rng, 3)).min(bytes.len());
            bytes.splice(at..until, pieces[below(&mut rng, pieces.len())].iter().copied());
        }
        let path = root.path().join(format!("TINY/TINY_{part}.txt"));
        let place = if round % 7 == 0 { &archive } else { &root };
        std::fs::write(if round % 7 == 0 { &zip } else { &path }, bytes).expect("writable");
        match load(place, &both) {
            Ok(data) => {
                n_read += 1;
                let all: Vec<u32> = (0..data.n_graphs() as u32).collect();
                data.batch(&all, candle_core::DType::F32, &candle_core::Device::Cpu).expect("small");
            }
            Err(error) => {
                n_refused += 1;
                assert!(error.help.is_some() && !error.to_string().contains('\n'), "{error}");
            }
        }
        std::fs::write(path, text).expect("writable");
    }
    // The loop has seen both ends, so it tests something.
    assert!(n_read > 50 && n_refused > 200, "{n_read} read, {n_refused} refused");
}

#[test]
fn mistakes_of_numbering_have_their_real_name() {
    // Ten graphs whose nodes come in any order; the first to come is graph 10.
    let mixed: String = [10, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10]
        .map(|graph| format!("{graph}\n"))
        .concat();
    refuses(
        &[("graph_indicator", &mixed)],
        "data::graph_order",
        "TINY_graph_indicator.txt:2: the nodes are not sorted by graph: graph 1 comes after graph 10",
    );
    let twice = refuses(
        &[("graph_indicator", "1\n1\n2\n1\n2\n2\n")],
        "data::graph_order",
        "TINY_graph_indicator.txt:4: the graph numbers start over: graph 1 comes after graph 2",
    );
    assert!(twice.help.expect("help").contains("add 2 to the numbers from this line on"));
    refuses(
        &[("graph_indicator", "1\n3\n3\n7\n7\n")],
        "data::empty_graph",
        "TINY_graph_indicator.txt:2: graph 3 follows graph 1: 4 graphs have no nodes, graph 2 first",
    );
    // Three triangles and a pair of nodes, each numbered from 1. Where the first graph is the largest, all edges lie
    // in it; where it is the smallest, the first edge of the second seems to lead out of it.
    let triangle = "1, 2\n2, 1\n2, 3\n3, 2\n3, 1\n1, 3\n";
    let pair = "1, 2\n2, 1\n";
    for (edges, indicator) in [
        (format!("{triangle}{triangle}{pair}"), "1\n1\n1\n2\n2\n2\n3\n3\n"),
        (format!("{pair}{triangle}{triangle}"), "1\n1\n2\n2\n2\n3\n3\n3\n"),
    ] {
        let error = refuses(
            &[("A", &edges), ("graph_indicator", indicator)],
            "data::numbers_restart",
            "TINY_A.txt: the node numbers seem to start over in every graph: none is above 3, the size of the \
             largest graph",
        );
        assert!(error.help.expect("help").contains("numbered from 1 to 8 over the whole data set"));
    }
    // The same from 0.
    let from_zero = "0, 1\n1, 0\n1, 2\n2, 1\n0, 1\n1, 0\n";
    let error = refuses(
        &[("A", from_zero)],
        "data::numbers_restart",
        "TINY_A.txt: the node numbers seem to start over in every graph: none is above 3, the size of the \
         largest graph",
    );
    assert!(error.help.expect("help").ends_with(", and 1"));
    // Numbered from 0 over the whole set, where the first edge at fault joins two graphs.
    let error = refuses(
        &[("A", "1, 2\n2, 3\n3, 4\n0, 1\n")],
        "data::out_of_range",
        "TINY_A.txt:3: node 0 is not one of 1 to 5",
    );
    assert!(error.help.expect("help").contains("add 1 to every number"));
}

#[test]
fn sets_whose_edges_lie_in_the_first_graphs_are_no_mistake() {
    // One graph of five nodes with a path, and two lone nodes: no number repeats.
    let root = folder(&[
        ("A", "1, 2\n2, 1\n4, 5\n5, 4\n"),
        ("graph_indicator", "1\n1\n1\n1\n1\n2\n3\n"),
        ("graph_labels", "1\n2\n1\n"),
        ("node_labels", "1\n1\n1\n1\n1\n1\n1\n"),
    ]);
    assert_eq!(load(&root, &[]).expect("readable").n_edges(), 4);
}

#[test]
fn edges_with_a_weight_are_told_where_weights_belong() {
    let error = refuses(
        &[("A", "1, 2, 0.5\n2, 1, 0.5\n")],
        "data::ragged",
        "TINY_A.txt:1: expected two node numbers, `source, target`, but `1, 2, 0.5` has 3 values",
    );
    assert!(error.help.expect("help").contains("NAME_edge_attributes.txt"));
}
