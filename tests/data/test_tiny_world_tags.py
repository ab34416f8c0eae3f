"""Tagged sentences of tiny-world: what they hold, that splits differ, that they stay the same."""

import hashlib
from collections import defaultdict

import pytest

from nlp_helpers.data.tiny_world import SPLITS
from nlp_helpers.data.tiny_world_tags import ENTITY_TAGS, tagging_examples
from nlp_helpers.span_metrics import entity_scores


@pytest.fixture(scope="module")
def examples():
    return {split: tagging_examples(613, split) for split in SPLITS}


def test_every_word_has_a_tag_in_iob2(examples):
    for found in examples.values():
        assert len(found) == 613
        for example in found:
            assert len(example.words) == len(example.tags) > 2
            assert set(example.tags) <= set(ENTITY_TAGS)
            assert any(tag.startswith("B-") for tag in example.tags)
            for before, tag in zip(("O", *example.tags), example.tags, strict=False):
                assert not tag.startswith("I-") or before[2:] == tag[2:]


def test_all_kinds_of_names_occur_and_words_are_ambiguous(examples):
    tags_of = defaultdict(set)
    for example in examples["train"]:
        for word, tag in zip(example.words, example.tags, strict=True):
            tags_of[word].add(tag)
    assert set().union(*tags_of.values()) == set(ENTITY_TAGS)
    assert {"B-PER", "B-LOC"} <= tags_of["paris"]
    assert sum(len(tags) > 1 for tags in tags_of.values()) > 10


def test_the_commonest_tag_of_each_word_is_not_enough(examples):
    counts = defaultdict(lambda: defaultdict(int))
    for example in examples["train"]:
        for word, tag in zip(example.words, example.tags, strict=True):
            counts[word][tag] += 1
    best = {word: max(found, key=found.get) for word, found in counts.items()}
    for split in ("test-combinations", "test-templates"):
        guess = [[best.get(word, "O") for word in e.words] for e in examples[split]]
        assert 0.6 < entity_scores(guess, [list(e.tags) for e in examples[split]]).f1 < 0.85


def test_new_templates_are_new(examples):
    def frames(split):
        return {
            tuple(w if t == "O" else "_" for w, t in zip(e.words, e.tags, strict=True))
            for e in examples[split]
        }

    known = frames("train")
    assert len(frames("test-templates") & known) < 0.05 * len(frames("test-templates"))
    assert len(frames("test-combinations") & known) > 0.1 * len(frames("test-combinations"))


def test_equal_arguments_give_equal_examples(examples):
    assert tagging_examples(613, "train") == examples["train"]
    assert tagging_examples(613, "train", seed=1) != examples["train"]
    text = "\n".join(" ".join((*e.words, *e.tags)) for e in examples["train"])
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == "cfcaf7479bed2c3d"


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((0,), ValueError, "n_examples must be at least 1"),
        ((2.0,), TypeError, "n_examples must be an int"),
        ((1, "dev"), ValueError, "split"),
        ((1, "train", -1), ValueError, "seed"),
    ],
)
def test_bad_arguments_are_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        tagging_examples(*arguments)
