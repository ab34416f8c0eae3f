"""Explorables in a real browser: every control by mouse and keyboard, numbers against torch."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
import torch
from playwright.sync_api import Page, expect

from nlp_helpers.explorables.gradient_lag import GradientLag
from nlp_helpers.explorables.hello_stepper import HelloStepper
from nlp_helpers.explorables.quiz import Question, Quiz

VOCABULARY = "helo"
DARK = {"html": "data-theme=dark", "head": "<style>body{background:#14181e}</style>"}


def part(page: Page, name: str):
    return page.locator(f'[data-explorable="{name}"] .nlpx-live')


def status(page: Page, name: str) -> str:
    return part(page, name).locator(".nlpx-status").inner_text()


def values(locator) -> list[float]:
    """The exact numbers that a part of the page shows."""
    return [float(value) for value in locator.locator("[data-value]").evaluate_all(
        "nodes => nodes.map(node => node.dataset.value)")]  # fmt: skip


def state_of(page: Page, t: int) -> list[float]:
    cells = page.locator(f'.nlpx-cell[data-t="{t}"]')
    return [float(cell.get_attribute("data-value")) for cell in cells.all()]


def torch_forward(snapshot, letters):
    """States [time, hidden], logits and probabilities [time, vocab] by torch.nn.RNN, float64."""
    cell = torch.nn.RNN(4, 3, batch_first=True).double()
    with torch.no_grad():
        cell.weight_ih_l0.copy_(snapshot["U"])
        cell.weight_hh_l0.copy_(snapshot["W"])
        cell.bias_ih_l0.copy_(snapshot["b"])
        cell.bias_hh_l0.zero_()
        ids = [VOCABULARY.index(letter) for letter in letters]
        states = cell(torch.eye(4, dtype=torch.float64)[ids].unsqueeze(0))[0][0]
        logits = states @ snapshot["V"].double().T + snapshot["c"].double()
    return states.numpy(), logits, torch.softmax(logits, -1).numpy()


# ---- HelloStepper ----


@pytest.mark.parametrize("index", [0, 1, 2])
def test_every_number_of_the_network_agrees_with_torch(open_page, hello, snapshots, index):
    page = open_page(hello.to_html())
    page.get_by_label(str(snapshots[index]["updates"]), exact=True).check()
    states, logits, probabilities = torch_forward(snapshots[index], "hell")
    U, W, b = (snapshots[index][key].numpy() for key in "UWb")
    for t in range(1, 5):
        np.testing.assert_allclose(state_of(page, t), states[t - 1], rtol=1e-4, atol=1e-6)
        panels = page.locator(".nlpx-panel")
        table = np.reshape(values(panels.nth(0)), (3, 5))  # U x, W s, b, sum, s
        previous = states[t - 2] if t > 1 else np.zeros(3)
        letter = VOCABULARY.index("hell"[t - 1])
        total = U[:, letter] + W @ previous + b
        expected = np.stack([U[:, letter], W @ previous, b, total, states[t - 1]], axis=1)
        np.testing.assert_allclose(table, expected, rtol=1e-3, atol=1e-5)
        *outputs, loss = values(panels.nth(1))
        np.testing.assert_allclose(
            np.reshape(outputs, (4, 2)),
            np.stack([logits[t - 1].numpy(), probabilities[t - 1]], axis=1),
            rtol=1e-3,
            atol=1e-6,
        )
        target = torch.tensor(VOCABULARY.index("ello"[t - 1]))
        nats = torch.nn.functional.cross_entropy(logits[t - 1], target).item()
        assert loss == pytest.approx(nats, rel=1e-3)
        assert f"loss {nats:.3f} nats" in status(page, "hello-stepper")
        page.get_by_role("button", name="Next").click(force=True)  # disabled at the last step


def test_the_arithmetic_of_one_number_adds_up(open_page, hello):
    page = open_page(hello.to_html())
    page.get_by_role("button", name="Next").click()
    page.locator('.nlpx-cell[data-t="2"][data-unit="3"]').click()
    table = page.get_by_role("region", name="How unit 3 at t = 2 got its number")
    expect(table).to_be_visible()
    input_weight, input_product, *rest = values(table)
    terms = np.reshape(rest[:9], (3, 3))
    bias, total, result = rest[9:]
    assert input_weight == input_product
    np.testing.assert_allclose(terms[:, 0] * terms[:, 1], terms[:, 2], rtol=1e-6)
    assert total == pytest.approx(input_product + terms[:, 2].sum() + bias, rel=1e-6)
    assert result == pytest.approx(np.tanh(total), rel=1e-6)
    assert result == pytest.approx(state_of(page, 2)[2])


def test_hovering_a_cell_shows_its_arithmetic_and_leaving_takes_it_back(open_page, hello):
    page = open_page(hello.to_html())
    page.get_by_role("button", name="Next").click()
    terms = page.locator(".nlpx-panel").nth(2).locator("caption")
    expect(terms).to_have_text("How unit 1 at t = 2 got its number")
    page.locator('.nlpx-cell[data-t="1"][data-unit="2"]').hover()
    expect(terms).to_have_text("How unit 2 at t = 1 got its number")
    page.get_by_role("button", name="Next").hover()
    expect(terms).to_have_text("How unit 1 at t = 2 got its number")
    assert status(page, "hello-stepper").startswith("Step 2 of 4")


def test_a_resting_pointer_does_not_take_the_arithmetic_from_the_keyboard(open_page, hello):
    page = open_page(hello.to_html())
    terms = page.locator(".nlpx-panel").nth(2).locator("caption")
    page.get_by_role("button", name="Next").click()
    page.get_by_role("button", name="Next").click()
    page.locator('.nlpx-cell[data-t="2"][data-unit="2"]').click()
    for key, unit, t in [("ArrowRight", 2, 3), ("ArrowDown", 3, 3), ("ArrowLeft", 3, 2)]:
        page.keyboard.press(key)
        page.wait_for_timeout(150)  # browsers report the cell under a resting pointer a bit late
        expect(terms).to_have_text(f"How unit {unit} at t = {t} got its number")
    page.locator('.nlpx-cell[data-t="1"][data-unit="1"]').hover()  # a real move shows again
    expect(terms).to_have_text("How unit 1 at t = 1 got its number")


def test_the_two_ls_have_one_input_two_states_two_predictions(open_page, hello, snapshots):
    page = open_page(hello.to_html())
    panel = page.locator(".nlpx-panel").nth(3)
    expect(panel).to_have_text("Step on to t = 4: it reads l for the second time.")
    for _ in range(3):
        page.get_by_role("button", name="Next").click()
    states, _, probabilities = torch_forward(snapshots[2], "hell")
    rows = panel.locator("tbody tr")
    np.testing.assert_allclose(values(rows.nth(0)), states[2], rtol=1e-4)
    np.testing.assert_allclose(values(rows.nth(1)), states[3], rtol=1e-4)
    assert rows.nth(0).inner_text().endswith(f"l {probabilities[2, 2]:.3f}")
    assert rows.nth(1).inner_text().endswith(f"o {probabilities[3, 3]:.3f}")
    gap = np.linalg.norm(states[2] - states[3])
    assert f"the states lie {gap:.2f} apart, and so the predictions differ." in panel.inner_text()


def test_stepping_by_mouse(open_page, hello):
    page = open_page(hello.to_html())
    said = []
    for button in ("Next", "Next", "Prev", "Prev", "Prev"):
        page.get_by_role("button", name=button).click(force=True)
        said.append(status(page, "hello-stepper")[:20])
    assert said == [
        f"Step {t} of 4: input {x}" for t, x in [(2, "e"), (3, "l"), (2, "e"), (1, "h"), (1, "h")]
    ]
    time = page.get_by_label("Time step t")
    box = time.bounding_box()
    page.mouse.click(box["x"] + box["width"] - 3, box["y"] + box["height"] / 2)
    assert status(page, "hello-stepper").startswith("Step 4 of 4")
    expect(page.locator(".nlpx-time output")).to_have_text("4 of 4")


def test_stepping_by_keyboard(open_page, hello):
    page = open_page(hello.to_html())
    page.get_by_role("button", name="Next").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Space")
    assert status(page, "hello-stepper").startswith("Step 3 of 4")
    expect(page.get_by_role("button", name="Next")).to_be_focused()
    page.get_by_label("Time step t").focus()
    page.keyboard.press("ArrowLeft")
    assert status(page, "hello-stepper").startswith("Step 2 of 4")
    page.keyboard.press("End")
    assert status(page, "hello-stepper").startswith("Step 4 of 4")
    page.get_by_role("button", name="Next").press("Enter")
    assert status(page, "hello-stepper").startswith("Step 4 of 4")


def test_arrow_keys_move_through_the_network_and_keep_the_focus(open_page, hello):
    page = open_page(hello.to_html())
    page.locator(".nlpx-cell").first.focus()
    for key, t, unit in [("ArrowRight", 2, 1), ("ArrowDown", 2, 2), ("ArrowRight", 3, 2),
                         ("ArrowUp", 3, 1), ("ArrowUp", 3, 1), ("ArrowLeft", 2, 1)]:  # fmt: skip
        page.keyboard.press(key)
        cell = page.locator(f'.nlpx-cell[data-t="{t}"][data-unit="{unit}"]')
        expect(cell).to_be_focused()
        expect(cell).to_have_attribute("aria-pressed", "true")
        assert status(page, "hello-stepper").startswith(f"Step {t} of 4")
        expect(page.locator(".nlpx-panel").nth(2)).to_contain_text(f"How unit {unit} at t = {t}")
    assert page.locator('.nlpx-cell[tabindex="0"]').count() == 1


def test_only_the_steps_so_far_are_shown(open_page, hello):
    page = open_page(hello.to_html())
    assert [state_of(page, t) != [] for t in (1, 2, 3, 4)] == [True, False, False, False]
    assert page.locator(".nlpx-ghost").count() == 3
    page.get_by_role("button", name="Next").click()
    assert [state_of(page, t) != [] for t in (1, 2, 3, 4)] == [True, True, False, False]


def test_other_letters_by_keyboard_and_by_mouse(open_page, hello, snapshots):
    page = open_page(hello.to_html())
    box = page.get_by_label("Input letters")
    box.fill("")
    assert status(page, "hello-stepper") == "No input yet: type a letter or pick one."
    box.press_sequentially("lOz")
    expect(box).to_have_value("lo")
    expect(page.get_by_text("z is not in the vocabulary h, e, l, o.")).to_be_visible()
    page.get_by_role("button", name="Add the letter e").click()
    expect(box).to_have_value("loe")
    page.get_by_role("button", name="Add the letter h").press("Enter")
    expect(box).to_have_value("loeh")
    page.get_by_role("button", name="Remove the last letter").click()
    expect(box).to_have_value("loe")
    page.get_by_label("Time step t").press("End")
    states, _, _ = torch_forward(snapshots[2], "loe")
    np.testing.assert_allclose(state_of(page, 3), states[2], rtol=1e-4)
    assert status(page, "hello-stepper").endswith(
        "There is no target: hello does not go on like this."
    )
    assert "Without a target there is no loss" in page.locator(".nlpx-panel").nth(1).inner_text()
    page.get_by_role("button", name="Start again").click()
    expect(box).to_have_value("hell")
    assert status(page, "hello-stepper").startswith("Step 1 of 4: input h")


def test_a_text_that_leaves_the_word_has_targets_up_to_there(open_page, snapshots):
    page = open_page(HelloStepper(snapshots=snapshots, text="heo").to_html())
    said = []
    for _ in range(3):
        said.append(re.findall("The target is .|There is no target", status(page, "hello-stepper")))
        page.get_by_role("button", name="Next").click(force=True)
    assert said == [["The target is e"], ["The target is l"], ["There is no target"]]


def test_the_whole_word_has_no_last_target_and_ten_letters_are_the_most(open_page, hello):
    page = open_page(hello.to_html())
    box = page.get_by_label("Input letters")
    box.fill("hello")
    page.get_by_label("Time step t").press("End")
    assert status(page, "hello-stepper").endswith("There is no target: hello ends here.")
    box.fill("h" * 10)
    page.get_by_role("button", name="Add the letter h").click()
    expect(box).to_have_value("h" * 10)
    page.get_by_label("Time step t").press("End")
    assert status(page, "hello-stepper").startswith("Step 10 of 10")


def test_training_updates_by_keyboard(open_page, hello, snapshots):
    page = open_page(hello.to_html())
    page.get_by_label("200", exact=True).focus()
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_label("20", exact=True)).to_be_checked()
    states, _, _ = torch_forward(snapshots[1], "h")
    np.testing.assert_allclose(state_of(page, 1), states[0], rtol=1e-4)


# ---- GradientLag ----


def autograd_norms(recurrence, rho, activation):
    W, inputs = (torch.tensor(array) for array in recurrence)
    states = [torch.zeros(16, dtype=torch.float64, requires_grad=True)]
    for drive in inputs:
        total = rho * W @ states[-1] + drive
        states.append(torch.tanh(total) if activation == "tanh" else total)
    gradients = torch.autograd.grad(states[-1], states, torch.full_like(states[0], 0.25))
    return [g.norm().item() for g in gradients][::-1]


@pytest.mark.parametrize("activation", ["tanh", "linear"])
@pytest.mark.parametrize("rho", [0.6, 1.0, 1.3])
def test_the_page_gradients_agree_with_autograd(open_page, recurrence, gradient, rho, activation):
    page = open_page(gradient.to_html())
    page.get_by_label("Spectral radius").fill(str(rho))
    page.get_by_label(activation).check()
    reading = page.get_by_label("Read at lag")
    reading.press("Home")
    found = []
    for _ in range(31):
        found.append(float(page.locator(".nlpx-length").get_attribute("data-value")))
        page.keyboard.press("ArrowRight")
    expected = autograd_norms(recurrence, rho, activation)
    np.testing.assert_allclose(found, expected, rtol=1e-3)
    left = expected[20]
    verb = "vanishes" if left < 1e-2 else "explodes" if left > 1e2 else "survives"
    assert status(page, "gradient-lag").startswith("After 20 steps")
    assert f"{left:.1e}" in status(page, "gradient-lag")
    assert status(page, "gradient-lag").endswith(f"it {verb}.")


@pytest.fixture
def rotation() -> GradientLag:
    """An orthogonal matrix: without tanh, exactly rho^lag of the gradient is left."""
    turn = np.array([[0.6, -0.8], [0.8, 0.6]])
    return GradientLag("rotation", W=turn, inputs=np.full((25, 2), 0.1), activation="linear")


@pytest.mark.parametrize(
    ("rho", "words"),
    [
        ("0.7", "After 20 steps 8.0e-04 of the gradient is left: it vanishes."),
        ("0.79", "After 20 steps 9.0e-03 of the gradient is left: it vanishes."),
        ("0.8", "After 20 steps 1.2e-02 of the gradient is left: it survives."),
        ("1", "After 20 steps 1.0e+00 of the gradient is left: it survives."),
        ("1.25", "After 20 steps 8.7e+01 of the gradient is left: it survives."),
        ("1.26", "After 20 steps the gradient is 1.0e+02 times as long: it explodes."),
        ("1.5", "After 20 steps the gradient is 3.3e+03 times as long: it explodes."),
    ],
)
def test_the_verdict_in_words(open_page, rotation, rho, words):
    page = open_page(rotation.to_html())
    page.get_by_label("Spectral radius").fill(rho)
    assert status(page, "rotation") == words


def test_the_verdict_of_a_short_sequence_says_how_short_it_is(open_page):
    short = GradientLag(W=np.eye(2), inputs=np.zeros((7, 2)), rho=0.5, activation="linear")
    page = open_page(short.to_html())
    assert (
        status(page, "gradient-lag")
        == "After 7 steps 7.8e-03 of the gradient is left: it vanishes."
    )


def test_rho_and_activation_by_keyboard_and_mouse(open_page, rotation):
    page = open_page(rotation.to_html())
    rho = page.get_by_label("Spectral radius")
    rho.focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".nlpx-controls output")).to_have_text("0.91")
    expect(page.locator(".nlpx-legend")).to_contain_text("ρ = 0.91, linear")
    page.keyboard.press("End")
    expect(page.locator(".nlpx-controls output")).to_have_text("1.50")
    page.get_by_label("linear").focus()
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".nlpx-legend")).to_contain_text("ρ = 1.50, tanh")
    page.locator(".nlpx-choice label", has_text="linear").click()
    box = rho.bounding_box()
    page.mouse.click(box["x"] + 3, box["y"] + box["height"] / 2)
    expect(page.locator(".nlpx-legend")).to_contain_text("ρ = 0.50, linear")


def test_the_curve_is_read_by_mouse_and_by_arrow_keys(open_page, rotation):
    page = open_page(rotation.to_html())
    readout = page.locator(".nlpx-readout")
    chart = page.locator(".nlpx-chart")
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    scale = (box["width"] - 50 - 22) / 25  # the chart's margins, 25 lags
    page.mouse.move(box["x"] + 50 + 10 * scale, box["y"] + 100)
    expect(readout).to_have_text(
        "Lag 10, back to state 15: length 3.5e-01; ρ to the power 10 is 3.5e-01."
    )
    page.get_by_label("Read at lag").focus()
    page.keyboard.press("ArrowRight")
    expect(readout).to_contain_text("Lag 11, back to state 14: length 3.1e-01")
    page.keyboard.press("End")
    expect(readout).to_contain_text("Lag 25, back to state 0")


def test_pinned_curves_stay_to_compare(open_page, rotation):
    page = open_page(rotation.to_html())
    pin = page.get_by_role("button", name="Pin this curve")
    pin.click()
    assert status(page, "rotation") == "Pinned ρ = 0.90, linear as curve 1."
    before = page.locator(".nlpx-pinned[d]").first.get_attribute("d")
    page.get_by_label("Spectral radius").fill("1.3")
    legend = page.locator(".nlpx-legend")
    expect(legend).to_contain_text("1: ρ = 0.90, linear: 1.2e-01 after 20 steps, survives")
    assert page.locator(".nlpx-chart .nlpx-pinned").get_attribute("d") == before
    assert page.locator(".nlpx-curve[d]").last.get_attribute("d") != before
    for rho in ("1.2", "1.1", "1"):
        page.get_by_label("Spectral radius").fill(rho)
        pin.press("Enter")
    expect(legend).not_to_contain_text("0.90")  # three at most: the oldest goes
    assert page.locator(".nlpx-chart .nlpx-pinned").count() == 3
    page.get_by_role("button", name="Remove pins").press("Space")
    assert page.locator(".nlpx-chart .nlpx-pinned").count() == 0
    assert status(page, "rotation") == "All pinned curves are gone."


def test_the_axis_is_logarithmic_and_says_where_a_curve_leaves(open_page, recurrence):
    W, _ = recurrence
    long = GradientLag(W=W, inputs=np.zeros((100, 16)), rho=0.5)
    page = open_page(long.to_html())
    chart = page.locator(".nlpx-chart")
    assert {"10⁰", "10⁻³", "10⁻¹²", "10⁶"} <= set(chart.locator("text").all_text_contents())
    assert page.locator(".nlpx-curve-tip").count() == 1
    assert "NaN" not in chart.evaluate("node => node.outerHTML")
    page.get_by_label("Spectral radius").fill("1")
    assert page.locator(".nlpx-curve-tip").count() == 0
    ticks = {
        text.text_content(): float(text.get_attribute("y")) for text in chart.locator("text").all()
    }
    assert ticks["10⁰"] - ticks["10³"] == pytest.approx(ticks["10⁻³"] - ticks["10⁰"])


def test_a_gradient_of_exactly_zero_is_drawn(open_page):
    nilpotent = np.array([[1.0, 0.0], [0.0, -1.0]])
    page = open_page(
        GradientLag(W=nilpotent, inputs=np.full((10, 2), 1e6), rho=1).to_html()
    )  # tanh is flat: nothing comes through
    assert status(page, "gradient-lag") == (
        "After 10 steps 0.0e+00 of the gradient is left: it vanishes."
    )
    assert "NaN" not in page.locator(".nlpx-chart").evaluate("node => node.outerHTML")


# ---- Quiz ----


def test_the_quiz_by_mouse(open_page, quiz):
    page = open_page(quiz.to_html())
    assert status(page, "quiz-rnn") == "No answer yet, 2 questions."
    page.get_by_label("Their one-hot vectors differ").click()
    feedback = page.locator("fieldset").first.locator(".nlpx-feedback")
    expect(feedback).to_have_text("✗ Not this one. Both read l.")
    assert status(page, "quiz-rnn") == "0 of 2 right, 1 not answered yet."
    page.get_by_label("The states before them differ").click()
    expect(feedback).to_have_text("✓ Right. Yes: W s carries the past.")
    assert feedback.locator("code").inner_text() == "W s"
    assert feedback.locator("em").inner_text() == "past"
    page.get_by_label("yes").click()
    assert status(page, "quiz-rnn") == "2 of 2 right."
    page.get_by_role("button", name="Clear my answers").click()
    assert status(page, "quiz-rnn") == "No answer yet, 2 questions."
    assert page.locator("input:checked").count() == 0
    expect(feedback).to_be_empty()


def test_the_quiz_by_keyboard(open_page, quiz):
    page = open_page(quiz.to_html())
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    assert status(page, "quiz-rnn") == "0 of 2 right, 1 not answered yet."
    page.keyboard.press("ArrowDown")
    assert status(page, "quiz-rnn") == "1 of 2 right, 1 not answered yet."
    expect(page.get_by_label("The states before them differ")).to_be_checked()
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    assert status(page, "quiz-rnn") == "2 of 2 right."
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert status(page, "quiz-rnn") == "No answer yet, 2 questions."
    expect(page.get_by_label("Their one-hot vectors differ")).to_be_focused()


def test_right_and_wrong_are_not_told_by_colour_alone(open_page, quiz):
    page = open_page(quiz.to_html())
    page.get_by_label("Chance").check()
    page.get_by_label("yes").check()
    assert [mark for mark in page.locator(".nlpx-mark").all_inner_texts() if mark] == ["✗", "✓"]


def test_hostile_text_is_shown_as_it_is_written(open_page):
    hostile = (
        "</script><script>window.pwned = 1</script><!-- <img src=x onerror=pwned()> & \u2028 \" '"
    )
    question = Question(hostile, ["`<b>a</b>`", "*<i>b</i>*"], 0, [hostile + "1", hostile])
    page = open_page(Quiz("quiz", [question]).to_html())
    page.get_by_label("<b>a</b>").check()
    shown = part(page, "quiz")
    assert hostile.replace("\u2028", "") in shown.text_content().replace("\u2028", "")
    assert shown.locator("img, b, i, script").count() == 0
    assert page.evaluate("window.pwned") is None


# ---- all of them, in a page ----


@pytest.fixture
def all_three(hello, gradient, quiz) -> list[str]:
    return [explorable.to_html() for explorable in (hello, gradient, quiz)]


def test_several_on_one_page_do_not_disturb_each_other(open_page, snapshots, gradient, quiz):
    first = HelloStepper("first", snapshots=snapshots)
    second = HelloStepper("second", snapshots=snapshots, text="ole")
    page = open_page(*(e.to_html() for e in (first, gradient, second, quiz)))
    part(page, "second").get_by_role("button", name="Next").click()
    part(page, "second").get_by_label("20", exact=True).check()
    assert status(page, "first").startswith("Step 1 of 4: input h")
    assert status(page, "second").startswith("Step 2 of 3: input l")
    expect(part(page, "first").get_by_label("200", exact=True)).to_be_checked()
    names = page.evaluate("Object.keys(window).filter(k => /nlpx|mount|render|forward/.test(k))")
    assert names == []


def test_the_same_fragment_twice_gives_two_independent_figures(open_page, hello):
    page = open_page(hello.to_html(), hello.to_html())
    assert page.locator(".nlpx-live").count() == 2
    page.locator(".nlpx-live").nth(1).get_by_role("button", name="Next").click()
    said = page.locator(".nlpx-status").all_inner_texts()
    assert [words[:11] for words in said] == ["Step 1 of 4", "Step 2 of 4"]
    ids = page.locator("[id]").evaluate_all("nodes => nodes.map(node => node.id)")
    assert len(ids) == len(set(ids)) >= 12


def test_a_fragment_inserted_later_comes_to_life(open_page, hello):
    """As JupyterLab does: set innerHTML, then put a fresh copy in place of each script."""
    page = open_page()
    page.evaluate(
        """html => {
          const host = document.createElement("div");
          host.innerHTML = html;
          for (const old of host.querySelectorAll("script")) {
            const fresh = document.createElement("script");
            for (const { name, value } of old.attributes) fresh.setAttribute(name, value);
            fresh.textContent = old.textContent;
            old.replaceWith(fresh);
          }
          document.querySelector("main").append(host);
        }""",
        hello.to_html(),
    )
    page.get_by_role("button", name="Next").click()
    assert status(page, "hello-stepper").startswith("Step 2 of 4")


def test_with_scripts_the_fallback_is_hidden_and_without_it_is_shown(open_page, all_three):
    page = open_page(*all_three)
    assert page.locator(".nlpx-fallback").count() == 3
    assert page.locator(".nlpx-fallback:visible").count() == 0
    page = open_page(*all_three, scripts=False)
    assert page.locator(".nlpx-fallback:visible").count() == 3
    expect(page.get_by_text("Every step over “hell”")).to_be_visible()
    page.locator("summary").first.click()
    expect(page.get_by_text("B. The states before them differ")).to_be_visible()


@pytest.mark.parametrize("scripts", [True, False])
def test_a_phone_needs_no_sideways_scrolling(open_page, all_three, scripts):
    page = open_page(*all_three, width=390, scripts=scripts)
    if scripts:
        page.get_by_label("Input letters").fill("hellohello")
        page.get_by_label("Time step t").press("End")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    if scripts:
        network = page.locator(".nlpx-network").locator("..")
        assert network.evaluate("node => node.scrollWidth > node.clientWidth")
        last = page.locator('.nlpx-cell[data-t="10"]').first.bounding_box()
        assert last["x"] >= 0  # scrolled to the step
        assert last["x"] + last["width"] <= 390
        sizes = page.locator(".nlpx-live svg text").evaluate_all(
            "nodes => nodes.map(n => parseFloat(getComputedStyle(n).fontSize) * n.getScreenCTM().a)"
        )
        assert min(sizes) >= 11.5


def test_the_figures_follow_the_width(open_page, all_three):
    page = open_page(*all_three)
    wide = page.locator(".nlpx-chart").bounding_box()["width"]
    page.set_viewport_size({"width": 390, "height": 900})
    expect(page.locator(".nlpx-chart")).not_to_have_attribute("width", str(round(wide)))
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.get_by_role("button", name="Next").click()
    assert status(page, "hello-stepper").startswith("Step 2 of 4")


def test_everything_has_a_name_and_the_names_resolve(open_page, all_three):
    page = open_page(*all_three)
    nameless = (
        page.locator(".nlpx-live")
        .locator("button, input, [role=button], [role=img], [role=group], [role=region], fieldset")
        .evaluate_all(
            """nodes => nodes.filter(node => !(node.getAttribute("aria-label")
          || [...(node.labels || [])].some(label => label.textContent.trim())
          || (node.matches("button") && node.textContent.trim())
          || (node.matches("fieldset") && node.querySelector("legend").textContent.trim())))
          .map(node => node.outerHTML)"""
        )
    )
    assert nameless == []
    dangling = page.evaluate(
        """() => [...document.querySelectorAll("[for],[aria-describedby],[aria-labelledby]")]
          .flatMap(node => ["for", "aria-describedby", "aria-labelledby"]
            .map(name => node.getAttribute(name)).filter(Boolean))
          .filter(id => !document.getElementById(id))"""
    )
    assert dangling == []
    for name in ("hello-stepper", "gradient-lag", "quiz-rnn"):
        assert part(page, name).locator('[role=status][aria-live="polite"]').count() == 1


def test_every_stop_of_the_tab_key_shows_its_focus(open_page, all_three):
    page = open_page(*all_three)
    stops = []
    for _ in range(60):
        page.keyboard.press("Tab")
        stop = page.evaluate(
            """() => {
              const node = document.activeElement;
              if (!node.closest(".nlpx")) return null;
              let shown = node;
              if (node.matches(".nlpx-choice input")) shown = node.nextElementSibling;
              if (node.matches(".nlpx-cell")) shown = node.querySelector("rect");
              const style = getComputedStyle(shown);
              const ring = style.outlineStyle !== "none" ? parseFloat(style.outlineWidth) : 0;
              const stroke = node.matches(".nlpx-cell") ? parseFloat(style.strokeWidth) : 0;
              return [node.tagName + "." + (node.getAttribute("class") || node.type),
                      Math.max(ring, stroke)];
            }"""
        )
        if stop is None:
            break
        stops.append(stop)
    assert len(stops) > 20
    assert [stop for stop in stops if stop[1] < 2] == []
    assert any("nlpx-cell" in stop[0] for stop in stops)


CONTRASTS = """() => {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 1;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    context.clearRect(0, 0, 1, 1);
    context.fillStyle = colour;
    context.fillRect(0, 0, 1, 1);
    return [...context.getImageData(0, 0, 1, 1).data];
  };
  const light = (c) => [0, 1, 2].map((i) => c[i] / 255)
    .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ratio = (a, b) => {
    const [low, high] = [light(a), light(b)].sort((x, y) => x - y);
    return (high + 0.05) / (low + 0.05);
  };
  const found = [];
  const walker = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || !node.closest(".nlpx-live")) continue;
    if (node.closest("[hidden]")) continue;
    const svg = node instanceof SVGElement;
    const style = getComputedStyle(node);
    const ink = rgba(svg ? style.fill : style.color);
    let grounds = [];
    for (let up = node; up && !grounds.length; up = up.parentElement) {
      const colour = rgba(getComputedStyle(up).backgroundColor);
      if (colour[3] === 255) grounds = [colour];
    }
    if (svg) { // shapes drawn before the text that lie under its middle
      const box = node.getBoundingClientRect();
      const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
      const text = node.closest("text");
      const under = [...node.closest("svg").querySelectorAll("rect, circle")].filter((shape) => {
        const b = shape.getBoundingClientRect();
        return shape.compareDocumentPosition(text) & Node.DOCUMENT_POSITION_FOLLOWING
          && b.x <= x && x <= b.right && b.y <= y && y <= b.bottom
          && rgba(getComputedStyle(shape).fill)[3] === 255;
      });
      if (under.length) grounds = [rgba(getComputedStyle(under[under.length - 1]).fill)];
    }
    for (const ground of grounds) {
      found.push([ratio(ink, ground), node.textContent.trim().slice(0, 30),
        node.getAttribute("class")]);
    }
  }
  return found;
}"""


def pydata_css() -> str:
    """The colour variables of the book's theme, from the installed theme."""
    import pydata_sphinx_theme

    folder = pydata_sphinx_theme.__path__[0]
    path = f"{folder}/theme/pydata_sphinx_theme/static/styles/pydata-sphinx-theme.css"
    with open(path, encoding="utf-8") as file:
        return f"<style>{file.read()}</style>"


