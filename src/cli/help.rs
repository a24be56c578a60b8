//! Parts of help texts that name what there is: they are made from the lists themselves.

use crate::{lint, settings, starter};

/// Help of an argument that names data.
pub fn data_call(what: &str) -> String {
    let sources: Vec<String> = settings::data::SPECS.iter().map(|spec| format!("{}(…)", spec.name)).collect();
    format!(
        "{what}: the name of a data set (`PROTEINS`), the path of a file, folder or zip archive, or a call as a file has it \
         (`'tu(\"REDDIT-BINARY\", features = degree)'`; the sources are {})",
        sources.join(", ")
    )
}

/// Help of `new --from`.
pub fn shipped_models() -> String {
    let folders: std::collections::BTreeSet<&str> =
        starter::SHIPPED.iter().filter_map(|model| Some(model.name.rsplit_once('/')?.0)).collect();
    format!(
        "Model to copy: the path of a file, or one of the {} that are shipped (`quickstart`, `pooling/asap` or `asap`, …; \
         the folders are {}): `hgnnc new --list` names them",
        starter::SHIPPED.len(),
        folders.into_iter().collect::<Vec<_>>().join(", ")
    )
}

/// Help of `ops`.
pub fn groups() -> String {
    format!(
        "What to print: an operator, loss, data source, … by its name in full, its class in PyTorch Geometric, a word of its paper, or a group: {}; everything by default",
        super::ops::group_names().join(", ")
    )
}

/// The last lines of the help of `lint`.
pub fn lints() -> String {
    let names: Vec<&str> = lint::LINTS.iter().map(|lint| lint.name()).collect();
    format!(
        "Names for --allow and --deny: {}\n\nExamples:\n  hgnnc lint\n  hgnnc lint models --deny all\n  \
         hgnnc lint model.hgnn --allow unused_clusters --data-dir data\n  hgnnc lint --list\n\n\
         Exit codes: 0 no findings, or only warnings; 1 a finding that is denied, or an error in a file; 2 could not \
         run",
        names.join(", ")
    )
}

/// What holds for every command: the end of `hgnnc --help`.
pub const ALL_COMMANDS: &str = "\
Exit codes: 0 done without findings, 1 findings (an error in a file, a difference that was asked about), 2 could not \
run, 130 interrupted by Ctrl-C

With --format json, standard output is one JSON document (JSON lines from `predict`). Findings are an array of \
{ code, severity, message, labels, help }. Where a command could not run, the document is \
{ \"error\": { \"code\", \"message\", \"help\" } }; codes are usage, file, model, run, git, setup, computation, \
interrupted, internal, and those of data, such as data::not_here.

Environment:
  HGNN_DATA           folder of data sets, as --data-dir
  HGNN_MAX_DATA_SIZE  how much of a data set is read at most, as --max-data-size
  HGNN_OFFLINE        set to 1, nothing is downloaded, as --offline
  XDG_CACHE_HOME      where the folder `hgnnc` for downloads and measurements lies; by default the system's cache folder
  NO_COLOR            no colours
  COLUMNS             width of texts and tables, 40 to 140; by default that of the terminal";
