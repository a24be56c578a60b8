//! Published data sets from the site of the TU collection.
//!
//! Only sets whose content is known are downloaded: each part that is read has its SHA-256 in [`PUBLISHED`], so a
//! run's data is the one that the literature's figures are about. The archive is written aside, verified, and only
//! then given its name in the cache folder.

use super::DataOptions;
use super::collection;
use super::error::DataError;
use super::files::{PARTS, TuFiles};
use super::locate;
use super::scan::Text;
use crate::findings::names::did_you_mean;
use sha2::{Digest, Sha256};
use std::io::{Read, Write};
use std::path::Path;
use std::time::Duration;

/// Where the archives are published: `{TU_COLLECTION}/NAME.zip`.
pub const TU_COLLECTION: &str = "https://www.chrsmrrs.com/graphkerneldatasets";

/// Archives are at most some hundred megabytes; a server that sends more is not the one we know.
const MAX_ARCHIVE_BYTES: u64 = 2 << 30;

/// How far a download is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DownloadProgress {
    pub name: String,
    pub received_bytes: u64,
    /// Where the server says.
    pub total_bytes: Option<u64>,
}

/// How a part is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checksum {
    /// SHA-256 of the file, in hex.
    Bytes(&'static str),
    /// SHA-256 of the edges, sorted, each as two little-endian 32-bit numbers: for files of which the set of lines is
    /// known and their order is not.
    SortedEdges(&'static str),
}

/// A published set whose content is known: every part that it has of [`PARTS`].
#[derive(Debug, Clone, Copy)]
pub struct Published {
    pub name: &'static str,
    pub parts: &'static [(&'static str, Checksum)],
}

