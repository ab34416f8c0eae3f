"""Sentences with probabilities as two trained models may give them: made up, the same each time."""

from __future__ import annotations

import numpy as np

from nlp_helpers.explorables.masked_word_items import masked_word_item

MODELS = ["BERT", "GPT"]
SENTENCES = (
    "[CLS] the old bank of the river was cover ##ed with wild flowers . [SEP]",
    "[CLS] she went to the bank to open an account . [SEP]",
    "[CLS] the engineer fix ##ed the engine because it had lost its water . [SEP]",
    "[CLS] a crane flew over the water and land ##ed near the old bridge in the evening . [SEP]",
    "[CLS] he read the letter twice . [SEP]",
    "[CLS] if the array is empty , the function return ##s none . [SEP]",
)
CLASSES = (
    "[CLS] [SEP] [PAD] [UNK] [MASK]",
    "the a an his her its this every",
    "old wild empty young small open green cold",
    "bank river flowers account engine water bridge evening letter array function door garden "
    "office house sea road morning book list value tree engineer crane doctor bird teacher",
    "was went fix read flew had lost land is return cover made found saw took has closed kept",
    "##ed ##s ##ing ##er ##ly",
    "of with to over near in on at under from by",
    "she he it they who",
    ". , ; !",
    "and because if when but while or",
    "twice none once again there never",
)
PIECES = [piece for line in CLASSES for piece in line.split()]
KINDS = np.array([kind for kind, line in enumerate(CLASSES) for _ in line.split()])


def distributions(tokens: list[str], seed: int) -> tuple[list[int], dict[str, list]]:
    """Places without [CLS] and [SEP], and for each model its probabilities there."""
    random = np.random.default_rng(seed)
    places = list(range(1, len(tokens) - 1))
    rows = {model: [] for model in MODELS}
    for place in places:
        true = PIECES.index(tokens[place])
        base = random.normal(size=len(PIECES)) - 6.0 * (KINDS == 0)
        alike = np.equal(KINDS, KINDS[true])
        for model, like, own in (("BERT", 5.0, 4.0), ("GPT", 2.5, 1.5)):
            scores = base + like * alike + random.normal(size=len(PIECES)) / 2
            scores[true] += own * random.uniform(-0.3, 1.5)
            weights = np.exp(scores)
            rows[model].append(weights / weights.sum())
    rows["GPT"][0] = None  # nothing but [CLS] stands on the left
    return places, rows


def made_up_item(k: int, n_shown: int = 8) -> dict:
    tokens = SENTENCES[k].split()
    places, rows = distributions(tokens, seed=k)
    ids = [PIECES.index(token) for token in tokens]
    return masked_word_item(tokens, rows, PIECES, ids, places, n_shown)
