//! Memory: what does not fit is refused before it begins, and a process that gets no more says what it has kept.

use super::{Failure, Format, code, note};
use crate::data::Dataset;
use crate::estimate::ProcessMemory;
use crate::estimate::fits::{self, Shortage, Way};
use crate::memory;
use crate::memory::exhausted;
use crate::memory::room::Limit;
use crate::plan::words::{bytes, grouped};
use crate::train::{self, SavedModel};
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// The option of commands that compute.
#[derive(Debug, Clone, clap::Args)]
pub struct MemoryArgs {
    /// Begin although the estimate says that memory will not suffice
    #[arg(long)]
    pub ignore_memory: bool,
}

impl MemoryArgs {
    /// Refuses what does not fit, or with `--ignore-memory` notes it. `what` is a noun: `training m.hgnn on karate()`.
    ///
    /// # Errors
    /// The refusal, with the numbers and what would fit.
    pub fn judge(&self, what: &str, shortage: Option<&Shortage>) -> Result<(), Failure> {
        let Some(shortage) = shortage else { return Ok(()) };
        let message = message(what, shortage);
        if self.ignore_memory {
            note(&format!("{message}; it begins all the same, as `--ignore-memory` asks"));
            return Ok(());
        }
        Err(Failure::new(message).code(code::MEMORY).help(help(shortage)))
    }
}

impl MemoryArgs {
    /// The same of measuring with a saved model, or predicting with it, for the graphs of some parts, and of ranking some links. `base_bytes` is what the
    /// process had taken before it read anything.
    ///
    /// # Errors
    /// The refusal.
    pub fn judge_use(
        &self,
        what: &str,
        model: &SavedModel,
        data: &Dataset,
        parts: &[Vec<u32>],
        ranked: &[Vec<u32>],
        base_bytes: Option<u64>,
    ) -> Result<(), Failure> {
        let Some(room) = memory::room::room().filter(|_| model.is_on_cpu()) else { return Ok(()) };
        let process = ProcessMemory::new(base_bytes, memory::resident_bytes());
        let (what_model, size) = (model.model.get(), model.batch_size());
        let shortage = fits::evaluation(what_model, data, parts, ranked, size, process, room);
        self.judge(what, shortage.as_ref())
    }
}

/// What is too large, and for what.
pub fn message(what: &str, shortage: &Shortage) -> String {
    let (peak, allowed) = (bytes(shortage.peak_bytes), bytes(shortage.allowed_bytes));
    let limit = match &shortage.room.limit {
        Limit::Machine => {
            return format!(
                "{what} needs about {peak} of memory at its peak, but only {allowed} are available on this machine"
            );
        }
        Limit::ControlGroup { folder, file, bytes: limit } => {
            format!(
                "the control group of this process is limited to {} ({})",
                bytes(*limit as f64),
                folder.join(file).display()
            )
        }
        Limit::AddressSpace { bytes: limit } => {
            format!("the address space of this process is limited to {} (`ulimit -v`)", bytes(*limit as f64))
        }
        Limit::Data { bytes: limit } => {
            format!("the data of this process is limited to {} (`ulimit -d`)", bytes(*limit as f64))
        }
    };
    format!("{what} needs about {peak} of memory at its peak, but only {allowed} are available: {limit}")
}

fn help(shortage: &Shortage) -> String {
    let graphs = if shortage.n_graphs == 1 { "graph" } else { "graphs" };
    if shortage.n_matrices > 0 {
        return grams_help(shortage);
    }
    let mut help = format!(
        "the largest batch has {} {graphs} with {} nodes and {} directed edges",
        grouped(shortage.n_graphs),
        grouped(shortage.n_nodes as usize),
        grouped(shortage.n_edges as usize)
    );
    for way in &shortage.ways {
        help += &match way {
            Way::Clusters { operator, written, n_clusters, k, peak_bytes } => format!(
                "\nwrite `{operator}(k = {k})` in place of `{written}`, which makes {} clusters: about {}",
                grouped(*n_clusters),
                bytes(*peak_bytes)
            ),
            Way::BatchSize { size, peak_bytes } => {
                format!("\nwrite `batch_size = {size}` in `train`: about {}", bytes(*peak_bytes))
            }
        };
    }
    if shortage.ways.is_empty() {
        help +=
            "\nmake the layers narrower or fewer, leave large graphs out, or use a machine with more memory";
    }
    help + "\n`--ignore-memory` tries all the same"
}

/// The same of a graph kernel.
fn grams_help(shortage: &Shortage) -> String {
    let n = grouped(shortage.n_graphs);
    let matrices = if shortage.n_matrices == 1 { "matrix" } else { "matrices" };
    let fewer = if shortage.n_matrices > 1 { "\nwrite one `h` in place of a list: one matrix" } else { "" };
    format!(
        "each two of {n} graphs are compared, in {} {matrices} of {n} × {n} numbers{fewer}\nleave graphs out, or use a machine with \
         more memory\n`--ignore-memory` tries all the same",
        shortage.n_matrices
    )
}

