"""The Python side: bundles, escaping, limits, validation, and what script-less readers get."""

import json
import re
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from traitlets import TraitError

from nlp_helpers.explorables import base
from nlp_helpers.explorables.base import (
    check_module,
    contrast,
    readable,
    role_css,
    rounded,
    script_json,
)
from nlp_helpers.explorables.gradient_lag import GradientLag, gradient_norms
from nlp_helpers.explorables.hello_stepper import HelloStepper, forward
from nlp_helpers.explorables.quiz import Question, Quiz, inline_html
from nlp_helpers.plotting import COLORS

HOSTILE = "</script><!--<script>&amp;\"'\u2028\u2029\\`"


def visible_text(html):
    """The text of a fragment without its style and script."""
    html = re.sub(r"<(style|script)\b.*?</\1>", "", html, flags=re.DOTALL)
    parts = []
    parser = HTMLParser()
    parser.handle_data = parts.append
    parser.feed(html)
    return " ".join("".join(f"{part} " for part in parts).split())


@pytest.fixture(params=["hello", "gradient", "quiz"])
def explorable(request):
    return request.getfixturevalue(request.param)


# ---- the bundle ----


def test_the_bundle_has_a_live_view_a_page_and_a_plain_name(explorable):
    data, metadata = explorable._repr_mimebundle_()
    assert set(data) == {"application/vnd.jupyter.widget-view+json", "text/html", "text/plain"}
    assert data["application/vnd.jupyter.widget-view+json"]["model_id"] == explorable.model_id
    assert data["text/plain"] == repr(explorable)
    assert metadata == {}


def test_the_plain_name_is_the_class_and_the_given_name(hello, gradient, quiz):
    assert [repr(e) for e in (hello, gradient, quiz)] == [
        "HelloStepper('hello-stepper')",
        "GradientLag('gradient-lag')",
        "Quiz('quiz-rnn')",
    ]


def test_the_page_is_the_same_every_time(explorable, snapshots, recurrence):
    W, inputs = recurrence
    again = {
        HelloStepper: lambda: HelloStepper(snapshots=snapshots),
        GradientLag: lambda: GradientLag(W=W, inputs=inputs),
        Quiz: lambda: Quiz(
            explorable.name, [Question(**question) for question in explorable.questions]
        ),
    }[next(c for c in (HelloStepper, GradientLag, Quiz) if isinstance(explorable, c))]()
    assert again.model_id != explorable.model_id
    assert again.to_html() == explorable.to_html()
    assert explorable.model_id not in explorable.to_html()
    assert not re.search(r"0x[0-9a-f]{6,}", explorable.to_html())


def test_the_page_is_the_same_in_another_process(root):
    code = (
        "import numpy as np\nfrom nlp_helpers.explorables.gradient_lag import GradientLag\n"
        "print(GradientLag(W=np.eye(3), inputs=np.ones((4, 3)) / 3).to_html())"
    )
    here = GradientLag(W=np.eye(3), inputs=np.ones((4, 3)) / 3).to_html()
    there = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
        cwd=root,
        env={"PYTHONHASHSEED": "7", "PATH": "", "PYTHONIOENCODING": "utf-8", "HOME": "/tmp"},
    ).stdout
    assert there.strip() == here.strip()


def test_the_page_needs_nothing_from_outside(explorable):
    html = explorable.to_html()
    assert "://" not in html
    assert not re.search(r"\b(import|fetch|XMLHttpRequest|require)\b\s*[({'\"]", html)
    assert not re.search(r"@import|\burl\(|\bsrc=|\bhref=", html)


def test_page_and_live_widget_run_the_same_module(explorable):
    module = str(explorable._esm)
    assert module.count("export ") == 1
    assert module.rstrip().endswith("export default { render };")
    before_export = module[: module.index("export default")]
    assert before_export in explorable.to_html()
    assert "export " not in explorable.to_html()
    assert f'"{explorable.title}"' in module  # live and script-less readers see one title


def test_the_page_state_is_the_traits_and_nothing_of_the_widget(hello, gradient, quiz):
    assert set(gradient.page_state()) == {"name", "W", "inputs", "rho", "activation", "lag"}
    assert set(quiz.page_state()) == {"name", "questions", "answers"}
    assert set(hello.page_state()) == {
        "name", "vocabulary", "word", "snapshots", "text", "snapshot", "step", "unit",
    }  # fmt: skip


