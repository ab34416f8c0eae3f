"""GPT-2 in the files of Hugging Face, from a folder or, by name, from the network."""

import json
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file

from nlp_helpers.data.bpe import ByteLevelBPE
from nlp_helpers.downloads import Download, fetch
from nlp_helpers.models.gpt import GPT
from nlp_helpers.models.gpt_weights import config_from_huggingface, gpt_from_tensors

FILES = ("config.json", "model.safetensors", "vocab.json", "merges.txt")

# name -> revision, SHA-256 of config.json, SHA-256 of model.safetensors
_REVISIONS = {
    "gpt2": (
        "607a30d783dfa663caf39e06633721c8d4cfcd7e",
        "0daed7749b4f02b8f76240d5444551d7b08712dab4d0adb8239c56ba823bb7b4",
        "248dfc3911869ec493c76e65bf2fcf7f615828b0254c12b473182f0f81d3a707",
    ),
    "gpt2-medium": (
        "6dcaa7a952f72f9298047fd5137cd6e4f05f41da",
        "ef1a44d889ad1a0acc7731c78134f1b87d2d222f110e97dd10fd4117331caf22",
        "fc5a354a19255ad494f3d71549390baca1ccf61d1d822b9408971705c687c9cd",
    ),
    "gpt2-large": (
        "32b71b12589c2f8d625668d2335a01cac3249519",
        "7fccdcfd6622055342a734c663ee0b61ff4fd697f42467595df0bf4448c8c170",
        "5f47f3e12f91cd33b662ce7e433b6150ad5512b5884a2cee961b50e9c3bbebce",
    ),
    "gpt2-xl": (
        "15ea56dee5df4983c59b2538573817e1667135e2",
        "be48115d52314bc27327e160bf10197760db02ea689d10adb24db4102edf7a8a",
        "0f8b28eb05a8075f48b61b6f35332978c74fc7763fa9fb4051a1c30511736a6a",
    ),
}
# All sizes have one tokenizer; it is taken from the smallest.
_TOKENIZER = {
    "vocab.json": "196139668be63f3b5d6574427317ae82f612a97c5d1cdaf36ed2256dbf636783",
    "merges.txt": "1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5",
}


def _on_the_hub(name: str, file: str, sha256: str) -> Download:
    revision = _REVISIONS[name][0]
    url = f"https://huggingface.co/openai-community/{name}/resolve/{revision}/{file}"
    return Download(url, sha256)


# name -> file -> where it comes from; the weights last, so that what is small fails first
RELEASED: dict[str, dict[str, Download]] = {
    name: {
        "config.json": _on_the_hub(name, "config.json", config),
        **{file: _on_the_hub("gpt2", file, sha256) for file, sha256 in _TOKENIZER.items()},
        "model.safetensors": _on_the_hub(name, "model.safetensors", weights),
    }
    for name, (_, config, weights) in _REVISIONS.items()
}


def open_gpt2(folder_or_name: Path | str) -> tuple[GPT, ByteLevelBPE]:
    """`read_gpt2` of a folder, or of a released model, which is downloaded once.

    A string that is a model's name means that model; write "./gpt2" for a folder of that name.

    Raises:
        TypeError: neither a path nor a string.
        ValueError: neither a folder nor a known name; and as `read_gpt2`.
        FileNotFoundError: as `read_gpt2`. RuntimeError: as `fetch_gpt2`.
    """
    if not isinstance(folder_or_name, Path | str):
        kind = type(folder_or_name).__name__
        raise TypeError(f"expected a folder or a name, got {kind}: {folder_or_name!r:.60}")
    if isinstance(folder_or_name, str) and folder_or_name in RELEASED:
        return read_gpt2(fetch_gpt2(folder_or_name))
    if not folder_or_name or not Path(folder_or_name).is_dir():
        names = ", ".join(RELEASED)
        raise ValueError(f"{str(folder_or_name)!r} is no folder and none of the names {names}")
    return read_gpt2(Path(folder_or_name))


def fetch_gpt2(name: str) -> Path:
    """The folder of a released model in the cache; what is missing or damaged is downloaded.

    Raises:
        RuntimeError: a download failed, or the cache folder cannot be used.
    """
    otherwise = f"give load_gpt2 a folder that holds {', '.join(FILES)}"
    for file, source in RELEASED[name].items():
        path = fetch(source, f"{name}/{file}", f"{file} of {name!r}", otherwise)
    return path.parent


def read_gpt2(folder: Path) -> tuple[GPT, ByteLevelBPE]:
    """The model and the tokenizer of a folder, the model in eval mode and in float32.

    The names of the tensors may have the prefix "transformer."; the causal masks that older
    files hold are left aside.

    Raises:
        FileNotFoundError: a file that is not there.
        ValueError: files that are not JSON, safetensors or a tokenizer; a model that is not a
            GPT-2, or has an option that ours does not have; a tensor missing, left over or of
            another shape; a vocabulary of another size than the model's.
    """
    missing = [name for name in FILES if not (folder / name).is_file()]
    if missing:
        raise FileNotFoundError(f"{folder} lacks {', '.join(missing)}{hint(folder)}")
    config = read_config(folder / "config.json")
    tokenizer = ByteLevelBPE.from_files(folder / "vocab.json", folder / "merges.txt")
    try:
        vocab_size = config_from_huggingface(config).vocab_size
    except (TypeError, ValueError) as error:
        raise ValueError(f"{folder / 'config.json'}: {error}") from error
    if tokenizer.vocab_size != vocab_size:
        raise ValueError(
            f"{folder}: vocab.json has {tokenizer.vocab_size} tokens, "
            f"config.json says vocab_size={vocab_size}"
        )
    weights = folder / "model.safetensors"
    try:
        model = gpt_from_tensors(GPT, config, load_file(weights))
    except (SafetensorError, ValueError) as error:
        raise ValueError(f"{weights}: {error}") from error
    return model.float(), tokenizer


def read_config(path: Path) -> dict:
    """The configuration of a GPT-2, as it stands in the file."""
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:  # not JSON, or not text
        raise ValueError(f"{path} is not JSON: {error}") from error
    if not isinstance(config, dict):
        raise ValueError(f"{path} must hold an object, got {config!r:.60}")
    if config.get("model_type") == "openai-gpt":
        raise ValueError(
            f"{path}: model_type is 'openai-gpt', a GPT-1, whose tokenizer is not byte-level BPE; "
            "for its weights alone use GPT.from_huggingface"
        )
    return config


def hint(folder: Path) -> str:
    """What the folder has in place of what it lacks, for the error."""
    others = ("model.safetensors.index.json", "pytorch_model.bin", "tokenizer.json")
    found = [name for name in others if (folder / name).is_file()]
    return f" (it has {', '.join(found)}, which load_gpt2 does not read)" if found else ""
