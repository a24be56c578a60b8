//! How wide the values of a body are where it is called: with the widths of the node and of its edges.

use super::{Definition, Expr, ExprKind, Flag, Input, Number, Sign, Start, Word, placed};
use crate::args::{ArgValue, Args};
use crate::diagnostic::Diagnostic;
use crate::ops::findings::shape::{self, differ};
use crate::source::Span;
use crate::types::{Dim, Size};

/// The feature axes of a value: `[width]`, or `[heads, width]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Shape {
    pub heads: Option<Dim>,
    pub width: Dim,
}

impl Shape {
    fn of(width: Dim) -> Self {
        Self { heads: None, width }
    }

    fn words(&self) -> String {
        match &self.heads {
            Some(heads) => format!("{} heads of {}", heads.size, shape::counted(&self.width.size, "feature")),
            None => shape::counted(&self.width.size, "feature"),
        }
    }
}

/// What expressions refer to.
#[derive(Debug, Clone)]
pub struct Shapes {
    /// Of the values of each node, in their order.
    nodes: Vec<Shape>,
    aggregated: Shape,
}

/// One call of a convolution.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    pub definition: &'a Definition,
    pub args: &'a Args,
    /// Of `x_i` and `x_j`.
    pub node: &'a Dim,
    /// Of `e_ij`, where the body reads it.
    pub edge: Option<&'a Dim>,
    /// What `out` stands for where the call leaves it out.
    pub out: Option<&'a Dim>,
    /// The stage, and where the word `conv` of the definition stands.
    pub span: Span,
    pub place: Option<Span>,
}

type Outcome<T> = Result<T, Box<Diagnostic>>;

fn product(sizes: [&Dim; 2]) -> Dim {
    let size = Size::product(sizes.map(|dim| dim.size.clone()));
    Dim { size, origin: sizes[1].origin.clone() }
}

fn one() -> Dim {
    Dim::new(Size::Known(1), None, "one number")
}

