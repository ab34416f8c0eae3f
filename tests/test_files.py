"""Files are written whole, all or none, or what was there stays and nothing else is left."""

import os

import pytest

from nlp_helpers import files
from nlp_helpers.files import write_all, write_whole


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


def everything(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


def test_several_files_are_written_with_their_folders(tmp_path):
    folder = tmp_path / "new" / "inner"
    write_all({folder / "a.txt": "one\n", folder / "b.bin": b"\x00"})
    assert everything(folder) == {"a.txt": b"one\n", "b.bin": b"\x00"}


@pytest.mark.parametrize("n_written", [0, 1, 2])
def test_when_one_file_fails_all_become_what_they_were(n_written, tmp_path, monkeypatch):
    (tmp_path / "a.txt").write_text("old")
    before = everything(tmp_path)
    contents = {tmp_path / "a.txt": "new", tmp_path / "x" / "y" / "b.txt": "new"}
    contents[tmp_path / "c.txt"] = "new"
    failing, write = list(contents)[n_written], files.write_whole

    def fail(path, content):
        if path == failing:
            path.parent.mkdir(parents=True, exist_ok=True)
            raise OSError("disk full")
        write(path, content)

    monkeypatch.setattr(files, "write_whole", fail)
    with pytest.raises(OSError, match="disk full"):
        write_all(contents)
    assert everything(tmp_path) == before


def test_a_folder_that_something_else_is_in_by_now_stays(tmp_path):
    folder = tmp_path / "new"

    class Contents(dict):
        def items(self):
            yield from super().items()
            (folder / "of-another.txt").write_text("mine")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_all(Contents({folder / "a.txt": "new"}))
    assert everything(tmp_path) == {"new": None, "new/of-another.txt": b"mine"}
