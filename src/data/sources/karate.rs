//! `karate()`: Zachary's karate club, built in.
//!
//! W. W. Zachary, "An Information Flow Model for Conflict and Fission in Small Groups", J. Anthropological
//! Research 33:452–473, 1977. PyG: `torch_geometric.datasets.KarateClub` (which labels four communities; here
//! the target is the club that a member joined after the split, as in networkx).

use crate::args::BoundCall;
use crate::data::columns::{Columns, Vocabulary};
use crate::data::dataset::{Dataset, DatasetParts, Features, Targets};
use crate::data::features::{self, Block};
use crate::data::{DataError, DataOptions, Source};
use crate::settings::{self, data::SourceFacts, protocol::Split};
use crate::types::{Entity, TargetKind, Task};
use std::path::PathBuf;

#[derive(Debug)]
pub struct Karate;

const N_NODES: usize = 34;

/// Friends with a larger number, members counted from 0.
const FRIENDS: [&[u32]; N_NODES] = [
    &[1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 17, 19, 21, 31],
    &[2, 3, 7, 13, 17, 19, 21, 30],
    &[3, 7, 8, 9, 13, 27, 28, 32],
    &[7, 12, 13],
    &[6, 10],
    &[6, 10, 16],
    &[16],
    &[],
    &[30, 32, 33],
    &[33],
    &[],
    &[],
    &[],
    &[33],
    &[32, 33],
    &[32, 33],
    &[],
    &[],
    &[32, 33],
    &[33],
    &[32, 33],
    &[],
    &[32, 33],
    &[25, 27, 29, 32, 33],
    &[25, 27, 31],
    &[31],
    &[29, 33],
    &[33],
    &[31, 33],
    &[32, 33],
    &[32, 33],
    &[32, 33],
    &[33],
    &[],
];

/// Members who joined Mr. Hi's club; the others joined the officer's.
const MR_HI: [u32; 17] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 16, 17, 19, 21];

const TRAIN: [u32; 6] = [0, 1, 2, 31, 32, 33];
const VALIDATION: [u32; 4] = [4, 5, 26, 29];

impl Source for Karate {
    fn facts(&self) -> &'static dyn SourceFacts {
        &settings::data::karate::Karate
    }

    fn files(&self, _: &BoundCall, _: &DataOptions) -> Option<Vec<PathBuf>> {
        Some(Vec::new())
    }

    fn load(&self, call: &BoundCall, options: &DataOptions) -> Result<Dataset, DataError> {
        let edges: Vec<(u32, u32)> = (0u32..)
            .zip(FRIENDS)
            .flat_map(|(member, friends)| {
                friends.iter().flat_map(move |&friend| [(member, friend), (friend, member)])
            })
            .collect();
        let node_offsets = vec![0, N_NODES as u32];
        let own = Block {
            features: Features::OneHot { columns: (0..N_NODES as u32).collect(), width: N_NODES },
            columns: vec![Columns::Named { what: "members of karate()".into(), count: N_NODES }],
        };
        let prepared = features::of_made(call, options, (&node_offsets, &edges), own)?;
        let classes = (0..N_NODES as u32).map(|node| i64::from(!MR_HI.contains(&node))).collect();
        let test =
            (0..N_NODES as u32).filter(|node| !TRAIN.contains(node) && !VALIDATION.contains(node)).collect();
        let mut dataset = Dataset::new(DatasetParts {
            name: "karate()".into(),
            task: Some(Task { entity: Entity::Nodes, kind: TargetKind::Classification }),
            node_offsets,
            edges,
            edge_features: None,
            edge_kinds: None,
            features: prepared.features,
            targets: Targets::Classes(classes),
            class_names: vec!["Mr. Hi".into(), "Officer".into()],
            fixed_split: Some(Split { train: TRAIN.to_vec(), validation: VALIDATION.to_vec(), test }),
            graph_ids: vec![1],
            vocabulary: Vocabulary { columns: prepared.columns, ..Vocabulary::default() },
        });
        dataset.draw_signs(prepared.random_signs);
        Ok(dataset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::ArgValue;
    use crate::data;

    fn karate(features: &'static str) -> Dataset {
        let call = data::call("karate", &[("features", ArgValue::Choice(features))]);
        data::load(&call, &DataOptions::folder("")).expect("built in")
    }

    #[test]
    fn the_club_has_34_members_78_friendships_and_two_halves() {
        let club = karate("identity");
        assert_eq!((club.n_nodes(), club.n_edges(), club.n_features()), (34, 156, 34));
        assert!(club.is_symmetric());
        assert_eq!(club.facts().class_counts, [17, 17]);
        let split = club.fixed_split.expect("fixed");
        assert_eq!((split.train.len(), split.validation.len(), split.test.len()), (6, 4, 24));
    }

    #[test]
    fn degree_features_are_the_number_of_friends() {
        let club = karate("degree");
        assert_eq!(club.n_features(), 18);
        let Features::OneHot { columns, .. } = &club.features else { panic!("one-hot") };
        // The two leaders, by Zachary's figure 1.
        assert_eq!((columns[0], columns[33], columns[11]), (16, 17, 1));
    }

    #[test]
    fn edges_and_clubs_are_those_of_the_published_files() {
        let Some(folder) = data::real_data("karate") else { return };
        let edges = std::fs::read_to_string(folder.join("karate.edgelist")).expect("in the folder");
        let labels = std::fs::read_to_string(folder.join("karate.labels.csv")).expect("beside the edges");
        let number = |text: &str| text.parse::<u32>().expect("a number");
        let mut expected: Vec<(u32, u32)> = edges
            .lines()
            .map(|line| line.split_once(' ').expect("two members"))
            .flat_map(|(a, b)| [(number(a) - 1, number(b) - 1), (number(b) - 1, number(a) - 1)])
            .collect();
        expected.sort_unstable();
        let club = karate("identity");
        let found: Vec<(u32, u32)> = (0..34)
            .flat_map(|node| club.adjacency.row(node).iter().map(move |&other| (node as u32, other)))
            .collect();
        assert_eq!(found, expected);
        let clubs: Vec<i64> = labels
            .lines()
            .map(|line| i64::from(number(line.split_once(',').expect("node,club").1)))
            .collect();
        assert_eq!(club.targets, Targets::Classes(clubs));
    }
}
