//! The functions of a body, as data: what each takes, and what it computes.

/// One argument of a function.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Slot {
    pub name: &'static str,
    pub takes: SlotKind,
    /// May be given without its name.
    pub positional: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum SlotKind {
    /// A value of the edge or node.
    Value,
    /// A number, with its default.
    Number(f64),
    /// A whole number that has to be given.
    Count,
    /// A whole number that may be left out.
    MaybeCount,
    /// A number in [0, 1) that has to be given.
    Probability,
    /// A number in [0, 1), with its default: a probability, or a slope.
    MaybeProbability(f64),
    /// A list of whole numbers that may be left out.
    Counts,
    /// A function of one value, by its name, with its default.
    Map(&'static str),
    Flag(bool),
    /// How a weight begins.
    Start(super::Start),
    /// One of `x_i`, `x_j`, `e_ij`.
    Input,
}

/// What a function is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Of each number alone.
    Map,
    Max,
    Min,
    Linear,
    Mlp,
    Weight,
    Concat,
    Dot,
    Matvec,
    Softmax,
    Heads,
    Flat,
    MeanHeads,
    Dropout,
    Width,
}

#[derive(Debug, PartialEq)]
pub struct Function {
    pub name: &'static str,
    pub kind: Kind,
    pub slots: &'static [Slot],
    /// Values beyond the slots are taken too, at least this many in all.
    pub many: Option<usize>,
    /// As messages show it.
    pub example: &'static str,
    /// One sentence.
    pub doc: &'static str,
}

impl Function {
    pub fn find(name: &str) -> Option<&'static Function> {
        FUNCTIONS.iter().find(|function| function.name == name)
    }

    /// Names of those that take one value and nothing that has to be given: what a parameter can stand for.
    pub fn map_names() -> &'static [&'static str] {
        static NAMES: std::sync::OnceLock<Vec<&'static str>> = std::sync::OnceLock::new();
        NAMES.get_or_init(|| {
            FUNCTIONS
                .iter()
                .filter(|function| function.kind == Kind::Map)
                .map(|function| function.name)
                .collect()
        })
    }
}

const fn slot(name: &'static str, takes: SlotKind) -> Slot {
    Slot { name, takes, positional: true }
}

const fn option(name: &'static str, takes: SlotKind) -> Slot {
    Slot { name, takes, positional: false }
}

const X: Slot = slot("x", SlotKind::Value);

const fn map(name: &'static str, example: &'static str, doc: &'static str) -> Function {
    Function { name, kind: Kind::Map, slots: &[X], many: None, example, doc }
}

