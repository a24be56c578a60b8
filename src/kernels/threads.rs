//! The threads that kernels run on.
//!
//! A training step is a row of jobs of 50 to 500 µs each. Waking a sleeping thread takes a good part of that, so
//! between jobs the helpers of a [`Team`] wait for a while, offering the processor to others, before they sleep.
//! The caller takes part in the work and never waits for a helper that has not begun, so a busy machine costs little
//! more than a single thread. Measured on jobs of ten blocks of 15 µs, 100 µs apart, two threads: 76 µs a job, where
//! rayon's pool took 124 µs from inside and 207 µs from outside.

mod sync;
mod team;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
pub use team::MAX_COUNT;
use team::Team;

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
    let before = OWN.with(|own| own.replace(Some(Rc::new(team(count)))));
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
pub fn each(n: usize, f: &(dyn Fn(usize) + Sync)) {
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
        team(if asked > 0 { asked } else { processors() })
    })
}

fn team(count: usize) -> Team {
    Team::new(count, || IS_HELPER.set(true))
}

#[cfg(test)]
mod tests {
    use super::sync::PATIENCE;
    use super::*;
    use std::panic::catch_unwind;

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
