"""Templates of tiny-world made ready: words become tokens, slots are filled."""

import functools
from typing import NamedTuple

from nlp_helpers.data import tiny_world_templates as templates
from nlp_helpers.data import tiny_world_words as words


class Token(NamedTuple):
    """A word in its place, with the truth about it.

    pos: universal part of speech (NOUN, PROPN, VERB, AUX, ADJ, ADV, PRON, DET, ADP, CCONJ, SCONJ,
        NUM, PART, PUNCT).
    entity: "O", or B- or I- and PER, LOC or ORG.
    sense: of words with several, as "bank/river"; otherwise None.
    """

    word: str
    pos: str
    entity: str = "O"
    sense: str | None = None


Fillers = dict[str, tuple[Token, ...]]


class Form(NamedTuple):
    """A template, ready to be filled: fixed tokens and names of slots."""

    name: str
    parts: tuple[Token | str, ...]
    held_out: bool

    def fill(self, fillers: Fillers) -> tuple[list[Token], dict[str, tuple[int, int]]]:
        """The tokens, and where each slot stands (the first time it does)."""
        tokens, spans = [], {}
        for part in self.parts:
            if isinstance(part, Token):
                tokens.append(part)
                continue
            start = len(tokens)
            again = part in spans and part in "AB"
            tokens += (fillers["he"],) if again else fillers[part]
            spans.setdefault(part, (start, len(tokens)))
        return tokens, spans

    def said(self, fillers: Fillers) -> str:
        """A combination: the group, and the words in the slots, of which "be" says nothing."""
        slots = sorted({part for part in self.parts if isinstance(part, str)} - {"be"})
        content = [token.word for slot in slots for token in fillers[slot]]
        return " ".join([self.name.partition("/")[0], *content])


@functools.cache
def pos_of(word: str) -> str:
    """The part of speech of a word that has one only.

    Raises:
        ValueError: the word is none of tiny-world's, or has several.
    """
    found = {pos for pos, ws in words.words_by_pos().items() if word in ws}
    found |= {templates.FUNCTION_POS[word]} if word in templates.FUNCTION_POS else set()
    if len(found) != 1:
        raise ValueError(f"{word!r} has {len(found)} parts of speech: name one in the template")
    return found.pop()


@functools.cache
def token_of(
    word: str, pos: str | None = None, entity: str = "O", sense: str | None = None
) -> Token:
    """The one token of these fields (a world of a million tokens has a few thousand of them)."""
    return Token(word, pos or pos_of(word), entity, sense)


@functools.cache
def one(word: str, pos: str) -> tuple[Token, ...]:
    """One word as what fills a slot."""
    return (token_of(word, pos),)


@functools.cache
def phrase(text: str) -> tuple[Token, ...]:
    """Words, each with "/POS" behind it where need be, as tokens."""
    return tuple(token_of(*piece.split("/")) for piece in text.split())


@functools.cache
def entity(text: str, kind: str) -> tuple[Token, ...]:
    """A name of one or more words, of kind "PER", "LOC" or "ORG"."""
    return tuple(
        token_of(word, "PROPN", f"{'I' if i else 'B'}-{kind}")
        for i, word in enumerate(text.split())
    )


@functools.cache
def forms_of(group: str, held_out: bool) -> tuple[Form, ...]:
    """The templates of a group: those that every split uses, or those that one split alone uses.

    Groups are the events ("buy"), "feel/...", "judge/...", "clause/...", "sense", "scene", "noun",
    "verb", "thing" and "kind".
    """
    kind, _, name = group.partition("/")
    lines = {
        "feel": lambda: templates.FEELINGS[name],
        "judge": lambda: templates.JUDGEMENTS[name],
        "clause": lambda: templates.SENSE_CLAUSES[name],
        "sense": lambda: templates.SENSE_SENTENCES,
        "scene": lambda: templates.SCENES,
        "noun": lambda: templates.NOUN_CONTEXTS,
        "verb": lambda: templates.VERB_CONTEXTS,
        "thing": lambda: templates.THING_CONTEXTS,
        "kind": lambda: templates.KIND_CONTEXTS,
    }.get(kind, lambda: templates.EVENTS[kind].forms)()
    forms = [_compiled(f"{group}/{i}", line) for i, line in enumerate(lines)]
    return tuple(form for form in forms if form.held_out == held_out)


def _compiled(name: str, line: str) -> Form:
    held_out = line.startswith("*")
    parts = []
    for piece in line.lstrip("*").split():
        parts.append(piece[1:-1] if piece.startswith("{") else phrase(piece)[0])
    return Form(name, tuple(parts), held_out)


def groups() -> list[str]:
    """The names of all groups of templates."""
    nested = {"feel": templates.FEELINGS, "judge": templates.JUDGEMENTS}
    nested["clause"] = templates.SENSE_CLAUSES
    named = [f"{kind}/{name}" for kind, lines in nested.items() for name in lines]
    return [*templates.EVENTS, *named, "sense", "scene", "noun", "verb", "thing", "kind"]


@functools.cache
def phrase_of_time(text: str) -> tuple[Token, ...]:
    """A time as tokens: "two days later", "on monday"."""
    kinds = {"last": "ADJ", "two": "NUM", "later": "ADV", "that": "DET", "this": "DET"}
    function = {"in", "at", "on", "before", "after"}
    return tuple(
        token_of(w, kinds.get(w) or ("DET" if w == "the" else "ADP" if w in function else "NOUN"))
        for w in text.split()
    )
