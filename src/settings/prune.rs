//! When a trial of a search ends before its last epoch, because it is behind others.

use crate::args::{ArgKind, ArgSpec, BoundCall, CallSpec, Default};

/// What `prune = …` can name.
pub static SPECS: &[&CallSpec] = &[&MEDIAN];

static MEDIAN: CallSpec = CallSpec {
    name: "median",
    doc: "Ends a trial whose best figure so far is below the median of those that other trials had in the same epoch. Golovin et al. \
          2017, \"Google Vizier: A Service for Black-Box Optimization\", section 3.2",
    example: "median(warmup = 10)",
    args: &[
        ArgSpec {
            name: "warmup",
            kind: ArgKind::Int { min: 1, max: 1_000_000 },
            default: Default::Int(10),
            positional: true,
            doc: "Epochs before the first comparison.",
        },
        ArgSpec {
            name: "trials",
            kind: ArgKind::Int { min: 1, max: 10_000 },
            default: Default::Int(4),
            positional: false,
            doc: "Other trials that must have come as far.",
        },
    ],
};

/// Whether a trial ends here. A curve has the best figure up to each epoch, the larger the better.
pub fn is_hopeless(call: &BoundCall, own: &[Option<f64>], others: &[&[Option<f64>]]) -> bool {
    let (warmup, trials) = (call.args.int("warmup") as usize, call.args.int("trials") as usize);
    let Some(&Some(best)) = own.last().filter(|_| own.len() >= warmup) else { return false };
    let mut there: Vec<f64> =
        others.iter().filter_map(|curve| curve.get(own.len() - 1).copied().flatten()).collect();
    if there.len() < trials {
        return false;
    }
    there.sort_by(f64::total_cmp);
    let middle = there.len() / 2;
    let median = if there.len() % 2 == 1 { there[middle] } else { (there[middle - 1] + there[middle]) / 2.0 };
    best < median
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::default_args;
    use crate::source::Span;

    #[test]
    fn a_trial_ends_below_the_median_and_not_before_others_came_as_far() {
        let call = BoundCall { name: MEDIAN.name, args: default_args(MEDIAN.args), span: Span::default() };
        let flat = |value: f64, epochs: usize| vec![Some(value); epochs];
        let others = [flat(0.5, 20), flat(0.6, 20), flat(0.7, 20), flat(0.8, 12)];
        let all: Vec<&[Option<f64>]> = others.iter().map(Vec::as_slice).collect();
        // The median of four is 0.65 while the last is there.
        assert!(is_hopeless(&call, &flat(0.64, 12), &all));
        assert!(!is_hopeless(&call, &flat(0.66, 12), &all));
        assert!(!is_hopeless(&call, &flat(0.1, 9), &all), "before the warm-up has ended");
        assert!(!is_hopeless(&call, &flat(0.1, 13), &all), "three others came as far");
        assert!(!is_hopeless(&call, &[None; 12], &all), "nothing to compare");
    }
}
