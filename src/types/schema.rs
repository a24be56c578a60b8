//! What types of nodes heterogeneous data has, and which relations lead from which to which.

use std::fmt;

/// A type of nodes: `paper`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct NodeType {
    pub name: String,
    pub n_nodes: usize,
    /// Columns of the features that belong to the type, the first of them and how many. Columns of other types are 0 in its rows.
    pub first_column: usize,
    pub n_columns: usize,
}

/// A relation: edges of one kind, which lead from nodes of one type to nodes of one type.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Relation {
    /// Places among the types of nodes.
    pub source: usize,
    pub name: String,
    pub target: usize,
    pub n_edges: usize,
}

/// The types of nodes and the relations of heterogeneous data. Relations are the kinds of its edges, in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Schema {
    pub nodes: Vec<NodeType>,
    pub relations: Vec<Relation>,
}

impl Schema {
    /// `author__writes__paper`, as PyTorch Geometric writes it where a name may have no commas.
    pub fn key(&self, relation: usize) -> String {
        let Relation { source, name, target, .. } = &self.relations[relation];
        format!("{}__{name}__{}", self.nodes[*source].name, self.nodes[*target].name)
    }

    /// `author -writes-> paper`
    pub fn words(&self, relation: usize) -> String {
        let Relation { source, name, target, .. } = &self.relations[relation];
        format!("{} -{name}-> {}", self.nodes[*source].name, self.nodes[*target].name)
    }

    /// How many relations lead to nodes of a type.
    pub fn n_into(&self, node_type: usize) -> usize {
        self.relations.iter().filter(|relation| relation.target == node_type).count()
    }

    /// Whether types of nodes have features of their own, in columns of their own.
    pub fn has_own_columns(&self) -> bool {
        self.nodes.iter().filter(|of| of.n_columns > 0).any(|of| of.n_columns != self.n_columns())
    }

    fn n_columns(&self) -> usize {
        self.nodes.iter().map(|of| of.first_column + of.n_columns).max().unwrap_or(0)
    }
}

impl fmt::Display for Schema {
    /// `author -writes-> paper, paper -cites-> paper`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: Vec<String> = (0..self.relations.len()).map(|relation| self.words(relation)).collect();
        f.write_str(&all.join(", "))
    }
}
