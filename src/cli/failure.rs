//! Why a command could not run, for people and for programs.

use serde_json::{Value, json};
use std::io;

/// Why a command could not run: exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// The kind of failure, which a program can tell apart: see [`code`].
    pub code: &'static str,
    /// What went wrong, naming file and place.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
    /// The findings that it comes from, as JSON; for people they were printed.
    pub findings: Vec<Value>,
}

/// Codes of failures. Those of data (`data::not_here`, …) are explained by `hgnnc explain`.
pub mod code {
    /// The command line is wrong.
    pub const USAGE: &str = "usage";
    /// A file or folder cannot be read or written.
    pub const FILE: &str = "file";
    /// A model or a configuration is wrong, so that a command that needs it cannot go on; `findings` says why.
    pub const MODEL: &str = "model";
    /// A run or checkpoint is not there, is damaged or does not fit.
    pub const RUN: &str = "run";
    /// The git repository or a revision in it.
    pub const GIT: &str = "git";
    /// Settings that do not fit each other, the data or this machine.
    pub const SETUP: &str = "setup";
    /// There is less memory than the work needs.
    pub const MEMORY: &str = "memory";
    /// The computation failed: a loss that is not finite, a device that gave up.
    pub const COMPUTATION: &str = "computation";
    /// A second Ctrl-C ended a run at once.
    pub const INTERRUPTED: &str = "interrupted";
    /// A fault of hgnnc.
    pub const INTERNAL: &str = "internal";
}

impl Failure {
    pub fn new(message: impl Into<String>) -> Self {
        Failure { code: code::SETUP, message: message.into(), help: None, findings: Vec::new() }
    }

    /// A file or folder that cannot be read or written.
    pub fn of_file(message: impl Into<String>) -> Self {
        Self::new(message).code(code::FILE)
    }

    /// A command line that clap lets through and that means nothing.
    pub fn of_usage(message: impl Into<String>) -> Self {
        Self::new(message).code(code::USAGE)
    }

    #[must_use]
    pub fn code(mut self, code: &'static str) -> Self {
        self.code = code;
        self
    }

    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help = Some(text.into());
        self
    }

    #[must_use]
    pub fn findings(mut self, findings: Vec<Value>) -> Self {
        self.findings = findings;
        self
    }

    /// As it is written on standard error, at most `width` columns wide.
    pub fn text(&self, width: usize) -> String {
        // What `hgnnc explain` explains is named.
        let code = if self.code.contains("::") { format!(" [{}]", self.code) } else { String::new() };
        let message = format!("{}{code}", self.message);
        let mut text = super::wrap::fill(&message, width, "error: ", "       ");
        text.push('\n');
        if let Some(help) = &self.help {
            text.push_str(&super::wrap::fill(help, width, "  help: ", "        "));
            text.push('\n');
        }
        text
    }

    /// As it is written on standard output with `--format json`: one line.
    pub fn json(&self) -> Value {
        let Failure { code, message, help, findings } = self;
        let mut error = json!({ "code": code, "message": message, "help": help });
        if !findings.is_empty() {
            error["findings"] = json!(findings);
        }
        json!({ "error": error })
    }
}

/// An error of writing to standard output, the only writing that commands do with `?`.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Failure::of_file(format!("the output cannot be written: {error}"))
    }
}

impl From<crate::git::GitError> for Failure {
    fn from(error: crate::git::GitError) -> Self {
        Failure { help: error.help, ..Failure::new(error.message).code(code::GIT) }
    }
}

/// What clap says of a wrong command line: its first paragraph is the message, tips and usage are the help.
impl From<clap::Error> for Failure {
    fn from(error: clap::Error) -> Self {
        let text = error.render().to_string();
        let mut paragraphs = text.trim().split("\n\n").map(str::trim);
        let message = paragraphs.next().unwrap_or_default().trim_start_matches("error: ");
        let help: Vec<&str> =
            paragraphs.filter(|paragraph| !paragraph.starts_with("For more information")).collect();
        Failure { help: (!help.is_empty()).then(|| help.join("\n")), ..Failure::of_usage(message) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_one_line_of_json_and_a_few_of_text() {
        let failure = Failure::of_file("the file `a.hgnn` does not exist").help("name one that does");
        assert_eq!(
            failure.json().to_string(),
            r#"{"error":{"code":"file","message":"the file `a.hgnn` does not exist","help":"name one that does"}}"#
        );
        let text = "error: the file `a.hgnn` does\n       not exist\n  help: name one that does\n";
        assert_eq!(failure.text(30), text);
    }
}
