"""Chapter 06's checks: a right answer passes, typical wrong ones are told what is wrong."""

import copy
import math
from collections import Counter
from functools import partial
from itertools import combinations, pairwise

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from nlp_helpers.data.bpe import ByteLevelBPE, merge_steps
from nlp_helpers.data.gpt_inputs import MARKS, Marks, choice_inputs
from nlp_helpers.data.windows import all_windows
from nlp_helpers.decoding import generate, next_token_distribution
from nlp_helpers.exercises import gpt
from nlp_helpers.exercises.small_models import small_gpt
from nlp_helpers.lm_losses import FineTuningLoss, next_token_nll
from nlp_helpers.models.gpt import GPT
from nlp_helpers.models.gpt_config import GPT1, GPT2_SIZES, GPTConfig, gpt2_config, n_parameters
from nlp_helpers.models.gpt_tasks import GPTClassifier, with_new_tokens
from nlp_helpers.models.scaled_dot_product import causal_mask
from tests.exercises.judging import (
    assert_crashes_are_explained,
    assert_length_tells_nothing,
    assert_quiz,
    assert_right_and_not_attempted,
    verdict,
)


def counts_of(words, pairs=pairwise):
    counts = Counter()
    for pieces, n in words.items():
        for pair in pairs(pieces):
            counts[pair] += n
    return counts


def joined(pieces, pair):
    new = []
    for piece in pieces:
        if (*new[-1:], piece) == pair:
            new[-1] += piece
        else:
            new.append(piece)
    return tuple(new)


def step_with(find, join=joined):
    """A training step with another way to find the pair, or to apply it."""

    def merge_step(words):
        pair = find(words)
        return pair, {join(pieces, pair): n for pieces, n in words.items()}

    return merge_step


def best_pair(words):
    counts = counts_of(words)
    largest = max(counts.values())
    return sorted(pair for pair, n in counts.items() if n == largest)[0]


merge_step = step_with(best_pair)


def by(key, pairs=pairwise):
    """The pair with the smallest key(count, pair)."""

    def find(words):
        counts = counts_of(words, pairs)
        return min(counts, key=lambda pair: key(counts[pair], pair))

    return find


def each_word_once(words):
    counts = counts_of(dict.fromkeys(words, 1))
    return min(counts, key=lambda pair: (-counts[pair], pair))


def most_common(words):
    return counts_of(words).most_common(1)[0][0]


def right_to_left(pieces, pair):
    new = []
    for piece in reversed(pieces):
        if (piece, *new[:1]) == pair:
            new[0] = piece + new[0]
        else:
            new.insert(0, piece)
    return tuple(new)


def first_place(pieces, pair):
    for i in range(len(pieces) - 1):
        if pieces[i : i + 2] == pair:
            return (*pieces[:i], pair[0] + pair[1], *pieces[i + 2 :])
    return pieces


def every_place(pieces, pair):
    new, i = [], 0
    while i < len(pieces):
        if pieces[i : i + 2] == pair:
            new.append("".join(pair))
            i += 1 if pieces[i + 1 : i + 3] == pair else 2
        else:
            new.append(pieces[i])
            i += 1
    return tuple(new)


def replaced_in_the_text(pieces, pair):
    return tuple(" ".join(pieces).replace(" ".join(pair), "".join(pair)).split())


def as_tuples(pieces, pair):
    return tuple(pair if piece == "".join(pair) else piece for piece in joined(pieces, pair))


def counts_lost(words):
    pair, after = merge_step(words)
    return pair, dict.fromkeys(after, 1)


def others_left_out(words):
    pair, after = merge_step(words)
    return pair, {pieces: n for pieces, n in after.items() if "".join(pair) in pieces}


def choice_rows(context, answers, start, delimiter, extract):
    rows = []
    for answer in answers:
        row = [start]
        row.extend(context)
        row.append(delimiter)
        row.extend(answer)
        row.append(extract)
        rows.append(row)
    return rows


def growing_row(context, answers, start, delimiter, extract):
    rows, row = [], [start, *context, delimiter]
    for answer in answers:
        row = [*row, *answer, extract]
        rows.append(row)
    return rows


def one_list(context, answers, start, delimiter, extract):
    rows, row = [], [start, *context, delimiter]
    for answer in answers:
        row += [*answer, extract]
        rows.append(row)
    return rows


def all_answers_in_a_row(context, answers, start, delimiter, extract):
    parts = [token for answer in answers for token in (delimiter, *answer)]
    return [start, *context, *parts, extract]


def filled_up(*args):
    rows = choice_rows(*args)
    longest = max(len(row) for row in rows)
    return [row + [0] * (longest - len(row)) for row in rows]


def context_once(context, *rest):
    first, *others = choice_rows(context, *rest)
    return [first, *choice_rows([], *rest)[1:]] if others else [first]


def nucleus(probabilities, p):
    result, total = torch.zeros_like(probabilities), 0.0
    for token in sorted(range(len(probabilities)), key=lambda i: -probabilities[i].item()):
        if total >= p:
            break
        result[token] = probabilities[token]
        total += probabilities[token].item()
    return result / total


