//! How often edges join nodes of one class.

use crate::data::dataset::{Dataset, Targets};
use crate::types::Entity;
use serde::{Deserialize, Serialize};

/// Over the edges whose two ends have a class and differ.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Homophily {
    /// Share of these edges whose ends are of one class (Zhu et al. 2020).
    pub edge: f64,
    /// How much more often than by chance a class meets itself, from 0 to 1, with each class counted alike: Lim et al. 2021,
    /// "Large Scale Learning on Non-Homophilous Graphs", ĥ.
    pub class_adjusted: f64,
    /// Edges that count, directed.
    pub n_edges: usize,
}

impl Homophily {
    /// `None` where nodes have no classes, or no edge joins two that have.
    pub fn of(data: &Dataset) -> Option<Self> {
        let (Some(Entity::Nodes), Targets::Classes(classes)) =
            (data.task.map(|task| task.entity), &data.targets)
        else {
            return None;
        };
        let n_classes = data.class_names.len();
        let (mut n_same, mut n_edges) = (vec![0usize; n_classes], vec![0usize; n_classes]);
        for target in 0..data.n_nodes() {
            let Ok(class) = usize::try_from(classes[target]) else { continue };
            for &source in data.adjacency.row(target) {
                if source as usize == target || classes[source as usize] < 0 {
                    continue;
                }
                n_edges[class] += 1;
                n_same[class] += usize::from(classes[source as usize] == class as i64);
            }
        }
        let (all, same): (usize, usize) = (n_edges.iter().sum(), n_same.iter().sum());
        if all == 0 || n_classes < 2 {
            return None;
        }
        let n_labelled = classes.iter().filter(|&&class| class >= 0).count();
        let excess = (0..n_classes).map(|class| {
            let size = classes.iter().filter(|&&of| of == class as i64).count();
            let own = if n_edges[class] == 0 { 0.0 } else { n_same[class] as f64 / n_edges[class] as f64 };
            (own - size as f64 / n_labelled as f64).max(0.0)
        });
        Some(Self {
            edge: same as f64 / all as f64,
            class_adjusted: excess.sum::<f64>() / (n_classes - 1) as f64,
            n_edges: all,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::report::tests_support::dataset;
    use crate::types::{TargetKind, Task};

    fn of(edges: &[(u32, u32)], classes: &[i64]) -> Option<Homophily> {
        let mut data = dataset(&[classes.len() as u32], edges);
        data.task = Some(Task { entity: Entity::Nodes, kind: TargetKind::Classification });
        data.targets = Targets::Classes(classes.to_vec());
        data.class_names = vec!["a".into(), "b".into()];
        Homophily::of(&data)
    }

    #[test]
    fn alike_neighbours_are_one_and_others_zero() {
        let alike = of(&[(0, 1), (2, 3)], &[0, 0, 1, 1]).expect("two classes");
        // Each class meets itself always, where half would be chance.
        assert_eq!((alike.edge, alike.class_adjusted, alike.n_edges), (1.0, 1.0, 4));
        let unlike = of(&[(0, 2), (1, 3)], &[0, 0, 1, 1]).expect("two classes");
        assert_eq!((unlike.edge, unlike.class_adjusted), (0.0, 0.0));
        assert_eq!(of(&[(0, 1)], &[0, -1, 1, 1]), None);
        assert_eq!(of(&[(0, 0)], &[0, 1]), None);
    }
}
