//! The order of the folders of `src/`: what a folder imports lies below it, so there is no circle, and the language with
//! its checks could be a crate without Candle.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};

/// Folders and files of `src/`, from the lowest to the highest: each imports only what stands before it.
const ORDER: &[&str] = &[
    "source",
    "rng",
    "stats",
    "regular",
    "system",
    "memory",
    "diagnostic",
    "files",
    "types",
    "args",
    "program",
    "elsewhere",
    "syntax",
    "reach",
    "search",
    "settings",
    "ops",
    "migrate",
    "findings",
    "bind",
    "conv",
    "ir",
    "check",
    "fmt",
    "kernels",
    "data",
    "gram",
    "plan",
    "lower",
    "draw",
    "diff",
    "starter",
    "train",
    "track",
    "git",
    "estimate",
    "lint",
    "compile",
    "cli",
];

/// The first that may name Candle.
const FIRST_WITH_CANDLE: &str = "kernels";

/// One folder that imports another, and the first file that does.
type Imports = BTreeMap<(String, String), PathBuf>;

#[test]
fn a_folder_imports_only_what_lies_below_it() {
    let imports = imports();
    let place = |name: &str| ORDER.iter().position(|known| *known == name);
    let mut wrong = Vec::new();
    for ((from, to), file) in &imports {
        match (place(from), place(to)) {
            (Some(own), Some(other)) if other < own => {}
            (Some(_), Some(_)) => wrong.push(match way_back(&imports, to, from) {
                Some(circle) => format!("a circle: {circle}"),
                None => format!("`{from}` imports `{to}`, which lies above it: {}", file.display()),
            }),
            _ => wrong.push(format!("`{from}` or `{to}` is not in the order: {}", file.display())),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_language_with_its_checks_does_not_know_candle() {
    let n_without = ORDER.iter().position(|name| *name == FIRST_WITH_CANDLE).expect("it is in the order");
    let found: BTreeSet<String> = files()
        .iter()
        .filter(|(top, _, code)| ORDER[..n_without].contains(&top.as_str()) && code.contains("candle"))
        .map(|(_, file, _)| file.display().to_string())
        .collect();
    assert!(found.is_empty(), "Candle is named in {found:?}");
}

#[test]
fn the_order_is_whole_and_the_map_draws_it() {
    let own = |path: PathBuf| path.file_stem().expect("a name").to_string_lossy().into_owned();
    let mut tops: BTreeSet<String> =
        std::fs::read_dir(src()).expect("src").map(|entry| own(entry.expect("an entry").path())).collect();
    for other in ["lib", "main", "README"] {
        assert!(tops.remove(other), "{other}");
    }
    assert_eq!(tops, ORDER.iter().map(|name| (*name).to_owned()).collect());
    let map = std::fs::read_to_string(src().join("README.md")).expect("the map");
    let (_, block) = map.split_once("## Order\n").expect("a section");
    let block = block.split("```").nth(1).expect("a block").trim_start_matches("text");
    let drawn: Vec<&str> =
        block.lines().flat_map(|line| line.split("  ").next().unwrap_or(line).split_whitespace()).collect();
    assert_eq!(drawn, ORDER, "the order of src/README.md");
}

/// From `from` to `to` by imports, and the import that closes the circle, each with a file that it stands in.
fn way_back(imports: &Imports, from: &str, to: &str) -> Option<String> {
    let mut before: BTreeMap<&str, &str> = BTreeMap::new();
    let mut queue = VecDeque::from([from]);
    while let Some(at) = queue.pop_front() {
        if at == to {
            break;
        }
        for (_, next) in imports.keys().filter(|(importer, _)| importer == at) {
            if next != from && !before.contains_key(next.as_str()) {
                before.insert(next, at);
                queue.push_back(next);
            }
        }
    }
    let mut way = vec![to];
    while *way.last()? != from {
        way.push(before.get(way.last()?)?);
    }
    way.reverse();
    let steps = way.windows(2).map(|pair| (pair[0], pair[1])).chain([(to, from)]);
    let step = |(a, b): (&str, &str)| {
        let file = &imports[&(a.to_owned(), b.to_owned())];
        format!("{a} → {b} ({})", file.display())
    };
    Some(steps.map(step).collect::<Vec<_>>().join(", "))
}

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// What each folder imports of the others, tests left out.
fn imports() -> Imports {
    let mut imports = Imports::new();
    for (top, file, code) in files() {
        for imported in crate_paths(&code) {
            if imported != top {
                imports.entry((top.clone(), imported)).or_insert_with(|| file.clone());
            }
        }
    }
    imports
}

/// Every file of `src/` but those for tests: the folder or file at the top that it belongs to, its place, and its code
/// without comments, texts and items for tests.
fn files() -> Vec<(String, PathBuf, String)> {
    let mut found = Vec::new();
    let mut queue: Vec<PathBuf> = std::fs::read_dir(src())
        .expect("src")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| !path.ends_with("lib.rs") && !path.ends_with("main.rs"))
        .collect();
    let mut for_tests: BTreeSet<PathBuf> = BTreeSet::new();
    while let Some(path) = queue.pop() {
        if path.is_dir() {
            queue.extend(
                std::fs::read_dir(&path).expect("a folder").map(|entry| entry.expect("an entry").path()),
            );
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            let (code, modules) = without_tests(&bare(&std::fs::read_to_string(&path).expect("a file")));
            let folder = match path.file_stem().expect("a name").to_str() {
                Some("mod") => path.parent().expect("a folder").to_owned(),
                _ => path.with_extension(""),
            };
            for_tests.extend(modules.iter().map(|name| folder.join(name)));
            let inside = path.strip_prefix(src()).expect("in src").to_owned();
            let top = inside.iter().next().expect("a name").to_string_lossy();
            found.push((top.trim_end_matches(".rs").to_owned(), path, code));
        }
    }
    found.retain(|(_, path, _)| !path.with_extension("").ancestors().any(|part| for_tests.contains(part)));
    found.iter_mut().for_each(|(_, path, _)| *path = path.strip_prefix(src()).expect("in src").to_owned());
    found.sort();
    found
}

/// The first names of all paths `crate::…`, also those of `use crate::{a::b, c}`.
fn crate_paths(code: &str) -> Vec<String> {
    let mut names = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = code[at + "crate::".len()..].trim_start();
        match rest.strip_prefix('{') {
            None => names.push(word(rest)),
            Some(group) => {
                let (mut depth, mut is_start) = (0, true);
                for (idx, char) in group.char_indices() {
                    match char {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => is_start = true,
                        _ if is_start && char.is_alphabetic() => {
                            names.push(word(&group[idx..]));
                            is_start = false;
                        }
                        _ => {}
                    }
                }
            }
        }
    }
    names
}

fn word(text: &str) -> String {
    text.chars().take_while(|char| char.is_alphanumeric() || *char == '_').collect()
}

/// Code without comments and without what stands in texts and characters.
fn bare(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let at = |idx: usize| chars.get(idx).copied().unwrap_or('\0');
    let (mut code, mut idx) = (String::with_capacity(text.len()), 0);
    while idx < chars.len() {
        match (at(idx), at(idx + 1)) {
            ('/', '/') => idx += chars[idx..].iter().take_while(|char| **char != '\n').count(),
            ('/', '*') => {
                idx += 2;
                while idx < chars.len() && (at(idx), at(idx + 1)) != ('*', '/') {
                    idx += 1;
                }
                idx += 2;
            }
            ('r', '"' | '#') if !(idx > 0 && (at(idx - 1).is_alphanumeric() || at(idx - 1) == '_')) => {
                let n_hashes = chars[idx + 1..].iter().take_while(|char| **char == '#').count();
                if at(idx + 1 + n_hashes) != '"' {
                    // A raw name: `r#type`.
                    code.push('r');
                    idx += 1;
                    continue;
                }
                idx += n_hashes + 2;
                let is_end =
                    |from: usize| at(from) == '"' && (1..=n_hashes).all(|hash| at(from + hash) == '#');
                while idx < chars.len() && !is_end(idx) {
                    idx += 1;
                }
                idx += n_hashes + 1;
            }
            ('"', _) => {
                idx += 1;
                while idx < chars.len() && at(idx) != '"' {
                    idx += if at(idx) == '\\' { 2 } else { 1 };
                }
                idx += 1;
            }
            // A character, and no lifetime.
            ('\'', '\\') => {
                idx += 3;
                while idx < chars.len() && at(idx) != '\'' {
                    idx += 1;
                }
                idx += 1;
            }
            ('\'', _) if at(idx + 2) == '\'' => idx += 3,
            (char, _) => {
                code.push(char);
                idx += 1;
            }
        }
    }
    code
}

/// Bare code without the items that are there for tests alone, and the modules among these that have files of their own.
fn without_tests(code: &str) -> (String, Vec<String>) {
    let (mut kept, mut rest, mut modules) = (String::with_capacity(code.len()), code, Vec::new());
    while let Some(start) =
        ["#[cfg(test)]", "#[cfg(all(test,"].iter().filter_map(|attribute| rest.find(attribute)).min()
    {
        kept.push_str(&rest[..start]);
        let item = &rest[start..];
        // The attribute closes first; then the item ends with its block, or where there is none with its semicolon.
        let (mut depth, mut end) = (0, item.len());
        let mut is_attribute = true;
        for (idx, char) in item.char_indices() {
            match char {
                '(' | '[' | '{' => depth += 1,
                ')' | ']' | '}' => {
                    depth -= 1;
                    let is_block = char == '}' && !is_attribute;
                    is_attribute &= depth > 0;
                    if depth < 0 || (depth == 0 && is_block) {
                        end = idx + usize::from(depth == 0);
                        break;
                    }
                }
                ';' if depth == 0 => {
                    end = idx + 1;
                    break;
                }
                _ => {}
            }
        }
        if let Some((_, name)) =
            item[..end].trim_end().strip_suffix(';').and_then(|head| head.rsplit_once("mod "))
        {
            modules.push(name.trim().to_owned());
        }
        rest = &item[end..];
    }
    kept.push_str(rest);
    (kept, modules)
}

#[test]
fn imports_are_read_as_the_compiler_reads_them() {
    let text = r##"
        //! [`crate::comment`] and "crate::quoted
        use crate::{one, two::{self, Three}, four as five};
        /* crate::block */
        fn f<'a>(c: char) -> &'a str { let _ = ('"', '\'', "\"crate::text"); crate::six::g(r#"crate::raw""#) }
        #[cfg(test)]
        mod apart;
        #[cfg(test)]
        #[path = "x.rs"]
        pub(crate) mod inside { use crate::seven; fn g() {} }
        #[cfg(any(test, feature = "cuda"))]
        use crate::eight;
        #[cfg(test)]
        use crate::{nine, ten};
    "##;
    let (code, modules) = without_tests(&bare(text));
    assert_eq!(crate_paths(&code), ["one", "two", "four", "six", "eight"]);
    assert_eq!(modules, ["apart"]);
    let imports: Imports = [("a", "b"), ("b", "c"), ("c", "a"), ("c", "d")]
        .into_iter()
        .map(|(from, to)| ((from.to_owned(), to.to_owned()), PathBuf::from(format!("{from}.rs"))))
        .collect();
    let circle = way_back(&imports, "a", "c").expect("a circle");
    assert_eq!(circle, "a → b (a.rs), b → c (b.rs), c → a (c.rs)");
    assert_eq!(way_back(&imports, "d", "a"), None);
}
