//! Support vector machines for several classes: fitted on a Gram matrix, chosen on the validation part, saved with the graphs that
//! they rest on.

use super::counts::{Counts, Kernel};
use super::matrix::{Gram, Postings, similarities, squares};
use super::solver::{Problem, Solution};
use crate::data::Dataset;
use crate::kernels::map_each;
use candle_core::{DType, Device, Tensor};
use std::collections::BTreeMap;

/// Graphs that are compared with those of a machine at a time.
const BLOCK: usize = 256;

/// What is tried, and on what.
pub struct Task<'a> {
    /// By the kernel's depths, where a kernel makes them.
    pub grams: &'a [Gram],
    /// Class of each graph.
    pub classes: &'a [i64],
    pub n_classes: usize,
    pub train: &'a [u32],
    pub cs: &'a [f64],
    pub tolerance: f64,
}

/// One way to fit a machine: a Gram matrix and a `C`.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Candidate {
    gram: usize,
    c: f64,
}

/// A machine for each two classes, on the training graphs of a Gram matrix.
#[derive(Debug, Clone, PartialEq)]
pub struct Trained {
    /// Place of its Gram matrix among the kernel's depths.
    pub gram: usize,
    pub c: f64,
    /// Whether every machine reached its optimum.
    pub is_optimal: bool,
    decider: Decider,
    /// Of each pair of classes, the graphs that it rests on, ascending, with their coefficients.
    support: Vec<Vec<(u32, f64)>>,
}

/// How decisions between two classes become outputs.
#[derive(Debug, Clone, PartialEq)]
struct Decider {
    n_classes: usize,
    /// Those of the training part, ascending.
    present: Vec<u32>,
    /// Each two of them.
    pairs: Vec<(u32, u32)>,
    biases: Vec<f64>,
}

impl Decider {
    /// An output for each class, from the decisions between each two: votes, with the sum of the decisions squeezed below 1/3
    /// beside them; of two classes the decision itself.
    fn outputs(&self, decisions: &[f64]) -> Vec<f32> {
        let mut outputs = vec![0.0f32; self.n_classes];
        match (self.present.as_slice(), decisions) {
            ([only], _) => outputs[*only as usize] = 1.0,
            ([first, second], [decision]) if self.n_classes == 2 => {
                outputs[*first as usize] = *decision as f32;
                outputs[*second as usize] = -decision as f32;
            }
            _ => {
                let (mut votes, mut sums) = (vec![0.0; self.n_classes], vec![0.0; self.n_classes]);
                for (&(first, second), &decision) in self.pairs.iter().zip(decisions) {
                    votes[if decision > 0.0 { first } else { second } as usize] += 1.0;
                    sums[first as usize] += decision;
                    sums[second as usize] -= decision;
                }
                for &class in &self.present {
                    let (votes, sum): (f64, f64) = (votes[class as usize], sums[class as usize]);
                    outputs[class as usize] = (votes + sum / (3.0 * (sum.abs() + 1.0))) as f32;
                }
                // What no training graph is has fewer votes than anything else.
                let absent = (0..self.n_classes).filter(|class| !self.present.contains(&(*class as u32)));
                absent.for_each(|class| outputs[class] = -1.0);
            }
        }
        outputs
    }
}

