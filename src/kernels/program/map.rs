//! Loops over numbers at the same place: one for each function, over rows that lie one after another or where an index
//! says.

use crate::kernels::custom;
use crate::kernels::float::Float;
use crate::program::Fun;
use multiversion::multiversion;

/// Rows ahead that are fetched: about as many as are summed in the time that memory takes to answer.
const AHEAD: usize = 8;

/// Rows of an operand. The memory may be written elsewhere at the same time by others, so slices are made of single rows.
pub(super) struct Rows<'a, T> {
    values: *const T,
    len: usize,
    /// Row `i` stands at `index[i]`; at `i` where there is none.
    index: Option<&'a [u32]>,
    /// Numbers from one row to the next; 0 where all rows are the same.
    stride: usize,
}

impl<T> Clone for Rows<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Rows<'_, T> {}

impl<'a, T> Rows<'a, T> {
    pub fn dense(values: &'a [T], width: usize) -> Self {
        Self { values: values.as_ptr(), len: values.len(), index: None, stride: width }
    }
    /// Rows of `width` numbers from `values` on, at the places that `index` names; of width 0, the same for every row.
    ///
    /// # Safety
    /// For as long as the value is used, `len` numbers stand there, and nothing writes the rows that are read.
    pub unsafe fn at_places(values: *const T, len: usize, width: usize, index: Option<&'a [u32]>) -> Self {
        Self { values, len, index, stride: width }
    }
    pub fn is_dense(&self) -> bool {
        self.index.is_none() && self.stride > 0
    }
    /// The first `width` numbers of a row.
    #[inline(always)]
    pub fn at(&self, row: usize, width: usize) -> &'a [T] {
        let row = match self.index {
            Some(index) => index[row] as usize,
            None => row,
        };
        let start = row * self.stride;
        assert!(start + width <= self.len);
        // SAFETY: inside the memory; nobody writes the row by the promise of `at_places`.
        unsafe { std::slice::from_raw_parts(self.values.add(start), width) }
    }
    /// [`Rows::at`], and the row that is read some rows later is fetched into the cache: where an index says the places,
    /// the processor cannot foresee them.
    #[inline(always)]
    pub fn ahead(&self, row: usize, n: usize, width: usize) -> &'a [T] {
        #[cfg(target_arch = "x86_64")]
        if let Some(index) = self.index
            && row + AHEAD < n
        {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            let start = self.values.wrapping_add(index[row + AHEAD] as usize * self.stride);
            for line in (0..width).step_by((64 / size_of::<T>()).max(1)) {
                // SAFETY: a hint, which may name any address.
                unsafe { _mm_prefetch::<_MM_HINT_T0>(start.wrapping_add(line).cast()) };
            }
        }
        let _ = n;
        self.at(row, width)
    }

    /// The first `len` numbers of rows that stand one after another.
    pub fn values(&self, len: usize) -> &'a [T] {
        assert!(self.index.is_none() && len <= self.len);
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts(self.values, len) }
    }
}

/// How the numbers of an operand's row stand beside those of the result's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fit {
    /// One for each.
    Full,
    /// One for each head of as many numbers.
    Heads,
    /// The same for each head: as many as a head has.
    Tail,
    /// One for all.
    Scalar,
}

/// An operand with its fit.
pub(super) type Operand<'a, T> = (Rows<'a, T>, Fit);

trait Of<T> {
    /// How many numbers it is a function of: loops over more or fewer operands are not compiled.
    const ARITY: usize;
    fn of(c: T, x: [T; 3]) -> T;
}

use crate::program::special::{ln_gamma, polygamma};

macro_rules! functions {
    ($($name:ident $arity:literal: |$c:ident, $a:ident, $b:ident, $d:ident| $body:expr;)*) => {
        #[allow(unused_variables)]
        mod of {
            use super::*;
            $(pub struct $name;
            impl<T: Float> Of<T> for $name {
                const ARITY: usize = $arity;
                #[inline(always)]
                fn of($c: T, [$a, $b, $d]: [T; 3]) -> T {
                    $body
                }
            })*
        }
    };
}

