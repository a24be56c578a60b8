use crate::args::ArgValue;
use crate::data::{self, DataError, DataOptions, Dataset};
use std::path::Path;

fn write(folder: &Path, files: &[(&str, &str)]) {
    for (name, text) in files {
        if let Some(packed) = name.strip_suffix(".gz") {
            let file = std::fs::File::create(folder.join(format!("{packed}.gz"))).unwrap();
            let mut writer = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
            std::io::Write::write_all(&mut writer, text.as_bytes()).unwrap();
            writer.finish().unwrap();
        } else {
            std::fs::write(folder.join(name), text).unwrap();
        }
    }
}

fn load(
    source: &'static str,
    files: &[(&str, &str)],
    args: &[(&'static str, ArgValue)],
) -> Result<Dataset, DataError> {
    let folder = tempfile::tempdir().unwrap();
    let set = folder.path().join("set");
    std::fs::create_dir(&set).unwrap();
    write(&set, files);
    let mut all = vec![("name", ArgValue::Text("set".into()))];
    all.extend(args.iter().cloned());
    data::load(&data::call(source, &all), &DataOptions::folder(folder.path()))
}

#[test]
fn triples_are_edges_with_kinds_and_the_files_are_the_parts() {
    let files = [
        ("train.txt", "a\tlikes\tb\nb\tknows\tc\na\tlikes\tb\n\n"),
        ("valid.txt", "c\tlikes\ta\n"),
        ("test.txt.gz", "c\tknows\td\n"),
    ];
    let data = load("triples", &files, &[]).unwrap();
    assert_eq!((data.n_nodes(), data.n_edges(), data.n_edge_kinds(), data.n_features()), (4, 4, 2, 0));
    assert_eq!(data.names.nodes, ["a", "b", "c", "d"]);
    assert_eq!(data.vocabulary.edge_kinds.as_ref().unwrap().names, ["likes", "knows"]);
    let (links, split) = (data.links.clone().unwrap(), data.fixed_split.clone().unwrap());
    let of = |items: &[u32]| -> Vec<([u32; 2], u32)> {
        items.iter().map(|&link| (links.ends[link as usize], links.kind(link))).collect()
    };
    assert_eq!(of(&split.train), [([0, 1], 0), ([1, 2], 1)]);
    assert_eq!(of(&split.validation), [([2, 0], 0)]);
    assert_eq!(of(&split.test), [([2, 3], 1)]);
    assert_eq!(data.facts().n_links, 4);

    let with_reverses = load("triples", &files, &[("inverse", ArgValue::Bool(true))]).unwrap();
    assert_eq!((with_reverses.n_edges(), with_reverses.n_edge_kinds()), (8, 4));
    assert_eq!(with_reverses.links.unwrap().len(), 4);
    assert_eq!(with_reverses.fixed_split.unwrap().test.len(), 1);
}

#[test]
fn users_and_items_are_two_parts() {
    let files = [("train.csv", "user,item\r\nu,x\r\nv,u\r\n"), ("test.csv", "u,u\r\n")];
    let data = load("interactions", &files, &[]).unwrap();
    assert_eq!((data.n_nodes(), data.n_edges(), data.n_left), (4, 6, 2));
    assert_eq!(data.names.nodes, ["u", "v", "x", "u"]);
    let links = data.links.clone().unwrap();
    assert_eq!(links.ends, [[0, 2], [0, 3], [1, 3]]);
    let split = data.fixed_split.unwrap();
    assert_eq!((split.train, split.validation, split.test), (vec![0, 2], vec![], vec![1]));
}

#[test]
fn one_file_has_no_parts() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &[("kg.tsv", "a\tr\tb\nb\tr\tc\n")]);
    let name = ArgValue::Text(folder.path().join("kg.tsv").display().to_string());
    let data = data::load(&data::call("triples", &[("name", name)]), &DataOptions::folder("")).unwrap();
    assert_eq!(data.links.as_ref().unwrap().len(), 2);
    assert!(data.fixed_split.is_none());
}

fn refused(source: &'static str, files: &[(&str, &str)]) -> (&'static str, String, Option<usize>) {
    let error = load(source, files, &[]).unwrap_err();
    (error.code, error.message, error.line)
}

