import errno
import functools
import hashlib
import http.server
import os
import re
import socket
import threading
import warnings
from dataclasses import replace
from pathlib import Path

import pytest
import requests

from nlp_helpers import downloads
from nlp_helpers.data import corpora, library_docs
from nlp_helpers.data.corpora import (
    DOWNLOADS,
    PINNED_VERSIONS,
    Corpus,
    Passage,
    load_corpus,
)
from nlp_helpers.downloads import Download

SPEECHES = "First:\nWho is there?\n\nSecond:\nNay, answer me.\n\nFirst:\nWho is there?\n"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty cache folder of its own for each test."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("NLP_HELPERS_CACHE", str(folder))
    corpora._warn_once.cache_clear()
    return folder


@pytest.fixture
def small(monkeypatch):
    """An extraction of two passages, counted: the rules are tested in test_library_docs."""
    calls = []
    fields = {"library": "numpy", "subpackage": "numpy.fft", "split": "test", "source": "a.py"}

    def extract():
        calls.append(1)
        return [{"text": f"Passage {i}.", "kind": "prose", **fields} for i in (1, 2)], {}

    monkeypatch.setattr(library_docs, "extract", extract)
    monkeypatch.setattr(corpora, "_warn_once", lambda message: None)
    return calls


# library-docs


def test_the_text_is_the_recorded_one_and_comes_in_time(corpus_folder, monkeypatch):
    monkeypatch.setenv("NLP_HELPERS_CACHE", str(corpus_folder))
    if library_docs.installed_versions() != PINNED_VERSIONS:
        pytest.skip("other versions are installed: the text is another")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_corpus("library-docs")


def test_a_second_load_reads_the_cache(small, cache):
    first = load_corpus("library-docs")
    assert load_corpus("library-docs") == first
    assert len(small) == 1
    assert [path.suffix for path in cache.iterdir()] == [".jsonl"]
    for version in library_docs.installed_versions().values():
        assert version in next(cache.iterdir()).name
    assert first.text("test") == "Passage 1.\n\nPassage 2."


def test_a_second_load_does_not_write_out_what_it_read(small, monkeypatch):
    first = load_corpus("library-docs")
    monkeypatch.setattr(corpora, "_to_lines", None)
    monkeypatch.setattr(corpora, "PINNED_SHA256", "0" * 64)
    said = []
    monkeypatch.setattr(corpora, "_warn_once", said.append)
    assert load_corpus("library-docs") == first
    assert len(said) == 1  # the text was compared all the same


def test_the_versions_of_the_text_are_the_pins_of_the_book(root):
    pins = dict(re.findall(r"^([\w-]+)==(\S+)", (root / "requirements.txt").read_text(), re.M))
    assert {library: pins[library] for library in PINNED_VERSIONS} == PINNED_VERSIONS


@pytest.mark.parametrize(
    "damage",
    [
        lambda whole: whole[:-9],
        lambda whole: b"",
        lambda whole: b"\xff\x00" * 99,
        lambda whole: whole.replace(b"Passage 1", b"Passage 7"),
    ],
)
def test_a_damaged_cache_is_extracted_again(small, cache, damage):
    first = load_corpus("library-docs")
    path = next(cache.iterdir())
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    assert load_corpus("library-docs") == first
    assert len(small) == 2
    assert path.read_bytes() == whole


def test_a_new_version_of_the_rules_is_extracted_again(small, monkeypatch):
    load_corpus("library-docs")
    monkeypatch.setattr(library_docs, "EXTRACTOR_VERSION", 10_000)
    load_corpus("library-docs")
    assert len(small) == 2


def test_another_text_warns_once_and_names_both_sets_of_versions(small, monkeypatch):
    monkeypatch.undo()
    monkeypatch.setattr(corpora, "PINNED_SHA256", "0" * 64)
    other = {"numpy": "9.9.1", "scipy": "9.9.2", "scikit-learn": "9.9.3"}
    monkeypatch.setattr(library_docs, "installed_versions", lambda: other)
    monkeypatch.setattr(corpora, "cache_folder", lambda: Path("/nonexistent"))
    monkeypatch.setattr(corpora, "_read_cache", lambda path: ("1" * 64, []))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        load_corpus("library-docs")
        load_corpus("library-docs")
    assert len(caught) == 1
    message = str(caught[0].message)
    assert "figures will differ" in message
    for versions in (other, PINNED_VERSIONS):
        for library, version in versions.items():
            assert f"{library} {version}" in message
    assert caught[0].filename == __file__