/// Fits a machine for each depth of the kernel and each `C`, and keeps the one with the highest figure, of equal ones the first.
/// `figure` gets the outputs of the validation graphs; where there is one way alone, it is not asked.
pub fn train(task: &Task, validation: &[u32], figure: impl Fn(Vec<f32>) -> Option<f64>) -> Trained {
    let candidates: Vec<Candidate> =
        (0..task.grams.len()).flat_map(|gram| task.cs.iter().map(move |&c| Candidate { gram, c })).collect();
    let mut present: Vec<u32> = task.train.iter().map(|&item| task.classes[item as usize] as u32).collect();
    present.sort_unstable();
    present.dedup();
    let pairs: Vec<(u32, u32)> = present
        .iter()
        .enumerate()
        .flat_map(|(idx, &a)| present[idx + 1..].iter().map(move |&b| (a, b)))
        .collect();
    let of_pair = |&(first, second): &(u32, u32)| -> (Vec<u32>, Vec<f64>) {
        let of_class = |&item: &u32| match task.classes[item as usize] as u32 {
            class if class == first => Some((item, 1.0)),
            class if class == second => Some((item, -1.0)),
            _ => None,
        };
        let mut items = task.train.to_vec();
        items.sort_unstable();
        items.iter().filter_map(of_class).unzip()
    };
    let parts: Vec<(Vec<u32>, Vec<f64>)> = pairs.iter().map(of_pair).collect();
    let n_jobs = candidates.len() * pairs.len();
    let work = parts.iter().map(|(items, _)| items.len() * items.len()).sum::<usize>() * candidates.len();
    let solved: Vec<Solution> = map_each(n_jobs, work, |job| {
        let (candidate, (items, signs)) = (candidates[job / pairs.len()], &parts[job % pairs.len()]);
        let gram = &task.grams[candidate.gram];
        Problem { gram, items, signs, c: candidate.c, tolerance: task.tolerance }.solve()
    });
    let fitted = candidates.iter().enumerate().map(|(idx, candidate)| {
        let solutions = &solved[idx * pairs.len()..(idx + 1) * pairs.len()];
        let support = solutions.iter().zip(&parts).map(|(solution, (items, _))| {
            let all = items.iter().copied().zip(solution.coefficients.iter().copied());
            all.filter(|(_, coefficient)| *coefficient != 0.0).collect()
        });
        Trained {
            gram: candidate.gram,
            c: candidate.c,
            is_optimal: solutions.iter().all(|solution| solution.is_optimal),
            decider: Decider {
                n_classes: task.n_classes,
                present: present.clone(),
                pairs: pairs.clone(),
                biases: solutions.iter().map(|solution| solution.bias).collect(),
            },
            support: support.collect(),
        }
    });
    let mut fitted: Vec<Trained> = fitted.collect();
    if fitted.len() == 1 {
        return fitted.remove(0);
    }
    let figures: Vec<f64> = fitted
        .iter()
        .map(|trained| {
            figure(trained.outputs(&task.grams[trained.gram], validation)).unwrap_or(f64::NEG_INFINITY)
        })
        .collect();
    let best = (0..fitted.len()).fold(0, |best, idx| if figures[idx] > figures[best] { idx } else { best });
    fitted.swap_remove(best)
}

impl Trained {
    /// Outputs for graphs of its Gram matrix, row-major.
    pub fn outputs(&self, gram: &Gram, items: &[u32]) -> Vec<f32> {
        let of_item = |&item: &u32| {
            let row = gram.row(item);
            let decision = |(support, bias): (&Vec<(u32, f64)>, &f64)| {
                support.iter().fold(0.0, |sum, &(other, coefficient)| sum + coefficient * row[other as usize])
                    + bias
            };
            let decisions: Vec<f64> = self.support.iter().zip(&self.decider.biases).map(decision).collect();
            self.decider.outputs(&decisions)
        };
        items.iter().flat_map(of_item).collect()
    }

    /// The machine with the graphs that it rests on, for graphs of any data. `steps` are the counts of the graphs of the matrix.
    pub fn machine(&self, kernel: &Kernel, steps: &[Counts]) -> Machine {
        let mut graphs: Vec<u32> = self.support.iter().flatten().map(|&(graph, _)| graph).collect();
        graphs.sort_unstable();
        graphs.dedup();
        let depth = kernel.depths[self.gram];
        let counts: Vec<Counts> = steps[..=depth].iter().map(|step| step.picked(&graphs)).collect();
        let mut coefficients = vec![0.0; self.support.len() * graphs.len()];
        for (pair, support) in self.support.iter().enumerate() {
            for &(graph, coefficient) in support {
                let place = graphs.partition_point(|&other| other < graph);
                coefficients[pair * graphs.len() + place] = coefficient;
            }
        }
        let squares = squares(kernel.kind, &counts);
        Machine { depth, c: self.c, decider: self.decider.clone(), counts, squares, coefficients }
    }
}

/// A machine by itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Machine {
    /// Steps of the kernel.
    pub depth: usize,
    pub c: f64,
    decider: Decider,
    /// Of the graphs that it rests on, at each step from 0 to `depth`.
    counts: Vec<Counts>,
    /// What each of these has in common with itself.
    squares: Vec<f64>,
    /// Of each pair of classes, row-major.
    coefficients: Vec<f64>,
}

