//! Which files on disk a model may name with `use`: those of its own folder and of its repository, and those of
//! folders that the user allows. A model may come from a stranger, so nothing that lies in a repository can allow more.

use crate::regular::{self, ReadError};
use crate::syntax::{self, OutOfReach};
use std::io;
use std::path::{Path, PathBuf};

/// A model's file has at most so many bytes. The largest model that can be built has a hundred thousand stages, which
/// are a few million bytes of text.
pub const MAX_BYTES: u64 = 16_000_000;

/// The environment variable with folders that `use` may name too, written as `PATH` is.
pub const VARIABLE: &str = "HGNN_ALLOW_USE";

/// The folders that files may be read from. All places are compared as they really are, links followed.
#[derive(Debug, Clone, Default)]
pub struct Reach {
    folders: Vec<PathBuf>,
    /// The names of the first two, for messages.
    shown: Vec<String>,
}

impl Reach {
    /// What a model may read: its folder, the repository around it, and what is allowed beside them. Standard input
    /// (`-`) counts as a file of the current folder.
    pub fn of(main: &Path, allowed: &[PathBuf]) -> Self {
        let folder = main.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut reach = Self::default();
        if let Ok(folder) = folder.canonicalize() {
            let repository = folder.ancestors().find(|above| above.join(".git").exists());
            reach.folders.extend(repository.map(Path::to_path_buf));
            reach.folders.push(folder);
        }
        reach.shown = reach.folders.iter().map(|folder| folder.display().to_string()).collect();
        reach.folders.extend(allowed.iter().filter_map(|folder| folder.canonicalize().ok()));
        reach
    }

    /// These folders alone.
    pub fn within(folder: &Path) -> Self {
        let folders: Vec<PathBuf> = folder.canonicalize().into_iter().collect();
        Self { shown: folders.iter().map(|folder| folder.display().to_string()).collect(), folders }
    }

    /// Whether a file that exists lies within reach, links followed.
    pub fn has_file(&self, path: &Path) -> bool {
        path.canonicalize().is_ok_and(|place| self.has(&place))
    }

    fn has(&self, place: &Path) -> bool {
        self.folders.iter().any(|folder| place.starts_with(folder))
    }

    /// The place of a file with all links followed, where it is within reach and its name ends as the link's does: a
    /// link could lend its name to a file of another kind.
    ///
    /// # Errors
    /// Where there is no such file, or it is out of reach.
    fn place(&self, path: &Path) -> Result<PathBuf, Error> {
        match path.canonicalize() {
            Ok(place) if !self.has(&place) => Err(self.out_of_reach(path)),
            Ok(place) if place.extension() != path.extension() => Err(self.out_of_reach(path)),
            Ok(place) => Ok(place),
            // Whether a file out of reach exists is not told either.
            Err(error) => {
                let above = path.ancestors().skip(1).find_map(|above| match above.as_os_str().is_empty() {
                    true => Path::new(".").canonicalize().ok(),
                    false => above.canonicalize().ok(),
                });
                match above {
                    Some(above) if !self.has(&above) => Err(self.out_of_reach(path)),
                    _ => Err(Error::Unreadable(error.into())),
                }
            }
        }
    }

    fn out_of_reach(&self, path: &Path) -> Error {
        let place = path.parent().and_then(|folder| folder.canonicalize().ok());
        let folder = place.filter(|folder| !self.has(folder)).map(|folder| folder.display().to_string());
        let is_link = path.is_symlink();
        let allowed = match &folder {
            Some(folder) => format!("`--allow-use {folder}`, or {VARIABLE}={folder}"),
            None => format!("`--allow-use FOLDER`, or {VARIABLE}=FOLDER"),
        };
        let within = self.shown.first().map_or_else(|| "the model's folder".to_owned(), Clone::clone);
        Error::OutOfReach(OutOfReach {
            reason: if is_link && folder.is_none() {
                "it is a link to a file that is no model, or that lies out of reach".to_owned()
            } else {
                format!("it lies outside of {within}")
            },
            help: format!(
                "files are read from the folder of the model and from its repository; where this one is to be \
                 trusted, allow its folder: {allowed}"
            ),
        })
    }

    /// The content of a file.
    ///
    /// # Errors
    /// Where it is out of reach, no regular file, or larger than `max_bytes`.
    pub fn read(&self, path: &Path, max_bytes: u64) -> Result<Vec<u8>, Error> {
        regular::read(&self.place(path)?, max_bytes).map_err(Error::Unreadable)
    }

