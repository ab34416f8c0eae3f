"""What the gates of a recurrent layer do while it reads a text, unit by unit."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import traitlets

from nlp_helpers.explorables.base import Explorable, html_table, index_of, real_array, text_of
from nlp_helpers.explorables.color_scale import color_scale, two_decimals
from nlp_helpers.plotting import DIVERGING, SEQUENTIAL

# symbol -> name, and whether the value is a share (0 to 1) or signed
TRACES = {
    "i": ("input gate", "share"),
    "f": ("forget gate", "share"),
    "o": ("output gate", "share"),
    "z": ("update gate", "share"),
    "r": ("reset gate", "share"),
    "g": ("candidate", "signed"),
    "n": ("candidate", "signed"),
    "cell": ("cell", "signed"),
    "hidden": ("hidden", "signed"),
}
BOUNDED = ("g", "n")  # a tanh: between -1 and 1
MAX_CHARACTERS = 400
MAX_UNITS = 100
FALLBACK_CHARACTERS = 40
_SPOKEN = {" ": "space", "\n": "new line", "\t": "tab"}
_TOLERANCE = 1e-6


class GateTraces(Explorable):
    """Read a passage as tiles coloured by one gate of one unit, and see every gate at a character.

    `traces` maps symbols (i, f, o, g, cell, hidden of an LSTM; z, r, n, hidden of a GRU) to their
    values; the value at a character is the one after reading it. `units` are the columns to show
    (None: all), `notes` says of some of them what to look for. Values are kept with two decimals,
    so they are at most 0.005 off. `unit`, `gate` and `position` (from 0) are the reader's.

    Shape: each trace [time, hidden], time = len(text).

    Raises: TypeError or ValueError for an unknown symbol, arrays that do not fit the text or each
    other, a gate outside 0…1, a candidate outside -1…1, bad units or notes, and over 200 KB.
    """

    _source = "gate_traces.js"
    title = "What the gates do while the network reads"

    text = traitlets.Unicode().tag(sync=True)
    traces = traitlets.List().tag(sync=True)
    units = traitlets.List().tag(sync=True)
    notes = traitlets.List().tag(sync=True)
    scales = traitlets.Dict().tag(sync=True)
    unit = traitlets.Int().tag(sync=True)
    gate = traitlets.Unicode().tag(sync=True)
    position = traitlets.Int(0).tag(sync=True)

    def __init__(
        self,
        name: str = "gate-traces",
        text: str = "",
        traces: Mapping[str, Any] | None = None,
        units: Sequence[int] | None = None,
        notes: Mapping[int, str] | None = None,
        gate: str | None = None,
    ) -> None:
        if traces is None:
            raise TypeError(
                "GateTraces needs text and traces, a mapping of symbol to [time, hidden]"
            )
        check_passage(text)
        arrays = check_traces(traces, text)
        hidden = next(iter(arrays.values())).shape[1]
        shown = check_units(units, hidden)
        said = check_notes({} if notes is None else notes, shown)
        chosen = next(iter(arrays)) if gate is None else gate
        super().__init__(
            name,
            text=text,
            traces=[
                {
                    "symbol": symbol,
                    "name": TRACES[symbol][0],
                    "kind": TRACES[symbol][1],
                    "values": [two_decimals(array[:, unit]) for unit in shown],
                }
                for symbol, array in arrays.items()
            ],
            units=shown,
            notes=[[unit, note] for unit, note in said.items()],
            scales={"share": color_scale(SEQUENTIAL), "signed": color_scale(DIVERGING)},
            gate=check_gate(chosen, list(arrays)),
            unit=next(iter(said), shown[0]),
        )

    @traitlets.validate("gate")
    def _check_gate(self, proposal: dict[str, Any]) -> str:
        return check_gate(proposal["value"], [trace["symbol"] for trace in self.traces])

    @traitlets.validate("unit")
    def _check_unit(self, proposal: dict[str, Any]) -> int:
        if proposal["value"] not in self.units:
            raise ValueError(f"unit must be one of {self.units}, got {proposal['value']}")
        return proposal["value"]

    @traitlets.validate("position")
    def _check_position(self, proposal: dict[str, Any]) -> int:
        return index_of(proposal["value"], "position", len(self.text))

    def fallback_html(self) -> str:
        """Return the chosen unit's values over the start of the passage, and the notes."""
        column = self.units.index(self.unit)
        values = [
            [f"{float(number):.2f}" for number in trace["values"][column].split(" ")]
            for trace in self.traces
        ]
        count = min(FALLBACK_CHARACTERS, len(self.text))
        rows = [
            [f"{t + 1}", _SPOKEN.get(self.text[t], self.text[t]), *(line[t] for line in values)]
            for t in range(count)
        ]
        header = ["", "character", *(trace["symbol"] for trace in self.traces)]
        names = ", ".join(label(trace) for trace in self.traces)
        caption = f"Unit {self.unit} after each of the first {count} characters: {names}"
        said = "".join(f"<li>Unit {unit}: {html.escape(note)}</li>" for unit, note in self.notes)
        return html_table(caption, header, rows) + (f"<ul>{said}</ul>" if said else "")


