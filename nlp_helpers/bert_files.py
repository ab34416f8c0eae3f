"""BERT in the files of Hugging Face, from a folder or, by name, from the network."""

import json
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file

from nlp_helpers.data.wordpiece import WordPiece
from nlp_helpers.data.wordpiece_files import SPECIALS, read_options
from nlp_helpers.downloads import Download, fetch
from nlp_helpers.models.bert import BERT
from nlp_helpers.models.bert_weights import bert_from_tensors, config_from_huggingface

FILES = ("config.json", "vocab.txt", "model.safetensors")
TOKENIZER = "tokenizer.json"  # read in place of vocab.txt, which transformers 5 does not write
OTHERS = (  # weights and configurations in other formats, named where ours is missing
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "tf_model.h5",
    "flax_model.msgpack",
    "bert_config.json",
    "bert_model.ckpt.index",
)

_UNCASED = {
    "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
    "tokenizer_config.json": "a025160ef0431f1a392f6f050c1310f4c5d9fb6f275932dbccba73c4d214bf10",
}
_CASED = {
    "vocab.txt": "eeaa9875b23b04b4c54ef759d03db9d1ba1554838f8fb26c5d96fa551df93d02",
    "tokenizer_config.json": "0f6d13e6f4da6f9e24f22ada6bc3be571123d858d7c0c05a8a7cd55a9c23c2e8",
}
# name -> repository and revision on the hub, SHA-256 of each file; the weights last, so that what
# is small fails first
_REVISIONS = {
    "bert-base-uncased": (
        "google-bert/bert-base-uncased/resolve/86b5e0934494bd15c9632b12f734a8a67f723594",
        {
            "config.json": "7160e1553ad2ca51d8c1cb066be533db31826e12d173824c1bb0cb1a4f187d20",
            **_UNCASED,
            "model.safetensors": "68d45e234eb4a928074dfd868cead0219ab85354cc53d20e772753c6bb9169d3",
        },
    ),
    "bert-base-cased": (
        "google-bert/bert-base-cased/resolve/cd5ef92a9fb2f889e972770a36d4ed042daf221e",
        {
            "config.json": "8b73abed2d67075fd3ec0f840aa53d9cccdc9169c04a7da135c07e721910ed74",
            **_CASED,
            "model.safetensors": "1d8bdcee6021e2c25f0325e84889b61c2eb26b843eef5659c247af138d64f050",
        },
    ),
    "bert-large-uncased": (
        "google-bert/bert-large-uncased/resolve/6da4b6a26a1877e173fca3225479512db81a5e5b",
        {
            "config.json": "f9a38c9ffa369f288c3206d0bf352dfed11d7bdee93aa5b2de6d7fdc7bff7871",
            **_UNCASED,
            "model.safetensors": "28349a5c57338d0dca591bb95de533897c2399095c69d61e09604b46f444a4c4",
        },
    ),
    # the smallest of Turc et al. 2019: 2 layers of width 128
    "bert-tiny": (
        "google/bert_uncased_L-2_H-128_A-2/resolve/30b0a37ccaaa32f332884b96992754e246e48c5f",
        {
            "config.json": "508e1f01aae55d73355cbdd82609be2f43ba5a0d3428837adbe56cf8391f8b39",
            "vocab.txt": _UNCASED["vocab.txt"],
            "model.safetensors": "7fb69ad9f6866d8983183c930e33828f326470bf6ad8bbb2ad4ed957a92e9414",
        },
    ),
}

# name -> file -> where it comes from
RELEASED: dict[str, dict[str, Download]] = {
    name: {
        file: Download(f"https://huggingface.co/{place}/{file}", sha256)
        for file, sha256 in hashes.items()
    }
    for name, (place, hashes) in _REVISIONS.items()
}


