//! Places across the flow. Lines that matter most are made straight: what they join becomes one rigid column. Then
//! columns move, alone or pushing what they touch, as long as the other lines get shorter.

/// What has to be placed on a layer, from left to right.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slot {
    /// Reach to the left and right of its axis.
    pub left: f64,
    pub right: f64,
    /// Distance to the next one at least.
    pub gap: f64,
    /// A value passing by.
    pub is_lane: bool,
}

/// A line that wants to be straight: place in the upper layer with the pin's offset from its axis, then the lower one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pull {
    pub upper: (usize, f64),
    pub lower: (usize, f64),
    /// Lines of the highest rank are made straight first; those of rank 0 only get short.
    pub rank: u8,
    pub weight: f64,
}

const EPS: f64 = 1e-6;

/// The axes of all slots.
pub(super) fn place(layers: &[Vec<Slot>], pulls: &[Vec<Pull>]) -> Vec<Vec<f64>> {
    let columns = Columns::of(layers, pulls, true);
    // Lines that do not cross make columns that can be put in a row; should they not, none is made.
    let mut columns = if columns.is_ordered() { columns } else { Columns::of(layers, pulls, false) };
    columns.pack();
    columns.shorten();
    columns.centre();
    columns.axes(layers)
}

/// Rigid columns of slots.
struct Columns {
    /// Column of each slot and the distance of its axis from the column's.
    of: Vec<Vec<(usize, f64)>>,
    /// Axes.
    at: Vec<f64>,
    /// (left column, right column, distance of their axes at least)
    apart: Vec<(usize, usize, f64)>,
    /// The same by their left and by their right column.
    right_of: Vec<Vec<(usize, f64)>>,
    left_of: Vec<Vec<(usize, f64)>>,
    /// By column: (other column, its axis minus ours where the line is straight, weight).
    lines: Vec<Vec<(usize, f64, f64)>>,
    /// It consists of lanes alone.
    is_lane: Vec<bool>,
}

impl Columns {
    fn of(layers: &[Vec<Slot>], pulls: &[Vec<Pull>], is_rigid: bool) -> Self {
        let mut n = 0;
        let mut of: Vec<Vec<(usize, f64)>> = Vec::with_capacity(layers.len());
        for (layer, slots) in layers.iter().enumerate() {
            let mut places: Vec<Option<(usize, f64)>> = vec![None; slots.len()];
            if layer > 0 && is_rigid {
                for pull in straight(&pulls[layer - 1]) {
                    let (column, offset) = of[layer - 1][pull.upper.0];
                    places[pull.lower.0] = Some((column, offset + pull.upper.1 - pull.lower.1));
                }
            }
            let places = places.into_iter().map(|place| {
                place.unwrap_or_else(|| {
                    n += 1;
                    (n - 1, 0.0)
                })
            });
            of.push(places.collect());
        }
        let mut columns = Self {
            at: vec![0.0; n],
            apart: Vec::new(),
            right_of: vec![Vec::new(); n],
            left_of: vec![Vec::new(); n],
            lines: vec![Vec::new(); n],
            is_lane: vec![true; n],
            of,
        };
        for (slots, places) in layers.iter().zip(&columns.of) {
            for (idx, slot) in slots.iter().enumerate() {
                columns.is_lane[places[idx].0] &= slot.is_lane;
                if let Some(next) = slots.get(idx + 1) {
                    let distance = slot.right + slot.gap + next.left;
                    let ((left, left_offset), (right, right_offset)) = (places[idx], places[idx + 1]);
                    columns.apart.push((left, right, distance + left_offset - right_offset));
                }
            }
        }
        for &(left, right, distance) in &columns.apart {
            columns.right_of[left].push((right, distance));
            columns.left_of[right].push((left, distance));
        }
        for (layer, pulls) in pulls.iter().enumerate() {
            for pull in pulls {
                let (upper, upper_offset) = columns.of[layer][pull.upper.0];
                let (lower, lower_offset) = columns.of[layer + 1][pull.lower.0];
                if upper != lower {
                    let straight = upper_offset + pull.upper.1 - lower_offset - pull.lower.1;
                    columns.lines[upper].push((lower, straight, pull.weight));
                    columns.lines[lower].push((upper, -straight, pull.weight));
                }
            }
        }
        columns
    }

    /// The columns from left to right; fewer where they go in a circle.
    fn sorted(&self) -> Vec<usize> {
        let n = self.at.len();
        let mut n_left: Vec<usize> = self.left_of.iter().map(Vec::len).collect();
        let mut ready: Vec<usize> = (0..n).rev().filter(|&column| n_left[column] == 0).collect();
        let mut sorted = Vec::with_capacity(n);
        while let Some(column) = ready.pop() {
            sorted.push(column);
            for &(right, _) in &self.right_of[column] {
                n_left[right] -= 1;
                if n_left[right] == 0 {
                    ready.push(right);
                }
            }
        }
        sorted
    }

    fn is_ordered(&self) -> bool {
        self.sorted().len() == self.at.len()
    }

    /// Every column as far left as it can be.
    fn pack(&mut self) {
        for column in self.sorted() {
            let left = self.left_of[column].iter().map(|&(left, distance)| self.at[left] + distance);
            self.at[column] = left.fold(0.0, f64::max);
        }
    }

    /// Moves columns until no line gets shorter by it.
    fn shorten(&mut self) {
        let n = self.at.len();
        for _ in 0..200 {
            let mut has_moved = false;
            for seed in 0..n {
                for sign in [1.0, -1.0] {
                    has_moved |= self.shift(seed, sign);
                }
            }
            if !has_moved {
                break;
            }
        }
    }