def label(trace: Mapping[str, Any]) -> str:
    """Return how a trace is called: "forget gate f", but "cell"."""
    return trace["name"] if len(trace["symbol"]) > 1 else f"{trace['name']} {trace['symbol']}"


def check_passage(text: Any) -> str:
    """Return `text` if it is 2 to 400 characters that can be shown as tiles.

    Raises: TypeError if it is not a string; ValueError otherwise.
    """
    text_of(text, "text")
    if not 2 <= len(text) <= MAX_CHARACTERS:
        raise ValueError(f"text must have 2 to {MAX_CHARACTERS} characters, got {len(text)}")
    strange = sorted({c for c in text if not c.isprintable() and c not in _SPOKEN})
    if strange:
        raise ValueError(f"text has characters that cannot be shown: {strange}")
    return text


def check_traces(traces: Any, text: str) -> dict[str, np.ndarray]:
    """Return the traces as float64 arrays [time, hidden] of one shape.

    Raises: TypeError for a wrong type; ValueError for an unknown symbol, a shape that does not
    fit the text or the other traces, or values outside the symbol's range.
    """
    if not isinstance(traces, Mapping):
        raise TypeError(f"traces must be a mapping of symbol to array, got {type(traces).__name__}")
    if not traces or not set(traces) <= set(TRACES):
        raise ValueError(f"traces must have symbols among {[*TRACES]}, got {[*traces]}")
    arrays: dict[str, np.ndarray] = {}
    hidden = None
    for symbol, values in traces.items():
        array = real_array(values, f"traces[{symbol!r}]", (len(text), hidden))
        hidden = array.shape[1]
        low = 0.0 if TRACES[symbol][1] == "share" else -1.0 if symbol in BOUNDED else -np.inf
        high = np.inf if low == -np.inf else 1.0
        outside = array[(array < low - _TOLERANCE) | (array > high + _TOLERANCE)]
        if outside.size:
            raise ValueError(
                f"traces[{symbol!r}] must lie between {low:g} and {high:g} (after the sigmoid or "
                f"tanh), got {outside[0]:g}"
            )
        arrays[symbol] = array
    return arrays


def check_units(units: Any, hidden: int) -> list[int]:
    """Return the units to show, all of them for None.

    Raises: TypeError if they are no sequence of ints; ValueError if there is none, one twice, one
    that the layer does not have, or more than 100.
    """
    chosen = range(hidden) if units is None else units
    if isinstance(chosen, str) or not isinstance(chosen, Sequence | np.ndarray):
        raise TypeError(f"units must be a list of ints, got {type(chosen).__name__}")
    if not 1 <= len(chosen) <= MAX_UNITS:
        raise ValueError(f"units must number 1 to {MAX_UNITS}, got {len(chosen)}")
    checked = [index_of(unit, f"units[{k}]", hidden) for k, unit in enumerate(chosen)]
    if len(set(checked)) != len(checked):
        raise ValueError(f"units must be different, got {checked}")
    return checked


def check_notes(notes: Any, units: list[int]) -> dict[int, str]:
    """Return the notes in the order of the units.

    Raises: TypeError if they are no mapping of unit to text; ValueError for a unit that is not
    shown, or a blank note.
    """
    if not isinstance(notes, Mapping):
        raise TypeError(f"notes must be a mapping of unit to text, got {type(notes).__name__}")
    strange = [unit for unit in notes if unit not in units]
    if strange:
        raise ValueError(f"notes are about units that are not shown: {strange}, units are {units}")
    return {unit: text_of(notes[unit], f"notes[{unit}]") for unit in units if unit in notes}


def check_gate(gate: Any, symbols: list[str]) -> str:
    """Return `gate` if it is one of the traces.

    Raises: ValueError if it is not.
    """
    if gate not in symbols:
        raise ValueError(f"gate must be one of {symbols}, got {gate!r}")
    return gate
