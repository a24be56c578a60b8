//! Numbers in memory, or in a mapped file where they are read as they lie there.

use bytemuck::Pod;
use memmap2::Mmap;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::ops::{Deref, Range};
use std::sync::Arc;

/// Numbers that are read in many places and hardly ever changed. A clone is the same numbers and not another copy.
///
/// Those of a mapped file belong to the system, which drops them where memory is short and reads them again, and are the same pages
/// for every process that reads the file.
pub struct Array<T: 'static>(Place<T>);

enum Place<T: 'static> {
    Memory(Arc<Vec<T>>),
    /// Numbers of the content, which stays where it is as long as it is held; they are handed out for no longer.
    File(&'static [T], Arc<Content>),
}

/// A file's bytes, which begin at a multiple of eight in memory.
#[derive(Debug)]
pub struct Content(Held);

#[derive(Debug)]
enum Held {
    Mapped(Mmap),
    /// Read into memory, where the file cannot be mapped.
    Read {
        words: Vec<u64>,
        n_bytes: usize,
    },
}

impl Content {
    /// Maps a file that is replaced as a whole and never written in place, else reads it.
    ///
    /// A file that somebody cuts short while it is mapped ends the process when the missing pages are read, and one that is
    /// changed in place changes numbers that have been checked. Files of [`replace`](super::replace) are safe: their
    /// names lead to new files, and the pages of the old one stay until nobody maps them.
    ///
    /// # Errors
    /// Where the file can be neither mapped nor read.
    pub fn of_replaced(file: &mut File) -> io::Result<Self> {
        if is_local(file) {
            // SAFETY: nothing writes to the file (see above), so the bytes stay as they are while they are borrowed.
            if let Ok(map) = unsafe { Mmap::map(&*file) } {
                return Ok(Self(Held::Mapped(map)));
            }
        }
        Self::read(file)
    }

    /// Reads a file into memory.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn read(file: &mut File) -> io::Result<Self> {
        let n_bytes = usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?;
        let mut words = vec![0u64; n_bytes.div_ceil(8)];
        file.read_exact(&mut bytemuck::cast_slice_mut(&mut words)[..n_bytes])?;
        Ok(Self(Held::Read { words, n_bytes }))
    }

    /// Whether the bytes are those of the system's own copy of the file.
    pub fn is_mapped(&self) -> bool {
        matches!(self.0, Held::Mapped(_))
    }

    /// The numbers that these bytes are, in the order of bytes of this machine; `None` where they end in the midst of one, lie beyond the
    /// end, or begin where such a number cannot.
    pub fn array<T: Pod>(self: &Arc<Self>, bytes: Range<usize>) -> Option<Array<T>> {
        let numbers: &[T] = bytemuck::try_cast_slice(self.get(bytes)?).ok()?;
        // SAFETY: the content is held beside the numbers, and neither mapping nor vector moves or changes its bytes.
        let numbers = unsafe { std::slice::from_raw_parts(numbers.as_ptr(), numbers.len()) };
        Some(Array(Place::File(numbers, Arc::clone(self))))
    }
}

impl Deref for Content {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Held::Mapped(map) => map,
            Held::Read { words, n_bytes } => &bytemuck::cast_slice(words)[..*n_bytes],
        }
    }
}

/// Whether a file lies on a disk of this machine: that of a server may be replaced or go away under a mapping, which ends the process.
#[cfg(target_os = "linux")]
fn is_local(file: &File) -> bool {
    // `linux/magic.h`, and `f_type` of `statfs(2)`.
    const REMOTE: [u64; 8] = [
        0x6969,      // nfs
        0xff53_4d42, // cifs
        0xfe53_4d42, // smb2
        0x517b,      // smb
        0x6573_5546, // fuse
        0x0102_1997, // 9p
        0x00c3_6400, // ceph
        0x5346_414f, // afs
    ];
    // The width and sign of the field differ between machines.
    #[allow(clippy::unnecessary_cast, clippy::cast_sign_loss)]
    rustix::fs::fstatfs(file).is_ok_and(|system| !REMOTE.contains(&(system.f_type as u64 & 0xffff_ffff)))
}

#[cfg(not(target_os = "linux"))]
fn is_local(_: &File) -> bool {
    true
}

impl<T: Pod> Array<T> {
    pub fn as_slice(&self) -> &[T] {
        self
    }

    /// Whether the numbers are read out of a mapped file.
    pub fn is_mapped(&self) -> bool {
        matches!(&self.0, Place::File(_, content) if content.is_mapped())
    }

