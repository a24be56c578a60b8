//! The published sets that are known, with where they are published and what reads them.
//!
//! Checksums are those of files that were read and counted here; of the other sets those of the first download are kept. Addresses:
//! Planetoid, Shchur et al., Platonov et al. and ConvE from their repositories, OGB from the lists of its package
//! (`ogb/nodeproppred/master.csv`, `ogb/graphproppred/master.csv`), MovieLens from GroupLens.

use super::super::download::{Checksum, PUBLISHED, TU_COLLECTION};
use crate::data::{DataOptions, collection};
use std::borrow::Cow;
use std::path::Path;

/// How a file becomes files of a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unpack {
    /// It is one, of this name; of its own where that is empty.
    No(&'static str),
    Zip,
    TarGz,
}

/// What reads a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    /// A source that finds it by its name: `planetoid("cora")`.
    Named(&'static str),
    /// A source that is given the path of a file in it: `npz("…/texas.npz")`.
    File { source: &'static str, file: &'static str, more: &'static str },
}

/// Known files of a set: name and SHA-256.
pub type Sums = &'static [(&'static str, &'static str)];

/// A set as the list has it.
#[derive(Debug)]
pub struct Entry {
    pub name: &'static str,
    pub what: &'static str,
    /// Below the data folder.
    pub folder: &'static str,
    /// About; for the list.
    pub download_bytes: u64,
    /// Bytes of all files together, as they unpack to, at most.
    pub max_bytes: u64,
    pub parts: &'static [(&'static str, Unpack)],
    pub sums: Sums,
    pub reader: Reader,
}

/// A file that is downloaded for a set.
#[derive(Debug, Clone)]
pub struct Part {
    pub address: Cow<'static, str>,
    pub unpack: Unpack,
    /// What is known of the files that come of it.
    pub sums: Vec<(Cow<'static, str>, &'static str)>,
}

/// A set to be fetched.
#[derive(Debug, Clone)]
pub struct Set {
    pub name: Cow<'static, str>,
    pub folder: &'static str,
    pub max_bytes: u64,
    pub parts: Vec<Part>,
    pub reader: Reader,
}

impl Set {
    /// The call that reads it from where it lies.
    pub fn call(&self, place: &Path, options: &DataOptions) -> String {
        match self.reader {
            Reader::Named(source) => format!("{source}(\"{}\")", self.name),
            Reader::File { source, file, more } => {
                let path = place.join(file);
                let here = options.data_dir.is_some() && !path.is_absolute() && !path.starts_with(".");
                let shown = if here { format!("./{}", path.display()) } else { path.display().to_string() };
                format!("{source}({shown:?}{more})")
            }
        }
    }
}

/// The set of that name: of the list, else of the TU collection.
pub fn find(name: &str) -> Option<Set> {
    if let Some(entry) = SETS.iter().find(|entry| entry.name == name) {
        let mut parts: Vec<Part> = entry
            .parts
            .iter()
            .map(|(address, unpack)| Part { address: (*address).into(), unpack: *unpack, sums: Vec::new() })
            .collect();
        // Which file is of which part does not matter: all are compared when all are there.
        if let Some(last) = parts.last_mut() {
            last.sums = entry.sums.iter().map(|(file, sum)| ((*file).into(), *sum)).collect();
        }
        let Entry { folder, max_bytes, reader, .. } = *entry;
        return Some(Set { name: entry.name.into(), folder, max_bytes, parts, reader });
    }
    if !collection::has(name) {
        return None;
    }
    let known = PUBLISHED.iter().find(|known| known.name == name).map_or(&[][..], |known| known.parts);
    let sum = |(part, sum): &(&'static str, Checksum)| match sum {
        Checksum::Bytes(sum) => Some((Cow::from(format!("{name}_{part}.txt")), *sum)),
        Checksum::SortedEdges(_) => None,
    };
    Some(Set {
        name: name.to_owned().into(),
        folder: "tu",
        max_bytes: 8 << 30,
        parts: vec![Part {
            address: format!("{TU_COLLECTION}/{name}.zip").into(),
            unpack: Unpack::Zip,
            sums: known.iter().filter_map(sum).collect(),
        }],
        reader: Reader::Named("tu"),
    })
}

