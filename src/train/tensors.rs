//! The safetensors format with metadata, written so that the same content gives the same bytes.
//!
//! The crate's own writer keeps metadata in a hash map, whose order changes from run to run; so the header is
//! written here. Reading goes through the crate, which checks every offset.
//!
//! The metadata holds a checksum of the content: of every name, type, shape and number, and of the other metadata. It
//! does not depend on how the header is written, so a file that another tool has written anew keeps it.

use super::error::{AtPath, Result, TrainError};
use crate::files::{aside, sealed};
use crate::regular;
use candle_core::{DType, Device, Storage, Tensor};
use safetensors::tensor::TensorInfo;
use safetensors::{Dtype, SafeTensors};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::path::Path;

/// Names and tensors, in the order of the file.
pub type Named = Vec<(String, Tensor)>;

/// The key of the checksum in the metadata.
const CHECKSUM: &str = "checksum";

/// Headers have at most as many bytes; the crate's own limit.
const MAX_HEADER_BYTES: u64 = 100_000_000;

/// Files have at most as many bytes.
const MAX_BYTES: u64 = 64 << 30;

/// Writes tensors (f32, f64, i64 or u32) with metadata and a checksum, whole or not at all.
///
/// # Errors
/// Where Candle cannot copy a tensor to the host, or the file cannot be written.
pub fn write(path: &Path, metadata: &[(&str, String)], tensors: &Named) -> Result<()> {
    let tensors: Vec<(&String, Tensor)> = tensors
        .iter()
        .map(|(name, tensor)| Ok((name, tensor.to_device(&Device::Cpu)?.contiguous()?)))
        .collect::<candle_core::Result<_>>()?;
    let header = header(metadata, &tensors)?;
    aside::replace(path, |out| {
        out.write_all(&(header.len() as u64).to_le_bytes())?;
        out.write_all(&header)?;
        tensors.iter().try_for_each(|(_, tensor)| write_values(out, tensor))
    })
    .at("write", path)
}

fn header(metadata: &[(&str, String)], tensors: &[(&String, Tensor)]) -> Result<Vec<u8>> {
    let mut sum = Sum::new(metadata.iter().map(|(key, text)| (*key, text.as_str())));
    let mut by_name: Vec<&(&String, Tensor)> = tensors.iter().collect();
    by_name.sort_by_key(|(name, _)| *name);
    for (name, tensor) in by_name {
        sum.tensor(name, dtype(name, tensor)?, tensor.dims());
        write_values(&mut sum.0, tensor).map_err(candle_core::Error::wrap)?;
    }
    let mut header = serde_json::Map::new();
    let mut strings = serde_json::Map::new();
    strings.insert(CHECKSUM.into(), sum.digits().into());
    strings.extend(metadata.iter().map(|(key, text)| ((*key).to_string(), text.clone().into())));
    header.insert("__metadata__".into(), serde_json::Value::Object(strings));
    let mut offset = 0;
    for (name, tensor) in tensors {
        let end = offset + tensor.elem_count() * tensor.dtype().size_in_bytes();
        let (dtype, shape) = (dtype(name, tensor)?, tensor.dims().to_vec());
        let info = TensorInfo { dtype, shape, data_offsets: (offset, end) };
        header.insert((*name).clone(), serde_json::to_value(info).expect("shapes and offsets become JSON"));
        offset = end;
    }
    let mut header = serde_json::to_string(&header).expect("strings become JSON").into_bytes();
    // Tensors begin at a multiple of eight, so that a reader can map them.
    header.resize(header.len().next_multiple_of(8), b' ');
    Ok(header)
}

fn dtype(name: &str, tensor: &Tensor) -> Result<Dtype> {
    match tensor.dtype() {
        DType::F32 => Ok(Dtype::F32),
        DType::F64 => Ok(Dtype::F64),
        DType::I64 => Ok(Dtype::I64),
        DType::U32 => Ok(Dtype::U32),
        other => Err(candle_core::Error::Msg(format!("`{name}` is {other:?}, which is not saved")).into()),
    }
}

/// The checksum of a content: metadata by key, then tensors by name, each text with its length before it.
struct Sum(Sha256);

impl Sum {
    fn new<'a>(metadata: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        let mut sum = Self(Sha256::new());
        let metadata: BTreeMap<&str, &str> = metadata.filter(|(key, _)| *key != CHECKSUM).collect();
        sum.number(metadata.len());
        for (key, text) in metadata {
            sum.text(key);
            sum.text(text);
        }
        sum
    }

    /// What stands before the tensor's bytes.
    fn tensor(&mut self, name: &str, dtype: Dtype, shape: &[usize]) {
        self.text(name);
        self.text(&dtype.to_string());
        self.number(shape.len());
        shape.iter().for_each(|&length| self.number(length));
    }

    fn number(&mut self, number: usize) {
        self.0.update((number as u64).to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.number(text.len());
        self.0.update(text);
    }

    fn digits(self) -> String {
        format!("sha256:{}", sealed::hex(self.0))
    }
}