functions! {
    Same 1: |c, a, b, d| a;
    Neg 1: |c, a, b, d| -a;
    Abs 1: |c, a, b, d| a.abs();
    Sign 1: |c, a, b, d| if a > T::ZERO { T::ONE } else if a < T::ZERO { -T::ONE } else { T::ZERO };
    Exp 1: |c, a, b, d| a.exp();
    Ln 1: |c, a, b, d| a.ln();
    Sqrt 1: |c, a, b, d| a.sqrt();
    Reciprocal 1: |c, a, b, d| T::ONE / a;
    Square 1: |c, a, b, d| a * a;
    // What is no number stays none.
    Relu 1: |c, a, b, d| if a <= T::ZERO { T::ZERO } else { a };
    LeakyRelu 1: |c, a, b, d| if a > T::ZERO { a } else { c * a };
    Elu 1: |c, a, b, d| if a > T::ZERO { a } else { c * (a.exp() - T::ONE) };
    Gelu 1: |c, a, b, d| T::of(0.5) * a * (T::ONE + (a * T::of(std::f64::consts::FRAC_1_SQRT_2)).erf());
    GeluSlope 1: |c, a, b, d| {
        let density = (T::of(-0.5) * a * a).exp() * T::of(0.398_942_280_401_432_7);
        T::of(0.5) * (T::ONE + (a * T::of(std::f64::consts::FRAC_1_SQRT_2)).erf()) + a * density
    };
    Sigmoid 1: |c, a, b, d| T::ONE / (T::ONE + (-a).exp());
    Tanh 1: |c, a, b, d| a.tanh();
    Softplus 1: |c, a, b, d| {
        let larger = if a > T::ZERO { a } else { T::ZERO };
        larger + (T::ONE + (-a.abs()).exp()).ln_normal()
    };
    Scale 1: |c, a, b, d| c * a;
    Offset 1: |c, a, b, d| a + c;
    Power 1: |c, a, b, d| T::of(a.wide().powf(c.wide()));
    AtLeast 1: |c, a, b, d| if a < c { c } else { a };
    AtMost 1: |c, a, b, d| if a > c { c } else { a };
    Above 1: |c, a, b, d| if a > c { T::ONE } else { T::ZERO };
    Floor 1: |c, a, b, d| T::of(a.wide().floor());
    Sin 1: |c, a, b, d| T::of(a.wide().sin());
    Cos 1: |c, a, b, d| T::of(a.wide().cos());
    LnGamma 1: |c, a, b, d| T::of(ln_gamma(a.wide()));
    Polygamma 1: |c, a, b, d| T::of(polygamma(c.wide() as u32, a.wide()));
    Add 2: |c, a, b, d| a + b;
    Sub 2: |c, a, b, d| a - b;
    Mul 2: |c, a, b, d| a * b;
    Div 2: |c, a, b, d| a / b;
    Max 2: |c, a, b, d| if b > a { b } else { a };
    Angle 2: |c, a, b, d| T::of(a.wide().atan2(b.wide()));
    Equal 2: |c, a, b, d| if a == b { T::ONE } else { T::ZERO };
    Gate 2: |c, a, b, d| if a > T::ZERO { b } else { T::ZERO };
    LeakyGate 2: |c, a, b, d| if a > T::ZERO { b } else { c * b };
    Where 3: |c, a, b, d| if a != T::ZERO { b } else { d };
}

