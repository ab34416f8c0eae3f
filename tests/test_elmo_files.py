"""Official ELMo files, against the official formulas computed one step at a time in NumPy."""

import json
from dataclasses import replace

import h5py
import numpy as np
import pytest
import torch

from nlp_helpers import elmo_files
from nlp_helpers.elmo_files import write_elmo
from nlp_helpers.models.elmo import ELMo
from nlp_helpers.models.elmo_config import ELMoConfig
from nlp_helpers.pretrained import load_elmo

OPTIONS = {
    "lstm": {
        "use_skip_connections": True,
        "projection_dim": 5,
        "cell_clip": 3,
        "proj_clip": 3,
        "dim": 7,
        "n_layers": 2,
    },
    "char_cnn": {
        "activation": "relu",
        "filters": [[1, 4], [2, 3], [5, 6]],
        "n_highway": 2,
        "embedding": {"dim": 4},
        "n_characters": 262,
        "max_characters_per_token": 12,
    },
}
SENTENCES = [
    ["The", "muddy", "bank", "was", "full", "of", "reeds", "."],
    ["bank"],
    ["naïve", "日本語の長い言葉", "antidisestablishmentarianism", "x", "a" * 10, "b" * 9],
    ["the", "the", "The", "🙂"],
]


def with_changes(lstm=None, char_cnn=None, **top):
    """The options with some replaced; ... removes one."""
    merged = {
        "lstm": {**OPTIONS["lstm"], **(lstm or {})},
        "char_cnn": {**OPTIONS["char_cnn"], **(char_cnn or {})},
        **top,
    }
    for group in ("lstm", "char_cnn"):
        merged[group] = {k: v for k, v in merged[group].items() if v is not ...}
    return merged


def random_weights(options, seed=0, scale=1.0):
    """Tensors in the official layout, large enough for gates, ReLUs and clips to matter."""
    rng = np.random.default_rng(seed)
    lstm, cnn = options["lstm"], options["char_cnn"]
    n = sum(count for _, count in cnn["filters"])
    out, dim, char_dim = lstm["projection_dim"], lstm["dim"], cnn["embedding"]["dim"]

    def draw(*shape):
        return (scale * rng.normal(size=shape)).astype(np.float32)

    weights = {"char_embed": draw(261, char_dim)}
    for i, (width, count) in enumerate(cnn["filters"]):
        weights[f"CNN/W_cnn_{i}"] = draw(1, width, char_dim, count)
        weights[f"CNN/b_cnn_{i}"] = draw(count)
    for i in range(cnn.get("n_highway") or 0):
        for part in ("carry", "transform"):
            weights[f"CNN_high_{i}/W_{part}"] = draw(n, n) / n**0.5
            weights[f"CNN_high_{i}/b_{part}"] = draw(n)
    if n != out:
        weights["CNN_proj/W_proj"] = draw(n, out) / n**0.5
        weights["CNN_proj/b_proj"] = draw(out)
    for direction in (0, 1):
        for k in range(lstm.get("n_layers", 1)):
            cell = f"RNN_{direction}/RNN/MultiRNNCell/Cell{k}/LSTMCell"
            weights[f"{cell}/W_0"] = draw(2 * out, 4 * dim) * 0.3
            weights[f"{cell}/B"] = draw(4 * dim)
            if dim != out:
                weights[f"{cell}/W_P_0"] = draw(dim, out) * 0.5
    return weights


def write(folder, options, weights):
    options_file, weights_file = folder / "options.json", folder / "weights.hdf5"
    options_file.write_text(json.dumps(options))
    with h5py.File(weights_file, "w") as file:
        for name, value in weights.items():
            file.create_dataset(name, data=value)
    return options_file, weights_file


def official_ids(word, limit):
    """What the Batcher of bilm-tf gives, before 1 is added to make room for the mask."""
    ids = [260] * limit
    ids[0] = 258
    if word in ("<S>", "</S>"):
        ids[1], ids[2] = (256 if word == "<S>" else 257), 259
        return ids
    encoded = word.encode("utf-8", "ignore")[: limit - 2]
    for k, byte in enumerate(encoded, start=1):
        ids[k] = byte
    ids[len(encoded) + 1] = 259
    return ids


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


