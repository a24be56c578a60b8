//! Sets in folders and archives as people have them.

use super::*;

#[test]
fn a_set_reads_the_same_from_a_folder_an_archive_and_a_path() {
    let root = folder(&[]);
    let expected = load(&root, &[]).expect("readable");
    assert_eq!(expected.node_offsets, [0, 3, 5]);
    assert_eq!(expected.adjacency.offsets, [0, 1, 3, 4, 5, 6]);
    assert_eq!(expected.adjacency.indices, [1, 0, 2, 1, 4, 3]);
    assert!(expected.is_symmetric());
    assert_eq!(expected.targets, Targets::Classes(vec![0, 1]));
    assert_eq!(expected.class_names, ["-1", "7"]);
    let files = parts(&[]);
    let nested: Vec<_> = files.iter().map(|(file, text)| (format!("TINY/{file}"), text.clone())).collect();
    for (place, entries) in [("TINY.zip", &files), ("tu/TINY.zip", &nested), ("tu/TINY.zip", &files)] {
        let root = tempfile::tempdir().expect("a temporary folder");
        std::fs::create_dir(root.path().join("tu")).expect("writable");
        zip_of(&root.path().join(place), entries);
        assert_eq!(load(&root, &[]).expect(place).fingerprint, expected.fingerprint);
        // An archive may have any name when it is given as a path.
        std::fs::rename(root.path().join(place), root.path().join("other.zip")).expect("writable");
        let path = root.path().join("other.zip").display().to_string();
        let found = data::load(&call(&path, &[]), &DataOptions::folder("")).expect("by path");
        assert_eq!((found.name.as_str(), found.fingerprint), ("TINY", expected.fingerprint.clone()));
    }
    let path = root.path().join("TINY").display().to_string();
    let found = data::load(&call(&path, &[]), &DataOptions::folder("")).expect("by path");
    assert_eq!(found.fingerprint, expected.fingerprint);
    // As PyG leaves a set: NAME/raw/NAME_A.txt.
    let raw = tempfile::tempdir().expect("a temporary folder");
    std::fs::create_dir(raw.path().join("TINY")).expect("writable");
    std::fs::rename(root.path().join("TINY"), raw.path().join("TINY/raw")).expect("writable");
    assert_eq!(load(&raw, &[]).expect("raw").fingerprint, expected.fingerprint);
}

#[test]
fn damaged_and_hostile_archives_are_refused() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let path = root.path().join("TINY.zip");
    let code = || load(&root, &[]).expect_err("broken").code;
    std::fs::write(&path, "this is no archive").expect("writable");
    assert_eq!(code(), "data::corrupt_archive");
    zip_of(&path, &parts(&[]));
    let whole = std::fs::read(&path).expect("readable");
    std::fs::write(&path, &whole[..whole.len() / 2]).expect("writable");
    assert_eq!(code(), "data::corrupt_archive");
    // A flipped byte of the first file's content, behind its 30-byte header and name.
    let mut flipped = whole.clone();
    flipped[30 + "TINY_A.txt".len() + 4] ^= 0x55;
    std::fs::write(&path, flipped).expect("writable");
    assert_eq!(code(), "data::corrupt_archive");
    for entry in ["../TINY_A.txt", "TINY/../../x.txt", "/etc/x.txt", "C:\\x.txt"] {
        let mut entries = parts(&[]);
        entries.push((entry.into(), "1".into()));
        zip_of(&path, &entries);
        assert_eq!(code(), "data::unsafe_archive", "{entry}");
    }
}

/// The tiny set with the path of each file changed.
fn renamed(rename: impl Fn(&str) -> String) -> Vec<(String, String)> {
    parts(&[]).into_iter().map(|(file, text)| (rename(&file), text)).collect()
}

/// Writes entries as files below a folder.
fn unpacked(root: &Path, entries: &[(String, String)]) {
    for (entry, text) in entries {
        let path = root.join(entry);
        std::fs::create_dir_all(path.parent().expect("below a folder")).expect("writable");
        std::fs::write(path, text).expect("writable");
    }
}

/// What a path is read as.
fn at(path: &Path) -> Result<Dataset, DataError> {
    data::load(&call(&path.display().to_string(), &[]), &DataOptions::folder(""))
}

