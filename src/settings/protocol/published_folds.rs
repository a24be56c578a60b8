//! Folds out of files, so that figures are of the same parts as published ones.

use super::{Need, ProtocolKind, Refusal, Split, Strata, split};
use crate::args::{ArgKind, ArgSpec, Args, BoundCall, CallSpec, Default, Range};
use crate::diagnostic::Diagnostic;
use crate::types::{DataFacts, Entity};

pub static SPEC: CallSpec = CallSpec {
    name: "published_folds",
    doc: "Folds that a file or folder lists, by the places of the items from 0: a JSON file of folds with `train`, \
          `validation` and `test`, as Errica et al. 2020 publish theirs (`PROTEINS_splits.json`), or a folder or zip archive \
          with `train_idx-1.txt`, `test_idx-1.txt`, … as those of DGCNN and GIN (`10fold_idx`). One run per fold.",
    example: "published_folds(\"PROTEINS_splits.json\")",
    args: &[
        ArgSpec {
            name: "path",
            kind: ArgKind::Text,
            default: Default::Required,
            positional: true,
            doc: "The file or folder, from the folder of the model file on.",
        },
        ArgSpec {
            name: "set",
            kind: ArgKind::Text,
            default: Default::Inferred("the name of the data"),
            positional: false,
            doc: "The folder of the data set, where those of several lie beside each other.",
        },
        ArgSpec {
            name: "inner_holdout",
            kind: ArgKind::Float(Range::closed_open(0.0, 1.0)),
            default: Default::Inferred("0.1, where the folds have no validation part"),
            positional: false,
            doc: "Share of the training part kept for validation, drawn by the seed; of folds without a validation part.",
        },
    ],
};

/// What is kept for validation, where folds have no such part.
const DEFAULT_HOLDOUT: f64 = 0.1;

pub struct PublishedFolds;

impl ProtocolKind for PublishedFolds {
    fn spec(&self) -> &'static CallSpec {
        &SPEC
    }

    fn check(&self, call: &BoundCall, data: Option<&DataFacts>) -> Option<Diagnostic> {
        let place = |name: &str| call.args.get(name).and_then(|arg| arg.span).unwrap_or(call.span);
        if call.args.text("path").is_none_or(|path| path.trim().is_empty()) {
            return Some(
                Diagnostic::error("training::no_folds", "`published_folds` names no file")
                    .label(place("path"), "a path is expected here")
                    .help("name the file or folder: `published_folds(\"PROTEINS_splits.json\")`"),
            );
        }
        let is_of_links = data.and_then(|data| data.task).is_some_and(|task| task.entity == Entity::Pairs);
        is_of_links.then(|| {
            Diagnostic::error(
                "training::no_folds",
                "files of folds count graphs or nodes, and the task is about links",
            )
            .label(call.span, "links have no places in such a file")
            .help("write `protocol = holdout(validation = 0.1, test = 0.2)`")
        })
    }

    fn leaves_validation(&self, args: &Args) -> Option<bool> {
        (args.opt_float("inner_holdout") == Some(0.0)).then_some(false)
    }

    fn deal(&self, _: &Args, _: &[i64], _: u64) -> Option<Vec<Split>> {
        None
    }

    fn needs(&self, args: &Args) -> Option<Need> {
        let text = |name: &str| args.text(name).map(str::to_owned);
        Some(Need::Folds { path: text("path").unwrap_or_default(), set: text("set") })
    }

    fn cut(&self, args: &Args, strata: &Strata, seed: u64) -> Result<Vec<Split>, Refusal> {
        let folds = strata.folds.as_deref().unwrap_or_default();
        let has_validation = folds.iter().any(|fold| !fold.validation.is_empty());
        let asked = args.opt_float("inner_holdout");
        if let (true, Some(_)) = (has_validation, asked) {
            return Err(Refusal {
                message: "`inner_holdout` has no effect here: the folds have validation parts of their own"
                    .into(),
                help: "leave `inner_holdout` out".into(),
            });
        }
        if has_validation {
            return Ok(folds.to_vec());
        }
        let share = asked.unwrap_or(DEFAULT_HOLDOUT);
        let of_fold = |(idx, fold): (usize, &Split)| {
            let (validation, train) = split::inner_holdout(&fold.train, strata.classes, share, seed, idx);
            Split { train, validation, test: fold.test.clone() }
        };
        Ok(folds.iter().enumerate().map(of_fold).collect())
    }

    fn has_folds(&self) -> bool {
        true
    }
}