/// The result of a function for `n` rows of `heads · each` numbers, row-major into `out`. With `ends`, rows are added up
/// instead: those up to `ends[0]` to the first row of `out`, those up to `ends[1]` to the second, and so on.
pub(super) fn map<T: Float>(
    f: Fun,
    args: &[Operand<T>],
    n: usize,
    [heads, each]: [usize; 2],
    out: &mut [T],
    ends: Option<&[u32]>,
) {
    macro_rules! call {
        ($name:ident, $c:expr) => {
            run::<T, of::$name>(T::of($c), args, n, [heads, each], out, ends)
        };
    }
    match f {
        Fun::Stop => call!(Same, 0.0),
        Fun::Neg => call!(Neg, 0.0),
        Fun::Abs => call!(Abs, 0.0),
        Fun::Sign => call!(Sign, 0.0),
        Fun::Exp => call!(Exp, 0.0),
        Fun::Ln => call!(Ln, 0.0),
        Fun::Sqrt => call!(Sqrt, 0.0),
        Fun::Reciprocal => call!(Reciprocal, 0.0),
        Fun::Square => call!(Square, 0.0),
        Fun::Relu => call!(Relu, 0.0),
        Fun::LeakyRelu(c) => call!(LeakyRelu, c),
        Fun::Elu(c) => call!(Elu, c),
        Fun::Gelu => call!(Gelu, 0.0),
        Fun::GeluSlope => call!(GeluSlope, 0.0),
        Fun::Sigmoid => call!(Sigmoid, 0.0),
        Fun::Tanh => call!(Tanh, 0.0),
        Fun::Softplus => call!(Softplus, 0.0),
        Fun::Scale(c) => call!(Scale, c),
        Fun::Offset(c) => call!(Offset, c),
        Fun::Power(c) => call!(Power, c),
        Fun::AtLeast(c) => call!(AtLeast, c),
        Fun::AtMost(c) => call!(AtMost, c),
        Fun::Above(c) => call!(Above, c),
        Fun::Floor => call!(Floor, 0.0),
        Fun::Sin => call!(Sin, 0.0),
        Fun::Cos => call!(Cos, 0.0),
        Fun::LnGamma => call!(LnGamma, 0.0),
        Fun::Polygamma(n) => call!(Polygamma, n),
        Fun::Add => call!(Add, 0.0),
        Fun::Sub => call!(Sub, 0.0),
        Fun::Mul => call!(Mul, 0.0),
        Fun::Div => call!(Div, 0.0),
        Fun::Max => call!(Max, 0.0),
        Fun::Angle => call!(Angle, 0.0),
        Fun::Equal => call!(Equal, 0.0),
        Fun::Gate => call!(Gate, 0.0),
        Fun::LeakyGate(c) => call!(LeakyGate, c),
        Fun::Where => call!(Where, 0.0),
    }
}

/// `n` rows copied, or added up as [`map`] adds them.
pub(super) fn copy<T: Float>(
    x: Operand<T>,
    n: usize,
    shape: [usize; 2],
    out: &mut [T],
    ends: Option<&[u32]>,
) {
    run::<T, of::Same>(T::ZERO, &[x], n, shape, out, ends);
}

fn run<T: Float, F: Of<T>>(
    c: T,
    args: &[Operand<T>],
    n: usize,
    shape: [usize; 2],
    out: &mut [T],
    ends: Option<&[u32]>,
) {
    match ends {
        _ if shape[0] * shape[1] == 0 => {}
        // Networks run in f64 where results are compared: not worth code for each kind of processor.
        Some(ends) if const { size_of::<T>() > 4 } => sum_rows_here::<T, F>(c, args, ends, shape, out),
        None if const { size_of::<T>() > 4 } => rows_here::<T, F>(c, args, n, shape, out),
        Some(ends) => sum_rows::<T, F>(c, args, ends, shape, out),
        None => rows::<T, F>(c, args, n, shape, out),
    }
}

#[multiversion(targets("x86_64+avx2+fma+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2+fma"))]
fn rows<T: Float, F: Of<T>>(c: T, args: &[Operand<T>], n: usize, shape: [usize; 2], out: &mut [T]) {
    rows_here::<T, F>(c, args, n, shape, out);
}

