use super::*;

/// `x[i][j] = ((37 i + 91 j + 13 (i j mod 17)) mod 101) / 50 − 1`, with `more` where `j` is the class, `i mod k`.
fn vectors(k: usize, more: f64) -> (Vectors, Vec<i64>) {
    let number = |i: usize, j: usize| {
        let x = ((i * 37 + j * 91 + (i * j) % 17 * 13) % 101) as f64 / 50.0 - 1.0;
        (x + if i % k == j { more } else { 0.0 }) as f32
    };
    let values = (0..60).flat_map(|i| (0..5).map(move |j| number(i, j))).collect();
    (Vectors { width: 5, values }, (0..60).map(|i| (i % k) as i64).collect())
}

fn digits(found: &[u32]) -> String {
    found.iter().map(u32::to_string).collect()
}

/// `LogisticRegression(C=1.0, tol=1e-12, max_iter=100000).fit(x[:30], y[:30]).predict(x)` of scikit-learn 1.9.1; the difference of the two
/// highest scores is 0.009 at least.
#[test]
fn regressions_are_those_of_scikit_learn() {
    let train: Vec<u32> = (0..30).collect();
    for (k, expected) in [
        (3, "211212112012102212002012012012020212012112012002012012022022"),
        (2, "110100010101001101000111010001010100100101101001101011111010"),
    ] {
        let (vectors, classes) = vectors(k, 0.8);
        assert_eq!(digits(&linear::fitted(&vectors, &classes, k, &train).unwrap()), expected);
        // A class more that nobody has changes nothing.
        assert_eq!(digits(&linear::fitted(&vectors, &classes, k + 1, &train).unwrap()), expected);
    }
    let (vectors, classes) = vectors(3, 0.8);
    assert_eq!(linear::fitted(&vectors, &classes, 3, &[0, 3, 6]), None, "one class alone");
}

/// `SVC(C=c, gamma="scale")` of scikit-learn 1.9.1: with `C = 1` on 30 vectors, and with the best on `x[20:30]` of 20, which is 1.
#[test]
fn machines_are_those_of_scikit_learn() {
    let (vectors, classes) = vectors(3, 0.8);
    let train: Vec<u32> = (0..30).collect();
    let found = svm::fitted(&vectors, &classes, 3, &train, &[]).unwrap();
    assert_eq!(digits(&found), "211012012012012012002012012012000212012112002200002012022022");
    let found = svm::fitted(&vectors, &classes, 3, &train[..20], &train[20..]).unwrap();
    assert_eq!(digits(&found), "011012012012012012002012010010000012012110002100002000000000");
}

/// The smallest sum of squares of `KMeans(3, n_init=200, tol=0)` of scikit-learn 1.9.1, its sizes, and its figures.
#[test]
fn clusters_are_those_of_scikit_learn() {
    let (vectors, classes) = vectors(3, 1.4);
    let found = clusters::found(&vectors, 3);
    let mut sizes = [0; 3];
    found.iter().for_each(|&cluster| sizes[cluster as usize] += 1);
    sizes.sort_unstable();
    assert_eq!(sizes, [18, 21, 21]);
    let classes: Vec<u32> = classes.iter().map(|&class| class as u32).collect();
    let predictions =
        Predictions { classes, probed: vec![(Probe::Clusters, found)], ..Predictions::default() };
    for (name, expected) in [("nmi", 0.661_327_457_705_487), ("ari", 0.714_451_525_304_951_5)] {
        let value = crate::settings::metric::find(name).unwrap().compute(&predictions).unwrap();
        assert!((value - expected).abs() < 1e-12, "{name}: {value}");
    }
}

#[test]
fn clusters_of_equal_vectors_are_found_without_an_end() {
    let vectors = Vectors { width: 2, values: vec![0.5; 8] };
    assert_eq!(clusters::found(&vectors, 3), [0; 4]);
}
