//! A text file of records, one per line, that grows by whole lines.

use super::sealed::{Chain, SealError};
use crate::regular;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;

/// Reads a file of records, each sealed; a line without its end is what a killed process left, and no record.
///
/// # Errors
/// Where the file is missing or too large, or a line is damaged; the line is counted from 1.
pub fn read<T: DeserializeOwned>(path: &Path, max_bytes: u64) -> Result<Vec<T>, LinesError> {
    Ok(read_first(path, usize::MAX, max_bytes)?.0)
}

/// Why a file of records is not read.
#[derive(Debug, thiserror::Error)]
pub enum LinesError {
    #[error(transparent)]
    Read(#[from] regular::ReadError),
    #[error(transparent)]
    System(#[from] io::Error),
    #[error("line {line}: {error}")]
    Damaged { line: usize, error: SealError },
    #[error("it has {found}, but {expected} are expected", found = n_lines(*found))]
    Short { found: usize, expected: usize },
    #[error("its first lines are not those that were written when the run was saved")]
    Replaced,
}

fn n_lines(count: usize) -> String {
    if count == 1 { "1 line".to_owned() } else { format!("{count} lines") }
}

/// The first `n_lines` records, their checksum, and how many bytes they take.
fn read_first<T: DeserializeOwned>(
    path: &Path,
    n_lines: usize,
    max_bytes: u64,
) -> Result<(Vec<T>, Chain, u64), LinesError> {
    let text = regular::read(path, max_bytes)?;
    let (mut records, mut chain, mut length) = (Vec::new(), Chain::default(), 0);
    for line in text.split_inclusive(|&byte| byte == b'\n').take(n_lines) {
        let Some(content) = line.strip_suffix(b"\n") else { break };
        let record = chain.open(content);
        records.push(record.map_err(|error| LinesError::Damaged { line: records.len() + 1, error })?);
        length += line.len() as u64;
    }
    Ok((records, chain, length))
}

/// A file of records, open to be appended to.
#[derive(Debug)]
pub struct Lines<F = File> {
    file: F,
    /// Bytes of all whole lines.
    length: u64,
    chain: Chain,
}

impl Lines {
    /// Opens a file without records, whatever it held before.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn create(path: &Path) -> Result<Self, LinesError> {
        Self::at(path, 0, Chain::default())
    }

    /// Opens a file, keeps its first `n_lines` records, which must end in this checksum, and gives them.
    ///
    /// # Errors
    /// Where the file cannot be read or written, has fewer lines, or they are others.
    pub fn reopen<T: DeserializeOwned>(
        path: &Path,
        (n_lines, checksum): (usize, &str),
        max_bytes: u64,
    ) -> Result<(Self, Vec<T>), LinesError> {
        if n_lines == 0 {
            return Ok((Self::create(path)?, Vec::new()));
        }
        let (records, chain, length) = read_first(path, n_lines, max_bytes)?;
        if records.len() < n_lines {
            return Err(LinesError::Short { found: records.len(), expected: n_lines });
        }
        if chain.last() != checksum {
            return Err(LinesError::Replaced);
        }
        Ok((Self::at(path, length, chain)?, records))
    }

    fn at(path: &Path, length: u64, chain: Chain) -> Result<Self, LinesError> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false);
        // What a link points to is not ours to cut.
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::custom_flags(
            &mut options,
            (rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK).bits() as i32,
        );
        let mut file = options.open(path)?;
        file.truncate(length)?;
        Ok(Self { file, length, chain })
    }

    /// Makes what was appended last over a power cut.
    ///
    /// # Errors
    /// Where the disk fails.
    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
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
    /// Appends a record; where that fails, what was written of it is cut off again.
    ///
    /// # Errors
    /// Where the disk is full.
    pub fn append(&mut self, record: &impl Serialize) -> io::Result<()> {
        let mut chain = self.chain.clone();
        let line = chain.seal(record) + "\n";
        if let Err(error) = self.file.write_all(line.as_bytes()) {
            let _ = self.file.truncate(self.length);
            return Err(error);
        }
        self.length += line.len() as u64;
        self.chain = chain;
        Ok(())
    }

    /// The checksum of all lines; empty before the first.
    pub fn checksum(&self) -> &str {
        self.chain.last()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use std::fs;

    const MAX: u64 = 1 << 20;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Record {
        n: usize,
    }

    fn record(n: usize) -> Record {
        Record { n }
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
    fn a_line_that_does_not_fit_leaves_no_half_and_the_next_one_follows_the_last() {
        let mut lines =
            Lines { file: Full { content: Vec::new(), room: 150 }, length: 0, chain: Chain::default() };
        lines.append(&record(1)).unwrap();
        let one = lines.file.content.clone();
        assert!(lines.append(&record(2)).is_err());
        assert_eq!(lines.file.content, one);
        lines.file.room = 300;
        lines.append(&record(3)).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        fs::write(&path, &lines.file.content).unwrap();
        assert_eq!(read::<Record>(&path, MAX).unwrap(), [record(1), record(3)]);
    }

    #[test]
    fn lines_after_the_resumed_epoch_are_cut_off() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        let mut lines = Lines::create(&path).unwrap();
        let mut checksums = Vec::new();
        for number in 1..=3 {
            lines.append(&record(number)).unwrap();
            checksums.push(lines.checksum().to_owned());
        }
        let mut text = fs::read(&path).unwrap();
        text.extend_from_slice(b"{\"n\":4,\"chec");
        fs::write(&path, &text).unwrap();
        assert_eq!(read::<Record>(&path, MAX).unwrap().len(), 3);
        let (mut lines, kept) = Lines::reopen::<Record>(&path, (2, &checksums[1]), MAX).unwrap();
        assert_eq!(kept, [record(1), record(2)]);
        lines.append(&record(5)).unwrap();
        assert_eq!(read::<Record>(&path, MAX).unwrap(), [record(1), record(2), record(5)]);

        let refused = |n_lines, checksum: &str| {
            let before = fs::read(&path).unwrap();
            let error = Lines::reopen::<Record>(&path, (n_lines, checksum), MAX).unwrap_err().to_string();
            assert_eq!(fs::read(&path).unwrap(), before, "a refused file is left alone");
            error
        };
        assert!(refused(3, &checksums[2]).contains("its first lines are not those"));
        assert_eq!(refused(4, &checksums[2]), "it has 3 lines, but 4 are expected");
    }

    #[cfg(unix)]
    #[test]
    fn the_file_behind_a_link_is_not_cut() {
        let folder = tempfile::tempdir().unwrap();
        let (target, link) = (folder.path().join("target"), folder.path().join("metrics.jsonl"));
        fs::write(&target, "mine").unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        assert!(Lines::create(&link).is_err());
        assert_eq!(fs::read_to_string(&target).unwrap(), "mine");
    }
}
