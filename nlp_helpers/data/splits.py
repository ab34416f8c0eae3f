"""Train, validation and test by the hash of an item's name: fixed, and the same everywhere."""

import hashlib

SPLITS = ("train", "validation", "test")
FRACTIONS = (0.90, 0.05, 0.05)


def split_of(name: str, salt: str = "") -> str:
    """Say which split an item belongs to, from its name alone.

    The SHA-256 of ``salt + name`` is read as a number in [0, 1): below 0.90 is "train", below
    0.95 "validation", the rest "test". An item never changes sides when others come or go.

    Args:
        name: what must stay together, for example the file that a passage comes from.
        salt: makes an independent split of the same names.
    Raises:
        TypeError: ``name`` or ``salt`` is not a string.
        ValueError: ``name`` is empty.
    """
    for label, value in (("name", name), ("salt", salt)):
        if not isinstance(value, str):
            raise TypeError(f"{label} must be a string, got {value!r}")
    if not name:
        raise ValueError("name is empty: an item needs a name to be hashed")
    digest = hashlib.sha256((salt + name).encode()).digest()
    point = int.from_bytes(digest[:8], "big") / 2**64
    edge = 0.0
    for split, fraction in zip(SPLITS, FRACTIONS, strict=True):
        edge += fraction
        if point < edge:
            return split
    return SPLITS[-1]
