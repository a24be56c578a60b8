//! The data sources, one file each. To add one, write its file and enter it in both lists.

mod hierarchy;
mod karate;
mod tu;

use super::Source;
use crate::args::CallSpec;

/// Every source that a file can name, in the order of the reference.
pub static SOURCES: &[&dyn Source] = &[&tu::Tu, &karate::Karate, &hierarchy::Hierarchy];

/// Their specs, for the binder.
pub static SPECS: &[&CallSpec] = &[&tu::SPEC, &karate::SPEC, &hierarchy::SPEC];

#[cfg(test)]
mod tests {
    #[test]
    fn both_lists_name_the_same_sources() {
        let specs: Vec<_> = super::SPECS.iter().map(|spec| spec.name).collect();
        let sources: Vec<_> = super::SOURCES.iter().map(|source| source.spec().name).collect();
        assert_eq!(specs, sources);
    }
}
