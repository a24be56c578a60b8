//! What is refused and why: one check, one file. A diagnostic's code names its file.

pub mod data;
pub mod embedding;
pub mod fixed_point;
pub mod kernel;
mod searched;
pub mod task;
pub mod training;
pub mod unused;

use crate::args::{ArgSpec, Args, BoundCall};
use crate::bind::{Callee, DefinitionKind, Env, Evaluator, Findings, Value, bind, bind_call};
use crate::conv::Definition;
use crate::conv::analyse::analyse;
use crate::diagnostic::Diagnostic;
use crate::findings::{self, elsewhere, names};
use crate::ir::{
    self, Builder, Built, LossTerm, Made, Model, Published, Stop, Wanted, collect_definitions,
    collect_missing, main_items, own_definitions,
};
use crate::ops::findings::{shape, symmetry};
use crate::ops::{Action, Family};
use crate::search::{self, Space};
use crate::source::{FileId, Span};
use crate::syntax::ast::{Conv, Expr, ExprKind, Given, ItemKind};
use crate::syntax::{Program, cut};
use crate::types::{DataFacts, Task};
use petgraph::graph::{DiGraph, NodeIndex};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::rc::Rc;

/// A model that was checked; the only thing that can be lowered.
#[derive(Debug, Clone)]
pub struct Checked<T>(T);

impl<T> Checked<T> {
    pub fn get(&self) -> &T {
        &self.0
    }
}

impl Checked<Model> {
    /// Lets the witness run a model that was refused, and only for its symmetry ([`Outcome::refused`]), to
    /// show what the refusal says. Nothing else may call this.
    pub(crate) fn for_witness(model: Model) -> Self {
        Self(model)
    }
}

/// What came of checking a program.
#[derive(Debug)]
pub struct Outcome {
    /// The model; `None` where there is any error, and for a file that only defines `let`s and blocks.
    pub model: Option<Checked<Model>>,
    /// Built, but refused for its symmetry alone: for the witness.
    pub refused: Option<Model>,
    /// The file defines `let`s and blocks for others and has no model of its own.
    pub is_library: bool,
    /// What the file leaves open: then the model is the one with the first of each list and the lower end of each range.
    pub space: Option<Space>,
    /// In the order of the places in the files.
    pub diagnostics: Vec<Diagnostic>,
}

impl Outcome {
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(Diagnostic::is_error)
    }
}

/// Checks a program: everything that can be proved without data, and against the data where it is given.
/// Mistakes of the parser (`syntax::load_program`) are not repeated, nor is what follows from them.
///
/// A program that leaves values open with `search` is checked as each of the models that it stands for, or, where these are many, as
/// those that differ from the first in one value.
pub fn check(program: &Program, data: Option<&DataFacts>) -> Outcome {
    let found = search::find(program);
    if found.is_plain() {
        let mut outcome = check_one(program, data);
        if let Some(Checked(model)) = &outcome.model {
            let idle = searched::settings(model, None);
            if !idle.is_empty() {
                (outcome.model, outcome.refused) = (None, None);
                outcome.diagnostics.extend(idle);
            }
        }
        return outcome;
    }
    searched::check(program, data, found)
}

