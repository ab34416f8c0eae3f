"""How much of the gradient is left after a number of steps back in time."""

from __future__ import annotations

import html
from typing import Any

import numpy as np
import traitlets

from nlp_helpers.explorables.base import Explorable, html_table, real_array

RHO_RANGE = (0.5, 1.5)
ACTIVATIONS = ("tanh", "linear")
VANISHED, EXPLODED = 1e-2, 1e2
VERDICT_LAG = 20
_RADIUS_TOLERANCE = 1e-3


def gradient_norms(W: Any, inputs: Any, rho: float, activation: str) -> np.ndarray:
    """Return ‖∂L/∂s_k‖ for lag T - k = 0, 1, …, T, as the page computes it.

    s_t = f(rho W s_{t-1} + inputs_t) from s_0 = 0; ∂L/∂s_T is the unit vector with all components
    equal, 1/√hidden.

    Shape: W [hidden, hidden], inputs [time, hidden]; returns [time + 1].
    """
    W, inputs = np.asarray(W, dtype=np.float64), np.asarray(inputs, dtype=np.float64)
    states = [np.zeros(len(W))]
    for drive in inputs:
        total = rho * (W @ states[-1]) + drive
        states.append(np.tanh(total) if activation == "tanh" else total)
    gradient = np.full(len(W), len(W) ** -0.5)
    norms = [np.linalg.norm(gradient)]
    for state in reversed(states[1:]):
        slope = 1 - state**2 if activation == "tanh" else 1.0
        gradient = rho * (W.T @ (slope * gradient))
        norms.append(np.linalg.norm(gradient))
    return np.array(norms)


class GradientLag(Explorable):
    """Move the spectral radius of the recurrent matrix and watch the gradient vanish or explode.

    The page multiplies W by `rho`, runs the network over `inputs` (the drive U x_t + b) and sends
    a gradient of length 1 back from the last state. `rho` and `activation` are the reader's.

    Shape: W [hidden, hidden] with spectral radius 1; inputs [time, hidden].

    Raises: TypeError or ValueError for arrays that are not finite, do not fit together, or whose
    spectral radius is not 1, for rho outside 0.5…1.5 and for an unknown activation.
    """

    _source = "gradient_lag.js"
    title = "How far back does the gradient reach?"

    W = traitlets.List().tag(sync=True)
    inputs = traitlets.List().tag(sync=True)
    rho = traitlets.Float(0.9).tag(sync=True)
    activation = traitlets.Unicode("tanh").tag(sync=True)
    lag = traitlets.Int(VERDICT_LAG).tag(sync=True)

    def __init__(
        self,
        name: str = "gradient-lag",
        W: Any = None,
        inputs: Any = None,
        rho: float = 0.9,
        activation: str = "tanh",
    ) -> None:
        if W is None or inputs is None:
            raise TypeError("GradientLag needs W [hidden, hidden] and inputs [time, hidden]")
        matrix = real_array(W, "W", (None, None))
        if matrix.shape[0] != matrix.shape[1]:
            raise ValueError(f"W must be square, got {list(matrix.shape)}")
        drive = real_array(inputs, "inputs", (None, len(matrix)))
        if not 2 <= len(drive) <= 200:
            raise ValueError(f"inputs must have 2 to 200 time steps, got {len(drive)}")
        radius = float(np.abs(np.linalg.eigvals(matrix)).max())
        if abs(radius - 1) > _RADIUS_TOLERANCE:
            raise ValueError(
                f"W must have spectral radius 1, got {radius:.4g}: divide it by "
                "abs(numpy.linalg.eigvals(W)).max()"
            )
        super().__init__(
            name,
            W=matrix,
            inputs=drive,
            rho=check_rho(rho),
            activation=check_activation(activation),
            lag=min(VERDICT_LAG, len(drive)),
        )

    @traitlets.validate("rho")
    def _check_rho(self, proposal: dict[str, Any]) -> float:
        return check_rho(proposal["value"])

    @traitlets.validate("activation")
    def _check_activation(self, proposal: dict[str, Any]) -> str:
        return check_activation(proposal["value"])

    @traitlets.validate("lag")
    def _check_lag(self, proposal: dict[str, Any]) -> int:
        if not 0 <= proposal["value"] <= len(self.inputs):
            raise ValueError(f"lag must be in 0…{len(self.inputs)}, got {proposal['value']}")
        return proposal["value"]

    def fallback_html(self) -> str:
        """Return the gradient that is left at a few lags for a few settings, as a table."""
        T = len(self.inputs)
        lags = sorted({lag for lag in (0, 5, 10, 20, 50, 100, T) if lag <= T})
        rows = []
        for activation in ACTIVATIONS:
            for rho in sorted({0.6, 0.9, 1.0, 1.1, 1.3, self.rho}):
                norms = gradient_norms(self.W, self.inputs, rho, activation)
                values = [f"{norms[lag]:.1e}" for lag in lags]
                rows.append([f"{activation}, ρ = {rho:.2f}", *values, verdict(norms)[1]])
        where = min(VERDICT_LAG, T)
        header = ["network", *(f"{lag} steps back" for lag in lags), f"after {where} steps"]
        note = (
            f"It vanishes below {VANISHED:.0e} and explodes above {EXPLODED:.0e} of the length "
            "that it started with, which is 1."
        )
        caption = "Length of the gradient ∂L/∂s, by the number of steps back in time"
        return html_table(caption, header, rows) + f"<p>{html.escape(note)}</p>"


def verdict(norms: np.ndarray) -> tuple[float, str]:
    """Return what is left after 20 steps (or all, if fewer) and its name in one verb."""
    left = float(norms[min(VERDICT_LAG, len(norms) - 1)])
    verb = "vanishes" if left < VANISHED else "explodes" if left > EXPLODED else "survives"
    return left, verb


def check_rho(rho: Any) -> float:
    """Return `rho` as a float.

    Raises: TypeError if it is not a real number; ValueError if it is outside 0.5…1.5.
    """
    if isinstance(rho, bool) or not isinstance(rho, int | float | np.integer | np.floating):
        raise TypeError(f"rho must be a number, got {type(rho).__name__}")
    if not RHO_RANGE[0] <= rho <= RHO_RANGE[1]:  # NaN fails too
        raise ValueError(f"rho must be between {RHO_RANGE[0]} and {RHO_RANGE[1]}, got {rho}")
    return float(rho)


def check_activation(activation: Any) -> str:
    """Return `activation` if the page knows it.

    Raises: ValueError if it is neither "tanh" nor "linear".
    """
    if activation not in ACTIVATIONS:
        raise ValueError(f"activation must be one of {ACTIVATIONS}, got {activation!r}")
    return activation
