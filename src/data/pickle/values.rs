//! What the machine's values are: small ones by themselves, those that others refer to in a list of their own, so that a
//! list that was named before it was filled is the same list.

/// A value on the stack.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    /// A text, or bytes.
    Bytes(&'a [u8]),
    Class(Class),
    /// One of the held values.
    Held(u32),
}

/// A value that others may refer to.
#[derive(Debug, Clone)]
pub enum Held<'a> {
    List(Vec<Value<'a>>),
    Tuple(Vec<Value<'a>>),
    Dict(Vec<(Value<'a>, Value<'a>)>),
    /// Bytes that were written as text.
    Bytes(Vec<u8>),
    Type(NumberType),
    Array(ArrayState<'a>),
    /// A CSR matrix, with its dictionary once that is known.
    Sparse(Option<Value<'a>>),
}

/// The names that a pickle may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// `numpy.core.multiarray._reconstruct`: an array that is filled later.
    NewArray,
    /// `numpy.core.multiarray.scalar`
    Scalar,
    /// `numpy.ndarray`
    Array,
    /// `numpy.dtype`
    Type,
    /// `scipy.sparse.csr.csr_matrix`
    Sparse,
    /// `collections.defaultdict`, `collections.OrderedDict`, `dict`
    Dict,
    List,
    /// `_codecs.encode`: bytes that protocol 2 writes as text.
    Encode,
}

impl Class {
    /// The class of a name, in the modules that it has had.
    pub fn of(module: &str, name: &str) -> Option<Self> {
        Some(match (module, name) {
            ("numpy.core.multiarray" | "numpy._core.multiarray", "_reconstruct") => Class::NewArray,
            ("numpy.core.multiarray" | "numpy._core.multiarray", "scalar") => Class::Scalar,
            ("numpy", "ndarray") => Class::Array,
            ("numpy", "dtype") => Class::Type,
            ("scipy.sparse.csr" | "scipy.sparse._csr", "csr_matrix") => Class::Sparse,
            ("collections", "defaultdict" | "OrderedDict") | ("__builtin__" | "builtins", "dict") => {
                Class::Dict
            }
            ("__builtin__" | "builtins", "list") => Class::List,
            ("_codecs", "encode") => Class::Encode,
            _ => return None,
        })
    }
}

/// Type of the numbers of an array: `<i4`, `float64`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NumberType {
    /// `b`, `i`, `u` or `f`.
    pub kind: u8,
    /// Bytes a number.
    pub size: usize,
    pub is_big_endian: bool,
}

impl NumberType {
    /// That of a name of NumPy; `None` where it is none of numbers.
    pub fn of(name: &[u8]) -> Option<Self> {
        let name = match name {
            [b'<' | b'>' | b'=' | b'|', rest @ ..] => rest,
            all => all,
        };
        let [kind, size @ ..] = name else { return None };
        let size: usize = std::str::from_utf8(size).ok()?.parse().ok()?;
        let is_known = match kind {
            b'b' => size == 1,
            b'i' | b'u' => matches!(size, 1 | 2 | 4 | 8),
            b'f' => matches!(size, 4 | 8),
            _ => false,
        };
        is_known.then_some(Self { kind: *kind, size, is_big_endian: false })
    }

    /// The numbers in some bytes, as many as are whole.
    pub fn numbers(self, bytes: &[u8]) -> Vec<f64> {
        bytes.chunks_exact(self.size).map(|bytes| self.number(bytes)).collect()
    }

    fn number(self, bytes: &[u8]) -> f64 {
        let mut word = [0u8; 8];
        for (at, &byte) in bytes.iter().enumerate() {
            word[if self.is_big_endian { self.size - 1 - at } else { at }] = byte;
        }
        let bits = u64::from_le_bytes(word);
        match (self.kind, self.size) {
            (b'f', 4) => f64::from(f32::from_bits(bits as u32)),
            (b'f', _) => f64::from_bits(bits),
            (b'i', size) => {
                let unused = 64 - 8 * size as u32;
                ((bits << unused) as i64 >> unused) as f64
            }
            _ => bits as f64,
        }
    }
}

/// An array as its pickle states it.
#[derive(Debug, Clone, Default)]
pub struct ArrayState<'a> {
    pub shape: Vec<i64>,
    pub number: Option<NumberType>,
    pub is_by_columns: bool,
    pub data: Option<Value<'a>>,
}

impl<'a> ArrayState<'a> {
    pub fn numbers(&self, held: &[Held<'a>]) -> Result<super::Array, String> {
        let Some(number) = self.number else { return Err("the array has no type of numbers".into()) };
        let Some(bytes) = self.data.and_then(|data| data.text(held)) else {
            return Err("the array has no data".into());
        };
        let shape: Option<Vec<usize>> = self.shape.iter().map(|&size| usize::try_from(size).ok()).collect();
        let n_values = shape
            .as_ref()
            .and_then(|shape| shape.iter().try_fold(1usize, |all, &size| all.checked_mul(size)));
        let (Some(shape), Some(n_values)) = (shape, n_values) else {
            return Err(format!("the array has the shape {:?}", self.shape));
        };
        if n_values.checked_mul(number.size) != Some(bytes.len()) {
            return Err(format!(
                "an array of the shape {shape:?} needs {n_values} numbers of {} bytes, but has {} bytes of data",
                number.size,
                bytes.len()
            ));
        }
        let mut values = number.numbers(bytes);
        if let (true, [rows, columns]) = (self.is_by_columns, shape.as_slice()) {
            values = (0..n_values).map(|at| values[at % columns * rows + at / columns]).collect();
        }
        Ok(super::Array { shape, values })
    }
}

impl<'a> Value<'a> {
    pub fn whole(self) -> Option<i64> {
        match self {
            Value::Int(value) => Some(value),
            _ => None,
        }
    }

    /// A text, or bytes.
    pub fn text<'t>(self, held: &'t [Held<'a>]) -> Option<&'t [u8]>
    where
        'a: 't,
    {
        match self {
            Value::Bytes(bytes) => Some(bytes),
            Value::Held(idx) => match held.get(idx as usize)? {
                Held::Bytes(bytes) => Some(bytes),
                _ => None,
            },
            _ => None,
        }
    }

    pub fn in_words(self, held: &[Held]) -> &'static str {
        match self {
            Value::None => "`None`",
            Value::Bool(_) => "`True` or `False`",
            Value::Int(_) => "a whole number",
            Value::Float(_) => "a real number",
            Value::Bytes(_) => "a text",
            Value::Class(_) => "a class",
            Value::Held(idx) => match held.get(idx as usize) {
                Some(Held::List(_)) => "a list",
                Some(Held::Tuple(_)) => "a tuple",
                Some(Held::Dict(_)) => "a dictionary",
                Some(Held::Bytes(_)) => "bytes",
                Some(Held::Type(_)) => "a type of numbers",
                Some(Held::Array(_)) => "an array",
                Some(Held::Sparse(_)) => "a sparse matrix",
                None => "nothing",
            },
        }
    }
}
