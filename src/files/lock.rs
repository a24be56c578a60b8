//! A folder with one writer at a time.
//!
//! The writer holds a lock of the operating system on a file in the folder, which ends with the process however it
//! ends. The file says who that is, for a second one's message; a file that nobody holds is what a killed process left.

use super::sealed;
use serde::{Deserialize, Serialize};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

/// The file that is locked.
pub const NAME: &str = "run.lock";

/// What is read of a lock's file.
const MAX_BYTES: u64 = 64 << 10;

/// Who writes into a folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    pub process: u32,
    pub host: String,
    /// UTC.
    pub since: String,
    pub command: Vec<String>,
}

/// A folder that this process alone writes into, until the value is dropped.
#[derive(Debug)]
pub struct FolderLock {
    /// `None` where the file system has no locks.
    file: Option<File>,
    path: PathBuf,
}

/// Why a folder is not locked.
#[derive(Debug)]
pub enum LockError {
    /// By whom; `None` where that cannot be read.
    Held(Option<Holder>),
    System(io::Error),
}

impl From<io::Error> for LockError {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}

impl FolderLock {
    /// Locks a folder, without waiting.
    ///
    /// # Errors
    /// Where another process holds it, or the file cannot be made.
    pub fn take(folder: &Path, holder: &Holder) -> Result<Self, LockError> {
        let path = folder.join(NAME);
        loop {
            let mut options = OpenOptions::new();
            options.read(true).write(true).create(true).truncate(false);
            // What a link points to is not ours to write.
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::custom_flags(
                &mut options,
                rustix::fs::OFlags::NOFOLLOW.bits() as i32,
            );
            let mut file = options.open(&path)?;
            if !file.metadata()?.is_file() {
                return Err(io::Error::other("it is not a regular file, so no lock can be taken").into());
            }
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(LockError::Held(read(&mut file))),
                Err(TryLockError::Error(_)) => return Ok(Self { file: None, path }),
            }
            // The holder before may have removed the file between the two calls above; a lock on a file without
            // a name keeps nobody out.
            if !is_the_file_at(&file, &path) {
                continue;
            }
            file.set_len(0)?;
            file.write_all(sealed::seal(holder).as_bytes())?;
            return Ok(Self { file: Some(file), path });
        }
    }

    /// Whether others are kept out: not every file system has locks.
    pub fn keeps_out(&self) -> bool {
        self.file.is_some()
    }
}

impl Drop for FolderLock {
    fn drop(&mut self) {
        // While the lock is held, so that no one else's file is removed.
        #[cfg(unix)]
        let _ = fs::remove_file(&self.path);
        drop(self.file.take());
        #[cfg(not(unix))]
        let _ = fs::remove_file(&self.path);
    }
}

/// Whether a folder holds the lock's file: a writer is at work there or was killed.
pub fn is_marked(folder: &Path) -> bool {
    folder.join(NAME).is_file()
}

fn read(file: &mut File) -> Option<Holder> {
    let mut text = Vec::new();
    file.rewind().ok()?;
    file.take(MAX_BYTES).read_to_end(&mut text).ok()?;
    sealed::open::<Holder>(&text).ok()?.sealed().ok()
}

fn is_the_file_at(file: &File, path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let place = |found: fs::Metadata| (found.dev(), found.ino());
        let (own, there) = (file.metadata().map(place), fs::metadata(path).map(place));
        matches!((own, there), (Ok(own), Ok(there)) if own == there)
    }
    // Elsewhere a file that is open keeps its name.
    #[cfg(not(unix))]
    {
        let _ = (file, path);
        true
    }
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { process, host, since, command } = self;
        write!(f, "process {process} on {host}, since {since} (`{}`)", shown(command))
    }
}

/// A command on one line, cut where it is long.
fn shown(command: &[String]) -> String {
    const MAX_CHARS: usize = 120;
    let line = command.join(" ");
    let plain = |char: char| if char.is_control() { '?' } else { char };
    let more = if line.chars().count() > MAX_CHARS { "…" } else { "" };
    line.chars().take(MAX_CHARS).map(plain).collect::<String>() + more
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(process: u32) -> Holder {
        let command = ["hgnnc", "train", "m.hgnn"].map(String::from).into();
        Holder { process, host: "here".into(), since: "2026-01-31T23:59:59Z".into(), command }
    }

    #[test]
    fn a_second_writer_learns_of_the_first_and_may_write_after_it() {
        let folder = tempfile::tempdir().unwrap();
        let first = FolderLock::take(folder.path(), &holder(1)).unwrap();
        assert!(first.keeps_out() && is_marked(folder.path()));
        let Err(LockError::Held(Some(found))) = FolderLock::take(folder.path(), &holder(2)) else {
            panic!("the folder has a writer");
        };
        assert_eq!(found.to_string(), "process 1 on here, since 2026-01-31T23:59:59Z (`hgnnc train m.hgnn`)");
        drop(first);
        assert!(!is_marked(folder.path()));
        FolderLock::take(folder.path(), &holder(2)).unwrap();
    }

    #[test]
    fn what_a_killed_process_left_keeps_nobody_out() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(NAME), "{\"process\": 1").unwrap();
        assert!(is_marked(folder.path()));
        drop(FolderLock::take(folder.path(), &holder(2)).unwrap());
        assert!(!is_marked(folder.path()));
    }

    /// Threads open the file anew for each attempt, as processes do, so that locks keep them apart like these.
    #[test]
    fn there_is_never_more_than_one_writer() {
        use std::sync::atomic::{AtomicUsize, Ordering};
        let folder = tempfile::tempdir().unwrap();
        let (writers, taken) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for process in 0..4 {
                let (path, writers, taken) = (folder.path(), &writers, &taken);
                scope.spawn(move || {
                    for _ in 0..500 {
                        if let Ok(lock) = FolderLock::take(path, &holder(process)) {
                            assert_eq!(writers.fetch_add(1, Ordering::SeqCst), 0);
                            taken.fetch_add(1, Ordering::SeqCst);
                            writers.fetch_sub(1, Ordering::SeqCst);
                            drop(lock);
                        }
                    }
                });
            }
        });
        assert!(taken.into_inner() > 0);
    }
}
