//! The model files that ship with the project.

use hgnn::source::SourceMap;
use std::path::Path;

/// Checks a file of `models/`; what was said of it, as lines.
fn findings(path: &Path) -> Vec<String> {
    let folder = path.parent().unwrap().to_owned();
    let mut sources = SourceMap::default();
    let main =
        sources.add(path.file_name().unwrap().to_string_lossy(), std::fs::read_to_string(path).unwrap());
    let (program, mut findings) =
        hgnn::syntax::load_program(&mut sources, main, &|used| std::fs::read_to_string(folder.join(used)));
    findings.extend(hgnn::check::check(&program, None).diagnostics);
    let mut lines = Vec::new();
    for finding in findings {
        let place =
            finding.labels.first().map(|label| sources.line_column(label.span.file, label.span.start));
        lines.push(format!("{}:{place:?}: {}: {}", path.display(), finding.code, finding.message));
    }
    lines
}

#[test]
fn shipped_models_check_clean() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let mut n_models = 0;
    let mut lines = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "hgnn") {
            n_models += 1;
            let is_documented = std::fs::read_to_string(&path).unwrap().starts_with("/// ");
            assert!(is_documented, "{} begins without `///`", path.display());
            lines.extend(findings(&path));
        }
    }
    assert!(n_models > 0, "no models found");
    assert!(lines.is_empty(), "{}", lines.join("\n"));
}
