//! Reading files that others wrote: regular files of bounded size, and nothing else.
//!
//! A path in a model or a data set may lead anywhere: to a device that never ends, a pipe that nobody writes
//! to, the kernel's own files (`/proc`, `/sys`), or a file larger than memory. None of these is read or waited for.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::path::Path;

/// Why a file was not read. `Display` gives the reason as the end of a sentence: "the file `x` cannot be read: …".
#[derive(Debug)]
pub enum ReadError {
    NotFound,
    Folder,
    /// A device, pipe, or socket: what it is, with its article.
    NotRegular(&'static str),
    /// A file that the kernel makes up when it is read.
    Virtual,
    /// More than `max_bytes`; `size` where the file states its own.
    TooLarge {
        size: Option<u64>,
        max_bytes: u64,
    },
    /// The content is not UTF-8 text.
    NotText,
    /// Permissions, hardware, and whatever else the system reports.
    System(io::Error),
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound => f.write_str("it does not exist"),
            Self::Folder => f.write_str("it is a folder"),
            Self::NotRegular(what) => write!(f, "it is {what}, but only regular files are read"),
            Self::Virtual => {
                f.write_str("it is a file of the operating system's kernel, but only files on disk are read")
            }
            Self::TooLarge { size: Some(size), max_bytes } => {
                write!(f, "it has {}, but at most {} are read", bytes(*size), bytes(*max_bytes))
            }
            Self::TooLarge { size: None, max_bytes } => {
                write!(f, "it has more than {}, which is the limit", bytes(*max_bytes))
            }
            Self::NotText => f.write_str("it is not UTF-8 text"),
            Self::System(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for ReadError {}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::NotFound,
            io::ErrorKind::IsADirectory => Self::Folder,
            _ => Self::System(error),
        }
    }
}

impl From<ReadError> for io::Error {
    fn from(error: ReadError) -> Self {
        let kind = match &error {
            ReadError::NotFound => io::ErrorKind::NotFound,
            ReadError::Folder => io::ErrorKind::IsADirectory,
            ReadError::NotRegular(_) | ReadError::Virtual => io::ErrorKind::InvalidInput,
            ReadError::TooLarge { .. } => io::ErrorKind::FileTooLarge,
            ReadError::NotText => io::ErrorKind::InvalidData,
            ReadError::System(_) => io::ErrorKind::Other,
        };
        match error {
            ReadError::System(error) => error,
            error => io::Error::new(kind, error),
        }
    }
}

/// Opens a regular file for reading, without waiting for anything. Links are followed.
///
/// # Errors
/// Where it does not exist, may not be read, or is no regular file on disk.
pub fn open(path: &Path) -> Result<File, ReadError> {
    // Before it is opened, because opening some devices has effects.
    regular(&std::fs::metadata(path)?)?;
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        // What lies there may have become a pipe meanwhile, and opening that would wait for a writer.
        options.custom_flags(rustix::fs::OFlags::NONBLOCK.bits() as i32);
    }
    let file = options.open(path)?;
    regular(&file.metadata()?)?;
    if is_virtual(&file) {
        return Err(ReadError::Virtual);
    }
    Ok(file)
}

/// The content of a regular file.
///
/// # Errors
/// As [`open`], and where it has more than `max_bytes`.
pub fn read(path: &Path, max_bytes: u64) -> Result<Vec<u8>, ReadError> {
    let file = open(path)?;
    let size = file.metadata()?.len();
    if size > max_bytes {
        return Err(ReadError::TooLarge { size: Some(size), max_bytes });
    }
    // The file may grow while it is read.
    take(file, size, max_bytes)
}

/// The content of a regular file that is UTF-8 text.
///
/// # Errors
/// As [`read`], and where it is not UTF-8.
pub fn read_text(path: &Path, max_bytes: u64) -> Result<String, ReadError> {
    String::from_utf8(read(path, max_bytes)?).map_err(|_| ReadError::NotText)
}

/// All that a stream gives, such as standard input.
///
/// # Errors
/// Where it cannot be read, or gives more than `max_bytes`.
pub fn read_stream(stream: impl Read, max_bytes: u64) -> Result<Vec<u8>, ReadError> {
    take(stream, 0, max_bytes)
}

fn take(stream: impl Read, size: u64, max_bytes: u64) -> Result<Vec<u8>, ReadError> {
    let mut content = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
    stream.take(max_bytes.saturating_add(1)).read_to_end(&mut content)?;
    if content.len() as u64 > max_bytes {
        return Err(ReadError::TooLarge { size: None, max_bytes });
    }
    Ok(content)
}