fn fingerprint() -> String {
    load(&folder(&[]), &[]).expect("readable").fingerprint
}

#[test]
fn archives_and_folders_are_read_as_people_have_them() {
    let expected = fingerprint();
    let beside = |entries: Vec<(String, String)>, more: &[(&str, &str)]| {
        let more = more.iter().map(|(entry, text)| ((*entry).to_string(), (*text).to_string()));
        entries.into_iter().chain(more).collect::<Vec<_>>()
    };
    let apple = "\0\u{5}\u{16}\u{7}";
    let cases: [(&str, Vec<(String, String)>); 7] = [
        (
            "what macOS adds",
            beside(
                renamed(|file| format!("TINY/{file}")),
                &[
                    ("__MACOSX/TINY/._TINY_A.txt", apple),
                    ("__MACOSX/._TINY", apple),
                    ("TINY/._TINY_A.txt", apple),
                    ("TINY/._TINY_graph_indicator.txt", apple),
                    ("TINY/.DS_Store", apple),
                    (".DS_Store", apple),
                ],
            ),
        ),
        ("folders around it", renamed(|file| format!("download/sets/TINY/{file}"))),
        ("a folder of another name", renamed(|file| format!("my sets (old)/{file}"))),
        ("the folder raw", renamed(|file| format!("TINY/TINY/raw/{file}"))),
        ("endings in capitals", renamed(|file| format!("TINY/{}", file.replace(".txt", ".TXT")))),
        (
            "a readme and results beside it",
            beside(
                renamed(|file| format!("TINY/{file}")),
                &[("TINY/README.txt", "This is TINY."), ("TINY/results/run_1.txt", "0.7"), ("LICENSE", "")],
            ),
        ),
        (
            "line ends of Windows, a byte order mark and blank lines at the end",
            parts(&[])
                .into_iter()
                .map(|(file, text)| (file, format!("\u{FEFF}{}\r\n\r\n", text.replace('\n', "\r\n"))))
                .collect(),
        ),
    ];
    for (case, entries) in cases {
        let root = tempfile::tempdir().expect("a temporary folder");
        let archive = root.path().join("x.zip");
        zip_of(&archive, &entries);
        let found = at(&archive).unwrap_or_else(|error| panic!("{case}, archive: {error}"));
        assert_eq!((found.name.as_str(), &found.fingerprint), ("TINY", &expected), "{case}");
        std::fs::rename(&archive, root.path().join("TINY.ZIP")).expect("writable");
        assert_eq!(load(&root, &[]).expect(case).fingerprint, expected, "{case}, archive by name");

        let root = tempfile::tempdir().expect("a temporary folder");
        unpacked(&root.path().join("some/where"), &entries);
        let found = at(&root.path().join("some")).unwrap_or_else(|error| panic!("{case}, folder: {error}"));
        assert_eq!((found.name.as_str(), &found.fingerprint), ("TINY", &expected), "{case}");
        assert_eq!(load(&root, &[]).expect(case).fingerprint, expected, "{case}, folder by name");
    }
    // The separator of some programs on Windows, which is a part of the name elsewhere.
    let root = tempfile::tempdir().expect("a temporary folder");
    zip_of(&root.path().join("x.zip"), &renamed(|file| format!("sets\\TINY\\{file}")));
    assert_eq!(at(&root.path().join("x.zip")).expect("backslashes").fingerprint, expected);
}

#[test]
fn a_folder_is_found_by_its_own_name_whatever_its_files_are_called() {
    let expected = fingerprint();
    let root = tempfile::tempdir().expect("a temporary folder");
    unpacked(root.path(), &renamed(|file| format!("deep/down/RENAMED/{}", file.replace("TINY", "tiny"))));
    let by = |name: &str| data::load(&call(name, &[]), &DataOptions::folder(root.path()));
    for name in ["RENAMED", "tiny"] {
        let found = by(name).expect(name);
        assert_eq!((found.name.as_str(), &found.fingerprint), (name, &expected));
    }
    let listed = data::locate::list(&DataOptions::folder(root.path()));
    assert_eq!(listed.iter().map(|listed| listed.name.as_str()).collect::<Vec<_>>(), ["tiny"]);
}