/// Checks a program that leaves nothing open.
fn check_one(program: &Program, data: Option<&DataFacts>) -> Outcome {
    let mut findings = Findings::default();
    let scopes = collect_definitions(program, &mut findings);
    let items = main_items(program, &mut findings);
    let missing = collect_missing(program);
    let mut ev = Evaluator::new(scopes, missing, findings);
    let root = Env::root(program.main);
    evaluate_lets(program, &mut ev);

    let data_call = items.data.and_then(|expr| bind_call(&mut ev, "data", expr, &root));
    if let Some(call) = &data_call {
        crate::settings::data::check_call(call).into_iter().for_each(|finding| ev.report(finding));
    }
    let train = bind_section(&mut ev, items.train, "train", crate::settings::TRAIN_SECTION, &root);
    let evaluate =
        bind_section(&mut ev, items.evaluate, "evaluate", crate::settings::EVALUATE_SECTION, &root);
    let published = items.published.map(|section| read_published(&mut ev, section, &root));
    let stated_task = items.task.and_then(|expr| read_task(&mut ev, expr, &root));
    // Links can be predicted wherever there are edges, whatever else the data is made for.
    let data = data.map(|data| data.for_task(stated_task.map(|(task, _)| task)));
    let data = data.as_deref();
    let mut losses = match items.loss {
        Some(expr) => ir::read_losses(&mut ev, expr, &root),
        None => Vec::new(),
    };

    let main = program.file(program.main);
    let is_model_missing = main.is_none_or(|file| {
        file.broken.iter().any(|item| item.defines.as_ref().is_none_or(|name| name.text == "model"))
    });
    let input_place = items.model.map_or_else(Span::default, |model| {
        items.data.map_or(Span { end: model.span.start, ..model.span }, |data| data.span)
    });
    let mut builder = Builder::new(ev, input_place);
    let mut is_library = false;
    let mut built = None;
    match items.model {
        Some(model) => {
            let start = builder.start();
            if let Ok(end) = builder.apply(model, &root, start) {
                built = Some(builder.finish(end.node, input_place));
            }
        }
        None if is_model_missing => {}
        None => {
            is_library = items.first.is_none() && !own_definitions(program, program.main).is_empty();
            if !is_library {
                builder.ev.report(names::no_model(items.first));
            }
        }
    }
    let is_whole = items.model.is_none() || built.is_some();
    look_at_the_rest(program, &mut builder, input_place);
    builder.ev.findings.replace(|found| elsewhere::together(found, &pipelines(program)));
    name_what_is_inside(program, &mut builder);
    if is_whole && !is_library && !program.has_errors && !builder.is_too_large() {
        report_unused(program, &mut builder);
    }

    let Builder { ev, input, stage_names, .. } = builder;
    let Evaluator { mut findings, used, .. } = ev;
    let Some(Built { mut graph, mut wanted, made, output }) = built else {
        let diagnostics = in_order(program, findings);
        return Outcome { model: None, refused: None, is_library, space: None, diagnostics };
    };
    let model_span = items.model.map_or_else(Span::default, |model| model.span);
    let data_place = items.data.map_or(Span { end: model_span.start, ..model_span }, |expr| expr.span);

    // The last operators without a width get that of the task.
    let outputs = ir::outputs_of(data);
    for node in ir::width_setters(&graph, &made, output, 0) {
        wanted.entry(node).or_insert(Wanted::Outputs);
    }
    let doubts = ir::infer_types(&mut graph, &wanted, &made, &outputs, output, data, &mut findings);

    if !findings.has_errors() && !program.has_errors {
        share_weights(&mut graph, &made, output, &mut findings);
        fixed_point::can_be_found(&graph).into_iter().for_each(|finding| findings.push(finding));
    }

    // What a stage that is not known does to its input is anyone's guess.
    let is_known = !made.iter().any(|made| made.is_unknown);
    let ty = graph[output].ty.clone();
    let place = if output == input { model_span } else { graph[output].span };
    // A task that contradicts the data, or all the rest of the file, is one mistake: what follows from it is not
    // reported.
    let mut stated_task = stated_task;
    let mut is_task_certain = true;
    if let Some((stated, task_place)) = stated_task {
        if let Some(data) = data.filter(|data| data.task.is_some()) {
            if let Some(finding) = task::agrees_with_data(stated, task_place, data) {
                is_task_certain = false;
                findings.push(finding);
            }
        } else {
            let ends_in = (!doubts.contains("levels")).then_some((&ty, place));
            let metrics = asked_metrics(&evaluate, published.as_ref());
            let evidence = task::Evidence { ends_in, losses: &losses, metrics };
            if let Some((finding, meant)) = task::agrees_with_file(stated, task_place, &evidence) {
                findings.push(finding);
                stated_task = Some((meant, task_place));
            }
        }
    }
    let alone = match findings.has_errors() {
        true => Vec::new(),
        false => kernel::stands_alone(&graph, input, output),
    };
    // What a kernel or a machine is not made for has no end to speak of.
    let has_end = alone.is_empty();
    alone.into_iter().for_each(|finding| findings.push(finding));
    let task = task::decide(stated_task.map(|(task, _)| task), data, &losses, ty.entity);
    if has_end && is_task_certain && !doubts.contains("levels") {
        let reason = match (stated_task, data) {
            (Some(_), _) => Some("the file sets the task".to_owned()),
            (None, Some(data)) if data.task.is_some() => Some(format!("{} sets the task", data.name)),
            (None, _) => None,
        };
        let gathered: Vec<_> = gatherings(&graph, output)
            .into_iter()
            .map(|node| (graph[node].op.name(), graph[node].span))
            .collect();
        let finding =
            task::ends_right((graph[output].op.name(), &ty), place, task, reason.as_deref(), &gathered);
        finding.into_iter().for_each(|finding| findings.push(finding));
    }
    if has_end && doubts.is_empty() && shape::differ(&ty.width.size, &outputs.size) {
        findings.push(shape::wrong_output_width(place, &ty.width, &outputs));
    }
    let is_machine = graph[output].op.action(&graph[output].args) == Action::Machine;
    if items.loss.is_none()
        && !is_machine
        && let Some(loss) = task::default_loss(task)
    {
        let args = crate::args::default_args(loss.args());
        losses.push(LossTerm { loss, args, weight: 1.0, span: model_span });
    }
    // Without data, the width that is written is the number of outputs.
    let outputs =
        if outputs.known().is_none() && ty.width.known().is_some() { ty.width.clone() } else { outputs };

    let model = Model {
        graph,
        input,
        output,
        task,
        outputs,
        losses,
        data: data_call,
        train,
        evaluate,
        published: published.as_ref().map(|(published, _)| published.clone()),
        search: Vec::new(),
    };
    let has_bad_loss = items.loss.is_some() && model.losses.is_empty();
    if !has_bad_loss {
        task::fits(&model, published.as_ref().map_or(&[], |(_, places)| places))
            .into_iter()
            .filter(|finding| is_known || finding.code != "task::nothing_reports_loss")
            .filter(|finding| is_task_certain || !task::is_of_wrong_kind(finding))
            .for_each(|finding| findings.push(finding));
    }
    let unused_names: HashSet<&str> =
        stage_names.iter().filter(|name| !used.contains(&name.span)).map(|name| name.text.as_str()).collect();
    // An unknown name may be what was to read a value.
    let are_names_known = !findings.list().iter().any(|finding| finding.code.starts_with("names::"));
    if !program.has_errors && is_known && are_names_known {
        unused::stages(&model, &unused_names).into_iter().for_each(|finding| findings.push(finding));
        if !findings.has_errors() {
            kernel::fits(&model, items.loss.map(|expr| expr.span))
                .into_iter()
                .for_each(|finding| findings.push(finding));
            unused::weights(&model).into_iter().for_each(|finding| findings.push(finding));
        }
    }
    if let Some(data) = data {
        let mut lacks = data::is_usable(data, data_place);
        if !kernel::reads_features(&model) {
            lacks.retain(|finding| finding.code != "data::no_features");
        }
        if lacks.is_empty() && is_known {
            data::suits(&model, data).into_iter().for_each(|finding| findings.push(finding));
        }
        lacks.into_iter().for_each(|finding| findings.push(finding));
        training::matters(&model, data).into_iter().for_each(|finding| findings.push(finding));
    }

    if !findings.has_errors() {
        embedding::fits(&model, data).into_iter().for_each(|finding| findings.push(finding));
    }
    training::fits(&model, data).into_iter().for_each(|finding| findings.push(finding));

    if let Some(finding) = model.data.as_ref().and_then(symmetry::signs_are_settled) {
        findings.push(finding);
    }

    // Last, so that a model that is refused for its symmetry alone can be recognised.
    let is_sound = !findings.has_errors();
    if let Some(finding) = symmetry::output_is_symmetric(&ty, place).filter(|_| !doubts.contains("symmetry"))
    {
        findings.push(finding);
    }
    let has_errors = findings.has_errors() || program.has_errors;
    let refused = (is_sound && has_errors && !program.has_errors).then(|| model.clone());
    Outcome {
        model: (!has_errors).then_some(Checked(model)),
        refused,
        is_library,
        space: None,
        diagnostics: in_order(program, findings),
    }
}

