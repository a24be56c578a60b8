//! Many combinations for a few epochs, the better ones for longer.

use super::{Ask, SearchCx, SearchKind, Tried, drawn, random::TRIALS};
use crate::args::{ArgKind, ArgSpec, Args, BoundCall, CallSpec, Default};
use crate::diagnostic::Diagnostic;
use crate::search::Space;

pub static SPEC: CallSpec = CallSpec {
    name: "halving",
    doc: "Successive halving: combinations drawn at random are all trained for a share of the epochs, the best of them go on for \
          `factor` times as many, and so on until those that are left are trained to their end. Jamieson and Talwalkar 2016, \
          \"Non-stochastic Best Arm Identification and Hyperparameter Optimization\"",
    example: "halving(27, factor = 3)",
    args: &[
        TRIALS,
        ArgSpec {
            name: "factor",
            kind: ArgKind::Int { min: 2, max: 100 },
            default: Default::Int(3),
            positional: false,
            doc: "One in so many goes on, for so many times the epochs.",
        },
    ],
};

pub struct Halving;

impl SearchKind for Halving {
    fn spec(&self) -> &'static CallSpec {
        &SPEC
    }

    fn check(&self, call: &BoundCall, _: &Space) -> Option<Diagnostic> {
        let (trials, factor) = (call.args.int("trials"), call.args.int("factor"));
        (trials < factor).then(|| {
            Diagnostic::error(
                "args::no_effect",
                format!("of {trials} trials none is left behind with `factor = {factor}`"),
            )
            .label(call.span, "one in so many goes on, and there are fewer")
            .help("ask for more trials, or for a smaller factor")
        })
    }

    fn n_trials(&self, args: &Args, _: &Space) -> usize {
        args.int("trials") as usize
    }

    fn next(&self, args: &Args, cx: &SearchCx, tried: &[Tried]) -> Option<Ask> {
        let (n, factor) = (args.int("trials") as usize, args.int("factor") as usize);
        let rungs = rungs(n, factor, cx.epochs);
        let mut going_on: Vec<usize> = (0..n).collect();
        for (rung, &epochs) in rungs.iter().enumerate() {
            let is_last = rung + 1 == rungs.len();
            for &trial in &going_on {
                let known = tried.get(trial);
                if known.is_some_and(|known| known.scores.len() > rung || known.has_failed) {
                    continue;
                }
                let assignment = known.map_or_else(|| drawn(cx, trial), |known| known.assignment.clone());
                return Some(Ask { trial, assignment, until: (!is_last).then_some(epochs) });
            }
            going_on = best(&going_on, tried, rung, factor);
        }
        None
    }
}

/// The epochs after which trials are judged, the last of them all.
fn rungs(n: usize, factor: usize, epochs: usize) -> Vec<usize> {
    let mut left = n;
    let mut shares = vec![epochs];
    while left / factor >= 1 && shares[shares.len() - 1] / factor >= 1 {
        left /= factor;
        shares.push(shares[shares.len() - 1] / factor);
    }
    shares.reverse();
    shares
}

/// One in `factor` of these trials, by their scores at a rung, in the order of their numbers.
fn best(of: &[usize], tried: &[Tried], rung: usize, factor: usize) -> Vec<usize> {
    let score = |trial: usize| tried.get(trial).and_then(|known| known.scores.get(rung).copied().flatten());
    let mut scored: Vec<(usize, f64)> = of.iter().filter_map(|&trial| Some((trial, score(trial)?))).collect();
    // Of equals the earlier: the sort is stable.
    scored.sort_by(|a, b| b.1.total_cmp(&a.1));
    scored.truncate((of.len() / factor).max(1));
    let mut best: Vec<usize> = scored.into_iter().map(|(trial, _)| trial).collect();
    best.sort_unstable();
    best
}