class Reference:
    """The official model for one sentence, by loops, in float64."""

    def __init__(self, options, weights):
        self.lstm, self.cnn = options["lstm"], options["char_cnn"]
        self.weights = {name: np.float64(value) for name, value in weights.items()}

    def word_vector(self, word):
        limit, w = self.cnn["max_characters_per_token"], self.weights
        table = [w["char_embed"][i] for i in official_ids(word, limit)]
        squash = {"relu": lambda x: np.maximum(x, 0), "tanh": np.tanh}[self.cnn["activation"]]
        x = []
        for i, (width, count) in enumerate(self.cnn["filters"]):
            for j in range(count):
                responses = [
                    sum(table[start + d] @ w[f"CNN/W_cnn_{i}"][0, d, :, j] for d in range(width))
                    + w[f"CNN/b_cnn_{i}"][j]
                    for start in range(limit - width + 1)
                ]
                x.append(squash(max(responses)))
        x = np.array(x)
        for i in range(self.cnn.get("n_highway") or 0):
            group = f"CNN_high_{i}"
            carry = sigmoid(x @ w[f"{group}/W_carry"] + w[f"{group}/b_carry"])
            new = np.maximum(x @ w[f"{group}/W_transform"] + w[f"{group}/b_transform"], 0)
            x = carry * new + (1 - carry) * x
        if "CNN_proj/W_proj" in w:
            x = x @ w["CNN_proj/W_proj"] + w["CNN_proj/b_proj"]
        return x

    def read(self, direction, vectors):
        """The outputs of all layers over word vectors in the order of reading."""
        dim, w, layers = self.lstm["dim"], self.weights, []
        cell_clip, proj_clip = self.lstm.get("cell_clip"), self.lstm.get("proj_clip")
        for k in range(self.lstm.get("n_layers", 1)):
            cell = f"RNN_{direction}/RNN/MultiRNNCell/Cell{k}/LSTMCell"
            projection = w.get(f"{cell}/W_P_0")
            c, m = np.zeros(dim), np.zeros(self.lstm["projection_dim"])
            outputs = []
            for x in vectors:
                z = np.concatenate([x, m]) @ w[f"{cell}/W_0"] + w[f"{cell}/B"]
                i, j, f, o = z[:dim], z[dim : 2 * dim], z[2 * dim : 3 * dim], z[3 * dim :]
                c = sigmoid(f + 1.0) * c + sigmoid(i) * np.tanh(j)
                if cell_clip is not None:
                    c = np.clip(c, -cell_clip, cell_clip)
                m = sigmoid(o) * np.tanh(c)
                if projection is not None:
                    m = m @ projection
                    if proj_clip is not None:
                        m = np.clip(m, -proj_clip, proj_clip)
                skip = self.lstm["use_skip_connections"] and k > 0
                outputs.append(m + x if skip else m)
            layers.append(outputs)
            vectors = outputs
        return layers

    def layers(self, sentence):
        words = ["<S>", *sentence, "</S>"]
        vectors = [self.word_vector(word) for word in words]
        forward = self.read(0, vectors)
        backward = [layer[::-1] for layer in self.read(1, vectors[::-1])]
        pairs = [(vectors, vectors), *zip(forward, backward, strict=True)]
        both = [np.concatenate([np.array(a), np.array(b)], axis=1) for a, b in pairs]
        return np.stack(both)[:, 1:-1]  # [n_layers + 1, n_words, 2 * projection_dim]


def assert_official(folder, options, weights, sentences=SENTENCES):
    """Outputs in float32 to 1e-5, as the files are, and in float64 to 1e-6 (b_f + 1 is rounded)."""
    model = load_elmo(*write(folder, options, weights))
    reference = Reference(options, weights)
    expected = [reference.layers(sentence) for sentence in sentences]
    for dtype, tolerance in ((torch.float32, 1e-5), (torch.float64, 1e-6)):
        found = model.to(dtype).layers(sentences)
        for mine, theirs in zip(found, expected, strict=True):
            assert mine.shape == theirs.shape
            np.testing.assert_allclose(mine.numpy(), theirs, rtol=tolerance, atol=tolerance)
    return model, expected


@pytest.mark.parametrize("n_layers", [1, 2, 3])
@pytest.mark.parametrize("skip", [True, False])
@pytest.mark.parametrize("clips", [(None, None), (0.3, 0.2), (0.4, None), (None, 0.25)])
def test_lstm_options(tmp_path, n_layers, skip, clips):
    options = with_changes(
        lstm={
            "n_layers": n_layers,
            "use_skip_connections": skip,
            "cell_clip": clips[0],
            "proj_clip": clips[1],
        }
    )
    assert_official(tmp_path, options, random_weights(options))


