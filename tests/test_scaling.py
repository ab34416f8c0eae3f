"""Power laws: exact data, numpy's fit, intervals that cover the truth as often as they say."""

import numpy as np
import pytest

from nlp_helpers.scaling import fit_power_law

SIZES = np.array([6e3, 1.4e4, 3.7e4, 8.3e4, 2e5, 4.4e5, 1e6])


def test_a_law_without_noise_is_found():
    law = fit_power_law(SIZES, 5 * SIZES**-0.11)
    assert law.exponent == pytest.approx(0.11)
    assert law.scale == pytest.approx(5)
    assert law.interval == pytest.approx((0.11, 0.11), abs=1e-6)
    assert law.residuals == pytest.approx(np.zeros(7), abs=1e-12)
    assert law(1e9) == pytest.approx(5 * 1e9**-0.11)
    assert law(SIZES).shape == (7,)


def test_numpys_line_and_covariance():
    rng = np.random.default_rng(0)
    losses = 4 * SIZES**-0.07 * np.exp(rng.normal(0, 0.02, 7))
    law = fit_power_law(list(SIZES), list(losses), confidence=0.9)
    (slope, intercept), covariance = np.polyfit(np.log(SIZES), np.log(losses), 1, cov="unscaled")
    assert (-law.exponent, np.log(law.scale)) == pytest.approx((slope, intercept))
    assert law.residuals == pytest.approx(np.log(losses / law(SIZES)))
    spread = np.sqrt(covariance[0, 0] * (law.residuals**2).sum() / 5)
    assert law.interval[1] - law.exponent == pytest.approx(2.015048 * spread)  # t, 5 degrees, 90 %
    assert law.exponent - law.interval[0] == pytest.approx(law.interval[1] - law.exponent)


def test_the_interval_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(1)
    found = 0
    for _ in range(2000):
        losses = 3 * SIZES**-0.1 * np.exp(rng.normal(0, 0.05, 7))
        low, high = fit_power_law(SIZES, losses, 0.8).interval
        found += low < 0.1 < high
    assert found / 2000 == pytest.approx(0.8, abs=0.03)


@pytest.mark.parametrize(
    ("sizes", "losses", "options", "error", "words"),
    [
        ([1, 2], [2, 1], {}, ValueError, "at least three"),
        ([1, 2, 3], [2, 1], {}, ValueError, "shapes"),
        ([[1, 2, 3]], [[3, 2, 1]], {}, ValueError, "shapes"),
        ([1, 2, 0], [3, 2, 1], {}, ValueError, "sizes must be positive"),
        ([1, 2, 3], [3, -2, 1], {}, ValueError, "losses must be positive"),
        ([1, 2, 3], [3, np.nan, 1], {}, ValueError, "losses"),
        ([2, 2, 2], [3, 2, 1], {}, ValueError, "all sizes are 2"),
        ([1, 2, 3], [3, 2, 1], {"confidence": 1.0}, ValueError, "confidence"),
        ([1, 2, 3], [3, 2, 1], {"confidence": "95%"}, TypeError, "confidence"),
    ],
)
def test_bad_input(sizes, losses, options, error, words):
    with pytest.raises(error, match=words):
        fit_power_law(sizes, losses, **options)