#[inline(always)]
fn rows_here<T: Float, F: Of<T>>(
    c: T,
    args: &[Operand<T>],
    n: usize,
    [heads, each]: [usize; 2],
    out: &mut [T],
) {
    let width = heads * each;
    let is_flat = args.iter().all(|(rows, fit)| *fit == Fit::Full && rows.is_dense());
    if is_flat {
        let len = n * width;
        let out = &mut out[..len];
        match args {
            [(a, _)] if F::ARITY == 1 => run1::<T, F>(c, a.values(len), out),
            [(a, _), (b, _)] if F::ARITY == 2 => run2::<T, F>(c, a.values(len), b.values(len), out),
            [(a, _), (b, _), (d, _)] if F::ARITY == 3 => {
                run3::<T, F>(c, a.values(len), b.values(len), d.values(len), out);
            }
            _ => unreachable!("as many operands as the function takes"),
        }
        return;
    }
    // Rows of a few numbers, as scores of heads are, are not worth a loop of their own each.
    match width {
        1 => return short_rows::<T, F, 1>(c, args, n, each, out),
        2 => return short_rows::<T, F, 2>(c, args, n, each, out),
        4 => return short_rows::<T, F, 4>(c, args, n, each, out),
        8 => return short_rows::<T, F, 8>(c, args, n, each, out),
        _ => {}
    }
    // Plain loops: what goes through an iterator's own functions is compiled for the least processor.
    for row in 0..n {
        let out = &mut out[row * width..][..width];
        match args {
            [(a, Fit::Full)] if F::ARITY == 1 => run1::<T, F>(c, a.ahead(row, n, width), out),
            [(a, Fit::Full), (b, Fit::Full)] if F::ARITY == 2 => {
                run2::<T, F>(c, a.ahead(row, n, width), b.ahead(row, n, width), out);
            }
            [(a, Fit::Full), (_, Fit::Heads | Fit::Scalar)] if F::ARITY == 2 => {
                let a = a.ahead(row, n, width);
                for head in 0..heads {
                    let b = one(args[1], row, head);
                    let (a, out) = (&a[head * each..][..each], &mut out[head * each..][..each]);
                    for i in 0..each {
                        out[i] = F::of(c, [a[i], b, T::ZERO]);
                    }
                }
            }
            [(_, Fit::Heads | Fit::Scalar), (b, Fit::Full)] if F::ARITY == 2 => {
                let b = b.ahead(row, n, width);
                for head in 0..heads {
                    let a = one(args[0], row, head);
                    let (b, out) = (&b[head * each..][..each], &mut out[head * each..][..each]);
                    for i in 0..each {
                        out[i] = F::of(c, [a, b[i], T::ZERO]);
                    }
                }
            }
            _ => {
                for head in 0..heads {
                    let out = &mut out[head * each..][..each];
                    let mut start = 0;
                    while each - start >= NARROW {
                        let of = |k: usize| args.get(k).filter(|_| k < F::ARITY);
                        let a = some::<T, NARROW>(of(0), row, head, start, each);
                        let b = some::<T, NARROW>(of(1), row, head, start, each);
                        let d = some::<T, NARROW>(of(2), row, head, start, each);
                        for i in 0..NARROW {
                            out[start + i] = F::of(c, [a[i], b[i], d[i]]);
                        }
                        start += NARROW;
                    }
                    for place in start..each {
                        out[place] = general::<T, F>(c, args, row, head * each + place, each);
                    }
                }
            }
        }
    }
}

/// `K` numbers of a head of an operand, from the `start`-th on.
#[inline(always)]
fn some<T: Float, const K: usize>(
    operand: Option<&Operand<T>>,
    row: usize,
    head: usize,
    start: usize,
    each: usize,
) -> [T; K] {
    let mut values = [T::ZERO; K];
    if let Some(&(rows, fit)) = operand {
        match fit {
            Fit::Heads | Fit::Scalar => values = [one((rows, fit), row, head); K],
            Fit::Full => values.copy_from_slice(&rows.at(row, (head + 1) * each)[head * each + start..][..K]),
            Fit::Tail => values.copy_from_slice(&rows.at(row, each)[start..][..K]),
        }
    }
    values
}

/// Numbers of operands that are put one after another at a time.
const TILE: usize = 256;

/// Rows of `W` numbers: operands that stand elsewhere are put one after another, so that one loop goes over many rows.
#[inline(always)]
fn short_rows<T: Float, F: Of<T>, const W: usize>(
    c: T,
    args: &[Operand<T>],
    n: usize,
    each: usize,
    out: &mut [T],
) {
    let [mut a_room, mut b_room, mut d_room] = [[T::ZERO; TILE]; 3];
    let mut first = 0;
    while first < n {
        let rows = (n - first).min(TILE / W);
        let out = &mut out[first * W..][..rows * W];
        match args {
            [a] if F::ARITY == 1 => run1::<T, F>(c, tile::<T, W>(a, first, rows, each, &mut a_room), out),
            [a, b] if F::ARITY == 2 => run2::<T, F>(
                c,
                tile::<T, W>(a, first, rows, each, &mut a_room),
                tile::<T, W>(b, first, rows, each, &mut b_room),
                out,
            ),
            [a, b, d] if F::ARITY == 3 => run3::<T, F>(
                c,
                tile::<T, W>(a, first, rows, each, &mut a_room),
                tile::<T, W>(b, first, rows, each, &mut b_room),
                tile::<T, W>(d, first, rows, each, &mut d_room),
                out,
            ),
            _ => unreachable!("as many operands as the function takes"),
        }
        first += rows;
    }
}

