//! Names in scope: definitions of a file, parameters of a block instance, and `as` names of a pipeline.

use crate::source::{FileId, Span};
use crate::syntax::ast::{Conv, Expr, Ident, Param, Stage};
use petgraph::graph::NodeIndex;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

/// An expression with the names it was written among; evaluated where it is needed.
#[derive(Debug, Clone)]
pub struct Thunk<'p> {
    pub expr: &'p Expr,
    pub env: Rc<Env<'p>>,
}

/// What a name stands for inside a block or pipeline.
#[derive(Debug, Clone)]
pub enum Binding<'p> {
    /// A parameter with its argument.
    Param { value: Thunk<'p>, name: &'p Ident },
    /// A parameter of a block that is looked at without being called.
    UnknownParam { name: &'p Ident },
    /// `as NAME`
    Stage { node: NodeIndex, name: &'p Ident },
}

/// The names of one pipeline, inside those of the pipelines and the block around it.
#[derive(Debug)]
pub struct Env<'p> {
    pub file: FileId,
    /// Each with its place in the order of binding.
    bindings: Rc<RefCell<HashMap<&'p str, (usize, Binding<'p>)>>>,
    /// Only so many of them are seen here, for a default that knows the parameters before it.
    n_visible: usize,
    parent: Option<Rc<Env<'p>>>,
    /// The block or `let` that this is an instance of, and the names at the place that calls it.
    instance: Option<(&'p Ident, Rc<Env<'p>>)>,
}

impl<'p> Env<'p> {
    /// The names of a file, outside every block.
    pub fn root(file: FileId) -> Rc<Self> {
        Rc::new(Self { file, bindings: Rc::default(), n_visible: usize::MAX, parent: None, instance: None })
    }

    /// A pipeline inside another: it sees the names around it, its own stay inside.
    pub fn child(parent: &Rc<Self>) -> Rc<Self> {
        Rc::new(Self {
            file: parent.file,
            bindings: Rc::default(),
            n_visible: usize::MAX,
            parent: Some(parent.clone()),
            instance: None,
        })
    }

    /// The inside of the block `name`, which `file` defines, called from `caller`.
    pub fn instance(file: FileId, name: &'p Ident, caller: &Rc<Self>) -> Rc<Self> {
        Rc::new(Self {
            file,
            bindings: Rc::default(),
            n_visible: usize::MAX,
            parent: None,
            instance: Some((name, caller.clone())),
        })
    }

    /// The same names as far as they are bound now; what is bound later is not seen.
    pub fn so_far(self: &Rc<Self>) -> Rc<Self> {
        Rc::new(Self {
            file: self.file,
            bindings: self.bindings.clone(),
            n_visible: self.bindings.borrow().len(),
            parent: self.parent.clone(),
            instance: self.instance.clone(),
        })
    }

    /// Gives a name a meaning here. A name that has one already keeps its place in the order.
    pub fn bind(&self, name: &'p str, binding: Binding<'p>) {
        let mut bindings = self.bindings.borrow_mut();
        let place = bindings.get(name).map_or(bindings.len(), |(place, _)| *place);
        bindings.insert(name, (place, binding));
    }

    pub fn get(&self, name: &str) -> Option<Binding<'p>> {
        let mut env = self;
        loop {
            if let Some((place, binding)) = env.bindings.borrow().get(name)
                && *place < env.n_visible
            {
                return Some(binding.clone());
            }
            env = env.parent.as_ref()?;
        }
    }

    /// All names bound here and around, in alphabetical order.
    pub fn names(&self) -> Vec<&'p str> {
        let mut names = Vec::new();
        let mut env = Some(self);
        while let Some(here) = env {
            let bindings = here.bindings.borrow();
            let visible = bindings.iter().filter(|(_, (place, _))| *place < here.n_visible);
            names.extend(visible.map(|(name, _)| *name));
            env = here.parent.as_deref();
        }
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The blocks and `let`s being expanded here, innermost first.
    pub fn instances(&self) -> Vec<&'p Ident> {
        let mut chain = Vec::new();
        let mut env = Some(self);
        while let Some(here) = env {
            env = match &here.instance {
                Some((name, caller)) => {
                    chain.push(*name);
                    Some(caller)
                }
                None => here.parent.as_deref(),
            };
        }
        chain
    }
}

/// A `let`, a block, a convolution or a named pipeline on the edges of a file.
#[derive(Debug, Clone, Copy)]
pub struct Definition<'p> {
    pub name: &'p Ident,
    pub file: FileId,
    pub kind: DefinitionKind<'p>,
    /// The `use` through which the file at hand sees it.
    pub import: Option<Span>,
}

#[derive(Debug, Clone, Copy)]
pub enum DefinitionKind<'p> {
    Let {
        value: &'p Expr,
    },
    Block {
        params: &'p [Param],
        body: &'p Expr,
    },
    /// `conv gated(out) { … }`
    Conv {
        conv: &'p Conv,
    },
    /// `edges -> … as bonds`: one value, computed once, however many stages read it.
    Edges {
        stages: &'p [Stage],
    },
}

/// What a file defines and what it sees through `use`.
#[derive(Debug, Default)]
pub struct FileScope<'p> {
    pub definitions: HashMap<&'p str, Definition<'p>>,
}