/// Looks at what rounds of a `repeat` share, and settles whose weights they are.
fn share_weights(
    graph: &mut DiGraph<ir::Node, usize>,
    made: &[Made],
    output: NodeIndex,
    findings: &mut Findings,
) {
    // A block says it once for all its calls.
    let mut said = HashSet::new();
    for misfit in ir::misfits(graph) {
        let (node, shared_by) = (&graph[misfit.node], made[misfit.node.index()].shared_by);
        if !said.insert(node.span) {
            continue;
        }
        let input =
            ir::inputs_of(graph, misfit.node).first().map(|&input| graph[input].ty.width.size.clone());
        let is_input = misfit.shapes.iter().all(|shape| shape.as_ref().is_some_and(|shape| shape.len() == 2));
        findings.push(shape::shared_weights(
            node.op.name(),
            misfit.weight,
            misfit.sizes(),
            node.span,
            shared_by,
            input.as_ref().filter(|_| is_input),
        ));
    }
    if findings.has_errors() {
        return;
    }
    // Whether something is shared, by where it is asked for.
    let mut asked: BTreeMap<(u32, u32), (Span, bool)> = BTreeMap::new();
    for node in graph.node_indices().filter(|&node| graph[node].shares.is_some()) {
        if let Some(place) = made[node.index()].shared_by {
            let known = asked.entry((place.file.0, place.start)).or_insert((place, false));
            known.1 |= !known.1 && ir::has_weights(graph, node);
        }
    }
    for (place, _) in asked.into_values().filter(|(_, is_shared)| !is_shared) {
        findings.push(shape::nothing_shared(place));
    }
    ir::settle_shared(graph, output);
}