def test_floats_are_rounded_alike_in_page_and_widget(recurrence):
    W, inputs = recurrence
    explorable = GradientLag(W=W, inputs=inputs)
    shown = explorable.page_state()["W"][0][0]
    assert shown == explorable.W[0][0] == float(f"{W[0, 0]:.6g}")
    assert shown != W[0, 0]
    assert rounded(-0.0) == 0
    assert not np.signbit(rounded(-0.0))
    assert rounded({"a": [np.float32(0.1), np.int64(2), True, None]}) == {"a": [0.1, 2, True, None]}


# ---- escaping ----

any_text = st.text(st.characters(codec=None)) | st.text("</>!-&'\"\\scriptSCRIPT\u2028\u2029")
any_state = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | any_text,
    lambda inner: st.lists(inner) | st.dictionaries(any_text, inner),
)  # fmt: skip


@given(any_state)
def test_escaped_state_is_safe_in_a_script_and_reads_back_the_same(state):
    text = script_json(state)
    assert not set(text) & set("<>&'\u2028\u2029")
    text.encode("utf-8")
    assert json.loads(text) == state


def test_the_escaper_refuses_what_json_has_no_number_for():
    for value in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="not JSON compliant"):
            script_json([value])
    with pytest.raises(TypeError):
        script_json({1, 2})


def test_hostile_text_cannot_end_the_script_or_enter_the_markup():
    html = Quiz(
        "q", [Question(HOSTILE + "`", [HOSTILE + "`", "b"], 0, ["x", HOSTILE + "`"])]
    ).to_html()
    assert html.count("</script>") == 1
    assert html.lower().count("<script") == 1
    assert "<!--" not in html
    assert "&lt;/script&gt;&lt;!--&lt;script&gt;&amp;amp;" in html  # readable without scripts


@pytest.mark.parametrize(
    "text",
    [
        "const a = 1;",
        "export default { render };\nconst late = 1;",
        "export const a = 1;\nexport default { render };",
        "const a = '</SCRIPT>';\nexport default { render };",
        "// <!-- \nexport default { render };",
        "import x from 'https://a.b/c';\nexport default { render };",
    ],
)
def test_modules_that_cannot_be_placed_in_a_page_are_refused(text):
    with pytest.raises(ValueError, match=r"some\.js"):
        check_module(text, "some.js")


# ---- names and size ----


@pytest.mark.parametrize(
    "name", ["", " ", "Hello", "a b", "-a", "a-", "a--b", "1a", "a_b", 'a"b', "ä", "a" * 65, "a\n"]
)
def test_bad_names_are_refused(name):
    with pytest.raises(ValueError, match="name"):
        Quiz(name, [Question("a", ["b", "c"], 0, ["d", "e"])])


@pytest.mark.parametrize("name", [None, 3, b"quiz"])
def test_names_that_are_no_strings_are_refused(name):
    with pytest.raises(TypeError, match="name"):
        Quiz(name, [Question("a", ["b", "c"], 0, ["d", "e"])])


def test_a_name_cannot_change_later(quiz):
    with pytest.raises(TraitError):
        quiz.name = "other"


def test_state_over_200_kb_is_refused_with_its_size():
    random = np.random.default_rng(0)
    W = random.normal(size=(180, 180))
    W /= np.abs(np.linalg.eigvals(W)).max()
    with pytest.raises(ValueError, match=r"'gradient-lag' takes \d{3},\d{3} bytes.*200,000"):
        GradientLag(W=W, inputs=np.zeros((5, 180)))


