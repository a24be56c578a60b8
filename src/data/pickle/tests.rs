use super::*;

const MAX: u64 = 1 << 20;

/// The pickle of a small dictionary of lists as Python 2 writes it: `{0: [1, 2], 1: [0], 2: []}`.
fn graph() -> Vec<u8> {
    let mut bytes = b"\x80\x02ccollections\ndefaultdict\nq\x01c__builtin__\nlist\nq\x02\x85Rq\x03(".to_vec();
    bytes.extend(b"K\x00]q\x04(K\x01K\x02eK\x01]q\x05K\x00aK\x02]q\x06u.");
    bytes
}

/// An array as `numpy` pickles it.
fn array(shape: &[u8], number: &[u8; 2], data: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x80\x02".to_vec();
    bytes.extend(array_code(shape, number, data));
    bytes.push(b'.');
    bytes
}

fn array_code(shape: &[u8], number: &[u8; 2], data: &[u8]) -> Vec<u8> {
    let mut bytes =
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01(".to_vec();
    shape.iter().for_each(|&size| bytes.extend([b'K', size]));
    bytes.extend(b"tcnumpy\ndtype\nU\x02");
    bytes.extend(number);
    bytes.extend(b"K\x00K\x01\x87R(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T");
    bytes.extend((data.len() as u32).to_le_bytes());
    bytes.extend(data);
    bytes.extend(b"tb");
    bytes
}

fn words(values: &[i32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// A CSR matrix of two rows and three columns: `[[0, 2, 0], [1, 0, 4]]`.
fn matrix(columns: &[i32]) -> Vec<u8> {
    let mut bytes = b"\x80\x02cscipy.sparse.csr\ncsr_matrix\n)\x81}(U\x06_shapeK\x02K\x03\x86".to_vec();
    bytes.extend(b"U\x06indptr");
    bytes.extend(array_code(&[3], b"i4", &words(&[0, 1, 3])));
    bytes.extend(b"U\x07indices");
    bytes.extend(array_code(&[3], b"i4", &words(columns)));
    bytes.extend(b"U\x04data");
    let data: Vec<u8> = [2f32, 1.0, 4.0].iter().flat_map(|value| value.to_le_bytes()).collect();
    bytes.extend(array_code(&[3], b"f4", &data));
    bytes.extend(b"ub.");
    bytes
}

fn edges(bytes: &[u8]) -> Result<Vec<(i64, i64)>, Wrong> {
    let mut found = Vec::new();
    read(bytes, MAX)?.lists(|one, other| {
        found.push((one, other));
        Ok(())
    })?;
    Ok(found)
}

#[test]
fn dictionaries_arrays_and_matrices_are_read() {
    assert_eq!(edges(&graph()).unwrap(), [(0, 1), (0, 2), (1, 0)]);
    assert_eq!(read(&graph(), MAX).unwrap().keys().collect::<Vec<_>>(), [0, 1, 2]);
    let read_array = |bytes: &[u8]| read(bytes, MAX).unwrap().array().unwrap();
    let whole = read_array(&array(&[2, 2], b"i4", &words(&[1, -2, 3, 4])));
    assert_eq!((whole.shape, whole.values), (vec![2, 2], vec![1.0, -2.0, 3.0, 4.0]));
    let real: Vec<u8> = [0.5f64, -1.25].iter().flat_map(|value| value.to_le_bytes()).collect();
    assert_eq!(read_array(&array(&[2], b"f8", &real)).values, [0.5, -1.25]);
    let rows = read(&matrix(&[1, 0, 2]), MAX).unwrap().sparse().unwrap();
    assert_eq!(
        (&rows.offsets[..], &rows.columns[..], &rows.values[..], rows.width),
        (&[0, 1, 3][..], &[1, 0, 2][..], &[2.0, 1.0, 4.0][..], 3)
    );
    // Columns in any order; two values of one place are added up.
    let rows = read(&matrix(&[1, 2, 2]), MAX).unwrap().sparse().unwrap();
    assert_eq!((&rows.columns[..], &rows.values[..]), (&[1, 2][..], &[2.0, 5.0][..]));
}

#[test]
fn nothing_but_the_known_classes_is_built() {
    for (code, name) in [
        (&b"\x80\x02cos\nsystem\nU\x02ls\x85R."[..], "os.system"),
        (b"\x80\x02cbuiltins\neval\n.", "builtins.eval"),
        (b"\x80\x04\x8c\x08builtins\x8c\x04exec\x93.", "builtins.exec"),
        (b"\x80\x02cnumpy\nload\n.", "numpy.load"),
    ] {
        let wrong = read(code, MAX).expect_err("foreign");
        assert!(wrong.is_foreign && wrong.message.contains(name), "{wrong:?}");
    }
    // A known class is not called as a function.
    assert!(read(b"\x80\x02ccollections\ndefaultdict\nK\x01\x85R.", MAX).is_err());
    assert!(read(b"\x80\x02K\x01)R.", MAX).is_err());
}

#[test]
fn every_truncation_is_refused() {
    for whole in [graph(), matrix(&[1, 0, 2]), array(&[2], b"i4", &words(&[1, 2]))] {
        for length in 0..whole.len() {
            assert!(read(&whole[..length], MAX).is_err(), "{length}");
        }
    }
}

/// Whatever a byte becomes, there is an answer.
#[test]
fn no_change_of_a_byte_panics() {
    for whole in [graph(), matrix(&[1, 0, 2]), array(&[2, 1], b"i4", &words(&[1, 2]))] {
        for place in 0..whole.len() {
            let mut changed = whole.clone();
            for value in 0..=u8::MAX {
                changed[place] = value;
                if let Ok(pickle) = read(&changed, MAX) {
                    let _ = pickle.lists(|_, _| Ok(()));
                    let _ = pickle.array();
                    let _ = pickle.sparse();
                }
            }
        }
    }
}

#[test]
fn what_a_file_announces_is_not_set_aside() {
    // A text of 4 GiB, an array of 2^62 numbers, a matrix whose rows are all of one piece.
    assert!(read(b"\x80\x02T\xff\xff\xff\xff", MAX).is_err());
    let mut huge = array(&[2], b"i4", &words(&[1, 2]));
    let shape = huge.windows(3).position(|bytes| bytes == b"(K\x02").unwrap();
    huge.splice(shape + 1..shape + 3, *b"\x8a\x08\0\0\0\0\0\0\0\x40");
    assert!(read(&huge, MAX).unwrap().array().is_err());
    let many = [&b"\x80\x02("[..], &[b'N'; 1000], b"t."].concat();
    assert!(read(&many, 100 * 48).unwrap_err().message.contains("limit"));
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(64))]

    /// Lists as a writer of ours puts them down.
    #[test]
    fn lists_are_read_back(lists in proptest::collection::vec(proptest::collection::vec(0u16..500, 0..6), 0..20)) {
        let mut bytes = b"\x80\x02}(".to_vec();
        for (key, list) in lists.iter().enumerate() {
            bytes.extend([b'K', key as u8, b']', b'(']);
            for member in list {
                bytes.push(b'M');
                bytes.extend(member.to_le_bytes());
            }
            bytes.push(b'e');
        }
        bytes.extend(b"u.");
        let expected: Vec<(i64, i64)> =
            lists.iter().enumerate().flat_map(|(key, list)| list.iter().map(move |&member| (key as i64, i64::from(member)))).collect();
        proptest::prop_assert_eq!(edges(&bytes).unwrap(), expected);
    }

    #[test]
    fn arbitrary_bytes_have_an_answer(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
        let _ = read(&[&[0x80, 2][..], &bytes].concat(), MAX);
    }
}
