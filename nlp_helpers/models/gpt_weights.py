"""From Hugging Face's GPT-1 and GPT-2 to ours: configuration and weights.

Both are read from what their files hold, a configuration (a dictionary) and named tensors, so
that `transformers` is not needed. An option that ours does not have is refused by name.
"""

from collections.abc import Mapping
from functools import reduce

import torch
from torch import Tensor, nn

from nlp_helpers.checks import check_int
from nlp_helpers.models.gpt_config import GPTConfig
from nlp_helpers.models.transformer_config import check_name

# model_type -> its classes; the one without a head has the same weights, as the two are tied
KINDS = {
    "gpt2": ("GPT2LMHeadModel", "GPT2Model"),
    "openai-gpt": ("OpenAIGPTLMHeadModel", "OpenAIGPTModel"),
}
# names of activations -> ours; GPT-1's class calls the tanh approximation "gelu"
ACTIVATIONS = {
    "gpt2": {
        "gelu_new": "gelu_tanh",
        "gelu_pytorch_tanh": "gelu_tanh",
        "gelu": "gelu",
        "relu": "relu",
    },
    "openai-gpt": {"gelu": "gelu_tanh", "relu": "relu"},
}
EMBEDDINGS = {
    "gpt2": {"wte": "tokens", "wpe": "positions"},
    "openai-gpt": {"tokens_embed": "tokens", "positions_embed": "positions"},
}
LAYER = {  # theirs -> ours, inside a layer; the fused W_Q, W_K, W_V apart
    "attn.c_proj": "attention.W_O",
    "ln_1": "attention_norm.norm",
    "mlp.c_fc": "feed_forward.inner",
    "mlp.c_proj": "feed_forward.outer",
    "ln_2": "feed_forward_norm.norm",
}
# Options of GPT-2 that would make another function: name -> the value that ours has.
# (reorder_and_upcast_attn is not one: it is the same function in other precision.)
SUPPORTED = {
    "scale_attn_weights": True,
    "scale_attn_by_inverse_layer_idx": False,
    "add_cross_attention": False,
    "tie_word_embeddings": True,
}


def gpt_from_huggingface(cls: type, module: nn.Module):
    """A `GPT2LMHeadModel` or `OpenAIGPTLMHeadModel` -> `GPT`, in its dtype and mode.

    `GPT2Model` and `OpenAIGPTModel`, which have no head, work as well.

    Raises:
        TypeError: another kind of module, as one with another head.
        ValueError: an option that ours does not have; and as `gpt_from_tensors`.
    """
    kind = getattr(getattr(module, "config", None), "model_type", None)
    names = {base.__name__ for base in type(module).__mro__}  # subclasses of theirs are fine
    if not isinstance(module, nn.Module) or names.isdisjoint(KINDS.get(kind, ())):
        wanted = " or ".join(classes[0] for classes in KINDS.values())
        raise TypeError(f"expected a {wanted}, got {type(module).__name__}")
    tensors = module.state_dict()
    ours = gpt_from_tensors(cls, module.config.to_dict(), tensors)
    return ours.train(module.training)


def gpt_from_tensors(cls: type, config: Mapping, tensors: Mapping[str, Tensor]):
    """A configuration and named tensors, as in the official files -> `GPT` in eval mode.

    The names may have the prefix "transformer."; an output matrix ("lm_head.weight") must be the
    token embedding; the causal masks that older files hold ("attn.bias") are left aside.

    Raises:
        ValueError: an option that ours does not have, a tensor missing, left over, of another
            shape or not of floating-point numbers, by name.
    """
    kind = config.get("model_type", "gpt2")
    given = {name.removeprefix("transformer."): tensor for name, tensor in tensors.items()}
    given = {k: v for k, v in given.items() if not k.endswith((".attn.bias", ".attn.masked_bias"))}
    ours = build(cls, config_from_huggingface(config))
    names = tensor_names(kind, ours.config)
    check_tied(given, next(iter(EMBEDDINGS[kind])) + ".weight")
    given.pop("position_ids", None)  # a buffer of GPT-1's class: 0, 1, 2 ...
    missing, extra = names.keys() - given.keys(), given.keys() - names.keys()
    if missing or extra:
        what = {"missing": sorted(missing), "not known": sorted(extra)}
        said = "; ".join(f"{k}: {', '.join(v)}" for k, v in what.items() if v)
        raise ValueError(
            f"the weights do not fit a {kind} of {ours.config.n_layers} layers: {said}"
        )
    copy_tensors(ours, given, names)
    return ours.eval()


def build(cls: type, config: GPTConfig):
    """An empty model; drawing weights that are overwritten must not move the random stream."""
    with torch.random.fork_rng(devices=[]):
        return cls(config)


