//! The binder: names are given their meaning, expressions their values, and calls their arguments, each call against the
//! specs of what is called.

mod call;
mod eval;
mod scope;

pub(crate) use call::convert;
pub use call::{Bound, Callee, Pipeline, bind, bind_call, one_source};
pub use eval::{Evaluator, Findings, MAX_DEPTH, Missing, Value};
pub use scope::{Binding, Definition, DefinitionKind, Env, FileScope, Thunk};
