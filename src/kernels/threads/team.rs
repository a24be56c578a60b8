//! A caller and the helpers that share its jobs: how work is handed out, waited for and ended.
//!
//! Nothing here names `std::sync`: [`super::sync`] does, and `tests/loom` has another `sync` around this same file, with
//! which every order of the threads' steps is tried.

use super::sync::{
    Arc, AtomicBool, AtomicU64, AtomicUsize, Condvar, JoinHandle, Mutex, MutexGuard, Ordering, Patience,
    UnsafeCell, fence, pause, spawn,
};
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::PoisonError;

/// Threads of a team, at most: far below what the counter of helpers at work can hold.
pub const MAX_COUNT: usize = 1024;

/// A caller and its helpers.
pub(crate) struct Team {
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
    /// A caller with `count - 1` helpers, each of which begins with `begin`.
    pub(crate) fn new(count: usize, begin: fn()) -> Self {
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
        let helper = |idx: usize| {
            let shared = shared.clone();
            spawn(format!("kernels-{idx}"), move || {
                begin();
                shared.help();
            })
        };
        // Where the system gives no more threads, the team is smaller; results are the same.
        let helpers = (1..count).map_while(|idx| helper(idx).ok()).collect();
        Self { shared, helpers, is_busy: AtomicBool::new(false) }
    }

    /// The caller and its helpers.
    pub(crate) fn count(&self) -> usize {
        self.helpers.len() + 1
    }

    /// Calls `f` once for each of `n` jobs, with whatever helpers come to help.
    ///
    /// # Panics
    /// Where `f` does.
    pub(crate) fn each(&self, n: usize, f: &(dyn Fn(usize) + Sync)) {
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
            shared.task.with_mut(|task| *task = Task { f, n });
        }
        shared.next.store(0, Ordering::Relaxed);
        {
            let _close = Close(self);
            let job = (shared.state.load(Ordering::Relaxed) >> 16) + 1;
            shared.state.store(job << 16 | OPEN, Ordering::Release);
            // Between opening the job and looking for sleepers, as in `next_job` between lying down and looking for a job:
            // one of the two sees the other.
            fence(Ordering::SeqCst);
            if shared.n_asleep.load(Ordering::Relaxed) > 0 {
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
        // The top bit, which no job number reaches, ends the wait of helpers that are awake. It comes first, so that nobody
        // who is told that the team is over still waits for it.
        self.shared.state.fetch_or(1 << 63, Ordering::Release);
        *lock(&self.shared.is_over) = true;
        self.shared.wake.notify_all();
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
        let mut done = 0;
        while let Some(job) = self.next_job(done) {
            done = job;
            // SAFETY: `next_job` has counted this helper as being at work, so the task stays as it is.
            let (f, n) = unsafe {
                let task = self.task.with(|task| *task);
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
        let mut patience = Patience::new();
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
            if patience.is_over_after_a_pause() {
                let is_over = lock(&self.is_over);
                self.n_asleep.fetch_add(1, Ordering::Relaxed);
                fence(Ordering::SeqCst);
                // Either this sees the job, or its caller sees a sleeper and wakes it.
                if !*is_over && !is_new(self.state.load(Ordering::Relaxed)) {
                    drop(self.wake.wait(is_over).unwrap_or_else(PoisonError::into_inner));
                }
                self.n_asleep.fetch_sub(1, Ordering::Relaxed);
                patience = Patience::new();
            }
        }
    }
}

/// A panic elsewhere does not make these locks' contents wrong.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
