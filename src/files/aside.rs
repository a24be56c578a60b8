//! Files that are there whole or not at all: written aside, then renamed.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use tempfile::NamedTempFile;

/// Names of files that are being written.
const PREFIX: &str = ".hgnnc-";
const SUFFIX: &str = ".part";

/// Writes a file aside, syncs it and renames it, so that a reader sees the old content or the new one, whatever happens.
///
/// # Errors
/// Where the folder cannot be written or the disk is full; then nothing of the new content is left behind.
pub fn write(path: &Path, content: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    // What a link points to is replaced, not the link; a device or pipe is written as it is.
    let resolved = fs::canonicalize(path);
    let path = resolved.as_deref().unwrap_or(path);
    if fs::metadata(path).is_ok_and(|found| !found.is_file()) {
        let mut file = BufWriter::new(OpenOptions::new().write(true).open(path)?);
        content(&mut file)?;
        return file.flush();
    }
    replace(path, content)
}

/// The same, but what stands at `path` is replaced whatever it is, a link too: for folders whose content is ours.
///
/// # Errors
/// As [`write`].
pub fn replace(path: &Path, content: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = BufWriter::new(create_in(folder)?);
    content(&mut file)?;
    let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|failed| failed.error)?;
    sync_folder(folder);
    Ok(())
}

/// A file to be written aside in a folder and then renamed. It goes away with the value; where the process is killed
/// instead, the next one that writes there removes it.
///
/// # Errors
/// Where the folder cannot be written.
pub fn create_in(folder: &Path) -> io::Result<NamedTempFile> {
    static CLEANED: Mutex<Option<HashSet<PathBuf>>> = Mutex::new(None);
    let is_new = {
        let mut cleaned = CLEANED.lock().unwrap_or_else(PoisonError::into_inner);
        cleaned.get_or_insert_default().insert(folder.to_path_buf())
    };
    if is_new {
        remove_abandoned(folder);
    }
    let mut builder = tempfile::Builder::new();
    builder.prefix(PREFIX).suffix(SUFFIX);
    // A temporary file is private by default; a result is for whom the user's umask says.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    loop {
        let file = builder.tempfile_in(folder)?;
        // The lock tells others that this file has a writer. One of them may have been faster than the lock and
        // taken the file for abandoned; then it no longer has a name.
        let is_locked = file.as_file().lock().is_ok();
        if !is_locked || has_name(file.as_file()) {
            return Ok(file);
        }
    }
}

/// Removes the files in a folder that processes which were killed meanwhile have left behind: those that nobody holds
/// a lock on. What cannot be removed stays.
pub fn remove_abandoned(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let is_ours = name.to_str().is_some_and(|name| name.starts_with(PREFIX) && name.ends_with(SUFFIX));
        if !is_ours || !entry.file_type().is_ok_and(|kind| kind.is_file()) {
            continue;
        }
        // Without locks on the file system nothing is known, so nothing is removed.
        if let Ok(file) = OpenOptions::new().read(true).write(true).open(entry.path())
            && file.try_lock().is_ok()
        {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Whether a file still stands in a folder.
fn has_name(file: &File) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        file.metadata().is_ok_and(|found| found.nlink() > 0)
    }
    // Elsewhere a file that is open keeps its name.
    #[cfg(not(unix))]
    {
        let _ = file;
        true
    }
}

/// Makes a rename last over a power cut. Not every file system can sync a folder, so a failure is no error.
fn sync_folder(folder: &Path) {
    #[cfg(unix)]
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
    #[cfg(not(unix))]
    let _ = folder;
}

/// Removes a file if it is there.
///
/// # Errors
/// Where it is there and cannot be removed.
pub fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_failed_write_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint");
        write(&path, |out| out.write_all(b"old")).unwrap();
        let error = write(&path, |out| {
            out.write_all(&[7; 100_000])?;
            Err(io::Error::from(io::ErrorKind::StorageFull))
        })
        .unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(names(folder.path()), ["checkpoint"]);
    }

    #[test]
    fn files_of_killed_processes_are_removed_and_those_of_living_ones_stay() {
        let folder = tempfile::tempdir().unwrap();
        let living = create_in(folder.path()).unwrap();
        // A file without a lock is what a process leaves that was killed while it wrote.
        fs::write(folder.path().join(".hgnnc-abc.part"), "half").unwrap();
        fs::write(folder.path().join(".hgnnc-of-the-user"), "mine").unwrap();
        fs::create_dir(folder.path().join(".hgnnc-folder.part")).unwrap();
        remove_abandoned(folder.path());
        let own = living.path().file_name().unwrap().to_str().unwrap().to_owned();
        let mut expected = [own, ".hgnnc-of-the-user".into(), ".hgnnc-folder.part".into()];
        expected.sort();
        assert_eq!(names(folder.path()), expected);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_device_is_written_and_not_replaced() {
        let error = write(Path::new("/dev/full"), |out| out.write_all(b"x")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        write(Path::new("/dev/null"), |out| out.write_all(b"x")).unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
    }

    #[cfg(unix)]
    #[test]
    fn the_file_behind_a_link_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let (target, link) = (folder.path().join("target"), folder.path().join("link"));
        fs::write(&target, "old").unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        write(&link, |out| out.write_all(b"new")).unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"new");
    }
}
