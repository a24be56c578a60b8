//! `hgnnc graph`: a drawing of the architecture.

use super::operand::{Operand, Refused, Sizes};
use super::source::LocalData;
use super::{Exit, Failure, Format, Global, report, stderr_look, stdout_look};
use crate::draw::{self, Detail, Direction, Look, Scene, Theme};
use crate::ir::Model;
use crate::types::DataFacts;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Draw the architecture of a file: stages with shapes, levels, blocks, branches and losses
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  hgnnc graph models/quickstart.hgnn -o quickstart.svg\n  \
    hgnnc graph model.hgnn -o model.html --direction right\n  \
    hgnnc graph model.hgnn --as dot | dot -Tpdf -o model.pdf\n  \
    hgnnc graph git:main:model.hgnn -o before.svg\n\n\
    Exit codes: 0 drawn, 1 the file has errors, 2 could not run")]
pub struct Graph {
    /// The file (`-` is standard input), a run's folder, a checkpoint, or `git:REV:PATH`
    #[arg(value_name = "FILE")]
    file: String,
    /// File to write; its extension gives the format: .svg, .html (.htm), .dot (.gv) or .mmd (.mermaid). Standard
    /// output by default, and for `-`
    #[arg(short, long, value_name = "PATH")]
    out: Option<PathBuf>,
    /// The format, in place of that of the extension; SVG if there is neither
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
                Some(ending) => format!("`.{ending}` is not a drawing format"),
                None => format!("the name `{}` does not say which format to draw", path.display()),
            };
            Failure::of_usage(what).help(
                "end it in .svg, .html, .dot or .mmd, or give the format with --as (svg, html, dot, mermaid)",
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
            (None, Some(path)) if path.as_os_str() != "-" => Form::of_path(path)?,
            (None, _) => Form::Svg,
        };
        let Some((model, facts)) = self.model(global)? else { return Ok(Exit::Findings) };
        let detail = match self.detail {
            DetailArg::Blocks => Detail::Blocks,
            DetailArg::Stages => Detail::Stages,
        };
        let scene = Scene::of(&model, facts.as_ref(), detail);
        let title = match self.file.as_str() {
            "-" => "model".into(),
            path => Path::new(path).file_stem().unwrap_or_default().to_string_lossy(),
        };
        let look = Look { title: title.into_owned(), direction: self.direction, theme: self.theme };
        let text = match form {
            Form::Svg => draw::svg(&scene, &look),
            Form::Dot => draw::dot(&scene, &look),
            Form::Mermaid => draw::mermaid(&scene, &look),
            Form::Html => draw::html(&scene, &model, facts.as_ref(), &look),
        };
        match &self.out {
            Some(path) if path.as_os_str() != "-" => {
                crate::train::write_file(path, |out| out.write_all(text.as_bytes()))?;
            }
            _ => super::data_stdout().write_all(text.as_bytes())?,
        }
        Ok(Exit::Clean)
    }

    /// The model with what is known of its data, or `None` where the findings say why there is none.
    fn model(&self, global: &Global) -> Result<Option<(Model, Option<DataFacts>)>, Failure> {
        let options = self.data.options();
        let operand = Operand::find(&self.file)?;
        let sizes = options.as_ref().map_or(Sizes::Symbolic, Sizes::Local);
        match operand.side(sizes) {
            Ok(side) => Ok(Some((side.model, side.facts))),
            Err(Refused::Failure(failure)) => Err(failure),
            Err(Refused::Findings { sources, diagnostics, .. }) => {
                if global.format == Format::Json {
                    report::write(
                        &mut super::stdout(),
                        &sources,
                        &diagnostics,
                        global.format,
                        stdout_look(),
                    )?;
                } else {
                    // Where standard error is closed, the exit code still reports it.
                    let _ = report::write(
                        &mut io::stderr().lock(),
                        &sources,
                        &diagnostics,
                        global.format,
                        stderr_look(),
                    );
                }
                Ok(None)
            }
        }
    }
}
