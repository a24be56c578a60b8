//! Files that are either there whole or not at all.

use super::error::{AtPath, Result};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;

/// Writes a file aside, syncs it and renames it, so that a reader sees the old content or the new one, whatever happens.
///
/// # Errors
/// Where the folder cannot be written or the disk is full; then nothing of the new content is left behind.
pub fn write(path: &Path, content: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
    // What a link points to is replaced, not the link; a device or pipe is written as it is.
    let resolved = fs::canonicalize(path);
    let path = resolved.as_deref().unwrap_or(path);
    if fs::metadata(path).is_ok_and(|found| !found.is_file()) {
        let attempt = || -> io::Result<()> {
            let mut file = BufWriter::new(OpenOptions::new().write(true).open(path)?);
            content(&mut file)?;
            file.flush()
        };
        return attempt().at("write", path);
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let attempt = || -> io::Result<()> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(".hgnnc-").suffix(".part");
        // A temporary file is private by default; a result is for whom the user's umask says.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let mut file = BufWriter::new(builder.tempfile_in(folder)?);
        content(&mut file)?;
        let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|failed| failed.error)?;
        sync_folder(folder);
        Ok(())
    };
    attempt().at("write", path)
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

/// A text file that grows by whole lines.
#[derive(Debug)]
pub struct Lines<F = File> {
    file: F,
    /// Bytes of all whole lines.
    length: u64,
}

impl Lines {
    /// Opens `path`, keeps its first `n_lines` lines and appends after them; returns those lines too.
    ///
    /// # Errors
    /// Where the file cannot be read or written, or has fewer lines.
    pub fn open(path: &Path, n_lines: usize) -> Result<(Self, Vec<String>)> {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .at("open", path)?;
        let mut text = String::new();
        file.read_to_string(&mut text).at("read", path)?;
        let kept: Vec<&str> =
            text.split_inclusive('\n').filter(|line| line.ends_with('\n')).take(n_lines).collect();
        if kept.len() < n_lines {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("it has {} lines, {n_lines} are expected", kept.len()),
            ))
            .at("resume from", path);
        }
        let length = kept.iter().map(|line| line.len() as u64).sum();
        let lines = kept.into_iter().map(|line| line.trim_end().to_string()).collect();
        file.set_len(length).at("write", path)?;
        file.seek(SeekFrom::Start(length)).at("write", path)?;
        Ok((Self { file, length }, lines))
    }
}

/// A file that can be cut back to its whole lines.
pub trait Truncate: Write {
    fn truncate(&mut self, length: u64) -> io::Result<()>;
}

impl Truncate for File {
    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.set_len(length)?;
        self.seek(SeekFrom::Start(length)).map(|_| ())
    }
}

impl<F: Truncate> Lines<F> {
    /// Appends a line; where that fails, what was written of it is cut off again.
    ///
    /// # Errors
    /// Where the disk is full.
    pub fn append(&mut self, path: &Path, line: &str) -> Result<()> {
        let mut bytes = Vec::with_capacity(line.len() + 1);
        bytes.extend_from_slice(line.as_bytes());
        bytes.push(b'\n');
        if let Err(error) = self.file.write_all(&bytes) {
            let _ = self.file.truncate(self.length);
            return Err(error).at("write", path);
        }
        self.length += bytes.len() as u64;
        Ok(())
    }
}

/// Removes a file if it is there.
///
/// # Errors
/// Where it is there and cannot be removed.
pub fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error).at("remove", path),
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
        assert!(error.to_string().contains("checkpoint"), "{error}");
        assert!(error.help().unwrap().contains("make room"));
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(names(folder.path()), ["checkpoint"]);
    }

    #[test]
    fn a_missing_folder_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gone/file");
        let error = write(&path, |out| out.write_all(b"x")).unwrap_err();
        assert!(error.to_string().contains("gone"), "{error}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_device_is_written_and_not_replaced() {
        let error = write(Path::new("/dev/full"), |out| out.write_all(b"x")).unwrap_err();
        assert!(error.help().unwrap().contains("make room"), "{error}");
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

    /// Takes the first bytes of a line, then has no more room.
    struct Full {
        content: Vec<u8>,
        room: usize,
    }
    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let n = bytes.len().min(self.room - self.content.len());
            if n == 0 {
                return Err(io::Error::from(io::ErrorKind::StorageFull));
            }
            self.content.extend_from_slice(&bytes[..n]);
            Ok(n)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    impl Truncate for Full {
        fn truncate(&mut self, length: u64) -> io::Result<()> {
            self.content.truncate(length as usize);
            Ok(())
        }
    }

    #[test]
    fn a_line_that_does_not_fit_leaves_no_half() {
        let mut lines = Lines { file: Full { content: Vec::new(), room: 10 }, length: 0 };
        lines.append(Path::new("metrics"), "12345").unwrap();
        assert!(lines.append(Path::new("metrics"), "67890").is_err());
        assert_eq!(lines.file.content, b"12345\n");
    }

    #[test]
    fn lines_after_the_resumed_epoch_are_cut_off() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        fs::write(&path, "1\n2\n3\nhal").unwrap();
        let (mut lines, kept) = Lines::open(&path, 2).unwrap();
        assert_eq!(kept, ["1", "2"]);
        lines.append(&path, "4").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "1\n2\n4\n");
        assert!(Lines::open(&path, 5).is_err());
    }
}