@pytest.mark.parametrize("n_highway", [..., None, 0, 1, 2])
@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("filters", [[[1, 6]], [[1, 4], [2, 3], [5, 6]], [[12, 3], [3, 8], [3, 2]]])
def test_character_options(tmp_path, n_highway, activation, filters):
    options = with_changes(
        char_cnn={"n_highway": n_highway, "activation": activation, "filters": filters}
    )
    assert_official(tmp_path, options, random_weights(options))


@pytest.mark.parametrize("n_highway", [0, 2])
@pytest.mark.parametrize("n_filters", [13, 5])
@pytest.mark.parametrize("dim", [7, 5])
def test_equal_widths_need_no_projection_and_then_proj_clip_does_nothing(
    tmp_path, n_highway, n_filters, dim
):
    """The official code writes CNN_proj and W_P_0 only where widths differ."""
    options = with_changes(
        lstm={"dim": dim, "proj_clip": 0.05},
        char_cnn={"n_highway": n_highway, "filters": [[2, n_filters - 2], [3, 2]]},
    )
    weights = random_weights(options)
    assert ("CNN_proj/W_proj" in weights) == (n_filters != 5)
    _, expected = assert_official(tmp_path, options, weights)
    outputs = expected[0][1]
    assert (np.abs(outputs).max() > 0.0501) == (dim == 5)


def test_a_projection_of_equal_widths_is_applied_where_the_file_has_one(tmp_path):
    """As AllenNLP does; bilm-tf never writes such a file."""
    options = with_changes(lstm={"dim": 5, "proj_clip": 0.2}, char_cnn={"filters": [[2, 5]]})
    weights, rng = random_weights(options), np.random.default_rng(3)
    more = {"CNN_proj/W_proj": (5, 5), "CNN_proj/b_proj": (5,)}
    for direction in (0, 1):
        for k in (0, 1):
            more[f"RNN_{direction}/RNN/MultiRNNCell/Cell{k}/LSTMCell/W_P_0"] = (5, 5)
    weights |= {name: rng.normal(size=s).astype(np.float32) for name, s in more.items()}
    model, _ = assert_official(tmp_path, options, weights)
    assert model.config.cell_projection
    assert model.config.character_projection
    del weights["RNN_1/RNN/MultiRNNCell/Cell1/LSTMCell/W_P_0"]
    with pytest.raises(ValueError, match=r"lacks the tensor RNN_1/.*Cell1/LSTMCell/W_P_0"):
        load_elmo(*write(tmp_path, options, weights))


def test_a_width_may_grow_too(tmp_path):
    """AllenNLP allows it, bilm-tf asks for fewer."""
    options = with_changes(lstm={"projection_dim": 15, "dim": 7, "proj_clip": None})
    assert_official(tmp_path, options, random_weights(options))


def test_no_n_layers_is_one_and_no_clip_is_none(tmp_path):
    options = with_changes(lstm={"n_layers": ..., "cell_clip": ..., "proj_clip": ...})
    model, _ = assert_official(tmp_path, options, random_weights(options))
    assert model.config.n_layers == 1
    assert model.config.cell_clip is model.config.projection_clip is None


@pytest.mark.parametrize("limit", [5, 6, 50])
def test_the_limit_of_characters(tmp_path, limit):
    options = with_changes(
        char_cnn={"max_characters_per_token": limit, "filters": [[1, 4], [4, 5], [5, 3]]}
    )
    words = [["a", "ab", "abc", "abcd", "éa", "aéé", "日", "日本", "a" * 47, "b" * 48, "c" * 49]]
    assert_official(tmp_path, options, random_weights(options), [*words, ["<S>", "</S>", "<s>"]])


def test_training_options_beside_the_sections_change_nothing(tmp_path):
    training = {"bidirectional": True, "dropout": 0.1, "n_epochs": 10, "all_clip_norm_val": 10.0}
    options = with_changes(n_tokens_vocab=793471, batch_size=128, **training)
    options["lstm"]["use_peepholes"] = False
    assert_official(tmp_path, options, random_weights(options), SENTENCES[:1])


def test_wide_weights_of_float64_and_float16(tmp_path):
    """The official files are of float32; others are converted."""
    weights = random_weights(OPTIONS)
    half = {name: value.astype(np.float16) for name, value in weights.items()}
    assert_official(tmp_path, OPTIONS, half)
    double = {name: value.astype(np.float64) for name, value in weights.items()}
    assert_official(tmp_path, OPTIONS, double)


