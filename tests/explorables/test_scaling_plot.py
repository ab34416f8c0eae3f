"""ScalingPlot: its table of runs, the page's fit against `fit_power_law`, and use."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from playwright.sync_api import expect
from scipy import stats
from traitlets import TraitError

from nlp_helpers.exercises.elmo import QUIZ
from nlp_helpers.explorables.base import script_json
from nlp_helpers.explorables.quiz import Quiz
from nlp_helpers.explorables.scaling_plot import ScalingPlot, points_of
from nlp_helpers.scaling import fit_power_law
from tests.book.outputs_contract import text_difference
from tests.explorables.page_checks import contrasts, problems_of_names, tab_stops, theme_options
from tests.explorables.test_browser import THEMES, live, part, status
from tests.explorables.test_python_side import visible_text

NAME = "scaling-plot"
WEIGHTS = [6_464, 14_256, 37_920, 84_384, 198_912, 446_208, 988_800]
CHARACTERS = [1_638_400, 3_276_800, 6_553_600]


def made_up(weights=WEIGHTS, characters=CHARACTERS, noise=0.006, seed=0) -> list[dict]:
    """Runs whose losses fall with size and with training, as those of the chapter do."""
    random = np.random.default_rng(seed)
    return [
        {
            "weights": n,
            "characters": c,
            "loss": (0.75 + 14 * n**-0.3 + 60 * c**-0.35 * (n / 6464) ** 0.12)
            * math.exp(random.normal(0, noise)),
        }
        for n in weights
        for c in characters
    ]


RUNS = made_up()
LONGEST = [2, 5, 8, 11, 14, 17, 20]
FRONTIER = points_of(RUNS, "compute")
# axis, excluded runs, floor, target
SETTINGS = [
    ("weights", [], 0.0, 1.0),
    ("weights", [2], 0.0, 10.0),
    ("weights", [5, 20], 0.9, 1000.0),
    ("weights", [8, 11, 14, 17], 1.32, 100.0),
    ("compute", [], 0.0, 1.0),
    ("compute", [FRONTIER[0], FRONTIER[-1]], 0.5, 1000.0),
    ("compute", FRONTIER[3:], 0.01, 1.12202),
    ("compute", [], 1.39, 31.6228),
]


@pytest.fixture
def plot() -> ScalingPlot:
    return ScalingPlot(RUNS)


def by_hand(plot: ScalingPlot) -> dict:
    """What the page must show, from `fit_power_law` and the definitions in the brief."""
    runs = plot.runs
    compute = [6 * run["weights"] * run["characters"] for run in runs]
    if plot.axis == "weights":
        x = [run["weights"] for run in runs]
        longest = {}
        for k, run in enumerate(runs):
            best = longest.get(run["weights"])
            if best is None or run["characters"] > runs[best]["characters"]:
                longest[run["weights"]] = k
        points = sorted(longest.values(), key=lambda k: x[k])
    else:
        x = compute
        pairs = [(c, run["loss"]) for c, run in zip(compute, runs, strict=True)]
        points = sorted(
            (
                k
                for k, (c, loss) in enumerate(pairs)
                if min(other for d, other in pairs if d <= c) >= loss
            ),
            key=lambda k: x[k],
        )
    fitted = [k for k in points if k not in plot.excluded]
    above = np.array([run["loss"] - plot.floor for run in runs])
    law = fit_power_law([x[k] for k in fitted], above[fitted])
    said = law(np.array([x[k] for k in points], float))
    goal = plot.target * max(x[k] for k in points)
    return {
        "points": points,
        "fitted": fitted,
        "law": law,
        "laws": plot.floor + said,
        "losses": [runs[k]["loss"] for k in points],
        "residuals": 100 * (above[points] / said - 1),
        "miss": float(np.sqrt(np.mean((above[fitted] - law([x[k] for k in fitted])) ** 2))),
        "goal": goal,
        "predicted": plot.floor + float(law(goal)),
        "beyond": math.log10(goal / max(x[k] for k in fitted)),
    }


# ---- the Python side ----


def test_the_points_are_the_longest_runs_or_the_frontier(plot):
    assert plot.points() == LONGEST == by_hand(plot)["points"]
    plot.axis = "compute"
    assert plot.points() == FRONTIER == by_hand(plot)["points"]
    assert 5 < len(FRONTIER) < 21
    losses = [RUNS[k]["loss"] for k in FRONTIER]
    assert losses == sorted(losses, reverse=True)
    plot.excluded = [FRONTIER[1]]
    assert plot.points() == FRONTIER  # leaving one out makes no other run a point
    assert plot.fitted() == [k for k in FRONTIER if k != FRONTIER[1]]


def test_the_frontier_keeps_ties_and_the_order_of_the_runs_does_not_matter():
    runs = [
        {"weights": 200, "characters": 10, "loss": 2.0},
        {"weights": 100, "characters": 20, "loss": 2.0},  # as much compute, the same loss
        {"weights": 50, "characters": 40, "loss": 2.1},  # as much compute, a higher one
        {"weights": 100, "characters": 10, "loss": 3.0},
        {"weights": 100, "characters": 40, "loss": 2.0},  # more compute, the same loss
        {"weights": 400, "characters": 40, "loss": 1.0},
    ]
    assert points_of(runs, "compute") == [3, 0, 1, 4, 5]
    assert points_of(runs, "weights") == [2, 4, 0, 5]
    order = np.random.default_rng(0).permutation(21)
    mixed = ScalingPlot([RUNS[k] for k in order])
    assert [order[k] for k in mixed.points()] == LONGEST
    assert mixed.fit().exponent == pytest.approx(ScalingPlot(RUNS).fit().exponent, rel=1e-12)


@pytest.mark.parametrize("setting", SETTINGS)
def test_fit_and_prediction_are_those_of_fit_power_law(setting):
    axis, excluded, floor, target = setting
    plot = ScalingPlot(RUNS, axis=axis, excluded=excluded, floor=floor, target=target)
    expected = by_hand(plot)
    assert plot.points() == expected["points"]
    assert plot.fitted() == expected["fitted"]
    law = plot.fit()
    assert (law.exponent, law.scale, law.interval) == (
        expected["law"].exponent, expected["law"].scale, expected["law"].interval,
    )  # fmt: skip
    np.testing.assert_array_equal(law.residuals, expected["law"].residuals)
    assert plot.prediction() == pytest.approx((expected["goal"], expected["predicted"]), rel=1e-14)


def test_a_true_law_with_a_floor_is_found_at_this_floor_only():
    runs = [{"weights": n, "characters": 10**6, "loss": 0.8 + 9 * n**-0.2} for n in WEIGHTS]
    plot = ScalingPlot(runs, floor=0.8, target=1000)
    assert plot.fit().exponent == pytest.approx(0.2, abs=1e-4)
    assert plot.prediction()[1] == pytest.approx(0.8 + 9 * (988_800_000) ** -0.2, abs=1e-4)
    plot.floor = 0.0
    assert plot.fit().exponent < 0.15


def test_the_state_is_the_traits_and_the_page_is_the_same_every_time(plot):
    assert ScalingPlot(RUNS).to_html() == plot.to_html()
    assert repr(plot) == "ScalingPlot('scaling-plot')"
    data, _ = plot._repr_mimebundle_()
    assert data["text/plain"] == "ScalingPlot('scaling-plot')"
    assert plot.page_state() == {
        "name": NAME, "axis": "weights", "excluded": [], "floor": 0.0, "target": 1.0,
        "runs": [run | {"loss": float(f"{run['loss']:.6g}")} for run in RUNS],
    }  # fmt: skip
    assert len(script_json(plot.page_state()).encode()) < 4000
    assert not re.search(r"://|@import|\burl\(|\bsrc=|\bhref=", plot.to_html())
    chosen = ScalingPlot(
        tuple(
            {
                "weights": np.int64(run["weights"]),
                "characters": np.int64(run["characters"]),
                "loss": np.float32(run["loss"]),
            }
            for run in RUNS
        ),
        name="other", axis="compute", excluded=(20, np.int64(0)), floor=0.123456789, target=12,
    )  # fmt: skip
    assert (chosen.name, chosen.axis, chosen.excluded) == ("other", "compute", [0, 20])
    assert (chosen.floor, chosen.target) == (0.123457, 12.0)
    assert [type(v) for v in chosen.runs[0].values()] == [int, int, float]


GOOD = [{"weights": 10**k, "characters": 1000, "loss": 3.0 - 0.5 * k} for k in range(1, 5)]


def changed(k, **values):
    return [run | values if i == k else run for i, run in enumerate(GOOD)]


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"runs": "abc"}, TypeError, "runs must be a list of dicts, got str"),
        ({"runs": GOOD[0]}, TypeError, "runs must be a list of dicts, got dict"),
        ({"runs": []}, ValueError, "at least 3 different sizes, got 0"),
        ({"runs": GOOD[:2]}, ValueError, "at least 3 different sizes, got 2"),
        ({"runs": [*GOOD[:3], (1, 2, 3)]}, TypeError, r"runs\[3\] must be a dict, got tuple"),
        ({"runs": [{"weights": 1, "loss": 1.0}]}, ValueError,
         r"runs\[0\] must have exactly the keys weights, characters, loss, got"),
        ({"runs": changed(2, d_model=3)}, ValueError, r"runs\[2\] must have exactly .*d_model"),
        ({"runs": changed(1, weights=1e3)}, TypeError,
         r"runs\[1\]\['weights'\] must be an int, got float"),
        ({"runs": changed(1, weights=True)}, TypeError, "'weights'.*must be an int, got bool"),
        ({"runs": changed(1, weights=0)}, ValueError, "'weights'.*between 1 and 1e.15, got 0"),
        ({"runs": changed(0, weights=-5)}, ValueError, "'weights'.*, got -5"),
        ({"runs": changed(3, characters=0)}, ValueError, r"runs\[3\]\['characters'\].*, got 0"),
        ({"runs": changed(3, characters="9")}, TypeError, "'characters'.*an int, got str"),
        ({"runs": changed(3, characters=10**16)}, ValueError, "'characters'.*got 10{16}"),
        ({"runs": changed(2, loss="1")}, TypeError,
         r"runs\[2\]\['loss'\] must be a number, got str"),
        ({"runs": changed(2, loss=False)}, TypeError, "'loss'.*got bool"),
        ({"runs": changed(2, loss=0.0)}, ValueError, "'loss'.*must be between .*, got 0.0"),
        ({"runs": changed(2, loss=-1.0)}, ValueError, "'loss'.*, got -1.0"),
        ({"runs": changed(2, loss=math.nan)}, ValueError, "'loss'.*, got nan"),
        ({"runs": changed(2, loss=math.inf)}, ValueError, "'loss'.*, got inf"),
        ({"runs": [*GOOD, dict(GOOD[1])]}, ValueError,
         r"once, got again: runs\[4\] of 100 weights and 1,000 characters"),
        ({"runs": changed(1, weights=1000, characters=2)[:3]}, ValueError,
         "different sizes, got 2"),
        ({"runs": changed(0, loss=1.1)}, ValueError,
         "at least 3 different runs on the frontier of compute, got 2"),
        ({"runs": [run | {"characters": c} for run in GOOD for c in range(1, 10)]}, ValueError,
         "at most 32, got 36"),
        ({"axis": "characters"}, ValueError,
         r"axis must be one of \('weights', 'compute'\), got 'characters'"),
        ({"axis": None}, ValueError, "axis must be one of .*, got None"),
        ({"excluded": "0"}, TypeError, "excluded must be a list of indices, got str"),
        ({"excluded": 1}, TypeError, "excluded must be a list of indices, got int"),
        ({"excluded": [4]}, ValueError, r"excluded\[0\] must be between 0 and 3, got 4"),
        ({"excluded": [0.0]}, TypeError, r"excluded\[0\] must be an int, got float"),
        ({"excluded": [1, 1]}, ValueError, r"name each run once, got \[1, 1\]"),
        ({"excluded": [2, 0]}, ValueError,
         r"leave at least 3 different points on the axis 'weights', \[0, 2\] leave 2"),
        ({"floor": -0.1}, ValueError, r"floor must be in \[0, inf\], got -0.1"),
        ({"floor": 1.0}, ValueError, "floor must be below the smallest loss, 1, got 1.0"),
        ({"floor": 0.99999999}, ValueError, "floor must be below the smallest loss, 1, got 0.99"),
        ({"floor": math.nan}, ValueError, "floor must be in .*, got nan"),
        ({"floor": None}, TypeError, "floor must be a number, got NoneType"),
        ({"target": 0.5}, ValueError, r"target must be in \[1.0, 1000.0\], got 0.5"),
        ({"target": 1e9}, ValueError, "target must be in .*, got 1000000000.0"),
        ({"target": "10"}, TypeError, "target must be a number, got str"),
        ({"name": "a b"}, ValueError, "name must be"),
    ],
)  # fmt: skip
def test_bad_arguments_are_named(changes, error, words):
    with pytest.raises(error, match=words):
        ScalingPlot(**({"runs": GOOD} | changes))


def test_a_run_that_is_no_point_cannot_be_excluded():
    idle = sorted(set(range(21)) - set(LONGEST) - set(FRONTIER))
    assert idle
    with pytest.raises(ValueError, match=rf"points of a fit; runs \[{idle[0]}\] are none"):
        ScalingPlot(RUNS, excluded=[2, idle[0]])
    only_frontier = next(k for k in FRONTIER if k not in LONGEST)
    assert ScalingPlot(RUNS, excluded=[only_frontier]).fitted() == LONGEST


@pytest.mark.parametrize(
    ("trait", "value", "wrong"),
    [("axis", "loss", 3), ("excluded", [99], "x"), ("excluded", LONGEST[:5], 7),
     ("floor", -0.5, "x"), ("floor", 1.5, None), ("target", 0.9, "x"), ("target", 1001.0, [])],
)  # fmt: skip
def test_bad_changes_are_refused(plot, trait, value, wrong):
    before = getattr(plot, trait)
    with pytest.raises(ValueError, match=trait):
        setattr(plot, trait, value)
    with pytest.raises((TraitError, TypeError), match=trait):
        setattr(plot, trait, wrong)
    assert getattr(plot, trait) == before


def test_axis_and_excluded_change_together_as_the_page_sends_them():
    few = [run for run in RUNS if run["weights"] in WEIGHTS[:4]]
    frontier = points_of(few, "compute")
    assert {5, 8} <= set(frontier)
    plot = ScalingPlot(few, axis="compute", excluded=[8, 5])
    with pytest.raises(ValueError, match=r"axis 'weights', \[5, 8\] leave 2"):
        plot.axis = "weights"
    plot.set_state({"axis": "weights", "excluded": []})
    assert (plot.axis, plot.excluded) == ("weights", [])


def test_without_scripts_it_is_a_table_and_the_law_in_words(open_page, plot):
    text = visible_text(plot.to_html())
    for k, run in enumerate(plot.runs):
        compute = 6 * run["weights"] * run["characters"]
        role = " yes" if k in LONGEST else ""
        row = f"{run['weights']:,} {run['characters']:,} {compute:.2e} {run['loss']:.3f}{role} "
        assert row in text
    law, (x, loss) = plot.fit(), plot.prediction()
    assert (
        f"Fitted law, from 7 points: loss = {law.scale:.3g} × weights to the power of "
        f"{-law.exponent:.3f}; 95 % interval of the exponent {law.interval[0]:.3f} to "
        f"{law.interval[1]:.3f}. Ten times as many weights multiply the loss by "
        f"{10**-law.exponent:.3f}. At weights of {x:.3g} it gives a loss of {loss:.3f}: within the "
        "data." in text
    )
    other = ScalingPlot(RUNS, axis="compute", excluded=[FRONTIER[0]], floor=0.5, target=1000)
    text, law = visible_text(other.to_html()), other.fit()
    assert f"loss = 0.5 + {law.scale:.3g} × compute to the power of" in text
    assert "Ten times the compute multiplies the part of the loss above the floor by" in text
    assert "an extrapolation over 3.0 powers of ten." in text
    assert text.count("taken out") == 1 and text.count(" yes ") == len(FRONTIER) - 1
    page = open_page(plot.to_html(), scripts=False, width=360)
    assert page.locator("table:visible tbody tr").count() == 21
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_another_processor_may_round_a_last_digit_differently(plot):
    noise = 1e-5 * np.random.default_rng(1).normal(size=21)
    near = [run | {"loss": run["loss"] * (1 + e)} for run, e in zip(RUNS, noise, strict=True)]
    assert ScalingPlot(near).to_html() != plot.to_html()
    assert text_difference(plot.to_html(), ScalingPlot(near).to_html()) is None
    far = [run | {"loss": run["loss"] * 1.01} for run in RUNS]
    assert text_difference(plot.to_html(), ScalingPlot(far).to_html())


# ---- the computation in the page ----

COMPUTATION = """async ({ esm, cases, floors, ticks }) => {
  const source = esm.replace("export default { render };",
    "export { analyse, enough, T_975, floorSteps, logTicks, roundUp, about, threeDigits };");
  const m = await import(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
  return { t: m.T_975, floors: floors.map(m.floorSteps), ticks: ticks.map((t) => m.logTicks(...t)),
    rounds: [1e-5, 0.03, 1, 1.01, 3, 7, 5000, 5001].map(m.roundUp),
    sizes: [6464, 98765, 999499, 999501, 1.05e6, 9.888e8, 9.996e8, 2e15].map(m.about),
    scales: [0.0012, 0.0123, 3.5, 12.34, 999.4, 999.6, 1234, 1.5e7].map(m.threeDigits),
    found: cases.map(([runs, setting]) => {
      const before = JSON.stringify([runs, setting]);
      const found = m.analyse(runs, setting);
      if (JSON.stringify([runs, setting]) !== before) throw new Error("the runs have changed");
      const { exponent, scale, interval } = found.law;
      return { ...found, law: { exponent, scale, interval }, laws: found.points.map((k) =>
        setting.floor + found.law.at(found.x[k])) };
    }),
    enough: cases.map(([runs, setting]) => m.enough(runs, setting.axis, setting.excluded)) };
}"""


def computed(open_page, plots=(), floors=(), ticks=()):
    keys = ("axis", "excluded", "floor", "target")
    cases = [[p.runs, {key: getattr(p, key) for key in keys}] for p in plots]
    given = {"esm": str(ScalingPlot._esm), "cases": cases, "floors": floors, "ticks": ticks}
    return open_page().evaluate(COMPUTATION, given)


def random_plots(count: int) -> list[ScalingPlot]:
    """Tables with ties, few sizes, rising losses; points taken out; floors near the smallest."""
    random = np.random.default_rng(4)
    plots = []
    while len(plots) < count:
        n, m = random.integers(3, 9), random.integers(1, 5)
        weights = np.unique((10 ** random.uniform(1, 9, n)).astype(int)).tolist()
        characters = np.unique((10 ** random.uniform(3, 9, m)).astype(int)).tolist()
        runs = made_up(weights, characters, noise=random.uniform(0, 0.3), seed=len(plots))
        digits = random.integers(1, 6)  # few: equal losses
        runs = [run | {"loss": round(run["loss"], digits)} for run in runs]
        axis = str(random.choice(["weights", "compute"]))
        try:
            excluded = random.permutation(points_of(runs, axis))[: random.integers(0, 4)].tolist()
            floor = random.choice([0, random.uniform(0, 0.999)]) * min(r["loss"] for r in runs)
            plots.append(
                ScalingPlot(
                    random.permutation(runs).tolist() if not excluded else runs, axis=axis,
                    excluded=excluded, floor=float(floor), target=float(10 ** random.uniform(0, 3)),
                )
            )  # fmt: skip
        except ValueError:
            continue  # too few points
    return plots


def test_the_module_computes_what_the_book_computes(open_page):
    plots = random_plots(60) + [
        ScalingPlot(RUNS, axis=a, excluded=e, floor=f, target=t) for a, e, f, t in SETTINGS
    ]
    results = computed(open_page, plots)
    assert all(results["enough"])
    for found, plot in zip(results["found"], plots, strict=True):
        expected = by_hand(plot)
        assert sorted(found["points"]) == sorted(expected["points"]) == sorted(plot.points())
        assert found["points"] == plot.points()
        law = plot.fit()
        scale = abs(law.exponent) + law.interval[1] - law.interval[0] + 1e-3
        assert found["law"]["exponent"] == pytest.approx(law.exponent, abs=1e-9 * scale)
        assert found["law"]["interval"] == pytest.approx(law.interval, abs=1e-7 * scale)
        assert found["law"]["scale"] == pytest.approx(law.scale, rel=1e-8)
        order = [expected["points"].index(k) for k in found["points"]]
        np.testing.assert_allclose(found["laws"], expected["laws"][order], rtol=1e-9)
        shown = [found["residuals"][k] for k in found["points"]]
        np.testing.assert_allclose(shown, expected["residuals"][order], rtol=1e-7, atol=1e-7)
        fitted = [found["residuals"][k] for k in plot.fitted()]
        np.testing.assert_allclose(
            fitted, 100 * np.expm1(law.residuals), rtol=1e-7, atol=1e-7
        )  # fmt: skip
        assert found["miss"] == pytest.approx(expected["miss"], rel=1e-6, abs=1e-9)
        assert (found["far"], found["predicted"]) == pytest.approx(plot.prediction(), rel=1e-8)
        assert found["beyond"] == pytest.approx(expected["beyond"], abs=1e-9)


def test_the_table_of_students_t(open_page):
    expected = stats.t.ppf(0.975, np.arange(1, 31))
    np.testing.assert_allclose(computed(open_page)["t"], expected, rtol=1e-11)


def test_32_runs_on_one_line_have_their_30_degrees_of_freedom(open_page):
    weights = [round(10 ** (3 + k / 8)) for k in range(32)]
    runs = [
        {"weights": n, "characters": 1000, "loss": 5 * n**-0.1 + 0.01 * (-1) ** k}
        for k, n in enumerate(weights)
    ]
    plots = [ScalingPlot(runs), ScalingPlot(runs, axis="compute")]
    for found, plot in zip(computed(open_page, plots)["found"], plots, strict=True):
        assert found["law"]["interval"] == pytest.approx(plot.fit().interval, rel=1e-9)
    assert len(plots[0].fitted()) == 32


@pytest.mark.parametrize(
    ("smallest", "step", "most"),
    [(1.4007, "0.01", "1.40"), (1.404, "0.01", "1.39"), (1.1, "0.01", "1.09"),
     (1.0, "0.01", "0.99"), (0.93, "0.001", "0.929"), (0.0421, "0.0001", "0.0420"),
     (12.3, "0.1", "12.2"), (250, "1", "249")],
)  # fmt: skip
def test_the_slider_for_the_floor_ends_just_below_the_smallest_loss(
    open_page, smallest, step, most
):
    (found,) = computed(open_page, floors=[smallest])["floors"]
    if smallest == 1.4007:  # a step that ends too near to the loss is left out
        most = "1.39"
    assert found == {"step": step, "max": most}
    assert 0.5 * float(step) - 1e-9 <= smallest - float(found["max"]) <= 1.5 * float(step) + 1e-9


def test_ticks_and_texts_are_round(open_page):
    spans = [(1.05, 2.2, 4, 8), (0.009, 1.3, 4, 8), (1.4, 1.5, 4, 8), (5e3, 2e9, 2, 8),
             (3e10, 5e22, 2, 5), (1e4, 3e4, 2, 8)]  # fmt: skip
    results = computed(open_page, ticks=spans)
    for (low, high, wanted, most), ticks in zip(spans, results["ticks"], strict=True):
        assert wanted <= len(ticks) <= most + 1
        assert all(low * 0.999 <= tick <= high * 1.001 for tick in ticks)
        assert ticks == sorted(set(ticks))
        assert all(float(f"{tick:.3g}") == tick for tick in ticks)
    assert results["ticks"][0] == [1.2, 1.4, 1.7, 2]
    assert results["ticks"][1] == [0.01, 0.03, 0.1, 0.3, 1]
    assert results["ticks"][3] == [1e4, 1e5, 1e6, 1e7, 1e8, 1e9]
    assert results["rounds"] == [1e-5, 0.05, 1, 2, 5, 10, 5000, 10000]
    assert results["sizes"] == [
        "6,460", "98,800", "999,000", "1 million", "1.05 million", "989 million", "1 billion",
        "2.00·10¹⁵",
    ]  # fmt: skip
    assert results["scales"] == [
        "1.20·10⁻³", "0.0123", "3.50", "12.3", "999", "1,000", "1,230", "1.50·10⁷",
    ]  # fmt: skip


# ---- the page ----


def minus(text: str) -> str:
    return text.replace("-", "−")


def percent(value: float) -> str:
    text = f"{value:+.1f} %"
    return "0.0 %" if text[1:] == "0.0 %" else minus(text)


def rows_of(page) -> list[dict]:
    return page.locator(".nlpx-sp-points tbody tr").evaluate_all(
        """rows => rows.map(row => ({ run: +row.dataset.run, label:
          row.querySelector("label").firstChild.textContent,
          ticked: row.querySelector("input").checked,
          locked: row.querySelector("input").getAttribute("aria-disabled") === "true",
          values: [...row.querySelectorAll("[data-value]")].map(n => +n.dataset.value),
          texts: [...row.querySelectorAll("[data-value]")].map(n => n.textContent) }))"""
    )


def box(page, k: int, runs=RUNS):
    return page.locator(f'.nlpx-sp-points input[data-run="{k}"]')


def measure_texts(page) -> list[str]:
    return page.locator(".nlpx-sp-measures td").all_inner_texts()


def agrees(page, plot: ScalingPlot) -> None:
    """Every number that the page shows is that of `fit()`, to the digits shown."""
    expected, law = by_hand(plot), plot.fit()
    rows = rows_of(page)
    assert [row["run"] for row in rows] == plot.points() == expected["points"]
    assert [row["ticked"] for row in rows] == [k not in plot.excluded for k in plot.points()]
    columns = zip(expected["losses"], expected["laws"], expected["residuals"], strict=True)
    for row, (loss, said, residual) in zip(rows, columns, strict=True):
        np.testing.assert_allclose(row["values"], [loss, said, residual], rtol=1e-7, atol=1e-9)
        assert row["texts"] == [f"{loss:.3f}", f"{said:.3f}", percent(residual)]
    low, high = law.interval
    miss = expected["miss"]
    assert measure_texts(page) == [
        minus(f"{law.exponent:.3f}"), minus(f"{low:.3f} to {high:.3f}"),
        f"{miss:.3f}" if miss >= 0.01 else f"{miss:.1e}",
    ]  # fmt: skip
    goal, predicted = plot.prediction()
    strong = page.locator(".nlpx-sp-predicted")
    assert float(strong.get_attribute("data-value")) == pytest.approx(predicted, rel=1e-8)
    assert float(strong.get_attribute("data-x")) == pytest.approx(goal, rel=1e-12)
    assert strong.inner_text() == f"{predicted:.3f}"
    caution = page.locator(".nlpx-sp-caution").inner_text()
    if expected["beyond"] > 1e-9:
        assert (
            f"Caution: this is an extrapolation over {expected['beyond']:.1f} powers of ten" in
            caution
        )  # fmt: skip
    else:
        assert "Caution" not in caution
    assert ("Measured there: " in caution) == (plot.target == 1)
    formula = page.locator(".nlpx-sp-formula").inner_text().replace("\n", "")
    floor = f"{plot.floor:.2f} + " if plot.floor else ""
    scale = f"{law.scale:.3g}" if law.scale < 100 else None
    if scale:
        assert float(formula.split(" ·")[0].split("+ ")[-1].split("= ")[-1]) == float(scale)
    letter = "N" if plot.axis == "weights" else "C"
    assert formula.startswith(f"loss = {floor}")
    assert formula.endswith(f" · {letter}{minus(f'{-law.exponent:.3f}')}")


def set_page(page, axis="weights", excluded=(), floor=0.0, target=1.0) -> None:
    page.get_by_label(axis, exact=True).check(force=True)
    page.get_by_label("Floor").fill(f"{floor:.2f}")
    page.get_by_label("Ask the law at").fill(f"{math.log10(target):.2f}")
    for k in excluded:
        box(page, k).uncheck()


@pytest.mark.parametrize("setting", SETTINGS)
def test_the_page_shows_the_books_fit(open_page, plot, setting):
    axis, excluded, floor, target = setting
    expected = ScalingPlot(RUNS, axis=axis, excluded=excluded, floor=floor, target=target)
    page = open_page(plot.to_html())
    set_page(page, *setting)
    agrees(page, expected)
    agrees(open_page(expected.to_html()), expected)  # set by the kernel


def chart_points(page) -> dict[int, tuple[float, float]]:
    """Where the centres of all runs are drawn."""
    found = page.locator(".nlpx-sp-chart :is(.nlpx-sp-dot, .nlpx-sp-other)").evaluate_all(
        """nodes => nodes.map(n => [+(n.dataset.run ?? n.parentNode.dataset.run),
          +n.getAttribute("cx"), +n.getAttribute("cy")])"""
    )
    return {k: (x, y) for k, x, y in found}


@pytest.mark.parametrize("setting", SETTINGS)
def test_the_chart_is_drawn_to_scale(open_page, setting):
    axis, excluded, floor, target = setting
    plot = ScalingPlot(RUNS, axis=axis, excluded=excluded, floor=floor, target=target)
    page = open_page(plot.to_html())
    expected, spots = by_hand(plot), chart_points(page)
    drawn = range(21) if axis == "compute" else LONGEST
    assert sorted(spots) == list(drawn)
    others = page.locator(".nlpx-sp-chart .nlpx-sp-other").count()
    assert others == (21 - len(FRONTIER) if axis == "compute" else 0)
    x = {k: RUNS[k]["weights"] * (axis == "weights" or 6 * RUNS[k]["characters"]) for k in drawn}
    y = {k: plot.runs[k]["loss"] - floor for k in drawn}
    straight_x = np.polyfit([math.log(x[k]) for k in drawn], [spots[k][0] for k in drawn], 1)
    straight_y = np.polyfit([math.log(y[k]) for k in drawn], [spots[k][1] for k in drawn], 1)
    assert straight_x[0] > 0 > straight_y[0]
    for k in drawn:
        assert np.polyval(straight_x, math.log(x[k])) == pytest.approx(spots[k][0], abs=0.01)
        assert np.polyval(straight_y, math.log(y[k])) == pytest.approx(spots[k][1], abs=0.01)
    law = plot.fit()
    first, last = (f(x[k] for k in plot.fitted()) for f in (min, max))
    line = page.locator(".nlpx-sp-chart .nlpx-sp-inside")
    for end, size in (("1", first), ("2", last)):
        at = [float(line.get_attribute(f"{letter}{end}")) for letter in "xy"]
        where = [np.polyval(straight_x, math.log(size)),
                 np.polyval(straight_y, math.log(law(size)))]  # fmt: skip
        assert at == pytest.approx(where, abs=0.05)
    dashed = page.locator(".nlpx-sp-chart .nlpx-sp-outside").count()
    assert dashed == (first > min(x.values())) + (plot.prediction()[0] > last * 1.000001)
    goals = page.locator(".nlpx-sp-goal")
    assert goals.count() == (target > 1)
    if target > 1:
        goal, predicted = plot.prediction()
        left, top = re.match(r"M([\d.]+) ([\d.]+)", goals.get_attribute("d")).groups()
        assert float(left) + 7 == pytest.approx(np.polyval(straight_x, math.log(goal)), abs=0.05)
        height = np.polyval(straight_y, math.log(predicted - floor))
        assert float(top) == pytest.approx(height, abs=0.05)
    assert_strip(page, expected, spots)
    for text in page.locator(".nlpx-sp-chart text").all():
        inner, outer = text.bounding_box(), page.locator(".nlpx-sp-chart").bounding_box()
        assert inner["x"] >= outer["x"] - 1
        assert inner["x"] + inner["width"] <= outer["x"] + outer["width"] + 1


def assert_strip(page, expected, spots) -> None:
    """The residuals hang at their points' x, as far from the middle line as they are large."""
    marks = page.locator(".nlpx-sp-residual").evaluate_all(
        """nodes => nodes.map(n => [+n.parentNode.dataset.run, +n.getAttribute("cx"),
          +n.getAttribute("cy"), +n.dataset.value])"""
    )
    assert [mark[0] for mark in marks] == expected["points"]
    np.testing.assert_allclose([m[3] for m in marks], expected["residuals"], rtol=1e-7, atol=1e-9)
    stems = page.locator(".nlpx-sp-stem").evaluate_all(
        "nodes => nodes.map(n => [+n.getAttribute('y1'), +n.getAttribute('y2')])"
    )
    middle = stems[0][0]
    unit = [(middle - cy) / value for _, _, cy, value in marks if abs(value) > 0.05]
    np.testing.assert_allclose(unit, unit[0], rtol=1e-3)
    assert unit[0] > 0
    for (k, cx, cy, _), (start, end) in zip(marks, stems, strict=True):
        assert cx == spots[k][0]
        assert (start, end) == (middle, cy)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        (("weights", [], 0.0, 1.0), "From all 7 points: exponent {e}, 95 % interval {i}. Ten times "
         "as many weights multiply the loss by {t}."),
        (("weights", [2], 0.9, 1000.0), "From 6 of 7 points: exponent {e}, 95 % interval {i}. Ten "
         "times as many weights multiply what lies above the floor by {t}. Extrapolated over 3.0 "
         "powers of ten, to 989 million weights, it gives {p}."),
        (("weights", [20], 0.0, 1.0), "From 6 of 7 points: exponent {e}, 95 % interval {i}. Ten "
         "times as many weights multiply the loss by {t}. Extrapolated over 0.3 powers of ten, to "
         "989,000 weights, it gives {p}."),
        (("compute", [], 0.5, 10.0), "From all {n} points: exponent {e}, 95 % interval {i}. Ten "
         "times the compute multiplies what lies above the floor by {t}. Extrapolated over 1.0 "
         "powers of ten, to 3.89·10¹⁴ operations, it gives {p}."),
    ],
)  # fmt: skip
def test_the_status_says_what_the_fit_says(open_page, plot, setting, words):
    axis, excluded, floor, target = setting
    expected = ScalingPlot(RUNS, axis=axis, excluded=excluded, floor=floor, target=target)
    page = open_page(plot.to_html())
    page.get_by_label("Floor").fill("0.30")  # and away from there again
    set_page(page, *setting)
    law = expected.fit()
    sentence = words.format(
        e=f"{law.exponent:.3f}", i=f"{law.interval[0]:.3f} to {law.interval[1]:.3f}",
        t=f"{10**-law.exponent:.3f}", p=f"{expected.prediction()[1]:.3f}", n=len(FRONTIER),
    )  # fmt: skip
    expect(page.locator(".nlpx-status")).to_have_text(minus(sentence))
    assert status(open_page(expected.to_html()), NAME) == minus(sentence)


