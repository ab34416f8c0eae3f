"""Questions whose answer is a span of a passage: rows for BERT, and the best span of its logits."""

from operator import index

import torch
from torch import Tensor

from nlp_helpers.checks import check_bool_tensor, check_int, check_number, check_shapes
from nlp_helpers.data.bert_inputs import Ids, checked_ids, pair_row

NO_ANSWER = (0, 0)  # the place of [CLS]


def question_row(
    question_ids: Ids,
    passage_ids: Ids,
    answer: tuple[int, int] | None,
    cls: int,
    sep: int,
    max_len: int,
) -> tuple[list[int], list[int], tuple[int, int]]:
    """[CLS] question [SEP] passage [SEP]: ids, segments, and the places that are to be found.

    The passage is cut off at its end where the row would be longer than max_len. A question
    without an answer, or whose answer is not wholly in what is left, has the answer (0, 0): the
    place of [CLS].

    Source: Devlin et al. 2019, sections 4.2 and 4.3.

    Args:
        answer: (start, end) in the passage, without the end: passage_ids[start:end]. None: there
            is no answer.
        max_len: the longest row, in tokens.

    Returns:
        ids, segments, and (first, last): the places in the row of the answer's first and last
        token, that is with the end. BERT's two logits point at these.

    Raises:
        ValueError: an empty question or passage, a negative id, an answer that is no span of the
            passage, a question that leaves no room for the passage.
        TypeError: ids that are not ints, an answer that is not two ints.
    """
    question = checked_ids("question_ids", question_ids)
    passage = checked_ids("passage_ids", passage_ids)
    check_int("max_len", max_len)
    room = max_len - len(question) - 3  # [CLS] and two [SEP]
    if room < 1:
        n = len(question)
        raise ValueError(f"a question of {n} tokens leaves no room in a row of max_len={max_len}")
    ids, segments = pair_row(question, passage[:room], cls, sep)
    if answer is None:
        return ids, segments, NO_ANSWER
    start, end = checked_answer(answer, len(passage))
    if end > room:
        return ids, segments, NO_ANSWER
    offset = len(question) + 2
    return ids, segments, (offset + start, offset + end - 1)


def checked_answer(answer: tuple[int, int], n: int) -> tuple[int, int]:
    """Refuse what is not (start, end) of a span, not empty, of n tokens."""
    try:
        start, end = map(index, answer)
    except (TypeError, ValueError):
        raise TypeError(f"answer must be (start, end), two ints, or None, got {answer!r}") from None
    if not 0 <= start < end <= n:
        raise ValueError(f"answer={answer} is no span of a passage of {n} tokens")
    return start, end


def passage_mask(segments: Tensor, mask: Tensor) -> Tensor:
    """The places where an answer may stand: the second segment without the [SEP] at its end.

    Shape:
        segments: integers [batch, time]; mask: bool [batch, time], True = a real token, with the
        padding after them. Returns bool [batch, time].

    Raises:
        ValueError: not [batch, time], shapes that differ.
        TypeError: a mask that is not bool.
    """
    check_bool_tensor("mask", mask, "a real token")
    if mask.dim() != 2:
        raise ValueError(f"mask must be [batch, time], got {list(mask.shape)}")
    check_shapes(segments=(segments, mask.shape))
    last = mask.sum(dim=1, keepdim=True) - 1
    return (segments == 1) & (torch.arange(mask.shape[1], device=mask.device) < last)


def best_spans(
    start_logits: Tensor,
    end_logits: Tensor,
    allowed: Tensor,
    max_pieces: int = 30,
    no_answer: bool = False,
    tau: float = 0.0,
) -> tuple[Tensor, Tensor, Tensor]:
    """For each row the span i .. j with the highest s_i + e_j.

    Source: Devlin et al. 2019, section 4.2 (the score), 4.3 (questions without an answer).

    Args:
        allowed: where a span may start and end, as `passage_mask` tells it.
        max_pieces: the longest span, in tokens.
        no_answer: whether there may be none: then the span is (0, 0), of score s_0 + e_0, unless
            the best one scores more than s_0 + e_0 + tau.
        tau: the threshold of the paper, chosen on validation data.

    Shape:
        start_logits, end_logits: float [batch, time]; allowed: bool [batch, time]. Returns starts
        and ends, int64 [batch], the end being the last token of the span, and scores [batch].

    Raises:
        ValueError: not [batch, time], shapes that differ, NaN, a max_pieces below 1, a row with
            no place that is allowed (where no answer is not one).
        TypeError: an `allowed` that is not bool, numbers that are not.
    """
    check_bool_tensor("allowed", allowed, "an answer may start or end here")
    check_int("max_pieces", max_pieces)
    check_number("tau", tau, float("-inf"), open_low=True, open_high=True)
    if start_logits.dim() != 2 or 0 in start_logits.shape:
        shape = list(start_logits.shape)
        raise ValueError(f"start_logits must be [batch, time], none of them 0; got {shape}")
    shape = start_logits.shape
    check_shapes(end_logits=(end_logits, shape), allowed=(allowed, shape))
    if start_logits.isnan().any() or end_logits.isnan().any():
        raise ValueError("the logits hold NaN, so no span is the best: the model has diverged")
    empty = (~allowed.any(dim=1)).nonzero().flatten().tolist()
    if empty and not no_answer:
        raise ValueError(f"no place is allowed in the rows {empty}")
    time = shape[1]
    score = start_logits[:, :, None] + end_logits[:, None, :]  # [batch, start, end]
    short = torch.ones(time, time, dtype=torch.bool, device=allowed.device)
    short = short.triu().tril(max_pieces - 1)  # start <= end < start + max_pieces
    score = score.masked_fill(~(allowed[:, :, None] & allowed[:, None, :] & short), -torch.inf)
    best, place = score.flatten(1).max(dim=1)
    starts, ends = place // time, place % time
    if no_answer:
        none = start_logits[:, 0] + end_logits[:, 0]
        wins = ~(best > none + tau)
        starts, ends = starts.masked_fill(wins, 0), ends.masked_fill(wins, 0)
        best = torch.where(wins, none, best)
    return starts, ends, best
