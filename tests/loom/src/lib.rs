//! The team of threads that kernels run on, in every order of its steps that loom finds.
//!
//! Panics of jobs are left to the tests of `src/kernels/threads.rs`: loom runs its threads as coroutines of one, and there a
//! panic of one is a panic of all.
#![cfg(all(loom, test))]

mod sync;
#[path = "../../../src/kernels/threads/team.rs"]
mod team;

use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::sync::{Arc, Condvar, Mutex};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use team::Team;

fn team(count: usize) -> Team {
    let team = Team::new(count, || ());
    assert_eq!(team.count(), count);
    team
}

/// Runs `model` in all orders with at most so many switches away from a thread that could go on, and says how many: with
/// helpers that sleep at once, and with such that look for a job twice before.
fn explore(name: &str, preemptions: Option<usize>, model: impl Fn() + Copy + Sync + Send + 'static) {
    for looks in [0, 2] {
        let count = std::sync::Arc::new(AtomicU64::new(0));
        let counted = count.clone();
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = preemptions;
        builder.max_branches = 20_000;
        builder.check(move || {
            sync::LOOKS.set(looks);
            counted.fetch_add(1, Relaxed);
            model();
        });
        let bound = preemptions.map_or("any number of".to_owned(), |most| format!("at most {most}"));
        println!("{name}, {looks} looks: {} orders, {bound} preemptions", count.load(Relaxed));
    }
}

/// A place that one job writes without a lock, and that loom watches.
struct Places(Vec<UnsafeCell<usize>>);

// SAFETY: each job has a place of its own, and the caller reads after all of them; loom fails where that is not so.
unsafe impl Sync for Places {}
unsafe impl Send for Places {}

impl Places {
    fn new(n: usize) -> Self {
        Self((0..n).map(|_| UnsafeCell::new(0)).collect())
    }
    fn add(&self, job: usize) {
        // SAFETY: as above.
        self.0[job].with_mut(|place| unsafe { *place += 1 });
    }
    fn read(&self) -> Vec<usize> {
        // SAFETY: as above.
        self.0.iter().map(|place| place.with(|place| unsafe { *place })).collect()
    }
}

#[test]
fn a_job_is_done_once_and_its_writes_are_seen() {
    explore("one job, one helper", None, || {
        let (team, places) = (team(2), Places::new(2));
        team.each(2, &|job| places.add(job));
        assert_eq!(places.read(), [1, 1]);
    });
}

#[test]
fn jobs_that_follow_each_other_do_not_mix() {
    explore("two jobs, one helper", Some(3), || {
        let (team, places) = (team(2), Places::new(3));
        team.each(2, &|job| places.add(job));
        assert_eq!(places.read(), [1, 1, 0]);
        team.each(3, &|job| places.add(job));
        assert_eq!(places.read(), [2, 2, 1]);
    });
}

#[test]
fn two_helpers_share_a_job() {
    explore("one job, two helpers", Some(2), || {
        let (team, places) = (team(3), Places::new(3));
        team.each(3, &|job| places.add(job));
        assert_eq!(places.read(), [1, 1, 1]);
    });
}

#[test]
fn a_helper_comes_whether_it_sleeps_or_not() {
    explore("a job for two threads, one helper", None, || {
        let team = team(2);
        // Neither call returns before both have begun; a helper that slept on would leave the caller waiting.
        let (n_begun, wake) = (Mutex::new(0), Condvar::new());
        team.each(2, &|_| {
            let mut begun = n_begun.lock().unwrap();
            *begun += 1;
            wake.notify_all();
            while *begun < 2 {
                begun = wake.wait(begun).unwrap();
            }
        });
        assert_eq!(*n_begun.lock().unwrap(), 2);
    });
}

#[test]
fn a_team_without_a_job_ends() {
    explore("no job, one helper", None, || drop(team(2)));
    explore("no job, two helpers", Some(3), || drop(team(3)));
}

#[test]
fn a_second_caller_works_alone() {
    explore("two callers, one helper", Some(2), || {
        let team = Arc::new(team(2));
        let sum = Arc::new(AtomicUsize::new(0));
        let other = {
            let (team, sum) = (team.clone(), sum.clone());
            loom::thread::spawn(move || {
                team.each(2, &|_| {
                    sum.fetch_add(1, Ordering::Relaxed);
                });
            })
        };
        let places = Places::new(2);
        team.each(2, &|job| places.add(job));
        assert_eq!(places.read(), [1, 1]);
        other.join().unwrap();
        assert_eq!(sum.load(Ordering::Relaxed), 2);
    });
}
