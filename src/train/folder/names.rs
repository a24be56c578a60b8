//! Names of the files of a run.

use crate::files::lock;
use crate::train::source::MODEL;

pub const RECORD: &str = "run.json";
pub const CANONICAL: &str = "model.canonical.txt";
pub const SPLIT: &str = "split.json";
pub const METRICS: &str = "metrics.jsonl";
pub const TIMES: &str = "times.jsonl";
pub const CHECKPOINT: &str = "checkpoint.safetensors";
pub const CURVES: &str = "curves.svg";
pub const SUMMARY: &str = "summary.json";
pub const RESOURCES: &str = "resources.json";
pub const STATE: &str = "state.safetensors";
/// `initial.safetensors`, `initial-2.safetensors`
pub const INITIAL: &str = "initial";

/// Where searches write, a folder for each fold.
pub const SEARCH: &str = "search";

/// Of one run: one seed, one fold.
pub const OF_UNIT: &[&str] = &[SPLIT, METRICS, TIMES, CHECKPOINT, CURVES, SUMMARY, RESOURCES, STATE];

/// Whether a run writes a file of this name into its folder.
pub fn is_of_run(name: &str) -> bool {
    let is_initial = |name: &str| {
        let number = name.strip_prefix(INITIAL).and_then(|rest| rest.strip_suffix(".safetensors"));
        number.is_some_and(|number| number.is_empty() || is_number(number.strip_prefix('-')))
    };
    [RECORD, MODEL, CANONICAL, lock::NAME].contains(&name)
        || OF_UNIT.contains(&name)
        || is_used_file(name)
        || is_initial(name)
        || (name.starts_with(".hgnnc-") && name.ends_with(".part"))
        || name == SEARCH
        || is_unit_folder(name)
}

/// Whether this is the copy of a file that the model uses: `used-1-encoders.hgnn`.
pub fn is_used_file(name: &str) -> bool {
    name.starts_with("used-") && name.ends_with(".hgnn")
}

/// Whether a run of several has a folder of this name: `fold-03`, `seed-7`, `seed-7-fold-03`, `seed-7-fold-03-run-2`.
pub fn is_unit_folder(name: &str) -> bool {
    let mut words = name.split('-').peekable();
    let mut n_parts = 0;
    for part in ["seed", "fold", "run"] {
        if words.next_if_eq(&part).is_some() {
            n_parts += 1;
            if !is_number(words.next()) {
                return false;
            }
        }
    }
    n_parts > 0 && words.next().is_none()
}

pub(super) fn is_number(text: Option<&str>) -> bool {
    text.is_some_and(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_a_run_are_known_and_others_are_not() {
        for name in ["run.json", "used-1-a.hgnn", "initial.safetensors", "initial-12.safetensors", "run.lock"]
        {
            assert!(is_of_run(name), "{name}");
        }
        for name in ["notes.txt", "initial-x.safetensors", "used-1.txt", ".hgnnc-", "fold-", "seed-x"] {
            assert!(!is_of_run(name), "{name}");
        }
        for name in ["fold-03", "seed-7", "seed-7-fold-10", "run-2", "seed-7-run-2", "seed-7-fold-10-run-3"] {
            assert!(is_unit_folder(name), "{name}");
        }
        assert!(!is_unit_folder("seed-7-fold") && !is_unit_folder("fold-3-seed-1"));
    }
}