LAB_DARK = (
    "<style>:root{--jp-layout-color0:#111111;--jp-layout-color1:#212121;"
    "--jp-content-font-color0:rgba(255,255,255,1);--jp-border-color1:#616161}</style>"
)
THEMES = {
    "plain light": {},
    "plain dark": {"color_scheme": "dark"},
    "book light": {"html": "data-theme=light", "pydata": True, "color_scheme": "dark"},
    "book dark": {"html": "data-theme=dark", "pydata": True},
    "lab light": {"body": "data-jp-theme-light=true", "color_scheme": "dark"},
    "lab dark": {"body": "data-jp-theme-light=false", "head": LAB_DARK},
}


@pytest.mark.parametrize("theme", THEMES)
def test_all_text_is_readable_in_every_theme(open_page, all_three, theme):
    options = dict(THEMES[theme])
    if options.pop("pydata", False):
        options["head"] = pydata_css()
    page = open_page(*all_three, **options)
    for _ in range(3):
        page.get_by_role("button", name="Next").click()
    page.get_by_role("button", name="Pin this curve").click()
    page.get_by_label("Spectral radius").fill("1.4")
    page.get_by_label("Chance").check()
    page.get_by_label("yes").check()
    found = page.evaluate(CONTRASTS)
    assert len(found) > 150
    assert [entry for entry in found if entry[0] < 4.5] == []
    paper = page.locator(".nlpx-live .nlpx").first.evaluate(
        "node => getComputedStyle(node).backgroundColor"
    )
    assert (int(re.findall(r"\d+", paper)[0]) < 60) == ("dark" in theme)


