"""Questions and passages in one row, and the best span by trying all."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nlp_helpers.data.answer_spans import best_spans, passage_mask, question_row
from nlp_helpers.data.bert_inputs import pad_rows, pair_row

PAD, CLS, SEP = 0, 2, 3


def test_a_row_by_hand():
    ids, segments, places = question_row([5, 6], [10, 11, 12, 13], (1, 3), CLS, SEP, 20)
    assert (ids, segments) == pair_row([5, 6], [10, 11, 12, 13], CLS, SEP)
    assert places == (5, 6)
    assert ids[places[0] : places[1] + 1] == [11, 12]


@given(
    n_question=st.integers(1, 7),
    n_passage=st.integers(1, 15),
    max_len=st.integers(11, 30),
    data=st.data(),
)
def test_an_answer_is_found_in_the_row_or_is_cut_off(n_question, n_passage, max_len, data):
    question, passage = list(range(100, 100 + n_question)), list(range(10, 10 + n_passage))
    start = data.draw(st.integers(0, n_passage - 1))
    end = data.draw(st.integers(start + 1, n_passage))
    ids, segments, (first, last) = question_row(question, passage, (start, end), CLS, SEP, max_len)
    kept = min(n_passage, max_len - n_question - 3)
    assert (ids, segments) == pair_row(question, passage[:kept], CLS, SEP)
    assert len(ids) <= max_len
    if end <= kept:
        assert ids[first : last + 1] == passage[start:end]
    else:
        assert (first, last) == (0, 0)
    no_answer = question_row(question, passage, None, CLS, SEP, max_len)
    assert no_answer == (ids, segments, (0, 0))


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"answer": (-1, 2)}, ValueError, r"answer=\(-1, 2\) is no span of a passage of 4 tokens"),
        ({"answer": (2, 2)}, ValueError, r"answer=\(2, 2\) is no span"),
        ({"answer": (3, 1)}, ValueError, r"answer=\(3, 1\) is no span"),
        ({"answer": (2, 5)}, ValueError, r"answer=\(2, 5\) is no span"),
        ({"answer": (1, 5), "max_len": 7}, ValueError, r"answer=\(1, 5\) is no span"),
        ({"answer": (1, 2.0)}, TypeError, r"answer must be \(start, end\), two ints, or None"),
        ({"answer": (1,)}, TypeError, r"got \(1,\)"),
        ({"answer": 3}, TypeError, "got 3"),
        ({"question_ids": []}, ValueError, "question_ids is empty"),
        ({"passage_ids": []}, ValueError, "passage_ids is empty"),
        ({"passage_ids": [7, -7]}, ValueError, "passage_ids holds the id -7"),
        ({"question_ids": "ab"}, TypeError, "question_ids must be a sequence of ints"),
        ({"max_len": 5}, ValueError, "question of 2 tokens leaves no room in a row of max_len=5"),
        ({"max_len": 0}, ValueError, "max_len must be at least 1, got 0"),
        ({"max_len": 20.0}, TypeError, "max_len"),
    ],
)
def test_bad_questions(change, error, message):
    settings = {"question_ids": [5, 6], "passage_ids": [7, 8, 9, 10], "answer": (0, 1)}
    settings |= {"cls": CLS, "sep": SEP, "max_len": 20, **change}
    with pytest.raises(error, match=message):
        question_row(**settings)


def test_one_token_of_a_passage_is_room_enough():
    ids, _, places = question_row([5, 6], [7, 8], (0, 1), CLS, SEP, 6)
    assert (ids, places) == ([CLS, 5, 6, SEP, 7, SEP], (4, 4))


# ---------------------------------------------------------------- where answers may stand


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(1, 9)), min_size=1, max_size=8))
def test_the_passage_is_what_stands_between_both_sep(sizes):
    rows = [pair_row([7] * n, [8] * m, CLS, SEP) for n, m in sizes]
    inputs = pad_rows(rows, PAD)
    allowed = passage_mask(inputs.segments, inputs.mask)
    assert allowed.dtype == torch.bool
    assert torch.equal(allowed, inputs.tokens == 8)
    ones = torch.where(inputs.mask, inputs.segments, 1)  # whatever the segment of padding is
    assert torch.equal(passage_mask(ones, inputs.mask), allowed)


@pytest.mark.parametrize(
    ("segments", "mask", "error", "message"),
    [
        (torch.zeros(2, 3), torch.ones(2, 3), TypeError, "mask must be a bool tensor"),
        (torch.zeros(2, 3), torch.ones(2, 4).bool(), ValueError, r"segments must have shape"),
        (
            torch.zeros(3),
            torch.ones(3).bool(),
            ValueError,
            r"mask must be \[batch, time\], got \[3",
        ),
    ],
)
def test_bad_masks(segments, mask, error, message):
    with pytest.raises(error, match=message):
        passage_mask(segments, mask)


# ---------------------------------------------------------------- the best span


def by_trying_all(start_logits, end_logits, allowed, max_pieces, no_answer, tau):
    found = []
    for s, e, fine in zip(start_logits, end_logits, allowed, strict=True):
        best = (float("-inf"), 0, 0)
        for i in range(len(s)):
            for j in range(i, min(len(s), i + max_pieces)):
                score = (s[i] + e[j]).item()
                if fine[i] and fine[j] and score > best[0]:
                    best = (score, i, j)
        none = (s[0] + e[0]).item()
        if no_answer and not best[0] > none + tau:
            best = (none, 0, 0)
        found.append(best)
    return found


@given(
    batch=st.integers(1, 5),
    time=st.integers(1, 13),
    max_pieces=st.integers(1, 15),
    no_answer=st.booleans(),
    tau=st.sampled_from([0, -1.5, 1.5]),
    seed=st.integers(0, 999),
)
def test_the_best_span_is_the_one_found_by_trying_all(
    batch, time, max_pieces, no_answer, tau, seed
):
    generator = torch.Generator().manual_seed(seed)
    s, e = torch.randn(2, batch, time, generator=generator, dtype=torch.float64)
    allowed = torch.rand(batch, time, generator=generator) < 0.6
    if not no_answer:
        allowed[:, -1] = True
    starts, ends, scores = best_spans(s, e, allowed, max_pieces, no_answer, tau)
    expected = by_trying_all(s, e, allowed, max_pieces, no_answer, tau)
    assert starts.dtype == ends.dtype == torch.int64
    assert starts.tolist() == [i for _, i, _ in expected]
    assert ends.tolist() == [j for _, _, j in expected]
    assert scores.tolist() == pytest.approx([score for score, _, _ in expected])


def test_the_best_start_and_the_best_end_may_not_go_together():
    s, e = torch.tensor([[0.0, 1, 0, 9]]), torch.tensor([[0.0, 9, 3, 0]])
    everywhere = torch.ones(1, 4, dtype=torch.bool)
    assert [x.item() for x in best_spans(s, e, everywhere)] == [1, 1, 10]
    assert [x.item() for x in best_spans(s, e, everywhere, no_answer=True)] == [1, 1, 10]
    only = torch.tensor([[False, False, True, True]])
    assert [x.item() for x in best_spans(s, e, only)] == [3, 3, 9]


def test_tau_decides_whether_there_is_an_answer_and_a_tie_is_none():
    s, e = torch.tensor([[2.0, 0, 3]]), torch.tensor([[2.0, 0, 2]])
    allowed = torch.tensor([[False, True, True]])
    found = {t: best_spans(s, e, allowed, no_answer=True, tau=t)[0].item() for t in (0, 1, 2, -9)}
    assert found == {0: 2, 1: 0, 2: 0, -9: 2}
    assert best_spans(s, e, allowed, no_answer=True, tau=1)[2].item() == 4
    assert best_spans(s, e, allowed, tau=99)[0].item() == 2  # there must be an answer


def test_a_row_without_a_passage_has_no_answer():
    s = torch.zeros(2, 3)
    allowed = torch.tensor([[False, True, True], [False, False, False]])
    starts, ends, scores = best_spans(s + 1, s, allowed, no_answer=True, tau=-1)
    assert (starts.tolist(), ends.tolist(), scores.tolist()) == ([1, 0], [1, 0], [1, 1])


L, A = torch.zeros(2, 3), torch.ones(2, 3).bool()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((L[0], L[0], A[0]), ValueError, r"start_logits must be \[batch, time\].*got \[3\]"),
        ((L[:, :0], L[:, :0], A[:, :0]), ValueError, r"got \[2, 0\]"),
        ((L, L[:, 1:], A), ValueError, r"end_logits must have shape \[2, 3\], got \[2, 2\]"),
        ((L, L, A[:1]), ValueError, r"allowed must have shape \[2, 3\], got \[1, 3\]"),
        ((L, L, A.long()), TypeError, "allowed must be a bool tensor"),
        ((L, L, ~A), ValueError, r"no place is allowed in the rows \[0, 1\]"),
        ((L, L / 0, A), ValueError, "the logits hold NaN"),
        ((L / 0, L, A), ValueError, "the logits hold NaN"),
        ((L, L, A, 0), ValueError, "max_pieces must be at least 1, got 0"),
        ((L, L, A, 2.0), TypeError, "max_pieces"),
        ((L, L, A, 30, True, float("nan")), ValueError, "tau"),
        ((L, L, A, 30, True, "0"), TypeError, "tau"),
    ],
)
def test_bad_logits(arguments, error, message):
    with pytest.raises(error, match=message):
        best_spans(*arguments)
