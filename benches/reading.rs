//! Reading the raw files of data sets, everything checked and made ready for batches, without the cache.
//!
//! ```text
//! HGNN_DATA=… cargo bench --bench reading             every set that is there
//! HGNN_DATA=… cargo bench --bench reading -- cora DD  sets whose name contains a word
//! ```
//!
//! `benches/pyg/reading.py` has PyTorch Geometric read the same files. A line is printed for each set as JSON: the median and the
//! shortest time of a reading, and the median of the processor's time, which other work on the machine changes little.

use hgnn::args::ArgValue;
use hgnn::data::{self, DataOptions};
use hgnn::kernels::threads;
use std::path::Path;
use std::time::{Duration, Instant};

/// As in the command, so that pages are kept from one reading to the next.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Source and place of each set below the data folder; of two places the first that is there.
const SETS: [(&str, &str, [&str; 2]); 8] = [
    ("MUTAG", "tu", ["tu/MUTAG/", "tu/MUTAG.zip"]),
    ("ENZYMES", "tu", ["tu/ENZYMES/", "tu/ENZYMES.zip"]),
    ("PROTEINS", "tu", ["tu/PROTEINS/", "tu/PROTEINS.zip"]),
    ("AIDS", "tu", ["tu/AIDS/", "tu/AIDS.zip"]),
    ("DD", "tu", ["tu/DD/", "tu/DD.zip"]),
    ("REDDIT-BINARY", "tu", ["tu/REDDIT-BINARY/", "tu/REDDIT-BINARY.zip"]),
    ("cora", "planetoid", ["planetoid/cora", "planetoid/cora/raw"]),
    ("FB15k-237", "triples", ["kg/FB15k-237", "kg/FB15k-237/raw"]),
];

/// Readings of a set, and for how long they go on at most.
const N_TIMES: usize = 20;
const MOST: Duration = Duration::from_secs(20);

/// Seconds that the processor has worked for this process.
fn processor_s() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call writes to `time` and nothing else.
    let done = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
    assert_eq!(done, 0, "the clock can be read");
    time.tv_sec as f64 + 1e-9 * time.tv_nsec as f64
}

fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let Some(folder) = std::env::var_os("HGNN_DATA") else {
        eprintln!("HGNN_DATA names the folder of the data sets");
        return;
    };
    // PyG's side reads on one thread too.
    threads::set_count(1);
    for (name, source, places) in SETS {
        if !words.is_empty() && !words.iter().any(|word| name.contains(word.as_str())) {
            continue;
        }
        let Some(path) = places.iter().map(|place| Path::new(&folder).join(place)).find(|path| path.exists())
        else {
            continue;
        };
        let call = data::call(source, &[("name", ArgValue::Text(path.display().to_string()))]);
        let options = DataOptions::folder(&folder);
        let read = || data::load(&call, &options).expect("a whole set");
        // The first reading fills the system's cache of files.
        let set = read();
        let (mut walls, mut works) = (Vec::new(), Vec::new());
        let begin = Instant::now();
        while walls.len() < N_TIMES && (walls.is_empty() || begin.elapsed() < MOST) {
            let (start, worked) = (Instant::now(), processor_s());
            std::hint::black_box(read());
            walls.push(1e3 * start.elapsed().as_secs_f64());
            works.push(1e3 * (processor_s() - worked));
        }
        let best = walls.iter().copied().fold(f64::INFINITY, f64::min);
        println!(
            "{}",
            serde_json::json!({
                "set": name,
                "n_edges": set.n_edges(),
                "median_ms": median(&mut walls),
                "best_ms": best,
                "processor_ms": median(&mut works),
            })
        );
    }
}