def test_reduced_motion_is_respected(open_page, all_three):
    for preference, moves in [("reduce", False), ("no-preference", True)]:
        page = open_page(*all_three, reduced_motion=preference)
        durations = page.locator(".nlpx-live *").evaluate_all(
            "nodes => nodes.map(n => getComputedStyle(n)).filter(s => "
            "parseFloat(s.transitionDuration) > 0 || s.animationName !== 'none').length"
        )
        assert (durations > 0) == moves


# ---- live, as anywidget does it ----

LIVE = """async ({ esm, css, state }) => {
  const style = document.createElement("style");
  style.textContent = css;
  document.head.append(style);
  const url = URL.createObjectURL(new Blob([esm], { type: "text/javascript" }));
  const widget = (await import(url)).default;
  const handlers = {};
  const model = { values: { ...state }, saved: 0,
    get(key) { return this.values[key]; },
    set(key, value) {
      this.values[key] = value;
      (handlers["change:" + key] || []).forEach(h => h());
    },
    on(event, handler) { (handlers[event] ||= []).push(handler); },
    off(event, handler) { handlers[event] = handlers[event].filter(h => h !== handler); },
    save_changes() { this.saved += 1; } };
  const el = document.createElement("div");
  el.className = "nlpx-live";
  const host = document.createElement("div");
  host.dataset.explorable = state.name;
  host.append(el);
  document.querySelector("main").append(host);
  const stop = await widget.render({ model, el });
  Object.assign(window, { testModel: model, testStop: stop,
    testHandlers: () => Object.values(handlers).flat().length });
}"""


