//! What a file can set besides its model: optimisers, schedules, early stops, protocols and data sources.

use crate::args::CallSpec;

/// What `ArgKind::Call(kind)` can name.
///
/// # Panics
/// Where a spec asks for a catalogue that does not exist.
pub fn catalogue(kind: &str) -> &'static [&'static CallSpec] {
    match kind {
        "data" => crate::data::SPECS,
        "optimizer" => crate::train::optimizer::SPECS,
        "schedule" => crate::train::schedule::SPECS,
        "early_stop" => crate::train::early_stop::SPECS,
        "protocol" => crate::train::protocol::SPECS,
        _ => panic!("no catalogue `{kind}`"),
    }
}
