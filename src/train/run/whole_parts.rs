//! Losses and metrics are those of a whole part: nothing depends on what shares a batch.

use super::tests::{at, cycles, records, train};
use super::*;
use crate::data::DatasetParts;
use crate::train::{SavedModel, checkpoints};
use crate::types::{Entity, TargetKind, Task};
use std::path::Path;

/// The cycles with three classes of very different size, or two values that vary; on graphs or on nodes.
fn skewed(entity: Entity, kind: TargetKind) -> Dataset {
    let mut dataset = cycles(kind);
    let n_items = if entity == Entity::Nodes { dataset.n_nodes() } else { dataset.n_graphs() };
    let class = |item: usize| match item % 10 {
        0..7 => 0,
        7 | 8 => 1,
        _ => 2,
    };
    dataset.task = Some(Task { entity, kind });
    dataset.targets = match kind {
        TargetKind::Classification => Targets::Classes((0..n_items).map(class).collect()),
        // Every seventh is unknown.
        TargetKind::MultiLabel => Targets::Values {
            values: (0..2 * n_items)
                .map(|idx| if idx % 7 == 3 { f32::NAN } else { f32::from(u8::from(idx * idx % 5 < 2)) })
                .collect(),
            n_values: 2,
        },
        _ => Targets::Values {
            values: (0..2 * n_items).map(|idx| (idx * idx % 17) as f32 * 0.3 - 1.0).collect(),
            n_values: 2,
        },
    };
    if kind == TargetKind::Classification {
        dataset.class_names = ["a", "b", "c"].map(str::to_owned).to_vec();
    }
    Dataset::new(DatasetParts {
        name: "skewed".into(),
        task: dataset.task,
        node_offsets: dataset.node_offsets.to_vec(),
        edges: (0..dataset.n_nodes())
            .flat_map(|node| dataset.adjacency.row(node).iter().map(move |&source| (source, node as u32)))
            .collect(),
        edge_features: None,
        edge_kinds: None,
        features: dataset.features,
        targets: dataset.targets,
        class_names: dataset.class_names,
        fixed_split: None,
        graph_ids: dataset.graph_ids.to_vec(),
        vocabulary: dataset.vocabulary,
    })
}

const GRAPHS: &str = "model = sage(8) -> relu -> diffpool(k = 3) -> sage(8) -> relu -> mean -> mlp";
const NODES: &str = "model = gcn(8) -> relu -> sage(8) -> relu -> linear";

/// Model, loss and metrics of every kind of task; rates are so small that no weight moves.
fn every_task() -> Vec<(Dataset, String)> {
    let classes = "accuracy, macro_f1, balanced_accuracy, roc_auc";
    let of_labels = "micro_f1, macro_f1, roc_auc, mean_average_precision";
    let (weighted, plain) = ("cross_entropy(class_weights = balanced)", "cross_entropy");
    let pooled = |loss: &str| format!("0.5 * {loss} + link_prediction + 0.1 * entropy");
    let text = |model: &str, loss: &str, metrics: &str| {
        format!(
            "{model}\nloss = {loss}\ntrain {{ epochs = 2, batch_size = BATCH, optimizer = sgd(1e-30), early_stop = last }}
             evaluate {{ protocol = holdout(validation = 0.3, test = 0.2), metrics = [{metrics}] }}"
        )
    };
    let (of_classes, of_values) = (TargetKind::Classification, TargetKind::Regression);
    vec![
        (skewed(Entity::Graph, of_classes), text(GRAPHS, &pooled(weighted), classes)),
        (skewed(Entity::Graph, of_classes), text(GRAPHS, plain, classes)),
        (skewed(Entity::Graph, of_values), text(GRAPHS, &pooled("mse"), "mae, rmse, r2")),
        (skewed(Entity::Nodes, of_classes), text(NODES, weighted, classes)),
        (skewed(Entity::Nodes, of_values), text(NODES, "mse", "mae, rmse, r2")),
        (skewed(Entity::Graph, TargetKind::MultiLabel), text(GRAPHS, &pooled("bce"), of_labels)),
        (skewed(Entity::Nodes, TargetKind::MultiLabel), text(NODES, "bce", of_labels)),
    ]
}

