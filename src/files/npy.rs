//! Matrices as NumPy writes them: <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>, version 1.0.

use std::io::{self, Write};

/// Where the numbers begin is a multiple of this.
const ALIGNMENT: usize = 64;

/// Writes a matrix of `f32`, row by row, as `numpy.save` does.
///
/// # Errors
/// Where it cannot be written.
pub fn write(out: &mut dyn Write, values: &[f32], width: usize) -> io::Result<()> {
    let n_rows = values.len() / width.max(1);
    let mut header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({n_rows}, {width}), }}");
    // Magic, version and length are ten bytes; a line end closes the header.
    let unpadded = 10 + header.len() + 1;
    header.extend(std::iter::repeat_n(' ', unpadded.next_multiple_of(ALIGNMENT) - unpadded));
    header.push('\n');
    out.write_all(b"\x93NUMPY\x01\x00")?;
    out.write_all(&(header.len() as u16).to_le_bytes())?;
    out.write_all(header.as_bytes())?;
    values.iter().try_for_each(|value| out.write_all(&value.to_le_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes of `numpy.save(out, numpy.array([[1, -2.5, 0], [0.1, 3, 1e10]], dtype = numpy.float32))`, NumPy 2.
    #[test]
    fn a_matrix_has_the_bytes_that_numpy_writes() {
        let mut bytes = Vec::new();
        write(&mut bytes, &[1.0, -2.5, 0.0, 0.1, 3.0, 1e10], 3).unwrap();
        let mut expected =
            b"\x93NUMPY\x01\x00v\x00{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }".to_vec();
        expected.resize(127, b' ');
        expected.push(b'\n');
        expected.extend_from_slice(&[
            0x00, 0x00, 0x80, 0x3f, 0x00, 0x00, 0x20, 0xc0, 0x00, 0x00, 0x00, 0x00, 0xcd, 0xcc, 0xcc, 0x3d,
            0x00, 0x00, 0x40, 0x40, 0xf9, 0x02, 0x15, 0x50,
        ]);
        assert_eq!(bytes, expected);
    }
}
