//! What the columns of features and the outputs of a model mean, so that other data are read alike or refused.
//!
//! Two sets may have as many columns and mean different things by them: three node labels, three attributes, degrees
//! up to two. A model that was trained with the one computes something with the other, and nothing shows.

use super::batch::EdgeReads;
use crate::args::listed;
use crate::diagnostic::count;
use crate::types::TargetKind;
use serde::{Deserialize, Serialize};

/// How raw values became columns and classes. A run keeps it, and data that is read later (`eval`, `predict`) gets the
/// same columns even where some values do not occur in it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Saved")]
pub struct Vocabulary {
    /// Blocks of feature columns, in their order. Empty where there are none, or where their meaning is not known.
    pub columns: Vec<Columns>,
    /// What is predicted; `None` where the data carries no targets, or where their meaning is not known.
    pub target: Option<Target>,
    /// Blocks of the columns of edge features, as `columns`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub edge_columns: Vec<Columns>,
    /// What the kinds of edges are; `None` where there are none, or where their meaning is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edge_kinds: Option<KindLabels>,
}

/// What each kind of edge is: kind `i` is label `values[i]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KindLabels {
    /// Ascending.
    pub values: Vec<i64>,
    /// What each label stands for, where the data names its kinds; `values` then count from 0.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// Labels with a kind that no edge has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unseen: Vec<i64>,
    /// Self-loops that were added are one further kind, the last.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_added_loops: bool,
}

impl KindLabels {
    /// How many kinds there are.
    pub fn n_kinds(&self) -> usize {
        self.values.len() + usize::from(self.has_added_loops)
    }

    /// `4 edge labels (0, 1, 2, 3) and added self-loops`
    pub fn words(&self) -> String {
        let values = match self.names.is_empty() {
            true => values_in_words(&self.values),
            false => names_in_words(&self.names),
        };
        let labels = format!("{} ({values})", count(self.values.len(), "edge label"));
        if self.has_added_loops { format!("{labels} and added self-loops") } else { labels }
    }
}

/// A block of feature columns, of nodes or of edges.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Columns {
    /// Real numbers as the files have them, in their order.
    Attributes { count: usize },
    /// One-hot labels.
    Labels {
        /// The label of each column, ascending.
        values: Vec<i64>,
        /// Labels with a column that no node or edge has.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        unseen: Vec<i64>,
    },
    /// Real numbers of columns that have names, found by them wherever they stand.
    Numbers { names: Vec<String> },
    /// One-hot values of a column of texts.
    Categories {
        /// What the column is called; empty where it has no name.
        column: String,
        /// The text of each column, ascending.
        values: Vec<String>,
    },
    /// One-hot degrees (incoming edges) from 0 to `max`, which stands for all larger ones.
    Degrees { max: u32 },
    /// A single 1.
    Constant,
    /// Columns that a built-in source makes or that are computed, with all that they depend on: `colours of hierarchy()`,
    /// `Laplacian eigenvectors`.
    Named { what: String, count: usize },
}

/// What is predicted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// The graph label of each class, ascending.
    Classes(Vec<i64>),
    /// The name of each class, where the data names its classes.
    Names(Vec<String>),
    /// Graph attributes, this many, in the order of the file.
    Values(usize),
    /// Values of columns with these names.
    Columns(Vec<String>),
    /// Labels of which an item can have several, this many, in the order of the file.
    Labels(usize),
}

impl Target {
    pub fn kind(&self) -> TargetKind {
        match self {
            Target::Classes(_) | Target::Names(_) => TargetKind::Classification,
            Target::Values(_) | Target::Columns(_) => TargetKind::Regression,
            Target::Labels(_) => TargetKind::MultiLabel,
        }
    }
}

/// As runs have kept it; those of earlier versions have the labels and the degree alone.
#[derive(Deserialize)]
struct Saved {
    #[serde(default)]
    columns: Vec<Columns>,
    #[serde(default)]
    target: Option<Target>,
    #[serde(default)]
    edge_columns: Vec<Columns>,
    #[serde(default)]
    edge_kinds: Option<KindLabels>,
    #[serde(default)]
    node_labels: Vec<Vec<i64>>,
    #[serde(default)]
    max_degree: Option<u32>,
    #[serde(default)]
    classes: Vec<i64>,
}

