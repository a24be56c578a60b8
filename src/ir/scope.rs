//! Blocks and repeats around a stage.

use std::sync::Arc;

/// The blocks and repeats around a stage: `encoder as fine`, and in it `repeat 2`. All stages inside share it.
#[derive(Debug, Clone, Default)]
pub struct Scope(Option<Arc<Opening>>);

#[derive(Debug)]
struct Opening {
    text: Arc<str>,
    /// Which opening of the model it is: distinguishes two calls of one block in a row.
    instance: u32,
    around: Scope,
}

impl Scope {
    /// Another block or round of a repeat inside this one.
    #[must_use]
    pub fn opened(&self, text: Arc<str>, instance: u32) -> Self {
        Self(Some(Arc::new(Opening { text, instance, around: self.clone() })))
    }

    /// The stage lies in no block.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The innermost block or round.
    pub fn text(&self) -> Option<&Arc<str>> {
        self.0.as_ref().map(|opening| &opening.text)
    }

    /// All openings, outermost first, each with its number in the model.
    pub fn openings(&self) -> Vec<(&str, u32)> {
        let mut openings: Vec<_> =
            self.inside_out().map(|opening| (&*opening.text, opening.instance)).collect();
        openings.reverse();
        openings
    }

    /// The texts, outermost first: `["encoder as fine", "repeat 2"]`.
    pub fn texts(&self) -> Vec<&str> {
        self.openings().into_iter().map(|(text, _)| text).collect()
    }

    /// Whether the texts are the same; the openings may be others.
    pub fn reads_like(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Some(one), Some(another)) if Arc::ptr_eq(one, another) => true,
            _ => self
                .inside_out()
                .map(|opening| &opening.text)
                .eq(other.inside_out().map(|opening| &opening.text)),
        }
    }

    fn inside_out(&self) -> impl Iterator<Item = &Opening> {
        std::iter::successors(self.0.as_deref(), |opening| opening.around.0.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn openings_are_told_from_the_outside_in() {
        let block = Scope::default().opened("encoder as fine".into(), 3);
        let first = block.opened("repeat 1".into(), 4);
        let again = Scope::default().opened("encoder as fine".into(), 7).opened("repeat 1".into(), 8);
        assert_eq!(first.openings(), [("encoder as fine", 3), ("repeat 1", 4)]);
        assert!(first.reads_like(&again) && !first.reads_like(&block) && Scope::default().is_empty());
    }
}