# The cache folder


@pytest.mark.parametrize("name", ["library-docs", "tiny-shakespeare"])
def test_a_cache_folder_below_a_file_is_an_error_that_names_the_remedy(
    small, tmp_path, monkeypatch, name
):
    (tmp_path / "file").write_text("")
    folder = tmp_path / "file" / "cache"
    monkeypatch.setenv("NLP_HELPERS_CACHE", str(folder))
    with pytest.raises(RuntimeError, match=rf"{folder}.*NLP_HELPERS_CACHE"):
        load_corpus(name)
    assert not small


def test_a_cache_folder_that_is_a_file_is_an_error(small, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("NLP_HELPERS_CACHE", str(tmp_path / "file"))
    with pytest.raises(RuntimeError, match="NLP_HELPERS_CACHE"):
        load_corpus("library-docs")


def test_what_cannot_be_moved_into_place_leaves_nothing_behind(small, cache, monkeypatch):
    def refuse(*paths):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(RuntimeError, match=rf"{cache}.*Permission denied.*NLP_HELPERS_CACHE"):
        load_corpus("library-docs")
    assert list(cache.iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0 if hasattr(os, "geteuid") else True, reason="root may write")
def test_a_read_only_cache_folder_is_an_error(small, cache):
    cache.mkdir(mode=0o500)
    with pytest.raises(RuntimeError, match="NLP_HELPERS_CACHE"):
        load_corpus("library-docs")


@pytest.mark.parametrize("name", ["library-docs", "tiny-shakespeare"])
def test_a_cache_folder_that_may_not_be_written_is_an_error_before_any_work(
    small, server, cache, monkeypatch, name
):
    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied", str(cache))

    monkeypatch.setattr(corpora.tempfile, "NamedTemporaryFile", refuse)
    monkeypatch.setattr(corpora.tempfile, "TemporaryDirectory", refuse)
    with pytest.raises(RuntimeError, match=rf"{cache}.*Permission denied.*NLP_HELPERS_CACHE"):
        load_corpus(name)
    assert not small
    assert server["requests"] == 0


def test_without_the_variable_the_folder_is_the_system_s(monkeypatch, tmp_path):
    monkeypatch.delenv("NLP_HELPERS_CACHE")
    monkeypatch.setattr(downloads.pooch, "os_cache", lambda name: tmp_path / name)
    assert downloads.cache_folder() == tmp_path / "nlp_helpers"
    assert (tmp_path / "nlp_helpers").is_dir()


# Downloads, from a server in this test


class _Server(http.server.BaseHTTPRequestHandler):
    def __init__(self, behaviour, *args):
        self.behaviour = behaviour
        super().__init__(*args)

    def do_GET(self):
        self.behaviour["requests"] += 1
        body = self.behaviour["body"]
        self.send_response(self.behaviour.get("status", 200))
        self.send_header("Content-Length", str(len(body) + self.behaviour.get("missing", 0)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        """Keep the test's output clean."""


@pytest.fixture
def server(monkeypatch):
    behaviour = {"body": SPEECHES.encode(), "requests": 0}
    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Server, behaviour))
    thread = threading.Thread(target=httpd.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    url = f"http://127.0.0.1:{httpd.server_port}/input.txt"
    sha256 = hashlib.sha256(SPEECHES.encode()).hexdigest()
    monkeypatch.setitem(DOWNLOADS, "tiny-shakespeare", Download(url, sha256))
    yield behaviour
    httpd.shutdown()
    httpd.server_close()
    thread.join()


def _fails_clearly(cache):
    url = DOWNLOADS["tiny-shakespeare"].url
    with pytest.raises(RuntimeError, match=rf"{re.escape(url)}.*'library-docs'"):
        load_corpus("tiny-shakespeare")
    assert list(cache.iterdir()) == []


def test_a_download_is_cut_into_speeches_and_works_offline_afterwards(server, cache, capfd):
    corpus = load_corpus("tiny-shakespeare")
    assert corpus.text() == SPEECHES.strip("\n")
    assert [passage.text for passage in corpus.passages] == SPEECHES.strip("\n").split("\n\n")
    assert corpus.passages[0].split == corpus.passages[2].split  # the same speech twice
    assert [path.name for path in cache.iterdir()] == ["tiny-shakespeare.txt"]
    assert "%" in capfd.readouterr().err  # a progress bar
    server["status"] = 500
    assert load_corpus("tiny-shakespeare") == corpus
    assert server["requests"] == 1


def test_a_damaged_copy_is_downloaded_again(server, cache):
    corpus = load_corpus("tiny-shakespeare")
    (cache / "tiny-shakespeare.txt").write_text("half a spee")
    assert load_corpus("tiny-shakespeare") == corpus
    assert server["requests"] == 2


@pytest.mark.parametrize("status", [404, 500])
def test_an_http_error(server, cache, status):
    server["status"] = status
    _fails_clearly(cache)


def test_a_truncated_body(server, cache):
    server["body"], server["missing"] = server["body"][:20], len(server["body"]) - 20
    _fails_clearly(cache)


def test_another_body(server, cache):
    server["body"] = server["body"].replace(b"Nay", b"Yea")
    _fails_clearly(cache)


def test_no_network(server, cache, monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))  # bound and never listening: connections are refused
        url = f"http://127.0.0.1:{free.getsockname()[1]}/input.txt"
        entry = replace(DOWNLOADS["tiny-shakespeare"], url=url)
        monkeypatch.setitem(DOWNLOADS, "tiny-shakespeare", entry)
        _fails_clearly(cache)


def test_an_interrupted_download_leaves_nothing_behind(server, cache, monkeypatch):
    def interrupt(*args, **kwargs):
        (Path(args[3]) / "half").write_text("half")
        raise KeyboardInterrupt

    monkeypatch.setattr(downloads.pooch, "retrieve", interrupt)
    with pytest.raises(KeyboardInterrupt):
        load_corpus("tiny-shakespeare")
    assert list(cache.iterdir()) == []


def test_a_download_that_cannot_be_moved_into_place(server, cache, monkeypatch):
    def refuse(*paths):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(RuntimeError, match=r"cache folder.*NLP_HELPERS_CACHE"):
        load_corpus("tiny-shakespeare")
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EROFS, "Read-only file system"),
        PermissionError(errno.EACCES, "Permission denied"),
        PermissionError("Permission denied | Pooch could not create a folder"),
    ],
)
def test_a_disk_that_takes_nothing_is_not_blamed_on_the_network(server, cache, monkeypatch, error):
    def fail(*args, **kwargs):
        raise error

    monkeypatch.setattr(downloads.pooch, "retrieve", fail)
    with pytest.raises(RuntimeError, match=rf"{cache}.*NLP_HELPERS_CACHE") as caught:
        load_corpus("tiny-shakespeare")
    assert "network" not in str(caught.value)
    assert list(cache.iterdir()) == []