def test_the_axis_by_mouse_and_by_keyboard(open_page, plot):
    page = open_page(plot.to_html())
    head = page.locator(".nlpx-sp-points thead th")
    assert head.all_inner_texts() == ["weights", "loss", "law", "residual"]
    page.locator(".nlpx-choice label", has_text="compute").click()
    assert head.all_inner_texts() == ["compute", "weights", "loss", "law", "residual"]
    agrees(page, ScalingPlot(RUNS, axis="compute"))
    labels = [row["label"] for row in rows_of(page)]
    first = RUNS[FRONTIER[0]]
    mantissa, power = f"{6 * first['weights'] * first['characters']:.2e}".split("e+")
    assert labels[0] == f"{mantissa}·10{power.translate(str.maketrans('0123456789', '⁰¹²³⁴⁵⁶⁷⁸⁹'))}"
    expect(page.get_by_label("compute", exact=True)).to_be_focused()
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_label("weights", exact=True)).to_be_checked()
    agrees(page, plot)
    assert [row["label"] for row in rows_of(page)] == [f"{n:,}" for n in WEIGHTS]


def test_points_are_taken_out_by_keyboard_by_the_box_and_in_the_chart(open_page, plot):
    page = open_page(plot.to_html())
    first = page.get_by_role("checkbox", name="6,464 weights")
    first.focus()
    page.keyboard.press("Space")
    expect(first).to_be_focused()
    expect(first).not_to_be_checked()
    agrees(page, ScalingPlot(RUNS, excluded=[2]))
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    agrees(page, ScalingPlot(RUNS, excluded=[2, 5]))
    page.get_by_role("checkbox", name="446,208 weights").click()
    agrees(page, ScalingPlot(RUNS, excluded=[2, 5, 17]))
    point = page.locator('.nlpx-sp-point[data-run="20"]')
    point.locator(".nlpx-sp-dot").click()
    agrees(page, ScalingPlot(RUNS, excluded=[2, 5, 17, 20]))
    assert "nlpx-sp-out" in point.get_attribute("class")
    point.locator(".nlpx-sp-dot").click()
    page.locator("label", has_text="6,464").click()
    agrees(page, ScalingPlot(RUNS, excluded=[5, 17]))
    assert page.locator(".nlpx-sp-chart .nlpx-sp-point.nlpx-sp-out").count() == 2