/// Every set of the list.
#[rustfmt::skip]
pub static SETS: &[Entry] = &[
    Entry {
        name: "cora", what: "2,708 papers of 7 subjects, 5,278 citations", folder: "planetoid", download_bytes: 1500000, max_bytes: 67108864,
        parts: &[("https://github.com/kimiyoung/planetoid/raw/master/data/ind.cora.x", Unpack::No("")), ("https://github.com/kimiyoung/planetoid/raw/master/data/ind.cora.tx", Unpack::No("")), ("https://github.com/kimiyoung/planetoid/raw/master/data/ind.cora.allx", Unpack::No("")), ("https://github.com/kimiyoung/planetoid/raw/master/data/ind.cora.y", Unpack::No("")), ("https://github.com/kimiyoung/planetoid/raw/master/data/ind.cora.ty", Unpack::No("")), ("https://github.com/kimiyoung/planetoid/raw/master/data/ind.cora.ally", Unpack::No("")), ("https://github.com/kimiyoung/planetoid/raw/master/data/ind.cora.graph", Unpack::No("")), ("https://github.com/kimiyoung/planetoid/raw/master/data/ind.cora.test.index", Unpack::No(""))],
        sums: &[
            ("ind.cora.allx", "9419ba2f26f5c35243db64aba110e0f35a04851609e0dc5433450676ca6b8543"),
            ("ind.cora.ally", "2b998f5cc7fedc86e7f97ca2498f47a1ffc1462c29e2d578b23bf3f62b6e7d71"),
            ("ind.cora.graph", "58f13302f39dde8852dad6fe6d15b89b077b6d7f837626bce671ef80344b383d"),
            ("ind.cora.test.index", "297ce89af2b51a6a194181c7dbe1796c6a1cf9cd9349a88383b1b1e227867875"),
            ("ind.cora.tx", "b9afbaa4a400df991f6f02ef677e1e44da55ffc04801fd02f9e673987829226a"),
            ("ind.cora.ty", "41f5ac76596a1699cc33f53084a2419e92961c42bb75f36fc38e616d348532ad"),
            ("ind.cora.x", "23cfa55d91c6f624233f5eb7b6e3f141f1bd2b2ae39608a63cf5d084bb27baab"),
            ("ind.cora.y", "94465c14eb53e04ca262198dcbb2521ee8af60fb3f3d546cd6ca24a511b0e7d1"),
        ],
        reader: Reader::Named("planetoid"),
    },
    Entry {
        name: "citeseer", what: "3,327 papers of 6 subjects, 4,552 citations", folder: "planetoid", download_bytes: 2500000, max_bytes: 67108864,
        parts: &[("https://github.com/kimiyoung/planetoid/raw/master/data/ind.citeseer.x", Unpack::No("")), ("https://github.com/kimiyoung/planetoid/raw/master/data/ind.citeseer.tx", Unpack::No("")), ("https://github.com/kimiyoung/planetoid/raw/master/data/ind.citeseer.allx", Unpack::No("")), ("https://github.com/kimiyoung/planetoid/raw/master/data/ind.citeseer.y", Unpack::No("")), ("https://github.com/kimiyoung/planetoid/raw/master/data/ind.citeseer.ty", Unpack::No("")), ("https://github.com/kimiyoung/planetoid/raw/master/data/ind.citeseer.ally", Unpack::No("")), ("https://github.com/kimiyoung/planetoid/raw/master/data/ind.citeseer.graph", Unpack::No("")), ("https://github.com/kimiyoung/planetoid/raw/master/data/ind.citeseer.test.index", Unpack::No(""))],
        sums: &[],
        reader: Reader::Named("planetoid"),
    },
    Entry {
        name: "pubmed", what: "19,717 papers of 3 kinds of diabetes, 44,324 citations", folder: "planetoid", download_bytes: 12000000, max_bytes: 67108864,
        parts: &[("https://github.com/kimiyoung/planetoid/raw/master/data/ind.pubmed.x", Unpack::No("")), ("https://github.com/kimiyoung/planetoid/raw/master/data/ind.pubmed.tx", Unpack::No("")), ("https://github.com/kimiyoung/planetoid/raw/master/data/ind.pubmed.allx", Unpack::No("")), ("https://github.com/kimiyoung/planetoid/raw/master/data/ind.pubmed.y", Unpack::No("")), ("https://github.com/kimiyoung/planetoid/raw/master/data/ind.pubmed.ty", Unpack::No("")), ("https://github.com/kimiyoung/planetoid/raw/master/data/ind.pubmed.ally", Unpack::No("")), ("https://github.com/kimiyoung/planetoid/raw/master/data/ind.pubmed.graph", Unpack::No("")), ("https://github.com/kimiyoung/planetoid/raw/master/data/ind.pubmed.test.index", Unpack::No(""))],
        sums: &[],
        reader: Reader::Named("planetoid"),
    },
    Entry {
        name: "ogbn-arxiv", what: "169,343 papers of 40 subjects, 1,166,243 citations", folder: "ogb", download_bytes: 81000000, max_bytes: 4294967296,
        parts: &[("https://snap.stanford.edu/ogb/data/nodeproppred/arxiv.zip", Unpack::Zip)],
        sums: &[],
        reader: Reader::Named("ogb"),
    },
    Entry {
        name: "ogbn-products", what: "2,449,029 products of 47 kinds, 61,859,140 joint purchases", folder: "ogb", download_bytes: 1400000000, max_bytes: 17179869184,
        parts: &[("https://snap.stanford.edu/ogb/data/nodeproppred/products.zip", Unpack::Zip)],
        sums: &[],
        reader: Reader::Named("ogb"),
    },
    Entry {
        name: "ogbn-proteins", what: "132,534 proteins with 112 functions each, 39,561,252 associations", folder: "ogb", download_bytes: 230000000, max_bytes: 17179869184,
        parts: &[("https://snap.stanford.edu/ogb/data/nodeproppred/proteins.zip", Unpack::Zip)],
        sums: &[],
        reader: Reader::Named("ogb"),
    },
    Entry {
        name: "ogbg-molhiv", what: "41,127 molecules, whether they inhibit HIV", folder: "ogb", download_bytes: 2500000, max_bytes: 1073741824,
        parts: &[("https://snap.stanford.edu/ogb/data/graphproppred/csv_mol_download/hiv.zip", Unpack::Zip)],
        sums: &[],
        reader: Reader::Named("ogb"),
    },
    Entry {
        name: "ogbg-molpcba", what: "437,929 molecules with 128 labels", folder: "ogb", download_bytes: 22000000, max_bytes: 8589934592,
        parts: &[("https://snap.stanford.edu/ogb/data/graphproppred/csv_mol_download/pcba.zip", Unpack::Zip)],
        sums: &[],
        reader: Reader::Named("ogb"),
    },
    Entry {
        name: "ogbg-molbace", what: "1,513 molecules, whether they bind to BACE-1", folder: "ogb", download_bytes: 100000, max_bytes: 1073741824,
        parts: &[("https://snap.stanford.edu/ogb/data/graphproppred/csv_mol_download/bace.zip", Unpack::Zip)],
        sums: &[],
        reader: Reader::Named("ogb"),
    },
    Entry {
        name: "ogbg-molbbbp", what: "2,039 molecules, whether they pass the blood-brain barrier", folder: "ogb", download_bytes: 100000, max_bytes: 1073741824,
        parts: &[("https://snap.stanford.edu/ogb/data/graphproppred/csv_mol_download/bbbp.zip", Unpack::Zip)],
        sums: &[],
        reader: Reader::Named("ogb"),
    },
    Entry {
        name: "ogbg-molclintox", what: "1,477 drugs with 2 labels of toxicity", folder: "ogb", download_bytes: 100000, max_bytes: 1073741824,
        parts: &[("https://snap.stanford.edu/ogb/data/graphproppred/csv_mol_download/clintox.zip", Unpack::Zip)],
        sums: &[],
        reader: Reader::Named("ogb"),
    },
    Entry {
        name: "ogbg-molmuv", what: "93,087 molecules with 17 labels", folder: "ogb", download_bytes: 5000000, max_bytes: 1073741824,
        parts: &[("https://snap.stanford.edu/ogb/data/graphproppred/csv_mol_download/muv.zip", Unpack::Zip)],
        sums: &[],
        reader: Reader::Named("ogb"),
    },
    Entry {
        name: "ogbg-molsider", what: "1,427 drugs with 27 side effects", folder: "ogb", download_bytes: 100000, max_bytes: 1073741824,
        parts: &[("https://snap.stanford.edu/ogb/data/graphproppred/csv_mol_download/sider.zip", Unpack::Zip)],
        sums: &[],
        reader: Reader::Named("ogb"),
    },
    Entry {
        name: "ogbg-moltox21", what: "7,831 molecules with 12 labels of toxicity", folder: "ogb", download_bytes: 500000, max_bytes: 1073741824,
        parts: &[("https://snap.stanford.edu/ogb/data/graphproppred/csv_mol_download/tox21.zip", Unpack::Zip)],
        sums: &[],
        reader: Reader::Named("ogb"),
    },
    Entry {
        name: "ogbg-moltoxcast", what: "8,576 molecules with 617 labels of toxicity", folder: "ogb", download_bytes: 600000, max_bytes: 1073741824,
        parts: &[("https://snap.stanford.edu/ogb/data/graphproppred/csv_mol_download/toxcast.zip", Unpack::Zip)],
        sums: &[],
        reader: Reader::Named("ogb"),
    },
    Entry {
        name: "ogbg-molesol", what: "1,128 molecules with their solubility", folder: "ogb", download_bytes: 100000, max_bytes: 1073741824,
        parts: &[("https://snap.stanford.edu/ogb/data/graphproppred/csv_mol_download/esol.zip", Unpack::Zip)],
        sums: &[],
        reader: Reader::Named("ogb"),
    },
    Entry {
        name: "ogbg-molfreesolv", what: "642 molecules with their free energy in water", folder: "ogb", download_bytes: 50000, max_bytes: 1073741824,
        parts: &[("https://snap.stanford.edu/ogb/data/graphproppred/csv_mol_download/freesolv.zip", Unpack::Zip)],
        sums: &[],
        reader: Reader::Named("ogb"),
    },
    Entry {
        name: "ogbg-mollipo", what: "4,200 molecules with their lipophilicity", folder: "ogb", download_bytes: 300000, max_bytes: 1073741824,
        parts: &[("https://snap.stanford.edu/ogb/data/graphproppred/csv_mol_download/lipophilicity.zip", Unpack::Zip)],
        sums: &[],
        reader: Reader::Named("ogb"),
    },
    Entry {
        name: "amazon-computers", what: "13,752 products of 10 kinds, 245,861 joint purchases", folder: "npz", download_bytes: 6000000, max_bytes: 1073741824,
        parts: &[("https://github.com/shchur/gnn-benchmark/raw/master/data/npz/amazon_electronics_computers.npz", Unpack::No("amazon-computers.npz"))],
        sums: &[],
        reader: Reader::File { source: "npz", file: "amazon-computers.npz", more: ", undirected = true" },
    },
    Entry {
        name: "amazon-photo", what: "7,650 products of 8 kinds, 119,081 joint purchases", folder: "npz", download_bytes: 3000000, max_bytes: 1073741824,
        parts: &[("https://github.com/shchur/gnn-benchmark/raw/master/data/npz/amazon_electronics_photo.npz", Unpack::No("amazon-photo.npz"))],
        sums: &[],
        reader: Reader::File { source: "npz", file: "amazon-photo.npz", more: ", undirected = true" },
    },
    Entry {
        name: "coauthor-cs", what: "18,333 authors of 15 fields, 81,894 coauthorships", folder: "npz", download_bytes: 5000000, max_bytes: 1073741824,
        parts: &[("https://github.com/shchur/gnn-benchmark/raw/master/data/npz/ms_academic_cs.npz", Unpack::No("coauthor-cs.npz"))],
        sums: &[],
        reader: Reader::File { source: "npz", file: "coauthor-cs.npz", more: ", undirected = true" },
    },
    Entry {
        name: "coauthor-physics", what: "34,493 authors of 5 fields, 247,962 coauthorships", folder: "npz", download_bytes: 17000000, max_bytes: 1073741824,
        parts: &[("https://github.com/shchur/gnn-benchmark/raw/master/data/npz/ms_academic_phy.npz", Unpack::No("coauthor-physics.npz"))],
        sums: &[],
        reader: Reader::File { source: "npz", file: "coauthor-physics.npz", more: ", undirected = true" },
    },
    Entry {
        name: "cornell", what: "183 web pages of 5 kinds (WebKB)", folder: "npz", download_bytes: 100000, max_bytes: 1073741824,
        parts: &[("https://github.com/yandex-research/heterophilous-graphs/raw/main/data/cornell.npz", Unpack::No(""))],
        sums: &[],
        reader: Reader::File { source: "npz", file: "cornell.npz", more: ", undirected = true" },
    },
    Entry {
        name: "texas", what: "183 web pages of 5 kinds (WebKB)", folder: "npz", download_bytes: 100000, max_bytes: 1073741824,
        parts: &[("https://github.com/yandex-research/heterophilous-graphs/raw/main/data/texas.npz", Unpack::No(""))],
        sums: &[],
        reader: Reader::File { source: "npz", file: "texas.npz", more: ", undirected = true" },
    },
    Entry {
        name: "wisconsin", what: "251 web pages of 5 kinds (WebKB)", folder: "npz", download_bytes: 100000, max_bytes: 1073741824,
        parts: &[("https://github.com/yandex-research/heterophilous-graphs/raw/main/data/wisconsin.npz", Unpack::No(""))],
        sums: &[],
        reader: Reader::File { source: "npz", file: "wisconsin.npz", more: ", undirected = true" },
    },
    Entry {
        name: "actor", what: "7,600 actors of 5 kinds", folder: "npz", download_bytes: 1000000, max_bytes: 1073741824,
        parts: &[("https://github.com/yandex-research/heterophilous-graphs/raw/main/data/actor.npz", Unpack::No(""))],
        sums: &[],
        reader: Reader::File { source: "npz", file: "actor.npz", more: ", undirected = true" },
    },
    Entry {
        name: "chameleon_filtered", what: "890 pages of Wikipedia without copies, 5 classes", folder: "npz", download_bytes: 1000000, max_bytes: 1073741824,
        parts: &[("https://github.com/yandex-research/heterophilous-graphs/raw/main/data/chameleon_filtered.npz", Unpack::No(""))],
        sums: &[],
        reader: Reader::File { source: "npz", file: "chameleon_filtered.npz", more: ", undirected = true" },
    },
    Entry {
        name: "squirrel_filtered", what: "2,223 pages of Wikipedia without copies, 5 classes", folder: "npz", download_bytes: 2000000, max_bytes: 1073741824,
        parts: &[("https://github.com/yandex-research/heterophilous-graphs/raw/main/data/squirrel_filtered.npz", Unpack::No(""))],
        sums: &[],
        reader: Reader::File { source: "npz", file: "squirrel_filtered.npz", more: ", undirected = true" },
    },
    Entry {
        name: "minesweeper", what: "10,000 fields of a game, whether a mine is there", folder: "npz", download_bytes: 1000000, max_bytes: 1073741824,
        parts: &[("https://github.com/yandex-research/heterophilous-graphs/raw/main/data/minesweeper.npz", Unpack::No(""))],
        sums: &[],
        reader: Reader::File { source: "npz", file: "minesweeper.npz", more: ", undirected = true" },
    },
    Entry {
        name: "tolokers", what: "11,758 workers, whether they were banned", folder: "npz", download_bytes: 3000000, max_bytes: 1073741824,
        parts: &[("https://github.com/yandex-research/heterophilous-graphs/raw/main/data/tolokers.npz", Unpack::No(""))],
        sums: &[],
        reader: Reader::File { source: "npz", file: "tolokers.npz", more: ", undirected = true" },
    },
    Entry {
        name: "FB15k-237", what: "14,541 entities, 237 relations, 310,116 facts of Freebase", folder: "kg", download_bytes: 7000000, max_bytes: 1073741824,
        parts: &[("https://github.com/TimDettmers/ConvE/raw/master/FB15k-237.tar.gz", Unpack::TarGz)],
        sums: &[
            ("train.txt", "6e4c2782169af21e9743f3b1d200886f5d595bf6bc504ec1351720949c5cdfae"),
            ("valid.txt", "cf6309010852f6a8d47a45df830a426415d1ee6f7a3970a8376ff1fb81db4a5c"),
            ("test.txt", "5711cf41623ceb4eacc50eb6108a3ca6565c7492e3caaf82a3e355cc660d1574"),
        ],
        reader: Reader::Named("triples"),
    },
    Entry {
        name: "WN18RR", what: "40,943 entities, 11 relations, 93,003 facts of WordNet", folder: "kg", download_bytes: 600000, max_bytes: 1073741824,
        parts: &[("https://github.com/TimDettmers/ConvE/raw/master/WN18RR.tar.gz", Unpack::TarGz)],
        sums: &[
            ("train.txt", "038612e783c215ee5f3ca9fbfca27b8d0739be1028fe4ee7c174aecf0b83d5df"),
            ("valid.txt", "453ce7202afa58094a04d2b1560ee2b02660f1c260b32ce6651c8ccedd1028ab"),
            ("test.txt", "0383bceaaa1096cf3c03ec021ed0048068e2355dbfc0239b292cefdac821cec5"),
        ],
        reader: Reader::Named("triples"),
    },
    Entry {
        name: "umls", what: "135 entities, 46 relations, 6,529 facts of medicine", folder: "kg", download_bytes: 50000, max_bytes: 1073741824,
        parts: &[("https://github.com/TimDettmers/ConvE/raw/master/umls.tar.gz", Unpack::TarGz)],
        sums: &[
            ("train.txt", "873ef4925516b83e7f6f8cc02b4be51d848828710a7f65a956f0ac4a9e452f35"),
            ("valid.txt", "025c98f8a4891e2a6582ec5b40ee0d904031edad9c52554522f4b7904820c98e"),
            ("test.txt", "a7eb529a3d2810fcc96341ccc97c625a5e202f8389673aa6bd317eeebbb79014"),
        ],
        reader: Reader::Named("triples"),
    },
    Entry {
        name: "kinship", what: "104 people, 25 relations", folder: "kg", download_bytes: 50000, max_bytes: 1073741824,
        parts: &[("https://github.com/TimDettmers/ConvE/raw/master/kinship.tar.gz", Unpack::TarGz)],
        sums: &[
            ("train.txt", "738612111a6acf0e39662bde24c7e72a4d1edf20931beea077da367dda689731"),
            ("valid.txt", "c56f8630a583178b1e569f11a64aa535ae1ce0b0912d8b1e24716be2b37f04da"),
            ("test.txt", "05e5733265761d55be9c05bfaff5a8d0808df46f9c1e9d66cc3f2fe114e43d88"),
        ],
        reader: Reader::Named("triples"),
    },
    Entry {
        name: "nations", what: "14 nations, 55 relations", folder: "kg", download_bytes: 20000, max_bytes: 1073741824,
        parts: &[("https://github.com/TimDettmers/ConvE/raw/master/nations.tar.gz", Unpack::TarGz)],
        sums: &[
            ("train.txt", "0830fa9da8e5bba2ccdaa45b7bdc9130451ba66b09ff2708f35fccaf82473e57"),
            ("valid.txt", "2b337a62e51a2f45c283eac98a70d21b7e0e102136be1539b2a52c652a7b0530"),
            ("test.txt", "3971085165b47b6aeaec68058c6d8d98b3005e929db81268410b95ae4db770ab"),
        ],
        reader: Reader::Named("triples"),
    },
    Entry {
        name: "ml-100k", what: "100,000 ratings of 1,682 films by 943 users", folder: "interactions", download_bytes: 5000000, max_bytes: 1073741824,
        parts: &[("https://files.grouplens.org/datasets/movielens/ml-100k.zip", Unpack::Zip)],
        sums: &[],
        reader: Reader::File { source: "interactions", file: "u.data", more: "" },
    },
    Entry {
        name: "ml-1m", what: "1,000,209 ratings of 3,706 films by 6,040 users", folder: "interactions", download_bytes: 6000000, max_bytes: 1073741824,
        parts: &[("https://files.grouplens.org/datasets/movielens/ml-1m.zip", Unpack::Zip)],
        sums: &[],
        reader: Reader::File { source: "interactions", file: "ratings.dat", more: "" },
    },
];