impl From<Saved> for Vocabulary {
    fn from(saved: Saved) -> Self {
        let Saved { mut columns, mut target, edge_columns, edge_kinds, node_labels, max_degree, classes } =
            saved;
        columns.extend(node_labels.into_iter().map(|values| Columns::Labels { values, unseen: Vec::new() }));
        columns.extend(max_degree.map(|max| Columns::Degrees { max }));
        if target.is_none() && !classes.is_empty() {
            target = Some(Target::Classes(classes));
        }
        Self { columns, target, edge_columns, edge_kinds }
    }
}

impl Columns {
    /// How many they are.
    pub fn width(&self) -> usize {
        match self {
            Columns::Attributes { count } | Columns::Named { count, .. } => *count,
            Columns::Labels { values, .. } => values.len(),
            Columns::Numbers { names } => names.len(),
            Columns::Categories { values, .. } => values.len(),
            Columns::Degrees { max } => *max as usize + 1,
            Columns::Constant => 1,
        }
    }

    /// `18 node attributes`, `3 edge labels (0, 1, 2)`; `item` is `node` or `edge`.
    fn words(&self, item: &str) -> String {
        match self {
            Columns::Attributes { count: n } => count(*n, &format!("{item} attribute")),
            Columns::Labels { values, .. } => {
                format!("{} ({})", count(values.len(), &format!("{item} label")), values_in_words(values))
            }
            Columns::Numbers { names } => {
                format!("{} ({})", count(names.len(), &format!("{item} attribute")), names_in_words(names))
            }
            Columns::Categories { column, values } => {
                let of = if column.is_empty() {
                    format!("{item} labels")
                } else {
                    format!("values of `{column}`")
                };
                format!("{} {of} ({})", values.len(), names_in_words(values))
            }
            Columns::Degrees { max } => format!("degrees from 0 to {max}"),
            Columns::Constant => "a constant feature".to_owned(),
            Columns::Named { what, count } => format!("{count} {what}"),
        }
    }

    /// Whether a value of one block means what it means in the other.
    fn agrees_with(&self, other: &Self) -> bool {
        match (self, other) {
            (Columns::Labels { values, .. }, Columns::Labels { values: others, .. }) => values == others,
            (one, other) => one == other,
        }
    }
}

impl Vocabulary {
    /// The same with the columns that an earlier version did not keep: what is left of the width beside labels are
    /// attributes, which stand first.
    #[must_use]
    pub fn completed(mut self, n_features: usize) -> Self {
        let known: usize = self.columns.iter().map(Columns::width).sum();
        if known > 0 && known < n_features {
            self.columns.insert(0, Columns::Attributes { count: n_features - known });
        }
        self
    }

    /// The word of `tu(features = …)` that asks for these columns; `None` where they are not of a set in that layout.
    pub fn choice(&self) -> Option<&'static str> {
        choice(&self.columns)
    }

    /// The same of `tu(edge_features = …)`; `None` where nothing is known of the edges.
    pub fn edge_choice(&self) -> Option<&'static str> {
        choice(&self.edge_columns)
    }

    /// The labels of each column of node labels, with those that no node has.
    pub fn labels(&self) -> Vec<(&[i64], &[i64])> {
        labels(&self.columns)
    }

    /// The labels of each column of edge labels, with those that no edge has.
    pub fn edge_labels(&self) -> Vec<(&[i64], &[i64])> {
        labels(&self.edge_columns)
    }

    /// The same with what a model reads of the edges: the rest may differ in other data.
    #[must_use]
    pub fn reading(mut self, reads: EdgeReads) -> Self {
        if !reads.features {
            self.edge_columns.clear();
        }
        self.edge_kinds = self.edge_kinds.filter(|_| reads.kinds);
        self
    }

    /// The largest degree with a column of its own, where features are degrees.
    pub fn max_degree(&self) -> Option<u32> {
        self.columns.iter().find_map(|columns| match columns {
            Columns::Degrees { max } => Some(*max),
            _ => None,
        })
    }

    /// The graph label of each class, where classes are predicted.
    pub fn classes(&self) -> Option<&[i64]> {
        match &self.target {
            Some(Target::Classes(classes)) => Some(classes),
            _ => None,
        }
    }

    /// The features in words: `18 node attributes and 3 node labels (1, 2, 3)`.
    pub fn features_in_words(&self) -> String {
        in_words(&self.columns, "node")
    }

    /// The edge features in words: `4 edge labels (0, 1, 2, 3)`.
    pub fn edges_in_words(&self) -> String {
        in_words(&self.edge_columns, "edge")
    }

    /// What is predicted, in words: `2 classes (-1, 1)`, `3 values`.
    pub fn target_in_words(&self) -> String {
        match &self.target {
            None => "no targets".to_owned(),
            Some(Target::Classes(classes)) if classes.len() == 1 => format!("1 class ({})", classes[0]),
            Some(Target::Classes(classes)) => {
                format!("{} classes ({})", classes.len(), values_in_words(classes))
            }
            Some(Target::Names(names)) => {
                let n = if names.len() == 1 { "1 class".into() } else { format!("{} classes", names.len()) };
                format!("{n} ({})", names_in_words(names))
            }
            Some(Target::Values(n)) => count(*n, "value"),
            Some(Target::Columns(names)) => {
                format!("{} ({})", count(names.len(), "value"), names_in_words(names))
            }
            Some(Target::Labels(n)) => count(*n, "label"),
        }
    }

    /// Whether features of the other mean the same, column by column. What is not known is not held against them.
    pub fn has_columns_of(&self, other: &Self) -> bool {
        agree(&self.columns, &other.columns)
    }

    /// Whether edge features and kinds of edges of the other mean the same, as [`Vocabulary::has_columns_of`].
    pub fn has_edges_of(&self, other: &Self) -> bool {
        let kinds = match (&self.edge_kinds, &other.edge_kinds) {
            (Some(one), Some(other)) => {
                one.values == other.values
                    && one.names == other.names
                    && one.has_added_loops == other.has_added_loops
            }
            _ => true,
        };
        kinds && agree(&self.edge_columns, &other.edge_columns)
    }

    /// Whether outputs of the other mean the same.
    pub fn has_target_of(&self, other: &Self) -> bool {
        self.target.is_none() || other.target.is_none() || self.target == other.target
    }
}

