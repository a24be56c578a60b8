use super::sets::Reader;
use super::*;
use std::borrow::Cow;
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

/// A server on this machine that has one file, breaks transfers off after so many bytes as long as there are such, and keeps the
/// head of each request.
struct Server {
    address: String,
    requests: Arc<Mutex<Vec<String>>>,
}

fn serve(body: Vec<u8>, breaks: &[usize], version: &'static str) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/SET", listener.local_addr().unwrap());
    let requests = Arc::new(Mutex::new(Vec::new()));
    let (seen, breaks) = (Arc::clone(&requests), breaks.to_vec());
    std::thread::spawn(move || {
        let mut breaks = breaks.into_iter();
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut head = Vec::new();
            let mut byte = [0u8];
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|n| n == 1) {
                head.push(byte[0]);
            }
            let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
            let value = |name: &str| {
                head.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim().to_owned())
            };
            let is_same = value("if-range:").is_some_and(|known| known == version.to_ascii_lowercase());
            let from = value("range:").filter(|_| is_same);
            let from =
                from.and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok());
            seen.lock().unwrap().push(head);
            let start = from.unwrap_or(0);
            let mut answer = match from {
                Some(start) => format!(
                    "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {start}-{}/{}\r\n",
                    body.len() - 1,
                    body.len()
                ),
                None => "HTTP/1.1 200 OK\r\n".to_owned(),
            };
            answer += &format!(
                "ETag: {version}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                body.len() - start
            );
            let end = breaks.next().map_or(body.len(), |n| (start + n).min(body.len()));
            let _ = stream.write_all(answer.as_bytes()).and_then(|()| stream.write_all(&body[start..end]));
        }
    });
    Server { address, requests }
}