fn write_values(out: &mut dyn Write, tensor: &Tensor) -> io::Result<()> {
    let (storage, layout) = tensor.storage_and_layout();
    let range = layout.start_offset()..layout.start_offset() + layout.shape().elem_count();
    let Storage::Cpu(storage) = &*storage else {
        return Err(io::Error::other("the tensor is not on the host"));
    };
    macro_rules! write_all {
        ($values:expr) => {{
            let mut bytes = Vec::with_capacity(8 << 10);
            for block in $values[range].chunks(1 << 10) {
                bytes.clear();
                block.iter().for_each(|value| bytes.extend_from_slice(&value.to_le_bytes()));
                out.write_all(&bytes)?;
            }
        }};
    }
    match storage {
        candle_core::CpuStorage::F32(values) => write_all!(values),
        candle_core::CpuStorage::F64(values) => write_all!(values),
        candle_core::CpuStorage::I64(values) => write_all!(values),
        candle_core::CpuStorage::U32(values) => write_all!(values),
        _ => return Err(io::Error::other("unsaved type")),
    }
    Ok(())
}

/// A file as read.
#[derive(Debug)]
pub struct Contents {
    /// Without the checksum.
    pub metadata: BTreeMap<String, String>,
    pub tensors: BTreeMap<String, Tensor>,
    /// Whether a checksum confirms it; files of early versions have none.
    pub is_sealed: bool,
    /// Tensors that hold a number that is not finite.
    not_finite: Vec<String>,
}

impl Contents {
    /// # Errors
    /// Where a tensor whose name begins with `prefix` holds a number that is not finite.
    pub fn check_finite(&self, path: &Path, prefix: &str) -> Result<()> {
        match self.not_finite.iter().find(|name| name.starts_with(prefix)) {
            Some(name) => {
                let name = shown(name.strip_prefix(prefix).unwrap_or(name));
                Err(damaged(path, format!("the weight `{name}` holds a number that is not finite")))
            }
            None => Ok(()),
        }
    }
}

fn damaged(path: &Path, message: impl Into<String>) -> TrainError {
    TrainError::unusable(path, message, "train again, or restore the file from an intact copy")
}

/// A name of a foreign file as a message may show it: short, and of plain characters.
pub fn shown(name: &str) -> String {
    sealed::shown(name)
}

/// Reads a file that [`write`] or another safetensors writer made.
///
/// # Errors
/// Where the file is missing, cut short, damaged or of another format.
pub fn read(path: &Path) -> Result<Contents> {
    let bytes = read_whole(path)?;
    let foreign = |error: safetensors::SafeTensorError| {
        damaged(path, format!("it is damaged or not a safetensors file ({})", reason(&error)))
    };
    let file = SafeTensors::deserialize(&bytes).map_err(foreign)?;
    let (_, header) = SafeTensors::read_metadata(&bytes).map_err(foreign)?;
    let mut metadata: BTreeMap<String, String> =
        header.metadata().clone().unwrap_or_default().into_iter().collect();
    let views: BTreeMap<String, _> = file.tensors().into_iter().collect();
    let mut sum = Sum::new(metadata.iter().map(|(key, text)| (key.as_str(), text.as_str())));
    let (mut tensors, mut not_finite) = (BTreeMap::new(), Vec::new());
    for (name, view) in views {
        let dtype = match view.dtype() {
            Dtype::F32 => DType::F32,
            Dtype::F64 => DType::F64,
            Dtype::I64 => DType::I64,
            Dtype::U32 => DType::U32,
            other => {
                let message = format!("`{}` is {other:?}, which hgnnc does not save", shown(&name));
                return Err(damaged(path, message));
            }
        };
        // Lengths beside a zero are bound by no file.
        if view.shape().len() > MAX_RANK || view.shape().iter().any(|&length| length > MAX_LENGTH) {
            return Err(damaged(
                path,
                format!("the shape of `{}` is not a valid tensor shape", shown(&name)),
            ));
        }
        sum.tensor(&name, view.dtype(), view.shape());
        sum.0.update(view.data());
        let tensor = Tensor::from_raw_buffer(view.data(), dtype, view.shape(), &Device::Cpu)?;
        if !is_finite(&tensor)? {
            not_finite.push(name.clone());
        }
        tensors.insert(name, tensor);
    }
    let is_sealed = match metadata.remove(CHECKSUM) {
        Some(digits) if digits == sum.digits() => true,
        Some(_) => return Err(damaged(path, "it is damaged: its checksum does not match its content")),
        None => false,
    };
    Ok(Contents { metadata, tensors, is_sealed, not_finite })
}