def test_three_points_stay(open_page, plot):
    page = open_page(plot.to_html())
    for k in (2, 5, 8):
        box(page, k).uncheck()
    assert not any(row["locked"] for row in rows_of(page))
    box(page, 11).uncheck()
    rows = rows_of(page)
    assert [row["locked"] for row in rows] == [False] * 4 + [True] * 3
    kept = ScalingPlot(RUNS, excluded=[2, 5, 8, 11])
    agrees(page, kept)
    last = box(page, 20)
    last.focus()
    page.keyboard.press("Space")
    assert status(page, NAME) == "At least 3 points must stay in the fit."
    expect(last).to_be_checked()
    expect(last).to_be_focused()
    agrees(page, kept)
    page.locator('.nlpx-sp-point[data-run="17"] .nlpx-sp-dot').click()
    agrees(page, kept)
    page.wait_for_timeout(600)
    assert status(page, NAME) == "At least 3 points must stay in the fit."
    box(page, 2).check()
    agrees(page, ScalingPlot(RUNS, excluded=[5, 8, 11]))
    back = page.get_by_role("button", name="All points into the fit")
    assert back.get_attribute("aria-disabled") == "false"
    back.focus()
    page.keyboard.press("Enter")
    agrees(page, plot)
    assert back.get_attribute("aria-disabled") == "true"
    expect(back).to_be_focused()
    expect(page.locator(".nlpx-status")).to_contain_text("From all 7 points")


