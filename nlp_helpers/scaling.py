"""Power laws: how a loss falls with the size of a model, fitted with their uncertainty."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from nlp_helpers.checks import check_number


@dataclass(frozen=True)
class PowerLaw:
    """loss = scale * size ** -exponent, fitted as a straight line of their logarithms.

    Args:
        interval: the exponent's confidence interval, if the errors of the logarithms are
            independent, normal and equally large.
        residuals: logarithm of the measured loss less that of the law, one for each point: 0.01
            is 1 % above the law.
    """

    exponent: float
    scale: float
    interval: tuple[float, float]
    residuals: np.ndarray

    def __call__(self, size):
        """The loss that the law gives for a size (a number or an array)."""
        return self.scale * np.asarray(size, dtype=float) ** -self.exponent


def fit_power_law(
    sizes: Sequence[float], losses: Sequence[float], confidence: float = 0.95
) -> PowerLaw:
    """Least squares on the logarithms: log loss = log scale - exponent * log size.

    Source: the form, Kaplan et al. 2020, eq. 1.1 (there without an interval); the interval,
        Student's t with n - 2 degrees of freedom.

    Raises:
        ValueError: fewer than three points, different numbers of sizes and losses, one size
            only, numbers that are not positive and finite, a confidence outside (0, 1).
        TypeError: a confidence that is not a number.
    """
    sizes, losses = (np.asarray(values, dtype=float) for values in (sizes, losses))
    check_number("confidence", confidence, 0, 1, open_low=True, open_high=True)
    if sizes.ndim != 1 or sizes.shape != losses.shape or len(sizes) < 3:
        raise ValueError(
            f"wanted at least three sizes and as many losses, got shapes {sizes.shape} and "
            f"{losses.shape}"
        )
    for name, values in (("sizes", sizes), ("losses", losses)):
        if not (np.isfinite(values) & (values > 0)).all():
            raise ValueError(f"{name} must be positive and finite, got {values.tolist()}")
    if np.ptp(sizes) == 0:
        raise ValueError(f"all sizes are {sizes[0]:g}: no law can be fitted")
    x, y = np.log(sizes), np.log(losses)
    line = stats.linregress(x, y)
    half = stats.t.ppf((1 + confidence) / 2, len(x) - 2) * line.stderr
    return PowerLaw(
        exponent=float(-line.slope),
        scale=float(np.exp(line.intercept)),
        interval=(float(-line.slope - half), float(-line.slope + half)),
        residuals=y - line.intercept - line.slope * x,
    )
