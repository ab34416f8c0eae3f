"""Small trained "hello" networks, and pages made of fragments."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from playwright.sync_api import Browser, Page

from nlp_helpers.explorables.gradient_lag import GradientLag
from nlp_helpers.explorables.hello_stepper import HelloStepper
from nlp_helpers.explorables.quiz import Question, Quiz

VOCABULARY, WORD, HIDDEN = "helo", "hello", 3
UPDATES = (0, 20, 200)


def train_snapshots() -> list[dict[str, Any]]:
    """Train the hello network with torch; returns its parameters after each of UPDATES."""
    torch.manual_seed(3)
    cell = torch.nn.RNN(len(VOCABULARY), HIDDEN, batch_first=True)
    head = torch.nn.Linear(HIDDEN, len(VOCABULARY))
    ids = torch.tensor([VOCABULARY.index(letter) for letter in WORD])
    inputs = torch.eye(len(VOCABULARY))[ids[:-1]].unsqueeze(0)
    optimizer = torch.optim.Adam([*cell.parameters(), *head.parameters()], lr=0.05)
    snapshots = []
    for update in range(max(UPDATES) + 1):
        if update in UPDATES:
            values = {
                "U": cell.weight_ih_l0,
                "W": cell.weight_hh_l0,
                "V": head.weight,
                "b": cell.bias_ih_l0 + cell.bias_hh_l0,
                "c": head.bias,
            }
            copies = {key: value.detach().clone() for key, value in values.items()}
            snapshots.append({"updates": update, **copies})
        loss = torch.nn.functional.cross_entropy(head(cell(inputs)[0][0]), ids[1:])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return snapshots


@pytest.fixture(scope="session")
def snapshots() -> list[dict[str, Any]]:
    return train_snapshots()


@pytest.fixture
def hello(snapshots: list[dict[str, Any]]) -> HelloStepper:
    return HelloStepper(snapshots=snapshots)


@pytest.fixture(scope="session")
def recurrence() -> tuple[np.ndarray, np.ndarray]:
    """A recurrent matrix of spectral radius 1 and 30 steps of drive."""
    random = np.random.default_rng(0)
    W = random.normal(size=(16, 16))
    W /= np.abs(np.linalg.eigvals(W)).max()
    return W, random.normal(size=(30, 16)) * 0.3


@pytest.fixture
def gradient(recurrence: tuple[np.ndarray, np.ndarray]) -> GradientLag:
    W, inputs = recurrence
    return GradientLag(W=W, inputs=inputs)


@pytest.fixture
def quiz() -> Quiz:
    return Quiz(
        "quiz-rnn",
        [
            Question(
                "Why do the two *l*'s of `hello` lead to different predictions?",
                ["Their one-hot vectors differ", "The states before them differ", "Chance"],
                1,
                ["Both read `l`.", "Yes: `W s` carries the *past*.", "Nothing is random here."],
            ),
            Question(
                "Is 2 * 3 * 4 < 25 & true?", ["yes", "no"], 0, ["24 < 25.", "24 < 25, so yes."]
            ),
        ],
    )


@pytest.fixture
def open_page(browser: Browser, tmp_path: Path) -> Iterator[Callable[..., Page]]:
    """Write fragments into one HTML file and open it from file://; fails on any page error."""
    problems: list[str] = []
    contexts = []

    def open_fragments(
        *fragments: str,
        html: str = "",
        head: str = "",
        body: str = "",
        width: int = 800,
        scripts: bool = True,
        **context: Any,
    ) -> Page:
        path = tmp_path / f"page{len(contexts)}.html"
        path.write_text(
            f'<!doctype html><html lang="en" {html}><head><meta charset="utf-8">'
            "<title>A page</title>"
            '<meta name="viewport" content="width=device-width,initial-scale=1">'
            f"<style>body{{margin:0;padding:12px;font-family:sans-serif}}</style>{head}</head>"
            f"<body {body}><main><h1>A page</h1>{''.join(fragments)}</main></body></html>",
            encoding="utf-8",
        )
        opened = browser.new_context(
            viewport={"width": width, "height": 900}, java_script_enabled=scripts, **context
        )
        contexts.append(opened)
        page = opened.new_page()
        page.set_default_timeout(5000)
        page.on("pageerror", lambda error: problems.append(f"page error: {error}"))
        page.on(
            "console",
            lambda message: message.type == "error" and problems.append(f"console: {message.text}"),
        )
        page.on(
            "request",
            lambda request: (
                request.url.startswith(("file:", "blob:", "data:"))
                or problems.append(f"request: {request.url}")
            ),
        )
        page.goto(path.as_uri())
        return page

    yield open_fragments
    for context in contexts:
        context.close()
    assert problems == []