/// Some rows of `W` numbers of an operand, one after another. Not compiled anew for each function that reads them.
#[inline(never)]
fn tile<'t, T: Float, const W: usize>(
    &(x, fit): &Operand<'t, T>,
    first: usize,
    rows: usize,
    each: usize,
    room: &'t mut [T; TILE],
) -> &'t [T] {
    match fit {
        Fit::Full if x.is_dense() => return &x.values((first + rows) * W)[first * W..],
        Fit::Full => {
            for row in 0..rows {
                let from = x.at(first + row, W);
                for i in 0..W {
                    room[row * W + i] = from[i];
                }
            }
        }
        Fit::Scalar => {
            for row in 0..rows {
                let number = x.at(first + row, 1)[0];
                for i in 0..W {
                    room[row * W + i] = number;
                }
            }
        }
        Fit::Heads => {
            for row in 0..rows {
                let of_heads = x.at(first + row, W / each);
                for i in 0..W {
                    room[row * W + i] = of_heads[i / each];
                }
            }
        }
        Fit::Tail => {
            for row in 0..rows {
                let of_head = x.at(first + row, each);
                for i in 0..W {
                    room[row * W + i] = of_head[i % each];
                }
            }
        }
    }
    &room[..rows * W]
}

/// Columns that are summed in registers at a time.
const WIDE: usize = 64;
const NARROW: usize = 16;

#[multiversion(targets("x86_64+avx2+fma+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2+fma"))]
fn sum_rows<T: Float, F: Of<T>>(c: T, args: &[Operand<T>], ends: &[u32], shape: [usize; 2], out: &mut [T]) {
    sum_rows_here::<T, F>(c, args, ends, shape, out);
}

#[inline(always)]
fn sum_rows_here<T: Float, F: Of<T>>(
    c: T,
    args: &[Operand<T>],
    ends: &[u32],
    [heads, each]: [usize; 2],
    out: &mut [T],
) {
    let width = heads * each;
    let n = ends.last().map_or(0, |&end| end as usize);
    let mut start = 0;
    for segment in 0..ends.len() {
        let out = &mut out[segment * width..][..width];
        let rows = start..ends[segment] as usize;
        start = rows.end;
        match args {
            [(a, Fit::Full)] if F::ARITY == 1 => columns(
                out,
                |at, sums: &mut [T; WIDE]| {
                    for row in rows.clone() {
                        add::<T, WIDE>(sums, &a.ahead(row, n, width)[at..], |a| {
                            F::of(c, [a, T::ZERO, T::ZERO])
                        });
                    }
                },
                |at, sums: &mut [T; NARROW]| {
                    for row in rows.clone() {
                        add::<T, NARROW>(sums, &a.at(row, width)[at..], |a| F::of(c, [a, T::ZERO, T::ZERO]));
                    }
                },
                |at| {
                    rows.clone()
                        .fold(T::ZERO, |sum, row| sum + F::of(c, [a.at(row, width)[at], T::ZERO, T::ZERO]))
                },
            ),
            [(a, Fit::Full), (b, Fit::Full)] if F::ARITY == 2 => columns(
                out,
                |at, sums: &mut [T; WIDE]| {
                    for row in rows.clone() {
                        let (a, b) = (&a.ahead(row, n, width)[at..], &b.ahead(row, n, width)[at..]);
                        add2::<T, WIDE>(sums, a, b, |a, b| F::of(c, [a, b, T::ZERO]));
                    }
                },
                |at, sums: &mut [T; NARROW]| {
                    for row in rows.clone() {
                        let (a, b) = (&a.at(row, width)[at..], &b.at(row, width)[at..]);
                        add2::<T, NARROW>(sums, a, b, |a, b| F::of(c, [a, b, T::ZERO]));
                    }
                },
                |at| {
                    rows.clone().fold(T::ZERO, |sum, row| {
                        sum + F::of(c, [a.at(row, width)[at], b.at(row, width)[at], T::ZERO])
                    })
                },
            ),
            [vector @ (_, Fit::Full | Fit::Tail), number @ (_, Fit::Heads | Fit::Scalar)]
                if F::ARITY == 2 =>
            {
                sum_by_number::<T, F, false>(c, vector, number, rows, n, each, out);
            }
            [number @ (_, Fit::Heads | Fit::Scalar), vector @ (_, Fit::Full | Fit::Tail)]
                if F::ARITY == 2 =>
            {
                sum_by_number::<T, F, true>(c, vector, number, rows, n, each, out);
            }
            _ => {
                for (place, out) in out.iter_mut().enumerate() {
                    *out = rows
                        .clone()
                        .fold(T::ZERO, |sum, row| sum + general::<T, F>(c, args, row, place, each));
                }
            }
        }
    }
}

