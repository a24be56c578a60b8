//! Users, items and ratings, as MovieLens publishes them: `196\t242\t3\t881250949` in `u.data`, `1::1193::5::978300760` in
//! `ratings.dat`, `1,31,2.5,1260759144` behind a header in `ratings.csv`.

use crate::data::DataError;
use crate::diagnostic::count;
use std::path::Path;

/// What parts the values of a line, where lines have three or more; `None` where they have no ratings.
pub fn separator_of(text: &str) -> Option<&'static str> {
    let first = text.strip_prefix('\u{feff}').unwrap_or(text).lines().find(|line| !line.trim().is_empty())?;
    ["::", "\t", ","].into_iter().find(|separator| first.split(separator).count() >= 3)
}

/// User and item of each line whose rating is at least `min_rating`, with the line, from 1.
///
/// # Errors
/// Where a line has fewer values, or a rating that is no number.
pub fn rows<'t>(
    text: &'t str,
    path: &Path,
    separator: &str,
    min_rating: Option<f64>,
) -> Result<Vec<([&'t str; 2], usize)>, DataError> {
    let mut rows = Vec::new();
    for (idx, line) in text.strip_prefix('\u{feff}').unwrap_or(text).lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let fail = |code: &'static str, message: String| {
            Err(DataError::new(code, message)
                .file(path.display().to_string())
                .line(idx + 1)
                .help("a line has a user, an item and a rating, as in `196,242,3`"))
        };
        let values: Vec<&str> = line.split(separator).map(str::trim).collect();
        let [user, item, rating, ..] = values[..] else {
            return fail("data::ragged", format!("has {}, not three or more", count(values.len(), "value")));
        };
        if user.is_empty() || item.is_empty() {
            return fail("data::ragged", "has no user or no item".into());
        }
        match rating.parse::<f64>() {
            Ok(rating) if rating.is_finite() => {
                if min_rating.is_none_or(|least| rating >= least) {
                    rows.push(([user, item], idx + 1));
                }
            }
            // A header.
            _ if idx == 0 => {}
            _ => {
                let shown: String = rating.chars().take(20).flat_map(char::escape_default).collect();
                return fail("data::not_a_number", format!("`{shown}` is no rating"));
            }
        }
    }
    Ok(rows)
}