/// Every function that a body can call.
pub static FUNCTIONS: &[Function] = &[
    map("relu", "relu(x_j)", "max(x, 0)"),
    Function {
        name: "leaky_relu",
        kind: Kind::Map,
        slots: &[X, slot("slope", SlotKind::MaybeProbability(0.01))],
        many: None,
        example: "leaky_relu(x_j, 0.2)",
        doc: "x, times `slope` below 0",
    },
    Function {
        name: "elu",
        kind: Kind::Map,
        slots: &[X, slot("alpha", SlotKind::Number(1.0))],
        many: None,
        example: "elu(x_j)",
        doc: "x above 0, alpha · (eˣ − 1) below",
    },
    map("gelu", "gelu(x_j)", "x · Φ(x), with the normal distribution Φ"),
    map("sigmoid", "sigmoid(x_j)", "1 / (1 + e⁻ˣ)"),
    map("tanh", "tanh(x_j)", "the hyperbolic tangent"),
    map("softplus", "softplus(x_j)", "log(1 + eˣ)"),
    map("exp", "exp(x_j)", "eˣ"),
    map("log", "log(degree_i + 1)", "the natural logarithm"),
    map("sqrt", "sqrt(degree_i)", "the square root"),
    map("rsqrt", "rsqrt(degree_i)", "1/√x, and 0 where x is 0, as the degree of a node without edges is"),
    map("abs", "abs(x_j)", "the absolute value"),
    map("square", "square(x_j)", "x²"),
    Function {
        name: "max",
        kind: Kind::Max,
        slots: &[slot("a", SlotKind::Value), slot("b", SlotKind::Value)],
        many: None,
        example: "max(degree_i, 1)",
        doc: "the larger of two",
    },
    Function {
        name: "min",
        kind: Kind::Min,
        slots: &[slot("a", SlotKind::Value), slot("b", SlotKind::Value)],
        many: None,
        example: "min(degree_i, 10)",
        doc: "the smaller of two",
    },
    Function {
        name: "linear",
        kind: Kind::Linear,
        slots: &[
            slot("width", SlotKind::Count),
            option("bias", SlotKind::Flag(true)),
            option("init", SlotKind::Start(super::Start::Kaiming)),
        ],
        many: Some(1),
        example: "linear(out, x_i, x_j)",
        doc: "a learned linear map of the values side by side, for each head its own",
    },
    Function {
        name: "mlp",
        kind: Kind::Mlp,
        slots: &[
            slot("width", SlotKind::Count),
            option("hidden", SlotKind::Counts),
            option("activation", SlotKind::Map("relu")),
            option("dropout", SlotKind::MaybeProbability(0.0)),
        ],
        many: Some(1),
        example: "mlp(out, x_i, x_j, hidden = [64])",
        doc: "learned dense layers of the values side by side, with a function between them",
    },
    Function {
        name: "weight",
        kind: Kind::Weight,
        slots: &[
            slot("width", SlotKind::Count),
            slot("columns", SlotKind::MaybeCount),
            option("init", SlotKind::Start(super::Start::Glorot)),
        ],
        many: None,
        example: "weight(out)",
        doc: "a learned vector, the same for every edge and node; `weight(heads, out)` has one for each head",
    },
    Function {
        name: "concat",
        kind: Kind::Concat,
        slots: &[],
        many: Some(2),
        example: "concat(x_i, x_j)",
        doc: "the values side by side",
    },
    Function {
        name: "dot",
        kind: Kind::Dot,
        slots: &[slot("a", SlotKind::Value), slot("b", SlotKind::Value)],
        many: None,
        example: "dot(x_i, x_j)",
        doc: "Σ a b over the features, one number for each head",
    },
    Function {
        name: "matvec",
        kind: Kind::Matvec,
        slots: &[slot("matrix", SlotKind::Value), slot("x", SlotKind::Value)],
        many: None,
        example: "matvec(linear(width(x_j) * out, e_ij), x_j)",
        doc: "x times the matrix whose rows stand one after another",
    },
    Function {
        name: "softmax",
        kind: Kind::Softmax,
        slots: &[slot("score", SlotKind::Value)],
        many: None,
        example: "softmax(dot(x_i, x_j))",
        doc: "weights that add up to 1 over the edges that come into a node",
    },
    Function {
        name: "heads",
        kind: Kind::Heads,
        slots: &[X, slot("n", SlotKind::Count)],
        many: None,
        example: "heads(linear(4 * out, x_j), 4)",
        doc: "the features cut into `n` equal parts; what follows is computed for each",
    },
    Function {
        name: "flat",
        kind: Kind::Flat,
        slots: &[X],
        many: None,
        example: "flat(aggregated)",
        doc: "the heads side by side",
    },
    Function {
        name: "mean_heads",
        kind: Kind::MeanHeads,
        slots: &[X],
        many: None,
        example: "mean_heads(aggregated)",
        doc: "the mean of the heads",
    },
    Function {
        name: "dropout",
        kind: Kind::Dropout,
        slots: &[X, slot("p", SlotKind::Probability)],
        many: None,
        example: "dropout(x_j, 0.5)",
        doc: "in training, each number is set to 0 with probability `p`, and the others are divided by 1 − p",
    },
    Function {
        name: "width",
        kind: Kind::Width,
        slots: &[slot("x", SlotKind::Input)],
        many: None,
        example: "width(x_j)",
        doc: "how many features `x_i`, `x_j` or `e_ij` has",
    },
];
