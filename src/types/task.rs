//! Tasks: what is predicted, and the rows that a model for it ends on. A task is one entry of [`TASKS`].

use super::{Entity, Level, Type};

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TargetKind {
    Classification,
    Regression,
    /// Several labels an item, each there or not; some may be unknown.
    MultiLabel,
    /// Which pairs of nodes are linked: each link is told from pairs that were drawn, and ranked among others.
    Links,
    /// Nothing: a vector for each item is learned from the data alone.
    Embedding,
}

impl TargetKind {
    /// What is compared with, in the words of a message.
    pub fn words(self) -> &'static str {
        match self {
            TargetKind::Classification => "classes",
            TargetKind::Regression => "values",
            TargetKind::MultiLabel => "labels of which an item can have several",
            TargetKind::Links => "links",
            TargetKind::Embedding => "vectors that are learned without targets",
        }
    }

    /// "3 classes", "1 value to predict", "12 labels".
    pub fn outputs(self, n: usize) -> String {
        let noun = match (self, n) {
            (TargetKind::Classification, 1) => "class",
            (TargetKind::Classification, _) => "classes",
            (TargetKind::Regression, 1) => "value to predict",
            (TargetKind::Regression, _) => "values to predict",
            (TargetKind::MultiLabel, 1) => "label",
            (TargetKind::MultiLabel, _) => "labels",
            (TargetKind::Links, 1) => "score",
            (TargetKind::Links, _) => "scores",
            (TargetKind::Embedding, 1) => "number",
            (TargetKind::Embedding, _) => "numbers",
        };
        format!("{n} {noun}")
    }
}

/// What is predicted: an entry of [`TASKS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(into = "&'static str", try_from = "String")]
pub struct Task {
    /// What one prediction is about: `Entity::Graph`, `Entity::Nodes` or `Entity::Pairs`.
    pub entity: Entity,
    pub kind: TargetKind,
}

/// The facts of a task.
#[derive(Debug)]
pub struct TaskFacts {
    pub task: Task,
    pub name: &'static str,
    pub ends_on: EndRows,
}

/// The rows that a model ends on: one for each prediction, in the order of the data.
#[derive(Debug, PartialEq, Eq)]
pub struct EndRows {
    pub entity: Entity,
    /// The graph of the hierarchy that they belong to; `None` for any.
    pub level: Option<Level>,
    /// "a row for every node"
    pub words: &'static str,
    /// What predictions are about: "nodes".
    pub items: &'static str,
}

/// One row per graph, at whatever level it was gathered.
const GRAPHS: EndRows =
    EndRows { entity: Entity::Graph, level: None, words: "a row for each graph", items: "graphs" };

/// Every node that the data has.
const NODES: EndRows =
    EndRows { entity: Entity::Nodes, level: Some(Level(0)), words: "a row for every node", items: "nodes" };

/// The pairs that a step asks about, at whatever level their ends are.
const PAIRS: EndRows =
    EndRows { entity: Entity::Pairs, level: None, words: "a row for each pair of nodes", items: "links" };

/// The pairs that are edges.
const EDGES: EndRows =
    EndRows { entity: Entity::Pairs, level: None, words: "a row for each edge", items: "edges" };

const fn facts(name: &'static str, kind: TargetKind, ends_on: EndRows) -> TaskFacts {
    TaskFacts { task: Task { entity: ends_on.entity, kind }, name, ends_on }
}

/// Every task that a file can name.
pub static TASKS: [TaskFacts; 11] = [
    facts("graph_classification", TargetKind::Classification, GRAPHS),
    facts("graph_regression", TargetKind::Regression, GRAPHS),
    facts("node_classification", TargetKind::Classification, NODES),
    facts("node_regression", TargetKind::Regression, NODES),
    facts("graph_multilabel_classification", TargetKind::MultiLabel, GRAPHS),
    facts("node_multilabel_classification", TargetKind::MultiLabel, NODES),
    facts("link_prediction", TargetKind::Links, PAIRS),
    facts("edge_classification", TargetKind::Classification, EDGES),
    facts("edge_regression", TargetKind::Regression, EDGES),
    facts("node_embedding", TargetKind::Embedding, NODES),
    facts("graph_embedding", TargetKind::Embedding, GRAPHS),
];

impl EndRows {
    /// Whether a value has these rows.
    pub fn are_of(&self, ty: &Type) -> bool {
        ty.entity == self.entity && self.level.is_none_or(|level| ty.level == level)
    }
}

impl Task {
    /// The names in [`TASKS`], in its order.
    pub const NAMES: &'static [&'static str] = &[
        "graph_classification",
        "graph_regression",
        "node_classification",
        "node_regression",
        "graph_multilabel_classification",
        "node_multilabel_classification",
        "link_prediction",
        "edge_classification",
        "edge_regression",
        "node_embedding",
        "graph_embedding",
    ];

    pub fn from_name(name: &str) -> Option<Self> {
        TASKS.iter().find(|facts| facts.name == name).map(|facts| facts.task)
    }

    /// # Panics
    /// Where [`TASKS`] has no such task.
    pub fn facts(self) -> &'static TaskFacts {
        let facts = TASKS.iter().find(|facts| facts.task == self);
        facts.unwrap_or_else(|| panic!("no task on {:?} for {:?}", self.entity, self.kind))
    }

    pub fn name(self) -> &'static str {
        self.facts().name
    }

    /// Whether it is about edges that are there, and not about which are.
    pub fn is_of_edges(self) -> bool {
        self.entity == Entity::Pairs && self.kind != TargetKind::Links
    }

    /// The rows that a model for it ends on.
    pub fn ends_on(self) -> &'static EndRows {
        &self.facts().ends_on
    }
}

impl From<Task> for &'static str {
    fn from(task: Task) -> Self {
        task.name()
    }
}

impl TryFrom<String> for Task {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        Self::from_name(&name).ok_or_else(|| format!("there is no task `{name}`"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_table() {
        let names: Vec<&str> = TASKS.iter().map(|facts| facts.name).collect();
        assert_eq!(names, Task::NAMES);
        for facts in &TASKS {
            assert_eq!(Task::from_name(facts.name), Some(facts.task));
            assert_eq!(facts.task.name(), facts.name);
        }
    }
}
