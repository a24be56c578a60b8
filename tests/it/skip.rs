//! Tests that cannot run here, or not wholly, say so behind the last line of `cargo test`.
//!
//! libtest shows no output of a test that passes, and has no way to ignore one at run time. So what was skipped is
//! gathered, and written when the process ends.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::panic::Location;
use std::sync::{Mutex, PoisonError};

/// Tests by what they need.
static SKIPPED: Mutex<BTreeMap<&'static str, BTreeSet<String>>> = Mutex::new(BTreeMap::new());

/// The data sets that tests read where they are.
#[allow(dead_code, reason = "one of the two test binaries uses it")]
pub const DATA: &str = "data sets (a folder in HGNN_DATA, or ../shared/data)";
#[allow(dead_code, reason = "one of the two test binaries uses it")]
pub const GIT: &str = "the command git";

/// Notes that the calling test leaves out what needs `what`.
#[track_caller]
pub fn skip(what: &'static str) {
    let place = Location::caller();
    let thread = std::thread::current();
    // libtest names a test's thread after it, unless there is one thread for all.
    let test = match thread.name() {
        Some(name) if name != "main" => name.to_owned(),
        _ => format!("{}:{}", place.file(), place.line()),
    };
    let mut skipped = SKIPPED.lock().unwrap_or_else(PoisonError::into_inner);
    if skipped.is_empty() {
        // SAFETY: the function has the type that C asks for, and does not unwind.
        unsafe { libc::atexit(report) };
    }
    skipped.entry(what).or_default().insert(test);
}

extern "C" fn report() {
    let skipped = SKIPPED.lock().unwrap_or_else(PoisonError::into_inner);
    let mut text = String::new();
    for (what, tests) in skipped.iter() {
        let noun = if tests.len() == 1 { "test" } else { "tests" };
        text += &format!("skipped, wholly or in part, without {what}: {} {noun}\n", tests.len());
        tests.iter().for_each(|test| text += &format!("    {test}\n"));
    }
    // Where standard error is closed, there is no one to tell.
    let _ = std::io::stderr().write_all(format!("{text}\n").as_bytes());
}