fn choice(columns: &[Columns]) -> Option<&'static str> {
    match columns {
        [Columns::Attributes { .. }, rest @ ..] if !rest.is_empty() && are_labels(rest) => Some("both"),
        [Columns::Attributes { .. }] => Some("attributes"),
        all if !all.is_empty() && are_labels(all) => Some("labels"),
        [Columns::Degrees { .. }] => Some("degree"),
        [Columns::Constant] => Some("constant"),
        _ => None,
    }
}

/// A file can have several columns of labels, and there is a block for each.
fn are_labels(columns: &[Columns]) -> bool {
    columns.iter().all(|block| matches!(block, Columns::Labels { .. }))
}

fn labels(columns: &[Columns]) -> Vec<(&[i64], &[i64])> {
    let mut labels = Vec::new();
    for block in columns {
        if let Columns::Labels { values, unseen } = block {
            labels.push((values.as_slice(), unseen.as_slice()));
        }
    }
    labels
}

/// Blocks of columns in words; `item` is `node` or `edge`.
pub(super) fn in_words(columns: &[Columns], item: &str) -> String {
    match columns {
        [] => format!("no {item} features"),
        all => listed(&all.iter().map(|block| block.words(item)).collect::<Vec<_>>()),
    }
}

/// Whether columns mean the same, block by block. What is not known is not held against them.
pub(super) fn agree(ours: &[Columns], others: &[Columns]) -> bool {
    ours.is_empty()
        || others.is_empty()
        || (ours.len() == others.len() && ours.iter().zip(others).all(|(one, other)| one.agrees_with(other)))
}

/// `red, green`; of many the first and the last, and long ones cut.
pub(super) fn names_in_words(names: &[String]) -> String {
    const N_SHOWN: usize = 8;
    const MAX_NAME: usize = 24;
    let short = |name: &String| -> String {
        let cut: String = name.chars().take(MAX_NAME).flat_map(char::escape_debug).collect();
        if name.chars().count() > MAX_NAME { format!("{cut}…") } else { cut }
    };
    let all = |names: &[String]| names.iter().map(short).collect::<Vec<_>>().join(", ");
    match names {
        [.., last] if names.len() > N_SHOWN => format!("{}, … {}", all(&names[..N_SHOWN - 1]), short(last)),
        names => all(names),
    }
}

