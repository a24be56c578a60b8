//! The threads that kernels run on.
//!
//! A training step is a row of jobs of 50 to 500 µs each. Waking a sleeping thread takes a good part of that, so
//! between jobs the helpers of a [`Team`] wait for a while, offering the processor to others, before they sleep.
//! The caller takes part in the work and never waits for a helper that has not begun, so a busy machine costs little
//! more than a single thread. Measured on jobs of ten blocks of 15 µs, 100 µs apart, two threads: 76 µs a job, where
//! rayon's pool took 124 µs from inside and 207 µs from outside.

use std::any::Any;
use std::cell::{Cell, RefCell, UnsafeCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Threads of a team, at most: far below what the counter of helpers at work can hold.
pub const MAX_COUNT: usize = 1024;

/// How long a helper waits for the next job before it sleeps.
const PATIENCE: Duration = Duration::from_micros(200);

/// Asked for by [`set_count`]; 0 where nobody did.
static ASKED: AtomicUsize = AtomicUsize::new(0);
static TEAM: OnceLock<Team> = OnceLock::new();

thread_local! {
    /// The team of [`with_count`].
    static OWN: RefCell<Option<Rc<Team>>> = const { RefCell::new(None) };
    /// Set in helpers, whose own work is not divided further.
    static IS_HELPER: Cell<bool> = const { Cell::new(false) };
}

/// Threads that kernels use in this process, 1 to [`MAX_COUNT`], to which other numbers are brought; the default is one
/// for each processor. Has an effect only before the first kernel runs.
pub fn set_count(count: usize) {
    ASKED.store(count.max(1), Ordering::Relaxed);
}

/// Runs `f` with kernels on `count` threads of their own, where they are called from this thread.
pub fn with_count<R>(count: usize, f: impl FnOnce() -> R) -> R {
    /// Puts the team before back, also where `f` panics.
    struct Restore(Option<Rc<Team>>);
    impl Drop for Restore {
        fn drop(&mut self) {
            let before = self.0.take();
            // The team is dropped, and its helpers waited for, after the cell is free again.
            drop(OWN.with(|own| own.replace(before)));
        }
    }
    let before = OWN.with(|own| own.replace(Some(Rc::new(Team::new(count.max(1))))));
    let _restore = Restore(before);
    f()
}

/// Threads that a kernel called here would use.
pub fn count() -> usize {
    if IS_HELPER.get() {
        return 1;
    }
    OWN.with_borrow(|own| own.as_ref().map(|team| team.count())).unwrap_or_else(|| process_team().count())
}

/// Calls `f` once for each of `n` jobs, on all threads.
///
/// # Panics
/// Where `f` does.
pub(crate) fn each(n: usize, f: &(dyn Fn(usize) + Sync)) {
    if IS_HELPER.get() {
        return (0..n).for_each(f);
    }
    match OWN.with_borrow(|own| own.clone()) {
        Some(team) => team.each(n, f),
        None => process_team().each(n, f),
    }
}

fn process_team() -> &'static Team {
    TEAM.get_or_init(|| {
        let asked = ASKED.load(Ordering::Relaxed);
        let processors = || std::thread::available_parallelism().map_or(1, usize::from);
        Team::new(if asked > 0 { asked } else { processors() })
    })
}

/// A caller and its helpers.
struct Team {
    shared: Arc<Shared>,
    helpers: Vec<JoinHandle<()>>,
    /// Whether a caller is at work with the helpers; a second one works alone meanwhile.
    is_busy: AtomicBool,
}