/// Unknown stages with the name of a value inside of another pipeline: where that is known is what has to be said.
fn name_what_is_inside<'p>(program: &'p Program, builder: &mut Builder<'p>) {
    if !builder.ev.findings.list().iter().any(|finding| finding.code == "names::unknown") {
        return;
    }
    let mut inside: HashMap<(FileId, String), names::Inside> = HashMap::new();
    for item in program.files.iter().flat_map(|file| &file.items) {
        let (whole, is_alone) = match &item.kind {
            ItemKind::Bare { value } => (value, true),
            ItemKind::Setting { value, .. } | ItemKind::Let { value, .. } => (value, false),
            ItemKind::Block { body, .. } => (body, false),
            _ => continue,
        };
        let mut open = vec![whole];
        while let Some(expr) = open.pop() {
            match &expr.kind {
                ExprKind::Pipeline(stages) => {
                    let is_item = is_alone && std::ptr::eq(expr, whole);
                    for (idx, stage) in stages.iter().enumerate() {
                        open.push(&stage.value);
                        // The last name of a value of the edges that stands alone is known in the whole file.
                        let Some(name) = stage.name.as_ref().filter(|_| !is_item || idx + 1 < stages.len())
                        else {
                            continue;
                        };
                        let known = names::Inside { name, stages, idx, item: item.span, is_item };
                        inside.entry((name.span.file, names::no_stage(&name.text))).or_insert(known);
                    }
                }
                ExprKind::Call(call) => open.extend(call.args.iter().map(|arg| &arg.value)),
                ExprKind::List(items) => open.extend(items),
                _ => {}
            }
        }
    }
    let mut meant = Vec::new();
    builder.ev.findings.replace(|found| {
        let named = |finding: Diagnostic| {
            let Some(place) = finding.labels.first().map(|label| label.span) else { return finding };
            if finding.code != "names::unknown" {
                return finding;
            }
            match inside.get(&(place.file, finding.message.clone())) {
                Some(known) => {
                    meant.push(known.name.span);
                    names::known_inside(known, place)
                }
                None => finding,
            }
        };
        found.into_iter().map(named).collect()
    });
    builder.ev.used.extend(meant);
}

