"""From Hugging Face's BERT to ours: configuration and weights, of the body and of its heads.

They are read from what the files hold, a configuration (a dictionary) and named tensors, so that
`transformers` is not needed. An option that ours does not have is refused by name.
"""

from collections.abc import Iterable, Mapping
from functools import reduce

import torch
from torch import Tensor, nn

from nlp_helpers.checks import check_int
from nlp_helpers.models.bert_config import BERTConfig
from nlp_helpers.models.bert_names import (
    ACTIVATIONS,
    BODY,
    BUFFERS,
    DEFAULT_SIZES,
    HEADS,
    OLD,
    PREDICTIONS,
    SIZES,
    SUPPORTED,
    tensor_names,
)
from nlp_helpers.models.transformer_config import check_name


def bert_from_huggingface(cls: type, module: nn.Module):
    """A `BertModel` -> `BERT`, in its dtype and mode, with or without a pooler.

    Raises:
        TypeError: another kind of module.
        ValueError: an option that ours does not have; and as `bert_from_tensors`.
    """
    check_kind(module, "BertModel")
    ours = bert_from_tensors(cls, module.config.to_dict(), module.state_dict())
    return ours.train(module.training)


def head_from_huggingface(cls: type, bert_class: type, module: nn.Module):
    """A `BertFor...` -> ours of the same name, `cls` or its base, in its dtype and mode.

    Raises:
        TypeError: another kind of module than the one of that name.
        ValueError: as `bert_from_tensors`; an output matrix that is not the token embedding.
    """
    kind = next(base.__name__ for base in cls.__mro__ if base.__name__ in HEADS)
    check_kind(module, kind.replace("BERT", "Bert"))
    tensors = module.state_dict()
    body = bert_from_tensors(bert_class, module.config.to_dict(), tensors)
    names = HEADS[kind]
    check_tied(tensors)
    check_names({k: v for k, v in tensors.items() if not k.startswith("bert.")}, names, "head")
    with torch.random.fork_rng(devices=[]):  # as the weights are overwritten
        if kind == "BERTForPreTraining":
            ours = cls(body.config)
            ours.bert = body
        elif kind == "BERTForQuestionAnswering":
            ours = cls(body)  # theirs drops nothing before its output, whatever they configure
        else:
            ours = cls(body, module.num_labels, getattr(module.config, "classifier_dropout", None))
    ours.to(body.tokens.weight)
    copy_tensors(ours, tensors, names)
    return ours.train(module.training)


def check_kind(module: object, wanted: str) -> None:
    """Refuse what is not a module of theirs of this name, or of a subclass."""
    names = {base.__name__ for base in type(module).__mro__}
    kind = getattr(getattr(module, "config", None), "model_type", None)
    if not isinstance(module, nn.Module) or wanted not in names or kind != "bert":
        raise TypeError(f"expected a {wanted}, got {type(module).__name__}")


def bert_from_tensors(cls: type, config: Mapping, tensors: Mapping[str, Tensor]):
    """A configuration and named tensors, as in the official files -> `BERT` in eval mode.

    The names may have the prefix "bert."; tensors of heads are left aside. Without the pooler's
    tensors the model has none.

    Raises:
        ValueError: an option that ours does not have, a tensor missing, left over, of another
            shape or not of floating-point numbers, by name.
        TypeError: a size that is not an int.
    """
    given = body_of(tensors)
    pooler = any(name.startswith("pooler.") for name in given)
    ours_config = config_from_huggingface(config, pooler)
    with torch.random.fork_rng(devices=[]):  # drawing weights that are overwritten
        ours = cls(ours_config)
    names = tensor_names(ours_config)
    check_names(given, names, f"BERT of {ours_config.n_layers} layers")
    for name, tensor in given.items():
        if not tensor.is_floating_point():
            raise ValueError(f"{name} must hold floating-point numbers, got {tensor.dtype}")
    ours.to(reduce(torch.promote_types, (tensor.dtype for tensor in given.values())))
    copy_tensors(ours, given, names)
    ours.tokens.padding_idx = pad_token(config, ours_config.vocab_size)
    return ours.eval()


