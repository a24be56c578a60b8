//! JSON that carries a checksum of itself, so that damage is found before anything is read from it.
//!
//! The last member of the outermost object is `"checksum": "sha256:…"`, over every byte before the comma that it
//! stands behind. In a file of one object per line, each line's checksum covers that of the line before too, so a line
//! that is missing, moved or doubled is found like a changed one.

use serde::Serialize;
use serde::de::{DeserializeOwned, Deserializer, MapAccess, SeqAccess, Visitor};
use sha2::{Digest, Sha256};
use std::collections::HashSet;
use std::fmt;

/// Digits of a SHA-256.
const N_DIGITS: usize = 64;

/// What stands before and behind the digits: in a file of one object, and in one of lines.
const FILE: [&str; 2] = [",\n  \"checksum\": \"sha256:", "\"\n}\n"];
const LINE: [&str; 2] = [",\"checksum\":\"sha256:", "\"}"];

/// Why a sealed text is not read. Says what is wrong, and nothing of what the text holds: it may be any file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    #[error("its checksum does not match its content")]
    Changed,
    #[error("its checksum is missing")]
    Unsealed,
    #[error("it ends too early")]
    Cut,
    #[error("it is not what hgnnc writes (line {line}, column {column})")]
    Foreign { line: usize, column: usize },
    /// The name of the member.
    #[error("`{0}` occurs twice in it")]
    Doubled(String),
}

/// A JSON text as read.
#[derive(Debug, Clone, PartialEq)]
pub struct Opened<T> {
    pub value: T,
    /// Whether a checksum confirms it.
    pub is_sealed: bool,
}

impl<T> Opened<T> {
    /// The value, where a checksum has confirmed it.
    ///
    /// # Errors
    /// Where there is none.
    pub fn sealed(self) -> Result<T, SealError> {
        if self.is_sealed { Ok(self.value) } else { Err(SealError::Unsealed) }
    }
}

/// The text of an object, indented, with its checksum.
///
/// # Panics
/// Where the value is not an object with at least one member, or holds what JSON cannot say.
pub fn seal(value: &impl Serialize) -> String {
    let text = serde_json::to_string_pretty(value).expect("names and numbers become JSON");
    let content = text.strip_suffix("\n}").expect("an object with members");
    [content, FILE[0], &digest(&[content.as_bytes()]), FILE[1]].concat()
}

/// Reads what [`seal`] wrote, or an object without a checksum.
///
/// # Errors
/// Where the text was changed or cut, or is not such an object.
pub fn open<T: DeserializeOwned>(text: &[u8]) -> Result<Opened<T>, SealError> {
    let (content, digits) = match split(text, FILE) {
        Some(parts) => parts,
        None => return Ok(Opened { value: parse(text)?, is_sealed: false }),
    };
    if digest(&[content]).as_bytes() != digits {
        return Err(SealError::Changed);
    }
    Ok(Opened { value: parse(text)?, is_sealed: true })
}

/// The checksums of a file of lines, each over its line and the checksum before.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chain {
    /// Digits of the last line's; empty before the first line.
    last: String,
}

impl Chain {
    /// The text of an object on one line, with its checksum and without the end of the line.
    ///
    /// # Panics
    /// As [`seal`].
    pub fn seal(&mut self, value: &impl Serialize) -> String {
        let text = serde_json::to_string(value).expect("names and numbers become JSON");
        let content = text.strip_suffix('}').expect("an object");
        self.last = digest(&[self.last.as_bytes(), content.as_bytes()]);
        [content, LINE[0], &self.last, LINE[1]].concat()
    }

    /// Reads the next line that [`Self::seal`] wrote.
    ///
    /// # Errors
    /// Where the line was changed or cut, has no checksum, or does not follow the line before.
    pub fn open<T: DeserializeOwned>(&mut self, line: &[u8]) -> Result<T, SealError> {
        let Some((content, digits)) = split(line, LINE) else {
            parse::<serde::de::IgnoredAny>(line)?;
            return Err(SealError::Unsealed);
        };
        let found = digest(&[self.last.as_bytes(), content]);
        if found.as_bytes() != digits {
            return Err(SealError::Changed);
        }
        self.last = found;
        parse(line)
    }

    /// The checksum of all lines so far; empty before the first.
    pub fn last(&self) -> &str {
        &self.last
    }
}

/// The content and the digits of a text that ends in a checksum.
fn split<'a>(text: &'a [u8], [before, behind]: [&str; 2]) -> Option<(&'a [u8], &'a [u8])> {
    let text = text.strip_suffix(behind.as_bytes())?;
    let (content, digits) = text.split_at_checked(text.len().checked_sub(N_DIGITS)?)?;
    Some((content.strip_suffix(before.as_bytes())?, digits))
}

/// The SHA-256 of these parts one after the other, in hexadecimal digits.
pub fn digest(parts: &[&[u8]]) -> String {
    let mut sum = Sha256::new();
    parts.iter().for_each(|part| sum.update(part));
    hex(sum)
}

