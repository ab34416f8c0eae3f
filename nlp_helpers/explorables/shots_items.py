"""From a model and a sequence of demonstrations to an item of `Shots`: numbers in, mapping out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from nlp_helpers.explorables.base import index_of

N_LABELS = 5  # as many of the most probable are shown

Predictor = Callable[[Tensor], tuple[Tensor, Tensor | None]]


def predictor(model: Any, heads: Sequence[tuple[int, int]] = ()) -> Predictor:
    """Return a function that asks a `models.gpt.GPT` for the next token after a prompt.

    The function takes tokens [1, time]; it returns the probabilities [vocab] of the next token,
    and the weights [time] with which the last token attends to all, as the mean over `heads`: pairs
    of layer and head, both counted from 0. Without heads there are no weights, but None.

    Raises: TypeError or ValueError for a layer or a head that is not there.
    """
    chosen = [
        (
            index_of(layer, "layer", model.config.n_layers),
            index_of(head, "head", model.config.n_heads),
        )
        for layer, head in heads
    ]

    @torch.no_grad()
    def predict(tokens: Tensor) -> tuple[Tensor, Tensor | None]:
        hidden, weights, _ = model.run(tokens, need_weights=bool(chosen))
        probabilities = model.logits(hidden[0, -1]).softmax(dim=-1)
        if not chosen:
            return probabilities, None
        attention = [weights[layer][0, head, -1] for layer, head in chosen]
        return probabilities, torch.stack(attention).mean(dim=0)

    return predict


def shots_item(
    tokens: Tensor,
    classes: Tensor,
    predictors: Mapping[str, Predictor],
    name_of: Callable[[int], str],
    class_names: Sequence[str],
) -> dict[str, Any]:
    """Return one item of `Shots`: the last word of a sequence, asked after 0, 1, 2, ... shots.

    The prompt of k shots is the first k pairs of word and label, and the last word. Each model is
    a function as `predictor` returns it. Among labels of one probability the lower token comes
    first.

    Shape: tokens int64 [2 * pairs], word, label, word, label, ...; classes int64 [pairs].

    Raises: TypeError or ValueError, naming the argument, for tokens or classes that are no such
    tensors or less than two pairs, and a model whose answer has another shape.
    """
    for name, value in (("tokens", tokens), ("classes", classes)):
        if not isinstance(value, Tensor) or value.dtype != torch.int64:
            raise TypeError(f"{name} must be a tensor of int64, got {value!r:.80}")
    n_pairs = len(classes) if classes.dim() == 1 else 0
    if n_pairs < 2 or tokens.shape != (2 * n_pairs,):
        raise ValueError(
            "tokens [2 * pairs] and classes [pairs], at least two pairs, have shapes "
            f"{list(tokens.shape)} and {list(classes.shape)}"
        )
    if not isinstance(predictors, Mapping) or not predictors:
        raise ValueError(f"predictors must be models by name, at least one, got {predictors!r:.80}")
    names = [name_of(token) for token in tokens.tolist()]
    kinds = [class_names[index_of(one, "classes", len(class_names))] for one in (classes.tolist())]
    pairs = list(zip(names[::2], kinds, names[1::2], strict=True))
    (query, query_class, answer), demonstrations = pairs[-1], pairs[:-1]
    prompts = [torch.cat([tokens[: 2 * k], tokens[-2:-1]]) for k in range(n_pairs)]
    found = {
        model: [asked(predict, prompt, model, name_of) for prompt in prompts]
        for model, predict in predictors.items()
    }
    attention = {model: [weights for _, weights in each] for model, each in found.items()}
    return {
        "query": query,
        "query_class": query_class,
        "answer": answer,
        "demonstrations": demonstrations,
        "predictions": {model: [labels for labels, _ in each] for model, each in found.items()},
        "attention": {
            model: None if None in weights else weights for model, weights in attention.items()
        },
    }


def asked(
    predict: Predictor, prompt: Tensor, model: str, name_of: Callable[[int], str]
) -> tuple[dict[str, list], list[float] | None]:
    """Return the most probable labels after a prompt, and the attention to its tokens.

    Shape: prompt [time].

    Raises: ValueError for probabilities that are not [vocab], or weights that are not [time].
    """
    probabilities, attention = predict(prompt[None])
    if probabilities.dim() != 1 or len(probabilities) < N_LABELS:
        raise ValueError(
            f"the model {model!r} must return probabilities [vocab] of {N_LABELS} tokens or more, "
            f"got shape {list(probabilities.shape)}"
        )
    if attention is not None and attention.shape != prompt.shape:
        raise ValueError(
            f"the model {model!r} must return attention {list(prompt.shape)} to the tokens of its "
            f"prompt, got shape {list(attention.shape)}"
        )
    sorted_, order = probabilities.sort(descending=True, stable=True)
    return {
        "labels": [name_of(token) for token in order[:N_LABELS].tolist()],
        "probabilities": sorted_[:N_LABELS].tolist(),
    }, None if attention is None else attention.tolist()