def in_order(q):
    return q.sort(descending=True, stable=True)


def without_the_last(q, p):
    ordered, order = in_order(q)
    kept = ordered * (ordered.cumsum(0) <= p)
    result = torch.zeros_like(q)
    result[order] = kept
    return result


def renormalised(q):
    return q / q.sum()


def one_too_many(q, p):
    ordered, order = in_order(q)
    result = torch.zeros_like(q)
    result[order] = ordered * (ordered.cumsum(0) - ordered <= p)
    return renormalised(result)


def sorted_result(q, p):
    return nucleus(q, p).sort(descending=True).values


def wrong_way_back(q, p):
    return sorted_result(q, p)[in_order(q).indices]


def unsorted(q, p):
    return renormalised(q * (q.cumsum(0) - q < p))


def from_the_least(q, p):
    ordered, order = q.sort()
    result = torch.zeros_like(q)
    result[order] = ordered * (ordered.cumsum(0) - ordered < p)
    return renormalised(result)


def share_of_the_vocabulary(q, p):
    result = torch.zeros_like(q)
    kept = in_order(q).indices[: math.ceil(p * len(q))]
    result[kept] = q[kept]
    return renormalised(result)


def all_that_tie(q, p):
    return renormalised(q * (q >= q[nucleus(q, p) > 0].min()))


def later_of_equals(q, p):
    return nucleus(q.flip(0), p).flip(0)


def above(threshold):
    return lambda q, p: renormalised(q * (q >= threshold(q, p)))


def gpt_step(model, tokens, past):
    hidden, _, past = model.run(tokens, past)
    return model.logits(hidden[:, -1]), past


def step_at(places, mask=causal_mask):
    """A step whose tokens get the vectors of places(n_new, n_past, past)."""

    def step(model, tokens, past):
        n_new, n_past = tokens.shape[1], 0 if past is None else past[0][0].shape[2]
        x = model.tokens(tokens) + model.positions(places(n_new, n_past, past))
        hidden, _, past = model.stack.run(x, mask(n_new, n_new + n_past), past)
        return model.logits(hidden[:, -1]), past

    return step


def one_place_more(n, n_past, past):
    return torch.arange(n_past, n_past + n) + (past is not None)


def only_the_last_place(n, n_past, past):
    return torch.tensor([n_past + n - 1])


def first_new_place_for_all(n, n_past, past):
    return torch.tensor([n_past]) if past is not None else torch.arange(n)


def counting_layers(n, n_past, past):
    return torch.arange(n) + (0 if past is None else len(past))


def counting_heads(n, n_past, past):
    return torch.arange(n) + (0 if past is None else past[0][0].shape[1])


def places(n, n_past, past):
    return torch.arange(n_past, n_past + n)


def counting_calls(model, tokens, past):
    """The place is the number of calls so far, kept beside the keys of the first layer."""
    n_new, n_calls = tokens.shape[1], 0 if past is None else past[0].n_calls
    x = model.tokens(tokens) + model.positions(torch.arange(n_new) + n_calls)
    mask = causal_mask(n_new, n_new + (0 if past is None else past[0][0].shape[2]))
    hidden, _, past = model.stack.run(x, mask, past)
    past = [CountedPair(pair) for pair in past]
    past[0].n_calls = n_calls + 1
    return model.logits(hidden[:, -1]), past


class CountedPair(tuple):
    n_calls = 0


def nothing_kept(model, tokens, past):
    return gpt_step(model, tokens, None)


def everything_read_again(model, tokens, past):
    tokens = tokens if past is None else torch.cat([past, tokens], dim=1)
    return model(tokens)[:, -1], tokens


def all_logits(model, tokens, past):
    hidden, _, past = model.run(tokens, past)
    return model.logits(hidden), past


def first_logits(model, tokens, past):
    hidden, _, past = model.run(tokens, past)
    return model.logits(hidden[:, 0]), past


def old_past(model, tokens, past):
    logits, new = gpt_step(model, tokens, past)
    return logits, new if past is None else past


def gpt_parameters(n_layers, d_model, vocab_size, max_len):
    d_ff = 4 * d_model
    layer = nn.TransformerEncoderLayer(d_model, nhead=1, dim_feedforward=d_ff, device="meta")
    in_layers = n_layers * sum(p.numel() for p in layer.parameters())
    return vocab_size * d_model + max_len * d_model + in_layers + 2 * d_model


def count(
    L, d, V, T, *, layer=lambda d: 12 * d * d + 13 * d, tokens=1, positions=1, final=2, extra=0
):
    return tokens * V * d + positions * T * d + L * layer(d) + final * d + extra * V


def strided_nll(model, ids, stride):
    losses, start = {}, 0
    while True:
        window = ids[start : start + model.config.max_len + 1]
        log_probs = model(window[None, :-1])[0].log_softmax(-1)
        for n, token in enumerate(window[1:].tolist()):
            losses.setdefault(start + n + 1, -log_probs[n, token].item())
        if start + model.config.max_len + 1 >= len(ids):
            break
        start += stride
    assert sorted(losses) == list(range(1, len(ids)))
    return sum(losses.values()) / len(losses)