    /// Moves a column with all that it pushes, to the right (`sign` 1) or left, where that pays.
    fn shift(&mut self, seed: usize, sign: f64) -> bool {
        let next = |column: usize| if sign > 0.0 { &self.right_of[column] } else { &self.left_of[column] };
        let slack = |from: usize, to: usize, distance: f64| sign * (self.at[to] - self.at[from]) - distance;
        let mut is_pushed = vec![false; self.at.len()];
        is_pushed[seed] = true;
        let mut pushed = vec![seed];
        let mut done = 0;
        let mut room = f64::INFINITY;
        while let Some(&column) = pushed.get(done) {
            done += 1;
            for &(other, distance) in next(column) {
                if !is_pushed[other] && slack(column, other, distance) < EPS {
                    is_pushed[other] = true;
                    pushed.push(other);
                }
            }
        }
        let mut gain = 0.0;
        for &column in &pushed {
            for &(other, distance) in next(column) {
                if !is_pushed[other] {
                    room = room.min(slack(column, other, distance));
                }
            }
            for &(other, straight, weight) in &self.lines[column] {
                if is_pushed[other] {
                    continue;
                }
                // How far this end has to go until the line is straight.
                let missing = sign * (self.at[other] - self.at[column] - straight);
                if missing > EPS {
                    gain += weight;
                    room = room.min(missing);
                } else {
                    gain -= weight;
                }
            }
        }
        if gain < EPS || room < EPS || !room.is_finite() {
            return false;
        }
        pushed.into_iter().for_each(|column| self.at[column] += sign * room);
        true
    }

    /// Where several places are equally good, the middle of them.
    fn centre(&mut self) {
        for _ in 0..2 {
            for column in 0..self.at.len() {
                if self.lines[column].is_empty() || self.is_lane[column] {
                    continue;
                }
                let mut wishes: Vec<(f64, f64)> = self.lines[column]
                    .iter()
                    .map(|&(other, straight, weight)| (self.at[other] - straight, weight))
                    .collect();
                let least = self.left_of[column].iter().map(|&(left, distance)| self.at[left] + distance);
                let most = self.right_of[column].iter().map(|&(right, distance)| self.at[right] - distance);
                let (least, most) =
                    (least.fold(f64::NEG_INFINITY, f64::max), most.fold(f64::INFINITY, f64::min));
                let wish = median(&mut wishes);
                if least <= most {
                    self.at[column] = wish.clamp(least, most);
                }
            }
        }
    }

    fn axes(&self, layers: &[Vec<Slot>]) -> Vec<Vec<f64>> {
        let axes = |places: &Vec<(usize, f64)>| {
            places.iter().map(|&(column, offset)| self.at[column] + offset).collect()
        };
        self.of.iter().take(layers.len()).map(axes).collect()
    }
}

/// The lines between two layers that become straight: the highest ranks first, none crosses another, one for each end.
fn straight(pulls: &[Pull]) -> Vec<Pull> {
    let mut sorted: Vec<&Pull> = pulls.iter().filter(|pull| pull.rank > 0).collect();
    sorted.sort_by_key(|pull| std::cmp::Reverse(pull.rank));
    let mut taken: Vec<Pull> = Vec::new();
    for pull in &sorted {
        // Two of one rank at the same end are equals: both bend.
        let is_equal = |other: &&&Pull| {
            other.rank == pull.rank && (other.upper.0 == pull.upper.0 || other.lower.0 == pull.lower.0)
        };
        if sorted.iter().filter(is_equal).count() > 1 {
            continue;
        }
        let fits = |other: &Pull| {
            let (upper, lower) = (pull.upper.0.cmp(&other.upper.0), pull.lower.0.cmp(&other.lower.0));
            upper == lower && upper.is_ne()
        };
        if taken.iter().all(fits) {
            taken.push(**pull);
        }
    }
    taken
}

/// The weighted median, the middle where there are two.
fn median(wishes: &mut [(f64, f64)]) -> f64 {
    wishes.sort_by(|a, b| a.0.total_cmp(&b.0));
    let total: f64 = wishes.iter().map(|wish| wish.1).sum();
    let mut sum = 0.0;
    for (idx, &(at, weight)) in wishes.iter().enumerate() {
        sum += weight;
        if (sum - total / 2.0).abs() < 1e-9 * total
            && let Some(next) = wishes.get(idx + 1)
        {
            return (at + next.0) / 2.0;
        }
        if sum > total / 2.0 {
            return at;
        }
    }
    0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLOT: Slot = Slot { left: 10.0, right: 10.0, gap: 5.0, is_lane: false };

    fn line(upper: usize, lower: usize, rank: u8) -> Pull {
        Pull { upper: (upper, 0.0), lower: (lower, 0.0), rank, weight: 1.0 + f64::from(rank) }
    }

    #[test]
    fn two_branches_lie_around_what_they_come_from() {
        let layers = vec![vec![SLOT], vec![SLOT, SLOT], vec![SLOT]];
        let pulls = vec![vec![line(0, 0, 0), line(0, 1, 0)], vec![line(0, 0, 0), line(1, 0, 0)]];
        let axes = place(&layers, &pulls);
        assert_eq!(axes[0][0], axes[2][0]);
        assert_eq!(axes[0][0] - axes[1][0], axes[1][1] - axes[0][0]);
    }

    #[test]
    fn lines_of_the_highest_rank_are_straight() {
        let layers = vec![vec![SLOT], vec![SLOT, SLOT], vec![SLOT]];
        let pulls = vec![vec![line(0, 0, 0), line(0, 1, 2)], vec![line(0, 0, 1), line(1, 0, 2)]];
        let axes = place(&layers, &pulls);
        assert_eq!((axes[0][0], axes[1][1]), (axes[1][1], axes[2][0]));
        assert_eq!(axes[1][1] - axes[1][0], 25.0);
    }
}
