"""Made-up occurrences of words with several senses, and their vectors in three layers."""

from __future__ import annotations

import numpy as np

from nlp_helpers.explorables.sense_map import SenseItem

_CUES = {
    "bank": {
        "bank/money": ("paid", "loan", "clerk", "vault"),
        "bank/river": ("muddy", "reeds", "boat", "fish"),
    },
    "apple": {
        "apple/fruit": ("red", "sweet", "tree", "pie"),
        "apple/company": ("new", "shares", "phone", "engineer"),
    },
    "spring": {
        "spring/season": ("warm", "flowers", "march", "green"),
        "spring/water": ("cold", "clear", "rock", "drink"),
        "spring/coil": ("steel", "bent", "watch", "metal"),
    },
}
_FRAMES = (
    "the {} {word} was near the {} , and the vault was closed .",
    "she saw the {word} with the {} and the {} again .",
    "in the morning the old man spoke of a {} {word} , a {} and the weather .",
    "nobody at the {word} had seen the {} or the {} .",
)
SEPARATION = (0.0, 0.3, 0.7)  # of the senses' centres, layer by layer


def made_up(n_words: int = 3, count: int = 40, width: int = 64, seed: int = 0) -> list[SenseItem]:
    """Return `count` occurrences of each word; the senses lie apart from layer 1 upwards.

    Layer 0 has one vector per word, as the characters of a word say nothing of its context.
    """
    random = np.random.default_rng(seed)
    items = []
    for word in [*_CUES][:n_words]:
        senses = [*_CUES[word]]
        own = random.normal(size=width)
        centres = random.normal(size=(len(senses), width)) / np.sqrt(width)
        drift = random.normal(size=(2, width)) / np.sqrt(width)
        for k in range(count):
            which = k % len(senses) if k % 5 else 0  # the first sense is the most frequent
            cues = random.choice(_CUES[word][senses[which]], 2, replace=False)
            sentence = _FRAMES[k % len(_FRAMES)].format(*cues, word=word).split(" ")
            noise = random.normal(size=(3, width)) * 0.16
            upper = [
                separation * centres[which] * 2.2 + noise[j] + drift[j - 1] * random.normal() * 1.5
                for j, separation in enumerate(SEPARATION)
            ]
            layers = np.stack([own, *upper[1:]]).astype(np.float32)
            items.append(SenseItem(tuple(sentence), sentence.index(word), senses[which], layers))
    return items
