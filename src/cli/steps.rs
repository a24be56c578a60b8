//! The steps of a model as text and as JSON: which kernels run, forward and backward, and what each makes.
//!
//! The JSON of a kernel is described in `grammar/README.md`, under "The steps of a model".

use super::show::stage_text;
use super::table::{plain_table, write_table};
use crate::ir::Model;
use crate::plan::words::{bytes, scaled};
use crate::plan::{Launch, Listed, Listing};
use petgraph::graph::NodeIndex;
use serde_json::{Value, json};
use std::io::{self, Write};

/// `#3 sage(out = 32) -> relu`
fn heading(model: &Model, listing: &Listing, stage: Option<usize>) -> String {
    let Some(stage) = stage else { return "loss".to_owned() };
    let text = |stage: usize| stage_text(&model.graph[NodeIndex::new(stage)]);
    let result = listing.steps.iter().find(|&&(node, _)| node == stage).map_or(stage, |&(_, result)| result);
    match result == stage {
        true => format!("#{stage} {}", text(stage)),
        false => format!("#{stage} {} -> #{result} {}", text(stage), text(result)),
    }
}

/// The kernels of a pass, under the stages that run them. `of`: those of one stage alone.
///
/// # Errors
/// Where `out` cannot be written.
pub fn write_pass(
    out: &mut dyn Write,
    model: &Model,
    listing: &Listing,
    launches: &[Launch],
    of: Option<usize>,
) -> io::Result<()> {
    let launches = launches.iter().filter(|launch| of.is_none() || launch.stage == of);
    let launches: Vec<&Launch> = launches.collect();
    if launches.is_empty() {
        return writeln!(out, "  nothing");
    }
    let has_costs = launches.iter().any(|launch| launch.cost.is_some());
    let mut table = plain_table();
    let mut header = vec!["Step", "Value", "Symmetry"];
    if has_costs {
        header.extend(["Memory", "FLOPs"]);
    }
    table.set_header(header);
    table.align_right(&[3, 4]);
    let mut last = None;
    for launch in launches {
        if last != Some(launch.stage) {
            if last.is_some() {
                table.add_row([""]);
            }
            table.add_row([heading(model, listing, launch.stage)]);
            last = Some(launch.stage);
        }
        rows(launch).into_iter().for_each(|row| table.add_row(row));
    }
    write_table(out, &table)
}

/// A kernel in one row where its step names it, else a heading with a row for each value.
fn rows(launch: &Launch) -> Vec<Vec<String>> {
    let flops = launch.cost.map_or(String::new(), |cost| scaled(cost.flops, ""));
    let row = |indent: &str, value: &Listed, flops: String| {
        let mark = if value.is_stored { "" } else { "· " };
        let made = match value.step.is_empty() {
            true => value.name.clone(),
            false => format!("{} = {}", value.name, value.step),
        };
        let becomes: String = value.becomes.iter().map(|name| format!(" → {name}")).collect();
        let memory = value.bytes.map_or(String::new(), bytes);
        let text = format!("{indent}{mark}{made}{becomes}");
        vec![text, value.shape(), value.symmetry.to_owned(), memory, flops]
    };
    match launch.values.as_slice() {
        [value] if !launch.is_phase && !value.step.is_empty() => vec![row("  ", value, flops)],
        values => {
            let head = [format!("  {}:", launch.kernel), String::new(), String::new(), String::new(), flops];
            let values = values.iter().map(|value| row("    ", value, String::new()));
            std::iter::once(head.to_vec()).chain(values).collect()
        }
    }
}

/// What the signs and the names of phases mean, as far as they occur.
///
/// # Errors
/// Where `out` cannot be written.
pub fn write_legend(out: &mut dyn Write, launches: &[&Launch]) -> io::Result<()> {
    writeln!(
        out,
        "#n is the value of stage n, %a and %n are ones inside of it, ∂ is the gradient of the loss with respect to one."
    )?;
    let has_phase = |name: &str| launches.iter().any(|launch| launch.is_phase && launch.kernel == name);
    if launches.iter().any(|launch| launch.values.iter().any(|value| !value.is_stored)) {
        writeln!(out, "Values with · are computed on the way, block by block, and not stored.")?;
    }
    if launches.iter().any(|launch| launch.is_phase) {
        writeln!(out, "Steps with one name and a colon run as one kernel, which takes all rows or:")?;
    }
    for (name, what) in [
        ("targets", "blocks of rows with the edges that lead to them"),
        ("sources", "blocks of rows with the edges that come from them"),
        ("rows", "blocks of rows"),
        ("weights", "values that do not depend on the batch"),
    ] {
        if has_phase(name) {
            writeln!(out, "  {name}: {what}")?;
        }
    }
    Ok(())
}

/// What the words of the steps mean.
///
/// # Errors
/// Where `out` cannot be written.
pub fn write_words(out: &mut dyn Write, launches: &[&Launch]) -> io::Result<()> {
    let values = launches.iter().flat_map(|launch| &launch.values);
    super::ops::write_words(out, values.map(|value| value.step.as_str()))
}

/// A pass as JSON.
pub fn json_of(launches: &[Launch], of: Option<usize>) -> Value {
    let launches = launches.iter().filter(|launch| of.is_none() || launch.stage == of);
    launches.map(launch_json).collect()
}

fn launch_json(launch: &Launch) -> Value {
    json!({
        "stage": launch.stage,
        "kernel": launch.kernel,
        "is_phase": launch.is_phase,
        "is_view": launch.is_view,
        "values": launch.values.iter().map(value_json).collect::<Vec<_>>(),
        "flops": launch.cost.map(|cost| cost.flops),
        "exponentials": launch.cost.map(|cost| cost.exponentials),
        "gathered_bytes": launch.cost.map(|cost| cost.gathered_bytes),
        "streamed_bytes": launch.cost.map(|cost| cost.streamed_bytes),
        "stored_bytes": launch.cost.map(|cost| cost.stored_bytes),
    })
}

fn value_json(value: &Listed) -> Value {
    let axis = |axis: &String| axis.parse::<u64>().map_or(json!(axis), |size| json!(size));
    let or_null = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    json!({
        "name": value.name,
        "step": or_null(&value.step),
        "becomes": value.becomes,
        "space": or_null(value.space),
        "axes": value.axes.iter().map(axis).collect::<Vec<_>>(),
        "symmetry": or_null(value.symmetry),
        "is_stored": value.is_stored,
        "bytes": value.bytes,
    })
}
