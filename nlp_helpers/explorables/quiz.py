"""Multiple choice with an explanation for every option."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import traitlets

from nlp_helpers.explorables.base import Explorable, index_of, text_of

_MARKED = re.compile(r"`([^`]+)`|\*(\S(?:[^*`]*\S)?)\*")


def inline_html(text: str) -> str:
    """Return `text` as HTML with `code` and *emphasis* marked up and all else escaped."""
    parts, end = [], 0
    for match in _MARKED.finditer(text):
        code, emphasis = match.groups()
        parts.append(html.escape(text[end : match.start()]))
        parts.append(
            f"<em>{html.escape(emphasis)}</em>"
            if code is None
            else f"<code>{html.escape(code)}</code>"
        )
        end = match.end()
    return "".join(parts) + html.escape(text[end:])


@dataclass(frozen=True)
class Question:
    """One question, its options, the index of the right one, and what to say about each.

    Texts may hold `code` between backticks and *emphasis* between asterisks; all else is shown
    as it is written.

    Raises: TypeError or ValueError naming the field that is wrong.
    """

    prompt: str
    options: Sequence[str]
    answer_index: int
    explanations: Sequence[str]

    def __post_init__(self) -> None:
        _check_text(self.prompt, "prompt")
        for name in ("options", "explanations"):
            values = getattr(self, name)
            if isinstance(values, str) or not isinstance(values, Sequence):
                raise TypeError(f"{name} must be a list of strings, got {type(values).__name__}")
            for i, value in enumerate(values):
                _check_text(value, f"{name}[{i}]")
            object.__setattr__(self, name, tuple(values))
        if not 2 <= len(self.options) <= 6:
            raise ValueError(f"options must number 2 to 6, got {len(self.options)}")
        if len(set(self.options)) != len(self.options):
            raise ValueError(f"options must differ from each other, got {list(self.options)}")
        if len(self.explanations) != len(self.options):
            raise ValueError(
                f"explanations must number one per option ({len(self.options)}), "
                f"got {len(self.explanations)}"
            )
        index_of(self.answer_index, "answer_index", len(self.options))


def _check_text(value: Any, name: str) -> None:
    text_of(value, name)
    if value.count("`") % 2:
        raise ValueError(f"{name} has a backtick without a partner: {value!r}")


class Quiz(Explorable):
    """Questions that tell at once whether the chosen option is right, and why.

    `answers` holds the chosen option of each question, None where there is none yet.

    Raises: TypeError if the questions are not Question objects; ValueError if there are none or
    more than 20, or two have the same prompt.
    """

    _source = "quiz.js"
    title = "Check yourself"

    questions = traitlets.List().tag(sync=True)
    answers = traitlets.List().tag(sync=True)

    def __init__(self, name: str = "quiz", questions: Sequence[Question] = ()) -> None:
        if isinstance(questions, str) or not isinstance(questions, Sequence):
            raise TypeError(f"questions must be a list, got {type(questions).__name__}")
        for i, question in enumerate(questions):
            if not isinstance(question, Question):
                raise TypeError(f"questions[{i}] must be a Question: {type(question).__name__}")
        if not 1 <= len(questions) <= 20:
            raise ValueError(f"questions must number 1 to 20, got {len(questions)}")
        prompts = [question.prompt for question in questions]
        if len(set(prompts)) != len(prompts):
            raise ValueError("questions must have different prompts")
        super().__init__(
            name,
            questions=[
                {
                    "prompt": question.prompt,
                    "options": list(question.options),
                    "answer_index": int(question.answer_index),
                    "explanations": list(question.explanations),
                }
                for question in questions
            ],
            answers=[None] * len(questions),
        )

    @traitlets.validate("answers")
    def _check_answers(self, proposal: dict[str, Any]) -> list[int | None]:
        answers = proposal["value"]
        if len(answers) != len(self.questions):
            raise ValueError(f"answers must number {len(self.questions)}, got {len(answers)}")
        for i, (answer, question) in enumerate(zip(answers, self.questions, strict=True)):
            if answer is not None:
                index_of(answer, f"answers[{i}]", len(question["options"]))
        return answers

    def fallback_html(self) -> str:
        """Return the questions with their options; the answers open on demand."""
        items = []
        for question in self.questions:
            options = "".join(f"<li>{inline_html(option)}</li>" for option in question["options"])
            right = question["answer_index"]
            reasons = "".join(
                f"<li>{'Right' if i == right else 'Wrong'}: {inline_html(text)}</li>"
                for i, text in enumerate(question["explanations"])
            )
            items.append(
                f'<li><p>{inline_html(question["prompt"])}</p><ol type="A">{options}</ol>'
                f"<details><summary>Answer</summary>"
                f"<p>{chr(65 + right)}. {inline_html(question['options'][right])}</p>"
                f'<ol type="A">{reasons}</ol></details></li>'
            )
        return f"<ol>{''.join(items)}</ol>"
