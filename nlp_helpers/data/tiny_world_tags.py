"""Sentences of tiny-world with a tag for every word: who is a person, what a town, what a company.

Every function takes how many examples, the split and a seed, as those of `tiny_world_tasks`.
"""

from typing import NamedTuple

from nlp_helpers.checks import check_int
from nlp_helpers.data.tiny_world import INTRODUCTIONS, Sentence, Writer

ENTITY_TAGS = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-ORG", "I-ORG")  # IOB2
_SHARE_OF_INTRODUCTIONS = 0.7  # where people, towns and companies meet


class TaggedExample(NamedTuple):
    """The words of a sentence and the entity tag of each, in IOB2."""

    words: tuple[str, ...]
    tags: tuple[str, ...]


def tagging_examples(n_examples: int, split: str = "train", seed: int = 0) -> list[TaggedExample]:
    """Sentences out of stories, each with at least one name.

    Names are ambiguous: "paris" is a person or a town, "north" the surname of a person or the
    first word of a company. Seven in ten sentences say where someone lives or works.

    Raises:
        ValueError, TypeError: as `tiny_world.generate_stories`.
    """
    check_int("n_examples", n_examples)
    writer, found = Writer(split, seed, "tags"), []
    while len(found) < n_examples:
        sentences = [s for s in writer.story().sentences if named(s)]
        first = [s for s in sentences if s.fact and s.fact.action in INTRODUCTIONS]
        others = [s for s in sentences if s not in first]
        wanted = first if writer.chance(_SHARE_OF_INTRODUCTIONS) else others
        if wanted:
            sentence = writer.pick(wanted)
            tags = tuple(token.entity for token in sentence.tokens)
            found.append(TaggedExample(tuple(sentence.words), tags))
    return found


def named(sentence: Sentence) -> bool:
    """Whether a sentence names a person, a town or a company."""
    return any(token.entity != "O" for token in sentence.tokens)
