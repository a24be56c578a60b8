//! What `hgnn.toml` and the command line set for the lints.
//!
//! ```toml
//! [lint]
//! allow = ["unused_clusters"]
//! deny = ["dead_dropout"]       # or ["all"]
//!
//! [lint.class_balance]
//! ratio = 5
//! ```

use super::{LINTS, Lint, Threshold, lint_named, names};
use crate::args::words_list;
use crate::diagnostic::Diagnostic;
use crate::findings::WARNINGS;
use crate::findings::names::did_you_mean;
use crate::source::{FileId, SourceMap, Span};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The name of the file.
pub const FILE: &str = "hgnn.toml";

/// Stands for every lint in `deny`.
pub const ALL: &str = "all";

/// Which lints report, and from which thresholds on.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Config {
    allow: BTreeSet<&'static str>,
    deny: BTreeSet<&'static str>,
    /// `all` was denied, which counts for the warnings of the check too.
    denies_all: bool,
    /// By lint and name.
    thresholds: BTreeMap<(&'static str, &'static str), f64>,
}

impl Config {
    pub fn allows(&self, lint: &Lint) -> bool {
        self.allow.contains(lint.name())
    }

    pub fn denies(&self, lint: &Lint) -> bool {
        self.deny.contains(lint.name())
    }

    /// Whether a warning of the check is left out.
    pub fn allows_code(&self, code: &str) -> bool {
        self.allow.contains(code)
    }

    /// Whether a warning of the check is an error. `all` is about models; that a published data set is not here is
    /// about the machine, so it has to be named.
    pub fn denies_code(&self, code: &str) -> bool {
        self.deny.contains(code) || (self.denies_all && code != "data::not_here")
    }

    /// # Panics
    /// Where the lint has no such threshold.
    pub fn threshold(&self, lint: &Lint, name: &str) -> f64 {
        let known = lint.thresholds.iter().find(|threshold| threshold.name == name);
        let known = known.unwrap_or_else(|| panic!("{} has no threshold `{name}`", lint.code));
        self.thresholds.get(&(lint.name(), known.name)).copied().unwrap_or(known.default)
    }

    /// Allows one lint or one warning of the check, whatever was set before: the command line overrides the file.
    ///
    /// # Errors
    /// Where there is no such lint: what was probably meant.
    pub fn allow(&mut self, name: &str) -> Result<(), Option<&'static str>> {
        let name = known(name).ok_or_else(|| did_you_mean(name, all_names()))?;
        self.deny.remove(name);
        self.allow.insert(name);
        Ok(())
    }

    /// Denies one lint, one warning of the check or `all`, whatever was set before. `all` leaves out what is allowed.
    ///
    /// # Errors
    /// As [`Config::allow`].
    pub fn deny(&mut self, name: &str) -> Result<(), Option<&'static str>> {
        if name == ALL {
            self.denies_all = true;
            let others = names().filter(|name| !self.allow.contains(name));
            self.deny.extend(others.collect::<Vec<_>>());
            return Ok(());
        }
        let name = known(name).ok_or_else(|| did_you_mean(name, all_names().chain([ALL])))?;
        self.allow.remove(name);
        self.deny.insert(name);
        Ok(())
    }

    /// Reads an `hgnn.toml`.
    ///
    /// # Errors
    /// Everything that is wrong with it; the codes are `config::…`.
    pub fn parse(sources: &SourceMap, file: FileId) -> Result<Self, Vec<Diagnostic>> {
        let text = &*sources.file(file).text;
        let place =
            |range: Range<usize>| Span::new(file, range.start.min(text.len()), range.end.min(text.len()));
        let (table, errors) = DeTable::parse_recoverable(text);
        if !errors.is_empty() {
            let finding = |error: toml::de::Error| {
                let span = error.span().unwrap_or(0..0);
                Diagnostic::error(
                    "config::syntax",
                    format!("`{FILE}` is not TOML: {}", error.message().trim()),
                )
                .label(place(span), "not understood here")
                .help("https://toml.io describes the format; `hgnnc explain config::syntax` shows an example")
            };
            return Err(errors.into_iter().map(finding).collect());
        }
        let mut reader = Reader { place: &place, config: Self::default(), found: Vec::new() };
        for (key, value) in table.get_ref() {
            match (key.get_ref().as_ref(), value.get_ref()) {
                ("lint", DeValue::Table(table)) => reader.lints(table),
                ("lint", other) => reader.wrong("`lint`", "a table, `[lint]`", other, value),
                (other, _) => reader.unknown("section", other, key.span(), &["lint"]),
            }
        }
        if reader.found.is_empty() { Ok(reader.config) } else { Err(reader.found) }
    }
}

/// The name of a lint, with or without `lint::` in front, or the code of a warning of the check.
fn known(name: &str) -> Option<&'static str> {
    let code = || WARNINGS.iter().copied().find(|code| *code == name);
    lint_named(name).map(Lint::name).or_else(code)
}

/// What `allow` and `deny` take.
fn all_names() -> impl Iterator<Item = &'static str> {
    names().chain(WARNINGS.iter().copied())
}

