use crate::args::ArgValue;
use crate::data::{self, DataError, DataOptions, Dataset, Features, Targets};

const LIBRARY: [(&str, &str); 5] = [
    ("nodes/author.csv", "id,field,split\nada,logic,train\nemmy,algebra,test\nkurt,logic,\nnobody,,train\n"),
    ("nodes/paper.tsv", "id\tyear\tpages\tname\np1\t1843\t66\tNotes\np2\t1921\t42\tIdeale\n"),
    ("nodes/shelf.csv", "id\ns\n"),
    ("edges/author__writes__paper.csv", "source,target\nada,p1\nemmy,p2\nemmy,p1\n"),
    ("edges/paper__stands_on__shelf.csv", "from,to\np2,s\n"),
];

fn load(files: &[(&str, &str)], args: &[(&'static str, ArgValue)]) -> Result<Dataset, DataError> {
    let folder = tempfile::tempdir().unwrap();
    for part in ["nodes", "edges"] {
        std::fs::create_dir(folder.path().join(part)).unwrap();
    }
    files.iter().for_each(|(name, text)| std::fs::write(folder.path().join(name), text).unwrap());
    let mut all = vec![("path", ArgValue::Text(folder.path().display().to_string()))];
    all.extend(args.iter().cloned());
    data::load(&data::call("hetero_tables", &all), &DataOptions::folder(folder.path()))
}

fn text(text: &str) -> ArgValue {
    ArgValue::Text(text.to_owned())
}

#[test]
fn tables_of_types_and_relations_become_one_graph() {
    let data = load(&LIBRARY, &[("target", text("author.field"))]).unwrap();
    let types = data.types.as_ref().unwrap();
    assert_eq!(types.of_node, [0, 0, 0, 0, 1, 1, 2]);
    let names: Vec<&str> = types.schema.nodes.iter().map(|of| of.name.as_str()).collect();
    assert_eq!(names, ["author", "paper", "shelf"]);
    let keys: Vec<String> = (0..4).map(|relation| types.schema.key(relation)).collect();
    assert_eq!(
        keys,
        [
            "author__writes__paper",
            "paper__stands_on__shelf",
            "paper__rev_writes__author",
            "shelf__rev_stands_on__paper"
        ]
    );
    assert_eq!((data.n_edges(), data.n_edge_kinds(), data.n_own_kinds), (8, 4, Some(2)));
    // Edges lead to p1 (node 4) from ada and emmy, and to the shelf from p2.
    assert_eq!(
        (data.adjacency.row(4), data.adjacency.row(6), data.adjacency.row(1)),
        (&[0, 1][..], &[5][..], &[4, 5][..])
    );
    // One column of authors, two of papers, one of shelves.
    assert!(matches!(data.features, Features::Sparse(_)));
    let mut rows = Vec::new();
    data.features.write_rows(0..7, &mut rows);
    let expected: [[f32; 4]; 7] = [
        [1.0, 0.0, 0.0, 0.0],
        [1.0, 0.0, 0.0, 0.0],
        [1.0, 0.0, 0.0, 0.0],
        [1.0, 0.0, 0.0, 0.0],
        [0.0, 1843.0, 66.0, 0.0],
        [0.0, 1921.0, 42.0, 0.0],
        [0.0, 0.0, 0.0, 1.0],
    ];
    assert_eq!(rows, expected.concat());
    assert_eq!(data.class_names, ["algebra", "logic"]);
    assert_eq!(data.targets, Targets::Classes(vec![1, 0, 1, -1, -1, -1, -1]));
    // A part of the table names kurt nothing, and nobody has no label.
    let split = data.fixed_split.as_ref().unwrap();
    assert_eq!((&split.train[..], &split.validation[..], &split.test[..]), (&[0][..], &[][..], &[1][..]));
    assert_eq!(data.names.nodes, ["ada", "emmy", "kurt", "nobody", "Notes", "Ideale", "s"]);
}

#[test]
fn options_of_tables_do_what_they_say() {
    let args = [
        ("target", text("author.field")),
        ("identity", ArgValue::Bool(true)),
        ("reverse", ArgValue::Bool(false)),
    ];
    let data = load(&LIBRARY, &args).unwrap();
    assert_eq!((data.n_features(), data.n_edge_kinds(), data.n_edges()), (4 + 2 + 1, 2, 4));
    let data =
        load(&LIBRARY, &[("target", text("author.field")), ("ignore", text("paper.year, paper.pages"))])
            .unwrap();
    assert_eq!(data.n_features(), 3);
    let values = [
        ("target", text("paper.year")),
        ("target_as", ArgValue::Choice("values")),
        ("ignore", text("author.field, author.split")),
    ];
    let data = load(&LIBRARY, &values).unwrap();
    let Targets::Values { values, n_values: 1 } = &data.targets else { panic!("values") };
    assert_eq!((values[4], values[5], values[0].is_nan(), data.n_features()), (1843.0, 1921.0, true, 3));
}

#[test]
fn what_is_wrong_with_tables_is_said_with_its_place() {
    let with = |name: &str, text: &'static str| -> Vec<(&str, &str)> {
        let mut files: Vec<(&str, &str)> = LIBRARY.to_vec();
        match files.iter_mut().find(|(known, _)| *known == name) {
            Some(file) => file.1 = text,
            None => files.push((name.to_owned().leak(), text)),
        }
        files
    };
    let target = ("target", text("author.field"));
    let error = |files: &[(&str, &str)], args: &[(&'static str, ArgValue)]| {
        let error = load(files, args).unwrap_err();
        (error.code, error.line, error.message)
    };
    for (name, table, code, line, words) in [
        ("edges/author__writes__paper.csv", "source,target\nada,p9\n", "data::unknown_node", Some(2), "p9"),
        (
            "edges/author__writes__paper.csv",
            "source,target,year\nada,p1,3\n",
            "data::not_supported",
            Some(1),
            "year",
        ),
        ("edges/author__writes__paper.csv", "a,b\nada,p1\n", "data::missing_part", None, "source"),
        ("edges/author__reads__book.csv", "source,target\n", "data::relation", None, "book"),
        ("edges/writes.csv", "source,target\n", "data::relation", None, "writes"),
        ("nodes/author.tsv", "id\nada\n", "data::ambiguous", None, "author"),
        (
            "edges/author__writes__paper.tsv",
            "source\ttarget\n",
            "data::ambiguous",
            None,
            "author__writes__paper",
        ),
        ("nodes/paper.tsv", "id\tyear\np1\t\np2\t3\n", "data::missing_value", Some(2), "year"),
        ("nodes/paper.tsv", "id\tyear\np1\t3\np2\tlong ago\n", "data::not_a_number", Some(3), "year"),
        ("nodes/paper.tsv", "id\tyear\np1\t3\np1\t4\n", "data::ambiguous", Some(3), "p1"),
        ("nodes/author.csv", "id,field,split\nada,logic,dev\n", "data::not_a_part", Some(2), "dev"),
    ] {
        let found = error(&with(name, table), std::slice::from_ref(&target));
        assert_eq!((found.0, found.1), (code, line), "{name}: {}", found.2);
        assert!(found.2.contains(words), "{}", found.2);
    }
    let all = |args: &[(&'static str, ArgValue)]| error(&LIBRARY, args);
    assert_eq!(all(&[("target", text("author.age"))]).0, "data::unknown_column");
    assert_eq!(all(&[target.clone(), ("ignore", text("paper.weight"))]).0, "data::unknown_column");
    // Texts that are no target are features, and features are numbers.
    assert_eq!(all(&[]).0, "data::not_a_number");
    assert_eq!(error(&LIBRARY[..3], &[]).0, "data::missing_part");
    let two = with("nodes/paper.tsv", "id\tlabel\np1\ta\np2\tb\n");
    let two: Vec<(&str, &str)> = two
        .into_iter()
        .map(|(name, text)| (name, if name.contains("author") { "id,label\nada,x\nemmy,y\n" } else { text }))
        .collect();
    assert_eq!(error(&two, &[]).0, "data::ambiguous");
}

#[test]
fn data_import_recognises_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    for part in ["nodes", "edges"] {
        std::fs::create_dir(folder.path().join(part)).unwrap();
    }
    LIBRARY.iter().for_each(|(name, text)| std::fs::write(folder.path().join(name), text).unwrap());
    let look =
        crate::data::recognise::Look::at(&folder.path().display().to_string(), &DataOptions::folder(""))
            .unwrap();
    let found = crate::data::Source::recognise(&super::tables::HeteroTables, &look).unwrap();
    assert!(
        found.call.starts_with("hetero_tables(") && found.what.contains("3 types of nodes and 2 relations"),
        "{found:?}"
    );
}

/// What the reference says of the generator: the field is told by what an author wrote, and cannot be told without the relation.
#[test]
fn the_field_of_an_author_is_that_of_the_papers_written() {
    let data = data::load(&data::call("bibliography", &[]), &DataOptions::folder("")).unwrap();
    let types = data.types.as_ref().unwrap();
    let Targets::Classes(fields) = &data.targets else { panic!("classes") };
    let n_fields = data.class_names.len() as i64;
    let kinds = data.edge_kinds.as_ref().unwrap();
    let [mut written, mut beside] = [0, 0];
    for paper in 0..data.n_nodes() {
        for entry in data.adjacency.offsets[paper]..data.adjacency.offsets[paper + 1] {
            let author = data.adjacency.indices[entry as usize] as usize;
            // Papers follow the 600 authors, and paper `i` has the topic `i mod 6`.
            let topic = (paper as i64 - 600).rem_euclid(n_fields);
            match types.schema.relations[kinds.of_entry[entry as usize] as usize].name.as_str() {
                "writes" => {
                    assert_eq!(topic, fields[author]);
                    written += 1;
                }
                "reviews" => {
                    let between = (topic - fields[author]).rem_euclid(n_fields);
                    assert!(between == 1 || between == n_fields - 1);
                    beside += 1;
                }
                _ => {}
            }
        }
    }
    assert!(written > 1_700 && beside > 1_700, "{written} {beside}");
    let again = data::load(&data::call("bibliography", &[]), &DataOptions::folder("")).unwrap();
    assert_eq!(again.fingerprint, data.fingerprint);
}