def test_the_limit_is_on_bytes_and_exact():
    filler = base.MAX_STATE_BYTES - len('{"a":""}')
    assert len(base.check_size("n", {"a": "x" * filler})) == base.MAX_STATE_BYTES
    with pytest.raises(ValueError, match="200,001"):
        base.check_size("n", {"a": "x" * (filler + 1)})
    with pytest.raises(ValueError):
        base.check_size("n", {"a": "语" * (filler // 2)})


def test_growing_over_the_limit_later_is_refused_too(quiz, monkeypatch):
    monkeypatch.setattr(base, "MAX_STATE_BYTES", 100)
    with pytest.raises(ValueError, match="limit is 100"):
        quiz._repr_mimebundle_()


def test_book_sized_states_are_small(explorable):
    assert len(script_json(explorable.page_state())) < 20_000


# ---- colours ----


def test_contrast_agrees_with_known_pairs():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#ffffff", "#777777") == pytest.approx(4.478, abs=1e-3)


@pytest.mark.parametrize("role", sorted(COLORS))
def test_every_role_has_a_mark_and_readable_text_colours(role):
    css = role_css()
    assert f"--nlpx-{role}:{COLORS[role]};" in css
    text = re.findall(rf"--nlpx-{role}-text:(#[0-9a-f]{{6}});", css)
    assert len(text) == 3  # light, dark by system, dark by theme
    assert text[1] == text[2]
    for background in ("#ffffff", "#f3f5f7", "#e6eaee"):
        assert contrast(text[0], background) >= 4.5
    for background in ("#14181e", "#111111", "#20262f", "#333d4b"):
        assert contrast(text[1], background) >= 4.5


def test_readable_leaves_a_readable_colour_alone():
    assert readable("#1f2a35", "#ffffff") == "#1f2a35"


# ---- HelloStepper ----


def spoil(snapshots, **changes):
    return [snapshots[0] | changes, *snapshots[1:]]


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"U": np.zeros((3, 5))}, ValueError, r"snapshots\[0\]\['U'\].*\[3, 4\].*\[3, 5\]"),
        ({"W": np.zeros((3, 2))}, ValueError, r"\['W'\].*\[3, 3\].*\[3, 2\]"),
        ({"V": np.zeros((3, 3))}, ValueError, r"\['V'\].*\[4, 3\]"),
        ({"b": np.zeros((1, 3))}, ValueError, r"\['b'\].*\[1, 3\]"),
        ({"b": np.zeros(0)}, ValueError, r"\['b'\].*empty"),
        ({"c": [0, 0, 0, np.nan]}, ValueError, r"\['c'\].*finite.*nan"),
        ({"c": [0, 0, 0, "x"]}, TypeError, r"\['c'\].*real numbers"),
        ({"c": [0, 0, 0, 1j]}, TypeError, r"\['c'\].*complex"),
        ({"c": [True] * 4}, TypeError, r"\['c'\].*bool"),
        ({"W": [[1, 2, 3], [1], [2]]}, ValueError, r"\['W'\].*rectangular"),
        ({"updates": -1}, ValueError, "updates"),
        ({"updates": 1.5}, TypeError, "updates"),
        ({"updates": 20}, ValueError, r"increase.*snapshots\[1\] has 20"),
        ({"d": 1}, ValueError, "keys"),
    ],
)
def test_bad_snapshots_are_named(snapshots, changes, error, words):
    with pytest.raises(error, match=words):
        HelloStepper(snapshots=spoil(snapshots, **changes))


def test_snapshots_must_agree_on_the_number_of_units(snapshots):
    small = {
        "updates": 500, "U": np.zeros((2, 4)), "W": np.zeros((2, 2)), "V": np.zeros((4, 2)),
        "b": np.zeros(2), "c": np.zeros(4),
    }  # fmt: skip
    with pytest.raises(ValueError, match=r"snapshots\[3\]\['U'\].*\[3, 4\].*\[2, 4\]"):
        HelloStepper(snapshots=[*snapshots, small])


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"snapshots": []}, ValueError, "1 to 12, got 0"),
        ({"snapshots": {"updates": 0}}, TypeError, "list of mappings"),
        ({"snapshots": [3]}, TypeError, r"snapshots\[0\]"),
        ({"vocabulary": "hello"}, ValueError, "different letters"),
        ({"vocabulary": "h"}, ValueError, "2 to 8"),
        ({"vocabulary": "he l"}, ValueError, "visible"),
        ({"vocabulary": 4}, TypeError, "vocabulary"),
        ({"word": "help"}, ValueError, r"word.*'helo'.*\['p'\]"),
        ({"word": "h"}, ValueError, "word must have 2 to 10"),
        ({"text": "lo-hi"}, ValueError, r"text.*\['-', 'i'\]"),
        ({"text": "h" * 11}, ValueError, "text.*got 11"),
        ({"text": ""}, ValueError, "text"),
    ],
)
def test_bad_arguments_of_the_stepper_are_named(snapshots, arguments, error, words):
    with pytest.raises(error, match=words):
        HelloStepper(**({"snapshots": snapshots} | arguments))