/// The sets that can be downloaded.
pub static PUBLISHED: &[Published] = &[
    Published {
        name: "AIDS",
        parts: &[
            ("A", Checksum::Bytes("9da8e3f787d1dbdc80a35f205707bd0bec0778261fb7e54355c061912f8d8380")),
            (
                "graph_indicator",
                Checksum::Bytes("8a1ede4f84bcba1f5a7f49fe7e89cdc74466645b62175603710b80300fb68be4"),
            ),
            (
                "graph_labels",
                Checksum::Bytes("da9c413b24b0a808b497a4567f57dce975d0eb9dc69c5db82aec6a172c88e28f"),
            ),
            (
                "node_labels",
                Checksum::Bytes("d90cda6258c58f4c3facaa2e6a71e1b589da13f0162af59881400a3c8f0c514a"),
            ),
            (
                "node_attributes",
                Checksum::Bytes("e47595d48fa329d84183fd68f8b4a6b327fd05690e3d335ffcdc6b7c110f081c"),
            ),
            (
                "edge_labels",
                Checksum::Bytes("47e3eac0bf8c6196af7d5532fba3d2c9b29014740d471bd4696149a5ef2bf7d7"),
            ),
        ],
    },
    Published {
        name: "DD",
        parts: &[
            ("A", Checksum::SortedEdges("c2f84d1da2a9de2eff6b0bcc9347724bc1b65da7b7ca9b382d7e85b0356d1079")),
            (
                "graph_indicator",
                Checksum::Bytes("95aabe75f6537326a14e4efc0d006854c20769f3cfc4877b862803d21c51aff2"),
            ),
            (
                "graph_labels",
                Checksum::Bytes("b9df6495feb673f79dea357cca30e08f8602e52d978c77b53ec2552d1cb2ab4e"),
            ),
            (
                "node_labels",
                Checksum::Bytes("b0d10b05702c2d655d691b5a6f5585081993860013eeab801572202df1c5c108"),
            ),
        ],
    },
    Published {
        name: "ENZYMES",
        parts: &[
            ("A", Checksum::Bytes("5553c84f8f562f3e199dfd27192174f485e85c44c1357661098668937a739cbf")),
            (
                "graph_indicator",
                Checksum::Bytes("95ba0fa47eba6f02e6b754a215dc66d5b49de3f45f57a128514301a8d7ed5f46"),
            ),
            (
                "graph_labels",
                Checksum::Bytes("04743e08967e61e65cdacbb90f8df6ee53742b3d2e7b84675b85ebac70506856"),
            ),
            (
                "node_labels",
                Checksum::Bytes("8263eb9b64efa231a5886343483ccfc0342f2407014763a8f738fd51c32ce770"),
            ),
            (
                "node_attributes",
                Checksum::Bytes("305a8fc3b12f79fb844ef3374d6a3c8ceeb4887dd4f86bbfe37932c4c5434e7b"),
            ),
        ],
    },
    Published {
        name: "MUTAG",
        parts: &[
            ("A", Checksum::Bytes("d9656ca7493f3445d737c711710bb36fd432dddd1c0ea32e1d4713c86ebd28e2")),
            (
                "graph_indicator",
                Checksum::Bytes("7d520a4d6c7961c0cdeabe076d8fe27e795b6d373485c9a2b744987e560a2056"),
            ),
            (
                "graph_labels",
                Checksum::Bytes("a1518ea39ba3426bd42f57396b9c4baffe68e9adc718caeeab0119c6591a5f2c"),
            ),
            (
                "node_labels",
                Checksum::Bytes("678f429965490e84dd27713017538c995fc05d1621beac910848b600015ee863"),
            ),
            (
                "edge_labels",
                Checksum::Bytes("4669ce755075ff86c3240709345745886400908fa637a49310459b9c267b3e56"),
            ),
        ],
    },
    Published {
        name: "PROTEINS",
        parts: &[
            ("A", Checksum::Bytes("4c4b33e272fc95cac6d27ed6d5d12b9a852c8610e91fff59f8f0dbdd5a20df67")),
            (
                "graph_indicator",
                Checksum::Bytes("8d4ff1e852a5c28561e9bffb44cf9490bc552b13a3b6156dd12dc7f44e9afc4a"),
            ),
            (
                "graph_labels",
                Checksum::Bytes("c0ef9810c440775252872318d0c8adc385588e14bc4c47a2c34aa96ee3c7cdcd"),
            ),
            (
                "node_labels",
                Checksum::Bytes("f758e8ad3d6e3c026b50833d75f6f90735b94eb3345e4243707f495ca8afea8d"),
            ),
            (
                "node_attributes",
                Checksum::Bytes("54eef829abb37e458a5fbf3a3c581e48e5810e220463c2cd951856b9ceb08f07"),
            ),
        ],
    },
    Published {
        name: "PTC_MR",
        parts: &[
            ("A", Checksum::Bytes("f79523ff94dfbef539e5602a8ac1931a50a2800f33fa1d30e5e31725289b5202")),
            (
                "graph_indicator",
                Checksum::Bytes("d52754f3cbc54e29324f884b4c17200c16e06db0c499afae300b4fa1bb6d794b"),
            ),
            (
                "graph_labels",
                Checksum::Bytes("64210accbe4c6c027535b1294e0da652b1f539667f7a2d4bf5121dcd8b00a224"),
            ),
            (
                "node_labels",
                Checksum::Bytes("cc50d1e1c5f4c98b2100cf50c5ddd88ff28b419a9180d531046b75ce22983235"),
            ),
            (
                "edge_labels",
                Checksum::Bytes("acee2f93b52175a329009dc837bea9db7c2a121c2ef0b1587b38bbe6fc9b8177"),
            ),
        ],
    },
];

/// Gets a data set that is in no folder; called where [`locate::find`] found none.
///
/// # Errors
/// Says which file to put where, and why it was not downloaded: not known, switched off, no network, a checksum
/// that differs.
pub fn fetch(name: &str, options: &DataOptions) -> Result<TuFiles, DataError> {
    fetch_of(PUBLISHED, name, options)
}

