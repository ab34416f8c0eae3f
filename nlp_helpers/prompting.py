"""Answers by prompt: how probable each of several continuations is, with no change of weights."""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from nlp_helpers.checks import check_tokens


@torch.no_grad()
def continuation_log_probs(
    model: nn.Module, prompt: Tensor, continuations: Sequence[Tensor]
) -> Tensor:
    """log p(continuation | prompt) of each continuation: the sum over its tokens, in nats.

    Source: Radford et al. 2019, section 2 (p(output | input, task)); Brown et al. 2020,
        section 2.4 (a choice between completions).

    Shape:
        prompt: integers [time]; continuations: integers [time of each]. The model takes tokens
        [batch, time] and returns logits [batch, time, vocab_size]. Returns [continuations].

    Raises:
        ValueError: an empty prompt, no or empty continuations, tokens outside the vocabulary;
            and as the model.
        TypeError: not integers.
    """
    if not continuations:
        raise ValueError("continuations is empty: nothing to choose from")
    for tokens in (prompt, *continuations):
        if not isinstance(tokens, Tensor) or tokens.dim() != 1:
            raise TypeError(f"prompt and continuations must be tensors [time], got {tokens!r:.60}")
        check_tokens(tokens[None], 2**31)
    rows = [torch.cat([prompt, tokens]) for tokens in continuations]
    batch = nn.utils.rnn.pad_sequence(rows, batch_first=True)  # what is filled in comes after
    read, row_of = batch[:, :-1].unique(dim=0, return_inverse=True)  # equal rows are read once
    log_probs = model(read).log_softmax(dim=-1)[row_of]  # for the tokens from the second on
    check_tokens(batch, log_probs.shape[-1])
    of_tokens = log_probs.gather(2, batch[:, 1:, None].long()).squeeze(2)  # [continuation, time]
    start = len(prompt) - 1
    sums = [
        row[start : start + len(c)].sum() for row, c in zip(of_tokens, continuations, strict=True)
    ]
    return torch.stack(sums)


def answer_by_prompt(
    model: nn.Module,
    encode: Callable[[str], list[int]],
    prompt: str,
    choices: Mapping[str, Sequence[str]],
    start: Sequence[int] = (),
) -> str:
    """The choice whose continuations have the highest probability together.

    Args:
        encode: text -> ids.
        choices: name -> texts that may follow the prompt, each with its space.
        start: ids before the prompt, such as that of a token that begins every text.

    Raises:
        ValueError: no choices, or one without a text; and as `continuation_log_probs`.
    """
    if not choices or not all(choices.values()):
        raise ValueError(f"each choice needs a text, got {dict(choices)!r:.80}")
    texts = [torch.tensor(encode(text)) for group in choices.values() for text in group]
    scores = continuation_log_probs(model, torch.tensor([*start, *encode(prompt)]), texts)
    groups = scores.split([len(group) for group in choices.values()])
    totals = [group.logsumexp(dim=0).item() for group in groups]
    return list(choices)[max(range(len(totals)), key=totals.__getitem__)]