/// `0, 1, 2`; of many the first and the last.
pub(super) fn values_in_words(values: &[i64]) -> String {
    const N_SHOWN: usize = 10;
    let all = |values: &[i64]| values.iter().map(i64::to_string).collect::<Vec<_>>().join(", ");
    match values {
        [first, .., last] if values.len() > N_SHOWN => {
            if last.abs_diff(*first) == values.len() as u64 - 1 {
                format!("{first} to {last}")
            } else {
                format!("{}, … {last}", all(&values[..N_SHOWN - 1]))
            }
        }
        values => all(values),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(values: &[i64]) -> Columns {
        Columns::Labels { values: values.into(), unseen: Vec::new() }
    }

    fn of(columns: &[Columns]) -> Vocabulary {
        Vocabulary { columns: columns.into(), ..Vocabulary::default() }
    }

    #[test]
    fn columns_mean_the_same_only_value_by_value() {
        let three = of(&[labels(&[0, 1, 2])]);
        assert!(three.has_columns_of(&of(&[Columns::Labels { values: vec![0, 1, 2], unseen: vec![1] }])));
        for other in [
            of(&[labels(&[1, 2, 3])]),
            of(&[labels(&[0, 1])]),
            of(&[Columns::Attributes { count: 3 }]),
            of(&[Columns::Degrees { max: 2 }]),
            of(&[Columns::Attributes { count: 1 }, labels(&[0, 1])]),
            of(&[labels(&[0, 1, 2]), labels(&[0])]),
        ] {
            assert!(!three.has_columns_of(&other), "{other:?}");
        }
        assert!(!of(&[Columns::Constant]).has_columns_of(&of(&[Columns::Attributes { count: 1 }])));
    }

    #[test]
    fn what_an_earlier_version_kept_is_read() {
        let read = |text: &str, n_features: usize| {
            serde_json::from_str::<Vocabulary>(text).expect("as it was written").completed(n_features)
        };
        let text = r#"{"node_labels":[[1,2,3]],"max_degree":null,"classes":[1,2]}"#;
        let target = Some(Target::Classes(vec![1, 2]));
        assert_eq!(read(text, 3), Vocabulary { target: target.clone(), ..of(&[labels(&[1, 2, 3])]) });
        assert_eq!(read(text, 5).columns, [Columns::Attributes { count: 2 }, labels(&[1, 2, 3])]);
        let text = r#"{"node_labels":[],"max_degree":4,"classes":[]}"#;
        assert_eq!(read(text, 5), of(&[Columns::Degrees { max: 4 }]));
        // Attributes or a constant: nothing is known, so nothing is refused.
        let text = r#"{"node_labels":[],"max_degree":null,"classes":[]}"#;
        assert_eq!(read(text, 1), Vocabulary::default());
        let now = Vocabulary { target, ..of(&[Columns::Constant, labels(&[7])]) };
        let text = serde_json::to_string(&now).expect("names and numbers become JSON");
        assert_eq!(read(&text, 2), now);
    }

    #[test]
    fn targets_are_named_in_words() {
        let words = |target| Vocabulary { target: Some(target), ..Vocabulary::default() }.target_in_words();
        assert_eq!(words(Target::Classes(vec![-1, 1])), "2 classes (-1, 1)");
        assert_eq!(words(Target::Values(1)), "1 value");
        assert_eq!(words(Target::Labels(3)), "3 labels");
    }

    #[test]
    fn names_are_listed_in_words() {
        let names = |all: &[&str]| all.iter().map(ToString::to_string).collect::<Vec<_>>();
        let block = of(&[
            Columns::Numbers { names: names(&["age", "height"]) },
            Columns::Categories { column: "colour".into(), values: names(&["green", "red"]) },
        ]);
        assert_eq!(
            block.features_in_words(),
            "2 node attributes (age, height) and 2 values of `colour` (green, red)"
        );
        assert_eq!(
            names_in_words(&(0..20).map(|n| n.to_string()).collect::<Vec<_>>()),
            "0, 1, 2, 3, 4, 5, 6, … 19"
        );
    }

    #[test]
    fn columns_are_named_in_words() {
        let both = of(&[Columns::Attributes { count: 1 }, labels(&[3, 5])]);
        assert_eq!(both.features_in_words(), "1 node attribute and 2 node labels (3, 5)");
        let many: Vec<i64> = (1..=89).collect();
        assert_eq!(of(&[labels(&many)]).features_in_words(), "89 node labels (1 to 89)");
        let scattered: Vec<i64> = (1..=20).map(|idx| idx * idx).collect();
        assert_eq!(values_in_words(&scattered), "1, 4, 9, 16, 25, 36, 49, 64, 81, … 400");
    }
}