struct Shared {
    /// `job number · 2¹⁶ + OPEN + helpers at work`
    state: AtomicU64,
    task: UnsafeCell<Task>,
    /// The next job that nobody has begun.
    next: AtomicUsize,
    n_asleep: AtomicUsize,
    /// Whether the helpers are to end.
    is_over: Mutex<bool>,
    wake: Condvar,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

#[derive(Clone, Copy)]
struct Task {
    f: *const (dyn Fn(usize) + Sync),
    n: usize,
}

// SAFETY: `task` is written only while no helper is at work and none can begin (`state` is not open), and read only by
// helpers that `state` counts as being at work; the function behind it outlives that time and may be called from any
// thread.
unsafe impl Sync for Shared {}
// SAFETY: as above; the pointer is not used outside of an open job.
unsafe impl Send for Shared {}

const OPEN: u64 = 1 << 15;
const AT_WORK: u64 = OPEN - 1;

impl Team {
    fn new(count: usize) -> Self {
        let count = count.clamp(1, MAX_COUNT);
        let nothing: &'static (dyn Fn(usize) + Sync) = &|_| {};
        let shared = Arc::new(Shared {
            state: AtomicU64::new(0),
            task: UnsafeCell::new(Task { f: nothing, n: 0 }),
            next: AtomicUsize::new(0),
            n_asleep: AtomicUsize::new(0),
            is_over: Mutex::new(false),
            wake: Condvar::new(),
            panic: Mutex::new(None),
        });
        let spawn = |idx: usize| {
            let shared = shared.clone();
            std::thread::Builder::new().name(format!("kernels-{idx}")).spawn(move || shared.help())
        };
        // Where the system gives no more threads, the team is smaller; results are the same.
        let helpers = (1..count).map_while(|idx| spawn(idx).ok()).collect();
        Self { shared, helpers, is_busy: AtomicBool::new(false) }
    }

    fn count(&self) -> usize {
        self.helpers.len() + 1
    }

    fn each(&self, n: usize, f: &(dyn Fn(usize) + Sync)) {
        if self.helpers.is_empty() || n <= 1 || self.is_busy.swap(true, Ordering::Acquire) {
            return (0..n).for_each(f);
        }
        /// Ends the job, also where `f` panics: afterwards no helper uses `f`.
        struct Close<'a>(&'a Team);
        impl Drop for Close<'_> {
            fn drop(&mut self) {
                let shared = &self.0.shared;
                shared.state.fetch_and(!OPEN, Ordering::AcqRel);
                let mut rounds = 0u32;
                while shared.state.load(Ordering::Acquire) & AT_WORK != 0 {
                    pause(&mut rounds);
                }
                if std::thread::panicking() {
                    // The caller's own panic goes on; one of a helper must not come up in a later job.
                    lock(&shared.panic).take();
                }
                self.0.is_busy.store(false, Ordering::Release);
            }
        }
        let shared = &*self.shared;
        // SAFETY: no job is open and no helper at work, so nobody reads the task. `Close` ends the job before `f`
        // goes out of scope, so the longer lifetime is never used.
        unsafe {
            let f: &'static (dyn Fn(usize) + Sync) = std::mem::transmute(f);
            *shared.task.get() = Task { f, n };
        }
        shared.next.store(0, Ordering::Relaxed);
        {
            let _close = Close(self);
            let job = (shared.state.load(Ordering::Relaxed) >> 16) + 1;
            shared.state.store(job << 16 | OPEN, Ordering::SeqCst);
            if shared.n_asleep.load(Ordering::SeqCst) > 0 {
                // A helper between its look at the state and its sleep holds the lock.
                drop(lock(&shared.is_over));
                shared.wake.notify_all();
            }
            shared.work(f, n);
        }
        if let Some(panic) = lock(&shared.panic).take() {
            resume_unwind(panic);
        }
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        *lock(&self.shared.is_over) = true;
        self.shared.wake.notify_all();
        // The top bit, which no job number reaches, ends the wait of helpers that are awake.
        self.shared.state.fetch_or(1 << 63, Ordering::SeqCst);
        for helper in self.helpers.drain(..) {
            // Helpers catch the panics of jobs, so joining does not fail.
            let _ = helper.join();
        }
    }
}

impl Shared {
    fn work(&self, f: &(dyn Fn(usize) + Sync), n: usize) {
        loop {
            let job = self.next.fetch_add(1, Ordering::Relaxed);
            if job >= n {
                return;
            }
            f(job);
        }
    }