def windows(model, ids, stride, *, until=None):
    """(start, the losses of all that a window predicts), of windows up to the end."""
    n, length, found, start = len(ids) - 1, model.config.max_len, [], 0
    while True:
        end = min(start + length, n)
        losses = F.cross_entropy(
            model(ids[None, start:end])[0], ids[start + 1 : end + 1], reduction="none"
        )
        found.append((start, losses))
        if end == n:
            return found
        start += stride


def new_parts(model, ids, stride):
    counted, found = 1, []
    for start, losses in windows(model, ids, stride):
        found.append(losses[counted - start - 1 :])
        counted = start + len(losses) + 1
    return found


def mean(parts):
    return torch.cat(list(parts)).mean().item()


def overlapping(*args):
    return mean(losses for _, losses in windows(*args))


def mean_of_windows(*args):
    return torch.stack([losses.mean() for _, losses in windows(*args)]).mean().item()


def mean_of_new_parts(*args):
    return torch.stack([part.mean() for part in new_parts(*args)]).mean().item()


def side_by_side(model, ids, stride):
    return strided_nll(model, ids, model.config.max_len)


def beginnings(model, ids, stride):
    *others, (_, last) = windows(model, ids, stride)
    return mean([*(losses[:stride] for _, losses in others), last])


def ends(model, ids, stride):
    return mean(part[-stride:] for part in new_parts(model, ids, stride))


def only_full_windows(model, ids, stride):
    parts = zip(windows(model, ids, stride), new_parts(model, ids, stride), strict=True)
    full = [new for (_, losses), new in parts if len(losses) == model.config.max_len]
    return mean(full) if full else 0.0


def last_moved_back(model, ids, stride):
    length, parts = model.config.max_len, new_parts(model, ids, stride)
    if len(ids) > length + 1:
        losses = F.cross_entropy(model(ids[None, -length - 1 : -1])[0], ids[-length:],
                                 reduction="none")  # fmt: skip
        parts[-1] = losses[len(losses) - len(parts[-1]) :]
    return mean(parts)


def targets_inside_the_window(model, ids, stride):
    """Windows of max_len tokens whose last token predicts nothing, as in many scripts."""
    length, counted, total, n = model.config.max_len, 1, 0.0, 0
    for start in range(0, len(ids), stride):
        window = ids[start : start + length]
        first = max(counted - start, 1)
        losses = F.cross_entropy(model(window[None])[0, :-1], window[1:], reduction="none")
        total += losses[first - 1 :].sum().item()
        n += len(losses[first - 1 :])
        counted = start + len(window)
        if counted == len(ids):
            break
    return total / n


def unshifted(model, ids, stride):
    found, counted = [], 0
    for start in range(0, len(ids), stride):
        window = ids[start : start + model.config.max_len]
        losses = F.cross_entropy(model(window[None])[0], window, reduction="none")
        found.append(losses[max(0, counted - start) :])
        counted = start + len(window)
    return mean(found)


CHECKS = [
    (gpt.check_merge_step, merge_step),
    (gpt.check_choice_rows, choice_rows),
    (gpt.check_nucleus, nucleus),
    (gpt.check_gpt_step, gpt_step),
    (gpt.check_gpt_parameters, gpt_parameters),
    (gpt.check_strided_nll, strided_nll),
]
MERGE, CHOICE, NUCLEUS, CACHE, COUNT, STRIDE = (check for check, _ in CHECKS)

FIRST = "take the first in alphabetical order"
BIASES = "4 d for each layer are missing"
FEED_FORWARD = "two matrices, d by 4d and 4d by d"