def test_the_points_stay_out_on_the_other_axis_unless_too_few_are_left(open_page):
    page = open_page(ScalingPlot(RUNS, excluded=[2, 20]).to_html())
    page.get_by_label("compute", exact=True).check(force=True)
    shared = [k for k in (2, 20) if k in FRONTIER]
    assert shared
    agrees(page, ScalingPlot(RUNS, axis="compute", excluded=[2, 20]))
    few = [run for run in RUNS if run["weights"] in WEIGHTS[:4]]
    page = open_page(ScalingPlot(few, axis="compute", excluded=[5, 8]).to_html())
    page.get_by_label("weights", exact=True).check(force=True)
    agrees(page, ScalingPlot(few))
    expect(page.locator(".nlpx-status")).to_contain_text(
        "All points are in the fit again: too few of the weights were left. From all 4 points"
    )


def test_sliders_by_keyboard_and_by_mouse(open_page, plot):
    page = open_page(plot.to_html())
    floor, target = page.get_by_label("Floor"), page.get_by_label("Ask the law at")
    most = float(floor.get_attribute("max"))
    assert most < min(run["loss"] for run in RUNS) < most + 0.02
    for control, place, key, text in [
        (floor, 0, "ArrowRight", "0.01 nats"), (floor, 0, "ArrowUp", "0.02 nats"),
        (floor, 0, "End", f"{most:.2f} nats"), (floor, 0, "ArrowLeft", f"{most - 0.01:.2f} nats"),
        (target, 1, "ArrowRight", "×1.12"), (target, 1, "End", "×1,000"),
        (target, 1, "ArrowLeft", "×891"), (target, 1, "Home", "×1"),
        (floor, 0, "Home", "0.00 nats"),
    ]:  # fmt: skip
        control.focus()
        page.keyboard.press(key)
        assert page.locator(".nlpx-sp-slider output").nth(place).inner_text() == text
        expect(control).to_be_focused()
    agrees(page, plot)
    for control, place in ((floor, 0.5), (target, 1)):
        bar = control.bounding_box()
        page.mouse.click(bar["x"] + place * (bar["width"] - 1), bar["y"] + bar["height"] / 2)
    chosen = float(floor.input_value())
    assert 0.5 < chosen < 0.9
    agrees(page, ScalingPlot(RUNS, floor=chosen, target=1000))
    words = f"×1,000, 989 million weights: loss {page.locator('.nlpx-sp-predicted').inner_text()}"
    assert target.get_attribute("aria-valuetext") == words
    assert floor.get_attribute("aria-valuetext") == f"{chosen:.2f} nats per character"