def test_the_model_is_ready_to_use_and_loading_draws_no_random_numbers(tmp_path):
    files = write(tmp_path, OPTIONS, random_weights(OPTIONS))
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    model = load_elmo(str(files[0]), str(files[1]))
    assert torch.equal(torch.rand(1), expected)
    assert not model.training
    assert model.config.vocab_size is None
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert model.encoder.embedding.weight[0].abs().max() == 0


NAMES = sorted(random_weights(OPTIONS))


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_tensor_is_named(tmp_path, name):
    weights = random_weights(OPTIONS)
    shape = weights.pop(name).shape
    files = write(tmp_path, OPTIONS, weights)
    with pytest.raises(ValueError, match="lacks the tensor") as error:
        load_elmo(*files)
    assert name in str(error.value)
    assert str(list(shape)) in str(error.value)
    assert "weights.hdf5" in str(error.value)


@pytest.mark.parametrize("name", NAMES)
def test_a_tensor_of_the_wrong_shape_is_named_with_both_shapes(tmp_path, name):
    weights = random_weights(OPTIONS)
    shape = weights[name].shape
    weights[name] = np.zeros((*shape[:-1], shape[-1] + 1), dtype=np.float32)
    files = write(tmp_path, OPTIONS, weights)
    with pytest.raises(ValueError, match="must have shape") as error:
        load_elmo(*files)
    for part in (name, str(list(shape)), str(list(weights[name].shape))):
        assert part in str(error.value)


def test_tensors_that_are_none(tmp_path):
    weights = random_weights(OPTIONS)
    files = write(tmp_path, OPTIONS, {**weights, "char_embed": h5py.Empty("f4")})
    with pytest.raises(ValueError, match=r"char_embed must have shape \[261, 4\], got None"):
        load_elmo(*files)
    words = np.full((261, 4), "a", dtype=object)
    with pytest.raises(ValueError, match="char_embed must hold numbers"):
        load_elmo(*write(tmp_path, OPTIONS, {**weights, "char_embed": words}))
    renamed = {k.replace("char_embed", "char_embed/inner"): v for k, v in weights.items()}
    with pytest.raises(ValueError, match="lacks the tensor char_embed"):
        load_elmo(*write(tmp_path, OPTIONS, renamed))
    flat = {k: v for k, v in weights.items() if not k.startswith("CNN/")}
    with pytest.raises(ValueError, match="lacks the tensor CNN/W_cnn_0"):
        load_elmo(*write(tmp_path, OPTIONS, {**flat, "CNN": np.zeros(3)}))


def test_files_that_are_missing_or_of_another_kind(tmp_path):
    options, weights = write(tmp_path, OPTIONS, random_weights(OPTIONS))
    nowhere, text = tmp_path / "nowhere", tmp_path / "text"
    text.write_text("{not JSON, not HDF5")
    for files in ((nowhere, weights), (options, nowhere)):
        with pytest.raises(FileNotFoundError, match="nowhere"):
            load_elmo(*files)
    for bad in (text, tmp_path):
        with pytest.raises(ValueError, match="not an HDF5 file") as error:
            load_elmo(options, bad)
        assert str(bad) in str(error.value)
    for bad in (text, weights, tmp_path):
        with pytest.raises(ValueError, match="not a JSON file") as error:
            load_elmo(bad, weights)
        assert str(bad) in str(error.value)
    cut = tmp_path / "cut.hdf5"
    cut.write_bytes(weights.read_bytes()[:4000])
    with pytest.raises(ValueError, match=r"cut\.hdf5 is not an HDF5 file"):
        load_elmo(options, cut)


HAVE_DEFAULTS = {"n_layers", "cell_clip", "proj_clip", "n_highway"}
NEEDED = [
    (group, name) for group in OPTIONS for name in OPTIONS[group] if name not in HAVE_DEFAULTS
]