# check, wrong answer, words of the hint that it must get
WRONG = [
    (MERGE, step_with(each_word_once), "a pair counts as often as its word occurs"),
    (MERGE, step_with(most_common), FIRST),
    (MERGE, step_with(by(lambda n, pair: (-n, *map(ord, pair[1][:1])))), FIRST),
    (MERGE, step_with(by(lambda n, pair: (-n, "".join(pair)))), FIRST),
    (MERGE, step_with(lambda w: max((n, p) for p, n in counts_of(w).items())[1]), FIRST),
    (MERGE, step_with(by(lambda n, p: (-n, p), lambda w: set(pairwise(w)))), "counts twice"),
    (MERGE, step_with(by(lambda n, p: (-n, p), lambda w: combinations(w, 2))), "next to each"),
    (MERGE, step_with(by(lambda n, p: (-n, p), lambda w: (tuple(sorted(p)) for p in pairwise(w)))),
     "(a, b) and (b, a) are two pairs"),
    (MERGE, step_with(by(lambda n, p: (-n, p), gpt._apart)), "holds the pair (a, a) twice"),
    (MERGE, step_with(by(lambda n, pair: (n, pair))), "yours is the rarest pair"),
    (MERGE, lambda w: ((best_pair(w), 3), merge_step(w)[1]), "not yet"),
    (MERGE, lambda w: (counts_of(w).most_common(1)[0], merge_step(w)[1]), "without its count"),
    (MERGE, lambda w: ("".join(best_pair(w)), merge_step(w)[1]), "as a tuple of two pieces"),
    (MERGE, best_pair, "return both: the pair, and the dictionary"),
    (MERGE, lambda w: merge_step(w)[1], "return both: the pair, and the dictionary"),
    (MERGE, lambda w: merge_step(w)[::-1], "return both: the pair, and the dictionary"),
    (MERGE, lambda w: (best_pair(w), w), "the words are as before"),
    (MERGE, step_with(best_pair, first_place), "not only at its first place"),
    (MERGE, step_with(best_pair, right_to_left), "a a a becomes aa a"),
    (MERGE, step_with(best_pair, every_place), "each piece goes into one merge only"),
    (MERGE, step_with(best_pair, replaced_in_the_text), "the pieces th and e stay apart"),
    (MERGE, step_with(best_pair, as_tuples), "the new piece is one string"),
    (MERGE, step_with(best_pair, lambda pieces, pair: "".join(pieces)), "stays a tuple"),
    (MERGE, step_with(best_pair, lambda pieces, pair: ("".join(pieces),)), "only the pair is"),
    (MERGE, counts_lost, "the words keep their counts"),
    (MERGE, others_left_out, "keep the words without the pair, too"),
    (CHOICE, lambda c, a, s, d, e: [[*c, d, *x, e] for x in a], "begins with the start token"),
    (CHOICE, lambda c, a, s, d, e: [[s, *c, *x, e] for x in a], "answer stands the delimiter"),
    (CHOICE, lambda c, a, s, d, e: [[s, *c, d, *x] for x in a], "ends in the extract token"),
    (CHOICE, lambda c, a, s, d, e: [[*c, d, *x] for x in a], "start token; and the row ends in"),
    (CHOICE, lambda c, a, s, d, e: [[s, *c, *x] for x in a], "delimiter; and the row ends in"),
    (CHOICE, lambda c, a, s, d, e: [[*c, *x, e] for x in a], "start token; and between"),
    (CHOICE, lambda c, a, s, d, e: [[*c, *x] for x in a], "start token; and between"),
    (CHOICE, lambda c, a, s, d, e: [[s, *x, d, *c, e] for x in a], "the context comes first"),
    (CHOICE, lambda c, a, s, d, e: [[s, *c, d, s, *x, e] for x in a], "only at the beginning"),
    (CHOICE, lambda c, a, s, d, e: choice_rows(c, a, s, e, d), "have changed places"),
    (CHOICE, lambda c, a, s, d, e: choice_rows(c, a, e, d, s), "have changed places"),
    (CHOICE, growing_row, "still holds the answers of rows before it"),
    (CHOICE, one_list, "the same list, which every answer makes longer"),
    (CHOICE, all_answers_in_a_row, "one row for each answer"),
    (CHOICE, lambda *args: [all_answers_in_a_row(*args)], "one row for each answer"),
    (CHOICE, lambda *args: sum(choice_rows(*args), []), "not all rows in one"),  # noqa: RUF017
    (CHOICE, lambda *args: choice_rows(*args)[:1], "one row for each answer"),
    (CHOICE, lambda *args: choice_rows(*args)[0], "start, context, delimiter, answer, extract"),
    (CHOICE, context_once, "each with the whole context"),
    (CHOICE, filled_up, "a batch fills them up later"),
    (CHOICE, lambda c, a, s, d, e: [[s, c, d, x, e] for x in a], "without lists inside"),
    (CHOICE, lambda *args: choice_rows(*args)[::-1], "in this order: start, context"),
    (NUCLEUS, without_the_last, "without it the sum is below p; and divide by the sum"),
    (NUCLEUS, lambda q, p: renormalised(without_the_last(q, p)), "makes the sum reach p belongs"),
    (NUCLEUS, one_too_many, "a sum of exactly p is enough"),
    (NUCLEUS, lambda q, p: q * (nucleus(q, p) > 0), "divide by the sum of what is kept"),
    (NUCLEUS, lambda q, p: q * (nucleus(q, p) > 0) / p, "it reaches p, but need not be p"),
    (NUCLEUS, lambda q, p: nucleus(q, p).softmax(0), "a softmax gives the tokens that are left"),
    (NUCLEUS, sorted_result, "goes back to the place where its token stood"),
    (NUCLEUS, wrong_way_back, "result[order] = kept undoes the sorting"),
    (NUCLEUS, lambda q, p: nucleus(q, p)[nucleus(q, p) > 0], "the others get 0"),
    (NUCLEUS, unsorted, "sort first"),
    (NUCLEUS, from_the_least, "begin with the most probable token"),
    (NUCLEUS, share_of_the_vocabulary, "not of the number of tokens"),
    (NUCLEUS, above(lambda q, p: p), "not each single probability"),
    (NUCLEUS, above(lambda q, p: 1 - p), "not each single probability"),
    (NUCLEUS, above(lambda q, p: p * q.max()), "not the ratio to the largest"),
    (NUCLEUS, all_that_tie, "the one with the lower index is kept first"),
    (NUCLEUS, later_of_equals, "the one with the lower index is kept first"),
    (NUCLEUS, lambda q, p: q, "nothing is left out"),
    (NUCLEUS, lambda q, p: in_order(q).indices, "keep those before which the sum is still below"),
    (CACHE, step_at(one_place_more), "hold: 1 of 5. Missing: logits after single tokens from"),
    (CACHE, step_at(lambda n, m, past: torch.zeros(n, dtype=torch.long)), "hold: 0 of 5"),
    (CACHE, step_at(only_the_last_place), "hold: 1 of 5. Missing: logits after a prompt"),
    (CACHE, step_at(first_new_place_for_all), "3 of 5. Missing: logits after several new tokens"),
    (CACHE, counting_calls, "hold: 2 of 5. Missing: logits after single tokens after a prompt"),
    (CACHE, step_at(counting_layers), "properties that hold: 1 of 5"),
    (CACHE, step_at(counting_heads), "properties that hold: 1 of 5"),
    (CACHE, step_at(places, lambda n, m: None), "hold: 1 of 5. Missing: logits after a prompt"),
    (CACHE, step_at(places, lambda n, m: causal_mask(n)), "your code raised ValueError: mask"),
    (CACHE, nothing_kept, "hold: 1 of 5. Missing: logits after single tokens from"),
    (CACHE, everything_read_again, "right, but the past in the end is tensor of shape [2, 7]"),
    (CACHE, everything_read_again, "hold: 4 of 5. Missing: the past: keys and values of all"),
    (CACHE, all_logits, "expected shape [2, 13], [batch, vocab_size]"),
    (CACHE, first_logits, "3 of 5. Missing: logits after a prompt of several tokens; logits af"),
    (CACHE, old_past, "hold: 1 of 5. Missing: logits after single tokens from the"),
    (CACHE, lambda *args: gpt_step(*args)[0], "expected a pair: the logits and the past"),
    (CACHE, lambda *args: (*gpt_step(*args), 0), "expected a pair: the logits and the past"),
    (COUNT, partial(count, tokens=2), "it counts once"),
    (COUNT, partial(count, tokens=0), "the token embedding is missing"),
    (COUNT, partial(count, positions=0), "each position has a vector that is learned"),
    (COUNT, partial(count, final=0), "after the last layer comes one more layer normalisation"),
    (COUNT, partial(count, final=1), "after the last layer comes one more layer normalisation"),
    (COUNT, partial(count, final=4), "no layer normalisation follows the embeddings"),
    (COUNT, partial(count, extra=1), "the output has no bias"),
    (COUNT, partial(count, layer=lambda d: 12 * d * d + 9 * d), BIASES),
    (COUNT, partial(count, layer=lambda d: 12 * d * d + 8 * d), FEED_FORWARD),
    (COUNT, partial(count, layer=lambda d: 12 * d * d + 11 * d), "two layer normalisations"),
    (COUNT, partial(count, layer=lambda d: 12 * d * d + 4 * d), f"{BIASES}"),
    (COUNT, partial(count, layer=lambda d: 12 * d * d, final=0), "after the last layer comes"),
    (COUNT, partial(count, layer=lambda d: 11 * d * d + 12 * d), "four projections with biases"),
    (COUNT, partial(count, layer=lambda d: 8 * d * d + 12 * d), FEED_FORWARD),
    (COUNT, partial(count, layer=lambda d: 8 * d * d + 9 * d), FEED_FORWARD),
    (COUNT, partial(count, layer=lambda d: 6 * d * d + 10 * d), "d_ff is 4 d_model"),
    (COUNT, partial(count, layer=lambda d: 16 * d * d + 19 * d), "a GPT has no cross-attention"),
    (COUNT, partial(count, layer=lambda d: 16 * d * d + 17 * d), "a GPT has no cross-attention"),
    (COUNT, lambda L, d, V, T: count(1, d, V, T), "count all n_layers layers"),
    (COUNT, partial(count, positions=0, tokens=2), "counts once; and each position has a vector"),
    (COUNT, lambda *args: count(*args) / 1e6, "add up: one vector for each token"),
    (COUNT, lambda *args: f"{count(*args):,}", "add up: one vector for each token"),
    (COUNT, lambda *args: math.inf, "add up: one vector for each token"),
    (STRIDE, overlapping, "each token counts once"),
    (STRIDE, mean_of_windows, "that no window before predicted; and add up the losses"),
    (STRIDE, mean_of_new_parts, "windows count different numbers of tokens"),
    (STRIDE, lambda m, ids, s: strided_nll(m, ids, s) * (len(ids) - 1), "divide by the number"),
    (STRIDE, lambda m, ids, s: strided_nll(m, ids, s) * (len(ids) - 1) / len(ids), "not predicted"),
    (STRIDE, lambda *args: -strided_nll(*args), "change the sign"),
    (STRIDE, lambda *args: math.exp(strided_nll(*args)), "nats per token are wanted"),
    (STRIDE, lambda *args: strided_nll(*args) / math.log(2), "nats per token are wanted"),
    (STRIDE, side_by_side, "yours stand side by side"),
    (STRIDE, lambda m, ids, s: strided_nll(m, ids, 1), "the stride has no part in it"),
    (STRIDE, lambda *args: mean([windows(*args)[0][1]]), "that is the first window alone"),
    (STRIDE, beginnings, "count a token in the first window that predicts it"),
    (STRIDE, ends, "of the first window all predictions count"),
    (STRIDE, only_full_windows, "neither left out nor moved back"),
    (STRIDE, last_moved_back, "neither left out nor moved back"),
    (STRIDE, targets_inside_the_window, "its last token predicts the token after the window"),
    (STRIDE, unshifted, "window k reads"),
    (STRIDE, lambda *args: math.log(13), "window k reads ids[k stride : k stride + max_len]"),
    (STRIDE, lambda m, ids, s: m(ids[None]).mean(), "your code raised ValueError: 7 tokens are"),
]  # fmt: skip


