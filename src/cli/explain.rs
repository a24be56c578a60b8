//! `hgnnc explain`: why a finding is one, with a wrong and a right model.

use super::table::{plain_table, write_table};
use super::{Exit, Failure, Format, Global};
use crate::findings::EXPLANATIONS;
use serde_json::json;
use std::io::{self, Write};

/// Explain a code such as shape::width_mismatch, with a wrong and a right model; without one, list all codes
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  hgnnc explain\n  hgnnc explain shape::width_mismatch\n  \
    hgnnc explain width_mismatch\n  hgnnc explain lint::over_smoothing\n\n\
    Exit codes: 0 printed, 2 there is no such code")]
pub struct Explain {
    /// The code, as printed above a finding (`shape::width_mismatch`, or `error[…]` around it), or its last part alone
    /// (`width_mismatch`)
    #[arg(value_name = "CODE")]
    code: Option<String>,
}

impl Explain {
    pub fn run(&self, global: &Global) -> Result<Exit, Failure> {
        let out = &mut super::stdout();
        let Some(code) = &self.code else {
            list(out, global.format)?;
            return Ok(Exit::Clean);
        };
        // `error[shape::width_mismatch]` is what a user copies from a short report.
        let code = code.trim_start_matches("error[").trim_start_matches("warning[").trim_end_matches(']');
        let (code, page) = find(code)?;
        match global.format {
            Format::Json => {
                let document = json!({ "code": code, "title": title(page), "page": page });
                serde_json::to_writer_pretty(&mut *out, &document).map_err(io::Error::from)?;
                writeln!(out)?;
            }
            Format::Short => writeln!(out, "{code}: {}", title(page))?,
            Format::Full => write!(out, "{code}\n\n{}", plain(page))?,
        }
        Ok(Exit::Clean)
    }
}

/// The page of a code, which may be given without its family (`width_mismatch`) where only one has that name.
fn find(code: &str) -> Result<(&'static str, &'static str), Failure> {
    let name_of = |known: &'static str| known.rsplit("::").next().unwrap_or(known);
    if let Some(&found) = EXPLANATIONS.iter().find(|(known, _)| *known == code) {
        return Ok(found);
    }
    let named: Vec<_> = EXPLANATIONS.iter().filter(|(known, _)| name_of(known) == code).collect();
    if let &[&only] = named.as_slice() {
        return Ok(only);
    }
    let list = "`hgnnc explain` lists all codes";
    let quoted: Vec<_> = named.iter().map(|(known, _)| format!("`{known}`")).collect();
    let close = match (quoted.as_slice(), code.rsplit_once("::")) {
        ([_, ..], _) => Some(quoted.join(" or ")),
        // A typo in one part is distinguished from another code whose spelling is close as a whole.
        (_, Some((family, name))) => {
            let families = EXPLANATIONS.iter().filter_map(|(known, _)| known.split("::").next());
            let family = super::closest(family, families).unwrap_or(family);
            let in_family = EXPLANATIONS.iter().filter(|(known, _)| known.split("::").next() == Some(family));
            super::closest(name, in_family.map(|(known, _)| name_of(known)))
                .map(|name| format!("`{family}::{name}`"))
        }
        (_, None) => {
            super::closest(code, EXPLANATIONS.iter().map(|(known, _)| name_of(known))).and_then(|name| {
                EXPLANATIONS
                    .iter()
                    .find(|(known, _)| name_of(known) == name)
                    .map(|(known, _)| format!("`{known}`"))
            })
        }
    };
    Err(Failure::of_usage(format!("there is no code `{code}`")).help(match close {
        Some(close) => format!("did you mean {close}? {list}"),
        None => list.to_owned(),
    }))
}

fn title(page: &str) -> &str {
    page.lines().next().unwrap_or("").trim_start_matches("# ")
}

/// The page for a terminal: models indented, without the marks of Markdown.
fn plain(page: &str) -> String {
    let mut text = String::new();
    let mut is_model = false;
    for line in page.lines() {
        if line.starts_with("```") {
            is_model = !is_model;
        } else if is_model && !line.is_empty() {
            text.push_str(&format!("    {line}\n"));
        } else {
            text.push_str(line.strip_prefix("# ").unwrap_or(line));
            text.push('\n');
        }
    }
    text
}

fn list(out: &mut dyn Write, format: Format) -> io::Result<()> {
    match format {
        Format::Json => {
            let entry = |&(code, page): &(&str, &str)| json!({ "code": code, "title": title(page) });
            serde_json::to_writer_pretty(&mut *out, &EXPLANATIONS.iter().map(entry).collect::<Vec<_>>())?;
            writeln!(out)
        }
        Format::Short => {
            EXPLANATIONS.iter().try_for_each(|(code, page)| writeln!(out, "{code}: {}", title(page)))
        }
        Format::Full => {
            let mut table = plain_table();
            for (code, page) in EXPLANATIONS {
                table.add_row([*code, title(page)]);
            }
            write_table(out, &table)?;
            writeln!(out, "\n`hgnnc explain CODE` explains one, with a wrong and a right model.")
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_page_is_printed_without_marks() {
        let page = "# Title\n\nWrong:\n\n```hgnn wrong\ngcn(64)\n\n-> mean\n```\n";
        assert_eq!(super::plain(page), "Title\n\nWrong:\n\n    gcn(64)\n\n    -> mean\n");
    }
}
