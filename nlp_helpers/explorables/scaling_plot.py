"""How the loss of a model falls with its size or compute: a power law fitted by the reader."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import traitlets

from nlp_helpers.checks import check_number
from nlp_helpers.explorables.base import Explorable, html_table, index_of, rounded
from nlp_helpers.scaling import PowerLaw, fit_power_law

AXES = ("weights", "compute")
KEYS = ("weights", "characters", "loss")
LEAST_SIZES = 3  # a line through fewer has no interval
MOST_RUNS = 32  # the page has Student's t for up to 30 degrees of freedom
MOST = 10**15  # of weights, and of characters
FARTHEST = 1000.0  # times the largest point


class ScalingPlot(Explorable):
    """Fit a power law to the losses of models of several sizes, and ask it about a larger one.

    `runs` are dicts of `weights` (in the layers), `characters` (read in training) and `loss`
    (nats per character). On the axis "weights" the points are each size's longest run; on
    "compute" they are the frontier: the runs such that no other has at most their compute and a
    lower loss. The law is loss = floor + scale * x ** -exponent, a straight line for the
    logarithms of loss - floor and x.

    `excluded` are indices of runs, points of either axis, that are left out of the fit; at least
    three different x must stay. `floor` is the irreducible loss, in nats per character. `target`
    says for how many times the largest point the law is asked, 1 to 1000 (None: 1).

    Source: Kaplan et al. 2020: the form, eq. 1.1; compute = 6 * weights * characters
    floating-point operations, section 2.1 (of attention it leaves out what grows with the window).

    Raises: TypeError or ValueError, naming argument and value, for runs without exactly these
    keys, numbers that are not positive and finite, a run twice, fewer than three sizes or points,
    more than 32 runs, an unknown axis, an excluded run that is no point, a floor that is negative
    or not below the smallest loss, a target outside 1…1000.
    """

    _source = "scaling_plot.js"
    title = "How does the loss fall with size and compute?"

    runs = traitlets.List().tag(sync=True)
    axis = traitlets.Unicode("weights").tag(sync=True)
    excluded = traitlets.List().tag(sync=True)
    floor = traitlets.Float(0.0).tag(sync=True)
    target = traitlets.Float(1.0).tag(sync=True)

    def __init__(
        self,
        runs: Sequence[Mapping[str, Any]] = (),
        *,
        name: str = "scaling-plot",
        axis: str = "weights",
        excluded: Sequence[int] = (),
        floor: float = 0.0,
        target: float | None = None,
    ) -> None:
        runs = check_runs(runs)
        super().__init__(
            name,
            runs=runs,
            axis=check_axis(axis),
            excluded=check_excluded(excluded, runs, axis),
            floor=check_floor(floor, runs),
            target=check_target(1.0 if target is None else target),
        )

    @traitlets.validate("axis")
    def _check_axis(self, proposal: dict[str, Any]) -> str:
        axis = check_axis(proposal["value"])
        check_excluded(self.excluded, self.runs, axis)
        return axis

    @traitlets.validate("excluded")
    def _check_excluded(self, proposal: dict[str, Any]) -> list[int]:
        return check_excluded(proposal["value"], self.runs, self.axis)

    @traitlets.validate("floor")
    def _check_floor(self, proposal: dict[str, Any]) -> float:
        return check_floor(proposal["value"], self.runs)

    @traitlets.validate("target")
    def _check_target(self, proposal: dict[str, Any]) -> float:
        return check_target(proposal["value"])

    def points(self) -> list[int]:
        """Return the indices of the runs that the chosen axis offers for the fit, by rising x."""
        return points_of(self.runs, self.axis)

    def fitted(self) -> list[int]:
        """Return the points without the excluded ones."""
        return [k for k in self.points() if k not in self.excluded]

    def fit(self) -> PowerLaw:
        """Return the law of loss - floor that the page shows, with its 95 % interval."""
        chosen = [self.runs[k] for k in self.fitted()]
        return fit_power_law(
            [x_of(run, self.axis) for run in chosen], [run["loss"] - self.floor for run in chosen]
        )

    def prediction(self) -> tuple[float, float]:
        """Return x of the target, and the loss in nats per character that the law gives there."""
        x = self.target * max(x_of(self.runs[k], self.axis) for k in self.points())
        return x, self.floor + float(self.fit()(x))

    def fallback_html(self) -> str:
        """Return the runs as a table, and the fitted law in words."""
        points = set(self.points())
        order = sorted(self.runs, key=lambda run: (run["weights"], run["characters"]))
        rows = [
            [
                f"{run['weights']:,}",
                f"{run['characters']:,}",
                f"{x_of(run, 'compute'):.2e}",
                f"{run['loss']:.3f}",
                self._role(self.runs.index(run), points),
            ]
            for run in order
        ]
        return html_table(
            "Runs: weights in the layers, characters read, floating-point operations, loss in nats "
            "per character",
            ["weights", "characters", "compute", "loss", "in the fit"],
            rows,
        ) + "".join(f"<p>{html.escape(line)}</p>" for line in self._words())

    def _role(self, k: int, points: set[int]) -> str:
        return "" if k not in points else "taken out" if k in self.excluded else "yes"

    def _words(self) -> tuple[str, str]:
        law, (x, loss) = self.fit(), self.prediction()
        low, high = law.interval
        floor = f"{self.floor:g} + " if self.floor else ""
        what = "loss" if not self.floor else "part of the loss above the floor"
        more = "as many weights multiply" if self.axis == "weights" else "the compute multiplies"
        last = max(x_of(self.runs[k], self.axis) for k in self.fitted())
        beyond = (
            f"an extrapolation over {math.log10(x / last):.1f} powers of ten"
            if x > last
            else "within the data"
        )
        return (
            f"Fitted law, from {len(law.residuals)} points: loss = {floor}{law.scale:.3g} × "
            f"{self.axis} to the power of {-law.exponent:.3f}; 95 % interval of the exponent "
            f"{low:.3f} to {high:.3f}. Ten times {more} the {what} by {10**-law.exponent:.3f}.",
            f"At {self.axis} of {x:.3g} it gives a loss of {loss:.3f}: {beyond}.",
        )


def x_of(run: Mapping[str, Any], axis: str) -> int:
    """Return a run's place on an axis: its weights, or its floating-point operations."""
    return run["weights"] if axis == "weights" else 6 * run["weights"] * run["characters"]


