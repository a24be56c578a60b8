use super::*;

/// Ten differences of folds; expected values by SciPy 1.x (`stats.t`, `stats.wilcoxon`, `binomtest`) and by two million draws of NumPy.
const DIFFERENCES: [f64; 10] = [0.02, -0.01, 0.03, 0.015, 0.0, 0.027, -0.004, 0.041, 0.011, 0.018];

#[track_caller]
fn near(value: f64, expected: f64) {
    assert!((value - expected).abs() <= 1e-9, "{value} and not {expected}");
}

#[test]
fn the_corrected_t_test_is_that_of_the_formula() {
    let test = corrected_t(&DIFFERENCES, 0.1 / 0.9).unwrap();
    near(test.t, 2.012_497_931_325_911_3);
    near(test.p, 0.075_025_036_555_348_83);
    near(test.interval[0], -0.001_836_005_179_570_823_4);
    near(test.interval[1], 0.031_436_005_179_570_82);
    assert_eq!(corrected_t(&[0.1], 0.1), None);
    assert_eq!(corrected_t(&[0.0; 5], 0.1).unwrap().p, 1.0);
    assert_eq!(corrected_t(&[0.1; 5], 0.1).unwrap().p, 0.0);
}

#[test]
fn the_signed_rank_test_is_exact_without_ties_and_corrected_with_them() {
    let test = wilcoxon(&DIFFERENCES).unwrap();
    assert_eq!((test.n, test.rank_sum), (9, 42.0));
    near(test.p, 0.019_531_25);
    near(test.effect, (42.0 - 3.0) / 45.0);
    let tied = wilcoxon(&[0.02, -0.02, 0.03, 0.03, -0.01, 0.03, 0.04, 0.05]).unwrap();
    near(tied.p, 0.048_550_746_423_148_196);
    assert_eq!(wilcoxon(&[0.0; 4]), None);
}

#[test]
fn the_interval_of_a_share_stays_within_its_bounds() {
    let [low, high] = wilson(83.0 / 111.0, 111);
    near(low, 0.659_597_730_540_356_6);
    near(high, 0.819_323_388_755_710_1);
    near(wilson(1.0, 10)[1], 1.0);
    near(wilson(0.0, 10)[0], 0.0);
    assert!(wilson(1.0, 10)[1] <= 1.0 && wilson(0.0, 10)[0] >= 0.0);
}

#[test]
fn the_posterior_of_signs_is_that_of_the_dirichlet_distribution() {
    let posterior = sign_posterior(&DIFFERENCES, 0.01);
    assert!((posterior.better - 0.8287).abs() < 0.005, "{posterior:?}");
    assert!((posterior.equal - 0.1713).abs() < 0.005, "{posterior:?}");
    assert!(posterior.worse < 1e-9);
    assert_eq!(posterior, sign_posterior(&DIFFERENCES, 0.01));
}

#[test]
fn several_tests_are_held_to_a_stricter_level() {
    // 3 · 0.01, 2 · 0.02 and 0.03, none smaller than the one before.
    let adjusted = holm(&[0.02, 0.01, 0.03]);
    for (value, expected) in adjusted.into_iter().zip([0.04, 0.03, 0.04]) {
        near(value, expected);
    }
}
