//! How many threads compute: our kernels' team, while Candle's own pools get one thread.

/// Sizes the team of threads that kernels run on and keeps Candle's pools at one thread. Has to be called before any other
/// thread exists, and once.
pub fn set_up(threads: Option<usize>) {
    let asked = || std::env::var("RAYON_NUM_THREADS").ok()?.parse().ok().filter(|&count: &usize| count > 0);
    let count = threads
        .or_else(asked)
        .or_else(|| std::thread::available_parallelism().ok().map(usize::from))
        .unwrap_or(1);
    // Candle's pools spin and pin their threads; with them a run was five times slower beside another busy
    // process. Candle reads these two variables when it first computes (candle-core 0.11.1, src/utils.rs).
    // SAFETY: no other thread runs yet, so none can read the environment at the same time.
    unsafe {
        std::env::set_var("RAYON_NUM_THREADS", "1");
        std::env::set_var("CANDLE_NUM_THREADS", "1");
    }
    crate::kernels::threads::set_count(count);
}