def test_every_floor_of_the_slider_has_a_fit(open_page, plot):
    page = open_page(plot.to_html())
    floor = page.get_by_label("Floor")
    most = round(100 * float(floor.get_attribute("max")))
    for axis in ("weights", "compute"):
        page.get_by_label(axis, exact=True).check(force=True)
        for k in [*range(0, most, 20), most - 1, most]:
            floor.fill(f"{k / 100:.2f}")
            agrees(page, ScalingPlot(RUNS, axis=axis, floor=k / 100))
    assert "NaN" not in part(page, NAME).evaluate("node => node.outerHTML")


def test_a_moving_slider_does_not_make_the_live_region_talk(open_page, plot):
    page = open_page(plot.to_html())
    page.evaluate("""() => { window.said = []; new MutationObserver(() => said.push(
      document.querySelector(".nlpx-status").textContent)).observe(
      document.querySelector(".nlpx-status"), { childList: true, characterData: true,
      subtree: true }); }""")
    page.get_by_label("Ask the law at").focus()
    for _ in range(20):
        page.keyboard.press("ArrowRight")
    expect(page.locator(".nlpx-status")).to_contain_text("over 1.0 powers of ten, to 9.89 million")
    assert len(page.evaluate("said")) <= 3


def test_a_row_that_is_looked_at_marks_its_point(open_page, plot):
    page = open_page(plot.to_html())
    looked = page.locator(".nlpx-sp-point.nlpx-sp-looked")
    assert looked.count() == 0
    page.locator('.nlpx-sp-points tr[data-run="11"]').hover()
    assert looked.get_attribute("data-run") == "11"
    page.mouse.move(0, 0)
    assert looked.count() == 0
    box(page, 14).focus()
    page.keyboard.press("Space")
    assert looked.get_attribute("data-run") == "14"  # though the chart is drawn anew
    page.set_viewport_size({"width": 700, "height": 900})
    expect(looked).to_have_count(1)


