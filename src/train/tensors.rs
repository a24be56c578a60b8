//! The safetensors format with metadata, written so that the same content gives the same bytes.
//!
//! The crate's own writer keeps metadata in a hash map, whose order changes from run to run; so the header is
//! written here. Reading goes through the crate, which checks every offset.

use super::atomic;
use super::error::{AtPath, Result, TrainError};
use candle_core::{DType, Device, Storage, Tensor};
use safetensors::tensor::TensorInfo;
use safetensors::{Dtype, SafeTensors};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;

/// Names and tensors, in the order of the file.
pub type Named = Vec<(String, Tensor)>;

/// Writes tensors (f32, f64, i64 or u32) with metadata, whole or not at all.
///
/// # Errors
/// Where Candle cannot copy a tensor to the host, or the file cannot be written.
pub fn write(path: &Path, metadata: &[(&str, String)], tensors: &Named) -> Result<()> {
    let tensors: Vec<(&String, Tensor)> = tensors
        .iter()
        .map(|(name, tensor)| Ok((name, tensor.to_device(&Device::Cpu)?.contiguous()?)))
        .collect::<candle_core::Result<_>>()?;
    let mut header = serde_json::Map::new();
    let strings = metadata.iter().map(|(key, text)| ((*key).to_string(), text.clone().into()));
    header.insert("__metadata__".into(), serde_json::Value::Object(strings.collect()));
    let mut offset = 0;
    for (name, tensor) in &tensors {
        let dtype = match tensor.dtype() {
            DType::F32 => Dtype::F32,
            DType::F64 => Dtype::F64,
            DType::I64 => Dtype::I64,
            DType::U32 => Dtype::U32,
            other => {
                return Err(
                    candle_core::Error::Msg(format!("`{name}` is {other:?}, which is not saved")).into()
                );
            }
        };
        let end = offset + tensor.elem_count() * tensor.dtype().size_in_bytes();
        let info = TensorInfo { dtype, shape: tensor.dims().to_vec(), data_offsets: (offset, end) };
        header.insert((*name).clone(), serde_json::to_value(info).expect("shapes and offsets become JSON"));
        offset = end;
    }
    let mut header = serde_json::to_string(&header).expect("strings become JSON").into_bytes();
    // Tensors begin at a multiple of eight, so that a reader can map them.
    header.resize(header.len().next_multiple_of(8), b' ');
    atomic::write(path, |out| {
        out.write_all(&(header.len() as u64).to_le_bytes())?;
        out.write_all(&header)?;
        tensors.iter().try_for_each(|(_, tensor)| write_values(out, tensor))
    })
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

/// Reads a file that [`write`] or another safetensors writer made.
///
/// # Errors
/// Where the file is missing, cut short or of another format.
pub fn read(path: &Path) -> Result<(BTreeMap<String, String>, BTreeMap<String, Tensor>)> {
    let bytes = std::fs::read(path).at("read", path)?;
    let damaged = |message: String| {
        TrainError::unusable(path, message, "train again, or copy the file again from where it is whole")
    };
    if let Some(length) = bytes.first_chunk::<8>() {
        // The crate says "invalid header length" for a cut file; the number of bytes says more.
        let header = u64::from_le_bytes(*length).saturating_add(8);
        if bytes.len() >= 9 && bytes[8] == b'{' && header > bytes.len() as u64 {
            let message =
                format!("it is cut short: the header alone has {header} bytes, the file {}", bytes.len());
            return Err(damaged(message));
        }
    }
    let file = SafeTensors::deserialize(&bytes)
        .map_err(|error| damaged(format!("it is damaged or not a safetensors file ({error})")))?;
    let (_, header) = SafeTensors::read_metadata(&bytes)
        .map_err(|error| damaged(format!("it is damaged or not a safetensors file ({error})")))?;
    let metadata = header.metadata().clone().unwrap_or_default().into_iter().collect();
    let mut tensors = BTreeMap::new();
    for (name, view) in file.tensors() {
        let dtype = match view.dtype() {
            Dtype::F32 => DType::F32,
            Dtype::F64 => DType::F64,
            Dtype::I64 => DType::I64,
            Dtype::U32 => DType::U32,
            other => return Err(damaged(format!("`{name}` is {other:?}, which hgnnc does not save"))),
        };
        let tensor = Tensor::from_raw_buffer(view.data(), dtype, view.shape(), &Device::Cpu)?;
        tensors.insert(name, tensor);
    }
    Ok((metadata, tensors))
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
        let (found, tensors) = read(&paths[0]).unwrap();
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
}