fn noise(n: usize) -> Vec<u8> {
    (0..n as u32).map(|idx| (idx.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

fn set(address: &str, unpack: Unpack, sums: &[(&'static str, &'static str)]) -> Set {
    let sums = sums.iter().map(|(file, sum)| (Cow::from(*file), *sum)).collect();
    Set {
        name: "small".into(),
        folder: "npz",
        max_bytes: 1 << 20,
        parts: vec![Part { address: address.to_owned().into(), unpack, sums }],
        reader: Reader::File { source: "npz", file: "small.npz", more: "" },
    }
}

fn options(folder: &Path) -> DataOptions {
    DataOptions { offline: false, ..DataOptions::folder(folder) }
}

#[test]
fn a_transfer_that_breaks_off_goes_on_where_it_was() {
    let (folder, body) = (tempfile::tempdir().unwrap(), noise(300_000));
    let server = serve(body.clone(), &[100_000, 1, 150_000], "\"one\"");
    let seen = Arc::new(Mutex::new(Vec::new()));
    let progress = Arc::clone(&seen);
    let options = DataOptions {
        progress: Some(Arc::new(move |now| progress.lock().unwrap().push(now))),
        ..options(folder.path())
    };
    let set = set(&server.address, Unpack::No("small.npz"), &[]);
    let fetched = fetch_set(&set, false, &options).unwrap();
    assert_eq!(fs::read(folder.path().join("npz/small/small.npz")).unwrap(), body);
    assert_eq!((fetched.was_there, fetched.n_bytes), (false, 300_000));
    assert!(
        fetched.call.starts_with("npz(\"") && fetched.call.ends_with("npz/small/small.npz\")"),
        "{}",
        fetched.call
    );
    let requests = server.requests.lock().unwrap().clone();
    let ranges: Vec<Option<&str>> =
        requests.iter().map(|head| head.lines().find(|line| line.starts_with("range:"))).collect();
    assert_eq!(
        ranges,
        [None, Some("range: bytes=100000-"), Some("range: bytes=100001-"), Some("range: bytes=250001-")]
    );
    let last = seen.lock().unwrap().last().cloned().unwrap();
    assert_eq!((last.received_bytes, last.total_bytes), (300_000, Some(300_000)));
    // Nothing but the set is left, with the checksum that `sha256sum` gives: here those of Python's hashlib.
    assert_eq!(super::super::files::entries(&folder.path().join("npz")), ["small"]);
    let sums = fs::read_to_string(folder.path().join("npz/small/SHA256SUMS")).unwrap();
    assert_eq!(sums, "136f334d647619879743ff33fde1ac6547f40e314692441f2a125e087cad47c9  small.npz\n");

    // It is there, and is not asked for again.
    assert!(fetch_set(&set, false, &options).unwrap().was_there);
    assert_eq!(server.requests.lock().unwrap().len(), 4);
    fs::write(folder.path().join("npz/small/small.npz"), b"other").unwrap();
    let error = fetch_set(&set, false, &options).unwrap_err();
    assert_eq!(
        (error.code, error.message.as_str()),
        ("data::checksum", "`small.npz` was changed since it was downloaded")
    );
    // Once more from the server, it is what it was.
    fetch_set(&set, true, &options).unwrap();
    assert_eq!(fs::read(folder.path().join("npz/small/small.npz")).unwrap(), body);
}

#[test]
fn a_later_call_goes_on_but_not_with_another_version() {
    let (folder, body) = (tempfile::tempdir().unwrap(), noise(50_000));
    let server = serve(body.clone(), &[20_000, 0, 0, 0, 0], "\"one\"");
    let first = set(&server.address, Unpack::No("small.npz"), &[]);
    let error = fetch_set(&first, false, &options(folder.path())).unwrap_err();
    assert_eq!(error.code, "data::download");
    assert!(
        error.message.contains("broke off after 20000") && error.message.contains("5 attempts"),
        "{error}"
    );
    fetch_set(&first, false, &options(folder.path())).unwrap();
    assert!(server.requests.lock().unwrap().last().unwrap().contains("bytes=20000-"));

    // The file is another one meanwhile: its beginning is not put before the rest of it.
    let folder = tempfile::tempdir().unwrap();
    let server = serve(body.clone(), &[20_000, 0, 0, 0, 0], "\"one\"");
    let broken = set(&server.address, Unpack::No("small.npz"), &[]);
    fetch_set(&broken, false, &options(folder.path())).unwrap_err();
    let other: Vec<u8> = body.iter().map(|byte| !byte).collect();
    let server = serve(other.clone(), &[], "\"two\"");
    fetch_set(&set(&server.address, Unpack::No("small.npz"), &[]), false, &options(folder.path())).unwrap();
    assert_eq!(fs::read(folder.path().join("npz/small/small.npz")).unwrap(), other);
    // And as such it differs from what was downloaded first.
    let server = serve(body, &[], "\"three\"");
    let error = fetch_set(&set(&server.address, Unpack::No("small.npz"), &[]), true, &options(folder.path()));
    let error = error.unwrap_err();
    assert_eq!(
        (error.code, error.message.as_str()),
        ("data::checksum", "`small.npz` differs from the first download")
    );
    assert_eq!(fs::read(folder.path().join("npz/small/small.npz")).unwrap(), other);
}

fn zip_of(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(io::Cursor::new(Vec::new()));
    for (name, bytes) in files {
        zip.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// Names are written as they are, also such as lead out of the folder.
fn tar_gz_of(files: &[(&str, &[u8])]) -> Vec<u8> {
    let packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let mut tar = tar::Builder::new(packed);
    for (name, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        tar.append(&header, *bytes).unwrap();
    }
    let mut link = tar::Header::new_gnu();
    link.set_entry_type(tar::EntryType::Symlink);
    link.set_size(0);
    tar.append_link(&mut link, "SET/link", "/etc/passwd").unwrap();
    tar.into_inner().unwrap().finish().unwrap()
}

#[test]
fn archives_are_unpacked_without_the_folder_around_them() {
    let files: [(&str, &[u8]); 4] = [
        ("SET/raw/edge.csv", b"0,1\n"),
        ("SET/split/a/train.csv", b"0\n"),
        ("SET/.hidden", b"x"),
        ("SET/b.txt", b""),
    ];
    for (unpack, bytes) in [(Unpack::Zip, zip_of(&files)), (Unpack::TarGz, tar_gz_of(&files))] {
        let folder = tempfile::tempdir().unwrap();
        let server = serve(bytes, &[], "\"one\"");
        fetch_set(&set(&server.address, unpack, &[]), false, &options(folder.path())).unwrap();
        let place = folder.path().join("npz/small");
        let names: Vec<String> = sums(&place).unwrap().into_keys().collect();
        assert_eq!(names, ["b.txt", "raw/edge.csv", "split/a/train.csv"], "{unpack:?}");
        assert_eq!(fs::read(place.join("raw/edge.csv")).unwrap(), b"0,1\n");
    }
}

#[test]
fn archives_that_are_not_what_they_should_be_leave_nothing() {
    let large = vec![0u8; 2 << 20];
    let out: [(&str, &[u8]); 1] = [("../out.txt", b"x")];
    let absolute: [(&str, &[u8]); 1] = [("/tmp/out.txt", b"x")];
    let many: [(&str, &[u8]); 1] = [("SET/large.txt", &large)];
    let plain: [(&str, &[u8]); 1] = [("SET/a.txt", b"a\n")];
    let whole = tar_gz_of(&plain);
    for (unpack, bytes, said) in [
        (Unpack::Zip, zip_of(&out), "leads out of it"),
        (Unpack::TarGz, tar_gz_of(&out), "leads out of it"),
        (Unpack::TarGz, tar_gz_of(&absolute), "leads out of it"),
        (Unpack::Zip, zip_of(&many), "unpacks to more than the set is known to have"),
        (Unpack::TarGz, tar_gz_of(&many), "unpacks to more than the set is known to have"),
        (Unpack::Zip, b"no archive".to_vec(), "is no complete zip archive"),
        (Unpack::TarGz, whole[..whole.len() / 2].to_vec(), "is no complete tar.gz archive"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let server = serve(bytes, &[], "\"one\"");
        let error =
            fetch_set(&set(&server.address, unpack, &[]), false, &options(folder.path())).unwrap_err();
        assert!(error.code == "data::corrupt_archive" && error.message.contains(said), "{said}: {error}");
        assert!(!folder.path().join("npz/small").exists() && !folder.path().join("out.txt").exists());
        assert!(!folder.path().join("npz/out.txt").exists());
    }
    // What is known of a set has to be so.
    let sum = "87428fc522803d31065e7bce3cf03fe475096631e5e07bbd7a0fde60c4cf25c7";
    for (sums, code) in [
        ([("a.txt", sum)], None),
        ([("a.txt", &sum[..63])], Some("another SHA-256")),
        ([("b.txt", sum)], Some("no `b.txt`")),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let server = serve(tar_gz_of(&plain), &[], "\"one\"");
        let fetched = fetch_set(&set(&server.address, Unpack::TarGz, &sums), false, &options(folder.path()));
        match code {
            None => assert!(fetched.is_ok(), "{fetched:?}"),
            Some(said) => assert!(fetched.unwrap_err().message.contains(said)),
        }
    }
}

#[test]
fn what_cannot_be_fetched_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let code = |error: DataError| (error.code, error.help.unwrap_or_default());
    let (wrong, help) = code(fetch("corra", false, &options(folder.path())).unwrap_err());
    assert!(wrong == "data::unknown_set" && help.contains("did you mean `cora`?"), "{help}");
    let offline = DataOptions::folder(folder.path());
    let (wrong, help) = code(fetch("cora", false, &offline).unwrap_err());
    assert!(wrong == "data::download" && help.contains("kimiyoung/planetoid"), "{help}");
    fs::create_dir_all(folder.path().join("npz/small")).unwrap();
    // Sources say how to get a set, and a failure without a byte leaves nothing.
    let read = |source: &str, name: &str| {
        let args = [("name", crate::args::ArgValue::Text(name.into()))];
        super::super::load(&super::super::call(source, &args), &offline).unwrap_err().help.unwrap_or_default()
    };
    assert!(read("planetoid", "cora").contains("`hgnnc data fetch cora` downloads it"));
    assert!(read("triples", "umls").contains("`hgnnc data fetch umls` downloads it"));
    let nothing = set("http://127.0.0.1:9/SET", Unpack::No(""), &[]);
    let nothing = Set { folder: "kg", ..nothing };
    fetch_set(&nothing, false, &options(folder.path())).unwrap_err();
    assert!(super::super::files::entries(&folder.path().join("kg")).is_empty());
    let taken =
        fetch_set(&set("http://127.0.0.1:9/SET", Unpack::No(""), &[]), false, &options(folder.path()));
    assert!(taken.unwrap_err().message.contains("lies here already"));
    let nowhere = DataOptions { data_dir: None, cache_dir: None, ..offline };
    assert!(fetch("cora", false, &nowhere).unwrap_err().message.contains("no folder"));
}

#[test]
fn the_list_names_every_set_once_and_its_sources_are_there() {
    let names: std::collections::BTreeSet<&str> = SETS.iter().map(|set| set.name).collect();
    assert_eq!(names.len(), SETS.len());
    for entry in SETS {
        let set = sets::find(entry.name).unwrap();
        let (Reader::Named(source) | Reader::File { source, .. }) = set.reader;
        assert!(super::super::find(source).is_some(), "{source}");
        assert!(set.parts.iter().all(|part| part.address.starts_with("https://")), "{}", entry.name);
        assert!(entry.sums.iter().all(|(_, sum)| sum.len() == 64));
        assert!(!collection::has(entry.name), "{} is a set of the TU collection too", entry.name);
    }
    assert_eq!(sets::find("NCI1").unwrap().parts[0].address, format!("{TU_COLLECTION}/NCI1.zip"));
    assert!(sets::find("MUTAG").unwrap().parts[0].sums.len() > 3);
}