/// A sum of rows whose numbers, head by head, stand beside one number: behind it where `IS_TURNED`.
#[inline(always)]
fn sum_by_number<T: Float, F: Of<T>, const IS_TURNED: bool>(
    c: T,
    &(vector, fit): &Operand<T>,
    &number: &Operand<T>,
    rows: std::ops::Range<usize>,
    n: usize,
    each: usize,
    out: &mut [T],
) {
    for head in 0..out.len() / each {
        let out = &mut out[head * each..][..each];
        let first = if fit == Fit::Full { head * each } else { 0 };
        let end = first + each;
        let mut at = 0;
        while each - at >= NARROW {
            let len = if each - at >= WIDE { WIDE } else { NARROW };
            let mut sums = [T::ZERO; WIDE];
            for row in rows.start..rows.end {
                let number = one(number, row, head);
                // The first run of columns fetches the rows for all of them.
                let x = if head + at == 0 { vector.ahead(row, n, end) } else { vector.at(row, end) };
                let x = &x[first + at..];
                if len == WIDE {
                    add_by_number::<T, F, IS_TURNED, WIDE>(c, &mut sums, x, number);
                } else {
                    add_by_number::<T, F, IS_TURNED, NARROW>(c, &mut sums, x, number);
                }
            }
            out[at..at + len].copy_from_slice(&sums[..len]);
            at += len;
        }
        for place in at..each {
            let mut sum = T::ZERO;
            for row in rows.start..rows.end {
                let number = one(number, row, head);
                sum += by_number::<T, F, IS_TURNED>(c, vector.at(row, end)[first + place], number);
            }
            out[place] = sum;
        }
    }
}

#[inline(always)]
fn by_number<T: Float, F: Of<T>, const IS_TURNED: bool>(c: T, x: T, number: T) -> T {
    F::of(c, if IS_TURNED { [number, x, T::ZERO] } else { [x, number, T::ZERO] })
}

#[inline(always)]
fn add_by_number<T: Float, F: Of<T>, const IS_TURNED: bool, const K: usize>(
    c: T,
    sums: &mut [T; WIDE],
    x: &[T],
    number: T,
) {
    let x = &x[..K];
    for i in 0..K {
        sums[i] += by_number::<T, F, IS_TURNED>(c, x[i], number);
    }
}

/// Fills `out` with sums, by runs of columns that stay in registers and by single ones at the end.
#[inline(always)]
fn columns<T: Float>(
    out: &mut [T],
    wide: impl Fn(usize, &mut [T; WIDE]),
    narrow: impl Fn(usize, &mut [T; NARROW]),
    single: impl Fn(usize) -> T,
) {
    let mut at = 0;
    while out.len() - at >= WIDE {
        let mut sums = [T::ZERO; WIDE];
        wide(at, &mut sums);
        out[at..at + WIDE].copy_from_slice(&sums);
        at += WIDE;
    }
    while out.len() - at >= NARROW {
        let mut sums = [T::ZERO; NARROW];
        narrow(at, &mut sums);
        out[at..at + NARROW].copy_from_slice(&sums);
        at += NARROW;
    }
    while at < out.len() {
        out[at] = single(at);
        at += 1;
    }
}

#[inline(always)]
fn add<T: Float, const K: usize>(sums: &mut [T; K], a: &[T], f: impl Fn(T) -> T) {
    let a = &a[..K];
    for i in 0..K {
        sums[i] += f(a[i]);
    }
}

#[inline(always)]
fn add2<T: Float, const K: usize>(sums: &mut [T; K], a: &[T], b: &[T], f: impl Fn(T, T) -> T) {
    let (a, b) = (&a[..K], &b[..K]);
    for i in 0..K {
        sums[i] += f(a[i], b[i]);
    }
}

/// One number of the result, whatever the operands are.
#[inline(always)]
fn general<T: Float, F: Of<T>>(c: T, args: &[Operand<T>], row: usize, place: usize, each: usize) -> T {
    let mut x = [T::ZERO; 3];
    for (x, (rows, fit)) in x.iter_mut().take(F::ARITY).zip(args) {
        let at = match fit {
            Fit::Full => place,
            Fit::Heads => place / each,
            Fit::Tail => place % each,
            Fit::Scalar => 0,
        };
        *x = rows.at(row, at + 1)[at];
    }
    F::of(c, x)
}

