"""Official ELMo files, against the official formulas computed one step at a time in NumPy."""

import json

import h5py
import numpy as np
import pytest
import torch

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