def test_a_run_that_is_pointed_at_is_read_out(open_page):
    page = open_page(ScalingPlot(RUNS, axis="compute", excluded=[FRONTIER[0]]).to_html())
    reading = page.locator(".nlpx-sp-reading")
    expect(reading).to_contain_text("Point at a run to read it.")
    page.locator('.nlpx-sp-other[data-run="18"]').hover()
    assert reading.inner_text() == (
        f"988,800 weights, 1.64 million characters: loss {RUNS[18]['loss']:.3f}. Not on the "
        "frontier."
    )
    page.locator(f'.nlpx-sp-point[data-run="{FRONTIER[0]}"] .nlpx-sp-dot').hover()
    assert reading.inner_text().endswith(" %. Taken out of the fit.")
    box(page, 20).focus()
    expect(reading).to_contain_text("988,800 weights, 6.55 million characters: loss 1.4")
    expect(reading).to_contain_text(rows_of(page)[-1]["texts"][2])


def test_losses_that_rise_small_tables_and_equal_losses(open_page):
    rising = [{"weights": 10**k, "characters": 10 ** (9 - k), "loss": 1.0} for k in (3, 4, 5)]
    assert len(points_of(rising, "compute")) == 3  # equal losses are all on the frontier
    with pytest.raises(ValueError, match="3 different runs on the frontier"):
        ScalingPlot(rising)
    flat = [{"weights": 10**k, "characters": 1000, "loss": 1.0} for k in (3, 4, 5)]
    for runs in (flat, GOOD):
        plot = ScalingPlot(runs, target=1000)
        page = open_page(plot.to_html())
        for axis in ("compute", "weights"):
            page.get_by_label(axis, exact=True).check(force=True)
            html = part(page, NAME).evaluate("node => node.outerHTML")
            assert "NaN" not in html and "Infinity" not in html and "undefined" not in html
        if runs is flat:
            assert measure_texts(page)[0] == "0.000"
            assert all(row["locked"] for row in rows_of(page))
    last = made_up()
    last[20]["loss"] = 9.0  # the longest run of the largest size has failed
    plot = ScalingPlot(last, floor=0.5, target=10)
    assert plot.fit().exponent < 0
    agrees(open_page(plot.to_html()), plot)