struct Reader<'a> {
    place: &'a dyn Fn(Range<usize>) -> Span,
    config: Config,
    found: Vec<Diagnostic>,
}

impl Reader<'_> {
    fn unknown(&mut self, what: &str, given: &str, span: Range<usize>, known: &[&str]) {
        let label = match did_you_mean(given, known.iter().copied()) {
            Some(close) => format!("did you mean `{close}`?"),
            None => "not known".to_owned(),
        };
        let code = if what == "lint" { "config::unknown_lint" } else { "config::unknown_key" };
        let help = if what == "lint" {
            "`hgnnc lint --list` lists them".to_owned()
        } else {
            format!("known here: {}", words_list(known))
        };
        self.found.push(
            Diagnostic::error(code, format!("`{given}` is not a {what}"))
                .label((self.place)(span), label)
                .help(help),
        );
    }

    fn wrong(&mut self, what: &str, expects: &str, got: &DeValue, value: &Spanned<DeValue>) {
        self.found.push(
            Diagnostic::error(
                "config::wrong_value",
                format!("{what} expects {expects}, but gets {}", described(got)),
            )
            .label((self.place)(value.span()), format!("{expects} is expected here")),
        );
    }

    fn lints(&mut self, table: &DeTable) {
        let mut places: BTreeMap<&'static str, (&'static str, Range<usize>)> = BTreeMap::new();
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "allow" => self.list("allow", value, &mut places),
                "deny" => self.list("deny", value, &mut places),
                name => match LINTS.iter().find(|lint| lint.name() == name) {
                    Some(lint) => self.thresholds(lint, key.span(), value),
                    None => {
                        let known: Vec<&str> = ["allow", "deny"].into_iter().chain(names()).collect();
                        let close = did_you_mean(name, known.iter().copied());
                        let known = if close.is_some() { known } else { vec!["allow", "deny"] };
                        self.unknown("key of `[lint]`", name, key.span(), &known);
                    }
                },
            }
        }
        // Order does not matter in TOML, so `all` denies what is left.
        if self.config.deny.remove(ALL) {
            self.config.denies_all = true;
            let others = names().filter(|name| !self.config.allow.contains(name));
            let others: Vec<_> = others.collect();
            self.config.deny.extend(others);
        }
    }

    fn list(
        &mut self,
        key: &'static str,
        value: &Spanned<DeValue>,
        places: &mut BTreeMap<&'static str, (&'static str, Range<usize>)>,
    ) {
        let expects = "a list of lints in quotes";
        let DeValue::Array(items) = value.get_ref() else {
            return self.wrong(&format!("`{key}`"), expects, value.get_ref(), value);
        };
        for item in items.iter() {
            let DeValue::String(name) = item.get_ref() else {
                self.wrong(&format!("`{key}`"), expects, item.get_ref(), item);
                continue;
            };
            if key == "deny" && name == ALL {
                self.config.deny.insert(ALL);
                continue;
            }
            let Some(name) = known(name) else {
                let known: Vec<&str> = all_names().collect();
                self.unknown("lint", name, item.span(), &known);
                continue;
            };
            if let Some((first, place)) = places.get(name) {
                let message = if *first == key {
                    format!("`{name}` appears twice in `{key}`")
                } else {
                    format!("`{name}` is both allowed and denied")
                };
                self.found.push(
                    Diagnostic::error("config::wrong_value", message)
                        .label((self.place)(item.span()), "again here")
                        .label((self.place)(place.clone()), "first here")
                        .help("leave one of them out"),
                );
                continue;
            }
            places.insert(name, (key, item.span()));
            let list = if key == "allow" { &mut self.config.allow } else { &mut self.config.deny };
            list.insert(name);
        }
    }

    fn thresholds(&mut self, lint: &'static Lint, key: Range<usize>, value: &Spanned<DeValue>) {
        let what = format!("`lint.{}`", lint.name());
        if lint.thresholds.is_empty() {
            self.found.push(
                Diagnostic::error("config::unknown_key", format!("{what} has no thresholds"))
                    .label((self.place)(key), "nothing to set here")
                    .help(format!("to switch it off write `allow = [\"{}\"]` under `[lint]`", lint.name())),
            );
            return;
        }
        let known: Vec<&str> = lint.thresholds.iter().map(|threshold| threshold.name).collect();
        let DeValue::Table(table) = value.get_ref() else {
            let expects = format!("a table, `[lint.{}]`", lint.name());
            return self.wrong(&what, &expects, value.get_ref(), value);
        };
        for (key, value) in table {
            match lint.thresholds.iter().find(|threshold| threshold.name == key.get_ref().as_ref()) {
                Some(threshold) => self.threshold(lint, threshold, value),
                None => self.unknown(&format!("key of {what}"), key.get_ref(), key.span(), &known),
            }
        }
    }

    fn threshold(&mut self, lint: &'static Lint, threshold: &'static Threshold, value: &Spanned<DeValue>) {
        let what = format!("`{}` of `lint.{}`", threshold.name, lint.name());
        let number = match value.get_ref() {
            DeValue::Integer(number) => {
                i64::from_str_radix(number.as_str(), number.radix()).ok().map(|number| number as f64)
            }
            DeValue::Float(number) => number.as_str().parse::<f64>().ok(),
            _ => None,
        };
        match number {
            None => self.wrong(&what, "a number", value.get_ref(), value),
            Some(number) if !threshold.range.contains(number) => self.found.push(
                Diagnostic::error("config::wrong_value", format!("{what} cannot be {number}"))
                    .label((self.place)(value.span()), format!("has to be {}", threshold.range))
                    .help(format!("{} Default: {}", threshold.doc, threshold.default)),
            ),
            Some(number) => {
                self.config.thresholds.insert((lint.name(), threshold.name), number);
            }
        }
    }
}

