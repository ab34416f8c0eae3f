"""ELMo models in the two files of the official release, options.json and weights.hdf5."""

import io
import json
from pathlib import Path

import h5py
import numpy as np
import torch
from torch import Tensor, nn

from nlp_helpers.files import write_whole
from nlp_helpers.models.char_cnn import N_CHARACTERS, CharacterCNN
from nlp_helpers.models.elmo import ELMo
from nlp_helpers.models.elmo_config import ELMoConfig
from nlp_helpers.models.projected_lstm import ProjectedLSTMCell

# The options that shape the function. Any other one in these two sections is refused, unless it
# is off; what stands beside the sections tells how the model was trained.
LSTM_OPTIONS = {
    "use_skip_connections",
    "projection_dim",
    "cell_clip",
    "proj_clip",
    "dim",
    "n_layers",
}
CNN_OPTIONS = {
    "activation",
    "filters",
    "n_highway",
    "embedding",
    "n_characters",
    "max_characters_per_token",
}
CELL = "RNN_{direction}/RNN/MultiRNNCell/Cell{layer}/LSTMCell"


def read_elmo(options: Path | str, weights: Path | str) -> ELMo:
    """The official model of these files, in eval mode, in float32, without a softmax.

    The options are read as bilm-tf reads them: no "n_layers" is 1, no "n_highway" is 0, no clip
    (or null) is none. Where the width of the filters or of the cell already is projection_dim,
    bilm-tf uses and writes no projection, and AllenNLP always has one: here a projection that
    the file holds is applied.

    Source: `bilm/model.py` of bilm-tf; `modules/elmo.py` and `elmo_lstm.py` of AllenNLP.

    Raises:
        FileNotFoundError: a file that is not there.
        ValueError: options that are not JSON, lack a key or hold one that this model has not; a
            weights file that is not HDF5, lacks a tensor or holds one of another shape.
    """
    options, weights = Path(options), Path(weights)
    for path in (options, weights):
        if not path.exists():
            raise FileNotFoundError(f"there is no file {path}")
    read = read_options(options)
    try:
        file = h5py.File(weights, "r")
    except OSError as error:
        raise ValueError(f"{weights} is not an HDF5 file: {error}") from error
    with file:
        tensors = Tensors(weights, file)
        n_layers = read["n_layers"] if isinstance(read["n_layers"], int) else 0
        cells = [CELL.format(direction=d, layer=k) for d in (0, 1) for k in range(n_layers)]
        extra = {
            "character_projection": tensors.has("CNN_proj/W_proj") or None,
            "cell_projection": any(tensors.has(f"{cell}/W_P_0") for cell in cells) or None,
        }
        try:
            config = ELMoConfig(**read, **extra)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{options}: {error}") from error
        with torch.random.fork_rng(devices=[]):
            model = ELMo(config)
        load(model, tensors)
    return model.eval()


def read_options(path: Path) -> dict:
    """The arguments of `ELMoConfig` that an official options file names."""
    try:
        options = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:  # a folder; not JSON, or not text
        raise ValueError(f"{path} is not a JSON file of options: {error}") from error
    lstm, cnn = section(path, options, "lstm"), section(path, options, "char_cnn")
    refuse_unknown(path, "lstm", lstm, LSTM_OPTIONS)
    refuse_unknown(path, "char_cnn", cnn, CNN_OPTIONS)
    if not options.get("bidirectional", True):
        raise ValueError(f"{path}: bidirectional is false; ELMo reads in both directions")
    n_characters = needed(path, "char_cnn", cnn, "n_characters")
    if n_characters != N_CHARACTERS:
        hint = ""
        if n_characters == N_CHARACTERS - 1:
            hint = " (261 is the number in training; bilm-tf asks to set it to 262 afterwards)"
        raise ValueError(
            f"{path}: char_cnn.n_characters must be {N_CHARACTERS}, got {n_characters!r}{hint}"
        )
    embedding = section(path, cnn, "embedding", "char_cnn.")
    refuse_unknown(path, "char_cnn.embedding", embedding, {"dim"})
    n_highway = cnn.get("n_highway")
    return {
        "char_dim": needed(path, "char_cnn.embedding", embedding, "dim"),
        "filters": needed(path, "char_cnn", cnn, "filters"),
        "n_highway": 0 if n_highway is None else n_highway,
        "activation": needed(path, "char_cnn", cnn, "activation"),
        "max_characters": needed(path, "char_cnn", cnn, "max_characters_per_token"),
        "hidden_size": needed(path, "lstm", lstm, "dim"),
        "projection_size": needed(path, "lstm", lstm, "projection_dim"),
        "n_layers": lstm.get("n_layers", 1),
        "skip_connections": needed(path, "lstm", lstm, "use_skip_connections"),
        "cell_clip": lstm.get("cell_clip"),
        "projection_clip": lstm.get("proj_clip"),
    }


