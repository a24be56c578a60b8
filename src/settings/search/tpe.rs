//! Combinations drawn where good ones were found.

use super::{Ask, SearchCx, SearchKind, Tried, drawn, random::TRIALS, whole};
use crate::args::{ArgKind, ArgSpec, Args, BoundCall, CallSpec, Default};
use crate::diagnostic::Diagnostic;
use crate::rng;
use crate::search::{Assignment, Choice, Domain, Space};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::RngCore;
use rand_next::TryRng;
use std::convert::Infallible;
use tpe::TpeOptimizer;

pub static SPEC: CallSpec = CallSpec {
    name: "tpe",
    doc: "The tree-structured Parzen estimator: after some trials at random, values are drawn where good trials had theirs and bad \
          ones had not, each value by itself. Bergstra et al. 2011, \"Algorithms for Hyper-Parameter Optimization\"",
    example: "tpe(20)",
    args: &[
        TRIALS,
        ArgSpec {
            name: "random_trials",
            kind: ArgKind::Int { min: 1, max: 10_000 },
            default: Default::Int(8),
            positional: false,
            doc: "Trials at random before the first that learns from others.",
        },
    ],
};

pub struct Tpe;

impl SearchKind for Tpe {
    fn spec(&self) -> &'static CallSpec {
        &SPEC
    }

    fn check(&self, call: &BoundCall, _: &Space) -> Option<Diagnostic> {
        let (trials, random) = (call.args.int("trials"), call.args.int("random_trials"));
        let place = call.args.get("random_trials").and_then(|arg| arg.span);
        let place = place.filter(|_| random >= trials)?;
        Some(
            Diagnostic::error(
                "args::no_effect",
                format!("all {trials} trials of `tpe` would be drawn at random"),
            )
            .label(place, "as many as there are trials, or more")
            .help("ask for more trials, or write `search = random(…)`")
            .guess(call.span, format!("random({trials})")),
        )
    }

    fn n_trials(&self, args: &Args, _: &Space) -> usize {
        args.int("trials") as usize
    }

    fn next(&self, args: &Args, cx: &SearchCx, tried: &[Tried]) -> Option<Ask> {
        if tried.len() >= args.int("trials") as usize {
            return None;
        }
        let is_random = tried.len() < args.int("random_trials") as usize;
        let learned = if is_random { None } else { learned(cx, tried) };
        Some(whole(tried, learned.unwrap_or_else(|| drawn(cx, tried.len()))))
    }
}

/// What the estimator makes of the trials so far; `None` where none of them has a score.
fn learned(cx: &SearchCx, tried: &[Tried]) -> Option<Assignment> {
    let scores: Vec<Option<f64>> = tried
        .iter()
        .map(|trial| trial.scores.last().copied().flatten().filter(|score| score.is_finite()))
        .collect();
    let worst = scores.iter().flatten().copied().reduce(f64::min)?;
    let mut random = Bridge(rng::generator(cx.seed, tried.len() as u64));
    let choice = |(place, site): (usize, &crate::search::Site)| {
        let (range, estimator) = match &site.domain {
            Domain::Choices(list) => (tpe::categorical_range(list.len()).ok()?, tpe::histogram_estimator()),
            Domain::Range(_) => (tpe::range(0.0, 1.0 + f64::EPSILON).ok()?, tpe::parzen_estimator()),
        };
        let mut optimizer = TpeOptimizer::new(estimator, range);
        for (trial, score) in tried.iter().zip(&scores) {
            let at = match (&site.domain, trial.assignment[place]) {
                (Domain::Range(range), Choice::Number(value)) => range.share(value),
                (_, choice) => choice.number(),
            };
            // The crate minimises. A trial that failed counts as the worst.
            optimizer.tell(at, -score.unwrap_or(worst)).ok()?;
        }
        let asked = optimizer.ask(&mut random).ok()?;
        Some(match &site.domain {
            Domain::Choices(list) => Choice::Place((asked as usize).min(list.len() - 1)),
            domain => domain.at(asked),
        })
    };
    cx.space.sites.iter().enumerate().map(choice).collect()
}

/// Our random numbers, which never change between versions, for a crate that asks by the traits of a later `rand`.
struct Bridge(ChaCha8Rng);

impl TryRng for Bridge {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(RngCore::next_u32(&mut self.0))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(RngCore::next_u64(&mut self.0))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        RngCore::fill_bytes(&mut self.0, bytes);
        Ok(())
    }
}
