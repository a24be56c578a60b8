//! What values are, without anything that makes one: sizes, entities and levels, symmetry, tasks, and what is known of
//! the data. Operators, programs and models are written in these words.

mod data;
mod schema;
mod size;
mod task;
mod value;

pub use data::{DataFacts, Degrees, NoKinds};
pub use schema::{NodeType, Relation, Schema};
pub use size::{MAX_TERMS, Size, SizesWithData};
pub use task::{EndRows, TASKS, TargetKind, Task, TaskFacts};
pub use value::{Cause, Causes, Dim, Entity, Level, Origin, Symmetry, Type};