@pytest.mark.parametrize(("check", "right"), CHECKS)
def test_right_and_not_attempted(capsys, check, right):
    assert_right_and_not_attempted(capsys, check, right)


@pytest.mark.parametrize(("check", "answer", "hint"), WRONG)
def test_a_wrong_answer_gets_its_hint(capsys, check, answer, hint):
    out = verdict(capsys, check, answer)
    assert ": not yet. " in out
    assert hint in out


@pytest.mark.parametrize(("check", "_"), CHECKS)
def test_an_answer_that_crashes_is_explained(capsys, check, _):
    assert_crashes_are_explained(capsys, check)


@pytest.mark.parametrize(("check", "_"), CHECKS)
@pytest.mark.parametrize(
    "wrong", ["text", {}, 3.5, [None, None], (1, {}), torch.zeros(2, 2), object()]
)
def test_a_result_of_another_type_is_told(capsys, check, _, wrong):
    assert ": not yet. For input " in verdict(capsys, check, lambda *args: wrong)


@pytest.mark.parametrize(
    ("check", "errors"),
    [
        (MERGE, [(step_with(find), text) for find, text in gpt._usual_pairs()[:-2]]),
        (MERGE, [(step_with(best_pair, join), text) for join, text in gpt._usual_joins()]),
        (MERGE, [(lambda w, f=f: (best_pair(w), f(w)), text) for f, text in gpt._usual_words()]),
        (CHOICE, gpt._usual_rows()),
        (NUCLEUS, gpt._usual_nuclei()),
        (STRIDE, gpt._usual_strides()),
    ],
)
def test_no_usual_error_passes(capsys, check, errors):
    for error, _ in errors:
        assert ": not yet. " in verdict(capsys, check, error)


