//! So many items of each class to train on, drawn by the seed.

use super::{ProtocolKind, Refusal, Split, Strata, split};
use crate::args::{ArgKind, ArgSpec, Args, BoundCall, CallSpec, Default};
use crate::diagnostic::{Diagnostic, count};
use crate::types::{DataFacts, TargetKind};

pub static SPEC: CallSpec = CallSpec {
    name: "per_class",
    doc: "A split drawn by the seed, with as many items of each class to train on, and of the rest some to validate and \
          some to test on, as node classification draws its splits. PyG: `RandomNodeSplit(split = \"test_rest\")`, \
          `Planetoid(split = \"random\")`.",
    example: "per_class(20, validation = 500, test = 1000)",
    args: &[
        ArgSpec {
            name: "train",
            kind: ArgKind::Int { min: 1, max: 10_000_000 },
            default: Default::Int(20),
            positional: true,
            doc: "Items of each class to train on.",
        },
        ArgSpec {
            name: "validation",
            kind: ArgKind::Int { min: 0, max: 10_000_000 },
            default: Default::Int(500),
            positional: false,
            doc: "Items to validate on, of all classes.",
        },
        ArgSpec {
            name: "test",
            kind: ArgKind::Int { min: 0, max: 10_000_000 },
            default: Default::Inferred("all that are left"),
            positional: false,
            doc: "Items to test on, of all classes.",
        },
    ],
};

pub struct PerClass;

impl PerClass {
    /// Why items of these classes cannot be cut so.
    fn refusal(args: &Args, data: &str, counts: &[usize]) -> Option<Refusal> {
        let of_class = args.int("train") as usize;
        if counts.is_empty() {
            return Some(Refusal {
                message: format!("{data} has no classes to draw from"),
                help: "write `protocol = holdout(validation = 0.1, test = 0.1)`".into(),
            });
        }
        // A class that no item has needs none; of others as many have to be there.
        if let Some((class, &n)) = counts.iter().enumerate().find(|&(_, &n)| n > 0 && n < of_class) {
            return Some(Refusal {
                message: format!(
                    "class {class} of {data} has {}, and {of_class} are to be drawn",
                    count(n, "item")
                ),
                help: format!("draw fewer: `per_class({n})`"),
            });
        }
        let n_train = of_class * counts.iter().filter(|&&n| n > 0).count();
        let held_out = args.int("validation") as usize + args.opt_int("test").unwrap_or(0) as usize;
        let n_items: usize = counts.iter().sum();
        (n_train + held_out > n_items).then(|| Refusal {
            message: format!(
                "{n_train} items to train on and {held_out} to validate and test on are more than the {n_items} of {data}"
            ),
            help: "draw fewer of them".into(),
        })
    }
}

impl ProtocolKind for PerClass {
    fn spec(&self) -> &'static CallSpec {
        &SPEC
    }

    fn check(&self, call: &BoundCall, data: Option<&DataFacts>) -> Option<Diagnostic> {
        let data = data.filter(|data| data.task.is_some())?;
        let counts = match data.task.map(|task| task.kind) {
            Some(TargetKind::Classification) => &data.class_counts[..],
            _ => &[],
        };
        let refusal = Self::refusal(&call.args, &data.name, counts)?;
        Some(
            Diagnostic::error("training::too_few_items", refusal.message)
                .label(call.span, "the data cannot be cut so")
                .help(refusal.help),
        )
    }

    fn leaves_validation(&self, args: &Args) -> Option<bool> {
        Some(args.int("validation") > 0)
    }

    // What is held out is of no class in particular, so how many of each class it gets depends on the seed.
    fn deal(&self, _: &Args, _: &[i64], _: u64) -> Option<Vec<Split>> {
        None
    }

    fn cut(&self, args: &Args, strata: &Strata, seed: u64) -> Result<Vec<Split>, Refusal> {
        let n_classes = strata.classes.iter().max().map_or(0, |&last| (last + 1).max(0) as usize);
        let mut counts = vec![0; n_classes];
        strata.classes.iter().filter(|&&class| class >= 0).for_each(|&class| counts[class as usize] += 1);
        if let Some(refusal) = Self::refusal(args, strata.data, &counts) {
            return Err(refusal);
        }
        let test = args.opt_int("test").map(|n| n as usize);
        let (train, validation) = (args.int("train") as usize, args.int("validation") as usize);
        Ok(vec![split::per_class(strata.classes, train, validation, test, seed)])
    }

    fn has_folds(&self) -> bool {
        false
    }
}