    /// What a helper does until its team is dropped.
    fn help(&self) {
        IS_HELPER.set(true);
        let mut done = 0;
        while let Some(job) = self.next_job(done) {
            done = job;
            // SAFETY: `next_job` has counted this helper as being at work, so the task stays as it is.
            let (f, n) = unsafe {
                let task = *self.task.get();
                (&*task.f, task.n)
            };
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| self.work(f, n))) {
                lock(&self.panic).get_or_insert(panic);
            }
            self.state.fetch_sub(1, Ordering::Release);
        }
    }

    /// Waits for an open job that is not `done` and joins it; `None` where the team is over.
    fn next_job(&self, done: u64) -> Option<u64> {
        let is_new = |state: u64| state & OPEN != 0 && state >> 16 != done;
        let mut began = Instant::now();
        let mut rounds = 0u32;
        loop {
            let state = self.state.load(Ordering::Acquire);
            if state >> 63 != 0 {
                return None;
            }
            if is_new(state) {
                let joined = state + 1;
                if self.state.compare_exchange(state, joined, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
                    return Some(state >> 16);
                }
                continue;
            }
            pause(&mut rounds);
            if rounds.is_multiple_of(PAUSES) && began.elapsed() > PATIENCE {
                let is_over = lock(&self.is_over);
                self.n_asleep.fetch_add(1, Ordering::SeqCst);
                // Either this sees the job, or its caller sees a sleeper and wakes it.
                if !*is_over && !is_new(self.state.load(Ordering::SeqCst)) {
                    drop(self.wake.wait(is_over).unwrap_or_else(PoisonError::into_inner));
                }
                self.n_asleep.fetch_sub(1, Ordering::SeqCst);
                began = Instant::now();
            }
        }
    }
}

/// Pauses between two offers of the processor to others.
const PAUSES: u32 = 16;

fn pause(rounds: &mut u32) {
    *rounds = rounds.wrapping_add(1);
    if rounds.is_multiple_of(PAUSES) {
        std::thread::yield_now();
    } else {
        std::hint::spin_loop();
    }
}

/// A panic elsewhere does not make these locks' contents wrong.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum_of_jobs(n: usize) -> usize {
        let sum = AtomicUsize::new(0);
        each(n, &|job| {
            sum.fetch_add(job + 1, Ordering::Relaxed);
        });
        sum.into_inner()
    }

    #[test]
    fn a_team_has_at_most_as_many_threads_as_can_be_counted() {
        for (asked, most) in [(0, 1), (3, 3), (usize::MAX, MAX_COUNT)] {
            let count = with_count(asked, count);
            assert!((1..=most).contains(&count), "{count} of {asked}");
        }
    }

    #[test]
    fn every_job_is_done_once() {
        for n_threads in [1, 2, 5] {
            with_count(n_threads, || {
                assert_eq!(count(), n_threads);
                for n in (0..200).chain([5000]) {
                    assert_eq!(sum_of_jobs(n), n * (n + 1) / 2);
                }
            });
        }
    }

    #[test]
    fn helpers_take_part_and_wake_from_sleep() {
        with_count(2, || {
            for _ in 0..3 {
                std::thread::sleep(3 * PATIENCE);
                // Two jobs that wait for each other end only on two threads.
                let barrier = std::sync::Barrier::new(2);
                each(2, &|_| {
                    barrier.wait();
                });
            }
        });
    }

    #[test]
    fn a_job_inside_a_job_and_a_second_caller_work_alone() {
        with_count(3, || {
            let total = AtomicUsize::new(0);
            each(8, &|_| {
                total.fetch_add(sum_of_jobs(10), Ordering::Relaxed);
            });
            assert_eq!(total.into_inner(), 8 * 55);
        });
        std::thread::scope(|scope| {
            let callers: Vec<_> = (0..4).map(|_| scope.spawn(|| sum_of_jobs(1000))).collect();
            assert!(callers.into_iter().all(|caller| caller.join().unwrap() == 500_500));
        });
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_team_works_on() {
        with_count(3, || {
            for _ in 0..20 {
                let caught = catch_unwind(|| each(50, &|job| assert!(job != 33, "job {job}")));
                let message = *caught.unwrap_err().downcast::<String>().unwrap();
                assert_eq!(message, "job 33");
                assert_eq!(sum_of_jobs(10), 55);
            }
        });
    }
}
