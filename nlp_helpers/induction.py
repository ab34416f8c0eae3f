"""Induction heads: where attention looks in sequences of demonstrations, and what it is worth."""

import copy
import hashlib

import torch
from torch import Tensor, nn

from nlp_helpers.checks import check_float_tensors, check_int


def label_attention(weights: Tensor, classes: Tensor) -> Tensor:
    """How much of a word's attention goes to the labels of earlier words of its class, per head.

    The sequences are word, label, word, label, ...; only words whose class has been shown before
    count. An induction head, which looks for what followed the last time, has a score near 1; one
    that looks at all tokens alike has the share of such labels among them.

    Source: after Olsson et al. 2022, "In-context learning and induction heads" (prefix matching).

    Shape:
        weights: [batch, heads, query, key], query and key at least 2 * pairs - 1.
        classes: int64 [batch, pairs]. Returns [heads].

    Raises:
        ValueError: shapes that do not fit, no word whose class was shown before.
        TypeError: weights that are not floating-point.
    """
    check_float_tensors(weights=weights)
    n_pairs = classes.shape[1] if classes.dim() == 2 else -1
    if weights.dim() != 4 or len(weights) != len(classes) or n_pairs < 1:
        shapes = f"{list(weights.shape)} and {list(classes.shape)}"
        raise ValueError(
            f"weights [batch, heads, query, key] and classes [batch, pairs] have shapes {shapes}"
        )
    if min(weights.shape[2:]) < 2 * n_pairs - 1:
        raise ValueError(f"weights {list(weights.shape)} do not reach the word {n_pairs}")
    same = (classes[:, :, None] == classes[:, None, :]).tril(-1)  # [batch, word, earlier word]
    known = same.any(dim=2)
    if not known.any():
        raise ValueError("no word has a class that was shown before it")
    from_words = weights[:, :, 0 : 2 * n_pairs - 1 : 2, 1 : 2 * n_pairs - 1 : 2]
    found = (from_words * same[:, None, :, :-1]).sum(dim=3)  # [batch, heads, word]
    return found.transpose(1, 2)[known].mean(dim=0)


def label_accuracy(model: nn.Module, batch) -> Tensor:
    """Share of right labels after 0, 1, 2, ... demonstrations; the most probable token counts.

    Shape:
        batch: `data.in_context.Demonstrations`. Returns float [pairs].
    """
    return right_labels(model, batch).float().mean(dim=0)


@torch.no_grad()
def right_labels(model: nn.Module, batch) -> Tensor:
    """True where the most probable token is the label: bool [batch, pairs]."""
    logits = model(batch.tokens[:, :-1])[:, ::2]
    return logits.argmax(dim=-1) == batch.labels


def previous_token_attention(weights: Tensor) -> Tensor:
    """How much of the attention goes to the token just before, on average, per head.

    Shape:
        weights: [batch, heads, query, key], as many queries as keys, at least 2. Returns [heads].

    Raises:
        ValueError: another shape.
        TypeError: not floating-point.
    """
    check_float_tensors(weights=weights)
    if weights.dim() != 4 or weights.shape[2] != weights.shape[3] or weights.shape[2] < 2:
        raise ValueError(f"weights must be [batch, heads, time, time], got {list(weights.shape)}")
    return weights.diagonal(offset=-1, dim1=2, dim2=3).mean(dim=(0, 2))


@torch.no_grad()
def without_heads(model: nn.Module, heads: list[tuple[int, int]]) -> nn.Module:
    """A copy of a GPT in which some heads add nothing: their columns of W_O are 0.

    Args:
        heads: pairs of layer and head, both counted from 0.

    Raises:
        ValueError: a layer or a head that is not there.
        TypeError: not ints.
    """
    changed = copy.deepcopy(model)
    for layer, head in heads:
        check_int("layer", layer, 0)
        check_int("head", head, 0)
        config = model.config
        if layer >= config.n_layers or head >= config.n_heads:
            raise ValueError(
                f"head {head} of layer {layer} is not there: the model has {config.n_layers} "
                f"layers of {config.n_heads} heads"
            )
        d_k = config.d_model // config.n_heads
        W_O = changed.stack.layers[layer].attention.W_O.weight  # [d_model, heads * d_k]
        W_O[:, head * d_k : (head + 1) * d_k] = 0
    return changed


def fingerprint(model: nn.Module) -> str:
    """SHA-256 of all weights and buffers: equal before and after means that nothing was learned."""
    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