@pytest.mark.parametrize(
    ("trait", "value"), [("text", "hex"), ("snapshot", 3), ("step", -1), ("unit", 3)]
)
def test_the_stepper_refuses_bad_changes(hello, trait, value):
    with pytest.raises(ValueError, match=trait):
        setattr(hello, trait, value)


def test_tensors_that_need_gradients_are_taken(snapshots):
    expected = snapshots[0]["U"].numpy()
    first = snapshots[0] | {"U": snapshots[0]["U"].clone().requires_grad_()}
    taken = HelloStepper(snapshots=[first]).snapshots[0]["U"]
    np.testing.assert_allclose(taken, expected, rtol=1e-5)


def test_the_forward_pass_agrees_with_torch(snapshots):
    cell = torch.nn.RNN(4, 3, batch_first=True).double()
    s = snapshots[2]
    with torch.no_grad():
        cell.weight_ih_l0.copy_(s["U"])
        cell.weight_hh_l0.copy_(s["W"])
        cell.bias_ih_l0.copy_(s["b"])
        cell.bias_hh_l0.zero_()
        inputs = torch.eye(4, dtype=torch.float64)[[0, 1, 2, 2, 3]]
        expected = cell(inputs.unsqueeze(0))[0][0]
        p = torch.softmax(expected @ s["V"].double().T + s["c"].double(), -1)
    states, probabilities = forward(s, "helo", "hello")
    np.testing.assert_allclose(states, expected, rtol=1e-12)
    np.testing.assert_allclose(probabilities, p, rtol=1e-12)


def test_without_scripts_the_stepper_is_a_table_of_every_number(hello):
    text = visible_text(hello.to_html())
    states, probabilities = forward(hello.snapshots[2], "helo", "hell")
    assert "Every step over “hell” after 200 training updates" in text
    for t in range(4):
        values = [f"{v:.2f}" for v in states[t]] + [f"{v:.3f}" for v in probabilities[t]]
        loss = -np.log(probabilities[t]["helo".index("ello"[t])])
        row = " ".join([str(t + 1), "hell"[t], *values, "ello"[t], f"{loss:.3f}"])
        assert row in text


def test_without_scripts_a_foreign_text_has_no_target(snapshots):
    text = visible_text(HelloStepper(snapshots=snapshots, text="ho").to_html())
    assert re.search(r"\b1 h (\S+ ){7}e \d", text)
    assert re.search(r"\b2 o (\S+ ){7}none none", text)


# ---- GradientLag ----


@pytest.mark.parametrize("activation", ["tanh", "linear"])
@pytest.mark.parametrize("rho", [0.6, 1.0, 1.3])
def test_gradient_norms_agree_with_autograd(recurrence, rho, activation):
    W, inputs = (torch.tensor(array) for array in recurrence)
    states = [torch.zeros(16, dtype=torch.float64, requires_grad=True)]
    for drive in inputs:
        total = rho * W @ states[-1] + drive
        states.append(torch.tanh(total) if activation == "tanh" else total)
    loss = states[-1].sum() / 4  # its gradient is 1/sqrt(16) everywhere
    expected = [g.norm().item() for g in torch.autograd.grad(loss, states)][::-1]
    np.testing.assert_allclose(gradient_norms(*recurrence, rho, activation), expected, rtol=1e-10)


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"W": None}, TypeError, "needs W"),
        ({"W": np.eye(3) * 1.01}, ValueError, r"spectral radius 1, got 1\.01"),
        ({"W": np.zeros((3, 3))}, ValueError, "spectral radius 1, got 0"),
        ({"W": np.ones((2, 3))}, ValueError, r"square, got \[2, 3\]"),
        ({"W": np.ones(3)}, ValueError, r"W must have shape \[any, any\], got \[3\]"),
        ({"W": [[np.inf, 0], [0, 1]]}, ValueError, "W must be finite"),
        (
            {"inputs": np.ones((5, 2))},
            ValueError,
            r"inputs must have shape \[any, 3\], got \[5, 2\]",
        ),
        ({"inputs": np.ones((1, 3))}, ValueError, "2 to 200 time steps, got 1"),
        ({"inputs": np.ones((5, 3), dtype=object)}, TypeError, "inputs.*object"),
        ({"rho": 0.49}, ValueError, r"0\.5 and 1\.5, got 0\.49"),
        ({"rho": 1.51}, ValueError, "rho"),
        ({"rho": float("nan")}, ValueError, "rho"),
        ({"rho": "1"}, TypeError, "rho must be a number, got str"),
        ({"rho": True}, TypeError, "rho"),
        ({"activation": "relu"}, ValueError, "activation.*'relu'"),
    ],
)
def test_bad_arguments_of_the_gradient_are_named(changes, error, words):
    with pytest.raises(error, match=words):
        GradientLag(**({"W": np.eye(3), "inputs": np.ones((5, 3))} | changes))