def test_a_network_that_refuses_is_not_blamed_on_the_disk(server, cache, monkeypatch):
    def fail(*args, **kwargs):  # requests' exceptions are OSErrors; this one has an errno, too
        raise requests.ConnectionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(downloads.pooch, "retrieve", fail)
    _fails_clearly(cache)


def test_a_copy_that_cannot_be_read_is_an_error_that_names_the_remedy(server, cache, monkeypatch):
    load_corpus("tiny-shakespeare")

    def refuse(path, *args):
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(downloads.pooch, "file_hash", refuse)
    with pytest.raises(RuntimeError, match=rf"{cache}.*Permission denied.*NLP_HELPERS_CACHE"):
        load_corpus("tiny-shakespeare")


def test_the_real_entry_is_the_one_in_the_design():
    entry = DOWNLOADS["tiny-shakespeare"]
    folder = "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare"
    assert entry.url == f"{folder}/input.txt"
    assert entry.sha256 == "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"


# Names and selections


def test_an_unknown_corpus_lists_the_names():
    with pytest.raises(ValueError, match=r"'shakespeare'.*library-docs, tiny-shakespeare"):
        load_corpus("shakespeare")
    with pytest.raises(TypeError, match="None"):
        load_corpus(None)


def test_passages_are_chosen_by_split_and_kind():
    rows = [("a", "prose", "train"), ("b", "code", "train"), ("c", "prose", "test")]
    corpus = Corpus("x", tuple(Passage(t, k, "l", "l.s", s, "f") for t, k, s in rows))
    assert corpus.text("train") == "a"
    assert corpus.text("train", kind="code") == "b"
    assert corpus.text() == "a\n\nc"
    assert corpus.text("validation") == ""
    assert [p.text for p in corpus.passages_of("test")] == ["c"]
    assert repr(corpus) == "Corpus('x', 3 passages)"
    with pytest.raises(ValueError, match=r"'dev'.*train, validation, test"):
        corpus.text("dev")
    with pytest.raises(ValueError, match=r"'poetry'.*prose, code"):
        corpus.passages_of("train", "poetry")