def points_of(runs: Sequence[Mapping[str, Any]], axis: str) -> list[int]:
    """Return the indices of the runs through which the fit of an axis may go, by rising x."""
    if axis == "weights":
        found = [
            k
            for k, run in enumerate(runs)
            if run["characters"]
            == max(r["characters"] for r in runs if r["weights"] == run["weights"])
        ]
    else:
        found = [
            k
            for k, run in enumerate(runs)
            if not any(
                other["loss"] < run["loss"] and x_of(other, axis) <= x_of(run, axis)
                for other in runs
            )
        ]
    return sorted(found, key=lambda k: (x_of(runs[k], axis), k))


def check_runs(runs: Any) -> list[dict[str, Any]]:
    """Return the runs as plain dicts, the losses rounded as the page has them.

    Raises: TypeError or ValueError naming what is wrong with which run.
    """
    if isinstance(runs, str | Mapping) or not isinstance(runs, Sequence):
        raise TypeError(f"runs must be a list of dicts, got {type(runs).__name__}")
    if len(runs) > MOST_RUNS:
        raise ValueError(f"runs must number at most {MOST_RUNS}, got {len(runs)}")
    checked = [check_run(run, f"runs[{k}]") for k, run in enumerate(runs)]
    seen = set()
    for k, run in enumerate(checked):
        key = run["weights"], run["characters"]
        if key in seen:
            raise ValueError(
                f"each run may occur once, got again: runs[{k}] of {key[0]:,} weights and "
                f"{key[1]:,} characters"
            )
        seen.add(key)
    for axis, what in (("weights", "sizes"), ("compute", "runs on the frontier of compute")):
        count = len({x_of(checked[k], axis) for k in points_of(checked, axis)})
        if count < LEAST_SIZES:
            raise ValueError(f"runs must have at least {LEAST_SIZES} different {what}, got {count}")
    return checked


