//! The names of the sets of the TU collection, so that one that is published but not here differs from one that does
//! not exist.
//!
//! Names: <https://chrsmrrs.github.io/datasets/docs/datasets/>, with sets of earlier versions of that page.

/// Sets in three parts, `Tox21_AR_training`, …
const TOX21: [&str; 12] =
    ["AhR", "AR", "AR-LBD", "ARE", "aromatase", "ATAD5", "ER", "ER-LBD", "HSE", "MMP", "p53", "PPAR-gamma"];
const TOX21_PARTS: [&str; 3] = ["training", "testing", "evaluation"];

#[rustfmt::skip]
const NAMES: [&str; 103] = [
    // Small molecules.
    "AIDS", "alchemy_full", "aspirin", "benzene", "BZR", "BZR_MD", "COX2", "COX2_MD", "DHFR", "DHFR_MD", "ER_MD",
    "ethanol", "FRANKENSTEIN", "malonaldehyde", "MCF-7", "MCF-7H", "MOLT-4", "MOLT-4H", "Mutagenicity", "MUTAG",
    "naphthalene", "NCI1", "NCI109", "NCI-H23", "NCI-H23H", "OVCAR-8", "OVCAR-8H", "P388", "P388H", "PC-3", "PC-3H",
    "PTC_FM", "PTC_FR", "PTC_MM", "PTC_MR", "QM9", "salicylic_acid", "SF-295", "SF-295H", "SN12C", "SN12CH", "SW-620",
    "SW-620H", "toluene", "UACC257", "UACC257H", "uracil", "Yeast", "YeastH", "ZINC_full", "ZINC_test", "ZINC_train",
    "ZINC_val", "alchemy_dev", "alchemy_test", "alchemy_valid",
    // Bioinformatics.
    "DD", "ENZYMES", "KKI", "OHSU", "Peking_1", "PROTEINS", "PROTEINS_full",
    // Computer vision.
    "COIL-DEL", "COIL-RAG", "Cuneiform", "Fingerprint", "FIRSTMM_DB", "Letter-high", "Letter-low", "Letter-med",
    "MSRC_9", "MSRC_21", "MSRC_21C",
    // Social networks.
    "COLLAB", "dblp_ct1", "dblp_ct2", "DBLP_v1", "deezer_ego_nets", "facebook_ct1", "facebook_ct2",
    "github_stargazers", "highschool_ct1", "highschool_ct2", "IMDB-BINARY", "IMDB-MULTI", "infectious_ct1",
    "infectious_ct2", "mit_ct1", "mit_ct2", "REDDIT-BINARY", "REDDIT-MULTI-5K", "REDDIT-MULTI-12K", "reddit_threads",
    "tumblr_ct1", "tumblr_ct2", "twitch_egos", "TWITTER-Real-Graph-Partial",
    // Synthetic.
    "COLORS-3", "SYNTHETIC", "SYNTHETICnew", "Synthie", "TRIANGLES",
];

/// Every name.
pub fn names() -> impl Iterator<Item = String> {
    let tox21 = TOX21.iter().flat_map(|set| TOX21_PARTS.map(|part| format!("Tox21_{set}_{part}")));
    NAMES.iter().map(|name| (*name).to_owned()).chain(tox21)
}

/// Whether the collection has a set of that name.
pub fn has(name: &str) -> bool {
    names().any(|known| known == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::download::PUBLISHED;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_different_and_hold_those_that_are_downloaded() {
        let all: Vec<String> = names().collect();
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
        assert!(PUBLISHED.iter().all(|known| has(known.name)));
        assert!(has("Tox21_AR-LBD_testing") && has("IMDB-BINARY") && !has("MUTAGG") && !has("mutag"));
    }
}