def test_every_error_of_the_count_is_told_from_the_others():
    inputs = [(1, 2, 5, 3), (3, 7, 11, 19), (5, 30, 101, 13)]
    changes = [tuple(error(*args) for args in inputs) for error, _ in gpt._count_errors()]
    assert len(set(changes)) == len(changes)
    assert not any(sum(change) == 0 for change in changes)


def test_no_check_draws_random_numbers(capsys):
    before = torch.get_rng_state()
    for check, answer in CHECKS:
        verdict(capsys, check, answer)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(("check", "answer"), CHECKS)
def test_what_an_answer_does_to_its_arguments_spoils_nothing(capsys, check, answer):
    def spoiling(*args):
        result = answer(*copy.deepcopy(args))
        for value in args:
            if isinstance(value, torch.Tensor):
                value.zero_()
            if isinstance(value, list | dict):
                value.clear()
            if isinstance(value, nn.Module) and check is not CACHE:  # there it is read in parts
                nn.init.zeros_(value.tokens.weight)
        return result

    assert ": correct. " in verdict(capsys, check, spoiling)


def test_other_containers_and_single_precision_pass(capsys):
    def rows_of_tensors(*args):
        return [torch.tensor(row) for row in choice_rows(*args)]

    def lists(model, tokens, past):
        logits, past = gpt_step(model, tokens, past)
        return [logits, [list(pair) for pair in past]]

    right = [
        (gpt.check_merge_step, lambda w: [list(merge_step(w)[0]), Counter(merge_step(w)[1])]),
        (gpt.check_choice_rows, rows_of_tensors),
        (gpt.check_choice_rows, lambda *args: tuple(map(tuple, choice_rows(*args)))),
        (gpt.check_nucleus, lambda q, p: nucleus(q.float(), p)),
        (gpt.check_nucleus, lambda q, p: nucleus(q, p).tolist()),
        (gpt.check_nucleus, lambda q, p: nucleus(q, p).numpy()),
        (gpt.check_gpt_step, lists),
        (gpt.check_gpt_parameters, lambda *args: float(gpt_parameters(*args))),
        (gpt.check_gpt_parameters, lambda *args: torch.tensor(gpt_parameters(*args))),
        (gpt.check_strided_nll, lambda *args: torch.tensor(strided_nll(*args))),
        (gpt.check_strided_nll, lambda m, *rest: strided_nll(m.float(), *rest)),
    ]
    for check, answer in right:
        assert ": correct. " in verdict(capsys, check, answer)


