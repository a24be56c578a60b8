//! How much of a data set is read: a bound on the bytes of all its files together, as they unpack to.
//!
//! A zip archive of ten megabytes can unpack to ten gigabytes. Parts are read as streams, so a file of zeros is
//! refused at its first line; the bound is for what looks like data and never ends.

use super::super::error::DataError;
use std::fmt;
use std::io::{self, Read};
use std::path::PathBuf;

/// 1 GiB. The largest sets that the literature uses (COLLAB, REDDIT-MULTI-12K) have about 400 MB.
pub const DEFAULT_MAX_BYTES: u64 = 1 << 30;

/// The environment variable that sets another bound.
pub const MAX_SIZE_VARIABLE: &str = "HGNN_MAX_DATA_SIZE";

/// A size as people write it: `4GB`, `512 MiB`, `1.5g`, `4096`.
///
/// # Errors
/// What is wrong with it.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let digits = text.find(|char: char| !(char.is_ascii_digit() || char == '.')).unwrap_or(text.len());
    let (number, unit) = (&text[..digits], text[digits..].trim());
    let number: f64 = number
        .parse()
        .map_err(|_| format!("`{text}` is not a size: write a number with a unit, as in `2GB`"))?;
    let factor: f64 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "k" | "kb" => 1e3,
        "m" | "mb" => 1e6,
        "g" | "gb" => 1e9,
        "t" | "tb" => 1e12,
        "kib" => 1024.0,
        "mib" => 1024f64.powi(2),
        "gib" => 1024f64.powi(3),
        "tib" => 1024f64.powi(4),
        other => {
            return Err(format!(
                "`{other}` is not a unit of memory: write B, kB, MB, GB, TB, KiB, MiB, GiB or TiB"
            ));
        }
    };
    let size = number * factor;
    // Beyond 2⁵³ bytes a number of bytes is no longer exact, and no machine has as many.
    if size < 1.0 {
        Err("a limit has to be larger than zero".to_owned())
    } else if size > 9e15 {
        Err(format!("`{text}` is more than any machine has"))
    } else {
        Ok(size as u64)
    }
}

/// `1.1 GB`, `26 MB`
pub fn size_in_words(bytes: u64) -> String {
    let units = [(1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB")];
    match units.iter().find(|(unit, _)| bytes >= *unit) {
        Some(&(unit, name)) => {
            let value = bytes as f64 / unit as f64;
            if value < 10.0 { format!("{value:.1} {name}") } else { format!("{value:.0} {name}") }
        }
        None => format!("{bytes} bytes"),
    }
}

/// A set that is larger than may be read.
#[derive(Debug)]
pub struct Exceeded {
    /// The folder or archive.
    pub place: PathBuf,
    pub max_bytes: u64,
}

impl Exceeded {
    /// `size` is what the next file states of itself; `used` what was read before it.
    pub fn error(&self, size: Option<u64>, used: u64) -> DataError {
        let max = size_in_words(self.max_bytes);
        let found = match size {
            Some(size) => size_in_words(size.saturating_add(used)),
            None => format!("more than {max}"),
        };
        let wanted =
            size.map_or(self.max_bytes.saturating_mul(4), |size| size.saturating_add(used).saturating_mul(2));
        let gibibytes = wanted.div_ceil(1 << 30).max(1);
        DataError::new(
            "data::too_large",
            format!("the data set has {found} of text when unpacked; the limit is {max}"),
        )
        .file(self.place.display().to_string())
        .help(format!(
            "if it is meant to be that large, allow it: `--max-data-size {gibibytes}GiB`, or \
             {MAX_SIZE_VARIABLE}={gibibytes}GiB"
        ))
    }
}

/// Raised by a reader that has given as much as it may.
#[derive(Debug)]
pub struct OverLimit;

impl fmt::Display for OverLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("more than the limit")
    }
}

impl std::error::Error for OverLimit {}

/// A reader that counts, and fails once it has given more than `left` bytes.
pub struct Metered<'a, R> {
    inner: R,
    left: u64,
    used: &'a mut u64,
}

impl<'a, R> Metered<'a, R> {
    pub fn new(inner: R, left: u64, used: &'a mut u64) -> Self {
        Self { inner, left, used }
    }
}

impl<R: Read> Read for Metered<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        *self.used += n as u64;
        match self.left.checked_sub(n as u64) {
            Some(left) => self.left = left,
            None => return Err(io::Error::other(OverLimit)),
        }
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_their_units() {
        assert_eq!(parse_size("2GB"), Ok(2_000_000_000));
        assert_eq!(parse_size("512 MiB"), Ok(512 << 20));
        assert_eq!(parse_size("1.5g"), Ok(1_500_000_000));
        assert_eq!(parse_size(" 4096 "), Ok(4096));
        for wrong in ["", "GB", "2 apples", "0", "1.2.3MB", "-1GB", "9999999TB", "1e99"] {
            assert!(parse_size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_metered_reader_gives_as_much_as_it_may() {
        let mut used = 0;
        let mut all = Vec::new();
        Metered::new(&b"12345"[..], 5, &mut used).read_to_end(&mut all).expect("within the limit");
        assert_eq!((all.len(), used), (5, 5));
        let error = Metered::new(io::repeat(b'1'), 4, &mut used).read_to_end(&mut all).expect_err("endless");
        assert!(error.get_ref().is_some_and(|inner| inner.is::<OverLimit>()));
    }

    #[test]
    fn sizes_are_written_for_reading() {
        assert_eq!([12, 26_332_107, 1_073_741_824].map(size_in_words), ["12 bytes", "26 MB", "1.1 GB"]);
    }
}