    /// The numbers to be changed; they are copied first where others see them too, or they are those of a file.
    pub fn make_mut(&mut self) -> &mut Vec<T> {
        if let Place::File(..) = self.0 {
            *self = Self::from(self.to_vec());
        }
        match &mut self.0 {
            Place::Memory(values) => Arc::make_mut(values),
            Place::File(..) => unreachable!("they were copied"),
        }
    }
}

impl<T: Pod> Deref for Array<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        match &self.0 {
            Place::Memory(values) => values,
            Place::File(numbers, _) => numbers,
        }
    }
}

impl<T: 'static> Clone for Array<T> {
    fn clone(&self) -> Self {
        Self(match &self.0 {
            Place::Memory(values) => Place::Memory(Arc::clone(values)),
            Place::File(numbers, content) => Place::File(numbers, Arc::clone(content)),
        })
    }
}

impl<T: 'static> Default for Array<T> {
    fn default() -> Self {
        Self(Place::Memory(Arc::default()))
    }
}

impl<T: 'static> From<Vec<T>> for Array<T> {
    fn from(values: Vec<T>) -> Self {
        Self(Place::Memory(Arc::new(values)))
    }
}

impl<T: 'static> From<Arc<Vec<T>>> for Array<T> {
    fn from(values: Arc<Vec<T>>) -> Self {
        Self(Place::Memory(values))
    }
}

impl<T: Pod> From<Array<T>> for Arc<Vec<T>> {
    fn from(array: Array<T>) -> Self {
        match array.0 {
            Place::Memory(values) => values,
            Place::File(..) => Arc::new(array.to_vec()),
        }
    }
}

impl<T: 'static> FromIterator<T> for Array<T> {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        Self::from(Vec::from_iter(values))
    }
}

impl<'a, T: Pod> IntoIterator for &'a Array<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<T: Pod + fmt::Debug> fmt::Debug for Array<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: Pod + PartialEq, S: AsRef<[T]> + ?Sized> PartialEq<S> for Array<T> {
    fn eq(&self, other: &S) -> bool {
        **self == *other.as_ref()
    }
}

impl<T: Pod + Eq> Eq for Array<T> {}

impl<T: Pod> AsRef<[T]> for Array<T> {
    fn as_ref(&self) -> &[T] {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same file, mapped and read.
    fn contents(bytes: &[u8]) -> [Arc<Content>; 2] {
        let mut file = tempfile::tempfile().expect("a file");
        std::io::Write::write_all(&mut file, bytes).expect("writable");
        let mapped = Content(Held::Mapped(unsafe { Mmap::map(&file) }.expect("mapped")));
        std::io::Seek::rewind(&mut file).expect("a file");
        [mapped, Content::read(&mut file).expect("readable")].map(Arc::new)
    }

    #[test]
    fn numbers_of_a_file_are_those_that_were_written() {
        let words = [7u32, 0, u32::MAX, 1 << 20, 5, 6];
        for content in contents(bytemuck::cast_slice(&words)) {
            assert_eq!(content.array::<u32>(0..24).expect("whole"), words);
            assert_eq!(content.array::<u32>(4..12).expect("whole"), words[1..3]);
            assert_eq!(content.array::<[u32; 2]>(8..24).expect("whole")[1], [5, 6]);
            // In the midst of a number, and beyond the end.
            assert!(content.array::<u32>(0..6).is_none() && content.array::<u32>(2..6).is_none());
            assert!(content.array::<u32>(20..28).is_none() && content.array::<i64>(4..12).is_none());
        }
    }

    #[test]
    fn a_change_of_an_array_leaves_its_clones_and_its_file() {
        let words = [1u32, 2];
        for content in contents(bytemuck::cast_slice(&words)) {
            let of_file = content.array::<u32>(0..8).expect("whole");
            for first in [of_file, words.to_vec().into()] {
                let mut other = first.clone();
                other.make_mut().push(3);
                assert_eq!((&first[..], &other[..]), (&[1, 2][..], &[1, 2, 3][..]));
            }
        }
    }

    #[test]
    fn numbers_stay_when_the_name_of_their_file_leads_to_another_or_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("numbers");
        let write = |word: u32| {
            super::super::replace(&path, |out| out.write_all(&[word; 4096].map(u32::to_ne_bytes).concat()))
        };
        write(1).expect("writable");
        let content = Content::of_replaced(&mut File::open(&path).expect("there")).expect("readable");
        let numbers = Arc::new(content).array::<u32>(0..4 * 4096).expect("whole");
        write(2).expect("writable");
        assert!(numbers.iter().all(|&number| number == 1));
        std::fs::remove_file(&path).expect("there");
        assert!(numbers.iter().all(|&number| number == 1));
    }
}