@pytest.mark.parametrize(("group", "name"), [*NEEDED, (None, "lstm"), (None, "char_cnn")])
def test_a_missing_option_is_named(tmp_path, group, name):
    options = with_changes(**{group: {name: ...}}) if group else with_changes()
    if group is None:
        del options[name]
    files = write(tmp_path, options, random_weights(OPTIONS))
    with pytest.raises(ValueError, match=name) as error:
        load_elmo(*files)
    assert "options.json" in str(error.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"char_cnn": {"n_characters": 261}}, "must be 262, got 261 .*training"),
        ({"char_cnn": {"n_characters": 60}}, "must be 262, got 60$"),
        ({"char_cnn": {"activation": "gelu"}}, "activation must be one of relu, tanh; got 'gelu'"),
        ({"char_cnn": {"activation": None}}, "activation"),
        ({"char_cnn": {"filters": [[13, 4]]}}, "width 13 exceeds max_characters=12"),
        ({"char_cnn": {"filters": []}}, "at least one"),
        ({"char_cnn": {"filters": [[1, 2, 3]]}}, "filters must be"),
        ({"char_cnn": {"filters": [[1, 0]]}}, "number of filters"),
        ({"char_cnn": {"n_highway": -1}}, "n_highway"),
        ({"char_cnn": {"embedding": {"dim": "4"}}}, "char_dim must be an int"),
        ({"char_cnn": {"embedding": {"dim": 4, "trainable": True}}}, "unknown .*trainable"),
        ({"char_cnn": {"embedding": {}}}, "char_cnn.embedding.dim"),
        ({"char_cnn": {"max_characters_per_token": 2}}, "max_characters must be at least 3"),
        ({"char_cnn": {"pooling": "mean"}}, "unknown option char_cnn.pooling = 'mean'"),
        ({"lstm": {"use_peepholes": True}}, "unknown option lstm.use_peepholes = True"),
        ({"lstm": {"use_skip_connections": "yes"}}, "skip_connections must be True or False"),
        ({"lstm": {"cell_clip": 0}}, "cell_clip must be in"),
        ({"lstm": {"proj_clip": -1}}, "projection_clip must be in"),
        ({"lstm": {"n_layers": 0}}, "n_layers must be at least 1"),
        ({"lstm": {"n_layers": "2"}}, "n_layers must be an int"),
        ({"lstm": {"dim": 4.5}}, "hidden_size must be an int"),
        ({"bidirectional": False}, "bidirectional is false"),
    ],
)
def test_options_that_this_model_does_not_have(tmp_path, changes, message):
    files = write(tmp_path, with_changes(**changes), random_weights(OPTIONS))
    with pytest.raises(ValueError, match=message) as error:
        load_elmo(*files)
    assert "options.json" in str(error.value)


@pytest.mark.parametrize("text", ["[]", "3", '{"lstm": [], "char_cnn": {}}'])
def test_options_that_are_no_object(tmp_path, text):
    options, weights = write(tmp_path, OPTIONS, random_weights(OPTIONS))
    options.write_text(text)
    with pytest.raises(ValueError, match="must hold an object 'lstm'"):
        load_elmo(options, weights)


SMALL = ELMoConfig(
    char_dim=3,
    filters=((1, 4), (3, 5)),
    n_highway=2,
    activation="tanh",
    max_characters=11,
    hidden_size=13,
    projection_size=7,
    cell_clip=0.5,
    projection_clip=0.3,
    vocab_size=5,
)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"n_layers": 3, "n_highway": 0, "activation": "relu"},
        {"skip_connections": False, "cell_clip": None, "projection_clip": None},
        {"projection_size": 13, "cell_projection": False},
        {"projection_size": 9, "character_projection": True, "cell_projection": True},
    ],
)
def test_what_is_written_is_read_again_as_the_same_function(tmp_path, change):
    torch.manual_seed(3)
    free = {"character_projection": None, "cell_projection": None}
    model = ELMo(replace(SMALL, **{**free, **change})).eval()
    files = tmp_path / "new" / "options.json", tmp_path / "new" / "weights.hdf5"
    write_elmo(model, *files)
    again = load_elmo(*files)
    assert again.config == replace(model.config, vocab_size=None)
    for ours, theirs in zip(model.layers(SENTENCES), again.layers(SENTENCES), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=0)
    assert sorted(path.name for path in files[0].parent.iterdir()) == [p.name for p in files]


def test_files_are_written_whole_or_not_at_all(tmp_path, monkeypatch):
    monkeypatch.setattr(elmo_files, "official_tensors", lambda model: {"a": None})
    with pytest.raises(AttributeError):
        write_elmo(ELMo(SMALL), tmp_path / "options.json", tmp_path / "weights.hdf5")
    assert not list(tmp_path.iterdir())
    with pytest.raises(TypeError, match="must be an ELMo, got Linear"):
        write_elmo(torch.nn.Linear(2, 2), tmp_path / "o", tmp_path / "w")
