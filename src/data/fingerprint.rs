//! The SHA-256 of what training reads of a data set.

use super::{Dataset, Features, Targets, Types};
use sha2::{Digest, Sha256};

impl Dataset {
    /// Everything that training reads goes in, each array with its length, so no two contents read alike. The fingerprint
    /// and that without what edges carry.
    pub(super) fn hash_content(&self) -> (String, String) {
        let mut hash = Hasher::new();
        hash.words(&self.node_offsets);
        hash.words(&self.adjacency.offsets);
        hash.words(&self.adjacency.indices);
        hash.features(&self.features);
        match &self.targets {
            Targets::Classes(classes) => {
                hash.numbers(&[0]);
                hash.numbers(&classes.iter().map(|&class| class as u64).collect::<Vec<_>>());
            }
            Targets::Values { values, n_values } => {
                hash.numbers(&[1, *n_values as u64]);
                hash.floats(values);
            }
            Targets::None => hash.numbers(&[2]),
        }
        for name in &self.class_names {
            hash.numbers(&[name.len() as u64]);
            hash.0.update(name.as_bytes());
        }
        if let Some(split) = &self.fixed_split {
            hash.words(&split.train);
            hash.words(&split.validation);
            hash.words(&split.test);
        }
        if let Some(Types { schema, of_node }) = &self.types {
            hash.0.update(b"types of nodes");
            hash.words(of_node);
            let names =
                schema.nodes.iter().map(|of| &of.name).chain(schema.relations.iter().map(|of| &of.name));
            for name in names {
                hash.numbers(&[name.len() as u64]);
                hash.0.update(name.as_bytes());
            }
        }
        // What edges carry comes last and with marks of its own, so that data without it reads as it always did.
        let structure = hex(&hash.0.clone().finalize());
        if let Some(features) = &self.edge_features {
            hash.0.update(b"edge features");
            hash.features(features);
        }
        if let Some(kinds) = &self.edge_kinds {
            hash.0.update(b"edge kinds");
            hash.numbers(&[kinds.n_kinds as u64]);
            hash.words(&kinds.of_entry);
        }
        if let Some(items) = &self.edge_items {
            hash.0.update(b"edge items");
            items.entries.iter().for_each(|entries| hash.words(entries));
        }
        (hex(&hash.0.finalize()), structure)
    }
}

/// Numbers as little-endian bytes, through a buffer because SHA-256 is slow on calls of four bytes.
struct Hasher(Sha256);

impl Hasher {
    fn new() -> Self {
        Self(Sha256::new_with_prefix("hgnn data 1"))
    }
    fn blocks<T: Copy, const N: usize>(&mut self, values: &[T], to_bytes: impl Fn(T) -> [u8; N]) {
        self.0.update((values.len() as u64).to_le_bytes());
        let mut buffer = Vec::with_capacity(4096 * N);
        for block in values.chunks(4096) {
            buffer.clear();
            block.iter().for_each(|&value| buffer.extend_from_slice(&to_bytes(value)));
            self.0.update(&buffer);
        }
    }
    fn words(&mut self, values: &[u32]) {
        self.blocks(values, u32::to_le_bytes);
    }
    fn numbers(&mut self, values: &[u64]) {
        self.blocks(values, u64::to_le_bytes);
    }
    fn features(&mut self, features: &Features) {
        match features {
            Features::Dense { values, width } => {
                self.numbers(&[0, *width as u64]);
                self.floats(values);
            }
            Features::OneHot { columns, width } => {
                self.numbers(&[1, *width as u64]);
                self.words(columns);
            }
            Features::Sparse(rows) => {
                self.numbers(&[2, rows.width as u64]);
                self.words(&rows.offsets);
                self.words(&rows.columns);
                self.floats(&rows.values);
            }
        }
    }
    fn floats(&mut self, values: &[f32]) {
        self.blocks(values, |value| value.to_bits().to_le_bytes());
    }
}

/// Bytes in hex, as `sha256sum` prints them.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
