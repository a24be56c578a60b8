//! Columns of names and numbers, as CSV and as Parquet.

use parquet::basic::{LogicalType, Repetition, Type as Physical};
use parquet::data_type::{ByteArray, ByteArrayType, FloatType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type;
use std::io::{self, Write};
use std::sync::Arc;

/// One value a row.
#[derive(Debug, Clone, PartialEq)]
pub enum Cells {
    /// `None` where there is nothing to say.
    Texts(Vec<Option<String>>),
    Whole(Vec<i64>),
    Real(Vec<f32>),
}

/// A table; all columns are as long.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sheet {
    pub columns: Vec<(String, Cells)>,
}

impl Sheet {
    pub fn push(&mut self, name: impl Into<String>, cells: Cells) {
        self.columns.push((name.into(), cells));
    }

    /// Adds the columns of a row-major matrix.
    pub fn push_matrix(&mut self, names: impl Iterator<Item = String>, values: &[f32], width: usize) {
        for (idx, name) in names.enumerate() {
            self.push(name, Cells::Real(values.iter().skip(idx).step_by(width.max(1)).copied().collect()));
        }
    }

    fn n_rows(&self) -> usize {
        self.columns.first().map_or(0, |(_, cells)| match cells {
            Cells::Texts(texts) => texts.len(),
            Cells::Whole(numbers) => numbers.len(),
            Cells::Real(numbers) => numbers.len(),
        })
    }

    /// # Errors
    /// Where it cannot be written.
    pub fn write_csv(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut csv = csv::Writer::from_writer(out);
        csv.write_record(self.columns.iter().map(|(name, _)| name))?;
        for row in 0..self.n_rows() {
            for (_, cells) in &self.columns {
                match cells {
                    Cells::Texts(texts) => csv.write_field(texts[row].as_deref().unwrap_or_default())?,
                    Cells::Whole(numbers) => csv.write_field(numbers[row].to_string())?,
                    Cells::Real(numbers) => csv.write_field(numbers[row].to_string())?,
                }
            }
            csv.write_record(None::<&[u8]>)?;
        }
        csv.flush()
    }

    /// One row group without compression: the same table gives the same bytes.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn write_parquet(&self, out: &mut dyn Write) -> io::Result<()> {
        // The writer of the package asks for one that can be sent to another thread.
        let bytes = self.to_parquet().map_err(io::Error::other)?;
        out.write_all(&bytes)
    }

    fn to_parquet(&self) -> Result<Vec<u8>, ParquetError> {
        let field = |(name, cells): &(String, Cells)| {
            let builder = match cells {
                Cells::Texts(_) => Type::primitive_type_builder(name, Physical::BYTE_ARRAY)
                    .with_logical_type(Some(LogicalType::String)),
                Cells::Whole(_) => Type::primitive_type_builder(name, Physical::INT64),
                Cells::Real(_) => Type::primitive_type_builder(name, Physical::FLOAT),
            };
            let repetition = match cells {
                Cells::Texts(texts) if texts.iter().any(Option::is_none) => Repetition::OPTIONAL,
                _ => Repetition::REQUIRED,
            };
            builder.with_repetition(repetition).build().map(Arc::new)
        };
        let fields = self.columns.iter().map(field).collect::<Result<Vec<_>, _>>()?;
        let schema = Type::group_type_builder("predictions").with_fields(fields).build()?;
        let properties =
            WriterProperties::builder().set_created_by(format!("hgnnc {}", env!("CARGO_PKG_VERSION")));
        let mut bytes = Vec::new();
        let mut writer =
            SerializedFileWriter::new(&mut bytes, Arc::new(schema), Arc::new(properties.build()))?;
        let mut group = writer.next_row_group()?;
        let mut columns = self.columns.iter();
        while let (Some(mut column), Some((_, cells))) = (group.next_column()?, columns.next()) {
            match cells {
                Cells::Texts(texts) => {
                    let there: Vec<ByteArray> =
                        texts.iter().flatten().map(|text| ByteArray::from(text.as_str())).collect();
                    let levels: Vec<i16> = texts.iter().map(|text| i16::from(text.is_some())).collect();
                    let levels = (there.len() < texts.len()).then_some(&levels[..]);
                    column.typed::<ByteArrayType>().write_batch(&there, levels, None)?;
                }
                Cells::Whole(numbers) => {
                    column.typed::<Int64Type>().write_batch(numbers, None, None)?;
                }
                Cells::Real(numbers) => {
                    column.typed::<FloatType>().write_batch(numbers, None, None)?;
                }
            }
            column.close()?;
        }
        group.close()?;
        writer.close()?;
        Ok(bytes)
    }
}
