//! The folder of a run, as processes that start, die and meet one another leave it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

const DATA: &str = "data = hierarchy(30, community_size = 16)\n";
const HOLDOUT: &str =
    "model = sage(8) -> batch_norm -> relu -> diffpool(k = 4) -> sage(8) -> mean -> dropout(0.2) -> mlp
loss = cross_entropy + link_prediction
train { epochs = 3, batch_size = 8, schedule = plateau(patience = 0) }
";
const FOLDS: &str = "model = sage(8) -> relu -> mean -> mlp
train { epochs = 2, batch_size = 8 }
evaluate { protocol = k_fold(2, inner_holdout = 0.2), seeds = 2 }
";

const SEARCH: &str = "let width = search(4, 8)
model = sage(width) -> relu -> mean -> mlp
train { epochs = 3, batch_size = 8, optimizer = adam(lr = search(1e-3 .. 1e-1, log)) }
evaluate { protocol = k_fold(2, inner_holdout = 0.2), search = halving(4, factor = 2), final_runs = 2 }
";

/// What may differ from one time to the next.
const NOT_PROMISED: [&str; 3] = ["run.json", "times.jsonl", "resources.json"];

fn command(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hgnnc"));
    command.current_dir(folder).env_remove("HGNN_DATA").env("HGNN_OFFLINE", "1").args(args);
    command
}

fn hgnnc(folder: &Path, args: &[&str]) -> Output {
    command(folder, args).output().expect("the command starts")
}

/// Runs and expects this exit code; standard error.
#[track_caller]
fn check(folder: &Path, args: &[&str], code: i32) -> String {
    let output = hgnnc(folder, args);
    let err = String::from_utf8(output.stderr).expect("output is UTF-8");
    assert_eq!(output.status.code(), Some(code), "{args:?}\n{err}");
    err
}

fn folder_with(model: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("m.hgnn"), DATA.to_owned() + model).unwrap();
    folder
}

/// Every file below a folder by its path, with its bytes.
fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let (path, name) = {
            let entry = entry.unwrap();
            (entry.path(), entry.file_name().into_string().unwrap())
        };
        if path.is_dir() {
            found
                .extend(contents(&path).into_iter().map(|(inner, bytes)| (format!("{name}/{inner}"), bytes)));
        } else {
            found.insert(name, fs::read(&path).unwrap());
        }
    }
    found
}

#[track_caller]
fn assert_same_bytes(a: &Path, b: &Path) {
    let (a, b) = (contents(a), contents(b));
    assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>());
    for (name, bytes) in &a {
        let is_promised = !NOT_PROMISED.contains(&name.rsplit('/').next().unwrap());
        assert!(!is_promised || *bytes == b[name], "{name} differs");
    }
}

#[test]
fn one_and_two_threads_write_the_same_bytes_in_every_file_that_is_promised() {
    for model in [HOLDOUT, FOLDS, SEARCH] {
        let folder = folder_with(model);
        let path = folder.path();
        check(path, &["train", "m.hgnn", "--out", "one", "--threads", "1"], 0);
        check(path, &["train", "m.hgnn", "--out", "two", "--threads", "2"], 0);
        assert_same_bytes(&path.join("one"), &path.join("two"));
        if model == SEARCH {
            continue;
        }
        // The weights of another run count as a part of the same input.
        check(path, &["train", "m.hgnn", "--out", "a", "--threads", "1", "--init-from", "one"], 0);
        check(path, &["train", "m.hgnn", "--out", "b", "--threads", "2", "--init-from", "one"], 0);
        assert_same_bytes(&path.join("a"), &path.join("b"));
        assert!(path.join("a/initial.safetensors").is_file());
    }
}