def section(path: Path, options: object, name: str, prefix: str = "") -> dict:
    """A named group of options."""
    value = options.get(name) if isinstance(options, dict) else None
    if not isinstance(value, dict):
        raise ValueError(f"{path} must hold an object {prefix + name!r}, got {value!r:.60}")
    return value


def needed(path: Path, group: str, options: dict, name: str) -> object:
    """An option that has no default."""
    if name not in options:
        raise ValueError(f"{path} lacks the option {group}.{name}")
    return options[name]


def refuse_unknown(path: Path, group: str, options: dict, known: set[str]) -> None:
    """Refuse an option that might change the function and that this model does not have."""
    unknown = sorted(name for name, value in options.items() if name not in known and value)
    if unknown:
        given = ", ".join(f"{group}.{name} = {options[name]!r:.40}" for name in unknown)
        raise ValueError(f"{path}: unknown option {given}; known: {', '.join(sorted(known))}")


class Tensors:
    """The named tensors of a weights file."""

    def __init__(self, path: Path, file: h5py.File):
        self.path, self.file = path, file

    def has(self, name: str) -> bool:
        """Whether there is a tensor of this name."""
        try:
            return isinstance(self.file[name], h5py.Dataset)
        except KeyError:
            return False

    def read(self, name: str, *shape: int) -> Tensor:
        """One tensor, as float32.

        Raises:
            ValueError: if it is missing, of another shape, or does not hold numbers.
        """
        if not self.has(name):
            raise ValueError(f"{self.path} lacks the tensor {name} of shape {list(shape)}")
        data = self.file[name]
        if data.shape != shape:
            got = None if data.shape is None else list(data.shape)
            raise ValueError(f"{self.path}: {name} must have shape {list(shape)}, got {got}")
        if data.dtype.kind not in "fiu":
            raise ValueError(f"{self.path}: {name} must hold numbers, got {data.dtype}")
        return torch.from_numpy(np.asarray(data[...], dtype=np.float32))


@torch.no_grad()
def load(model: ELMo, tensors: Tensors) -> None:
    """Copy all weights of the file into the model."""
    load_character_cnn(model.encoder, tensors)
    for direction, stack in enumerate((model.forward_lstm, model.backward_lstm)):
        for layer, cell in enumerate(stack.cells):
            load_cell(cell, tensors, CELL.format(direction=direction, layer=layer))


def load_character_cnn(cnn: CharacterCNN, tensors: Tensors) -> None:
    """Character embedding (our row 0, of zeros, is not in the file), convolutions and the rest."""
    config, n = cnn.config, cnn.config.n_filters
    cnn.embedding.weight[0] = 0
    cnn.embedding.weight[1:] = tensors.read("char_embed", N_CHARACTERS - 1, config.char_dim)
    for i, ((width, n_filters), convolution) in enumerate(
        zip(config.filters, cnn.convolutions, strict=True)
    ):
        weight = tensors.read(f"CNN/W_cnn_{i}", 1, width, config.char_dim, n_filters)
        convolution.weight.copy_(weight[0].permute(2, 1, 0))  # [n_filters, char_dim, width]
        convolution.bias.copy_(tensors.read(f"CNN/b_cnn_{i}", n_filters))
    for i, highway in enumerate(cnn.highways):
        load_linear(highway.carry, tensors, f"CNN_high_{i}/", "carry", n, n)
        load_linear(highway.transform, tensors, f"CNN_high_{i}/", "transform", n, n)
    if config.character_projection:
        load_linear(cnn.projection, tensors, "CNN_proj/", "proj", n, config.projection_size)


def load_linear(layer: nn.Linear, tensors: Tensors, group: str, name: str, n_in: int, n_out: int):
    """x W + b in the file; torch keeps W's transpose."""
    layer.weight.copy_(tensors.read(f"{group}W_{name}", n_in, n_out).T)
    layer.bias.copy_(tensors.read(f"{group}b_{name}", n_out))