/// The digits of a finished sum.
pub fn hex(sum: Sha256) -> String {
    sum.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads JSON in which no member of an object stands twice. A checksum beside the members that a type has is passed
/// over, as every unknown member is.
///
/// # Errors
/// Where it is not JSON, or not of this type.
pub fn parse<T: DeserializeOwned>(text: &[u8]) -> Result<T, SealError> {
    let refused = |error: serde_json::Error| match error.classify() {
        serde_json::error::Category::Eof => SealError::Cut,
        _ => SealError::Foreign { line: error.line(), column: error.column() },
    };
    let mut members = Members::default();
    let checked = {
        let mut reader = serde_json::Deserializer::from_slice(text);
        let each_once = EachOnce(&mut members);
        serde::de::DeserializeSeed::deserialize(each_once, &mut reader).and_then(|()| reader.end())
    };
    match (checked, members.doubled) {
        (_, Some(name)) => Err(SealError::Doubled(shown(&name))),
        (Err(error), None) => Err(refused(error)),
        (Ok(()), None) => serde_json::from_slice(text).map_err(refused),
    }
}

/// A name of a foreign file as a message may show it: short, and of plain characters.
pub fn shown(name: &str) -> String {
    const MAX_CHARS: usize = 40;
    let plain = |char: char| if char.is_ascii_graphic() || char == ' ' { char } else { '?' };
    let more = if name.chars().count() > MAX_CHARS { "…" } else { "" };
    name.chars().take(MAX_CHARS).map(plain).collect::<String>() + more
}

#[derive(Default)]
struct Members {
    doubled: Option<String>,
}

/// Passes over a value of any kind and notes a member that occurs twice in its object.
struct EachOnce<'a>(&'a mut Members);

impl<'de> serde::de::DeserializeSeed<'de> for EachOnce<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for EachOnce<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }
    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }
    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }
    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }
    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        while elements.next_element_seed(EachOnce(self.0))?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let mut names = HashSet::new();
        while let Some(name) = members.next_key::<String>()? {
            if self.0.doubled.is_none() && names.contains(&name) {
                self.0.doubled = Some(name.clone());
            }
            names.insert(name);
            members.next_value_seed(EachOnce(self.0))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use std::collections::BTreeMap;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Record {
        name: String,
        figures: BTreeMap<String, f64>,
    }

    fn record() -> Record {
        Record {
            name: "a \"run\"".into(),
            figures: [("loss".to_owned(), 0.1), ("f1".to_owned(), 1.0)].into(),
        }
    }

    #[test]
    fn the_checksum_is_that_of_the_bytes_before_it() {
        let text = seal(&record());
        let content =
            "{\n  \"name\": \"a \\\"run\\\"\",\n  \"figures\": {\n    \"f1\": 1.0,\n    \"loss\": 0.1\n  }";
        // By `printf '…' | sha256sum` of coreutils.
        let sum = "5f8c1ca4797be7b75d2e5e14f6cba17a46c9de3477427c9ce1238e438423e994";
        assert_eq!(text, format!("{content},\n  \"checksum\": \"sha256:{sum}\"\n}}\n"));
        assert_eq!(open::<Record>(text.as_bytes()).unwrap().sealed(), Ok(record()));
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_found() {
        let text = seal(&record()).into_bytes();
        for bit in 0..8 * text.len() {
            let mut changed = text.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(open::<Record>(&changed).and_then(Opened::sealed).is_err(), "bit {bit}");
        }
        for length in 0..text.len() {
            assert!(open::<Record>(&text[..length]).and_then(Opened::sealed).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn lines_that_are_changed_missing_moved_or_doubled_are_found() {
        let mut chain = Chain::default();
        let lines: Vec<String> =
            (0..3).map(|epoch| chain.seal(&serde_json::json!({ "epoch": epoch, "loss": 0.5 }))).collect();
        let read = |order: &[usize]| {
            let mut chain = Chain::default();
            order
                .iter()
                .map(|&idx| {
                    chain.open::<serde_json::Value>(lines[idx].as_bytes()).map(|line| line["epoch"].clone())
                })
                .collect::<Result<Vec<_>, _>>()
        };
        assert_eq!(read(&[0, 1, 2]).unwrap(), [0, 1, 2]);
        for order in [&[1usize, 2][..], &[0, 2], &[0, 0, 1], &[0, 2, 1], &[2]] {
            assert_eq!(read(order), Err(SealError::Changed), "{order:?}");
        }
        let mut chain = Chain::default();
        chain.open::<serde_json::Value>(lines[0].as_bytes()).unwrap();
        for bit in 0..8 * lines[1].len() {
            let mut changed = lines[1].clone().into_bytes();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(chain.clone().open::<serde_json::Value>(&changed).is_err(), "bit {bit}");
        }
        for length in 0..lines[1].len() {
            assert!(chain.clone().open::<serde_json::Value>(&lines[1].as_bytes()[..length]).is_err());
        }
    }

    #[test]
    fn a_member_that_stands_twice_is_named_at_any_depth() {
        let doubled = |text: &str| open::<Record>(text.as_bytes()).unwrap_err();
        let text = r#"{"name": "a", "figures": {"loss": 1.0, "loss": 2.0}}"#;
        assert_eq!(doubled(text), SealError::Doubled("loss".into()));
        assert_eq!(
            doubled(r#"{"name": "a", "figures": {}, "name": "b"}"#),
            SealError::Doubled("name".into())
        );
    }

    #[test]
    fn messages_quote_nothing_of_a_foreign_text() {
        let error = open::<Record>(br#"{"name": 7, "figures": "secret"}"#).unwrap_err();
        assert!(!error.to_string().contains("secret") && error.to_string().contains("line 1"), "{error}");
        let old = open::<Record>(br#"{"name": "a", "figures": {}}"#).unwrap();
        assert_eq!((old.is_sealed, old.clone().sealed()), (false, Err(SealError::Unsealed)));
        let deep = "[".repeat(100_000);
        assert!(open::<Record>(deep.as_bytes()).is_err());
    }
}