fn regular(metadata: &std::fs::Metadata) -> Result<(), ReadError> {
    if metadata.is_file() {
        return Ok(());
    }
    if metadata.is_dir() {
        return Err(ReadError::Folder);
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        let kind = metadata.file_type();
        if kind.is_fifo() {
            return Err(ReadError::NotRegular("a named pipe"));
        }
        if kind.is_socket() {
            return Err(ReadError::NotRegular("a socket"));
        }
        if kind.is_char_device() || kind.is_block_device() {
            return Err(ReadError::NotRegular("a device"));
        }
    }
    Err(ReadError::NotRegular("not a file"))
}

/// Whether a file lies in one of the file systems that the kernel makes up, such as `/proc` and `/sys`: regular by
/// its kind, of no stated size, and about the machine and its processes (environments with their secrets among it).
#[cfg(target_os = "linux")]
fn is_virtual(file: &File) -> bool {
    // `linux/magic.h`, and `f_type` of `statfs(2)`.
    const KERNEL: &[u64] = &[
        0x9fa0,      // proc
        0x6265_6572, // sysfs
        0x6462_6720, // debugfs
        0x7472_6163, // tracefs
        0x7363_6673, // securityfs
        0x0027_e0eb, // cgroup
        0x6367_7270, // cgroup2
        0x6265_6570, // configfs
        0xde5e_81e4, // efivarfs
        0xcafe_4a11, // bpf
        0x6165_676c, // pstore
        0xf97c_ff8c, // selinux
        0x4249_4e4d, // binfmt_misc
        0x1980_0202, // mqueue
    ];
    // The width and sign of the field differ between machines.
    #[allow(clippy::unnecessary_cast, clippy::cast_sign_loss)]
    rustix::fs::fstatfs(file).is_ok_and(|system| KERNEL.contains(&(system.f_type as u64 & 0xffff_ffff)))
}

#[cfg(not(target_os = "linux"))]
fn is_virtual(_: &File) -> bool {
    false
}

/// `16 MB`, `3 bytes`; rounded to one digit behind the point.
fn bytes(count: u64) -> String {
    let units = [(1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB")];
    for (unit, name) in units {
        if count >= unit {
            let tenths = (count as f64 / unit as f64 * 10.0).round() / 10.0;
            return format!("{tenths} {name}");
        }
    }
    if count == 1 { "1 byte".to_owned() } else { format!("{count} bytes") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(path: &Path, max_bytes: u64) -> String {
        read(path, max_bytes).unwrap_err().to_string()
    }

    #[test]
    fn a_regular_file_is_read_up_to_its_bound() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.hgnn");
        std::fs::write(&path, "gcn(8)").unwrap();
        assert_eq!(read(&path, 6).unwrap(), b"gcn(8)");
        assert_eq!(read_text(&path, 1 << 20).unwrap(), "gcn(8)");
        assert_eq!(reason(&path, 5), "it has 6 bytes, but at most 5 bytes are read");
        std::fs::write(&path, b"\xff").unwrap();
        assert!(matches!(read_text(&path, 6), Err(ReadError::NotText)));
        assert!(matches!(read(folder.path(), 6), Err(ReadError::Folder)));
        assert!(matches!(read(&folder.path().join("none"), 6), Err(ReadError::NotFound)));
    }

    #[test]
    fn a_stream_is_read_up_to_its_bound() {
        assert_eq!(read_stream(&b"gcn"[..], 3).unwrap(), b"gcn");
        let endless = io::repeat(b'x');
        assert_eq!(
            read_stream(endless, 1_000_000).unwrap_err().to_string(),
            "it has more than 1 MB, which is the limit"
        );
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_is_not_waited_for_and_a_socket_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR).unwrap();
        assert_eq!(reason(&pipe, 6), "it is a named pipe, but only regular files are read");
        // The same through a link.
        let link = folder.path().join("link.hgnn");
        std::os::unix::fs::symlink(&pipe, &link).unwrap();
        assert_eq!(reason(&link, 6), "it is a named pipe, but only regular files are read");
        let socket = folder.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        assert_eq!(reason(&socket, 6), "it is a socket, but only regular files are read");
        assert_eq!(reason(Path::new("/dev/zero"), 6), "it is a device, but only regular files are read");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn files_of_the_kernel_are_not_read() {
        for path in ["/proc/self/environ", "/proc/self/fd/../environ", "/sys/kernel/uevent_seqnum"] {
            if Path::new(path).exists() {
                assert!(matches!(read(Path::new(path), 1 << 20), Err(ReadError::Virtual)), "{path}");
            }
        }
    }

    #[test]
    fn sizes_are_written_for_reading() {
        assert_eq!([bytes(1), bytes(999), bytes(16_000_000)], ["1 byte", "999 bytes", "16 MB"]);
        assert_eq!(bytes(5_460_000_000), "5.5 GB");
    }
}