def test_the_name_and_the_words_of_the_kernel_cannot_hold_markup():
    with pytest.raises(ValueError, match="name must be"):
        ScalingPlot(RUNS, name="</script>")
    with pytest.raises(ValueError, match="must have exactly"):
        ScalingPlot([{**RUNS[0], "<img src=x>": 1}, *RUNS[1:]])
    assert ScalingPlot(RUNS).to_html().count("</script") == 1


def test_two_on_a_page_and_with_the_kernel(open_page, plot):
    other = ScalingPlot(RUNS, name="other", axis="compute")
    page = open_page(plot.to_html(), other.to_html())
    part(page, "other").get_by_label("Floor").fill("0.70")
    box(part(page, "other"), FRONTIER[0]).uncheck()
    other.floor, other.excluded = 0.7, [FRONTIER[0]]
    agrees(part(page, "other"), other)
    agrees(part(page, NAME), plot)
    part(page, NAME).get_by_label("compute", exact=True).check(force=True)
    agrees(part(page, "other"), other)
    assert status(page, NAME).startswith("From all")
    ids = page.locator("[id]").evaluate_all("nodes => nodes.map(node => node.id)")
    assert len(ids) == len(set(ids))
    again = open_page(plot.to_html(), plot.to_html())  # the same output twice
    assert again.locator(".nlpx-live").count() == 2

    page = live(open_page, plot)
    set_page(page, "compute", [FRONTIER[2], FRONTIER[0]], 0.25, 100)
    values = page.evaluate(
        "['axis', 'excluded', 'floor', 'target'].map(k => testModel.values[k])"
    )  # fmt: skip
    assert values == ["compute", sorted([FRONTIER[0], FRONTIER[2]]), 0.25, 100]
    assert page.evaluate("testModel.saved") > 0
    plot.set_state(dict(zip(("axis", "excluded", "floor", "target"), values, strict=True)))
    agrees(page, plot)
    page.evaluate("""() => { testModel.set('floor', 0.5125); testModel.set('target', 7.7);
      testModel.set('axis', 'weights'); testModel.set('excluded', [8]); }""")
    outputs = page.locator(".nlpx-sp-slider output").all_inner_texts()
    assert outputs == ["0.5125 nats", "×7.7"]  # though no slider can stop there
    expect(page.locator(".nlpx-status")).to_contain_text("From 6 of 7 points")
    law = ScalingPlot(RUNS, floor=0.5125, target=7.7, excluded=[8])
    assert measure_texts(page)[0] == f"{law.fit().exponent:.3f}"
    assert page.locator(".nlpx-sp-predicted").inner_text() == f"{law.prediction()[1]:.3f}"
    page.evaluate("window.testStop()")
    assert page.evaluate("window.testHandlers()") == 0


def test_the_page_refuses_what_the_kernel_would_refuse(open_page):
    """Axis and excluded points go to the kernel in one message, in which they fit together."""
    few = [run for run in RUNS if run["weights"] in WEIGHTS[:4]]
    plot = ScalingPlot(few, axis="compute", excluded=[5, 8])
    page = live(open_page, plot)
    page.get_by_label("weights", exact=True).check(force=True)
    assert page.evaluate("[testModel.values.axis, testModel.values.excluded, testModel.saved]") == [
        "weights", [], 1,
    ]  # fmt: skip
    box(page, 2).uncheck()
    box(page, 5).click(force=True)  # three are left
    assert page.evaluate("testModel.values.excluded") == [2]


OUTSIDE = """() => { const right = document.querySelector(".nlpx-live .nlpx")
  .getBoundingClientRect().right;
  return [...document.querySelectorAll(".nlpx-live .nlpx *")].filter(node =>
    node.getBoundingClientRect().right > right).map(node => node.outerHTML); }"""