def config_from_huggingface(config: Mapping) -> GPTConfig:
    """The official configuration (config.json as a dictionary) as ours.

    Raises:
        ValueError: an unknown kind of model, a size missing or below 1, an option that ours does
            not have.
        TypeError: a size that is not an int, a dropout that is no number.
    """
    kind = config.get("model_type", "gpt2")
    check_name("model_type", kind, tuple(KINDS))
    old = kind == "openai-gpt"
    activation = config.get("afn", "gelu") if old else config.get("activation_function", "gelu_new")
    check_name("afn" if old else "activation_function", activation, tuple(ACTIVATIONS[kind]))
    refuse_options(config)
    sizes = {"vocab_size": "vocab_size", "max_len": "n_positions", "d_model": "n_embd"}
    sizes |= {"n_layers": "n_layer", "n_heads": "n_head"}
    missing = [theirs for theirs in sizes.values() if theirs not in config]
    if missing:
        raise ValueError(f"the configuration lacks {', '.join(missing)}")
    for theirs in sizes.values():
        check_int(theirs, config[theirs])
    n_inner = None if old else config.get("n_inner")
    return GPTConfig(
        **{ours: config[theirs] for ours, theirs in sizes.items()},
        d_ff=4 * config["n_embd"] if n_inner is None else n_inner,
        dropout=config.get("resid_pdrop", 0.1),
        norm="post" if old else "pre",
        activation=ACTIVATIONS[kind][activation],
        eps=config.get("layer_norm_epsilon", 1e-5),
        final_norm=not old,
        scaled_init=not old,
    )


def refuse_options(config: Mapping) -> None:
    """Refuse what would make another function than ours, by name and value."""
    options = {k: config.get(k, v) for k, v in SUPPORTED.items()}
    wrong = {k: v for k, v in options.items() if v != SUPPORTED[k]}
    dropouts = {k: config.get(k, 0.1) for k in ("resid_pdrop", "embd_pdrop", "attn_pdrop")}
    if any(value != dropouts["resid_pdrop"] for value in dropouts.values()):
        wrong |= dropouts  # ours has one
    if wrong:
        said = ", ".join(f"{k}={v!r}" for k, v in wrong.items())
        raise ValueError(f"GPT does not support {said}")


def tensor_names(kind: str, config: GPTConfig) -> dict[str, tuple[str, ...]]:
    """The name of each official tensor -> the names of ours that it holds, side by side."""
    names: dict[str, tuple[str, ...]] = {}
    for theirs, ours in EMBEDDINGS[kind].items():
        names[f"{theirs}.weight"] = (f"{ours}.weight",)
    for i in range(config.n_layers):
        for part in ("weight", "bias"):
            parts = (f"stack.layers.{i}.attention.W_{x}.{part}" for x in "QKV")
            names[f"h.{i}.attn.c_attn.{part}"] = tuple(parts)
            for theirs, ours in LAYER.items():
                names[f"h.{i}.{theirs}.{part}"] = (f"stack.layers.{i}.{ours}.{part}",)
    if config.final_norm:
        names |= {f"ln_f.{part}": (f"stack.norm.{part}",) for part in ("weight", "bias")}
    return names


def check_tied(given: dict[str, Tensor], embedding: str) -> None:
    """Take the output matrix out of `given`; it must be the token embedding."""
    output = given.pop("lm_head.weight", None)
    if output is None or embedding not in given:
        return
    if output.shape != given[embedding].shape or not torch.equal(output, given[embedding]):
        raise ValueError(f"lm_head.weight differs from {embedding}; GPT has one matrix for both")


@torch.no_grad()
def copy_tensors(ours: nn.Module, given: Mapping[str, Tensor], names: Mapping) -> None:
    """Copy all tensors; matrices of linear layers are [in, out] in the official files."""
    own = dict(ours.named_parameters())
    for theirs, tensor in given.items():
        if not tensor.is_floating_point():
            raise ValueError(f"{theirs} must hold floating-point numbers, got {tensor.dtype}")
    ours.to(reduce(torch.promote_types, (tensor.dtype for tensor in given.values())))
    for theirs, mine in names.items():
        tensor = given[theirs]
        if theirs.startswith("h.") and tensor.dim() == 2:
            tensor = tensor.t()
        expected = torch.Size((len(mine) * own[mine[0]].shape[0], *own[mine[0]].shape[1:]))
        if tensor.shape != expected:
            turned = list(expected[::-1] if theirs.startswith("h.") else expected)
            raise ValueError(f"{theirs} must have shape {turned}, got {list(given[theirs].shape)}")
        for name, part in zip(mine, tensor.chunk(len(mine)), strict=True):
            own[name].copy_(part)
