"""A file is written whole, or what was there stays and nothing else is left behind."""

import os

import pytest

from nlp_helpers.files import write_whole


def test_text_bytes_folders_and_mode(tmp_path):
    path = tmp_path / "new" / "a.txt"
    write_whole(path, "old\n")
    assert path.stat().st_mode & 0o777 == 0o644
    path.chmod(0o600)
    write_whole(path, "new é\n")
    assert path.read_bytes() == "new é\n".encode()
    assert path.stat().st_mode & 0o777 == 0o600
    write_whole(path, b"\x00\r\n")
    assert path.read_bytes() == b"\x00\r\n"


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    write_whole(path, "old")
    with pytest.raises(TypeError, match="int"):
        write_whole(path, 3)

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_whole(path, "newer")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]