const MAX_RANK: usize = 8;
const MAX_LENGTH: usize = 1 << 40;

/// What is wrong, without any text of the file.
fn reason(error: &safetensors::SafeTensorError) -> &'static str {
    use safetensors::SafeTensorError as Error;
    match error {
        Error::InvalidOffset(_) => "the places of its tensors overlap or leave a gap",
        Error::TensorInvalidInfo | Error::MisalignedSlice => {
            "the length of a tensor does not match its shape"
        }
        Error::ValidationOverflow => "a shape is too large",
        Error::MetadataIncompleteBuffer => "its length differs from that in its header",
        Error::HeaderTooLarge => "its header is too long",
        _ => "its header cannot be read",
    }
}

fn is_finite(tensor: &Tensor) -> candle_core::Result<bool> {
    Ok(match tensor.dtype() {
        DType::F32 => tensor.flatten_all()?.to_vec1::<f32>()?.iter().all(|number| number.is_finite()),
        DType::F64 => tensor.flatten_all()?.to_vec1::<f64>()?.iter().all(|number| number.is_finite()),
        _ => true,
    })
}

/// Where a tensor of the header ends.
#[derive(Deserialize)]
struct Place {
    data_offsets: (u64, u64),
}

/// The bytes of a file whose header says that it is as long as it is, so that nothing larger than that is read.
fn read_whole(path: &Path) -> Result<Vec<u8>> {
    let file = regular::open(path).map_err(|error| TrainError::unreadable(path, &error))?;
    let size = file.metadata().at("read", path)?.len();
    let mut bytes = Vec::new();
    (&file).take(8).read_to_end(&mut bytes).at("read", path)?;
    let no_tensors = || damaged(path, "it is damaged or not a safetensors file (its header cannot be read)");
    let Some(length) = bytes.first_chunk::<8>() else {
        return Err(damaged(path, format!("it is cut short: it has {size} bytes")));
    };
    let n_header = u64::from_le_bytes(*length);
    (&file).take(1).read_to_end(&mut bytes).at("read", path)?;
    if bytes.get(8) != Some(&b'{') || n_header > MAX_HEADER_BYTES {
        return Err(no_tensors());
    }
    if n_header + 8 > size {
        let message =
            format!("it is cut short: the header alone has {} bytes, the file {size}", n_header + 8);
        return Err(damaged(path, message));
    }
    (&file).take(n_header - 1).read_to_end(&mut bytes).at("read", path)?;
    let header: serde_json::Map<String, serde_json::Value> =
        sealed::parse(&bytes[8..]).map_err(|error| match error {
            sealed::SealError::Doubled(_) => damaged(path, error.to_string()),
            _ => no_tensors(),
        })?;
    let mut end = 0;
    for (_, place) in header.into_iter().filter(|(name, _)| name != "__metadata__") {
        let place: Place = serde_json::from_value(place).map_err(|_| no_tensors())?;
        end = end.max(place.data_offsets.1);
    }
    let expected = end.saturating_add(n_header + 8);
    if expected != size || size > MAX_BYTES {
        let what = if size < expected { "it is cut short" } else { "it is damaged" };
        let message = format!("{what}: its header describes {expected} bytes, the file has {size}");
        return Err(damaged(path, message));
    }
    (&file).take(end).read_to_end(&mut bytes).at("read", path)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Named {
        let cpu = &Device::Cpu;
        vec![
            (
                "b.weight".into(),
                Tensor::new(&[[1.0f32, 2.0, 3.0], [4.0, 5.0, 6.0]], cpu).unwrap().t().unwrap(),
            ),
            ("a".into(), Tensor::new(&[7i64, -8], cpu).unwrap()),
            ("scalar".into(), Tensor::new(0.5f64, cpu).unwrap()),
            ("empty".into(), Tensor::zeros((0, 3), DType::F32, cpu).unwrap()),
        ]
    }

    #[test]
    fn what_is_written_is_read_and_bytes_do_not_change() {
        let folder = tempfile::tempdir().unwrap();
        let metadata = [("b", "text with \"quotes\" and ü\n".to_string()), ("a", String::new())];
        let paths = [folder.path().join("1"), folder.path().join("2")];
        for path in &paths {
            write(path, &metadata, &sample()).unwrap();
        }
        assert_eq!(std::fs::read(&paths[0]).unwrap(), std::fs::read(&paths[1]).unwrap());
        let Contents { metadata: found, tensors, is_sealed, not_finite } = read(&paths[0]).unwrap();
        assert!(is_sealed && not_finite.is_empty());
        assert_eq!(found["b"], metadata[0].1);
        assert_eq!(tensors["b.weight"].to_vec2::<f32>().unwrap(), [[1.0, 4.0], [2.0, 5.0], [3.0, 6.0]]);
        assert_eq!(tensors["a"].to_vec1::<i64>().unwrap(), [7, -8]);
        assert_eq!(tensors["scalar"].to_scalar::<f64>().unwrap(), 0.5);
        assert_eq!(tensors["empty"].dims(), [0, 3]);
    }

    #[test]
    fn cut_or_foreign_files_are_refused_wherever_they_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint");
        write(&path, &[], &sample()).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for length in 0..whole.len() {
            std::fs::write(&path, &whole[..length]).unwrap();
            let error = read(&path).unwrap_err();
            assert!(error.to_string().contains("checkpoint"), "{length}: {error}");
        }
        std::fs::write(&path, "sage(64) -> mean -> mlp").unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("not a safetensors file"));
    }

    #[test]
    fn every_flipped_bit_is_found_or_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint");
        let metadata = [("format", "x 1".to_string()), ("text", "a \"b\"".to_string())];
        write(&path, &metadata, &sample()).unwrap();
        let whole = std::fs::read(&path).unwrap();
        let content = |read: &Contents| {
            let tensors = read.tensors.iter().map(|(name, tensor)| format!("{name} {tensor:?} {tensor}"));
            (read.metadata.clone(), tensors.collect::<Vec<_>>())
        };
        let expected = content(&read(&path).unwrap());
        for bit in 0..8 * whole.len() {
            let mut changed = whole.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            std::fs::write(&path, &changed).unwrap();
            if let Ok(found) = read(&path) {
                // Without its key, the checksum is one more text, which the reader of a checkpoint misses.
                assert!(!found.is_sealed || content(&found) == expected, "bit {bit}");
            }
        }
    }

    /// A file with this header and as many bytes behind it.
    fn with_header(header: &str, n_bytes: usize) -> Vec<u8> {
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend_from_slice(header.as_bytes());
        bytes.resize(bytes.len() + n_bytes, 0);
        bytes
    }

    #[test]
    fn headers_that_lie_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint");
        let message = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            read(&path).unwrap_err().to_string()
        };
        let a = r#""a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}"#;
        let doubled = message(&with_header(&format!("{{{a},{a}}}"), 8));
        assert!(doubled.contains("`a` occurs twice"), "{doubled}");
        let doubled = message(&with_header(&format!(r#"{{"__metadata__":{{"x":"1","x":"2"}},{a}}}"#), 8));
        assert!(doubled.contains("`x` occurs twice"), "{doubled}");
        let b = r#""b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}"#;
        let overlap = message(&with_header(&format!("{{{a},{b}}}"), 12));
        assert!(overlap.contains("overlap"), "{overlap}");
        let absurd = r#"{"a":{"dtype":"F32","shape":[0,9223372036854775807,4],"data_offsets":[0,0]}}"#;
        assert!(message(&with_header(absurd, 0)).contains("the shape of `a`"));
        let long =
            r#"{"a":{"dtype":"F32","shape":[2305843009213693952],"data_offsets":[0,9223372036854775808]}}"#;
        assert!(message(&with_header(long, 8)).contains("describes 9223372036854775"));
        let mut header = with_header(&format!("{{{a}}}"), 8);
        header[..8].copy_from_slice(&u64::MAX.to_le_bytes());
        assert!(message(&header).contains("not a safetensors file"));
        assert!(message(&with_header(&format!("{{{a}}}"), 9)).contains("describes"));
    }

    #[test]
    fn numbers_that_are_not_finite_are_noted_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint");
        let tensor = |value: f32| Tensor::new(&[1.0, value], &Device::Cpu).unwrap();
        let named = vec![("weights.a".into(), tensor(2.0)), ("weights.b".into(), tensor(f32::NAN))];
        write(&path, &[], &named).unwrap();
        let found = read(&path).unwrap();
        assert!(found.check_finite(&path, "kept.").is_ok());
        let error = found.check_finite(&path, "weights.").unwrap_err().to_string();
        assert!(error.contains("the weight `b` holds a number that is not finite"), "{error}");
    }
}