def test_merges_step_by_step_are_those_of_the_tokenizer():
    """No ties here, which the tokenizer breaks by ids."""
    words = {"banana": 7, "bandana": 5, "band": 4, "nab": 2}
    pieces = {tuple(word): n for word, n in words.items()}
    for step in merge_steps(words, 4):
        counts = counts_of(pieces)
        assert sorted(counts.values())[-1] == step.count
        pair, pieces = gpt._merge_step(pieces)
        if list(counts.values()).count(step.count) == 1:
            assert pair == step.pair
            assert list(pieces) == list(step.words.values())
        else:
            break
    assert len(pieces) == 4


def test_the_rows_are_those_of_the_package(capsys):
    def of_the_package(context, answers, *marks):
        return choice_inputs(context, answers, Marks(*marks))

    assert ": correct. " in verdict(capsys, gpt.check_choice_rows, of_the_package)


def test_the_nucleus_is_that_of_the_sampler(capsys):
    def of_the_package(q, p):
        return next_token_distribution(q.log(), top_p=p)

    assert ": correct. " in verdict(capsys, gpt.check_nucleus, of_the_package)


def test_no_sum_of_the_nucleus_is_near_the_border_by_rounding():
    """Either a sum is p exactly, or far from it."""
    exact = 0
    for q, p in gpt._distributions():
        for total in q.sort(descending=True).values.cumsum(0).tolist():
            assert total == p or abs(total - p) > 1e-3
            exact += total == p
    assert exact == 2


def test_the_step_with_the_bug_counts_as_not_attempted(capsys):
    bug = gpt._step_with_the_bug
    assert "not attempted yet." in verdict(capsys, gpt.check_gpt_step, bug)
    otherwise = step_at(lambda n, n_past, past: torch.arange(n))
    assert "not attempted yet." in verdict(capsys, gpt.check_gpt_step, otherwise)


def test_the_step_with_the_bug_is_wrong(capsys):
    def almost_unchanged(*args):
        logits, past = gpt._step_with_the_bug(*args)
        return logits * 1.001, past

    out = verdict(capsys, gpt.check_gpt_step, almost_unchanged)
    assert ": not yet. For input a text of 7 tokens, read in parts of 3, 1, 1, 1, 1, your" in out
    assert "properties that hold: 1 of 5. Missing: logits after single tokens from the" in out
    assert "your logits after 4 tokens differ from the model's by up to " in out
    for told in ("position", "place", "arange"):
        assert told not in out


def test_the_bug_hides_from_who_reads_the_text_at_once():
    model = small_gpt(5)
    tokens = torch.randint(13, (2, 6), generator=torch.Generator().manual_seed(0))
    logits, past = gpt._step_with_the_bug(model, tokens, None)
    torch.testing.assert_close(logits, model(tokens)[:, -1])
    wrong, _ = gpt._step_with_the_bug(model, tokens[:, :1], past)
    right = model(torch.cat([tokens, tokens[:, :1]], dim=1))[:, -1]
    assert (wrong - right).abs().max() > 0.1


def test_the_correct_step_generates_what_the_model_does():
    model = small_gpt(6)
    prompt = torch.tensor([[3, 1, 4, 1, 5]])
    whole = generate(model.sliding_step, prompt, 7)
    assert torch.equal(generate(partial(gpt_step, model), prompt, 7), whole)


def test_every_place_and_token_of_the_small_models_shows():
    model = small_gpt(7)
    tokens = torch.zeros(1, 12, dtype=torch.long)
    logits = model(tokens)[0]
    assert torch.cdist(logits, logits)[~torch.eye(12, dtype=torch.bool)].min() > 0.01
    assert not any(p.requires_grad for p in model.parameters())


OFFICIAL = [124_439_808, 354_823_168, 774_030_080, 1_557_611_200]


def test_the_counts_are_those_of_the_models():
    for config, n in zip(GPT2_SIZES.values(), OFFICIAL, strict=True):
        sizes = (config.n_layers, config.d_model, config.vocab_size, config.max_len)
        assert gpt_parameters(*sizes) == n
    small = GPTConfig(n_layers=3, d_model=7, n_heads=7, d_ff=28, vocab_size=11, max_len=19)
    assert sum(p.numel() for p in GPT(small).parameters()) == gpt_parameters(3, 7, 11, 19)


def test_what_the_count_says_of_its_parts():
    small, *_, largest = (
        config.vocab_size * config.d_model / n
        for config, n in zip(GPT2_SIZES.values(), OFFICIAL, strict=True)
    )
    assert small == pytest.approx(0.3, abs=0.02)
    assert largest == pytest.approx(0.05, abs=0.005)