fn fetch_of(published: &[Published], name: &str, options: &DataOptions) -> Result<TuFiles, DataError> {
    let url = format!("{}/{name}.zip", options.base_url);
    let Some(known) = published.iter().find(|known| known.name == name) else {
        if collection::has(name) {
            if options.is_local {
                return Err(not_here(name).help(in_short(
                    name,
                    options,
                    &format!("; it is published at {url}"),
                )));
            }
            return Err(not_here(name).help(format!(
                "{}\nit is published at {url}; it is not downloaded, because no checksum of it is known here",
                where_to_put(name, options)
            )));
        }
        return Err(unknown(name, published, options));
    };
    if options.is_local {
        let way = if options.offline {
            format!("; it is published at {url}")
        } else {
            format!(", or let `hgnnc data {name}` download it")
        };
        return Err(not_here(name).help(in_short(name, options, &way)));
    }
    let manual = format!("{}\nit is published at {url}", where_to_put(name, options));
    if options.offline {
        return Err(not_here(name).help(format!(
            "{manual}\nit was not downloaded, because downloads are switched off (`--offline` or HGNN_OFFLINE)"
        )));
    }
    if options.is_local {
        return Err(
            not_here(name).help(format!("`hgnnc data {name}` and `hgnnc train` download it\nor {manual}"))
        );
    }
    let Some(folder) = locate::download_folder(options) else {
        return Err(not_here(name).help(format!(
            "{manual}\nit was not downloaded, because this system has no cache folder to keep it in"
        )));
    };
    let unwritable = |error: &dyn std::fmt::Display| {
        DataError::new("data::cache_unwritable", format!("`{name}` cannot be stored here: {error}"))
            .file(folder.display().to_string())
            .help(format!("free space or make the folder writable, or: {manual}"))
    };
    std::fs::create_dir_all(&folder).map_err(|error| unwritable(&error))?;
    let mut aside = tempfile::Builder::new()
        .prefix(".download-")
        .tempfile_in(&folder)
        .map_err(|error| unwritable(&error))?;
    receive(name, &url, options, aside.as_file_mut()).map_err(|failure| match failure {
        Failure::Network(reason) => DataError::new(
            "data::download",
            format!(
                "the data set `{name}` was not found in any data folder, and its download failed: {reason}"
            ),
        )
        .help(manual.clone()),
        Failure::Disk(error) => unwritable(&error),
    })?;
    verify(known, aside.path(), options.max_bytes()?, &url, &manual)?;
    let path = folder.join(format!("{name}.zip"));
    aside.persist(&path).map_err(|error| unwritable(&error.error))?;
    TuFiles::in_archive(name, &path, options.max_bytes()?)
}

enum Failure {
    Network(String),
    Disk(std::io::Error),
}

fn receive(name: &str, url: &str, options: &DataOptions, file: &mut std::fs::File) -> Result<(), Failure> {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_resolve(Some(Duration::from_secs(10)))
        .timeout_connect(Some(Duration::from_secs(10)))
        .timeout_recv_response(Some(Duration::from_secs(30)))
        .timeout_per_read(Some(Duration::from_secs(30)))
        // A redirect must not leave the encrypted connection.
        .https_only(url.starts_with("https://"))
        .build()
        .into();
    let response = agent.get(url).call().map_err(|error| Failure::Network(error.to_string()))?;
    let body = response.into_body();
    let total_bytes = body.content_length();
    let mut reader = body.into_reader();
    let mut buffer = vec![0u8; 1 << 16];
    let mut received_bytes = 0u64;
    loop {
        let n = match reader.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => n,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => {
                return Err(Failure::Network(format!("it broke off after {received_bytes} bytes: {error}")));
            }
        };
        file.write_all(&buffer[..n]).map_err(Failure::Disk)?;
        received_bytes += n as u64;
        if received_bytes > MAX_ARCHIVE_BYTES {
            return Err(Failure::Network("the server sends more than 2 GiB".into()));
        }
        if let Some(progress) = &options.progress {
            progress(DownloadProgress { name: name.into(), received_bytes, total_bytes });
        }
    }
    if let Some(total) = total_bytes.filter(|&total| total != received_bytes) {
        return Err(Failure::Network(format!("it broke off after {received_bytes} of {total} bytes")));
    }
    file.sync_all().map_err(Failure::Disk)
}

/// Every part that is read has to be the known one, and there has to be no other.
fn verify(known: &Published, path: &Path, max_bytes: u64, url: &str, manual: &str) -> Result<(), DataError> {
    let name = known.name;
    let refuse = |what: String| {
        DataError::new("data::checksum", format!("the download of `{name}` is not the published set: {what}"))
            .file(url)
            .help(format!("nothing was kept; try again later, or: {manual}"))
    };
    let mut files = TuFiles::in_archive(name, path, max_bytes)
        .map_err(|error| refuse(format!("it {}", error.message)))?;
    for part in PARTS {
        let text = files.open(part).map_err(|error| refuse(error.message))?;
        let expected = known.parts.iter().find(|(known, _)| *known == part).map(|&(_, sum)| sum);
        match (text, expected) {
            (None, None) => {}
            (Some(text), Some(expected)) => {
                if !matches(text, expected).map_err(|error| refuse(error.message))? {
                    return Err(refuse(format!("{name}_{part}.txt has another SHA-256")));
                }
            }
            (Some(_), None) => return Err(refuse(format!("it has a {name}_{part}.txt, which is not known"))),
            (None, Some(_)) => return Err(refuse(format!("it has no {name}_{part}.txt"))),
        }
    }
    Ok(())
}

