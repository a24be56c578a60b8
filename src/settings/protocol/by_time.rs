//! The past trains, the future is measured.

use super::{Need, ProtocolKind, Refusal, Split, Strata, holdout};
use crate::args::{ArgKind, ArgSpec, Args, BoundCall, CallSpec, Default, Range};
use crate::diagnostic::{Diagnostic, count};
use crate::types::DataFacts;

pub static SPEC: CallSpec = CallSpec {
    name: "by_time",
    doc: "Items parted by the column that `time = …` of the data names: the earliest train, later ones validate, the latest \
          test, as ogbn-arxiv is parted by the year of a paper. Items of one time stay together. Nothing is drawn.",
    example: "by_time(validation_from = 2018, test_from = 2019)",
    args: &[
        ArgSpec {
            name: "validation",
            kind: ArgKind::Float(Range::closed_open(0.0, 1.0)),
            default: Default::Float(0.1),
            positional: false,
            doc: "Share kept for validation, next to the latest.",
        },
        ArgSpec {
            name: "test",
            kind: ArgKind::Float(Range::closed_open(0.0, 1.0)),
            default: Default::Float(0.1),
            positional: false,
            doc: "Share kept for the test, the latest.",
        },
        ArgSpec {
            name: "validation_from",
            kind: ArgKind::Float(Range::open(f64::NEG_INFINITY, f64::INFINITY)),
            default: Default::Inferred("as many as `validation` says"),
            positional: false,
            doc: "The time from which items validate, in place of a share; of dates a year, 2018.5 its middle.",
        },
        ArgSpec {
            name: "test_from",
            kind: ArgKind::Float(Range::open(f64::NEG_INFINITY, f64::INFINITY)),
            default: Default::Inferred("as many as `test` says"),
            positional: false,
            doc: "The time from which items test, in place of a share.",
        },
    ],
};

pub struct ByTime;

impl ProtocolKind for ByTime {
    fn spec(&self) -> &'static CallSpec {
        &SPEC
    }

    fn check(&self, call: &BoundCall, data: Option<&DataFacts>) -> Option<Diagnostic> {
        let args = &call.args;
        let has_times = args.opt_float("validation_from").is_some() || args.opt_float("test_from").is_some();
        let idle = ["validation", "test"]
            .into_iter()
            .find_map(|share| args.get(share)?.span.map(|span| (share, span)));
        if let (true, Some((share, span))) = (has_times, idle) {
            return Some(
                Diagnostic::error(
                    "args::no_effect",
                    format!("`{share}` has no effect here: the parts begin at given times"),
                )
                .label(span, "this changes nothing")
                .help("leave it out, or write shares alone: `by_time(validation = 0.1, test = 0.1)`")
                .guess(span, ""),
            );
        }
        if has_times {
            if let (Some(validation), Some(test)) =
                (args.opt_float("validation_from"), args.opt_float("test_from"))
                && validation > test
            {
                return Some(
                    Diagnostic::error(
                        "training::nothing_to_train_on",
                        format!("validation begins at {validation}, which is after the test at {test}"),
                    )
                    .label(call.span, "nothing validates")
                    .help("the test part is the latest: `by_time(validation_from = 2018, test_from = 2019)`"),
                );
            }
        } else if let Some(finding) = holdout::takes_everything(call) {
            return Some(finding);
        }
        let data = data.filter(|data| data.task.is_some() && !data.has_times)?;
        let Refusal { message, help } = no_times(&data.name);
        Some(
            Diagnostic::error("training::no_relatives", message)
                .label(call.span, "there are no times to part by")
                .help(help),
        )
    }

    fn leaves_validation(&self, args: &Args) -> Option<bool> {
        let has_times = args.opt_float("validation_from").is_some() || args.opt_float("test_from").is_some();
        let is_asked = match has_times {
            true => args.opt_float("validation_from").is_some(),
            false => args.float("validation") > 0.0,
        };
        (!is_asked).then_some(false)
    }

    fn deal(&self, _: &Args, _: &[i64], _: u64) -> Option<Vec<Split>> {
        None
    }

    fn needs(&self, _: &Args) -> Option<Need> {
        Some(Need::Times)
    }

    fn cut(&self, args: &Args, strata: &Strata, _: u64) -> Result<Vec<Split>, Refusal> {
        let times = strata.times.ok_or_else(|| no_times(strata.data))?;
        let mut items: Vec<u32> =
            (0..times.len() as u32).filter(|&item| strata.classes[item as usize] >= 0).collect();
        let time = |item: u32| times[item as usize];
        items.sort_by(|&one, &other| time(one).total_cmp(&time(other)).then(one.cmp(&other)));
        let (from, until) = (args.opt_float("validation_from"), args.opt_float("test_from"));
        let begin = |from: f64| items.partition_point(|&item| time(item) < from);
        let (validation, test) = match (from, until) {
            (None, None) => {
                let n = items.len() as f64;
                // A part begins with all items of a time.
                let at = |share: f64| {
                    let place = (n - share * n).round() as usize;
                    items.get(place).map_or(items.len(), |&item| begin(time(item)))
                };
                let (validation, test) = (args.float("validation"), args.float("test"));
                (at(validation + test), if test > 0.0 { at(test) } else { items.len() })
            }
            (from, until) => {
                let test = until.map_or(items.len(), begin);
                (from.map_or(test, begin), test)
            }
        };
        let part = |range: std::ops::Range<usize>| {
            let mut part = items[range].to_vec();
            part.sort_unstable();
            part
        };
        let split = Split {
            train: part(0..validation),
            validation: part(validation..test),
            test: part(test..items.len()),
        };
        let lacks_test =
            split.test.is_empty() && (until.is_some() || from.is_none() && args.float("test") > 0.0);
        if split.train.is_empty() || lacks_test {
            let times = items.first().zip(items.last()).map(|(&first, &last)| (time(first), time(last)));
            let (first, last) = times.unwrap_or_default();
            return Err(Refusal {
                message: format!(
                    "`by_time` leaves nothing to {} of {}, whose {} are of {first} to {last}",
                    if split.train.is_empty() { "train on" } else { "test on" },
                    strata.data,
                    count(items.len(), "labelled item"),
                ),
                help: "choose other times, as in `by_time(validation_from = 2018, test_from = 2019)`".into(),
            });
        }
        Ok(vec![split])
    }

    fn has_folds(&self) -> bool {
        false
    }
}

fn no_times(data: &str) -> Refusal {
    Refusal {
        message: format!("{data} names no column of times"),
        help: "name it where the data is named, as in `tables(…, time = \"year\")`".into(),
    }
}
