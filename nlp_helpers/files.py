"""Writing files whole or not at all."""

import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file through a temporary one beside it, so that no reader meets half of it.

    Text is written as UTF-8 with plain line feeds. Missing folders are made; a file that is
    already there keeps its mode. When anything fails, what was there stays, and nothing else.

    Raises:
        TypeError: content that is neither text nor bytes.
    """
    if not isinstance(content, str | bytes):
        raise TypeError(f"content must be str or bytes, got {type(content).__name__}")
    path.parent.mkdir(parents=True, exist_ok=True)
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content.encode("utf-8") if isinstance(content, str) else content)
        os.chmod(temporary, mode)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def write_all(contents: Mapping[Path, str | bytes]) -> None:
    """Write several files of one folder, each with `write_whole`, all of them or none.

    When one fails, the others become again what they were, and folders that were made for them
    go away.

    Raises:
        TypeError: as `write_whole`. OSError: a file that cannot be written.
    """
    folders = dict.fromkeys(path.parent for path in contents)
    parents = [parent for folder in folders for parent in (folder, *folder.parents)]
    new_folders = [path for path in parents if not path.exists()]
    before = {path: path.read_bytes() for path in contents if path.is_file()}
    written: list[Path] = []
    try:
        for path, content in contents.items():
            write_whole(path, content)
            written.append(path)
    except BaseException:
        for path in written:
            if path in before:
                write_whole(path, before[path])
            else:
                path.unlink()
        with suppress(OSError):  # one that was not made, or that something else is in by now
            for path in new_folders:
                path.rmdir()
        raise
