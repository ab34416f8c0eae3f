"""GPT-2 in the files that transformers writes, from folders and from a server in this test."""

import functools
import hashlib
import http.server
import json
import re
import shutil
import socket
import threading
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import ByteLevelBPETokenizer
from torch import nn
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    GPT2TokenizerFast,
    OpenAIGPTConfig,
    OpenAIGPTLMHeadModel,
)

from nlp_helpers import downloads, gpt_files
from nlp_helpers.data.bpe import ByteLevelBPE
from nlp_helpers.decoding import generate
from nlp_helpers.downloads import Download
from nlp_helpers.gpt_files import FILES, RELEASED
from nlp_helpers.models.gpt import GPT
from nlp_helpers.models.gpt_config import GPT2_SIZES
from nlp_helpers.models.gpt_weights import config_from_huggingface
from nlp_helpers.pretrained import load_gpt2

TEXTS = [
    "The bank of the river was muddy, the bank in the town was closed.",
    "naïve 日本語 🙂 it's  two  spaces\n\nand\tlines 2019",
    " leading, trailing ",
    "",
]
END = "<|endoftext|>"
VOCAB_SIZE, MAX_LEN, N_LAYERS = 283, 23, 2


def their_model():
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=VOCAB_SIZE,
        n_positions=MAX_LEN,
        n_embd=36,
        n_layer=N_LAYERS,
        n_head=6,
        n_inner=50,
        bos_token_id=VOCAB_SIZE - 1,
        eos_token_id=VOCAB_SIZE - 1,
    )
    model = GPT2LMHeadModel(config).eval()
    for parameter in model.parameters():
        nn.init.normal_(parameter, mean=0.1, std=0.3)
    return model


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A folder that their own code wrote, tokenizer included."""
    folder = tmp_path_factory.mktemp("saved")
    their_model().save_pretrained(folder)
    tokenizer = ByteLevelBPETokenizer()
    tokenizer.train_from_iterator(TEXTS * 3, vocab_size=VOCAB_SIZE - 1, min_frequency=2)
    tokenizer.save_model(str(folder))
    vocab = json.loads((folder / "vocab.json").read_text())
    assert len(vocab) == VOCAB_SIZE - 1
    vocab[END] = VOCAB_SIZE - 1  # as in GPT-2's own file: the last piece, which no merge makes
    (folder / "vocab.json").write_text(json.dumps(vocab))
    assert {*FILES} < {path.name for path in folder.iterdir()}
    return folder


@pytest.fixture
def folder(saved, tmp_path):
    return Path(shutil.copytree(saved, tmp_path / "model"))


def tokens_case():
    generator = torch.Generator().manual_seed(3)
    return torch.randint(0, VOCAB_SIZE, (5, 7), generator=generator)


@torch.no_grad()
def check_logits(model):
    tokens = tokens_case()
    torch.testing.assert_close(model(tokens), their_model()(tokens).logits, atol=1e-5, rtol=1e-5)


# ---- folders ----


@pytest.mark.parametrize("kind", [str, Path])
def test_a_folder_of_theirs_gives_their_logits(folder, kind):
    before = torch.get_rng_state()
    model, tokenizer = load_gpt2(kind(folder))
    assert torch.equal(torch.get_rng_state(), before)
    assert type(model) is GPT
    assert type(tokenizer) is ByteLevelBPE
    assert not model.training
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    check_logits(model)
    reloaded = GPT2LMHeadModel.from_pretrained(folder).eval()  # the file, not only the model
    torch.testing.assert_close(model(tokens_case()), reloaded(tokens_case()).logits)


def change_tensors(folder, change):
    path = folder / "model.safetensors"
    tensors = change(load_file(path))
    save_file({k: v.contiguous().clone() for k, v in tensors.items()}, path)


def without_prefix(tensors):
    return {k.removeprefix("transformer."): v for k, v in tensors.items()}


def with_masks(tensors):
    masks = {}
    for i in range(N_LAYERS):
        masks[f"h.{i}.attn.bias"] = torch.ones(1, 1, MAX_LEN, MAX_LEN).tril()
        masks[f"h.{i}.attn.masked_bias"] = torch.tensor(-1e4)
    prefix = "transformer." * all(k.startswith("transformer.") for k in tensors)
    return {**tensors, **{prefix + k: v for k, v in masks.items()}}


LAYOUTS = {
    "without prefix": without_prefix,
    "older, with prefix": with_masks,
    "older, without prefix": lambda tensors: with_masks(without_prefix(tensors)),
    "with the output matrix": lambda t: {**t, "lm_head.weight": t["transformer.wte.weight"]},
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_other_layouts_of_the_weights(folder, layout):
    change_tensors(folder, LAYOUTS[layout])
    check_logits(load_gpt2(folder)[0])


def test_the_file_of_a_model_without_head(folder):
    their_model().transformer.save_pretrained(folder)
    names = load_file(folder / "model.safetensors")
    assert "wte.weight" in names
    check_logits(load_gpt2(folder)[0])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_the_model_is_in_float32_whatever_the_file_holds(folder, dtype):
    change_tensors(folder, lambda tensors: {k: v.to(dtype) for k, v in tensors.items()})
    model, _ = load_gpt2(folder)
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    theirs = their_model().to(dtype).float()
    torch.testing.assert_close(model(tokens_case()), theirs(tokens_case()).logits)


def test_the_tokenizer_is_theirs(folder):
    _, ours = load_gpt2(folder)
    theirs = GPT2TokenizerFast.from_pretrained(folder)
    for text in [*TEXTS, "something else: Grüße, ½ and 12345"]:
        assert ours.encode(text) == theirs(text)["input_ids"]
        assert ours.tokenize(text) == theirs.tokenize(text)
        assert ours.decode(ours.encode(text)) == text
    both = f"The bank{END} the river"
    assert ours.encode(both, specials=True) == theirs(both)["input_ids"]
    assert ours.special_id(END) == theirs.eos_token_id == VOCAB_SIZE - 1


def test_text_goes_in_and_the_same_text_comes_out_as_from_theirs(folder):
    model, tokenizer = load_gpt2(folder)
    prompt = torch.tensor([tokenizer.encode("The bank of")])
    found = generate(model.step, prompt, 9)
    expected = their_model().generate(
        prompt,
        attention_mask=torch.ones_like(prompt),
        max_new_tokens=9,
        do_sample=False,
        pad_token_id=0,
        eos_token_id=None,
    )
    assert torch.equal(found, expected)
    theirs = GPT2TokenizerFast.from_pretrained(folder)
    assert tokenizer.decode(found[0]) == theirs.decode(expected[0])


# ---- folders that are refused ----


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(FileNotFoundError, match=rf"{folder} lacks {re.escape(name)}$"):
        load_gpt2(folder)


def test_an_empty_folder_lacks_everything(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"lacks config\.json, model\.safetensors, vo"):
        load_gpt2(tmp_path)


@pytest.mark.parametrize(
    ("lacks", "has"),
    [
        ("model.safetensors", "pytorch_model.bin"),
        ("model.safetensors", "model.safetensors.index.json"),
        ("merges.txt", "tokenizer.json"),
    ],
)
def test_what_stands_in_place_of_a_file_is_named(folder, lacks, has):
    (folder / lacks).rename(folder / has)
    with pytest.raises(FileNotFoundError, match=rf"lacks {lacks} \(it has {has}, which load_gpt2"):
        load_gpt2(folder)


def change_config(folder, **changes):
    path = folder / "config.json"
    config = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({k: v for k, v in config.items() if v is not ...}))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model_type": "openai-gpt"}, "model_type is 'openai-gpt', a GPT-1, whose tokenizer is"),
        ({"model_type": "bert"}, "model_type must be one of .*'bert'"),
        ({"scale_attn_weights": False}, "does not support scale_attn_weights=False"),
        ({"tie_word_embeddings": False}, "does not support tie_word_embeddings=False"),
        ({"activation_function": "silu"}, "activation_function must be .*'silu'"),
        ({"attn_pdrop": 0.5}, r"attn_pdrop=0\.5"),
        ({"n_embd": ...}, "lacks n_embd"),
        ({"n_embd": "36"}, "n_embd must be an int, got str"),
        ({"n_head": 5}, "d_model=36 is not divisible by n_heads=5"),
        ({"vocab_size": None}, "vocab_size must be an int"),
    ],
)
def test_a_configuration_that_ours_cannot_have_is_named_with_its_file(folder, changes, words):
    change_config(folder, **changes)
    with pytest.raises(ValueError, match=rf"{folder}/config\.json: .*{words}"):
        load_gpt2(folder)


@pytest.mark.parametrize("content", [b"{", b"", b"\xff\xfe\x00", b"[1, 2]", b"null", b'"gpt2"'])
def test_a_configuration_that_is_no_json_object(folder, content):
    (folder / "config.json").write_bytes(content)
    with pytest.raises(ValueError, match=rf"{folder}/config\.json (is not JSON|must hold an obj)"):
        load_gpt2(folder)


def test_a_real_gpt_1_folder_is_refused(folder):
    sizes = {"vocab_size": VOCAB_SIZE, "n_positions": 8, "n_embd": 12, "n_layer": 1, "n_head": 2}
    OpenAIGPTLMHeadModel(OpenAIGPTConfig(**sizes)).save_pretrained(folder)
    with pytest.raises(ValueError, match="a GPT-1, whose tokenizer is not byte-level BPE"):
        load_gpt2(folder)


def test_a_vocabulary_of_another_size_than_the_model_s(folder):
    change_config(folder, vocab_size=VOCAB_SIZE + 5)
    words = rf"vocab\.json has {VOCAB_SIZE} tokens, config\.json says vocab_size={VOCAB_SIZE + 5}"
    with pytest.raises(ValueError, match=words):
        load_gpt2(folder)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("vocab.json", b"{", r"vocab\.json is not JSON"),
        ("vocab.json", b"[]", r"vocab\.json must hold an object"),
        ("vocab.json", b'{"a": 0}', r"vocab\.json.*lacks 255 of 256"),
        ("merges.txt", b"#version: 0.2\nab\n", r"merges\.txt, line 2, 'ab'"),
        ("merges.txt", b"\xff\xff", r"merges\.txt is not a text file"),
        ("model.safetensors", b"", r"model\.safetensors: "),
        ("model.safetensors", b"half a file", r"model\.safetensors: "),
    ],
)
def test_damaged_files_are_named(folder, name, content, words):
    (folder / name).write_bytes(content)
    with pytest.raises(ValueError, match=rf"{folder}/{words}"):
        load_gpt2(folder)


def test_a_weights_file_that_is_cut_off(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match=rf"{path}: "):
        load_gpt2(folder)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: {k: v for k, v in t.items() if "ln_f" not in k}, r"missing: ln_f\.bias, ln_f\."),
        (lambda t: {**t, "score.weight": torch.zeros(2)}, r"not known: score\.weight"),
        (
            lambda t: {**t, "transformer.wpe.weight": torch.zeros(4, 36)},
            r"wpe\.weight must have shape \[23, 36\], got \[4, 36\]",
        ),
        (
            lambda t: {**t, "lm_head.weight": torch.zeros(VOCAB_SIZE, 36)},
            r"lm_head\.weight differs from wte\.weight",
        ),
        (
            lambda t: {**t, "transformer.ln_f.bias": torch.zeros(36, dtype=torch.int32)},
            r"ln_f\.bias must hold floating-point numbers, got torch\.int32",
        ),
    ],
)
def test_tensors_that_do_not_fit_are_named_with_their_file(folder, change, words):
    change_tensors(folder, change)
    with pytest.raises(ValueError, match=rf"{folder}/model\.safetensors: .*{words}"):
        load_gpt2(folder)


@pytest.mark.parametrize("wrong", ["gpt3", "GPT2", "", "./gpt2", "/no/such/folder"])
def test_neither_a_folder_nor_a_name(wrong, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = "gpt2, gpt2-medium, gpt2-large, gpt2-xl"
    words = rf"{re.escape(repr(wrong))} is no folder and none of the names {names}"
    with pytest.raises(ValueError, match=words):
        load_gpt2(wrong)


def test_a_file_is_no_folder(folder):
    for wrong in (folder / "config.json", Path("/no/such/folder")):
        with pytest.raises(ValueError, match=rf"{wrong}' is no folder"):
            load_gpt2(wrong)


@pytest.mark.parametrize("wrong", [None, 2, b"gpt2", ["gpt2"]])
def test_neither_a_path_nor_a_string(wrong):
    with pytest.raises(TypeError, match=f"a folder or a name, got {type(wrong).__name__}"):
        load_gpt2(wrong)


# ---- by name, from a server in this test ----


class _Server(http.server.BaseHTTPRequestHandler):
    def __init__(self, behaviour, *args):
        self.behaviour = behaviour
        super().__init__(*args)

    def do_GET(self):
        name = self.path.rsplit("/", 1)[1]
        self.behaviour["requests"].append(name)
        body = self.behaviour["bodies"][name]
        self.send_response(self.behaviour["status"])
        self.send_header("Content-Length", str(len(body) + self.behaviour["missing"]))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        """Keep the test's output clean."""