def pad_token(config: Mapping, vocab_size: int) -> int | None:
    """Their token for padding, to whose vector the embedding passes no gradient, or None."""
    token = config.get("pad_token_id", 0)
    if token is not None:
        check_int("pad_token_id", token, least=0)
        if token >= vocab_size:
            raise ValueError(f"pad_token_id must be below vocab_size={vocab_size}, got {token}")
    return token


def body_of(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of the body, without prefix and under the names of today."""
    prefix = "bert." if any(name.startswith("bert.") for name in tensors) else ""
    found = {}
    for name, tensor in tensors.items():
        short = name.removeprefix(prefix)
        if not name.startswith(prefix) or not short.startswith(BODY) or short in BUFFERS:
            continue
        for old, new in OLD.items():
            if short.endswith(old):
                short = short.removesuffix(old) + new
        found[short] = tensor
    return found


def config_from_huggingface(config: Mapping, pooler: bool = True) -> BERTConfig:
    """The official configuration (config.json as a dictionary) as ours.

    Raises:
        ValueError: another kind of model, a size missing or below 1, an option that ours does
            not have.
        TypeError: a size that is not an int, a dropout that is no number.
    """
    check_name("model_type", config.get("model_type", "bert"), ("bert",))
    activation = config.get("hidden_act", "gelu")
    check_name("hidden_act", activation, tuple(ACTIVATIONS))
    refuse_options(config)
    given = DEFAULT_SIZES | dict(config)
    missing = [theirs for theirs in SIZES.values() if theirs not in given]
    if missing:
        raise ValueError(f"the configuration lacks {', '.join(missing)}")
    for theirs in SIZES.values():
        check_int(theirs, given[theirs])
    return BERTConfig(
        **{ours: given[theirs] for ours, theirs in SIZES.items()},
        dropout=given.get("hidden_dropout_prob", 0.1),
        activation=ACTIVATIONS[activation],
        eps=given.get("layer_norm_eps", 1e-12),
        pooler=pooler,
    )


def refuse_options(config: Mapping) -> None:
    """Refuse what would make another function than ours, by name and value."""
    options = {k: config.get(k, v) for k, v in SUPPORTED.items()}
    wrong = {k: v for k, v in options.items() if v != SUPPORTED[k]}
    names = ("hidden_dropout_prob", "attention_probs_dropout_prob")
    dropouts = {k: config.get(k, 0.1) for k in names}
    if dropouts[names[0]] != dropouts[names[1]]:
        wrong |= dropouts  # ours has one
    if wrong:
        said = ", ".join(f"{k}={v!r}" for k, v in wrong.items())
        raise ValueError(f"BERT does not support {said}")


def check_names(given: Iterable[str], names: Iterable[str], what: str) -> None:
    """Refuse tensors that are missing or left over, by name."""
    missing, extra = set(names) - set(given), set(given) - set(names)
    extra -= {f"{PREDICTIONS}.decoder.weight", f"{PREDICTIONS}.decoder.bias"}  # see check_tied
    if missing or extra:
        lists = {"missing": sorted(missing), "not known": sorted(extra)}
        said = "; ".join(f"{k}: {', '.join(v)}" for k, v in lists.items() if v)
        raise ValueError(f"the weights do not fit a {what}: {said}")


def check_tied(tensors: Mapping[str, Tensor]) -> None:
    """The output layer's matrix must be the token embedding, its bias the one beside it."""
    pairs = {
        f"{PREDICTIONS}.decoder.weight": "bert.embeddings.word_embeddings.weight",
        f"{PREDICTIONS}.decoder.bias": f"{PREDICTIONS}.bias",
    }
    for output, tied in pairs.items():
        if output not in tensors or tied not in tensors:
            continue
        if not torch.equal(tensors[output], tensors[tied]):
            raise ValueError(f"{output} differs from {tied}; BERT has one for both")


@torch.no_grad()
def copy_tensors(ours: nn.Module, given: Mapping[str, Tensor], names: Mapping[str, str]) -> None:
    """Copy all tensors that are named; theirs have the shapes of ours."""
    own = dict(ours.named_parameters())
    for theirs, mine in names.items():
        if given[theirs].shape != own[mine].shape:
            shapes = f"{list(own[mine].shape)}, got {list(given[theirs].shape)}"
            raise ValueError(f"{theirs} must have shape {shapes}")
        own[mine].copy_(given[theirs])