#[test]
fn parts_may_be_packed_one_by_one() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let place = root.path().join("TINY");
    std::fs::create_dir(&place).expect("writable");
    let packed = |text: &str| {
        let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        writer.write_all(text.as_bytes()).expect("in memory");
        writer.finish().expect("in memory")
    };
    for (file, text) in parts(&[]) {
        std::fs::write(place.join(format!("{file}.gz")), packed(&text)).expect("writable");
    }
    assert_eq!(load(&root, &[]).expect("packed").fingerprint, fingerprint());
    // Beside its packed form, as `gunzip --keep` leaves it.
    std::fs::write(place.join("TINY_A.txt"), TINY[0].1).expect("writable");
    assert_eq!(load(&root, &[]).expect("both").fingerprint, fingerprint());
    let whole = packed(&TINY[4].1.repeat(1000));
    std::fs::write(place.join("TINY_node_labels.txt.gz"), &whole[..whole.len() / 2]).expect("writable");
    assert_eq!(load(&root, &[]).expect_err("cut short").code, "data::corrupt_archive");
    std::fs::write(place.join("TINY_node_labels.txt.gz"), "no gzip").expect("writable");
    assert_eq!(load(&root, &[]).expect_err("no gzip").code, "data::corrupt_archive");
}

#[test]
fn two_sets_in_one_place_are_refused_with_their_names() {
    let both: Vec<_> = renamed(|file| format!("TINY/{file}"))
        .into_iter()
        .chain(renamed(|file| format!("more/{}", file.replace("TINY", "OTHER"))))
        .collect();
    let root = tempfile::tempdir().expect("a temporary folder");
    zip_of(&root.path().join("two.zip"), &both);
    unpacked(&root.path().join("two"), &both);
    for place in ["two.zip", "two"] {
        let path = root.path().join(place);
        let error = at(&path).expect_err(place);
        let message = format!("{}: holds 2 data sets: `TINY` and `OTHER`", path.display());
        assert_eq!((error.code, error.to_string()), ("data::ambiguous", message));
        assert!(error.help.is_some());
    }
    // A name says which one is meant.
    std::fs::rename(root.path().join("two.zip"), root.path().join("OTHER.zip")).expect("writable");
    std::fs::remove_dir_all(root.path().join("two")).expect("writable");
    let found = data::load(&call("OTHER", &[]), &DataOptions::folder(root.path())).expect("by name");
    assert_eq!((found.name.as_str(), found.fingerprint), ("OTHER", fingerprint()));
    // The same name twice below the data folder, neither where it is looked for first.
    let root = tempfile::tempdir().expect("a temporary folder");
    unpacked(root.path(), &renamed(|file| format!("old/TINY/{file}")));
    unpacked(root.path(), &renamed(|file| format!("new/TINY/{file}")));
    let error = load(&root, &[]).expect_err("two of that name");
    assert_eq!(error.code, "data::ambiguous");
    assert!(error.message.contains("new/TINY") && error.message.contains("old/TINY"), "{error}");
    unpacked(root.path(), &renamed(|file| format!("TINY/{file}")));
    assert_eq!(load(&root, &[]).expect("the first place").fingerprint, fingerprint());
}

