import importlib.metadata
import re
import subprocess
import sys
from collections import Counter, defaultdict
from types import SimpleNamespace

import pytest

from nlp_helpers.data import library_docs
from nlp_helpers.data.corpora import load_corpus
from nlp_helpers.data.library_docs import (
    blocks,
    code,
    decontaminate,
    docstrings,
    duplicate_key,
    is_prose,
    prose,
    source_files,
    strip_markup,
)

DOCSTRING = """Fit a line to points.

The line minimises the sum of squared
errors over all of the points.

Parameters
----------
x : array_like, shape (n,)
    Where the points are. They must be
    given in rising order.

    .. versionadded:: 1.2
        This must not be read as text.

    .. note::
       Points that are not finite are left out.

    - The first item of a list goes on
      in a second line.
    - The second item is short.

====  =====
left  right
====  =====
1.0   2.0
====  =====

A formula follows::

    y = a * x + b

.. math::

    y = ax + b

Text goes on after the formula.

See Also
--------
other : Does another thing to the points.

References
----------
.. [1] A. Author, A book that must not be read.

Examples
--------
Here is an example of a fit:

>>> fit([1, 2],
...     [3, 4])
Line(a=1.0)

.. code-block:: python

    fit([1])
"""


def test_a_docstring_falls_into_blocks():
    found = defaultdict(list)
    for kind, raw in blocks(DOCSTRING):
        found[kind].append(raw)
    assert found["code"] == [
        "y = a * x + b",
        ">>> fit([1, 2],\n...     [3, 4])\nLine(a=1.0)",
        "fit([1])",
    ]
    assert found["prose"] == [
        "Fit a line to points.",
        "The line minimises the sum of squared errors over all of the points.",
        "x : array_like, shape (n,)",
        "Where the points are. They must be given in rising order.",
        "Points that are not finite are left out.",
        "The first item of a list goes on in a second line.",
        "The second item is short.",
        "A formula follows:",
        "Text goes on after the formula.",
        "Here is an example of a fit:",
    ]


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("Use :func:`fit` or :meth:`~a.b.Line.fit`.", "Use fit or fit."),
        ("See the :ref:`User Guide <fit>` here.", "See the User Guide here."),
        ("The ``axis`` of `x` is *not* **ever** used.", "The axis of x is not ever used."),
        ("It is `on the page <page.html>`_ now.", "It is on the page now."),
        ("As shown [1]_ and (see [2]_) by Knuth [KN73]_.", "As shown and by Knuth."),
        ("Let :math:`n` be  two   or\tmore .", "Let n be two or more."),
        ("Call f() and 2 * 3 * 4 as *args.", "Call f() and 2 * 3 * 4 as *args."),
    ],
)
def test_markup_is_taken_away(raw, clean):
    assert strip_markup(raw) == clean


def test_typographic_marks_become_ascii():
    text, reason = prose("The “best” of the models isn’t always the last one – or so it seems.")
    assert not reason
    assert text == 'The "best" of the models isn\'t always the last one - or so it seems.'


def test_an_announcement_is_cut_and_the_rest_stays():
    raw = "The norm of the matrix is found in one of two ways. The first is this formula:"
    assert prose(raw) == ("The norm of the matrix is found in one of two ways.", "")
    assert prose("The formula for the norm of the whole matrix is the following:")[1]


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("The value is given by :math:`x^2` in all of the cases.", "maths"),
        ("The method of Gauß is used to find the value of it.", "not ASCII"),
        ("See https://numpy.org for the whole of the story about it.", "address"),
        ("See :ref:`some_label` for the whole of the story about it.", "reference"),
        ("The %(name)s of the parameter is the name of the thing.", "placeholder"),
        ("This computation uses the formulation that is given in [3]_.", "whole sentences"),
    ],
)
def test_reasons_for_dropping(raw, reason):
    text, found = prose(raw)
    assert text == ""
    assert reason in found


@pytest.mark.parametrize(
    "text",
    [
        "the line starts with a small letter and so it is a fragment.",
        "The line has no full stop at its end and so it is a fragment",
        "Too short to be of use.",
        "Array float int double complex bool object string bytes datetime.",  # no function words
        "The sum a + b * c / d - e = f is a formula and not a sentence.",
        "The interval [0, 1) is open on one side in this passage of text.",
        "x : array_like is the signature of the first of the parameters.",
        "The `tick` is left over in this passage of the text of a docstring.",
        "The values are 1.5, 2.25, 3.125, 4.0625, 5.03125 and 6.015625 in it.",
        'In this passage there is "one quote that is never closed by anyone.',
    ],
)
def test_what_is_not_prose(text):
    assert not is_prose(text)


def test_code_is_doctests_and_python():
    assert code(">>> f(1)\n[2, 3]") == (">>> f(1)\n[2, 3]", "")
    assert code("x = [1,\n     2]")[1] == ""
    assert code("pip install a-package --now")[1] == "not Python"
    assert code("some_name_only")[1] == "not Python"
    assert code(">>> print('é', 1)")[1] == "not ASCII"