/// The number of an operand for one head.
#[inline(always)]
fn one<T: Float>((rows, fit): Operand<T>, row: usize, head: usize) -> T {
    let place = if fit == Fit::Heads { head } else { 0 };
    rows.at(row, place + 1)[place]
}

#[inline(always)]
fn run1<T: Float, F: Of<T>>(c: T, a: &[T], out: &mut [T]) {
    let n = out.len();
    let a = &a[..n];
    for i in 0..n {
        out[i] = F::of(c, [a[i], T::ZERO, T::ZERO]);
    }
}
#[inline(always)]
fn run2<T: Float, F: Of<T>>(c: T, a: &[T], b: &[T], out: &mut [T]) {
    let n = out.len();
    let (a, b) = (&a[..n], &b[..n]);
    for i in 0..n {
        out[i] = F::of(c, [a[i], b[i], T::ZERO]);
    }
}
#[inline(always)]
fn run3<T: Float, F: Of<T>>(c: T, a: &[T], b: &[T], d: &[T], out: &mut [T]) {
    let n = out.len();
    let (a, b, d) = (&a[..n], &b[..n], &d[..n]);
    for i in 0..n {
        out[i] = F::of(c, [a[i], b[i], d[i]]);
    }
}

/// `Σ_col a · b` for each of `n` rows and heads.
#[multiversion(targets("x86_64+avx2+fma+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2+fma"))]
pub(super) fn dot<T: Float>(a: Rows<T>, b: Rows<T>, n: usize, [heads, each]: [usize; 2], out: &mut [T]) {
    let width = heads * each;
    for row in 0..n {
        let (a, b) = (a.ahead(row, n, width), b.ahead(row, n, width));
        for head in 0..heads {
            out[row * heads + head] = custom::dot(&a[head * each..][..each], &b[head * each..][..each]);
        }
    }
}

/// Whether the function of two rows costs no more than to write its result and to read it again.
pub(super) fn is_pair(f: Fun) -> bool {
    matches!(f, Fun::Add | Fun::Sub | Fun::Mul)
}

/// [`dot`] of rows `f(a, b)`, which [`is_pair`], with `other`, or with themselves where there is none.
pub(super) fn dot_of_pairs<T: Float>(
    f: Fun,
    pair: [Rows<T>; 2],
    other: Option<Rows<T>>,
    n: usize,
    shape: [usize; 2],
    out: &mut [T],
) {
    match f {
        Fun::Add => dots_of::<T, of::Add>(pair, other, n, shape, out),
        Fun::Sub => dots_of::<T, of::Sub>(pair, other, n, shape, out),
        Fun::Mul => dots_of::<T, of::Mul>(pair, other, n, shape, out),
        f => unreachable!("{f:?} is no pair"),
    }
}

#[multiversion(targets("x86_64+avx2+fma+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2+fma"))]
fn dots_of<T: Float, F: Of<T>>(
    [a, b]: [Rows<T>; 2],
    other: Option<Rows<T>>,
    n: usize,
    [heads, each]: [usize; 2],
    out: &mut [T],
) {
    let width = heads * each;
    for row in 0..n {
        let (a, b) = (a.ahead(row, n, width), b.ahead(row, n, width));
        let other = other.map(|other| other.ahead(row, n, width));
        for head in 0..heads {
            let (a, b) = (&a[head * each..][..each], &b[head * each..][..each]);
            out[row * heads + head] = match other {
                Some(other) => dot_of::<T, F, false>(a, b, &other[head * each..][..each]),
                None => dot_of::<T, F, true>(a, b, &[]),
            };
        }
    }
}

/// In the order of [`custom::dot`], so that both give the same bits.
#[inline(always)]
fn dot_of<T: Float, F: Of<T>, const IS_SQUARE: bool>(a: &[T], b: &[T], other: &[T]) -> T {
    const LANES: usize = 16;
    let n = a.len();
    let b = &b[..n];
    let mut lanes = [T::ZERO; LANES];
    let mut start = 0;
    while n - start >= LANES {
        let a: &[T; LANES] = a[start..][..LANES].try_into().expect("as many");
        let b: &[T; LANES] = b[start..][..LANES].try_into().expect("as many");
        if IS_SQUARE {
            for lane in 0..LANES {
                let x = F::of(T::ZERO, [a[lane], b[lane], T::ZERO]);
                lanes[lane] += x * x;
            }
        } else {
            let other: &[T; LANES] = other[start..][..LANES].try_into().expect("as many");
            for lane in 0..LANES {
                lanes[lane] += F::of(T::ZERO, [a[lane], b[lane], T::ZERO]) * other[lane];
            }
        }
        start += LANES;
    }
    let mut rest = T::ZERO;
    for i in start..n {
        let x = F::of(T::ZERO, [a[i], b[i], T::ZERO]);
        rest += x * if IS_SQUARE { x } else { other[i] };
    }
    custom::fold(lanes) + rest
}

