//! Eigenvalues and eigenvectors of small dense symmetric matrices.

/// All eigenvalues of a symmetric matrix `[n, n]`, ascending, and their vectors of length one: Householder's reduction to
/// three diagonals and implicit QL steps.
///
/// Paper: Bowdler, Martin, Reinsch & Wilkinson 1968, "The QR and QL algorithms for symmetric matrices" (`tred2`, `tql2`).
pub(crate) fn symmetric(n: usize, matrix: Vec<f64>) -> (Vec<f64>, Vec<Vec<f64>>) {
    let mut v = matrix;
    let (mut d, mut e) = (vec![0.0; n], vec![0.0; n]);
    tridiagonalize(n, &mut v, &mut d, &mut e);
    diagonalize(n, &mut v, &mut d, &mut e);
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&one, &other| d[one].total_cmp(&d[other]));
    let vectors = order.iter().map(|&column| (0..n).map(|row| v[row * n + column]).collect()).collect();
    (order.iter().map(|&column| d[column]).collect(), vectors)
}

fn tridiagonalize(n: usize, v: &mut [f64], d: &mut [f64], e: &mut [f64]) {
    d.copy_from_slice(&v[(n - 1) * n..]);
    for i in (1..n).rev() {
        let scale: f64 = d[..i].iter().map(|value| value.abs()).sum();
        let mut h = 0.0;
        if scale == 0.0 {
            e[i] = d[i - 1];
            for j in 0..i {
                d[j] = v[(i - 1) * n + j];
                v[i * n + j] = 0.0;
                v[j * n + i] = 0.0;
            }
        } else {
            for value in &mut d[..i] {
                *value /= scale;
                h += *value * *value;
            }
            let f = d[i - 1];
            let g = if f > 0.0 { -h.sqrt() } else { h.sqrt() };
            e[i] = scale * g;
            h -= f * g;
            d[i - 1] = f - g;
            e[..i].fill(0.0);
            for j in 0..i {
                let f = d[j];
                v[j * n + i] = f;
                let mut g = e[j] + v[j * n + j] * f;
                for k in j + 1..i {
                    g += v[k * n + j] * d[k];
                    e[k] += v[k * n + j] * f;
                }
                e[j] = g;
            }
            let mut f = 0.0;
            for j in 0..i {
                e[j] /= h;
                f += e[j] * d[j];
            }
            let share = f / (h + h);
            for j in 0..i {
                e[j] -= share * d[j];
            }
            for j in 0..i {
                let (f, g) = (d[j], e[j]);
                for k in j..i {
                    v[k * n + j] -= f * e[k] + g * d[k];
                }
                d[j] = v[(i - 1) * n + j];
                v[i * n + j] = 0.0;
            }
        }
        d[i] = h;
    }
    for i in 0..n - 1 {
        v[(n - 1) * n + i] = v[i * n + i];
        v[i * n + i] = 1.0;
        let h = d[i + 1];
        if h != 0.0 {
            for k in 0..=i {
                d[k] = v[k * n + i + 1] / h;
            }
            for j in 0..=i {
                let g: f64 = (0..=i).map(|k| v[k * n + i + 1] * v[k * n + j]).sum();
                for k in 0..=i {
                    v[k * n + j] -= g * d[k];
                }
            }
        }
        for k in 0..=i {
            v[k * n + i + 1] = 0.0;
        }
    }
    for j in 0..n {
        d[j] = v[(n - 1) * n + j];
        v[(n - 1) * n + j] = 0.0;
    }
    v[n * n - 1] = 1.0;
    e[0] = 0.0;
}

fn diagonalize(n: usize, v: &mut [f64], d: &mut [f64], e: &mut [f64]) {
    /// More steps than any matrix has needed.
    const MAX_STEPS: usize = 200;
    e.rotate_left(1);
    e[n - 1] = 0.0;
    let (mut shift, mut largest) = (0.0, 0.0f64);
    for l in 0..n {
        largest = largest.max(d[l].abs() + e[l].abs());
        let m = (l..n).find(|&m| e[m].abs() <= f64::EPSILON * largest).unwrap_or(n - 1);
        if m > l {
            for _ in 0..MAX_STEPS {
                let g = d[l];
                let p = (d[l + 1] - g) / (2.0 * e[l]);
                let r = if p < 0.0 { -p.hypot(1.0) } else { p.hypot(1.0) };
                d[l] = e[l] / (p + r);
                d[l + 1] = e[l] * (p + r);
                let next = d[l + 1];
                let h = g - d[l];
                d[l + 2..].iter_mut().for_each(|value| *value -= h);
                shift += h;
                let mut p = d[m];
                let (mut c, mut c2, mut c3) = (1.0, 1.0, 1.0);
                let end = e[l + 1];
                let (mut s, mut s2) = (0.0, 0.0);
                for i in (l..m).rev() {
                    (c3, c2, s2) = (c2, c, s);
                    let g = c * e[i];
                    let h = c * p;
                    let r = p.hypot(e[i]);
                    e[i + 1] = s * r;
                    s = e[i] / r;
                    c = p / r;
                    p = c * d[i] - s * g;
                    d[i + 1] = h + s * (c * g + s * d[i]);
                    for k in 0..n {
                        let h = v[k * n + i + 1];
                        v[k * n + i + 1] = s * v[k * n + i] + c * h;
                        v[k * n + i] = c * v[k * n + i] - s * h;
                    }
                }
                p = -s * s2 * c3 * end * e[l] / next;
                e[l] = s * p;
                d[l] = c * p;
                if e[l].abs() <= f64::EPSILON * largest {
                    break;
                }
            }
        }
        d[l] += shift;
        e[l] = 0.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_has_the_eigenvalues_of_its_formula() {
        for n in [1, 2, 3, 5, 24] {
            let mut matrix = vec![0.0; n * n];
            for node in 0..n {
                matrix[node * n + (node + 1) % n] += 1.0;
                matrix[(node + 1) % n * n + node] += 1.0;
            }
            let (values, vectors) = symmetric(n, matrix.clone());
            let angle = |k: usize| std::f64::consts::TAU * k as f64 / n as f64;
            let mut expected: Vec<f64> = (0..n).map(|k| 2.0 * angle(k).cos()).collect();
            expected.sort_by(f64::total_cmp);
            for (value, expected) in values.iter().zip(&expected) {
                assert!((value - expected).abs() < 1e-12, "{n}: {value} and {expected}");
            }
            for (idx, (value, vector)) in values.iter().zip(&vectors).enumerate() {
                for row in 0..n {
                    let image: f64 = (0..n).map(|at| matrix[row * n + at] * vector[at]).sum();
                    assert!((image - value * vector[row]).abs() < 1e-12);
                }
                for (other, turned) in vectors.iter().enumerate() {
                    let product: f64 = vector.iter().zip(turned).map(|(a, b)| a * b).sum();
                    assert!((product - f64::from(u8::from(idx == other))).abs() < 1e-12);
                }
            }
        }
    }
}