def open_bert(folder_or_name: Path | str, lower_case: bool | None = None) -> tuple[BERT, WordPiece]:
    """`read_bert` of a folder, or of a released model, which is downloaded once.

    A string that is a model's name means that model; write "./bert-tiny" for a folder of that
    name.

    Raises:
        TypeError: neither a path nor a string, a lower_case that is none of its three values.
        ValueError: neither a folder nor a known name; and as `read_bert`.
        FileNotFoundError: as `read_bert`. RuntimeError: as `fetch_bert`.
    """
    if not isinstance(folder_or_name, Path | str):
        kind = type(folder_or_name).__name__
        raise TypeError(f"expected a folder or a name, got {kind}: {folder_or_name!r:.60}")
    if lower_case is not None and not isinstance(lower_case, bool):
        raise TypeError(f"lower_case must be True, False or None, got {lower_case!r:.60}")
    if isinstance(folder_or_name, str) and folder_or_name in RELEASED:
        return read_bert(fetch_bert(folder_or_name), lower_case)
    if not folder_or_name or not Path(folder_or_name).is_dir():
        names = ", ".join(RELEASED)
        raise ValueError(f"{str(folder_or_name)!r} is no folder and none of the names {names}")
    return read_bert(Path(folder_or_name), lower_case)


def fetch_bert(name: str) -> Path:
    """The folder of a released model in the cache; what is missing or damaged is downloaded.

    Raises:
        RuntimeError: a download failed, or the cache folder cannot be used.
    """
    otherwise = f"give load_bert a folder that holds {', '.join(FILES)}"
    for file, source in RELEASED[name].items():
        path = fetch(source, f"{name}/{file}", f"{file} of {name!r}", otherwise)
    return path.parent


def read_bert(folder: Path, lower_case: bool | None = None) -> tuple[BERT, WordPiece]:
    """The model and the tokenizer of a folder, the model in eval mode and in float32.

    The names of the tensors may have the prefix "bert."; heads are left aside, and without the
    pooler's tensors the model has none. The vocabulary is that of vocab.txt, and where there is
    none that of tokenizer.json. It may have fewer pieces than the model has rows in its
    embedding, as the rows of some models are padded to a round number.

    Raises:
        FileNotFoundError: a file that is not there.
        ValueError: files that are not JSON, safetensors or a WordPiece; a model that is not a
            BERT, or has an option that ours does not have; a tensor missing, left over or of
            another shape; a vocabulary with more pieces than the model has.
    """
    check_files(folder)
    path = folder / "config.json"
    config = read_object(path)
    try:
        vocab_size = config_from_huggingface(config).vocab_size
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from error
    in_text = (folder / "vocab.txt").is_file()
    if in_text:
        tokenizer = WordPiece.from_folder(folder, lower_case)
    else:
        tokenizer = read_tokenizer(folder / TOKENIZER, lower_case)
    if tokenizer.vocab_size > vocab_size:
        source = "vocab.txt" if in_text else TOKENIZER
        raise ValueError(
            f"{folder}: {source} has {tokenizer.vocab_size} pieces, "
            f"config.json says vocab_size={vocab_size}"
        )
    weights = folder / "model.safetensors"
    try:
        model = bert_from_tensors(BERT, config, load_file(weights))
    except (SafetensorError, TypeError, ValueError) as error:
        raise ValueError(f"{weights}: {error}") from error
    return model.float(), tokenizer


def check_files(folder: Path) -> None:
    """Refuse a folder that lacks a file, with the files that it has instead."""
    missing = [name for name in FILES if not (folder / name).is_file()]
    if (folder / TOKENIZER).is_file() and "vocab.txt" in missing:
        missing.remove("vocab.txt")
    if not missing:
        return
    found = [name for name in OTHERS if (folder / name).is_file()]
    hint = f" (it has {', '.join(found)}, which load_bert does not read)" if found else ""
    lacks = ", ".join(f"vocab.txt or {TOKENIZER}" if m == "vocab.txt" else m for m in missing)
    raise FileNotFoundError(f"{folder} lacks {lacks}{hint}")