@pytest.mark.parametrize("width", [320, 360, 390])
def test_a_phone_needs_no_sideways_scrolling(open_page, plot, width):
    page = open_page(plot.to_html(), width=width)
    for setting in SETTINGS[::2] + SETTINGS[5:6]:
        if page.get_by_role("button", name="All points").get_attribute("aria-disabled") == "false":
            page.get_by_role("button", name="All points").click()
        set_page(page, *setting)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(OUTSIDE) == []
        for cell in page.locator(".nlpx-sp-points td:visible, .nlpx-sp-measures td").all():
            assert cell.evaluate("node => node.scrollWidth <= node.clientWidth + 1")
    sizes = page.locator(".nlpx-live .nlpx :not(sup)").evaluate_all(
        "nodes => nodes.filter(n => n.textContent.trim()).map(n => "
        "parseFloat(getComputedStyle(n).fontSize))"
    )
    assert min(sizes) >= 11.5
    assert page.locator(".nlpx-sp-slider input").last.bounding_box()["width"] >= 60
    rows = [row.bounding_box()["height"] for row in page.locator(".nlpx-sp-points tbody tr").all()]
    assert min(rows) >= 24  # a finger's least target
    lefts = {round(one.bounding_box()["x"]) for one in page.locator(".nlpx-sp-part").all()}
    assert len(lefts) == 1
    page.set_viewport_size({"width": 1000, "height": 900})
    lefts = {round(one.bounding_box()["x"]) for one in page.locator(".nlpx-sp-part").all()}
    assert len(lefts) == 2
    page.wait_for_function("document.querySelector('.nlpx-sp-chart').clientWidth > 450")


@pytest.mark.parametrize("width", [320, 360, 480, 600, 760, 1000])
def test_reading_a_run_moves_nothing(open_page, width):
    """What moves between the button's going down and up loses the click."""
    plot = ScalingPlot(RUNS, axis="compute", excluded=FRONTIER[-4:])
    page = open_page(plot.to_html(), width=width)
    tops = set()
    for k in FRONTIER:
        box(page, k).focus()
        tops.add(page.locator(".nlpx-sp-legend").evaluate("node => node.offsetTop"))
    assert page.locator(".nlpx-sp-reading").inner_text().endswith("Taken out of the fit.")
    page.evaluate("document.activeElement.blur()")
    tops.add(page.locator(".nlpx-sp-legend").evaluate("node => node.offsetTop"))
    assert len(tops) == 1


@pytest.mark.parametrize("width", [360, 900])
def test_a_later_explorable_does_not_change_its_look(open_page, plot, width):
    boxes = []
    for later in ([], [Quiz(name="quiz", questions=QUIZ).to_html()]):
        page = open_page(plot.to_html(), *later, width=width, reduced_motion="reduce")
        set_page(page, *SETTINGS[5])
        expect(page.locator(".nlpx-status").first).to_contain_text("over 3.3 powers")
        page.mouse.move(0, 0)
        page.evaluate("() => { document.activeElement.blur(); scrollTo(0, 0); }")
        boxes.append(
            page.locator(f'[data-explorable="{NAME}"] .nlpx-live *').evaluate_all(
                """nodes => nodes.map(n => { const b = n.getBoundingClientRect();
                  const s = getComputedStyle(n);
                  return [n.getAttribute("class"), b.x, b.y, b.width, b.height, s.color,
                    s.backgroundColor, s.borderTopColor, s.fill, s.stroke, s.fontWeight,
                    s.fontSize]; })"""
            )
        )
    assert len(boxes[0]) > 200
    assert boxes[0] == boxes[1]


def test_names_focus_and_live_region(open_page, plot):
    page = open_page(plot.to_html())
    assert problems_of_names(page) == []
    assert part(page, NAME).locator('[role=status][aria-live="polite"]').count() == 1
    stops = tab_stops(page)
    kinds = [name.split(".")[0] for name, _ in stops]
    assert kinds == ["INPUT", "INPUT", "BUTTON", *["INPUT"] * 7, "INPUT"]
    assert [stop for stop in stops if stop[1] < 2] == []
    for k, n in zip(LONGEST, WEIGHTS, strict=True):
        named = page.get_by_role("checkbox", name=f"{n:,} weights, in the fit", exact=True)
        assert named.get_attribute("data-run") == str(k)
    chart = page.get_by_role("img", name=re.compile("Loss against weights, both logarithmic: 7"))
    assert chart.count() == 1
    assert page.get_by_role("table", name="Points of the fit: each size’s longest run").count() == 1
    page.get_by_label("compute", exact=True).check(force=True)
    assert problems_of_names(page) == []
    first = RUNS[FRONTIER[0]]
    name = re.compile(rf"operations, {first['weights']:,} weights, 1.64 million characters, in the")
    assert page.get_by_role("checkbox", name=name).count() == 1
    assert page.get_by_role("table", name="Points of the fit: the frontier").count() == 1


# each mark's ratio to the ground it lies on, both read as painted
MARK_CONTRASTS = """() => {
  const context = document.createElement("canvas").getContext("2d");
  const light = (colour) => {
    context.fillStyle = colour;
    context.fillRect(0, 0, 1, 1);
    const [r, g, b] = [...context.getImageData(0, 0, 1, 1).data].map((v) => v / 255)
      .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const style = (selector) => getComputedStyle(document.querySelector(".nlpx-sp-chart "
    + selector));
  const grounds = [getComputedStyle(document.querySelector(".nlpx-live .nlpx")).backgroundColor,
    style(".nlpx-sp-beyond").fill];
  return [style(".nlpx-sp-point:not(.nlpx-sp-out) .nlpx-sp-dot").fill,
    style(".nlpx-sp-out .nlpx-sp-dot").stroke, style(".nlpx-sp-cross").stroke,
    style(".nlpx-sp-other").stroke, style(".nlpx-sp-inside").stroke,
    style(".nlpx-sp-outside").stroke, style(".nlpx-sp-goal").stroke].flatMap((colour) =>
    grounds.map((ground) => {
      const [low, high] = [light(colour), light(ground)].sort((a, b) => a - b);
      return (high + 0.05) / (low + 0.05);
    }));
}"""


@pytest.mark.parametrize("theme", THEMES)
def test_all_text_and_all_marks_are_readable_in_every_theme(open_page, plot, theme):
    page = open_page(plot.to_html(), reduced_motion="reduce", **theme_options(theme))
    for setting in (SETTINGS[0], SETTINGS[2], SETTINGS[5]):
        set_page(page, *setting)
        found = contrasts(page)
        assert len(found) > 60
        assert [entry for entry in found if entry[0] < 4.5] == []
    assert min(page.evaluate(MARK_CONTRASTS)) >= 3


def test_what_is_taken_out_or_extrapolated_is_not_told_by_colour_alone(open_page, plot):
    page = open_page(plot.to_html())
    set_page(page, "weights", [20], 0, 10)
    out = page.locator('.nlpx-sp-point[data-run="20"]')
    assert out.locator(".nlpx-sp-cross").count() == 1
    assert page.locator(".nlpx-sp-chart .nlpx-sp-cross").count() == 1
    dashes = page.locator(".nlpx-sp-chart .nlpx-sp-law").evaluate_all(
        "nodes => nodes.map(n => [n.classList.contains('nlpx-sp-outside'), "
        "getComputedStyle(n).strokeDasharray !== 'none'])"
    )
    assert dashes == [[False, False], [True, True]]
    assert page.locator(".nlpx-sp-chart text", has_text="extrapolated").count() == 1
    legend = page.locator(".nlpx-sp-legend li").all_inner_texts()
    assert legend == [
        "the longest run of each size", "taken out of the fit",
        "the law, over the fitted points", "the law beyond them",
    ]  # fmt: skip