/// What is wrong with tensors that should be a machine's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damaged(pub String);

impl Machine {
    /// How many graphs it rests on.
    pub fn n_support(&self) -> usize {
        self.squares.len()
    }

    /// Outputs for graphs of a data set, row-major `[n_graphs, n_classes]`.
    pub fn outputs(&self, kernel: &Kernel, dataset: &Dataset, graphs: &[u32]) -> Vec<f32> {
        let n = self.n_support();
        let postings: Vec<Postings> = self.counts.iter().map(Postings::of).collect();
        let mut outputs = Vec::with_capacity(graphs.len() * self.decider.n_classes);
        for graphs in graphs.chunks(BLOCK) {
            let steps = kernel.counts(dataset, graphs, self.depth);
            let alike = similarities(kernel, &steps, &postings, &self.squares);
            for idx in 0..graphs.len() {
                let row = &alike[idx * n..(idx + 1) * n];
                let decision = |(pair, bias): (usize, &f64)| {
                    let coefficients = &self.coefficients[pair * n..(pair + 1) * n];
                    let terms = coefficients.iter().zip(row).filter(|(coefficient, _)| **coefficient != 0.0);
                    terms.fold(0.0, |sum, (coefficient, alike)| sum + coefficient * alike) + bias
                };
                let decisions: Vec<f64> = self.decider.biases.iter().enumerate().map(decision).collect();
                outputs.extend(self.decider.outputs(&decisions));
            }
        }
        outputs
    }

    /// As tensors by name: the vocabulary of the kernel, the counts of the graphs that it rests on, and the machine.
    ///
    /// # Errors
    /// Where Candle fails.
    pub fn tensors(&self) -> candle_core::Result<Vec<(String, Tensor)>> {
        let mut vocabulary: Vec<u64> =
            self.counts.iter().flat_map(|step| step.features.iter().copied()).collect();
        vocabulary.sort_unstable();
        vocabulary.dedup();
        let place = |feature: &u64| vocabulary.partition_point(|other| other < feature) as u32;
        let places: Vec<u32> = self.counts.iter().flat_map(|step| step.features.iter().map(place)).collect();
        let counts: Vec<i64> =
            self.counts.iter().flat_map(|step| step.counts.iter().map(|&count| count as i64)).collect();
        let lengths: Vec<i64> = self
            .counts
            .iter()
            .flat_map(|step| step.offsets.windows(2).map(|ends| (ends[1] - ends[0]) as i64))
            .collect();
        let (n, n_pairs) = (self.n_support(), self.decider.pairs.len());
        let pairs: Vec<u32> =
            self.decider.pairs.iter().flat_map(|&(first, second)| [first, second]).collect();
        let bits = vocabulary.iter().map(|&feature| feature as i64).collect::<Vec<i64>>();
        let (cpu, n_entries, n_words) = (&Device::Cpu, places.len(), bits.len());
        Ok(vec![
            ("kernel.vocabulary".into(), Tensor::from_vec(bits, n_words, cpu)?),
            ("kernel.features".into(), Tensor::from_vec(places, n_entries, cpu)?),
            ("kernel.counts".into(), Tensor::from_vec(counts, n_entries, cpu)?),
            ("kernel.lengths".into(), Tensor::from_vec(lengths, (self.depth + 1, n), cpu)?),
            ("svm.c".into(), Tensor::from_vec(vec![self.c], 1, cpu)?),
            (
                "svm.classes".into(),
                Tensor::from_vec(self.decider.present.clone(), self.decider.present.len(), cpu)?,
            ),
            ("svm.pairs".into(), Tensor::from_vec(pairs, (n_pairs, 2), cpu)?),
            ("svm.coefficients".into(), Tensor::from_vec(self.coefficients.clone(), (n_pairs, n), cpu)?),
            ("svm.biases".into(), Tensor::from_vec(self.decider.biases.clone(), n_pairs, cpu)?),
        ])
    }