#[test]
fn figures_are_the_same_bits_for_every_batch_size() {
    for (dataset, text) in every_task() {
        let folder = tempfile::tempdir().unwrap();
        let mut first = None;
        for batch_size in ["1", "7", "64"] {
            let path = folder.path().join(batch_size);
            let summary = train(&text.replace("BATCH", batch_size), &dataset, at(&path), None).unwrap();
            let unit = &summary.units[0];
            let validation: Vec<_> = records(&path).into_iter().map(|record| record.validation).collect();
            let figures = (validation, unit.train.clone(), unit.validation.clone(), unit.test.clone());
            assert!(figures.1.values().all(Option::is_some), "{figures:?}");
            let first = first.get_or_insert_with(|| figures.clone());
            assert_eq!(*first, figures, "batch size {batch_size}: {text}");
            // An epoch's own figures are sums in the order in which its graphs were dealt.
            for record in records(&path) {
                for (name, value) in record.train {
                    let (ours, all) = (value.unwrap(), first.1[&name].unwrap());
                    assert!((ours - all).abs() < 1e-9 * all.abs().max(1.0), "{name} {ours} {all}: {text}");
                }
            }
        }
    }
}

/// The loss of a part, from the predictions alone: `Σ w (−ln p) / Σ w` and `1/(M V) Σ (x − t)²`.
fn loss_by_hand(
    saved: &SavedModel,
    dataset: &Dataset,
    items: &[u32],
    train: &[u32],
    is_weighted: bool,
) -> f64 {
    let outputs = saved.predict(dataset).unwrap();
    let row = |item: u32| &outputs.values[item as usize * outputs.width..][..outputs.width];
    match &dataset.targets {
        Targets::Classes(classes) => {
            let n_of = |class: i64| train.iter().filter(|&&item| classes[item as usize] == class).count();
            let weight = |class: i64| match is_weighted {
                true => train.len() as f64 / (3 * n_of(class)) as f64,
                false => 1.0,
            };
            let class = |item: u32| classes[item as usize];
            let sum: f64 = items
                .iter()
                .map(|&item| weight(class(item)) * -f64::from(row(item)[class(item) as usize]).ln())
                .sum();
            sum / items.iter().map(|&item| weight(class(item))).sum::<f64>()
        }
        Targets::Values { values, n_values } if saved.model.get().task.kind == TargetKind::MultiLabel => {
            let pairs = items.iter().flat_map(|&item| {
                row(item).iter().copied().zip(values[item as usize * n_values..][..*n_values].iter().copied())
            });
            let known = pairs.filter(|(_, label)| !label.is_nan());
            let terms: Vec<f64> = known
                .map(|(p, label)| -(if label > 0.5 { f64::from(p) } else { 1.0 - f64::from(p) }).ln())
                .collect();
            terms.iter().sum::<f64>() / terms.len() as f64
        }
        Targets::Values { values, n_values } => {
            let square = |item: u32| -> f64 {
                let targets = &values[item as usize * n_values..][..*n_values];
                row(item).iter().zip(targets).map(|(x, t)| f64::from(x - t).powi(2)).sum()
            };
            items.iter().map(|&item| square(item)).sum::<f64>() / (items.len() * n_values) as f64
        }
        Targets::None => unreachable!("labelled"),
    }
}

#[test]
fn reported_losses_are_weighted_means_over_the_part() {
    for (dataset, text) in every_task() {
        // Without auxiliary terms, which predictions do not show.
        let is_weighted = text.contains("balanced)");
        let text = text
            .replace("BATCH", "7")
            .replace("0.5 * ", "")
            .replace(" + link_prediction + 0.1 * entropy", "");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run");
        let summary = train(&text, &dataset, at(&path), None).unwrap();
        let saved = SavedModel::open(&checkpoints(Path::new(&path)).unwrap()[0], &Device::Cpu).unwrap();
        let split = saved.split(&dataset).unwrap().unwrap();
        let unit = &summary.units[0];
        for (items, figures) in
            [(&split.train, &unit.train), (&split.validation, &unit.validation), (&split.test, &unit.test)]
        {
            let expected = loss_by_hand(&saved, &dataset, items, &split.train, is_weighted);
            let loss = figures["loss"].unwrap();
            assert!((loss - expected).abs() < 1e-6 * expected, "{loss}, by hand {expected}: {text}");
        }
    }
}
