//! Runs of earlier versions that this one cannot resume: what their networks computed is computed differently now.

use crate::check::Checked;
use crate::data::Dataset;
use crate::ir::{Canonical, Model};
use crate::plan::plan;
use crate::types::Entity;
use petgraph::graph::NodeIndex;

/// Why weights do not fit data although the network has their shapes, and what to do.
pub(super) struct Obstacle {
    pub message: String,
    pub help: &'static str,
}

/// What stands in the way of using weights whose canonical form is `form`: up to version 2, clusters gathered from the
/// side that the edges lead to, while nodes gather from the side that they come from.
pub(super) fn obstacle(form: &str, model: &Checked<Model>, dataset: &Dataset) -> Option<Obstacle> {
    let is_earlier = Canonical::version_of(form).is_some_and(|version| version <= 2);
    let is_of_clusters = |node: NodeIndex| model.get().graph[node].ty.entity == Entity::Clusters;
    let gather = || plan(model).steps.iter().any(|step| step.needs_adjacency && is_of_clusters(step.node));
    let is_told = is_earlier && !dataset.is_symmetric() && gather();
    is_told.then(|| Obstacle {
        message: format!(
            "an earlier hgnnc trained it with clusters that gather against the direction of the edges, and edges of {} \
             have one direction",
            dataset.name
        ),
        help: "train again: clusters gather as nodes do now, along the edges",
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::synthetic::{RandomGraphs, random_graphs};
    use crate::train::ModelSource;

    #[test]
    fn clusters_that_gathered_against_one_way_edges_are_told() {
        let data = |directed| random_graphs(&RandomGraphs { directed, ..RandomGraphs::default() });
        let (one_way, both_ways) = (data(true), data(false));
        let reads_edges = "model = diffpool(k = 3) -> sage(8) -> mean -> mlp";
        for (text, version, dataset, is_told) in [
            (reads_edges, 2, &one_way, true),
            (reads_edges, 1, &one_way, true),
            (reads_edges, 3, &one_way, false),
            (reads_edges, 2, &both_ways, false),
            ("model = sage(8) -> diffpool(k = 3) -> flatten -> mlp", 2, &one_way, false),
        ] {
            let facts = dataset.facts();
            let outcome = ModelSource::single(text).compile(Some(&facts)).outcome;
            let found = obstacle(&format!("hgnn-ir {version}\n"), &outcome.model.unwrap(), dataset);
            assert_eq!(found.is_some(), is_told, "{text}, version {version}");
        }
    }
}
