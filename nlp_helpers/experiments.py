"""Results of long runs of `make train`, as JSON files: curves, settings, seeds, seconds, date.

A chapter trains a short run live and loads the long one from here. Checkpoints hold weights
(`pretrained`), `bench/` holds speeds (`benchmarks`); this holds everything else that was measured.
"""

import json
import re
from pathlib import Path

from nlp_helpers.files import write_whole

EXPERIMENTS = Path(__file__).parent / "experiment_results"
REQUIRED = {"question", "date", "seed", "settings", "results"}


def load_experiment(name: str, folder: Path | str = EXPERIMENTS) -> dict:
    """The stored result of one experiment, such as "adding-problem".

    Raises:
        ValueError: an unknown name (the known ones are listed), or a damaged file.
    """
    file = Path(folder) / f"{name}.json"
    known = sorted(path.stem for path in Path(folder).glob("*.json"))
    if name not in known:
        raise ValueError(f"no experiment {name!r} in {folder}; there are: {', '.join(known)}")
    try:
        result = json.loads(file.read_text(encoding="utf-8"))
        check_result(result)
    except ValueError as error:  # JSONDecodeError is one
        raise ValueError(f"experiment {name!r}: {file.name} is damaged: {error}") from error
    return result


def save_experiment(name: str, result: dict, folder: Path | str = EXPERIMENTS) -> None:
    """Write the result of an experiment, whole or not at all.

    Args:
        result: holds at least `question` (what was asked, one sentence), `date`, `seed`,
            `settings` and `results`; only what JSON can hold, and finite numbers.

    Raises:
        ValueError: a name that is not lower-case words joined by hyphens, a part that is missing,
            a number that is not finite.
        TypeError: something in `result` that JSON cannot hold.
    """
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name):
        raise ValueError(f"name must be lower-case words joined by hyphens, got {name!r}")
    check_result(result)
    text = json.dumps({"name": name, **result}, indent=1, allow_nan=False) + "\n"
    Path(folder).mkdir(parents=True, exist_ok=True)
    write_whole(Path(folder) / f"{name}.json", text)


def check_result(result: object) -> None:
    """Refuse a result that does not say what was asked, when, and how.

    Raises:
        ValueError: naming what is missing.
    """
    if not isinstance(result, dict):
        raise ValueError(f"a result must be a dictionary, got {type(result).__name__}")
    missing = REQUIRED - result.keys()
    if missing:
        raise ValueError(f"the result lacks {', '.join(sorted(missing))}")