fn described(value: &DeValue) -> String {
    match value {
        DeValue::String(text) => format!("the text \"{text}\""),
        DeValue::Integer(number) => format!("the number {}", number.as_str()),
        DeValue::Float(number) => format!("the number {}", number.as_str()),
        DeValue::Boolean(value) => format!("`{value}`"),
        DeValue::Datetime(_) => "a date".to_owned(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Config, Vec<String>> {
        let mut sources = SourceMap::default();
        let file = sources.add(FILE, text);
        Config::parse(&sources, file).map_err(|found| {
            let line = |finding: &Diagnostic| {
                let (line, column) = sources.line_column(file, finding.labels[0].span.start);
                format!("{line}:{column} {}: {} | {}", finding.code, finding.message, finding.labels[0].text)
            };
            found.iter().map(line).collect()
        })
    }

    #[test]
    fn lists_and_thresholds_are_read() {
        let text = "[lint]\nallow = [\"unused_clusters\"]\ndeny = [\"lint::dead_dropout\"]\n[lint.class_balance]\nratio = 5\n";
        let config = read(text).expect("right");
        assert!(config.allows(lint_named("unused_clusters").unwrap()));
        assert!(config.denies(lint_named("dead_dropout").unwrap()));
        assert_eq!(config.threshold(lint_named("class_balance").unwrap(), "ratio"), 5.0);
        assert_eq!(config.threshold(lint_named("over_smoothing").unwrap(), "layers"), 8.0);
        let all = read("[lint]\ndeny = [\"all\"]\nallow = [\"dead_dropout\"]").expect("right");
        assert!(
            all.denies(lint_named("over_smoothing").unwrap())
                && !all.denies(lint_named("dead_dropout").unwrap())
        );
    }

    #[test]
    fn the_command_line_comes_last() {
        let mut config =
            read("[lint]\nallow = [\"dead_dropout\"]\ndeny = [\"class_balance\"]").expect("right");
        config.deny("dead_dropout").unwrap();
        config.allow("lint::class_balance").unwrap();
        config.deny(ALL).unwrap();
        assert!(config.denies(lint_named("dead_dropout").unwrap()));
        assert!(config.allows(lint_named("class_balance").unwrap()));
        assert!(!config.denies(lint_named("class_balance").unwrap()));
        assert_eq!(config.deny("dead_dropot"), Err(Some("dead_dropout")));
    }

    #[test]
    fn mistakes_are_told_with_their_place() {
        for (text, expected) in [
            ("[lnt]\n", vec!["1:2 config::unknown_key: `lnt` is not a section | did you mean `lint`?"]),
            (
                "[lint]\ndenny = []\n",
                vec!["2:1 config::unknown_key: `denny` is not a key of `[lint]` | did you mean `deny`?"],
            ),
            (
                "[lint]\nallow = [\"over_smothing\"]\n",
                vec![
                    "2:10 config::unknown_lint: `over_smothing` is not a lint | did you mean `over_smoothing`?",
                ],
            ),
            (
                "[lint.class_balance]\nratoi = 2\n",
                vec![
                    "2:1 config::unknown_key: `ratoi` is not a key of `lint.class_balance` | did you mean `ratio`?",
                ],
            ),
            (
                "[lint.class_balance]\nratio = \"5\"\n",
                vec![
                    "2:9 config::wrong_value: `ratio` of `lint.class_balance` expects a number, but gets the text \"5\" | a number is expected here",
                ],
            ),
            (
                "[lint.single_cluster]\nshare = 2\n",
                vec![
                    "2:9 config::wrong_value: `share` of `lint.single_cluster` cannot be 2 | has to be in (0, 1]",
                ],
            ),
            (
                "[lint.dead_dropout]\np = 2\n",
                vec!["1:7 config::unknown_key: `lint.dead_dropout` has no thresholds | nothing to set here"],
            ),
            (
                "lint = 3\n",
                vec![
                    "1:8 config::wrong_value: `lint` expects a table, `[lint]`, but gets the number 3 | a table, `[lint]` is expected here",
                ],
            ),
            (
                "[lint]\nallow = [\"dead_dropout\"]\ndeny = [\"dead_dropout\"]\n",
                vec!["3:9 config::wrong_value: `dead_dropout` is both allowed and denied | again here"],
            ),
        ] {
            assert_eq!(read(text).expect_err(text), expected);
        }
        assert!(read("[lint\n").expect_err("broken")[0].contains("config::syntax"));
    }
}