def released(root, folder):
    """What `RELEASED` says of a model, with other addresses and the hashes of a folder's files."""
    hashes = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in FILES}
    return {name: Download(f"{root}/{name}", hashes[name]) for name in RELEASED["gpt2"]}


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache folder of its own for each test."""
    monkeypatch.setenv("NLP_HELPERS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def server(saved, cache, monkeypatch):
    """The small model, released as "gpt2"."""
    bodies = {name: (saved / name).read_bytes() for name in FILES}
    behaviour = {"bodies": bodies, "requests": [], "status": 200, "missing": 0}
    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Server, behaviour))
    thread = threading.Thread(target=httpd.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    root = f"http://127.0.0.1:{httpd.server_port}/gpt2/resolve/abc"
    monkeypatch.setitem(RELEASED, "gpt2", released(root, saved))
    yield behaviour
    httpd.shutdown()
    httpd.server_close()
    thread.join()


def test_a_name_is_downloaded_once_and_works_offline_afterwards(server, cache, capfd):
    model, tokenizer = load_gpt2("gpt2")
    check_logits(model)
    assert tokenizer.vocab_size == VOCAB_SIZE
    assert sorted(server["requests"]) == sorted(FILES)
    assert [path.name for path in cache.iterdir()] == ["gpt2"]
    assert {path.name for path in (cache / "gpt2").iterdir()} == {*FILES}
    assert "%" in capfd.readouterr().err  # a progress bar
    server["status"] = 500
    again, _ = load_gpt2("gpt2")
    assert torch.equal(again(tokens_case()), model(tokens_case()))
    assert len(server["requests"]) == len(FILES)
    check_logits(load_gpt2(cache / "gpt2")[0])  # what is in the cache is such a folder


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", [lambda whole: whole[:-9], lambda whole: b"", None])
def test_a_damaged_or_missing_copy_is_downloaded_again_and_no_other(server, cache, name, damage):
    load_gpt2("gpt2")
    path = cache / "gpt2" / name
    if damage is None:
        path.unlink()
    else:
        path.write_bytes(damage(path.read_bytes()))
    server["requests"].clear()
    check_logits(load_gpt2("gpt2")[0])
    assert server["requests"] == [name]
    assert path.read_bytes() == server["bodies"][name]


def fails_clearly(cache, name="config.json", left=()):
    """The error names the file, its address and the other way; only whole files are left."""
    url = RELEASED["gpt2"][name].url
    with pytest.raises(RuntimeError) as caught:
        load_gpt2("gpt2")
    said = str(caught.value)
    assert f"could not download {name} of 'gpt2' from {url}" in said
    assert "give load_gpt2 a folder that holds config.json, model.safetensors, vocab.json" in said
    found = [path.relative_to(cache).as_posix() for path in cache.rglob("*") if path.is_file()]
    assert sorted(found) == sorted(f"gpt2/{other}" for other in left)
    if not left:
        assert list(cache.iterdir()) == []


@pytest.mark.parametrize("status", [404, 500])
def test_an_http_error(server, cache, status):
    server["status"] = status
    fails_clearly(cache)


def test_a_truncated_body(server, cache):
    server["missing"] = 100
    fails_clearly(cache)


def test_another_body_than_the_hash_says(server, cache):
    server["bodies"]["config.json"] = server["bodies"]["config.json"].replace(b"gelu", b"relu")
    fails_clearly(cache)


def test_other_weights_than_the_hash_says(server, cache):
    whole = server["bodies"]["model.safetensors"]
    server["bodies"]["model.safetensors"] = whole[:-1] + bytes([whole[-1] ^ 1])
    small = ("config.json", "vocab.json", "merges.txt")
    fails_clearly(cache, "model.safetensors", left=small)
    server["bodies"]["model.safetensors"] = whole
    server["requests"].clear()
    check_logits(load_gpt2("gpt2")[0])
    assert server["requests"] == ["model.safetensors"]  # what was whole was kept


def test_no_network(saved, server, cache, monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))  # bound and never listening: connections are refused
        root = f"http://127.0.0.1:{free.getsockname()[1]}"
        monkeypatch.setitem(RELEASED, "gpt2", released(root, saved))
        fails_clearly(cache)


def test_an_interrupted_download_leaves_nothing_behind(server, cache, monkeypatch):
    def interrupt(*args, **kwargs):
        (Path(args[3]) / "half").write_text("half")
        raise KeyboardInterrupt

    monkeypatch.setattr(downloads.pooch, "retrieve", interrupt)
    with pytest.raises(KeyboardInterrupt):
        load_gpt2("gpt2")
    assert list(cache.iterdir()) == []


def test_a_cache_folder_that_cannot_be_used_is_an_error_that_names_the_remedy(
    server, tmp_path, monkeypatch
):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("NLP_HELPERS_CACHE", str(tmp_path / "file"))
    with pytest.raises(RuntimeError, match=r"cannot use the cache folder.*NLP_HELPERS_CACHE"):
        load_gpt2("gpt2")
    assert not server["requests"]


def test_a_string_that_is_a_name_is_not_the_folder_of_that_name(server, folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    folder.rename("gpt2")
    for path in ("./gpt2", Path("gpt2")):
        check_logits(load_gpt2(path)[0])
    assert not server["requests"]
    load_gpt2("gpt2")
    assert len(server["requests"]) == len(FILES)


# ---- what is recorded of the released models ----

# The official config.json: what they have in common, and what only some of them have.
COMMON = {
    "activation_function": "gelu_new",
    "architectures": ["GPT2LMHeadModel"],
    "attn_pdrop": 0.1,
    "bos_token_id": 50256,
    "embd_pdrop": 0.1,
    "eos_token_id": 50256,
    "initializer_range": 0.02,
    "layer_norm_epsilon": 1e-05,
    "model_type": "gpt2",
    "n_ctx": 1024,
    "n_positions": 1024,
    "resid_pdrop": 0.1,
    "summary_activation": None,
    "summary_first_dropout": 0.1,
    "summary_proj_to_labels": True,
    "summary_type": "cls_index",
    "summary_use_proj": True,
    "task_specific_params": {"text-generation": {"do_sample": True, "max_length": 50}},
    "vocab_size": 50257,
}
EXTRA = {
    "gpt2": {"n_embd": 768, "n_head": 12, "n_layer": 12},
    "gpt2-medium": {
        "n_embd": 1024,
        "n_head": 16,
        "n_layer": 24,
        "n_special": 0,
        "predict_special_tokens": True,
    },
    "gpt2-large": {"n_embd": 1280, "n_head": 20, "n_layer": 36},
    "gpt2-xl": {"n_embd": 1600, "n_head": 25, "n_layer": 48, "output_past": True},
}


@pytest.mark.parametrize("name", RELEASED)
def test_the_recorded_configuration_is_the_official_one_and_gives_our_sizes(name):
    config = {**COMMON, **EXTRA[name]}
    text = json.dumps(config, indent=2, sort_keys=True)
    assert hashlib.sha256(text.encode()).hexdigest() == RELEASED[name]["config.json"].sha256
    assert config_from_huggingface(config) == GPT2_SIZES[name]


def test_the_recorded_files_are_on_the_hub_at_fixed_revisions():
    assert list(RELEASED) == list(GPT2_SIZES) == list(EXTRA)
    for name, sources in RELEASED.items():
        assert {*sources} == {*FILES}
        assert list(sources)[-1] == "model.safetensors"
        for file, source in sources.items():
            model = "gpt2" if file in ("vocab.json", "merges.txt") else name
            url = rf"https://huggingface\.co/openai-community/{model}/resolve/[0-9a-f]{{40}}/{file}"
            assert re.fullmatch(url, source.url)
            assert re.fullmatch(r"[0-9a-f]{64}", source.sha256)
    weights = {sources["model.safetensors"].sha256 for sources in RELEASED.values()}
    assert len(weights) == 4


def test_the_smallest_is_the_one_that_was_confirmed():
    root = "https://huggingface.co/openai-community/gpt2/resolve"
    root += "/607a30d783dfa663caf39e06633721c8d4cfcd7e"
    assert gpt_files.RELEASED["gpt2"] == {
        "config.json": Download(
            f"{root}/config.json",
            "0daed7749b4f02b8f76240d5444551d7b08712dab4d0adb8239c56ba823bb7b4",
        ),
        "vocab.json": Download(
            f"{root}/vocab.json",
            "196139668be63f3b5d6574427317ae82f612a97c5d1cdaf36ed2256dbf636783",
        ),
        "merges.txt": Download(
            f"{root}/merges.txt",
            "1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5",
        ),
        "model.safetensors": Download(
            f"{root}/model.safetensors",
            "248dfc3911869ec493c76e65bf2fcf7f615828b0254c12b473182f0f81d3a707",
        ),
    }