    /// The machine of tensors that [`Machine::tensors`] made.
    ///
    /// # Errors
    /// Where one is missing, or they do not fit together.
    pub fn of_tensors(
        kernel: &Kernel,
        n_classes: usize,
        tensors: &BTreeMap<String, Tensor>,
    ) -> Result<Self, Damaged> {
        let named = |name: &str, dtype: DType| {
            let tensor = tensors.get(name).ok_or_else(|| Damaged(format!("it has no `{name}`")))?;
            if tensor.dtype() != dtype {
                return Err(Damaged(format!("`{name}` is of another type")));
            }
            tensor.flatten_all().map_err(|error| Damaged(format!("`{name}`: {error}")))
        };
        let misfit = |name: &str| Damaged(format!("`{name}` does not fit the other tensors"));
        let ints = |name: &str| named(name, DType::I64)?.to_vec1::<i64>().map_err(|_| misfit(name));
        let numbers = |name: &str| named(name, DType::U32)?.to_vec1::<u32>().map_err(|_| misfit(name));
        let floats = |name: &str| named(name, DType::F64)?.to_vec1::<f64>().map_err(|_| misfit(name));

        let shape = tensors.get("kernel.lengths").map(|tensor| tensor.dims().to_vec()).unwrap_or_default();
        let &[n_steps, n] = shape.as_slice() else { return Err(misfit("kernel.lengths")) };
        let depth = n_steps.checked_sub(1).filter(|depth| kernel.depths.contains(depth));
        let depth = depth.ok_or_else(|| misfit("kernel.lengths"))?;
        let vocabulary: Vec<u64> = ints("kernel.vocabulary")?.into_iter().map(|bits| bits as u64).collect();
        if !vocabulary.is_sorted_by(|a, b| a < b) {
            return Err(misfit("kernel.vocabulary"));
        }
        let (places, sizes) = (numbers("kernel.features")?, ints("kernel.counts")?);
        let lengths = ints("kernel.lengths")?;
        let n_entries: i64 =
            lengths.iter().try_fold(0i64, |sum, &length| sum.checked_add(length.max(0))).unwrap_or(-1);
        let are_counts = sizes.len() == places.len() && sizes.iter().all(|&count| count > 0);
        if !are_counts || lengths.iter().any(|&length| length < 0) || n_entries != places.len() as i64 {
            return Err(misfit("kernel.counts"));
        }
        let mut counts = Vec::with_capacity(n_steps);
        let mut at = 0;
        for step in 0..n_steps {
            let mut of_step = Counts { offsets: vec![0], ..Counts::default() };
            for &length in &lengths[step * n..(step + 1) * n] {
                let places = &places[at..at + length as usize];
                let is_sorted = places.is_sorted_by(|a, b| a < b);
                if !is_sorted || places.last().is_some_and(|&last| last as usize >= vocabulary.len()) {
                    return Err(misfit("kernel.features"));
                }
                of_step.features.extend(places.iter().map(|&place| vocabulary[place as usize]));
                of_step.counts.extend(sizes[at..at + length as usize].iter().map(|&count| count as u64));
                of_step.offsets.push(of_step.features.len());
                at += length as usize;
            }
            counts.push(of_step);
        }
        let (present, pairs) = (numbers("svm.classes")?, numbers("svm.pairs")?);
        let pairs: Vec<(u32, u32)> = pairs.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect();
        let (coefficients, biases) = (floats("svm.coefficients")?, floats("svm.biases")?);
        let c = floats("svm.c")?.first().copied().ok_or_else(|| misfit("svm.c"))?;
        let is_class = |class: &u32| (*class as usize) < n_classes;
        let wanted: Vec<(u32, u32)> = present
            .iter()
            .enumerate()
            .flat_map(|(idx, &first)| present[idx + 1..].iter().map(move |&second| (first, second)))
            .collect();
        if present.is_empty()
            || !present.is_sorted_by(|a, b| a < b)
            || !present.iter().all(is_class)
            || pairs != wanted
        {
            return Err(misfit("svm.pairs"));
        }
        if biases.len() != pairs.len() || coefficients.len() != pairs.len() * n {
            return Err(misfit("svm.coefficients"));
        }
        let squares = squares(kernel.kind, &counts);
        let decider = Decider { n_classes, present, pairs, biases };
        Ok(Self { depth, c, decider, counts, squares, coefficients })
    }
}
