//! Drawings of architectures: what a model computes, as boxes and arrows in the levels of its hierarchy.
//!
//! [`Scene`] says what there is to see: stages with what is attached to them, groups for levels, blocks and repeats,
//! values as arrows. [`svg`], [`dot`], [`mermaid`] and [`html`] write it; [`side_by_side`] compares two models.

mod compare;
mod dot;
mod figure;
mod fold;
mod html;
pub mod layout;
mod mermaid;
mod scene;
mod svg;
mod text;
mod theme;

pub use compare::{Marks, side_by_side};
pub use dot::dot;
pub use figure::Direction;
pub use html::html;
pub use mermaid::mermaid;
pub use scene::{Detail, Edge, Group, GroupKind, Kind, Part, Scene, Unit};
pub use svg::{Look, svg};
pub use theme::Theme;
