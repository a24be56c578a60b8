//! Standard output: its reader may leave before the end (`hgnnc ops | head`), and a terminal has a width.

use super::wrap;
use std::io::{self, StdoutLock, Write};
use std::sync::atomic::{AtomicBool, Ordering};

/// The reader has gone.
static IS_CLOSED: AtomicBool = AtomicBool::new(false);
/// What is written is data.
static IS_DATA: AtomicBool = AtomicBool::new(false);

/// Where commands write their results.
///
/// What is written after the reader has gone is dropped: the command goes on to its end, so that its exit code says
/// what was found, and a run is trained and kept. Lines that are wider than the terminal are broken between words.
pub struct Stdout {
    lock: StdoutLock<'static>,
    /// Columns; `None` where lines stay as they are.
    width: Option<usize>,
    /// The line that has not ended.
    line: Vec<u8>,
}

/// For text that people read.
pub fn stdout() -> Stdout {
    let width = super::prose_width(&io::stdout());
    let is_data = IS_DATA.load(Ordering::Relaxed) || width == usize::MAX;
    Stdout { lock: io::stdout().lock(), width: (!is_data).then_some(width), line: Vec::new() }
}

/// For text whose lines have a meaning: files, tables for programs, scripts.
pub fn data_stdout() -> Stdout {
    Stdout { lock: io::stdout().lock(), width: None, line: Vec::new() }
}

/// From now on all of standard output is data, as `--format json` asks.
pub fn write_data_only() {
    IS_DATA.store(true, Ordering::Relaxed);
}

fn is_closed() -> bool {
    IS_CLOSED.load(Ordering::Relaxed)
}

fn unless_closed(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
            IS_CLOSED.store(true, Ordering::Relaxed);
            Ok(())
        }
        result => result,
    }
}

impl Stdout {
    fn pass_on(&mut self, bytes: &[u8]) -> io::Result<()> {
        if is_closed() { Ok(()) } else { unless_closed(self.lock.write_all(bytes)) }
    }

    fn write_line(&mut self) -> io::Result<()> {
        let line = std::mem::take(&mut self.line);
        match (self.width, std::str::from_utf8(&line)) {
            (Some(width), Ok(text)) if wrap::columns(text) > width => {
                let (text, end) = text.strip_suffix('\n').map_or((text, ""), |text| (text, "\n"));
                self.pass_on(format!("{}{end}", wrap::fit(text, width)).as_bytes())
            }
            _ => self.pass_on(&line),
        }
    }
}

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.width.is_none() {
            self.pass_on(bytes)?;
            return Ok(bytes.len());
        }
        for part in bytes.split_inclusive(|&byte| byte == b'\n') {
            self.line.extend_from_slice(part);
            if part.ends_with(b"\n") {
                self.write_line()?;
            }
        }
        Ok(bytes.len())
    }

    /// Ends the line that is open, too.
    fn flush(&mut self) -> io::Result<()> {
        self.write_line()?;
        if is_closed() { Ok(()) } else { unless_closed(self.lock.flush()) }
    }
}

impl Drop for Stdout {
    fn drop(&mut self) {
        // A command flushes at its end and reports what goes wrong there.
        let _ = self.write_line();
    }
}
