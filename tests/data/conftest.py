"""The extraction runs once for all tests of the data."""

import warnings

import pytest

from nlp_helpers.data.corpora import load_corpus


@pytest.fixture(scope="session")
def corpus_folder(tmp_path_factory):
    """A cache folder that holds a fresh extraction of library-docs."""
    folder = tmp_path_factory.mktemp("corpora")
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # other versions than the pins are tested apart
        patch.setenv("NLP_HELPERS_CACHE", str(folder))
        load_corpus("library-docs")
    return folder


@pytest.fixture(scope="session")
def corpus(corpus_folder):
    """library-docs, read back from that folder."""
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        patch.setenv("NLP_HELPERS_CACHE", str(corpus_folder))
        return load_corpus("library-docs")