/// The findings by place, with fixes that leave whole parts out.
fn in_order(program: &Program, findings: Findings) -> Vec<Diagnostic> {
    let mut sorted = findings.into_sorted();
    cut::widen(program, &mut sorted);
    sorted
}

/// The models, blocks and `let`s of all files, each with what stands in front of it.
fn pipelines(program: &Program) -> Vec<(String, &Expr)> {
    let items = program.files.iter().flat_map(|file| &file.items);
    let pipelines = items.filter_map(|item| match &item.kind {
        ItemKind::Bare { value } => Some((String::new(), value)),
        ItemKind::Setting { key, value } if key.text == "model" => Some(("model = ".to_owned(), value)),
        ItemKind::Let { name, value } => Some((format!("let {} = ", name.text), value)),
        ItemKind::Block { body, .. } => Some((String::new(), body)),
        _ => None,
    });
    let mut pipelines: Vec<_> = pipelines.collect();
    pipelines.sort_by_key(|(_, expr)| (expr.span.file, expr.span.start));
    pipelines
}

/// The metrics that the file asks for or names a figure of, with their places.
fn asked_metrics(evaluate: &Args, published: Option<&(Published, Vec<Span>)>) -> Vec<(&'static str, Span)> {
    let place = evaluate.get("metrics").and_then(|arg| arg.span);
    let asked = evaluate.choice_list("metrics").iter().filter_map(|&name| Some((name, place?)));
    let figures = published.into_iter().flat_map(|(own, places)| own.figures.iter().zip(places));
    let figures = figures.filter_map(|((name, _), &place)| {
        crate::settings::metric::find(name).map(|metric| (metric.name(), place))
    });
    asked.chain(figures).collect()
}

/// The stages between the input and a value that leave fewer rows than came in: poolings and readouts, in their order.
fn gatherings(graph: &DiGraph<ir::Node, usize>, output: NodeIndex) -> Vec<NodeIndex> {
    let mut found = Vec::new();
    let mut at = Some(output);
    while let Some(node) = at {
        if matches!(graph[node].op.family(), Family::Readout | Family::Pooling) {
            found.push(node);
        }
        at = ir::inputs_of(graph, node).into_iter().next();
    }
    found.reverse();
    found
}

/// The data that the file names, for a command that loads it before it checks the file against it.
///
/// # Errors
/// What is wrong with `data = …`; [`check`] reports it again among everything else.
pub fn data_call(program: &Program) -> Result<Option<BoundCall>, Vec<Diagnostic>> {
    let mut findings = Findings::default();
    let scopes = collect_definitions(program, &mut findings);
    let items = main_items(program, &mut findings);
    let Some(expr) = items.data else { return Ok(None) };
    let mut ev = Evaluator::new(scopes, collect_missing(program), Findings::default());
    let call = bind_call(&mut ev, "data", expr, &Env::root(program.main));
    if let Some(call) = &call {
        crate::settings::data::check_call(call).into_iter().for_each(|finding| ev.report(finding));
    }
    if ev.findings.has_errors() { Err(ev.findings.into_sorted()) } else { Ok(call) }
}

/// Values of `let`s in the order written, so that a long row of them, each from the one before, is not deep.
/// What a `conv` of `file` says, whether or not a stage uses it; `None` where it has errors.
pub fn definition_of<'p>(program: &'p Program, file: FileId, conv: &'p Conv) -> Option<Definition> {
    let mut findings = Findings::default();
    let scopes = collect_definitions(program, &mut findings);
    let mut ev = Evaluator::new(scopes, collect_missing(program), findings);
    evaluate_lets(program, &mut ev);
    analyse(&mut ev, conv, file)
}