impl Call<'_> {
    /// The width of the result.
    ///
    /// # Errors
    /// The first width that does not fit, with the places of both numbers.
    pub fn result(&self) -> Outcome<Dim> {
        let shapes = self.shapes()?;
        let (shape, at) = match &self.definition.update {
            Some(update) => (self.shape(update, &shapes)?, update),
            None => (shapes.aggregated, &self.definition.message),
        };
        match shape.heads {
            None => Ok(shape.width),
            Some(_) => {
                let name = &self.definition.name;
                let line = match self.definition.update {
                    Some(_) => "put `flat(…)` or `mean_heads(…)` around `update`".to_owned(),
                    None => {
                        "write `update = flat(aggregated)`, or `update = mean_heads(aggregated)`".to_owned()
                    }
                };
                let message = format!("the result of `{name}` is still in heads");
                let finding = self.finding("conv::heads", message, at, line);
                let place = self.at(at.span);
                let end = Span { start: place.end, ..place };
                Err(Box::new(match self.definition.update {
                    Some(_) => finding.guess(Span { end: place.start, ..place }, "flat(").guess(end, ")"),
                    None => finding.guess(end, "\n    update = flat(aggregated)"),
                }))
            }
        }
    }

    /// The shapes that expressions refer to.
    ///
    /// # Errors
    /// The first width that does not fit.
    pub fn shapes(&self) -> Outcome<Shapes> {
        let mut shapes = Shapes { nodes: Vec::new(), aggregated: Shape::of(one()) };
        for node in &self.definition.nodes {
            let shape = self.shape(node, &shapes)?;
            shapes.nodes.push(shape);
        }
        let message = self.shape(&self.definition.message, &shapes)?;
        let n = Dim::new(Size::Known(self.definition.aggregates.len()), None, "");
        shapes.aggregated = match self.definition.aggregates.len() {
            1 => message,
            _ => Shape { width: product([&n, &message.width]), ..message },
        };
        Ok(shapes)
    }

    fn at(&self, span: Span) -> Span {
        placed(span, self.place).unwrap_or(self.span)
    }

    fn finding(
        &self,
        code: &'static str,
        message: String,
        at: &Expr,
        help: impl Into<String>,
    ) -> Box<Diagnostic> {
        let place = self.at(at.span);
        let mut finding = Diagnostic::error(code, message).label(place, "here").help(help);
        if self.span != place {
            finding = finding.label(self.span, format!("in this `{}`", self.definition.name));
        }
        Box::new(finding)
    }

    /// What `out` stands for.
    fn param(&self, idx: usize, span: Span) -> Dim {
        let param = &self.definition.params[idx];
        match self.args.get(&param.name).map(|arg| (&arg.value, arg.span)) {
            Some((ArgValue::Int(value), written)) => {
                let place = written.unwrap_or_else(|| self.at(span));
                Dim::new(
                    Size::Known((*value).max(0) as usize),
                    Some(place),
                    format!("the {value} comes from here"),
                )
            }
            _ => self.out.cloned().unwrap_or_else(|| Dim::new(Size::Symbol("?"), None, "not known")),
        }
    }

    /// A number where a count is not needed; `None` where it depends on sizes that are not known.
    pub fn number(&self, number: &Number) -> Option<f64> {
        Some(match number {
            Number::Fixed(value) => *value,
            Number::Param(idx) => match &self.args.get(&self.definition.params[*idx].name)?.value {
                ArgValue::Int(value) => *value as f64,
                ArgValue::Float(value) => *value,
                _ => self.out?.known()? as f64,
            },
            Number::WidthOf(input) => self.input(*input).known()? as f64,
            Number::Neg(inner) => -self.number(inner)?,
            Number::Binary(sign, a, b) => sign.of(self.number(a)?, self.number(b)?),
        })
    }

    pub fn flag(&self, flag: Flag) -> bool {
        match flag {
            Flag::Fixed(value) => value,
            Flag::Param(idx) => self.args.bool(&self.definition.params[idx].name),
        }
    }

    fn input(&self, input: Input) -> Dim {
        match input {
            Input::Own | Input::Target | Input::Source => self.node.clone(),
            Input::Edge => self.edge.cloned().unwrap_or_else(one),
            Input::OwnDegree | Input::TargetDegree | Input::SourceDegree | Input::Aggregated => one(),
        }
    }

    fn size(&self, number: &Number, span: Span) -> Dim {
        let unknown = || Dim::new(Size::Symbol("?"), None, "not known");
        match number {
            Number::Fixed(value) => {
                let size = if *value >= 0.0 { Size::Known(*value as usize) } else { Size::Symbol("?") };
                Dim::new(size, Some(self.at(span)), format!("the {value} comes from here"))
            }
            Number::Param(idx) => self.param(*idx, span),
            Number::WidthOf(input) => self.input(*input),
            Number::Neg(_) => unknown(),
            Number::Binary(sign, a, b) => {
                let (a, b) = (self.size(a, span), self.size(b, span));
                let origin = if a.origin.span.is_some() { &a.origin } else { &b.origin };
                let size = match (sign, b.known()) {
                    (Sign::Add, _) => Size::sum([a.size.clone(), b.size.clone()]),
                    (Sign::Mul, _) => Size::product([a.size.clone(), b.size.clone()]),
                    (Sign::Div, _) => divided(&a.size, &b.size).unwrap_or(Size::Symbol("?")),
                    (Sign::Sub, _) => Size::Symbol("?"),
                };
                Dim { size, origin: origin.clone() }
            }
        }
    }

    /// A number of features or heads.
    fn count(&self, number: &Number, what: &str, at: &Expr) -> Outcome<Dim> {
        let mut dim = self.size(number, at.span);
        // Parts of the number may be fractions, and the whole has to be none.
        if let Some(value) = self.number(number) {
            if value.fract() != 0.0 || value < 1.0 {
                let message = format!("{what} is {value}, but has to be a whole number from 1 on");
                return Err(self.finding(
                    "args::does_not_fit",
                    message,
                    at,
                    "change the numbers it is made of",
                ));
            }
            dim.size = Size::Known(value as usize);
            let is_whole = matches!(number, Number::Param(_) | Number::Fixed(_) | Number::WidthOf(_));
            if !is_whole {
                dim.origin.reason = format!("makes {value}").into();
            }
        }
        Ok(dim)
    }

    /// The shape of a value.
    ///
    /// # Errors
    /// The first width that does not fit.
    pub fn shape(&self, expr: &Expr, shapes: &Shapes) -> Outcome<Shape> {
        let shape = |expr: &Expr| self.shape(expr, shapes);
        match &expr.kind {
            ExprKind::Input(Input::Aggregated) => Ok(shapes.aggregated.clone()),
            ExprKind::Node { idx, .. } => Ok(shapes.nodes[*idx].clone()),
            ExprKind::Input(input) => Ok(Shape::of(self.input(*input))),
            ExprKind::Number(_) => Ok(Shape::of(one())),
            ExprKind::Map { value, .. }
            | ExprKind::Neg(value)
            | ExprKind::Softmax(value)
            | ExprKind::Dropout { value, .. } => shape(value),
            ExprKind::Binary { lhs, rhs, .. } | ExprKind::Extreme { lhs, rhs, .. } => {
                let (a, b) = (shape(lhs)?, shape(rhs)?);
                self.broadcast((lhs, &a), (rhs, &b), true)
            }
            ExprKind::Dot(lhs, rhs) => {
                let (a, b) = (shape(lhs)?, shape(rhs)?);
                Ok(Shape { width: one(), ..self.broadcast((lhs, &a), (rhs, &b), false)? })
            }
            ExprKind::Linear { width, values, .. } => {
                let heads = self.common_heads(values, shapes)?;
                Ok(Shape { heads, width: self.count(width, "the width of `linear`", expr)? })
            }
            ExprKind::Mlp { width, values, hidden, .. } => {
                let heads = self.common_heads(values, shapes)?;
                for number in hidden.iter().flatten() {
                    self.count(number, "a width of `hidden`", expr)?;
                }
                Ok(Shape { heads, width: self.count(width, "the width of `mlp`", expr)? })
            }
            ExprKind::Weight { shape, .. } => {
                let mut sizes = Vec::new();
                for number in shape {
                    sizes.push(self.count(number, "the size of `weight`", expr)?);
                }
                let width = sizes.pop().unwrap_or_else(one);
                Ok(Shape { heads: sizes.pop(), width })
            }
            ExprKind::Concat(values) => {
                let shapes = values.iter().map(shape).collect::<Outcome<Vec<_>>>()?;
                for (value, other) in values.iter().zip(&shapes).skip(1) {
                    let fits = match (&shapes[0].heads, &other.heads) {
                        (None, None) => true,
                        (Some(a), Some(b)) => !differ(&a.size, &b.size),
                        _ => false,
                    };
                    if !fits {
                        let message = format!(
                            "`concat` joins values with the same heads: {} and {}",
                            shapes[0].words(),
                            other.words()
                        );
                        let help =
                            "write `flat(…)` around the value in heads, or `heads(…, n)` around the other";
                        let finding = self.finding("conv::heads", message, value, help);
                        return Err(finding);
                    }
                }
                let size = Size::sum(shapes.iter().map(|shape| shape.width.size.clone()));
                let origin = shapes[0].width.origin.clone();
                Ok(Shape { heads: shapes[0].heads.clone(), width: Dim { size, origin } })
            }
            ExprKind::Matvec { matrix, vector } => {
                let (a, x) = (shape(matrix)?, shape(vector)?);
                self.has_no_heads("matvec", matrix, &a)?;
                self.has_no_heads("matvec", vector, &x)?;
                if let (Some(whole), Some(rows)) = (a.width.known(), x.width.known())
                    && (rows == 0 || whole % rows != 0)
                {
                    let message =
                        format!("a matrix of {whole} numbers has no {rows} rows of the same length");
                    let help = "write `linear(width(x_j) * out, e_ij)`: a row for each feature of the vector";
                    let mut finding = self.finding("shape::width_mismatch", message, matrix, help);
                    *finding = finding.label(self.at(vector.span), format!("this has {}", x.words()));
                    return Err(finding);
                }
                let size = divided(&a.width.size, &x.width.size).unwrap_or(Size::Symbol("?"));
                Ok(Shape::of(Dim { size, origin: a.width.origin }))
            }
            ExprKind::Heads { value, n } => {
                let found = shape(value)?;
                self.has_no_heads("heads", value, &found)?;
                let n = self.count(n, "the number of heads", expr)?;
                if let (Some(width), Some(heads)) = (found.width.known(), n.known())
                    && width % heads != 0
                {
                    let message = format!("{width} features cannot be cut into {heads} equal heads");
                    let help =
                        format!("make the value {} wide, or cut it into another number", heads * width);
                    return Err(self.finding("args::does_not_fit", message, expr, help));
                }
                let size = divided(&found.width.size, &n.size).unwrap_or(Size::Symbol("?"));
                Ok(Shape { heads: Some(n), width: Dim { size, origin: found.width.origin } })
            }
            ExprKind::Flat(value) => {
                let found = shape(value)?;
                match &found.heads {
                    Some(heads) => Ok(Shape::of(product([heads, &found.width]))),
                    None => Err(self.no_heads("flat", value)),
                }
            }
            ExprKind::MeanHeads(value) => {
                let found = shape(value)?;
                match found.heads {
                    Some(_) => Ok(Shape::of(found.width)),
                    None => Err(self.no_heads("mean_heads", value)),
                }
            }
        }
    }

    /// The heads that values side by side are in, those of them that are.
    fn common_heads(&self, values: &[Expr], shapes: &Shapes) -> Outcome<Option<Dim>> {
        let mut first: Option<(&Expr, Shape, Dim)> = None;
        for value in values {
            let shape = self.shape(value, shapes)?;
            let Some(heads) = shape.heads.clone() else { continue };
            match &first {
                Some((other, known, n)) if differ(&n.size, &heads.size) => {
                    let what = "numbers of heads";
                    let dims = [n, &heads];
                    return Err(self.differ((other, known), (value, &shape), what, ["heads"; 2], dims));
                }
                Some(_) => {}
                None => first = Some((value, shape, heads)),
            }
        }
        Ok(first.map(|(_, _, heads)| heads))
    }

    fn has_no_heads(&self, function: &str, value: &Expr, shape: &Shape) -> Outcome<()> {
        match &shape.heads {
            None => Ok(()),
            Some(_) => {
                let message =
                    format!("`{function}` expects a value without heads, but gets {}", shape.words());
                Err(self.finding("conv::heads", message, value, "put `flat(…)` around it"))
            }
        }
    }

    fn no_heads(&self, function: &str, value: &Expr) -> Box<Diagnostic> {
        let message = format!("`{function}` expects a value in heads");
        self.finding(
            "conv::heads",
            message,
            value,
            format!("leave `{function}` out, or make heads with `heads(…, 4)`"),
        )
    }

    fn broadcast(&self, lhs: (&Expr, &Shape), rhs: (&Expr, &Shape), scalars: bool) -> Outcome<Shape> {
        let ((a_expr, a), (b_expr, b)) = (lhs, rhs);
        let heads = match (&a.heads, &b.heads) {
            (Some(a), Some(b)) if differ(&a.size, &b.size) => {
                return Err(self.differ(lhs, rhs, "numbers of heads", ["heads"; 2], [a, b]));
            }
            (Some(known), _) | (None, Some(known)) => Some(known.clone()),
            (None, None) => None,
        };
        let is_one = |dim: &Dim| scalars && dim.known() == Some(1);
        let width = match () {
            () if is_one(&a.width) => b.width.clone(),
            () if is_one(&b.width) => a.width.clone(),
            () if differ(&a.width.size, &b.width.size) => {
                return Err(self.differ(
                    (a_expr, a),
                    (b_expr, b),
                    "widths",
                    ["wide"; 2],
                    [&a.width, &b.width],
                ));
            }
            // A number says more than a symbol.
            () if b.width.known().is_some() => b.width.clone(),
            () => a.width.clone(),
        };
        Ok(Shape { heads, width })
    }

    fn differ(
        &self,
        (a_expr, _): (&Expr, &Shape),
        (b_expr, _): (&Expr, &Shape),
        what: &str,
        unit: [&str; 2],
        [a, b]: [&Dim; 2],
    ) -> Box<Diagnostic> {
        let (a_place, b_place) = (self.at(a_expr.span), self.at(b_expr.span));
        let mut finding = Diagnostic::error(
            "shape::widths_differ",
            format!(
                "`{}` combines values of different {what}: {} and {}",
                self.definition.name, a.size, b.size
            ),
        )
        .label(b_place, format!("{} {}", b.size, unit[1]));
        if a_place != b_place {
            finding = finding.label(a_place, format!("{} {}", a.size, unit[0]));
        }
        for dim in [a, b] {
            finding = shape::with_origin(finding, dim, b_place);
        }
        if self.span != b_place {
            finding = finding.label(self.span, format!("in this `{}`", self.definition.name));
        }
        Box::new(finding.help(match unit[0] {
            "heads" => format!("cut both into as many heads, as in `heads(…, {})`", a.size),
            _ => format!("bring both to one width, as in `linear({}, …)`", a.size),
        }))
    }
}