#[test]
fn the_record_says_who_ran_what_where() {
    let folder = folder_with(HOLDOUT);
    let path = folder.path();
    check(path, &["train", "m.hgnn", "--out", "run", "--epochs", "1", "--threads", "1"], 0);
    let text = fs::read_to_string(path.join("run/run.json")).unwrap();
    let record: serde_json::Value = serde_json::from_str(&text).unwrap();
    let session = &record["sessions"][0];
    assert_eq!(session["command"][1], "train");
    assert_eq!(session["threads"], 1);
    assert_eq!(session["device"], "cpu");
    assert!(session["git"].is_null(), "the folder lies in no repository: {session}");
    for name in ["started", "directory", "target", "rustc", "candle", "hgnnc"] {
        assert!(session[name].as_str().is_some_and(|text| !text.is_empty()), "{name} in {session}");
    }
}

#[cfg(unix)]
fn kill(mut child: Child) {
    // The process may have ended before.
    let _ = child.kill();
    child.wait().unwrap();
}

#[cfg(unix)]
fn start(folder: &Path, args: &[&str]) -> Child {
    command(folder, args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Whether the process does something until it has: not longer than a minute.
#[cfg(unix)]
fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    use std::time::{Duration, Instant};
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < deadline, "{what} within a minute");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[cfg(unix)]
#[test]
fn a_second_process_learns_who_writes_and_a_killed_one_keeps_nobody_out() {
    let folder = folder_with(&HOLDOUT.replace("epochs = 3", "epochs = 100000"));
    let path = folder.path();
    let first = start(path, &["train", "m.hgnn", "--out", "run"]);
    wait_for("a record", || path.join("run/run.json").is_file());
    for args in [
        &["train", "--resume", "run"][..],
        &["train", "m.hgnn", "--out", "run"],
        &["train", "m.hgnn", "--out", "run", "--force"],
    ] {
        let err = check(path, args, 2);
        for expected in [format!("process {}", first.id()), "train m.hgnn --out run".into(), " since ".into()]
        {
            assert!(err.contains(&expected), "{expected} in\n{err}");
        }
    }
    kill(first);
    assert!(path.join("run/run.lock").is_file());
    check(path, &["train", "m.hgnn", "--out", "run", "--force", "--epochs", "1"], 0);
    assert!(!path.join("run/run.lock").exists());
}

/// Kills a run again and again, from its first milliseconds to its end, each time after as many steps as a small
/// generator says, and goes on with what is left. Whatever was killed when, the end is that of a run left alone.
#[cfg(unix)]
#[test]
fn a_run_killed_at_any_moment_goes_on_to_the_same_end() {
    use std::time::Duration;
    for (model, epochs) in [(HOLDOUT, "epochs = 12"), (FOLDS, "epochs = 6"), (SEARCH, "epochs = 8")] {
        let folder = folder_with(&model.replace("epochs = 3", epochs).replace("epochs = 2", epochs));
        let path = folder.path();
        let begun = std::time::Instant::now();
        check(path, &["train", "m.hgnn", "--out", "straight"], 0);
        let whole = begun.elapsed();
        let mut state = 12345u64;
        for attempt in 0..20 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            // The first ones come within the first milliseconds, the later ones anywhere.
            let longest = if attempt < 8 { whole / 8 } else { whole };
            let wait = longest.mul_f64((state >> 33) as f64 / f64::from(1u32 << 31));
            let args: &[&str] = if path.join("run/run.json").is_file() {
                &["train", "--resume", "run"]
            } else {
                // What is left of a start is overwritten without being asked.
                &["train", "m.hgnn", "--out", "run"]
            };
            let child = start(path, args);
            std::thread::sleep(wait.max(Duration::from_micros(200)));
            kill(child);
        }
        if path.join("run/run.json").is_file() {
            let output = hgnnc(path, &["train", "--resume", "run"]);
            let err = String::from_utf8(output.stderr).unwrap();
            assert!(output.status.code() == Some(0) || err.contains("this run is finished"), "{err}");
        } else {
            check(path, &["train", "m.hgnn", "--out", "run"], 0);
        }
        // A lock that a process held when it was killed after its last write is still there.
        let _ = fs::remove_file(path.join("run/run.lock"));
        assert_same_bytes(&path.join("straight"), &path.join("run"));
    }
}
