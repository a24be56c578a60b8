use super::*;
use crate::args::ArgValue;
use crate::search::{Choice, Domain, Range, Site};
use crate::source::Span;

fn line() -> Space {
    let range = Range { low: -5.0, high: 5.0, is_log: false, is_integer: false, points: None };
    Space { sites: vec![Site { name: "x".into(), span: Span::default(), domain: Domain::Range(range) }] }
}

fn call(kind: &dyn SearchKind, args: &[(&'static str, i64)]) -> BoundCall {
    let mut call = of_defaults(kind.spec());
    for arg in &mut call.args.0 {
        if let Some((_, value)) = args.iter().find(|(name, _)| *name == arg.name) {
            arg.value = ArgValue::Int(*value);
        }
    }
    call
}

/// Runs a search to its end; trials are scored by a function of the number and of the epochs.
fn run(
    kind: &dyn SearchKind,
    call: &BoundCall,
    score: impl Fn(f64, usize) -> f64,
    seed: u64,
) -> Vec<(Tried, usize)> {
    let space = line();
    let cx = SearchCx { space: &space, seed, epochs: 27 };
    let mut tried: Vec<Tried> = Vec::new();
    let mut epochs: Vec<usize> = Vec::new();
    while let Some(ask) = kind.next(&call.args, &cx, &tried) {
        if ask.trial == tried.len() {
            tried.push(Tried { assignment: ask.assignment.clone(), scores: Vec::new(), has_failed: false });
            epochs.push(0);
        }
        assert_eq!(tried[ask.trial].assignment, ask.assignment, "a trial keeps its values");
        epochs[ask.trial] = ask.until.unwrap_or(cx.epochs);
        let value = ask.assignment[0].number();
        tried[ask.trial].scores.push(Some(score(value, epochs[ask.trial])));
    }
    tried.into_iter().zip(epochs).collect()
}

#[test]
fn tpe_comes_closer_to_the_best_value_than_drawing_at_random() {
    let score = |value: f64, _| -(value - 2.0).powi(2);
    let gap = |kind: &dyn SearchKind, call: &BoundCall, seed| {
        let tried = run(kind, call, score, seed);
        tried
            .iter()
            .map(|(trial, _)| (trial.assignment[0].number() - 2.0).abs())
            .fold(f64::INFINITY, f64::min)
    };
    let (learning, random) = (call(&tpe::Tpe, &[("trials", 40)]), call(&random::Random, &[("trials", 40)]));
    let mean = |kind: &dyn SearchKind, call: &BoundCall| {
        (0..20).map(|seed| gap(kind, call, seed)).sum::<f64>() / 20.0
    };
    let (learned, drawn) = (mean(&tpe::Tpe, &learning), mean(&random::Random, &random));
    assert!(learned < 0.5 * drawn, "{learned} {drawn}");
}

#[test]
fn a_search_is_the_same_whenever_it_is_asked() {
    let score = |value: f64, _| -value.abs();
    for kind in SEARCHES.iter().filter(|kind| kind.spec().name != "grid") {
        let call = call(*kind, &[("trials", 12)]);
        let (first, again) = (run(*kind, &call, score, 7), run(*kind, &call, score, 7));
        assert_eq!(first, again, "{}", kind.spec().name);
        assert_ne!(first, run(*kind, &call, score, 8), "{}", kind.spec().name);
    }
}

#[test]
fn halving_trains_a_third_of_the_trials_three_times_as_long() {
    // 27 trials for 1 epoch, 9 for 3, 3 for 9, 1 for 27.
    let call = call(&halving::Halving, &[("trials", 27), ("factor", 3)]);
    let tried = run(&halving::Halving, &call, |value, _| value, 3);
    let count = |epochs: usize| tried.iter().filter(|(_, last)| *last == epochs).count();
    assert_eq!([count(1), count(3), count(9), count(27)], [18, 6, 2, 1]);
    let best = tried.iter().max_by(|a, b| a.0.assignment[0].number().total_cmp(&b.0.assignment[0].number()));
    assert_eq!(best.unwrap().1, 27, "the best by the score goes to the end");
}

#[test]
fn a_grid_goes_through_every_combination_once() {
    let numbers = Range { low: 1.0, high: 100.0, is_log: true, is_integer: true, points: Some(3) };
    let sites = ["a", "b"].map(|name| Site {
        name: name.into(),
        span: Span::default(),
        domain: Domain::Range(numbers),
    });
    let space = Space { sites: sites.into() };
    let cx = SearchCx { space: &space, seed: 0, epochs: 1 };
    let call = call(&grid::Grid, &[]);
    let mut tried: Vec<Tried> = Vec::new();
    while let Some(ask) = grid::Grid.next(&call.args, &cx, &tried) {
        tried.push(Tried { assignment: ask.assignment, scores: vec![None], has_failed: false });
    }
    let pairs: Vec<[f64; 2]> =
        tried.iter().map(|trial| [trial.assignment[0].number(), trial.assignment[1].number()]).collect();
    let expected = [1.0, 10.0, 100.0].map(|a| [1.0, 10.0, 100.0].map(|b| [a, b])).concat();
    assert_eq!(pairs, expected);
    assert!(grid::Grid.check(&call, &line()).is_some(), "a range without points has no grid");
    assert_eq!(Choice::Place(2).number(), 2.0);
}