def load_cell(cell: ProjectedLSTMCell, tensors: Tensors, name: str) -> None:
    """TensorFlow's LSTMCell: gates in the order i, j (our g), f, o; 1 is added to b_f when run."""
    size, input_size, output_size = cell.hidden_size, cell.U.shape[1], cell.output_size
    weight = tensors.read(f"{name}/W_0", input_size + output_size, 4 * size)
    bias = tensors.read(f"{name}/B", 4 * size)
    i, g, f, o = torch.cat([weight, bias.unsqueeze(0)]).chunk(4, dim=1)
    rows = torch.cat([i, f, g, o], dim=1).T  # [4 * size, input_size + output_size + 1]
    U, W, b = rows.split([input_size, output_size, 1], dim=1)
    b = b.squeeze(1).clone()
    b[size : 2 * size] += 1
    P = tensors.read(f"{name}/W_P_0", size, output_size).T if cell.P is not None else None
    cell.load(U, W, b, P)


def write_elmo(model: ELMo, options: Path | str, weights: Path | str) -> None:
    """Write a model (without its softmax) as the official files; `read_elmo` reads them again.

    Both files are written whole or not at all. Numbers are kept in float32.

    Source: as `read_elmo`.

    Raises:
        TypeError: a model that is not an ELMo.
    """
    if not isinstance(model, ELMo):
        raise TypeError(f"model must be an ELMo, got {type(model).__name__}")
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for name, tensor in official_tensors(model).items():
            file[name] = tensor.detach().to(torch.float32).numpy()
    write_whole(Path(weights), buffer.getvalue())
    write_whole(Path(options), json.dumps(official_options(model.config), indent=1) + "\n")


def official_options(config: ELMoConfig) -> dict:
    """What `read_options` reads."""
    return {
        "lstm": {
            "use_skip_connections": config.skip_connections,
            "projection_dim": config.projection_size,
            "cell_clip": config.cell_clip,
            "proj_clip": config.projection_clip,
            "dim": config.hidden_size,
            "n_layers": config.n_layers,
        },
        "char_cnn": {
            "activation": config.activation,
            "filters": [list(pair) for pair in config.filters],
            "n_highway": config.n_highway,
            "embedding": {"dim": config.char_dim},
            "n_characters": N_CHARACTERS,
            "max_characters_per_token": config.max_characters,
        },
    }


@torch.no_grad()
def official_tensors(model: ELMo) -> dict[str, Tensor]:
    """The weights by their names in the file, in its layouts: what `load` undoes."""
    cnn, found = model.encoder, {}
    found["char_embed"] = cnn.embedding.weight[1:]
    for i, convolution in enumerate(cnn.convolutions):
        found[f"CNN/W_cnn_{i}"] = convolution.weight.permute(2, 1, 0).unsqueeze(0)
        found[f"CNN/b_cnn_{i}"] = convolution.bias
    linear = {
        f"CNN_high_{i}/{{}}_{kind}": getattr(highway, kind)
        for i, highway in enumerate(cnn.highways)
        for kind in ("carry", "transform")
    }
    if cnn.config.character_projection:
        linear["CNN_proj/{}_proj"] = cnn.projection
    for name, layer in linear.items():
        found[name.format("W")], found[name.format("b")] = layer.weight.T, layer.bias
    for direction, stack in enumerate((model.forward_lstm, model.backward_lstm)):
        for k, cell in enumerate(stack.cells):
            found |= official_cell(cell, CELL.format(direction=direction, layer=k))
    return {name: tensor.contiguous() for name, tensor in found.items()}


def official_cell(cell: ProjectedLSTMCell, name: str) -> dict[str, Tensor]:
    """One LSTM in the order i, j (our g), f, o, without the 1 that is added to b_f when run."""
    b = cell.b.clone()
    b[cell.hidden_size : 2 * cell.hidden_size] -= 1
    rows = torch.cat([cell.U, cell.W, b.unsqueeze(1)], dim=1)  # [4 * hidden, input + output + 1]
    i, f, g, o = rows.chunk(4)
    columns = torch.cat([i, g, f, o]).T
    found = {f"{name}/W_0": columns[:-1], f"{name}/B": columns[-1]}
    if cell.P is not None:
        found[f"{name}/W_P_0"] = cell.P.T
    return found
