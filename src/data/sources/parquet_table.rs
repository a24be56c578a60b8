//! A table in a Parquet file, as pandas, Polars and Spark write them: columns of numbers, texts, truth values, dates, and lists of
//! numbers. Format: <https://parquet.apache.org/docs/file-format/>.

use super::assembly::Texts;
use super::csv_table::{CsvTable, Keys};
use super::frame::{self, Frame};
use crate::data::DataError;
use crate::data::files::{OneFile, names};
use crate::data::scan::FileName;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::{Field, List};
use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

/// What a file begins and ends with.
pub const MAGIC: &[u8] = b"PAR1";

/// One value, as frames take it.
enum Value {
    Missing,
    Number(f64),
    Text(String),
    List(Vec<f64>),
}

thread_local! {
    /// Whether the package decodes on this thread.
    static DECODES: Cell<bool> = const { Cell::new(false) };
}

/// Reads a table; `keys` finds the key columns.
///
/// # Errors
/// Where it is no such table, or `keys` finds one missing.
pub fn read(file: &mut OneFile, what: &'static str, keys: &Keys) -> Result<CsvTable, DataError> {
    let max_bytes = file.max_bytes();
    let text = file.open()?;
    let name = text.name.clone();
    let bytes = bytes::Bytes::from(text.bytes()?);
    // The package panics on some damaged files; that is no fault of ours, and is reported like other damage.
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !DECODES.get() {
                usual(info);
            }
        }));
    });
    DECODES.set(true);
    let table = panic::catch_unwind(AssertUnwindSafe(|| decode(&name, bytes, max_bytes, what, keys)));
    DECODES.set(false);
    table.unwrap_or_else(|_| Err(broken(&name, &"its pages are not what its header says")))
}

fn broken(name: &FileName, error: &dyn std::fmt::Display) -> DataError {
    name.whole("data::unreadable", format!("is no complete Parquet file: {error}"))
        .help("write it again, without encryption and with the compression `snappy` or `none`")
}

fn decode(
    name: &FileName,
    bytes: bytes::Bytes,
    max_bytes: u64,
    what: &'static str,
    keys: &Keys,
) -> Result<CsvTable, DataError> {
    let broken = |error: &dyn std::fmt::Display| broken(name, error);
    let reader = SerializedFileReader::new(bytes).map_err(|error| broken(&error))?;
    let metadata = reader.metadata();
    let unpacked: i64 = metadata.row_groups().iter().map(|group| group.total_byte_size().max(0)).sum();
    if unpacked as u64 > max_bytes {
        return Err(name
            .whole(
                "data::too_large",
                format!("unpacks to {unpacked} bytes, and at most {max_bytes} are read"),
            )
            .help("raise the limit with `--max-data-size`"));
    }
    let schema = metadata.file_metadata().schema_descr();
    let columns: Vec<String> =
        schema.root_schema().get_fields().iter().map(|field| field.name().to_owned()).collect();
    let key_columns = keys(&columns).map_err(|error| match error.file {
        None => error.file(name.to_string()),
        Some(_) => error,
    })?;
    let mut table = CsvTable {
        frame: Frame::new(name.clone(), what),
        keys: key_columns.iter().map(|column| column.map(|_| Texts::default())).collect(),
    };
    // The index that pandas writes beside the columns.
    let is_index = |column: &str| column.starts_with("__index_level_");
    let places: Vec<Option<usize>> = columns
        .iter()
        .enumerate()
        .map(|(idx, column)| {
            let is_key = key_columns.contains(&Some(idx));
            (!is_key && !is_index(column)).then(|| table.frame.column(column))
        })
        .collect();
    let rows = reader.get_row_iter(None).map_err(|error| broken(&error))?;
    for (row, record) in rows.enumerate() {
        let record = record.map_err(|error| broken(&error))?;
        table.frame.begin(row + 1);
        for (idx, (_, field)) in record.get_column_iter().enumerate() {
            let key = key_columns.iter().position(|key| *key == Some(idx));
            let Some(column) = columns.get(idx).filter(|column| key.is_some() || !is_index(column)) else {
                continue;
            };
            let value = value_of(field).ok_or_else(|| {
                name.error(
                    "data::not_supported",
                    row,
                    format!(
                        "the column {} has values that are no numbers, texts, dates or lists of numbers",
                        shown(column)
                    ),
                )
                .help("leave the column out of the file, or write it in another form")
            })?;
            if let Some(texts) = key.and_then(|key| table.keys[key].as_mut()) {
                match value {
                    Value::Number(number) => texts.push(&format!("{}", number + 0.0)),
                    Value::Text(text) if !text.is_empty() => texts.push(&text),
                    _ => return Err(missing(name, row, column)),
                }
            } else if let Some(place) = places[idx] {
                let cell = match &value {
                    Value::Missing => frame::Cell::Missing,
                    Value::Number(number) => frame::Cell::Number(*number),
                    Value::Text(text) => frame::Cell::Text(text),
                    Value::List(list) => frame::Cell::List(list),
                };
                table.frame.set(place, cell)?;
            }
        }
    }
    Ok(table)
}

fn missing(name: &FileName, row: usize, column: &str) -> DataError {
    name.error("data::missing_value", row, format!("there is no value of {}", shown(column)))
        .help("write it, or delete the row")
}

fn shown(column: &str) -> String {
    names(&[column.to_owned()])
}

