//! The tracks between two layers on which lines run across.

/// A value on its way from one layer to the next: where it comes from, and where it goes to.
#[derive(Debug, Clone)]
pub(super) struct Run {
    pub from: f64,
    pub to: Vec<f64>,
}

impl Run {
    fn span(&self) -> (f64, f64) {
        self.to.iter().fold((self.from, self.from), |(min, max), &to| (min.min(to), max.max(to)))
    }

    pub(super) fn is_straight(&self) -> bool {
        let (min, max) = self.span();
        max - min < 1e-6
    }
}

/// Distance that lines of different values keep.
const CLEAR: f64 = 3.0;

/// A track for each run, counted from the upper layer, and how many there are. Runs that meet are on different ones,
/// in the order with the fewest crossings.
pub(super) fn tracks(runs: &[Run]) -> (Vec<usize>, usize) {
    let bent: Vec<usize> = (0..runs.len()).filter(|&idx| !runs[idx].is_straight()).collect();
    let mut order: Vec<usize> = Vec::new();
    for &run in &bent {
        // Beyond this the order matters to no one, and trying every place would take long.
        let costs = |place: usize| -> usize {
            let above: usize = order[..place].iter().map(|&other| cost(&runs[other], &runs[run])).sum();
            above + order[place..].iter().map(|&other| cost(&runs[run], &runs[other])).sum::<usize>()
        };
        let place = if order.len() > 60 {
            order.len()
        } else {
            (0..=order.len()).min_by_key(|&at| costs(at)).unwrap_or(0)
        };
        order.insert(place, run);
    }
    let mut tracks = vec![0; runs.len()];
    let mut n_tracks = 0;
    for (place, &run) in order.iter().enumerate() {
        let meets = |other: usize| {
            let (a, b) = (runs[run].span(), runs[other].span());
            a.0 < b.1 + CLEAR && b.0 < a.1 + CLEAR
        };
        let track =
            order[..place].iter().filter(|&&other| meets(other)).map(|&other| tracks[other] + 1).max();
        tracks[run] = track.unwrap_or(0);
        n_tracks = n_tracks.max(tracks[run] + 1);
    }
    (tracks, n_tracks)
}

/// Crossings where `upper` runs on a track above `lower`; lines that would lie on one another count as many.
fn cost(upper: &Run, lower: &Run) -> usize {
    let within = |at: f64, (min, max): (f64, f64)| (min < at && at < max) as usize;
    let down: usize = upper.to.iter().map(|&at| within(at, lower.span())).sum();
    let on_top = upper.to.iter().filter(|&&at| (at - lower.from).abs() < CLEAR).count();
    down + within(lower.from, upper.span()) + 100 * on_top
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_that_meet_are_on_different_tracks_without_crossing() {
        let runs = [
            Run { from: 0.0, to: vec![50.0] },
            Run { from: 20.0, to: vec![70.0] },
            Run { from: 100.0, to: vec![120.0] },
            Run { from: 200.0, to: vec![200.0] },
        ];
        let (tracks, n_tracks) = tracks(&runs);
        // The second turns before the first comes over.
        assert_eq!((tracks, n_tracks), (vec![1, 0, 0, 0], 2));
    }
}