/// `a / b` where it comes out even.
pub fn divided(a: &Size, b: &Size) -> Option<Size> {
    if let (Some(a), Some(b)) = (a.known(), b.known()) {
        return (b > 0 && a % b == 0).then_some(Size::Known(a / b));
    }
    if a == b {
        return Some(Size::Known(1));
    }
    let [(n, factors)] = &a.terms()[..] else { return None };
    let (mut n, mut factors) = (*n, factors.to_vec());
    let [(m, others)] = &b.terms()[..] else { return None };
    for other in *others {
        let at = factors.iter().position(|factor| factor == other)?;
        factors.remove(at);
    }
    if *m == 0 || n % m != 0 {
        return None;
    }
    n /= m;
    Some(Size::product(std::iter::once(Size::Known(n)).chain(factors)))
}

/// What `out` has to be for a result of the width `wanted`, where the call leaves it out. `None` where no whole number
/// gives that width.
pub fn solve(call: &Call, wanted: &Dim) -> Option<Dim> {
    let with = |out: Size| {
        let out = Dim::new(out, None, "");
        Call { out: Some(&out), ..*call }.result().ok().map(|dim| dim.size)
    };
    const OUT: Size = Size::Symbol("out");
    let of = |size: Size| Dim { size, origin: wanted.origin.clone() };
    let symbolic = with(OUT)?;
    if symbolic == OUT {
        return Some(wanted.clone());
    }
    if let Some(wanted) = wanted.known() {
        // The result is a straight line in `out`.
        let (one, two) = (with(Size::Known(1))?.known()?, with(Size::Known(2))?.known()?);
        let slope = two.checked_sub(one).filter(|slope| *slope > 0)?;
        let rest = (wanted + slope).checked_sub(one).filter(|rest| *rest > 0 && rest % slope == 0)?;
        return Some(of(Size::Known(rest / slope)));
    }
    let factor = divided(&symbolic, &OUT)?.known()?;
    Some(of(Size::ratio(1.0 / factor as f64, wanted.size.clone())))
}

