//! What was renamed, as data: a new rename is one more entry of [`RENAMES`].

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    /// Something that is called: an operator, a loss, a data source, an optimiser.
    Call,
    /// An argument of the call, or an entry of the section, of this name (as it is called now).
    Argument(&'static str),
    /// A setting or section: the word before `=` or `{` at the top of a file.
    Setting,
}

/// One name that was given up for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rename {
    pub of: Of,
    pub from: &'static str,
    pub to: &'static str,
    /// The version of the language that has the new name.
    pub since: u32,
    /// Why: the half sentence that messages show.
    pub reason: &'static str,
}

/// Every rename since version 1. Entries stay for good, and `from` is never used for something else.
pub static RENAMES: &[Rename] = &[Rename {
    of: Of::Argument("sage"),
    from: "root",
    to: "root_weight",
    since: 2,
    reason: "the name that PyTorch Geometric uses",
}];

/// A list of renames; [`RENAMES`] but for tests.
#[derive(Debug, Clone, Copy)]
pub(super) struct Renames(pub &'static [Rename]);

impl Renames {
    /// What an old name of something called is now.
    pub fn call(self, name: &str) -> Option<&'static Rename> {
        self.0.iter().find(|rename| rename.of == Of::Call && rename.from == name)
    }

    /// What an old name of a setting or section is now.
    pub fn setting(self, name: &str) -> Option<&'static Rename> {
        self.0.iter().find(|rename| rename.of == Of::Setting && rename.from == name)
    }

    /// What an old name of an argument is now; the call may have an old name itself.
    pub fn argument(self, of: &str, name: &str) -> Option<&'static Rename> {
        let of = self.call(of).map_or(of, |rename| rename.to);
        self.0
            .iter()
            .find(|rename| rename.from == name && matches!(rename.of, Of::Argument(current) if current == of))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_is_given_up_twice_or_taken_up_again() {
        for (idx, rename) in RENAMES.iter().enumerate() {
            let is_same = |other: &Rename| other.of == rename.of;
            let others = RENAMES.iter().enumerate().filter(|(other, _)| *other != idx);
            for (_, other) in others.filter(|(_, other)| is_same(other)) {
                // So one step leads to the present name: where a name changes again, the entry is changed too.
                assert!(other.from != rename.from && other.from != rename.to, "{rename:?} {other:?}");
            }
            assert!(rename.since > 1 && rename.since <= super::super::LANGUAGE_VERSION);
        }
    }

    #[test]
    fn new_names_exist_and_old_ones_do_not() {
        for rename in RENAMES {
            if let Of::Argument(of) = rename.of
                && let Some(operator) = crate::ops::find(of)
            {
                let has = |name: &str| operator.args().iter().any(|spec| spec.name == name);
                assert!(has(rename.to) && !has(rename.from), "{rename:?}");
            }
        }
    }
}