fn evaluate_lets<'p>(program: &'p Program, ev: &mut Evaluator<'p>) {
    for file in &program.files {
        // `let`s that are numbers for certain; others may be words or sums of losses.
        let mut numbers: HashSet<&str> = HashSet::new();
        for (_, name) in own_definitions(program, file.id) {
            let Some(definition) = ev.definition(file.id, &name.text) else { continue };
            let DefinitionKind::Let { value } = definition.kind else { continue };
            if definition.name.span == name.span && is_number(value, &numbers) {
                numbers.insert(&name.text);
                // Working a value out is no use of it.
                let was_used = ev.used.contains(&name.span);
                ev.eval_let(&definition);
                if !was_used {
                    ev.used.remove(&name.span);
                }
            }
        }
    }
}

/// Whether an expression consists of numbers and of `let`s that are numbers.
fn is_number(expr: &Expr, numbers: &HashSet<&str>) -> bool {
    let mut queue = vec![expr];
    while let Some(expr) = queue.pop() {
        match &expr.kind {
            ExprKind::Number { .. } => {}
            ExprKind::Name(name) if numbers.contains(name.as_str()) => {}
            ExprKind::Neg(inner) => queue.push(inner),
            ExprKind::Binary { lhs, rhs, .. } => queue.extend([&**lhs, &**rhs]),
            _ => return false,
        }
    }
    true
}

/// Names and arguments in blocks and `let`s that the model does not reach.
fn look_at_the_rest<'p>(program: &'p Program, builder: &mut Builder<'p>, input_place: Span) {
    for file in &program.files {
        for (_, name) in own_definitions(program, file.id) {
            let Some(definition) = builder.ev.definition(file.id, &name.text) else { continue };
            if definition.name.span != name.span {
                continue;
            }
            builder.start_over(input_place);
            // Looking at something is no use of it.
            let was_used = builder.ev.used.contains(&name.span);
            let looked = match definition.kind {
                DefinitionKind::Block { .. } => builder.look_at_block(&definition),
                DefinitionKind::Let { .. } | DefinitionKind::Edges { .. } if was_used => Ok(()),
                DefinitionKind::Conv { .. } => {
                    builder.look_at_conv(&definition);
                    Ok(())
                }
                DefinitionKind::Edges { .. } => builder.look_at_edges(&definition),
                DefinitionKind::Let { .. } => builder.look_at_let(&definition),
            };
            if !was_used {
                builder.ev.used.remove(&name.span);
            }
            if let Err(Stop) = looked {
                return;
            }
        }
    }
}

/// Definitions, parameters, names and files that nothing reads. A file that is used by another may define
/// more than is needed here.
fn report_unused<'p>(program: &'p Program, builder: &mut Builder<'p>) {
    let mut found = Vec::new();
    for (what, name) in own_definitions(program, program.main) {
        let definition = builder.ev.definition(program.main, &name.text);
        let Some(definition) = definition.filter(|known| known.name.span == name.span) else { continue };
        if !builder.ev.used.contains(&name.span) {
            found.push(match definition.kind {
                DefinitionKind::Edges { stages } => {
                    findings::unused::edges(&name.text, name.span, stages[0].value.span.to(name.span))
                }
                _ => findings::unused::definition(what, &name.text, name.span),
            });
        }
    }
    for file in &program.files {
        for item in &file.items {
            match &item.kind {
                ItemKind::Block { name, params, .. } | ItemKind::Conv(Conv { name, params, .. })
                    if builder.expanded.contains(&name.span) =>
                {
                    for param in params {
                        if !builder.ev.used.contains(&param.name.span) {
                            found.push(findings::unused::definition(
                                "parameter",
                                &param.name.text,
                                param.name.span,
                            ));
                        }
                    }
                }
                ItemKind::Use { path } if file.id == program.main => {
                    let used = program.uses.iter().find(|(span, _)| *span == path.span);
                    // What could not be read of the other file may be what is needed.
                    let is_whole =
                        used.and_then(|(_, id)| program.file(*id)).is_some_and(|f| f.broken.is_empty());
                    if is_whole && !builder.ev.used.contains(&path.span) {
                        found.push(findings::unused::import(&path.text, path.span));
                    }
                }
                _ => {}
            }
        }
    }
    for name in &builder.stage_names {
        if !builder.ev.used.contains(&name.span) {
            found.push(findings::unused::stage_name(&name.text, name.span));
        }
    }
    // What another finding points at has its message.
    found.retain(|finding| !builder.ev.findings.points_at(finding.labels[0].span));
    found.into_iter().for_each(|finding| builder.ev.report(finding));
}