/// Whether the process answers in JSON.
static AS_JSON: AtomicBool = AtomicBool::new(false);

/// The run in progress, as its folders are told.
static RUN: Mutex<Option<RunInProgress>> = Mutex::new(None);

#[derive(Debug, Clone)]
struct RunInProgress {
    /// What `--resume` names.
    folder: PathBuf,
    /// Where the weights are kept.
    unit: PathBuf,
}

/// From now on a process that gets no more memory ends with a message.
pub fn answer_where_memory_ends(format: Format) {
    AS_JSON.store(format == Format::Json, Ordering::Relaxed);
    exhausted::on_exhausted(end_without_memory);
}

/// Notes which run this process writes, so that the message can name it.
pub fn note_run(unit: &Path, is_of_several: bool) {
    let folder = if is_of_several { unit.parent().unwrap_or(unit) } else { unit };
    let run = RunInProgress { folder: folder.to_path_buf(), unit: unit.to_path_buf() };
    *RUN.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(run);
}

/// What a process that gets no more memory says.
fn exhausted_failure(bytes_asked: usize, run: Option<&RunInProgress>) -> Failure {
    let failure = Failure::new(format!(
        "the system gives no more memory: {} were asked for at once",
        bytes(bytes_asked as f64)
    ))
    .code(code::MEMORY);
    let smaller = "`hgnnc estimate FILE` says what needs how much; a smaller batch, fewer clusters (`k = …`) or narrower \
                   layers need less";
    let Some(RunInProgress { folder, unit }) = run else { return failure.help(smaller) };
    let folder = folder.display();
    let kept = match train::kept_weights(unit) {
        Some(path) => format!(
            "the weights kept so far are in {}; with more memory, `hgnnc train --resume {folder}` goes on from the last \
             saved state",
            path.display()
        ),
        None => format!(
            "no epoch was saved yet; with more memory, `hgnnc train --resume {folder}` begins it again"
        ),
    };
    failure.help(format!("{kept}\n{smaller}"))
}

/// Writes the message past all buffers and locks, which another thread may hold for ever.
fn end_without_memory(bytes_asked: usize) -> ! {
    let run = RUN.try_lock().ok().and_then(|run| run.clone());
    let failure = exhausted_failure(bytes_asked, run.as_ref());
    let is_json = AS_JSON.load(Ordering::Relaxed);
    // A line of progress may stand there.
    let clear = if std::io::stderr().is_terminal() { "\r\x1b[K" } else { "" };
    let text =
        if is_json { format!("{}\n", failure.json()) } else { format!("{clear}{}", failure.text(100)) };
    write_at_once(if is_json { 1 } else { 2 }, text.as_bytes());
    exhausted::end(2)
}

/// Writes to a file descriptor of the process; where it is closed, there is no one to tell.
fn write_at_once(descriptor: i32, text: &[u8]) {
    #[cfg(unix)]
    {
        use std::mem::ManuallyDrop;
        use std::os::fd::FromRawFd;
        // SAFETY: standard output and error are open or refuse the write, and the file is not dropped, so it is not
        // closed.
        let mut file = ManuallyDrop::new(unsafe { std::fs::File::from_raw_fd(descriptor) });
        let _ = file.write_all(text);
    }
    #[cfg(not(unix))]
    {
        let _ = if descriptor == 1 {
            std::io::stdout().write_all(text)
        } else {
            std::io::stderr().write_all(text)
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::room::Room;

    fn shortage(limit: Limit, ways: Vec<Way>) -> Shortage {
        Shortage {
            peak_bytes: 102e9,
            allowed_bytes: 4e9,
            room: Room { left_bytes: 3_900_000_000, limit },
            n_graphs: 1,
            n_nodes: 1e5,
            n_edges: 4e5,
            n_matrices: 0,
            ways,
        }
    }

    #[test]
    fn a_refusal_names_both_numbers_and_a_way_out() {
        let args = MemoryArgs { ignore_memory: false };
        let way = Way::Clusters {
            operator: "diffpool",
            written: "ratio = 0.25".into(),
            n_clusters: 25_000,
            k: 500,
            peak_bytes: 2.1e9,
        };
        let limit = Limit::AddressSpace { bytes: 4_096_000_000 };
        let failure = args.judge("training m.hgnn on X", Some(&shortage(limit, vec![way]))).unwrap_err();
        assert_eq!(
            failure.message,
            "training m.hgnn on X needs about 102 GB of memory at its peak, but only 4.0 GB are available: the address \
             space of this process is limited to 4.1 GB (`ulimit -v`)"
        );
        assert_eq!(
            failure.help.unwrap(),
            "the largest batch has 1 graph with 100,000 nodes and 400,000 directed edges\n\
             write `diffpool(k = 500)` in place of `ratio = 0.25`, which makes 25,000 clusters: about 2.1 GB\n\
             `--ignore-memory` tries all the same"
        );
        assert!(args.judge("training", None).is_ok());
        let ignoring = MemoryArgs { ignore_memory: true };
        assert!(ignoring.judge("training", Some(&shortage(Limit::Machine, Vec::new()))).is_ok());
    }
}