#[test]
fn what_is_wrong_is_named_with_file_and_line() {
    let (code, message, line) = refused("triples", &[("train.txt", "a\tr\tb\na r b\n")]);
    assert_eq!((code, line), ("data::ragged", Some(2)));
    assert!(message.contains("1 value parted by tabs, not 3"), "{message}");
    let (code, message, line) = refused("triples", &[("train.txt", "a\t\tb\n")]);
    assert_eq!((code, line), ("data::ragged", Some(1)));
    assert!(message.contains("no relation"), "{message}");
    let (code, message, line) =
        refused("triples", &[("train.txt", "a\tr\tb\n"), ("test.txt", "c\tr\tb\na\tr\tb\n")]);
    assert_eq!((code, line), ("data::leak", Some(2)));
    assert!(message.contains("train.txt too, in line 1"), "{message}");
    assert_eq!(refused("triples", &[("test.txt", "a\tr\tb\n")]).0, "data::missing_part");
    assert_eq!(refused("interactions", &[("train.csv", "a;b\n")]).0, "data::ragged");
    assert_eq!(refused("interactions", &[("train.csv", "a,b\n"), ("test.csv", "a,b\n")]).0, "data::leak");
    let error = data::load(
        &data::call("triples", &[("name", ArgValue::Text("no_such".into()))]),
        &DataOptions::folder("/nowhere"),
    );
    assert_eq!(error.unwrap_err().code, "data::missing");
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("kg.txt"), [0xff, 0xfe, 0x00]).unwrap();
    let name = ArgValue::Text(folder.path().join("kg.txt").display().to_string());
    let error = data::load(&data::call("triples", &[("name", name)]), &DataOptions::folder(""));
    assert_eq!(error.unwrap_err().code, "data::encoding");
}

#[test]
fn published_sets_have_their_published_counts() {
    let options = |folder: std::path::PathBuf| DataOptions::folder(folder);
    let Some(folder) = data::real_data("kg") else { return };
    let root = folder.parent().unwrap().to_path_buf();
    for (name, entities, relations, parts) in [
        ("umls", 135, 46, [5_216, 652, 661]),
        ("nations", 14, 55, [1_592, 199, 201]),
        ("FB15k-237", 14_541, 237, [272_115, 17_535, 20_466]),
        ("WN18RR", 40_943, 11, [86_835, 3_034, 3_134]),
    ] {
        let call = data::call("triples", &[("name", ArgValue::Text(name.into()))]);
        let data = data::load(&call, &options(root.clone())).unwrap();
        assert_eq!((data.n_nodes(), data.n_edge_kinds()), (entities, relations), "{name}");
        let split = data.fixed_split.unwrap();
        assert_eq!([split.train.len(), split.validation.len(), split.test.len()], parts, "{name}");
    }
}

/// The first lines of MovieLens 100K and 1M, and a file as MovieLens writes them today.
#[test]
fn ratings_are_interactions_of_those_who_liked_it() {
    for (file, text) in [
        ("u.data", "196\t242\t3\t881250949\n186\t302\t3\t891717742\n196\t302\t5\t878887116\n"),
        ("ratings.dat", "196::242::3::978300760\n186::302::3::978302109\n196::302::5::978301968\n"),
        ("ratings.csv", "userId,movieId,rating,timestamp\n196,242,3,1\n186,302,3.0,2\n196,302,5,3\n"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &[(file, text)]);
        let name = folder.path().join(file).display().to_string();
        let read = |more: &[(&'static str, ArgValue)]| {
            let mut args = vec![("name", ArgValue::Text(name.clone()))];
            args.extend(more.iter().cloned());
            data::load(&data::call("interactions", &args), &DataOptions::folder(folder.path()))
        };
        let all = read(&[]).unwrap();
        assert_eq!((all.n_left, all.n_nodes(), all.facts().n_links), (2, 4, 3), "{file}");
        assert_eq!(all.names.nodes, ["196", "186", "242", "302"]);
        assert!(all.unread[0].what.starts_with("ratings"), "{:?}", all.unread);
        let liked = read(&[("min_rating", ArgValue::Float(4.0))]).unwrap();
        assert_eq!((liked.n_nodes(), liked.facts().n_links), (2, 1), "{file}");
        write(folder.path(), &[(file, &text.replace("\n186", "\nx\n186"))]);
        let error = read(&[]).unwrap_err();
        assert_eq!(
            (error.code, error.line),
            ("data::ragged", Some(if file.ends_with("csv") { 3 } else { 2 }))
        );
        write(
            folder.path(),
            &[(
                file,
                &text
                    .replace("302\t3", "302\tthree")
                    .replace("302::3", "302::three")
                    .replace("302,3.0", "302,three"),
            )],
        );
        assert!(read(&[]).unwrap_err().to_string().contains("`three` is no rating"));
    }
    let plain = load("interactions", &[("train.csv", "u,x\n")], &[("min_rating", ArgValue::Float(4.0))]);
    assert!(plain.unwrap_err().to_string().contains("the lines have no ratings"));
}