fn matches(text: Text, checksum: Checksum) -> Result<bool, DataError> {
    let sha = |bytes: &[u8]| super::fingerprint::hex(&Sha256::digest(bytes));
    match checksum {
        Checksum::Bytes(expected) => Ok(sha(&text.bytes()?) == expected),
        Checksum::SortedEdges(expected) => {
            let mut edges: Vec<(u32, u32)> = Vec::new();
            text.pairs("two node numbers", |_, source, target| {
                edges.push((source, target));
                Ok(())
            })?;
            edges.sort_unstable();
            let bytes: Vec<u8> =
                edges.iter().flat_map(|(a, b)| [a.to_le_bytes(), b.to_le_bytes()]).flatten().collect();
            Ok(sha(&bytes) == expected)
        }
    }
}

/// A published set that is not on this machine.
fn not_here(name: &str) -> DataError {
    DataError::new("data::not_here", format!("the data set `{name}` was not found in any data folder"))
}

/// A name that neither a folder nor the collection has, with the nearest one that they have.
fn unknown(name: &str, published: &[Published], options: &DataOptions) -> DataError {
    let found = locate::list(options).into_iter().map(|listed| listed.name);
    let all: Vec<String> =
        found.chain(published.iter().map(|known| known.name.to_owned())).chain(collection::names()).collect();
    let like = did_you_mean(name, all.iter().map(String::as_str))
        .map(|like| format!("did you mean `{like}`?\n"))
        .unwrap_or_default();
    let places = if options.is_local { looked(options) } else { where_to_put(name, options) };
    // A name is never a path, so that a file means the same data wherever it lies.
    let beside = |name: &str| match &options.base {
        Some(base) => base.join(name).exists(),
        None => Path::new(name).exists(),
    };
    let here = [name.to_owned(), format!("{name}.zip")].into_iter().find(|name| beside(name));
    let like = match here {
        Some(here) => format!("`{here}` lies here: write `./{here}` to name it by its path\n"),
        None => like,
    };
    DataError::new("data::unknown_set", format!("there is no data set `{name}`"))
        .help(format!("{like}{places}"))
}

/// Which file to put where, for commands that go on without it.
fn in_short(name: &str, options: &DataOptions, way: &str) -> String {
    match &options.data_dir {
        Some(folder) => format!("put `{name}.zip` into {}{way}", folder.display()),
        None => {
            format!("put `{name}.zip` into a folder and name that folder with `--data-dir` or HGNN_DATA{way}")
        }
    }
}

/// The folders looked into.
fn looked(options: &DataOptions) -> String {
    let looked: Vec<String> = locate::folders(options)
        .iter()
        .map(|folder| {
            let state = if folder.is_dir() { "" } else { " (no such folder)" };
            format!("{}{state}", folder.display())
        })
        .collect();
    if looked.is_empty() {
        "no data folder is named".to_string()
    } else {
        format!("looked in {}", looked.join(", "))
    }
}