#[test]
fn a_file_that_is_no_archive_is_named_for_what_it_is() {
    let root = folder(&[]);
    let refused = |name: &str, bytes: &[u8], code: &str, message: &str, help: &str| {
        let path = root.path().join(name);
        std::fs::write(&path, bytes).expect("writable");
        let error = at(&path).expect_err(name);
        assert_eq!((error.code, error.message.as_str()), (code, message), "{name}");
        let found = error.help.expect("help");
        assert!(found.contains(help), "{name}: {found}");
    };
    let code = "data::not_an_archive";
    refused("data.csv", b"a,b\n1,2\n", code, "is a file, not a folder or zip archive", "hgnnc ops tu");
    refused("m.hgnn", b"gcn(8)", code, "is a file, not a folder or zip archive", "hgnnc ops tu");
    let mut tar = vec![0u8; 512];
    tar[257..262].copy_from_slice(b"ustar");
    refused(
        "X.tar",
        &tar,
        code,
        "is an archive of another kind, not a folder or zip archive",
        "`tar xf X.tar`",
    );
    refused(
        "X.tgz",
        b"\x1f\x8b\x08",
        code,
        "is packed with gzip, not a folder or zip archive",
        "`tar xf X.tgz`",
    );
    refused(
        "X.7z",
        b"7z\xbc\xaf\x27\x1c",
        code,
        "is an archive of another kind, not a folder or zip archive",
        "unpack it",
    );
    refused(
        "X.zip",
        b"<!DOCTYPE html>",
        code,
        "is a web page, not a folder or zip archive",
        "download it again",
    );
    refused(
        "X.zip",
        b"",
        "data::corrupt_archive",
        "is not a zip archive, despite its name",
        "download it again",
    );
    let error = at(&root.path().join("TINY/TINY_A.txt")).expect_err("a part");
    assert_eq!(error.message, "is one file of a data set, not a folder or zip archive");
    assert_eq!(error.help, Some(format!("name its folder: `{}`", root.path().join("TINY").display())));
    let error = at(root.path()).map(|data| data.name);
    assert_eq!(error.as_deref(), Ok("TINY"), "other files beside a set do no harm");
    std::fs::remove_dir_all(root.path().join("TINY")).expect("writable");
    let error = at(root.path()).expect_err("no set");
    assert_eq!(error.code, "data::missing_part");
    assert!(error.message.contains("no file whose name ends in `_A.txt`; it holds `X.7z`"), "{error}");
}

#[cfg(unix)]
#[test]
fn only_regular_files_are_read() {
    let root = folder(&[("node_labels", "")]);
    let part = root.path().join("TINY/TINY_node_labels.txt");
    let pipe = |path: &Path| {
        rustix::fs::mkfifoat(rustix::fs::CWD, path, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR)
            .expect("writable");
    };
    pipe(&part);
    let error = load(&root, &[]).expect_err("a pipe as a part");
    assert_eq!(error.code, "data::unreadable");
    assert!(error.message.contains("a named pipe"), "{error}");
    std::fs::remove_file(&part).expect("writable");
    std::os::unix::fs::symlink("/dev/zero", &part).expect("writable");
    let error = load(&root, &[]).expect_err("a device as a part");
    assert!(error.message.contains("a device"), "{error}");
    std::fs::remove_file(&part).expect("writable");
    std::os::unix::fs::symlink(&part, &part).expect("writable");
    assert_eq!(load(&root, &[]).expect_err("a link to itself").code, "data::unreadable");
    std::fs::remove_file(&part).expect("writable");
    pipe(&root.path().join("P.zip"));
    let error = at(&root.path().join("P.zip")).expect_err("a pipe as an archive");
    assert!(error.message.contains("a named pipe"), "{error}");
    // A folder that leads back up is looked into once.
    std::os::unix::fs::symlink(root.path(), root.path().join("TINY/up")).expect("writable");
    assert_eq!(at(root.path()).expect("once").name, "TINY");
}

#[test]
fn what_an_archive_unpacks_to_is_bounded() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let path = root.path().join("TINY.zip");
    let limited = |bytes: u64| {
        let options = DataOptions { max_size: Ok(bytes), ..DataOptions::folder(root.path()) };
        data::load(&call("TINY", &[]), &options)
    };
    zip_of(&path, &parts(&[]));
    let n_bytes: usize = ["A", "graph_indicator", "graph_labels", "node_labels"]
        .map(|part| TINY.iter().find(|(known, _)| *known == part).expect("a part").1.len())
        .iter()
        .sum();
    assert!(limited(n_bytes as u64).is_ok());
    let error = limited(n_bytes as u64 - 1).expect_err("one byte too few");
    assert_eq!(error.code, "data::too_large");
    assert!(error.help.expect("help").contains("HGNN_MAX_DATA_SIZE"));
    // Zeros are no numbers, whatever an archive claims of them.
    let zeros = "\0".repeat(4 << 20);
    zip_of(&path, &parts(&[("A", &zeros)]));
    assert!(std::fs::metadata(&path).expect("written").len() < 16 << 10);
    assert_eq!(limited(1 << 20).expect_err("claimed").code, "data::too_large");
    assert_eq!(limited(1 << 30).expect_err("zeros").code, "data::not_a_number");
    // An archive that claims less than it unpacks to.
    let labels = "3\n".repeat(1 << 20);
    zip_of(&path, &parts(&[("node_labels", &labels)]));
    let mut bytes = std::fs::read(&path).expect("readable");
    let claimed = (labels.len() as u32).to_le_bytes();
    let places: Vec<usize> = (0..bytes.len() - 4).filter(|&at| bytes[at..at + 4] == claimed).collect();
    assert_eq!(places.len(), 2, "in the entry and in the directory");
    places.iter().for_each(|&at| bytes[at..at + 4].copy_from_slice(&10u32.to_le_bytes()));
    std::fs::write(&path, bytes).expect("writable");
    let error = limited(1 << 30).expect_err("it lies");
    assert_eq!(error.code, "data::corrupt_archive");
    assert!(error.message.contains("more than the archive states"), "{error}");
    // A packed part states nothing, so its stream is counted.
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    writer.write_all(labels.as_bytes()).expect("in memory");
    let root = folder(&[("node_labels", "")]);
    std::fs::write(root.path().join("TINY/TINY_node_labels.txt.gz"), writer.finish().expect("in memory"))
        .expect("writable");
    let options = DataOptions { max_size: Ok(1 << 20), ..DataOptions::folder(root.path()) };
    assert_eq!(data::load(&call("TINY", &[]), &options).expect_err("a stream").code, "data::too_large");
}