/// `None` where nothing is made of the value.
fn value_of(field: &Field) -> Option<Value> {
    Some(match field {
        Field::Null => Value::Missing,
        Field::Bool(truth) => Value::Number(f64::from(u8::from(*truth))),
        Field::Str(text) => Value::Text(text.clone()),
        Field::Date(days) => Value::Text(date(i64::from(*days) * 86_400, false)),
        Field::TimestampMillis(time) => Value::Text(date(time.div_euclid(1000), true)),
        Field::TimestampMicros(time) => Value::Text(date(time.div_euclid(1_000_000), true)),
        Field::ListInternal(list) => Value::List(numbers(list)?),
        // Other programs write a number that is missing as NaN.
        field => match number(field)? {
            number if number.is_nan() => Value::Missing,
            number => Value::Number(number),
        },
    })
}

fn number(field: &Field) -> Option<f64> {
    Some(match field {
        Field::Byte(value) => f64::from(*value),
        Field::Short(value) => f64::from(*value),
        Field::Int(value) => f64::from(*value),
        Field::Long(value) => *value as f64,
        Field::UByte(value) => f64::from(*value),
        Field::UShort(value) => f64::from(*value),
        Field::UInt(value) => f64::from(*value),
        Field::ULong(value) => *value as f64,
        Field::Float(value) => f64::from(*value),
        Field::Double(value) => *value,
        _ => return None,
    })
}

fn numbers(list: &List) -> Option<Vec<f64>> {
    list.elements().iter().map(number).collect()
}

/// A time since 1970 as a date, with the time of the day where it is asked for.
fn date(seconds: i64, with_time: bool) -> String {
    let (days, of_day) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Hinnant, "chrono-Compatible Low-Level Date Algorithms": years begin in March.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let date = format!("{year:04}-{month:02}-{day:02}");
    if !with_time {
        return date;
    }
    format!("{date}T{:02}:{:02}:{:02}", of_day / 3600, of_day / 60 % 60, of_day % 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::ArgValue;
    use crate::data::{self, DataOptions, Dataset};
    use std::fs;
    use std::path::Path;

    fn load(folder: &Path, ending: &str, more: &[(&str, ArgValue)]) -> Result<Dataset, DataError> {
        let path = |part: &str| ArgValue::Text(folder.join(format!("{part}.{ending}")).display().to_string());
        let mut args = vec![("edges", path("edges")), ("nodes", path("nodes")), ("graphs", path("graphs"))];
        args.extend(more.iter().cloned());
        data::load(&data::call("tables", &args), &DataOptions::folder(folder))
    }

    fn fixtures() -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parquet")
    }

    /// Files of pyarrow (see `tests/parquet/README.md`), and the same values as text.
    #[test]
    fn tables_that_other_programs_wrote_are_those_of_their_texts() {
        let time = [("time", ArgValue::Text("day".into()))];
        let ours = load(&fixtures(), "parquet", &time).unwrap();
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [
            ("edges", "target,source,bond\nb,a,1\nc,b,2\ne,d,1\nf,e,1\n"),
            (
                "nodes",
                "id,graph,atom,charge,ring,place_1,place_2\na,1,C,0.5,1,0,1\nb,1,C,-1,0,1.5,2\nc,1,O,0.25,1,2.5,3\n\
                 d,2,N,0,1,0.5,0.5\ne,2,C,2,0,1,1\nf,2,C,1.5,0,4,2\n",
            ),
            ("graphs", "graph,label,day\n1,toxic,2019-03-31\n2,safe,2020-02-29\n"),
        ] {
            fs::write(folder.path().join(format!("{name}.csv")), text).unwrap();
        }
        let theirs = load(folder.path(), "csv", &time).unwrap();
        assert_eq!(ours.vocabulary, theirs.vocabulary);
        assert_eq!((&ours.names, &ours.class_names), (&theirs.names, &theirs.class_names));
        assert_eq!(ours.parted_by, theirs.parted_by);
        assert_eq!(ours.fingerprint, theirs.fingerprint);
        // The 31st of March is the 90th day, the 29th of February the 60th.
        assert_eq!(ours.parted_by.times, [2019.0 + 89.0 / 365.0, 2020.0 + 59.0 / 366.0]);
    }

    #[test]
    fn a_damaged_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["edges", "nodes", "graphs"] {
            let file = format!("{name}.parquet");
            fs::copy(fixtures().join(&file), folder.path().join(&file)).unwrap();
        }
        let nodes = folder.path().join("nodes.parquet");
        let whole = fs::read(&nodes).unwrap();
        for part in [&whole[..whole.len() - 9], &whole[..8], b"PAR1"] {
            fs::write(&nodes, part).unwrap();
            let error = load(folder.path(), "parquet", &[]).unwrap_err();
            assert_eq!(error.code, "data::unreadable", "{error}");
            assert!(error.to_string().contains("nodes.parquet: is no complete Parquet file"), "{error}");
        }
        // Numbers that were flipped somewhere give a message or other values, and no panic.
        for place in (4..whole.len()).step_by(7) {
            let mut flipped = whole.clone();
            flipped[place] ^= 0x55;
            fs::write(&nodes, &flipped).unwrap();
            let _ = load(folder.path(), "parquet", &[]);
        }
        assert_eq!(date(951_782_400 + 3661, true), "2000-02-29T01:01:01");
        assert_eq!(date(-1, false), "1969-12-31");
    }
}