def read_object(path: Path) -> dict:
    """The object in a JSON file."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:  # not JSON, or not text
        raise ValueError(f"{path} is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise ValueError(f"{path} must hold an object, got {found!r:.60}")
    return found


# What a tokenizer.json must say to be BERT's tokenizer: part, key -> value.
_WORDPIECE = {
    ("normalizer", "type"): "BertNormalizer",
    ("normalizer", "clean_text"): True,
    ("pre_tokenizer", "type"): "BertPreTokenizer",
    ("model", "type"): "WordPiece",
    ("model", "unk_token"): "[UNK]",
    ("model", "continuing_subword_prefix"): "##",
}
# Our options: where tokenizer.json has them.
_OPTIONS = {
    "lower_case": ("normalizer", "lowercase"),
    "strip_accents": ("normalizer", "strip_accents"),
    "chinese_characters": ("normalizer", "handle_chinese_chars"),
    "max_characters": ("model", "max_input_chars_per_word"),
}
_TEMPLATES = {"single": "[CLS]:0 A:0 [SEP]:0", "pair": "[CLS]:0 A:0 [SEP]:0 B:1 [SEP]:1"}


def read_tokenizer(path: Path, lower_case: bool | None = None) -> WordPiece:
    """The WordPiece of a tokenizer.json, which the library tokenizers writes.

    Options that tokenizer_config.json names beside it take precedence, as in transformers.

    Raises:
        ValueError: not JSON, or not the tokenizer of a BERT: another model, other steps before
            or after it, tokens that were added to the vocabulary.
    """
    whole = read_object(path)
    parts = {name: whole.get(name) for name in ("normalizer", "pre_tokenizer", "model")}
    for name, part in parts.items():
        if not isinstance(part, dict):
            raise ValueError(f"{path}: {name} must be an object, got {part!r:.60}")
    parts["model"] = {"type": "WordPiece"} | parts["model"]  # old files do not name it
    for (name, key), wanted in _WORDPIECE.items():
        if parts[name].get(key) != wanted:
            found = f"{parts[name].get(key)!r:.60}"
            raise ValueError(f"{path}: {name}.{key} must be {wanted!r}, got {found}")
    check_template(path, whole.get("post_processor"))
    places = {k: place for k, place in _OPTIONS.items() if place[1] in parts[place[0]]}
    options = {k: parts[name][key] for k, (name, key) in places.items()}
    options |= read_options(path.with_name("tokenizer_config.json"))
    if lower_case is not None:
        options["lower_case"] = lower_case
    try:
        tokenizer = WordPiece(parts["model"].get("vocab"), **options)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from error
    check_added(path, whole.get("added_tokens", []), tokenizer.vocab)
    return tokenizer


def check_template(path: Path, processor: object) -> None:
    """Refuse what puts other tokens than [CLS] and [SEP] around a text or a pair."""
    try:
        if processor["type"] == "BertProcessing":
            fine = (processor["cls"][0], processor["sep"][0]) == ("[CLS]", "[SEP]")
        else:
            fine = processor["type"] == "TemplateProcessing"
            for kind, wanted in _TEMPLATES.items():
                pieces = (piece for step in processor[kind] for piece in step.values())
                fine &= " ".join(f"{p['id']}:{p['type_id']}" for p in pieces) == wanted
    except (AttributeError, KeyError, IndexError, TypeError):
        fine = False
    if not fine:
        wanted = "[CLS] text [SEP] and [CLS] text [SEP] text [SEP]"
        raise ValueError(f"{path}: post_processor must make {wanted}, got {processor!r:.60}")


def check_added(path: Path, added: object, vocab: Mapping[str, int]) -> None:
    """Refuse tokens outside WordPiece: ours finds none but the special ones in a text."""
    try:
        wrong = [t["content"] for t in added if t["content"] not in SPECIALS]
        moved = [t["content"] for t in added if vocab.get(t["content"]) != t["id"]]
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path}: added_tokens must be a list of objects: {error}") from error
    if wrong:
        raise ValueError(f"{path} has added tokens, which WordPiece has not: {', '.join(wrong)}")
    if moved:
        raise ValueError(f"{path}: {moved[0]!r} has another id in added_tokens than in its vocab")