def check_run(run: Any, name: str) -> dict[str, Any]:
    """Return one run as a plain dict.

    Raises: TypeError or ValueError if it has not exactly the three numbers.
    """
    if not isinstance(run, Mapping):
        raise TypeError(f"{name} must be a dict, got {type(run).__name__}")
    if set(run) != set(KEYS):
        keys = ", ".join(KEYS)
        raise ValueError(f"{name} must have exactly the keys {keys}, got {list(run)}")
    for key in ("weights", "characters"):
        value = run[key]
        if isinstance(value, bool) or not isinstance(value, int | np.integer):
            raise TypeError(f"{name}[{key!r}] must be an int, got {type(value).__name__}")
        if not 1 <= value <= MOST:
            raise ValueError(f"{name}[{key!r}] must be between 1 and {MOST:.0e}, got {value}")
    loss = run["loss"]
    if isinstance(loss, bool) or not isinstance(loss, int | float | np.integer | np.floating):
        raise TypeError(f"{name}['loss'] must be a number, got {type(loss).__name__}")
    if not 1e-6 <= loss <= 1e6:  # NaN fails too
        raise ValueError(f"{name}['loss'] must be between 1e-06 and 1e+06, got {loss}")
    return {
        "weights": int(run["weights"]),
        "characters": int(run["characters"]),
        "loss": rounded(float(loss)),
    }


def check_axis(axis: Any) -> str:
    """Return `axis` if the page knows it.

    Raises: ValueError if it is neither "weights" nor "compute".
    """
    if axis not in AXES:
        raise ValueError(f"axis must be one of {AXES}, got {axis!r}")
    return axis


def check_excluded(excluded: Any, runs: Sequence[Mapping[str, Any]], axis: str) -> list[int]:
    """Return the indices of the excluded runs in rising order.

    Raises: TypeError or ValueError if they are no points of a fit, or leave too few on `axis`.
    """
    if isinstance(excluded, str | Mapping) or not isinstance(excluded, Sequence):
        raise TypeError(f"excluded must be a list of indices, got {type(excluded).__name__}")
    chosen = [index_of(k, f"excluded[{i}]", len(runs)) for i, k in enumerate(excluded)]
    if len(set(chosen)) < len(chosen):
        raise ValueError(f"excluded must name each run once, got {chosen}")
    known = {k for one in AXES for k in points_of(runs, one)}
    idle = sorted(set(chosen) - known)
    if idle:
        raise ValueError(f"excluded must name points of a fit; runs {idle} are none")
    left = {x_of(runs[k], axis) for k in points_of(runs, axis) if k not in chosen}
    if len(left) < LEAST_SIZES:
        raise ValueError(
            f"excluded must leave at least {LEAST_SIZES} different points on the axis {axis!r}, "
            f"{sorted(chosen)} leave {len(left)}"
        )
    return sorted(chosen)


def check_floor(floor: Any, runs: Sequence[Mapping[str, Any]]) -> float:
    """Return `floor`, rounded as the page has it.

    Raises: TypeError if it is not a number; ValueError if it is not in [0, smallest loss).
    """
    check_number("floor", floor, 0)
    smallest = min(run["loss"] for run in runs)
    if not rounded(float(floor)) < smallest:
        raise ValueError(f"floor must be below the smallest loss, {smallest:g}, got {floor}")
    return rounded(float(floor))


def check_target(target: Any) -> float:
    """Return `target`, rounded as the page has it.

    Raises: TypeError if it is not a number; ValueError if it is outside 1…1000.
    """
    check_number("target", target, 1.0, FARTHEST)
    return rounded(float(target))