/// The folders looked into, and which file to put where.
fn where_to_put(name: &str, options: &DataOptions) -> String {
    let mut lines = vec![looked(options)];
    // What was found and is something else; the search ended without an error before.
    let below =
        options.data_dir.as_ref().and_then(|folder| locate::Below::search(name, folder, u64::MAX).ok());
    if let Some(below) = below {
        lines.extend(below.others.iter().map(|other| {
            format!("{} exists, but holds no file whose name ends in `_A.txt`", other.display())
        }));
        if below.is_cut {
            lines.push("the data folder holds more than is searched: name the folder of the sets".into());
        }
    }
    let files = format!(
        "`{name}.zip`, or a folder `{name}` with {name}_A.txt, {name}_graph_indicator.txt and {name}_graph_labels.txt"
    );
    lines.push(match &options.data_dir {
        Some(folder) => format!("put {files}, into {}", folder.display()),
        None => format!("put {files}, into a folder and name that folder with `--data-dir` or HGNN_DATA"),
    });
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::sync::{Arc, Mutex};
    use tempfile::TempDir;

    const FILES: [(&str, &str); 3] =
        [("A", "1, 2\n2, 1\n"), ("graph_indicator", "1\n1\n"), ("graph_labels", "1\n")];

    /// The set that the tests publish; its edges are known in any order.
    fn published(indicator: &'static str) -> Vec<Published> {
        let sum =
            |bytes: &[u8]| -> &'static str { super::super::fingerprint::hex(&Sha256::digest(bytes)).leak() };
        let parts = vec![
            ("A", Checksum::SortedEdges(sum(&[1, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0]))),
            ("graph_indicator", Checksum::Bytes(sum(indicator.as_bytes()))),
            ("graph_labels", Checksum::Bytes(sum(b"1\n"))),
        ];
        vec![Published { name: "PAIR", parts: parts.leak() }]
    }

    fn archive(files: &[(&str, &str)]) -> Vec<u8> {
        let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        for (part, text) in files {
            let options = zip::write::SimpleFileOptions::default();
            zip.start_file(format!("PAIR/PAIR_{part}.txt"), options).expect("in memory");
            zip.write_all(text.as_bytes()).expect("in memory");
        }
        zip.finish().expect("in memory").into_inner()
    }

    fn ok(body: &[u8]) -> Vec<u8> {
        let mut response = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
        response.extend_from_slice(body);
        response
    }

    /// Answers one request on this machine with these bytes, then closes; gives the base address.
    fn serve(response: Vec<u8>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("one request");
            let mut request = Vec::new();
            let mut byte = [0u8];
            while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|n| n == 1) {
                request.push(byte[0]);
            }
            // The client may hang up early; what it makes of that is what the test looks at.
            let _ = stream.write_all(&response);
        });
        format!("http://{address}")
    }

    fn fetch(base_url: String, cache: &TempDir, known: &[Published]) -> Result<TuFiles, DataError> {
        let options = DataOptions {
            data_dir: None,
            cache_dir: Some(cache.path().into()),
            offline: false,
            base_url,
            progress: None,
            is_local: false,
            vocabulary: None,
            base: None,
            file_folder: None,
            max_size: Ok(1 << 30),
        };
        fetch_of(known, "PAIR", &options)
    }

    fn cache() -> TempDir {
        tempfile::tempdir().expect("a temporary folder")
    }

    fn kept(cache: &TempDir) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(cache.path().join("tu")) else { return Vec::new() };
        entries.map(|entry| entry.expect("readable").file_name().into_string().expect("a name")).collect()
    }

    #[test]
    fn a_known_set_is_downloaded_once_and_then_found_in_the_cache() {
        let (cache, received) = (cache(), Arc::new(Mutex::new(Vec::new())));
        let body = archive(&FILES);
        let seen = Arc::clone(&received);
        let options = DataOptions {
            data_dir: None,
            cache_dir: Some(cache.path().into()),
            offline: false,
            base_url: serve(ok(&body)),
            progress: Some(Arc::new(move |progress| seen.lock().expect("one thread").push(progress))),
            is_local: false,
            vocabulary: None,
            base: None,
            file_folder: None,
            max_size: Ok(1 << 30),
        };
        let mut files = fetch_of(&published("1\n1\n"), "PAIR", &options).expect("downloaded");
        let labels = files.open("graph_labels").expect("readable").expect("there");
        assert_eq!(labels.bytes().expect("readable"), b"1\n");
        assert_eq!(kept(&cache), ["PAIR.zip"]);
        let total = body.len() as u64;
        let last = DownloadProgress { name: "PAIR".into(), received_bytes: total, total_bytes: Some(total) };
        assert_eq!(received.lock().expect("done").last(), Some(&last));
        // The server answered its only request, so this is the cache.
        assert!(locate::find("PAIR", &options).expect("readable").is_some());
    }

    #[test]
    fn a_download_that_is_not_the_published_set_leaves_nothing_behind() {
        let known = published("1\n1\n");
        let refused = |response: Vec<u8>, code: &str, part: &str| {
            let cache = cache();
            let error = fetch(serve(response), &cache, &known).expect_err(part);
            assert_eq!(error.code, code, "{error}");
            assert!(error.to_string().contains(part), "{error}");
            assert!(error.help.expect("help").contains("PAIR.zip`, or a folder `PAIR`"));
            assert_eq!(kept(&cache), [""; 0]);
        };
        let with = |changes: &[(&'static str, &'static str)]| ok(&archive(&[&FILES[..2], changes].concat()));
        refused(
            with(&[("graph_labels", "2\n")]),
            "data::checksum",
            "PAIR_graph_labels.txt has another SHA-256",
        );
        refused(with(&[]), "data::checksum", "has no PAIR_graph_labels.txt");
        let unknown = [("graph_labels", "1\n"), ("node_labels", "1\n1\n")];
        refused(with(&unknown), "data::checksum", "a PAIR_node_labels.txt, which is not known");
        refused(ok(b"<html>not here</html>"), "data::checksum", "it is a web page");
        let whole = ok(&archive(&FILES));
        refused(whole[..whole.len() - 50].to_vec(), "data::download", "it broke off after");
        refused(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec(), "data::download", "404");
        // An archive without a stated length that ends early is no whole archive.
        let mut unsized_body = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".to_vec();
        unsized_body.extend_from_slice(&archive(&FILES)[..100]);
        refused(unsized_body, "data::checksum", "it is not a complete zip archive");
    }

    #[test]
    fn without_network_the_message_says_which_file_to_put_where() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let closed = format!("http://{}", listener.local_addr().expect("bound"));
        drop(listener);
        let error = fetch(closed, &cache(), &published("1\n1\n")).expect_err("refused");
        assert_eq!(error.code, "data::download");
        assert!(
            error.message.starts_with(
                "the data set `PAIR` was not found in any data folder, and its download failed: "
            )
        );
        let help = error.help.expect("help");
        assert!(help.contains("put `PAIR.zip`, or a folder `PAIR` with PAIR_A.txt"), "{help}");
    }

    #[test]
    fn a_name_that_lies_beside_the_file_is_answered_with_its_path() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::create_dir(folder.path().join("MINE")).expect("writable");
        let options = DataOptions { base: Some(folder.path().to_owned()), ..DataOptions::folder("data") };
        let help =
            |name| fetch_of(&published("1\n1\n"), name, &options).expect_err("not there").help.expect("help");
        assert!(help("MINE").starts_with("`MINE` lies here: write `./MINE`"), "{}", help("MINE"));
        assert!(!help("MIME").contains("./"), "{}", help("MIME"));
    }

    #[test]
    fn offline_and_unknown_sets_are_not_asked_for() {
        // Nothing listens there: a request would end as `data::download`.
        let options = DataOptions { base_url: "http://127.0.0.1:9".into(), ..DataOptions::folder("data") };
        let help = |name, offline| {
            let options = DataOptions { offline, ..options.clone() };
            let error = fetch_of(&published("1\n1\n"), name, &options).expect_err("not there");
            (error.code, error.help.expect("help"))
        };
        let expect = |(code, help): (&str, String), expected: &str, part: &str| {
            assert_eq!(code, expected, "{help}");
            assert!(help.contains(part), "{help}");
        };
        expect(help("PAIR", true), "data::not_here", "downloads are switched off");
        expect(help("PAIR", false), "data::not_here", "no cache folder");
        expect(help("IMDB-BINARY", false), "data::not_here", "no checksum of it is known here");
        expect(help("OTHER", false), "data::unknown_set", "looked in data");
        expect(help("pair", false), "data::unknown_set", "did you mean `PAIR`?");
        expect(help("IMDB_BINARY", true), "data::unknown_set", "did you mean `IMDB-BINARY`?");
        let options = DataOptions { offline: false, is_local: true, ..options };
        let error = fetch_of(&published("1\n1\n"), "PAIR", &options).expect_err("not there");
        assert_eq!(
            error.help.as_deref(),
            Some("put `PAIR.zip` into data, or let `hgnnc data PAIR` download it")
        );
    }

    #[test]
    fn the_checksums_are_those_of_the_published_files() {
        for known in PUBLISHED {
            let Some(folder) = super::super::real_data("tu") else { return };
            let mut files =
                locate::find(known.name, &DataOptions::folder(folder)).expect("readable").expect(known.name);
            for &(part, sum) in known.parts {
                let text = files.open(part).expect("readable").expect(part);
                assert!(matches(text, sum).expect("readable"), "{} {part}", known.name);
            }
        }
    }
}