#[test]
fn an_archive_of_very_many_entries_is_refused() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let path = root.path().join("TINY.zip");
    let with = |n: usize, name: &dyn Fn(usize) -> String| {
        let mut zip = zip::ZipWriter::new(std::fs::File::create(&path).expect("writable"));
        let stored =
            zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
        for (file, text) in parts(&[]) {
            zip.start_file(file, stored).expect("a name");
            zip.write_all(text.as_bytes()).expect("writable");
        }
        (0..n).for_each(|idx| zip.start_file(name(idx), stored).expect("a name"));
        zip.finish().expect("writable");
        load(&root, &[])
    };
    assert!(with(3_000, &|idx| format!("x/{idx}")).is_ok());
    assert_eq!(with(50_001, &|idx| idx.to_string()).expect_err("many").code, "data::too_many_files");
    let long = "n".repeat(4_000);
    assert_eq!(
        with(3_000, &|idx| format!("{long}{idx}")).expect_err("long names").code,
        "data::too_many_files"
    );
}

#[test]
fn the_limit_is_a_setting_that_is_read() {
    let root = folder(&[]);
    let options =
        DataOptions { max_size: data::files::parse_size("lots"), ..DataOptions::folder(root.path()) };
    let error = data::load(&call("TINY", &[]), &options).expect_err("no size");
    assert_eq!(error.code, "data::wrong_limit");
    assert!(error.help.expect("help").contains("`lots` is not a size"));
}

#[test]
fn a_set_that_is_not_there_is_told_with_the_folders_and_a_near_name() {
    let root = folder(&[]);
    let error = data::load(&call("tiny", &[]), &DataOptions::folder(root.path())).expect_err("case-exact");
    let place = root.path().display();
    assert_eq!((error.code, error.message.as_str()), ("data::unknown_set", "there is no data set `tiny`"));
    let help = error.help.expect("help");
    assert!(help.starts_with("did you mean `TINY`?\n"), "{help}");
    assert!(help.contains(&format!("looked in {place}, {place}/tu (no such folder)")), "{help}");
    assert!(help.contains("`tiny.zip`, or a folder `tiny` with tiny_A.txt"), "{help}");
    let error = data::load(&call("./nowhere", &[]), &DataOptions::folder("")).expect_err("a path");
    assert_eq!(
        (error.code, error.to_string().as_str()),
        ("data::missing", "the data `./nowhere` does not exist")
    );
    // A path with one of almost the same name beside it.
    let path = root.path().join("TINNY").display().to_string();
    let error = data::load(&call(&path, &[]), &DataOptions::folder("")).expect_err("a path");
    let help = error.help.expect("help");
    assert!(help.starts_with(&format!("did you mean `{}`?\n", root.path().join("TINY").display())), "{help}");
    // A path is relative to the file that names it.
    let options = DataOptions { base: Some(root.path().to_path_buf()), ..DataOptions::folder("nowhere") };
    assert_eq!(data::load(&call("./TINY", &[]), &options).expect("relative").fingerprint, fingerprint());
}
