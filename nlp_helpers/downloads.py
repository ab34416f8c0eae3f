"""Files from the network, in the cache folder: checked by their SHA-256, whole or not at all."""

import errno
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pooch
import requests


@dataclass(frozen=True, slots=True)
class Download:
    """A file that is fetched: its address and the SHA-256 of what must arrive."""

    url: str
    sha256: str


def cache_folder() -> Path:
    """The folder that downloads and extractions are kept in; made if need be.

    It is ``NLP_HELPERS_CACHE`` if that is set, otherwise pooch's place for this operating system.

    Raises:
        RuntimeError: it cannot be made.
    """
    folder = Path(os.environ.get("NLP_HELPERS_CACHE") or pooch.os_cache("nlp_helpers"))
    try:
        folder = folder.expanduser()
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError) as error:
        raise cache_error(folder, error) from error
    return folder


def cache_error(folder: Path, error: Exception) -> RuntimeError:
    """What to raise when the cache folder fails, with the remedy."""
    return RuntimeError(
        f"cannot use the cache folder {folder} ({error}): set the environment variable "
        "NLP_HELPERS_CACHE to a folder that can be read and written and has room"
    )


def fetch(source: Download, place: str, what: str, otherwise: str) -> Path:
    """The local copy of a file; it is downloaded, with a progress bar, if missing or damaged.

    Args:
        place: its path inside the cache folder.
        what, otherwise: for the error: what is downloaded, and what to do without a network.

    Raises:
        RuntimeError: the download failed or is not the file, or the cache folder cannot be used.
    """
    folder = cache_folder()
    path = folder / place
    try:
        if path.is_file() and pooch.file_hash(str(path)) == source.sha256:
            return path
        with tempfile.TemporaryDirectory(dir=folder, prefix=f"{path.stem}-") as temporary:
            try:
                arrived = pooch.retrieve(
                    source.url, source.sha256, path.name, temporary, progressbar=True
                )
            except Exception as error:  # requests, urllib3 and pooch each raise their own kinds
                if _is_of_the_disk(error):
                    raise
                raise RuntimeError(
                    f"could not download {what} from {source.url} ({error}); "
                    f"try again with a network, or {otherwise}"
                ) from error
            os.chmod(arrived, 0o644)  # a class may share the folder
            path.parent.mkdir(parents=True, exist_ok=True)
            os.replace(arrived, path)
    except OSError as error:
        raise cache_error(folder, error) from error
    return path


def _is_of_the_disk(error: Exception) -> bool:
    """Whether writing failed; no network would help (what requests raises is an OSError, too)."""
    if not isinstance(error, OSError) or isinstance(error, requests.RequestException):
        return False
    full_or_forbidden = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)
    return isinstance(error, PermissionError) or error.errno in full_or_forbidden