def test_side_by_side_it_is_the_loss_of_the_package():
    model = small_gpt(8, max_len=5)
    ids = torch.randint(13, (21,), generator=torch.Generator().manual_seed(0))
    expected = next_token_nll(model, all_windows(ids, 4, 5))
    assert gpt._direct_nll(model, ids, 5) == pytest.approx(expected, rel=1e-12)
    assert strided_nll(model, ids, 5) == pytest.approx(expected, rel=1e-12)


def test_the_tokens_of_a_window_have_enough_before_them():
    """What the text of exercise 6 promises: at least max_len - stride + 1, but for the first."""
    for max_len, stride, n in ((4, 2, 11), (5, 3, 25), (6, 6, 20), (4, 1, 15)):
        model = small_gpt(9, max_len=max_len)
        seen = []

        def recording(tokens, seen=seen, model=model):
            seen.append(tokens.shape[1])
            return model(tokens)

        recording.config = model.config
        ids = torch.randint(13, (n,), generator=torch.Generator().manual_seed(0))
        gpt._direct_nll(recording, ids, stride)
        assert seen[:max_len] == list(range(1, max_len + 1))
        assert min(seen[max_len:]) == max_len - stride + 1


def test_the_quiz():
    assert_quiz("quiz-gpt", gpt.QUIZ)


def test_the_right_option_is_not_the_longest_or_the_shortest():
    assert_length_tells_nothing(gpt.QUIZ)


def test_what_the_quiz_says_of_the_layers():
    assert GPT1.n_layers == 12
    assert n_parameters(GPT1) == pytest.approx(116.5e6, abs=0.05e6)
    model = small_gpt(1)
    names = [name for name, _ in model.named_modules()]
    assert not any("cross" in name or "encoder" in name for name in names)
    tokens = torch.randint(13, (1, 6))
    changed = tokens.clone()
    changed[0, 4] = (changed[0, 4] + 1) % 13
    assert torch.equal(model(tokens)[:, :4], model(changed)[:, :4])  # none sees a later token


def test_what_the_quiz_says_of_bytes():
    assert GPT2_SIZES["gpt2"].vocab_size == 256 + 50_000 + 1
    untrained = ByteLevelBPE.train("", 256)
    trained = ByteLevelBPE.train("the cat and the dog and the end", 270)
    for text in ("the zebra", "naïve 日本語 🙂\n\t  two  spaces ", "\x00"):
        assert len(untrained.encode(text)) == len(text.encode())
        assert trained.decode(trained.encode(text)) == text
    assert len(trained.encode("the dog")) < len("the dog")


def test_what_the_quiz_says_of_fine_tuning():
    model = small_gpt(2).float()
    classifier = GPTClassifier(with_new_tokens(model.requires_grad_(True), len(MARKS)), 2)
    new = sum(p.numel() for p in classifier.parameters()) - sum(
        p.numel() for p in model.parameters()
    )
    assert new == 3 * 8 + (2 * 8 + 2)
    assert not any(old.data_ptr() == p.data_ptr() for old in model.parameters()
                   for p in classifier.parameters())  # fmt: skip
    tokens = torch.tensor([[[13, 4, 5, 6, 7, 15]]])
    batch = type("Batch", (), {})()
    batch.tokens, batch.last, batch.labels = tokens, torch.tensor([[5]]), torch.tensor([1])
    FineTuningLoss()(classifier, batch).backward()
    assert all(p.grad is not None and p.grad.any() for p in classifier.parameters())


def test_what_the_quiz_says_of_the_start():
    largest = GPT2_SIZES["gpt2-xl"]
    assert (largest.n_layers, largest.d_model, largest.max_len) == (48, 1600, 1024)
    assert largest.norm == "pre"
    torch.manual_seed(0)
    small = GPT(gpt2_config(n_layers=6, d_model=96, d_ff=384, n_heads=4, vocab_size=20, max_len=8))
    for layer in small.stack.layers:
        for last in (layer.attention.W_O, layer.feed_forward.outer):
            assert last.weight.std().item() == pytest.approx(0.02 / math.sqrt(12), rel=0.05)
        assert layer.feed_forward.inner.weight.std().item() == pytest.approx(0.02, rel=0.05)


def test_what_the_quiz_says_of_sampling():
    sure, unsure = torch.zeros(1000), torch.zeros(1000)
    sure[:2] = torch.tensor([12.0, 11.0])
    for setting, kept in (({"top_k": 40}, [40, 40]), ({"top_p": 0.9}, [2, 900])):
        both = (next_token_distribution(logits, **setting) for logits in (sure, unsure))
        assert [int(p.count_nonzero()) for p in both] == kept
    hotter = next_token_distribution(sure, temperature=2.0)
    assert hotter[0] / hotter[1] < sure.softmax(0)[0] / sure.softmax(0)[1]
    model, tokens = small_gpt(3), torch.tensor([[1, 2, 3, 4]])
    _, state = model.step(tokens[:, :3], None)
    torch.testing.assert_close(model.step(tokens[:, 3:], state)[0], model(tokens)[:, -1])