fn bind_section<'p>(
    ev: &mut Evaluator<'p>,
    section: Option<ir::Section<'p>>,
    name: &'static str,
    specs: &'static [ArgSpec],
    env: &Rc<Env<'p>>,
) -> Args {
    let (place, given): (Span, Vec<Given>) = match section {
        Some((name, entries)) => (name.span, entries.iter().map(Given::from).collect()),
        None => (Span::default(), Vec::new()),
    };
    let callee = Callee { name, place, noun: "key", takes_branches: false, example: None, call: None };
    bind(ev, callee, specs, &given, env).args
}

fn read_task<'p>(ev: &mut Evaluator<'p>, expr: &'p Expr, env: &Rc<Env<'p>>) -> Option<(Task, Span)> {
    match ev.eval(expr, env) {
        Value::Word { text, thunk } => match Task::from_name(text) {
            Some(task) => Some((task, expr.span)),
            None => {
                if !ev.is_missing(thunk.env.file, text) {
                    ev.report(names::unknown_task(text, thunk.expr.span, Task::NAMES));
                }
                None
            }
        },
        Value::Bad | Value::Unknown => None,
        other => {
            let expects = format!("one of {}", crate::args::words_list(Task::NAMES));
            ev.report(findings::args::wrong_kind("`task`", &expects, &other.describe(), expr.span));
            ev.touch(expr, env);
            None
        }
    }
}

/// `published { … }`, with the place of each figure.
fn read_published<'p>(
    ev: &mut Evaluator<'p>,
    (_, entries): ir::Section<'p>,
    env: &Rc<Env<'p>>,
) -> (Published, Vec<Span>) {
    let mut published = Published { figures: Vec::new(), source: None, tolerance: None };
    let mut places = Vec::new();
    for (idx, entry) in entries.iter().enumerate() {
        let key = entry.key.text.as_str();
        if let Some(first) = entries[..idx].iter().find(|other| other.key.text == key) {
            ev.report(findings::args::duplicate("published", "key", key, entry.key.span, first.key.span));
            ev.touch(&entry.value, env);
            continue;
        }
        let value = ev.eval(&entry.value, env);
        let what = format!("`{key}` of `published`");
        match (key, value) {
            (_, Value::Bad | Value::Unknown) => {}
            ("source", Value::Text(text)) => published.source = Some(text.to_owned()),
            ("source", other) => {
                let place = entry.value.span;
                ev.report(findings::args::wrong_kind(&what, "a text in quotes", &other.describe(), place));
            }
            ("tolerance", Value::Int(value)) if value >= 0 => published.tolerance = Some(value as f64),
            ("tolerance", Value::Float(value)) if value >= 0.0 => published.tolerance = Some(value),
            ("tolerance", other) => {
                let place = entry.value.span;
                ev.report(findings::args::wrong_kind(&what, "a number from 0 on", &other.describe(), place));
            }
            (key, value) => {
                if !crate::settings::metric::NAMES.contains(&key) {
                    ev.report(names::unknown_metric(key, entry.key.span, crate::settings::metric::NAMES));
                    continue;
                }
                let figure = match &value {
                    Value::Int(value) => *value as f64,
                    Value::Float(value) => *value,
                    Value::Word { text, thunk } => {
                        ev.report_word(text, thunk, "a number", &what);
                        continue;
                    }
                    other => {
                        ev.report(findings::args::wrong_kind(
                            &what,
                            "a number",
                            &other.describe(),
                            entry.value.span,
                        ));
                        continue;
                    }
                };
                published.figures.push((key.to_owned(), figure));
                places.push(entry.key.span);
            }
        }
    }
    (published, places)
}