/// Sums over segments of rows, as [`map`] adds them, of `number · f(a, b)`, which [`is_pair`]: a number for each head.
pub(super) fn sum_pairs_by_number<T: Float>(
    f: Fun,
    pair: [Rows<T>; 2],
    number: Operand<T>,
    ends: &[u32],
    shape: [usize; 2],
    out: &mut [T],
) {
    match f {
        Fun::Add => sums_of_pairs::<T, of::Add>(pair, number, ends, shape, out),
        Fun::Sub => sums_of_pairs::<T, of::Sub>(pair, number, ends, shape, out),
        Fun::Mul => sums_of_pairs::<T, of::Mul>(pair, number, ends, shape, out),
        f => unreachable!("{f:?} is no pair"),
    }
}

#[multiversion(targets("x86_64+avx2+fma+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2+fma"))]
fn sums_of_pairs<T: Float, F: Of<T>>(
    [a, b]: [Rows<T>; 2],
    number: Operand<T>,
    ends: &[u32],
    [heads, each]: [usize; 2],
    out: &mut [T],
) {
    let width = heads * each;
    let n = ends.last().map_or(0, |&end| end as usize);
    let mut first = 0;
    for segment in 0..ends.len() {
        let (start, end) = (first, ends[segment] as usize);
        first = end;
        for head in 0..heads {
            let out = &mut out[segment * width + head * each..][..each];
            let mut at = 0;
            while each - at >= NARROW {
                let len = if each - at >= WIDE { WIDE } else { NARROW };
                let mut sums = [T::ZERO; WIDE];
                for row in start..end {
                    let number = one(number, row, head);
                    // The first run of columns fetches the rows for all of them.
                    let (a, b) = if head + at == 0 {
                        (a.ahead(row, n, width), b.ahead(row, n, width))
                    } else {
                        (a.at(row, width), b.at(row, width))
                    };
                    let (a, b) = (&a[head * each + at..], &b[head * each + at..]);
                    if len == WIDE {
                        add_pair_by_number::<T, F, WIDE>(&mut sums, a, b, number);
                    } else {
                        add_pair_by_number::<T, F, NARROW>(&mut sums, a, b, number);
                    }
                }
                out[at..at + len].copy_from_slice(&sums[..len]);
                at += len;
            }
            for place in at..each {
                let mut sum = T::ZERO;
                for row in start..end {
                    let (a, b) =
                        (a.at(row, width)[head * each + place], b.at(row, width)[head * each + place]);
                    sum += one(number, row, head) * F::of(T::ZERO, [a, b, T::ZERO]);
                }
                out[place] = sum;
            }
        }
    }
}

#[inline(always)]
fn add_pair_by_number<T: Float, F: Of<T>, const K: usize>(sums: &mut [T; WIDE], a: &[T], b: &[T], number: T) {
    let (a, b) = (&a[..K], &b[..K]);
    for i in 0..K {
        sums[i] += number * F::of(T::ZERO, [a[i], b[i], T::ZERO]);
    }
}

/// The largest of each column over the rows of each segment; rows of `out` without any are 0.
#[multiversion(targets("x86_64+avx2+fma+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2+fma"))]
pub(super) fn largest<T: Float>(x: Rows<T>, ends: &[u32], width: usize, out: &mut [T]) {
    let (mut row, last) = (0, ends.last().map_or(0, |&end| end as usize));
    for (out, &end) in out.chunks_exact_mut(width.max(1)).zip(ends) {
        let end = end as usize;
        if row == end {
            out.fill(T::ZERO);
            continue;
        }
        let out = &mut out[..width];
        out.copy_from_slice(x.ahead(row, last, width));
        for row in row + 1..end {
            let x = x.ahead(row, last, width);
            for i in 0..width {
                out[i] = out[i].greater(x[i]);
            }
        }
        row = end;
    }
}