def test_docstrings_are_read_in_order_and_not_run():
    source = '''"""Module."""
raise SystemExit("this file must never run")
class A:
    """Class."""
    def f(self):
        """Method."""
        "not a docstring"
def g():
    return """nor this"""
add_newdoc("m", "h", ("i",
    """
    New doc.

    More.
    """))
add_newdoc("m", "h", f"""
    Skip {this} one.
    """)
'''
    assert docstrings(source) == ["Module.", "Class.", "Method.", "New doc.\n\nMore."]


def test_files_are_sorted_without_tests_vendored_code_and_build_files(tmp_path):
    names = ["b.py", "a/z.py", "a/__init__.py", "B.py", "note.txt"]
    skipped = ["tests/test_a.py", "a/tests/x.py", "externals/v.py", "__config__.py", "version.py"]
    for name in names + skipped:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    found = [path.relative_to(tmp_path).as_posix() for path in source_files(tmp_path)]
    assert found == ["B.py", "a/__init__.py", "a/z.py", "b.py"]


def test_duplicates_differ_only_in_numbers_identifiers_and_case():
    one = duplicate_key("If ``axis`` is 3, `n_samples` values are read.")
    assert one == duplicate_key("If ``dim`` is 12, n_features values are read.")
    assert one != duplicate_key("If ``axis`` is 3, `n_samples` values are written.")


def test_held_out_passages_that_are_mostly_in_train_are_dropped():
    shared = "one two three four five six seven eight nine ten eleven twelve"
    new = "a passage made of words that no other passage has in this order at all"
    make = lambda text, split, kind="prose": {"text": text, "split": split, "kind": kind}  # noqa: E731
    train = make(shared, "train")
    keep = [make(new, "test"), make(new + " " + shared, "validation"), make(shared, "test", "code")]
    drop = [make(shared + " and one", "test"), make(shared.upper(), "validation")]
    assert decontaminate([train, *keep, *drop]) == [train, *keep]


def test_a_missing_library_is_named(monkeypatch):
    def version(name):
        if name == "scipy":
            raise importlib.metadata.PackageNotFoundError(name)
        return "1.0"

    monkeypatch.setattr(importlib.metadata, "version", version)
    with pytest.raises(RuntimeError, match=r"scipy is not installed: .*requirements\.txt"):
        load_corpus("library-docs")


@pytest.mark.parametrize("spec", [None, SimpleNamespace(submodule_search_locations=None)])
def test_a_library_without_a_folder_is_named(monkeypatch, spec):
    monkeypatch.setattr(library_docs.importlib.util, "find_spec", lambda name: spec)
    with pytest.raises(RuntimeError, match="numpy is not installed"):
        library_docs.package_folder("numpy")


def test_reading_does_not_import_what_is_read():
    program = (
        "import sys\n"
        "from nlp_helpers.data import library_docs as l\n"
        "[l.source_files(l.package_folder(name)) for name in l.LIBRARIES]\n"
        "print(sorted({'numpy', 'scipy', 'sklearn'} & set(sys.modules)))"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "[]"


# The corpus itself.


def test_splits_are_by_file_and_near_90_5_5(corpus):
    sides = defaultdict(set)
    for passage in corpus.passages:
        sides[passage.source].add(passage.split)
    assert all(len(side) == 1 for side in sides.values())
    for kind in ("prose", "code"):
        sizes = {split: len(corpus.text(split, kind)) for split in ("train", "validation", "test")}
        for split, share in (("train", 0.90), ("validation", 0.05), ("test", 0.05)):
            assert sizes[split] / sum(sizes.values()) == pytest.approx(share, abs=0.02)


def test_labels_say_where_a_passage_is_from(corpus):
    packages = {"numpy": "numpy", "scipy": "scipy", "scikit-learn": "sklearn"}
    for passage in corpus.passages:
        assert passage.subpackage.split(".")[0] == packages[passage.library]
        assert passage.source.startswith(passage.subpackage.replace(".", "/") + "/")
        assert not re.search(r"(^|/)(tests|externals)/", passage.source)
    subpackages = Counter(passage.subpackage for passage in corpus.passages)
    assert {"numpy.linalg", "scipy.stats", "sklearn.linear_model", "numpy"} <= set(subpackages)


def test_every_passage_of_prose_passes_the_rules_and_is_there_once(corpus):
    texts = [passage.text for passage in corpus.passages_of(kind="prose")]
    assert len(texts) == len(set(texts)) > 15_000
    assert all(map(is_prose, texts))
    assert not any("  " in text or "\n" in text for text in texts)
    assert set("".join(texts)) <= set(map(chr, range(32, 127)))


def test_characters_held_out_are_all_known_from_train(corpus):
    known = set(corpus.text("train"))
    assert set(corpus.text("validation")) | set(corpus.text("test")) <= known


def test_passages_of_code_are_ascii_and_there_once(corpus):
    texts = [passage.text for passage in corpus.passages_of(kind="code")]
    assert len(texts) == len(set(texts)) > 4_000
    assert sum(text.startswith(">>>") for text in texts) > 0.9 * len(texts)
    assert all(text.isascii() and "\n\n" not in text for text in texts)