def live(open_page, explorable) -> Page:
    page = open_page()
    page.evaluate(
        LIVE,
        {
            "esm": str(explorable._esm),
            "css": str(explorable._css),
            "state": json.loads(json.dumps(explorable.page_state())),
        },
    )
    return page


def test_live_the_reader_changes_traits_and_the_kernel_changes_the_figure(open_page, hello):
    page = live(open_page, hello)
    page.get_by_role("button", name="Next").click()
    assert page.evaluate("[testModel.values.step, testModel.saved > 0]") == [2, True]
    page.evaluate("testModel.set('text', 'oleh')")
    expect(page.get_by_label("Input letters")).to_have_value("oleh")
    assert status(page, "hello-stepper").startswith("Step 2 of 4: input l")
    page.evaluate("testModel.set('snapshot', 0)")
    expect(page.get_by_label("0", exact=True)).to_be_checked()


def test_live_gradient_and_quiz_follow_the_kernel(open_page, gradient, quiz):
    page = live(open_page, gradient)
    page.evaluate("testModel.set('rho', 0.5)")
    assert status(page, "gradient-lag").endswith("it vanishes.")
    expect(page.get_by_label("Spectral radius")).to_have_value("0.5")
    page.get_by_label("linear").check()
    assert page.evaluate("testModel.values.activation") == "linear"
    page = live(open_page, quiz)
    page.get_by_label("Chance").check()
    assert page.evaluate("testModel.values.answers") == [2, None]
    page.evaluate("testModel.set('answers', [1, 0])")
    assert status(page, "quiz-rnn") == "2 of 2 right."


@pytest.mark.parametrize("name", ["hello", "gradient", "quiz"])
def test_live_a_closed_view_stops_listening(open_page, request, name):
    page = live(open_page, request.getfixturevalue(name))
    assert page.evaluate("testHandlers()") > 0
    page.evaluate("testStop()")
    assert page.evaluate("testHandlers()") == 0
