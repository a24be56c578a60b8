//! `hgnnc graph`: a drawing of the architecture.

use super::source::{self, Data, LocalData};
use super::{Exit, Failure, Global};
use crate::draw::{self, Detail, Direction, Look, Scene, Theme};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Draw the architecture of a file: stages with shapes, levels, blocks, branches and losses
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  hgnnc graph models/quickstart.hgnn -o quickstart.svg\n  \
    hgnnc graph model.hgnn -o model.html --direction right\n  \
    hgnnc graph model.hgnn --as dot | dot -Tpdf -o model.pdf\n\n\
    Exit codes: 0 drawn, 1 the file is wrong, 2 could not run")]
pub struct Graph {
    /// The file; `-` reads standard input
    #[arg(value_name = "FILE")]
    file: String,
    /// Where to write; the ending says the form: .svg, .html, .dot (.gv) or .mmd. Standard output where absent
    #[arg(short, long, value_name = "PATH")]
    out: Option<PathBuf>,
    /// The form, in place of the ending's; SVG where there is neither
    #[arg(long = "as", value_enum, value_name = "FORM")]
    form: Option<Form>,
    /// Which way values flow
    #[arg(long, value_enum, default_value_t, value_name = "DIRECTION")]
    direction: Direction,
    /// How much is drawn
    #[arg(long, value_enum, default_value_t, value_name = "DETAIL")]
    detail: DetailArg,
    /// Colours of SVG and HTML
    #[arg(long, value_enum, default_value_t, value_name = "THEME")]
    theme: Theme,
    #[command(flatten)]
    data: LocalData,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    /// Vector graphics
    Svg,
    /// A page with the drawing, which shows each stage's facts and reference when pointed at
    Html,
    /// For Graphviz
    Dot,
    /// For Markdown that renders Mermaid
    Mermaid,
}

impl Form {
    const ENDINGS: &'static [(&'static str, Form)] = &[
        ("svg", Form::Svg),
        ("html", Form::Html),
        ("htm", Form::Html),
        ("dot", Form::Dot),
        ("gv", Form::Dot),
        ("mmd", Form::Mermaid),
        ("mermaid", Form::Mermaid),
    ];

    fn of_path(path: &Path) -> Result<Self, Failure> {
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
        let known = Self::ENDINGS.iter().find(|(known, _)| ending.as_deref() == Some(*known));
        known.map(|&(_, form)| form).ok_or_else(|| {
            let what = match ending {
                Some(ending) => format!("no form of drawing ends in `.{ending}`"),
                None => format!("the name `{}` does not say which form to draw", path.display()),
            };
            Failure::new(what).help(
                "end it in .svg, .html, .dot or .mmd, or say the form with --as (svg, html, dot, mermaid)",
            )
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
enum DetailArg {
    /// Equal rounds of a `repeat` once, with their number
    #[default]
    Blocks,
    /// Every stage
    Stages,
}

impl Graph {
    pub fn run(&self, global: &Global) -> Result<Exit, Failure> {
        let form = match (self.form, &self.out) {
            (Some(form), _) => form,
            (None, Some(path)) => Form::of_path(path)?,
            (None, None) => Form::Svg,
        };
        let options = self.data.options();
        let compiled = source::compile(&self.file, options.as_ref())?;
        source::print_findings(&compiled, global)?;
        let Some(model) = &compiled.model else {
            if !compiled.has_errors() {
                return Err(Failure::new(format!("`{}` has no model to draw", self.file))
                    .help("its definitions are for other files; draw one that uses them"));
            }
            return Ok(Exit::Findings);
        };
        let facts = match &compiled.data {
            Data::Loaded(data) => Some(data.facts()),
            _ => None,
        };
        let detail = match self.detail {
            DetailArg::Blocks => Detail::Blocks,
            DetailArg::Stages => Detail::Stages,
        };
        let scene = Scene::of(model.get(), facts.as_ref(), detail);
        let title = match self.file.as_str() {
            "-" => "model".to_owned(),
            path => Path::new(path).file_stem().unwrap_or_default().to_string_lossy().into_owned(),
        };
        let look = Look { title, direction: self.direction, theme: self.theme };
        let text = match form {
            Form::Svg => draw::svg(&scene, &look),
            Form::Dot => draw::dot(&scene, &look),
            Form::Mermaid => draw::mermaid(&scene, &look),
            Form::Html => draw::html(&scene, model.get(), facts.as_ref(), &look),
        };
        match &self.out {
            Some(path) if path.as_os_str() != "-" => {
                crate::train::write_file(path, |out| out.write_all(text.as_bytes()))?;
            }
            _ => io::stdout().lock().write_all(text.as_bytes())?,
        }
        Ok(Exit::Clean)
    }
}