    /// The text of a file that `use` names, for [`syntax::load_program`].
    ///
    /// # Errors
    /// In the kinds that `load_program` tells apart.
    pub fn read_used(&self, path: &str) -> io::Result<String> {
        let bytes = self.read(Path::new(path), MAX_BYTES)?;
        let text = syntax::decode(path, &bytes);
        text.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.message))
    }
}

/// The folders that the environment allows.
pub fn allowed_by_environment() -> Vec<PathBuf> {
    let folders = std::env::var_os(VARIABLE).unwrap_or_default();
    std::env::split_paths(&folders).filter(|folder| !folder.as_os_str().is_empty()).collect()
}

/// Why a file was not read.
#[derive(Debug)]
pub enum Error {
    OutOfReach(OutOfReach),
    Unreadable(ReadError),
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::OutOfReach(reason) => io::Error::new(io::ErrorKind::PermissionDenied, reason),
            Error::Unreadable(error) => error.into(),
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    /// A folder `work/models` with a model, and a file and a folder outside of `work`.
    fn sample() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let at = |path: &str| folder.path().join(path);
        for name in ["work/models", "work/blocks", "other"] {
            std::fs::create_dir_all(at(name)).unwrap();
        }
        for file in ["work/models/a.hgnn", "work/blocks/b.hgnn", "other/c.hgnn", "other/secret.txt"] {
            std::fs::write(at(file), "let width = 8").unwrap();
        }
        symlink(at("other/c.hgnn"), at("work/models/link.hgnn")).unwrap();
        symlink(at("other"), at("work/models/folder")).unwrap();
        symlink(at("work/blocks/b.hgnn"), at("work/models/inner.hgnn")).unwrap();
        symlink(at("other/secret.txt"), at("other/secret.hgnn")).unwrap();
        folder
    }

    /// Whether each file can be read, from the model `work/models/a.hgnn`.
    #[track_caller]
    fn check(folder: &Path, allowed: &[PathBuf], files: &[(&str, bool)]) {
        let reach = Reach::of(&folder.join("work/models/a.hgnn"), allowed);
        for (file, can_be_read) in files {
            let found = reach.read(&folder.join("work/models").join(file), MAX_BYTES);
            assert_eq!(found.is_ok(), *can_be_read, "{file}: {found:?}");
            if !can_be_read {
                assert!(matches!(found, Err(Error::OutOfReach(_))), "{file}: {found:?}");
            }
        }
    }

    #[test]
    fn a_model_reads_its_folder_and_its_repository() {
        let folder = sample();
        let outside = [
            ("link.hgnn", false),
            ("folder/c.hgnn", false),
            ("../../other/c.hgnn", false),
            ("/dev/zero", false),
        ];
        check(folder.path(), &[], &outside);
        check(folder.path(), &[], &[("a.hgnn", true), ("../blocks/b.hgnn", false), ("inner.hgnn", false)]);
        // In a worktree `.git` is a file.
        std::fs::write(folder.path().join("work/.git"), "gitdir: elsewhere").unwrap();
        check(folder.path(), &[], &[("a.hgnn", true), ("../blocks/b.hgnn", true), ("inner.hgnn", true)]);
        check(folder.path(), &[], &outside);
    }

    #[test]
    fn a_folder_can_be_allowed_and_a_link_does_not_rename_a_file() {
        let folder = sample();
        let allowed = [folder.path().join("other"), folder.path().join("missing")];
        let within = [("link.hgnn", true), ("folder/c.hgnn", true), ("../../other/c.hgnn", true)];
        check(folder.path(), &allowed, &within);
        check(folder.path(), &allowed, &[("../../other/secret.hgnn", false), ("../blocks/b.hgnn", false)]);
    }

    #[test]
    fn what_exists_out_of_reach_is_not_told() {
        let folder = sample();
        check(folder.path(), &[], &[("../../other/none.hgnn", false), ("../../none/none.hgnn", false)]);
        let reach = Reach::of(&folder.path().join("work/models/a.hgnn"), &[]);
        let missing = reach.read(&folder.path().join("work/models/none.hgnn"), MAX_BYTES);
        assert!(matches!(missing, Err(Error::Unreadable(ReadError::NotFound))));
    }
}