@pytest.mark.parametrize(("trait", "value"), [("rho", 2.0), ("activation", "relu"), ("lag", 31)])
def test_the_gradient_refuses_bad_changes(gradient, trait, value):
    with pytest.raises(ValueError, match=trait):
        setattr(gradient, trait, value)


def test_without_scripts_the_gradient_is_a_table_with_verdicts(gradient, recurrence):
    gradient.rho = 1.5  # the reader's own setting has a row too
    text = visible_text(gradient.to_html())
    for rho, activation, verb in [(0.6, "tanh", "vanishes"), (1.5, "linear", "explodes"),
                                  (1.1, "linear", "survives")]:  # fmt: skip
        norms = gradient_norms(*recurrence, rho, activation)
        numbers = " ".join(f"{norms[lag]:.1e}" for lag in (0, 5, 10, 20, 30))
        assert f"{activation}, ρ = {rho:.2f} {numbers} {verb}" in text


# ---- Quiz ----


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"prompt": ""}, ValueError, "prompt"),
        ({"prompt": None}, TypeError, "prompt"),
        ({"prompt": "an `open tick"}, ValueError, "prompt has a backtick"),
        ({"options": "ab"}, TypeError, "options must be a list"),
        ({"options": ["a"]}, ValueError, "options must number 2 to 6, got 1"),
        ({"options": list("abcdefg")}, ValueError, "got 7"),
        ({"options": ["a", "a"]}, ValueError, "differ"),
        ({"options": ["a", 2]}, TypeError, r"options\[1\]"),
        ({"explanations": ["a"]}, ValueError, r"one per option \(2\), got 1"),
        ({"explanations": ["a", " "]}, ValueError, r"explanations\[1\]"),
        ({"answer_index": 2}, ValueError, "answer_index must be between 0 and 1, got 2"),
        ({"answer_index": -1}, ValueError, "answer_index"),
        ({"answer_index": 1.0}, TypeError, "answer_index"),
        ({"answer_index": True}, TypeError, "answer_index"),
    ],
)
def test_bad_fields_of_a_question_are_named(changes, error, words):
    good = {"prompt": "p", "options": ["a", "b"], "answer_index": 0, "explanations": ["c", "d"]}
    with pytest.raises(error, match=words):
        Question(**(good | changes))


def test_bad_question_lists_are_named():
    question = Question("p", ["a", "b"], 0, ["c", "d"])
    for questions, error, words in [
        ([], ValueError, "1 to 20, got 0"),
        ([question] * 2, ValueError, "different prompts"),
        ([{"prompt": "p"}], TypeError, r"questions\[0\].*dict"),
        (question, TypeError, "list, got Question"),
    ]:
        with pytest.raises(error, match=words):
            Quiz("q", questions)


def test_the_quiz_refuses_bad_answers(quiz):
    quiz.answers = [2, None]
    for answers, words in [([3, None], r"answers\[0\]"), ([0], "number 2")]:
        with pytest.raises(ValueError, match=words):
            quiz.answers = answers


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("a `b*c*` *d e* f", "a <code>b*c*</code> <em>d e</em> f"),
        ("2 * 3 * 4 < 5", "2 * 3 * 4 &lt; 5"),
        ('`<b>` & "x"', "<code>&lt;b&gt;</code> &amp; &quot;x&quot;"),
        ("*a* *b*", "<em>a</em> <em>b</em>"),
    ],
)
def test_code_and_emphasis_become_markup_and_nothing_else_does(text, html):
    assert inline_html(text) == html


def test_without_scripts_the_page_says_how_to_get_the_figure(explorable):
    assert "once its cell has run" in visible_text(explorable.to_html())


def test_without_scripts_the_answers_open_on_demand(quiz):
    html = quiz.to_html()
    assert html.count("<details><summary>Answer</summary>") == 2
    text = visible_text(html)
    assert "B. The states before them differ" in text
    assert "Wrong: Both read l ." in text
    assert "Right: Yes:" in text
