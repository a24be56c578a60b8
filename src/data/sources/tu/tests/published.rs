//! The published sets.

use super::*;

fn real(name: &str) -> Option<Dataset> {
    let folder: PathBuf = data::real_data("tu")?;
    Some(data::load(&call(name, &[]), &DataOptions::folder(folder)).expect(name))
}

#[test]
fn published_sets_have_their_published_counts() {
    type Counts = (&'static str, usize, usize, usize, usize, usize, usize, &'static [usize]);
    // Name, graphs, nodes, directed edges, features, smallest and largest graph, graphs a class.
    #[rustfmt::skip]
    let table: [Counts; 8] = [
        ("MUTAG", 188, 3_371, 7_442, 7, 10, 28, &[63, 125]),
        ("PTC_MR", 344, 4_915, 10_108, 18, 2, 64, &[192, 152]),
        ("ENZYMES", 600, 19_580, 74_564, 3, 2, 126, &[100; 6]),
        ("PROTEINS", 1_113, 43_471, 162_088, 3, 4, 620, &[663, 450]),
        ("DD", 1_178, 334_925, 1_686_092, 89, 30, 5_748, &[691, 487]),
        ("REDDIT-BINARY", 2_000, 859_254, 1_991_016, 0, 6, 3_782, &[1000, 1000]),
        ("AIDS", 2_000, 31_385, 64_780, 38, 2, 95, &[400, 1600]),
        ("Acyclic", 183, 1_492, 2_618, 3, 3, 11, &[]),
    ];
    for (name, n_graphs, n_nodes, n_edges, n_features, smallest, largest, class_counts) in table {
        let Some(data) = real(name) else { return };
        let facts = data.facts();
        assert_eq!((data.n_graphs(), data.n_nodes(), data.n_edges()), (n_graphs, n_nodes, n_edges), "{name}");
        assert_eq!((data.n_features(), data.is_symmetric()), (n_features, true), "{name}");
        let sizes = (0..n_graphs).map(|graph| data.graph_nodes(graph).len());
        assert_eq!((sizes.clone().min(), sizes.max()), (Some(smallest), Some(largest)), "{name}");
        assert_eq!((facts.max_nodes, facts.class_counts.as_slice()), (largest, class_counts), "{name}");
    }
    // Kinds of bonds; every edge has its reverse, with the same label.
    for (name, n_kinds) in [("MUTAG", 4), ("PTC_MR", 4), ("AIDS", 3)] {
        let Some(data) = real(name) else { return };
        let facts = data.facts();
        assert_eq!((facts.edge_features, facts.edge_kinds), (n_kinds, n_kinds), "{name}");
        assert_eq!((facts.n_loops, facts.n_parallel_edges, facts.n_one_way_edges), (0, 0, 0), "{name}");
        let kinds = data.edge_kinds.as_ref().expect("labels").of_entry.as_slice();
        let by_source = data.adjacency.transpose_entries();
        assert!(by_source.iter().zip(kinds).all(|(&back, &kind)| kinds[back as usize] == kind), "{name}");
    }
    let Some(Dataset { targets: Targets::Values { values, n_values }, .. }) = real("Acyclic") else {
        panic!("Acyclic is a regression")
    };
    let (min, max) = values.iter().fold((f32::MAX, f32::MIN), |(min, max), &v| (min.min(v), max.max(v)));
    assert_eq!((n_values, min, max), (1, -23.7, 250.0));
}