/// One weight of a body.
#[derive(Debug, Clone, PartialEq)]
pub struct Weight {
    /// `message.linear1.weight`
    pub name: String,
    pub shape: Vec<Dim>,
    pub start: Start,
    /// Rows that are summed over, and columns: what a beginning is scaled by.
    pub fans: (Dim, Dim),
}

/// The weights of one linear map; with heads each of them has its own.
fn layer(
    name: &str,
    heads: Option<&Dim>,
    [rows, columns]: [&Dim; 2],
    start: Start,
    has_bias: bool,
) -> Vec<Weight> {
    let fans = (rows.clone(), columns.clone());
    let of_heads = |axes: &[&Dim]| heads.into_iter().chain(axes.iter().copied()).cloned().collect();
    let matrix = Weight {
        name: format!("{name}.weight"),
        shape: of_heads(&[rows, columns]),
        start,
        fans: fans.clone(),
    };
    if !has_bias {
        return vec![matrix];
    }
    // PyG's layers that begin with Glorot begin without a bias.
    let start = if start == Start::Kaiming { Start::Kaiming } else { Start::Zeros };
    vec![matrix, Weight { name: format!("{name}.bias"), shape: of_heads(&[columns]), start, fans }]
}

impl Call<'_> {
    /// The weights of one expression alone.
    pub fn weights_of(&self, expr: &Expr, shapes: &Shapes) -> Vec<Weight> {
        match &expr.kind {
            ExprKind::Linear { name, width, values, bias, start } => {
                let (heads, rows) = self.together(values, shapes);
                let columns = self.columns(width, expr);
                layer(name, heads.as_ref(), [&rows, &columns], *start, self.flag(*bias))
            }
            ExprKind::Mlp { name, width, values, hidden, .. } => {
                let (heads, rows) = self.together(values, shapes);
                let mut widths = vec![rows.clone()];
                match hidden {
                    Some(hidden) => widths.extend(hidden.iter().map(|number| self.columns(number, expr))),
                    None => widths.push(rows),
                }
                widths.push(self.columns(width, expr));
                let layers = widths.windows(2).enumerate();
                layers
                    .flat_map(|(idx, pair)| {
                        let name = format!("{name}.layer{idx}");
                        layer(&name, heads.as_ref(), [&pair[0], &pair[1]], Start::Kaiming, true)
                    })
                    .collect()
            }
            ExprKind::Weight { name, shape, start } => {
                let sizes: Vec<Dim> =
                    shape.iter().filter_map(|number| self.count(number, "", expr).ok()).collect();
                let first = if sizes.len() > 1 { sizes[0].clone() } else { one() };
                let fans = (first, sizes.last().cloned().unwrap_or_else(one));
                vec![Weight { name: name.to_string(), shape: sizes, start: *start, fans }]
            }
            _ => Vec::new(),
        }
    }

    /// The heads of values side by side, and how wide they are together.
    fn together(&self, values: &[Expr], shapes: &Shapes) -> (Option<Dim>, Dim) {
        let of_values: Vec<Shape> =
            values.iter().filter_map(|value| self.shape(value, shapes).ok()).collect();
        let rows = Size::sum(of_values.iter().map(|shape| shape.width.size.clone()));
        let heads = of_values.into_iter().find_map(|shape| shape.heads);
        (heads, Dim::new(rows, None, "the widths of its values"))
    }

    /// A width of a linear map, which fits.
    fn columns(&self, number: &Number, at: &Expr) -> Dim {
        self.count(number, "", at).unwrap_or_else(|_| self.size(number, at.span))
    }

    /// The word that a parameter stands for.
    pub fn word(&self, idx: usize) -> &'static str {
        self.args.choice(&self.definition.params[idx].name)
    }

    /// The aggregates in their order.
    pub fn aggregates(&self) -> Vec<super::Aggregate> {
        let words = self.definition.aggregates.iter();
        words
            .map(|word| match word {
                Word::Fixed(aggregate) => *aggregate,
                Word::Param(idx) => super::Aggregate::find(self.word(*idx)).unwrap_or(super::Aggregate::Sum),
            })
            .collect()
    }
}
