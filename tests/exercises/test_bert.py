"""Chapter 07's checks: a right answer passes, typical wrong ones are told what is wrong."""

import copy
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from nlp_helpers.bert_losses import PreTrainingLoss
from nlp_helpers.data.answer_spans import best_spans
from nlp_helpers.data.bert_inputs import pad_rows, pair_row, pretraining_batches, single_row
from nlp_helpers.data.masking import IGNORE, Masker
from nlp_helpers.data.wordpiece import match_steps
from nlp_helpers.data.wordpiece_files import SPECIALS
from nlp_helpers.exercises import bert
from nlp_helpers.models.permutation import permutation_masks
from nlp_helpers.models.scaled_dot_product import causal_mask
from tests.exercises.judging import (
    assert_crashes_are_explained,
    assert_length_tells_nothing,
    assert_quiz,
    assert_right_and_not_attempted,
    verdict,
)


def word_pieces(word, vocab):
    pieces, rest, begun = [], word, False
    while rest:
        part = rest
        while part and ("##" + part if begun else part) not in vocab:
            part = part[:-1]
        if not part:
            return ["[UNK]"]
        pieces.append("##" + part if begun else part)
        rest, begun = rest[len(part) :], True
    return pieces


def cutting(found, piece=lambda begin, part: "##" * (begin > 0) + part, lost=None, reverse=False):
    """Pieces by found(begin, part, vocab), each returned as piece(begin, part)."""

    def pieces(word, vocab):
        result, begin = [], 0
        while begin < len(word):
            ends = sorted(range(begin + 1, len(word) + 1), reverse=not reverse)
            fitting = [end for end in ends if found(begin, word[begin:end], vocab)]
            if not fitting:
                return ["[UNK]"] if lost is None else lost(result, word[begin:])
            result.append(piece(begin, word[begin : fitting[0]]))
            begin = fitting[0]
        return result

    return pieces


def in_vocab(begin, part, vocab):
    return ("##" + part if begin else part) in vocab


def by_splits(choose):
    """A cut among all that the vocabulary allows."""

    def cuts(word, vocab, begin=0):
        if not word:
            yield []
        for end in range(len(word), 0, -1):
            if in_vocab(begin, word[:end], vocab):
                for rest in cuts(word[end:], vocab, 1):
                    yield ["##" * begin + word[:end], *rest]

    def pieces(word, vocab):
        found = list(cuts(word, vocab))
        return choose(found) if found else ["[UNK]"]

    return pieces


def from_the_right(word, vocab):
    result, end = [], len(word)
    while end:
        for begin in range(end):
            if in_vocab(begin, word[begin:end], vocab):
                result = ["##" * (begin > 0) + word[begin:end], *result]
                end = begin
                break
        else:
            return ["[UNK]"]
    return result


def unknown_letters(word, vocab):
    result, begin = [], 0
    while begin < len(word):
        for end in range(len(word), begin, -1):
            if in_vocab(begin, word[begin:end], vocab):
                result.append("##" * (begin > 0) + word[begin:end])
                begin = end
                break
        else:
            result.append("[UNK]")
            begin += 1
    return result


def pair_inputs(pairs, cls, sep, pad):
    longest = max(len(first) + len(second) for first, second in pairs) + 3
    shape = (len(pairs), longest)
    tokens = torch.full(shape, pad)
    segments, mask = torch.zeros(shape, dtype=torch.int64), torch.zeros(shape, dtype=torch.bool)
    for n, (first, second) in enumerate(pairs):
        row = torch.tensor([cls, *first, sep, *second, sep])
        tokens[n, : len(row)] = row
        segments[n, len(first) + 2 : len(row)] = 1
        mask[n, : len(row)] = True
    return tokens, segments, mask


def with_rows(row_of, left=False, fill=None, more=0):
    """The three parts, with another row of tokens."""

    def inputs(pairs, cls, sep, pad):
        rows = [row_of(first, second, cls, sep) for first, second in pairs]
        longest = max(map(len, rows)) + more
        added = [[pad if fill is None else fill] * (longest - len(row)) for row in rows]
        tokens = [a + r if left else r + a for a, r in zip(added, rows, strict=True)]
        return tokens, *pair_inputs(pairs, cls, sep, pad)[1:]

    return inputs


def usual_row(first, second, cls, sep):
    return [cls, *first, sep, *second, sep]


def each_filled(pairs, cls, sep, pad):
    n, m = (max(len(pair[k]) for pair in pairs) for k in (0, 1))
    tokens = [
        [cls, *a, *[pad] * (n - len(a)), sep, *b, *[pad] * (m - len(b)), sep] for a, b in pairs
    ]
    return tokens, *pair_inputs(pairs, cls, sep, pad)[1:]


def with_segments(of_pair, fill=0):
    def inputs(pairs, cls, sep, pad):
        tokens, _, mask = pair_inputs(pairs, cls, sep, pad)
        rows = [of_pair(len(a), len(b)) for a, b in pairs]
        filler = pad if fill is None else fill
        segments = [row + [filler] * (tokens.shape[1] - len(row)) for row in rows]
        return tokens, segments, mask

    return inputs


def right_segments(n, m):
    return [0] * (n + 2) + [1] * (m + 1)


def with_mask(change):
    def inputs(*args):
        tokens, segments, mask = pair_inputs(*args)
        return tokens, segments, change(tokens, segments, mask, args)

    return inputs


def mask_row(tokens, lots, others, special_ids, mask_id):
    seen, targets = [], []
    for token, lot, other in zip(tokens.tolist(), lots.tolist(), others.tolist(), strict=True):
        asked = lot < 0.15 and token not in special_ids
        targets.append(token if asked else -100)
        if asked and lot < 0.12:
            seen.append(mask_id)
        elif asked and lot < 0.135:
            seen.append(other)
        else:
            seen.append(token)
    return seen, targets


def masking(what, target=None, special=True):
    """Both parts from what(lot, token, other, mask_id) and target(asked, token, seen)."""

    def function(tokens, lots, others, special_ids, mask_id):
        seen, targets = [], []
        rows = (tokens.tolist(), lots.tolist(), others.tolist())
        for token, lot, other in zip(*rows, strict=True):
            free = not special or token not in special_ids
            seen.append(what(lot, token, other, mask_id) if free else token)
            asked = lot < 0.15 and free
            targets.append((token if asked else -100) if target is None
                           else target(asked, token, seen[-1], lot, mask_id))  # fmt: skip
        return seen, targets

    return function


def rule(lot, token, other, mask_id):
    return mask_id if lot < 0.12 else other if lot < 0.135 else token


def shared(first, second):
    """A rule with [MASK] up to the first limit and a random token up to the second."""
    return lambda lot, token, other, mask_id: (
        mask_id if lot < first else other if lot < second else token
    )


def next_random(tokens, lots, others, special_ids, mask_id):
    seen, targets = mask_row(tokens, lots, others, special_ids, mask_id)
    drawn = iter(others.tolist())
    for n, (token, lot) in enumerate(zip(tokens.tolist(), lots.tolist(), strict=True)):
        if 0.12 <= lot < 0.135 and token not in special_ids:
            seen[n] = next(drawn)
    return seen, targets


def in_place(tokens, lots, others, special_ids, mask_id):
    chosen = (lots < 0.15) & ~torch.isin(tokens, torch.tensor(special_ids))
    seen = tokens
    seen[chosen & (lots < 0.12)] = mask_id
    random = chosen & (lots >= 0.12) & (lots < 0.135)
    seen[random] = others[random]
    return seen, tokens.masked_fill(~chosen, -100)


def mlm_loss(model, batch):
    logits, _ = model(*batch.inputs)
    losses = [
        -logits[b, t].log_softmax(0)[batch.targets[b, t]]
        for b, t in (batch.targets != IGNORE).nonzero().tolist()
    ]
    return sum(losses) / len(losses)


def text_of(batch):
    return torch.where(batch.targets == IGNORE, batch.inputs.tokens, batch.targets)


def loss_where(places, inputs=lambda batch: batch.inputs):
    """The mean loss of the tokens of the text at some places."""

    def loss(model, batch):
        logits = model(*inputs(batch))[0][places(batch)]
        return F.cross_entropy(logits, text_of(batch)[places(batch)])

    return loss


def asked(batch):
    return batch.targets != IGNORE


def handed_out(model, batch):
    """The function as the notebook gives it."""
    tokens, segments, mask = batch.inputs
    logits, _ = model(tokens, segments, mask)  # [batch, time, vocab]
    text = torch.where(batch.targets == IGNORE, tokens, batch.targets)
    losses = F.cross_entropy(logits.transpose(1, 2), text, reduction="none")
    return losses[mask].mean()


def averaged_zeros(model, batch):
    logits, _ = model(*batch.inputs)
    losses = F.cross_entropy(logits.transpose(1, 2), batch.targets, reduction="none")
    return losses[batch.inputs.mask].mean()


def means_of_rows(model, batch):
    logits, _ = model(*batch.inputs)
    rows = zip(logits, batch.targets, strict=True)
    return torch.stack([F.cross_entropy(*row) for row in rows]).mean()


def without_mask(batch):
    return batch.inputs.tokens, batch.inputs.segments


def best_span(start, end, allowed, max_pieces, tau):
    best, score = (0, 0), start[0] + end[0] + tau
    for i in range(len(start)):
        for j in range(i, min(i + max_pieces, len(start))):
            if allowed[i] and allowed[j] and start[i] + end[j] > score:
                best, score = (i, j), start[i] + end[j]
    return best


def spans(fits, null=lambda s, e, tau: s[0] + e[0] + tau, none=(0, 0), found=lambda i, j: (i, j)):
    """The best of the spans with fits(i, j, allowed, max_pieces) that beats null."""

    def span(start, end, allowed, max_pieces, tau):
        s, e = start.tolist(), end.tolist()
        kept = [(s[i] + e[j], i, j) for i in range(len(s)) for j in range(len(s))
                if fits(i, j, allowed, max_pieces)]  # fmt: skip
        score, i, j = max(kept)
        return found(i, j) if score > null(s, e, tau) else none

    return span


def fitting(i, j, allowed, max_pieces):
    return bool(allowed[i] and allowed[j]) and 0 <= j - i < max_pieces


def two_argmaxes(start, end, allowed, max_pieces, tau):
    i, j = (x.masked_fill(~allowed, -math.inf).argmax().item() for x in (start, end))
    return (i, j) if start[i] + end[j] > start[0] + end[0] + tau else (0, 0)


def greedy_span(start, end, allowed, max_pieces, tau):
    i = start.masked_fill(~allowed, -math.inf).argmax().item()
    place = torch.arange(len(end))
    near = allowed & (place >= i) & (place < i + max_pieces)
    j = end.masked_fill(~near, -math.inf).argmax().item()
    return (i, j) if start[i] + end[j] > start[0] + end[0] + tau else (0, 0)


def reach(masks, residual):
    n = len(masks[0])
    reached = [{place} for place in range(n)]
    for mask in masks:
        read = [{key for key in range(n) if mask[query, key]} for query in range(n)]
        reached = [
            set().union(*(reached[key] for key in read[query]), reached[query] if residual else ())
            for query in range(n)
        ]
    return [[place in found for place in range(n)] for found in reached]


def product_of(masks, own, clip=True):
    """The product of the matrices; `own` is added to each."""
    result = torch.eye(len(masks[0]), dtype=torch.int64)
    for mask in masks:
        result = (mask.long() + own * torch.eye(len(mask), dtype=torch.int64)) @ result
        result = (result > 0).long() if clip else result
    return result


def road_once(masks, residual):
    reached = product_of(masks, 0) > 0
    return reached | torch.eye(len(reached), dtype=torch.bool) if residual else reached


def road_of_the_input(masks, residual):
    own = torch.eye(len(masks[0]), dtype=torch.int64)
    reached = own
    for mask in masks:
        reached = ((mask.long() @ reached + residual * own) > 0).long()
    return reached > 0


CHECKS = [
    (bert.check_word_pieces, word_pieces),
    (bert.check_pair_inputs, pair_inputs),
    (bert.check_mask_row, mask_row),
    (bert.check_mlm_loss, mlm_loss),
    (bert.check_best_span, best_span),
    (bert.check_reach, reach),
]
PIECES, INPUTS, MASKING, LOSS, SPAN, REACH = (check for check, _ in CHECKS)

WHOLE = "the whole word becomes the one piece [UNK]"
GREEDY = "never go back"
SHARES = "shares of the chosen tokens, not of all"
ALL_ASKED = "all chosen tokens are asked for"
COPIES = "a model that repeats what it reads gets a low loss"

# check, wrong answer, words of the hint that it must get
WRONG = [
    (PIECES, cutting(lambda b, part, v: part in v, lambda b, part: part), "look it up so, and ret"),
    (PIECES, cutting(lambda b, part, v: part in v), "look it up so."),
    (PIECES, cutting(in_vocab, lambda b, part: part), "pieces keep their ##"),
    (PIECES, cutting(in_vocab, lambda b, part: "##" + part), "begins the word has no ##"),
    (PIECES, cutting(lambda b, part, v: "##" + part in v, lambda b, part: "##" + part),
     "begins the word has no ##"),
    (PIECES, cutting(lambda b, part, v: part in v or "##" + part in v), "are two pieces"),
    (PIECES, cutting(in_vocab, reverse=True), "yours takes the shortest"),
    (PIECES, cutting(in_vocab, lost=lambda pieces, rest: [*pieces, "[UNK]"]), WHOLE),
    (PIECES, cutting(in_vocab, lost=lambda pieces, rest: pieces), WHOLE),
    (PIECES, cutting(in_vocab, lost=lambda pieces, rest: [*pieces, rest]), WHOLE),
    (PIECES, cutting(in_vocab, lost=lambda pieces, rest: []), WHOLE),
    (PIECES, unknown_letters, WHOLE),
    (PIECES, cutting(in_vocab, lost=lambda pieces, rest: "[UNK]"), "return a list: ['[UNK]']"),
    (PIECES, lambda *args: " ".join(word_pieces(*args)), "not one string"),
    (PIECES, by_splits(lambda found: found[0]), GREEDY),
    (PIECES, by_splits(lambda found: min(found, key=len)), GREEDY),
    (PIECES, from_the_right, "from the beginning of the word"),
    (PIECES, lambda w, v: ["[UNK]"] if w not in v else [w], "is cut into pieces"),
    (PIECES, lambda w, v: word_pieces(w[:-1] or w, v), "at each place take the longest"),
    (INPUTS, with_rows(lambda a, b, cls, sep: [cls, *a, sep, *b]), "a second [SEP] stands after"),
    (INPUTS, with_rows(lambda a, b, cls, sep: [*a, sep, *b, sep]), "the row begins with [CLS]"),
    (INPUTS, with_rows(lambda a, b, cls, sep: [cls, *a, *b, sep]), "stands between the two texts"),
    (INPUTS, with_rows(lambda a, b, cls, sep: [*a, *b]), "[CLS]; and a [SEP] stands between"),
    (INPUTS, with_rows(lambda a, b, cls, sep: [cls, *b, sep, *a, sep]), "the first text comes"),
    (INPUTS, with_rows(lambda a, b, cls, sep: [cls, *a, sep, cls, *b, sep]), "[CLS] stands only"),
    (INPUTS, with_rows(lambda a, b, cls, sep: [sep, *a, cls, *b, cls]), "have changed places"),
    (INPUTS, with_rows(usual_row, left=True), "what fills up stands at the end"),
    (INPUTS, each_filled, "what fills up stands at the end"),
    (INPUTS, with_rows(usual_row, fill=0), "fill up with the id of [PAD]"),
    (INPUTS, with_rows(usual_row, more=1), "the longest is not filled up"),
    (INPUTS, lambda *args: ([usual_row(*pair, *args[1:3]) for pair in args[0]],
                            *pair_inputs(*args)[1:]), "have the same length"),
    (INPUTS, with_segments(lambda n, m: [0] * (n + 1) + [1] * (m + 2)), "the first [SEP] ends"),
    (INPUTS, with_segments(lambda n, m: [0] * (n + 2) + [1] * m + [0]), "the last [SEP] ends"),
    (INPUTS, with_segments(lambda n, m: [1] * (n + 2) + [2] * (m + 1)), "segments count from 0"),
    (INPUTS, with_segments(lambda n, m: [1] * (n + 2) + [0] * (m + 1)), "have changed places"),
    (INPUTS, with_segments(lambda n, m: [0] * n + [1] * m), "special tokens have a segment"),
    (INPUTS, with_segments(lambda n, m: [0] * (n + m + 3)), "the second text has segment 1"),
    (INPUTS, with_segments(right_segments, 1), "what fills up has segment 0"),
    (INPUTS, with_segments(right_segments, 2), "two segments, not three"),
    (INPUTS, with_segments(right_segments, None), "not the id of [PAD]"),
    (INPUTS, with_mask(lambda tokens, segments, mask, args: ~mask), "the other way round"),
    (INPUTS, with_mask(lambda tokens, segments, mask, args: mask.long()), "convert your zeros"),
    (INPUTS, with_mask(lambda tokens, segments, mask, args: torch.where(mask, 0.0, -math.inf)),
     "a boolean mask is wanted"),
    (INPUTS, with_mask(lambda tokens, segments, mask, args: mask[:, None, None, :]), "a boolean"),
    (INPUTS, with_mask(lambda tokens, segments, mask, args: tokens >= 0), "is no real token"),
    (INPUTS, with_mask(lambda tokens, segments, mask, args: segments == 1), "both texts are real"),
    (INPUTS, with_mask(lambda tokens, segments, mask, args: mask & ~torch.isin(
        tokens, torch.tensor(args[1:3]))), "special tokens are real"),
    (INPUTS, lambda *args: pair_inputs(*args)[0], "return all three, in this order: tokens, seg"),
    (INPUTS, lambda *args: pair_inputs(*args)[::2], "return all three"),
    (INPUTS, lambda *args: [*pair_inputs(*args), 1], "return all three"),
    (MASKING, masking(lambda lot, token, other, m: m if lot < 0.15 else token), "not every chosen"),
    (MASKING, masking(shared(0.8, 0.9)), SHARES),
    (MASKING, masking(shared(0.12, 0.22)), SHARES),
    (MASKING, masking(shared(0.12, 0.12)), "become random ones"),
    (MASKING, masking(shared(0.12, 0.15)), "stay as they are"),
    (MASKING, masking(lambda lot, t, o, m: m if lot < 0.12 else t if lot < 0.135
                      else o if lot < 0.15 else t), "from the lowest lots on"),
    (MASKING, masking(lambda lot, t, o, m: rule(1 - lot, t, o, m)), "yours are the highest lots"),
    (MASKING, masking(rule, special=False), "special tokens are never chosen"),
    (MASKING, next_random, "others[i] is that of place i"),
    (MASKING, masking(lambda lot, token, other, m: token), "nothing is hidden"),
    (MASKING, lambda *args: mask_row(*args)[::-1], "seen comes first"),
    (MASKING, lambda *args: mask_row(*args)[0], "return both, in this order: seen, targets"),
    (MASKING, in_place, "taken from the row after the masking"),
    (MASKING, masking(rule, lambda asked, t, seen, lot, m: t), "only the chosen tokens are asked"),
    (MASKING, masking(rule, lambda asked, t, seen, lot, m: t if asked and lot < 0.12 else -100),
     ALL_ASKED),
    (MASKING, masking(rule, lambda asked, t, seen, lot, m: t if seen != t else -100), ALL_ASKED),
    (MASKING, masking(rule, lambda asked, t, seen, lot, m: t if lot < 0.15 else -100),
     "special tokens are never asked for"),
    (MASKING, masking(rule, lambda asked, t, seen, lot, m: t if asked else 0), "not 0: a token"),
    (MASKING, masking(rule, lambda asked, t, seen, lot, m: t if asked else -1), "not -1"),
    (MASKING, masking(rule, lambda asked, t, seen, lot, m: t if asked else m), "not the id of [MA"),
    (MASKING, masking(rule, lambda asked, t, seen, lot, m: -100 if asked else t), "not the rest"),
    (MASKING, masking(rule, lambda asked, t, seen, lot, m: asked), "not only whether it is asked"),
    (MASKING, lambda *args: (mask_row(*args)[0], [t for t in mask_row(*args)[1] if t != -100]),
     "a target for each place"),
    (LOSS, lambda *args: handed_out(*args) * 1.01, "the mean loss of the tokens of the text"),
    (LOSS, loss_where(lambda batch: batch.inputs.mask, lambda batch: batch.inputs[:2]),
     "the mean loss of the tokens"),
    (LOSS, loss_where(lambda batch: batch.inputs.tokens >= 0), f"{COPIES}, since"),
    (LOSS, loss_where(lambda batch: batch.inputs.tokens >= 0), "padding counts, too"),
    (LOSS, loss_where(lambda batch: batch.inputs.mask & ~asked(batch)), "are left out"),
    (LOSS, loss_where(lambda batch: batch.inputs.tokens == 4), "yours are the places of [MASK]"),
    (LOSS, loss_where(lambda batch: asked(batch) & (batch.inputs.tokens != text_of(batch))),
     "[MASK], replaced and kept on"),
    (LOSS, averaged_zeros, "yours is that of all real tokens"),
    (LOSS, lambda m, b: mlm_loss(m, b) * asked(b).double().mean(), "have added nothing"),
    (LOSS, lambda m, b: mlm_loss(m, b) * asked(b).sum(), "a mean, not a sum"),
    (LOSS, means_of_rows, "rows may have different numbers"),
    (LOSS, loss_where(asked, without_mask), "give it the mask, as before"),
    (LOSS, loss_where(asked, lambda b: (*b.inputs[:2], ~b.inputs.mask)), "the model's mask was ri"),
    (LOSS, loss_where(asked, lambda b: (b.inputs[0], None, b.inputs[2])), "must know the segments"),
    (LOSS, lambda m, b: F.cross_entropy(m(*b.inputs)[0][asked(b)], b.inputs.tokens[asked(b)]),
     "not what the model reads there"),
    (LOSS, lambda m, b: F.cross_entropy(m(*b.inputs)[0].softmax(-1)[asked(b)], b.targets[asked(b)]),
     "cross_entropy takes logits"),
    (LOSS, PreTrainingLoss(), "that is the joint loss"),
    (LOSS, lambda *args: mlm_loss(*args).exp(), "that is the perplexity"),
    (LOSS, lambda *args: -mlm_loss(*args), "a loss is minus the logarithm"),
    (SPAN, two_argmaxes, "chosen apart"),
    (SPAN, greedy_span, "yours takes the best start"),
    (SPAN, lambda *args: tuple(sorted(two_argmaxes(*args))), "is not mended by changing them"),
    (SPAN, spans(lambda i, j, a, m: bool(a[i] and a[j]) and j - i < m), "does not end before it"),
    (SPAN, spans(lambda i, j, a, m: bool(a[i] and a[j]) and abs(j - i) < m), "does not end before"),
    (SPAN, spans(lambda i, j, a, m: bool(a[i] and a[j]) and i <= j), "max_pieces bounds"),
    (SPAN, spans(lambda i, j, a, m: bool(a[i] and a[j]) and 0 <= j - i <= m), "may be too long"),
    (SPAN, spans(lambda i, j, a, m: bool(a[i] and a[j]) and 0 <= j - i < m - 1), "kept too short"),
    (SPAN, spans(lambda i, j, a, m: bool(a[i] and a[j]) and 0 < j - i < m), "a single token"),
    (SPAN, spans(lambda i, j, a, m: 0 <= j - i < m), "only a place that is allowed"),
    (SPAN, spans(lambda i, j, a, m: bool(a[i]) and 0 <= j - i < m), "only a place that is allowed"),
    (SPAN, spans(lambda i, j, a, m: all((a[i] or not i, a[j] or not j)) and 0 <= j - i < m),
     "both ends on it mean"),
    (SPAN, spans(fitting, lambda s, e, tau: -math.inf), "there may be no answer"),
    (SPAN, spans(fitting, lambda s, e, tau: s[0] + e[0]), "tau is missing"),
    (SPAN, spans(fitting, lambda s, e, tau: s[0] + e[0] - tau), "the sign of tau"),
    (SPAN, spans(fitting, lambda s, e, tau: tau), "[CLS] is missing"),
    (SPAN, spans(fitting, lambda s, e, tau: s[0] + tau), "both of its logits count"),
    (SPAN, spans(fitting, none=None), "not None"),
    (SPAN, spans(fitting, none=(None, None)), "not None"),
    (SPAN, spans(fitting, none=(-1, -1)), "no answer is the span (0, 0)"),
    (SPAN, spans(fitting, found=lambda i, j: (i, j + 1)), "not the place after it"),
    (SPAN, spans(fitting, found=lambda i, j: (j, i)), "the first place, then the last"),
    (SPAN, spans(fitting, found=lambda i, j: (i, j - i + 1)), "return both places, not the length"),
    (SPAN, lambda *args: (0, 0), "yours finds no answer"),
    (REACH, lambda masks, residual: reach(masks, False), "residual=True is forgotten"),
    (REACH, lambda masks, residual: reach(masks, True), "only attention counts then"),
    (REACH, lambda masks, residual: reach(masks, not residual), "is the other way round"),
    (REACH, road_once, "not only the input past the whole stack"),
    (REACH, road_of_the_input, "not only its own input"),
    (REACH, lambda masks, residual: reach(masks[::-1], residual), "masks[0] is the first layer"),
    (REACH, lambda masks, residual: np.array(reach(masks, residual)).T, "rows are outputs"),
    (REACH, lambda masks, residual: reach([m.T for m in masks], residual), "the places that read"),
    (REACH, lambda masks, residual: product_of(masks, residual, clip=False), "not how many"),
    (REACH, lambda masks, residual: product_of(masks, residual, clip=False) > 0, "beyond 64 bits"),
    (REACH, lambda masks, residual: product_of(masks, residual), "not numbers"),
    (REACH, lambda masks, residual: torch.stack(masks).all(0) | residual * torch.eye(
        len(masks[0])).bool(), "allowed in every layer at once"),
    (REACH, lambda masks, residual: torch.stack(masks).any(0) | residual * torch.eye(
        len(masks[0])).bool(), "looks at each layer alone"),
    (REACH, lambda masks, residual: reach(masks[-1:], residual), "the last layer alone"),
    (REACH, lambda masks, residual: reach(masks[:1], residual), "the first layer alone"),
    (REACH, lambda masks, residual: [all(row) for row in reach(masks, residual)],
     "every pair of an output and an input"),
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
    "wrong",
    ["text", {}, 3.5, True, [None, None], (1, {}), [[], [], []], torch.zeros(2, 2), object(),
     (torch.zeros(0), None, "x"), {"tokens": 1, "segments": 2, "mask": 3}],
)  # fmt: skip
def test_a_result_of_another_type_is_told(capsys, check, _, wrong):
    assert ": not yet. For input " in verdict(capsys, check, lambda *args: wrong)


@pytest.mark.parametrize(
    ("check", "errors"),
    [
        (PIECES, bert._usual_pieces()),
        (LOSS, bert._usual_losses()[1:]),  # the first is the function as handed out
        (SPAN, [*bert._usual_places(), *bert._usual_borders(), *bert._usual_answers()]),
        (REACH, [*bert._usual_roads(), *bert._usual_ways(), *bert._usual_numbers()]),
    ],
)
def test_every_usual_error_gets_its_own_hint(capsys, check, errors):
    for error, hint in errors:
        out = verdict(capsys, check, error)
        assert ": not yet. " in out
        assert hint in out


def in_part(right, n, error):
    """The right answer with one part of the error."""

    def answer(*args):
        parts = list(right(*args))
        parts[n] = error(*args)
        return parts

    return answer


@pytest.mark.parametrize(
    ("check", "right", "n", "errors"),
    [
        (INPUTS, pair_inputs, 0, bert._usual_tokens()),
        (INPUTS, pair_inputs, 1, bert._usual_segments()),
        (INPUTS, pair_inputs, 2, bert._usual_input_masks()),
        (MASKING, mask_row, 0, bert._usual_seen()),
        (MASKING, mask_row, 1, bert._usual_targets()),
    ],
)
def test_every_usual_error_of_a_part_gets_its_own_hint(capsys, check, right, n, errors):
    for error, hint in errors:
        out = verdict(capsys, check, in_part(right, n, error))
        assert ": not yet. " in out
        assert hint in out


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
            for part in value if isinstance(value, (tuple, list)) else (value,):
                if isinstance(part, torch.Tensor):
                    part.zero_()
            if isinstance(value, (set, list)):
                value.clear()
        return result

    assert ": correct. " in verdict(capsys, check, spoiling)


def vectorised_mask_row(tokens, lots, others, special_ids, mask_id):
    chosen = (lots < 0.15) & ~torch.isin(tokens, torch.tensor(special_ids))
    seen = torch.where(chosen & (lots < 0.135), others, tokens)
    seen[chosen & (lots < 0.12)] = mask_id
    return torch.stack([seen, tokens.masked_fill(~chosen, -100)])


def matrix_reach(masks, residual):
    reached = np.eye(len(masks[0]), dtype=bool)
    for mask in masks:
        reached = (mask.numpy() | (np.eye(len(mask), dtype=bool) & residual)) @ reached
    return reached


RIGHT = [
    (PIECES, lambda *args: tuple(word_pieces(*args))),
    (PIECES, cutting(in_vocab)),
    (INPUTS, lambda *args: [part.tolist() for part in pair_inputs(*args)]),
    (INPUTS, lambda *args: tuple(part.numpy() for part in pair_inputs(*args))),
    (INPUTS, lambda *args: tuple(tuple(map(tuple, part.tolist())) for part in pair_inputs(*args))),
    (INPUTS, lambda t, *rest: pad_rows([pair_row(*pair, *rest[:2]) for pair in t], rest[2])),
    (INPUTS, lambda *args: tuple(list(part) for part in pair_inputs(*args))),
    (INPUTS, with_mask(lambda tokens, segments, mask, args: mask.numpy())),
    (INPUTS, with_segments(right_segments)),
    (INPUTS, lambda *args: (pair_inputs(*args)[0].int(), pair_inputs(*args)[1].to(torch.uint8),
                            pair_inputs(*args)[2])),
    (INPUTS, lambda *args: dict(zip(bert.INPUT_PARTS, pair_inputs(*args), strict=True))),
    (MASKING, vectorised_mask_row),
    (MASKING, lambda *args: vectorised_mask_row(*args).numpy()),
    (MASKING, lambda *args: tuple(vectorised_mask_row(*args).int())),
    (MASKING, lambda *args: tuple(map(tuple, mask_row(*args)))),
    (MASKING, lambda t, lots, *rest: mask_row(t, lots.float(), *rest)),
    (LOSS, PreTrainingLoss(next_sentence=False)),
    (LOSS, lambda *args: mlm_loss(*args).item()),
    (LOSS, lambda m, b: F.cross_entropy(m(*b.inputs)[0].flatten(0, 1), b.targets.flatten())),
    (LOSS, lambda m, b: F.cross_entropy(m(*b.inputs)[0].transpose(1, 2), b.targets).numpy()),
    (LOSS, lambda m, b: mlm_loss(m.float(), b)),
    (LOSS, loss_where(asked)),
    (SPAN, spans(fitting)),
    (SPAN, lambda *args: torch.tensor(best_span(*args))),
    (SPAN, lambda *args: np.array(best_span(*args))),
    (SPAN, lambda *args: [torch.tensor(place) for place in best_span(*args)]),
    (SPAN, lambda s, e, *rest: best_span(s.float(), e.float(), *rest)),
    (SPAN, lambda s, e, *rest: best_span(s.log_softmax(0), e.log_softmax(0), *rest)),
    (REACH, matrix_reach),
    (REACH, lambda masks, residual: product_of(masks, residual) > 0),
    (REACH, lambda masks, residual: torch.tensor(reach(masks, residual))),
    (REACH, lambda masks, residual: tuple(map(tuple, reach(masks, residual)))),
    (REACH, lambda masks, residual: torch.linalg.multi_dot(
        [(m | residual * torch.eye(len(m)).bool()).float() for m in masks[::-1]]
        if len(masks) > 1 else [masks[0].float()] * 1 + [torch.eye(len(masks[0]))]) > 0),
]  # fmt: skip


@pytest.mark.parametrize(("check", "answer"), RIGHT)
def test_other_containers_numbers_and_ways_pass(capsys, check, answer):
    assert ": correct. " in verdict(capsys, check, answer)


# ---------------------------------------------------------------- what the checks rest on


def test_the_pieces_are_those_of_the_tokenizer(capsys):
    def of_the_package(word, vocab):
        taken = [step.taken for step in match_steps(word, vocab)]
        return ["[UNK]"] if None in taken else taken

    assert ": correct. " in verdict(capsys, PIECES, of_the_package)
    assert SPECIALS[1] == bert.UNK


def test_an_error_is_shown_in_the_line_of_the_student(capsys):
    def halved(*args):
        return args[0] / None, 0, 0

    out = verdict(capsys, INPUTS, halved)
    assert "in line 2 of halved: return args[0] / None, 0, 0" in out
    out = verdict(capsys, SPAN, halved)
    assert "in line 2 of halved: return args[0] / None, 0, 0" in out


def test_the_part_that_is_wrong_is_named(capsys):
    out = verdict(capsys, INPUTS, with_mask(lambda tokens, segments, mask, args: ~mask))
    assert "where ['mask'] is tensor" in out
    out = verdict(capsys, MASKING, masking(rule, lambda asked, t, seen, lot, m: t))
    assert "where ['targets'] is [" in out


def test_another_number_of_parts_is_not_asked_to_be_a_dictionary(capsys):
    for check, answer in ((INPUTS, pair_inputs), (MASKING, mask_row)):
        for wrong in (
            lambda *args, right=answer: right(*args)[0],
            lambda *args, right=answer: right(*args)[1:],
        ):
            assert "dictionary" not in verdict(capsys, check, wrong)


def test_lots_are_clear_of_the_limits():
    """In single precision, and with 0.8 * 0.15 in place of 0.12, the same tokens are chosen."""
    for _, lots, *_ in bert._masking_rows():
        for limit in bert.LIMITS:
            assert (lots - limit).abs().min() > 1e-6


def test_the_masking_rows_hold_every_kind_of_place():
    kinds, unchanged = set(), 0
    for tokens, lots, others, special_ids, _ in bert._masking_rows():
        for token, lot, other in zip(tokens.tolist(), lots, others.tolist(), strict=True):
            kinds.add((token in special_ids, sum(lot.item() < limit for limit in bert.LIMITS)))
            assert other not in special_ids
            chance = token not in special_ids and 0.12 <= lot < 0.135 and token == other
            unchanged += chance
    assert kinds == {(special, n) for special in (True, False) for n in range(4)}
    assert unchanged  # a random token may be the one that stood there


def test_the_rule_has_the_papers_shares():
    """What the solution of exercise 3 counts, and what its text and the check's say."""
    n = 200_000
    generator = torch.Generator().manual_seed(0)
    tokens, others = torch.randint(5, 500, (2, n), generator=generator)
    lots = torch.rand(n, generator=generator, dtype=torch.float64)
    seen, targets = vectorised_mask_row(tokens, lots, others, [0, 1, 2, 3, 4], 4)
    hidden = seen == 4
    asked_for = targets != IGNORE
    assert asked_for.double().mean().item() == pytest.approx(0.15, abs=0.003)
    assert hidden.double().mean().item() == pytest.approx(0.12, abs=0.003)
    ordinary = asked_for & ~hidden
    assert ordinary.sum() / (~hidden).sum() == pytest.approx(3 / 88, abs=0.002)
    assert (seen[ordinary] == tokens[ordinary]).double().mean() == pytest.approx(0.5, abs=0.02)


def test_the_function_with_the_bug_counts_as_not_attempted(capsys):
    for bug in (handed_out, bert._mlm_loss_with_the_bug):
        assert "not attempted yet." in verdict(capsys, LOSS, bug)


def test_the_message_tells_the_symptom_and_no_line(capsys):
    for answer in (averaged_zeros, loss_where(lambda batch: batch.inputs.tokens >= 0)):
        out = verdict(capsys, LOSS, answer)
        for told in ("losses[", "!= IGNORE", "targets !=", "line "):
            assert told not in out


def test_the_bug_favours_a_model_that_repeats():
    """The numbers that exercise 4 prints: by the bug 1.6 nats, by the rule 10.5; guessing 6.2."""
    generator = torch.Generator().manual_seed(0)
    ids = [torch.randint(5, 500, (n,), generator=generator).tolist() for n in range(10, 60)]
    rows = [single_row(row, 2, 3) for row in ids]
    batch = next(iter(pretraining_batches(rows, None, Masker(4, 500, range(5)), 50, 0)))

    def repeats(tokens, segments, mask):
        return 12.0 * F.one_hot(tokens, 500), None

    def guesses(tokens, segments, mask):
        return torch.zeros(*tokens.shape, 500), None

    assert handed_out(repeats, batch) < 2
    assert mlm_loss(repeats, batch) > 10
    assert handed_out(guesses, batch).item() == pytest.approx(math.log(500))
    assert mlm_loss(guesses, batch).item() == pytest.approx(math.log(500), rel=1e-4)


@pytest.mark.parametrize("seed", [3, 5])
def test_the_batches_hold_padding_and_every_kind_of_chosen_place(seed):
    sizes = {3: [(4, 3), (6, 5), (2, 2), (7, 6)], 5: [(3, 9), (8, 1), (1, 6), (5, 5), (2, 10)]}
    batch = bert._small_batch(seed, sizes[seed], 23)
    tokens, segments, mask = batch.inputs
    assert not mask.all() and segments.any() and not (batch.targets != IGNORE)[~mask].any()
    asked_for = batch.targets != IGNORE
    kept = asked_for & (tokens == batch.targets)
    masked = asked_for & (tokens == bert.MASK_ID)
    assert kept.any() and masked.any() and (asked_for & ~kept & ~masked).any()
    per_row = asked_for.sum(dim=1)
    assert per_row.min() > 0 and len(set(per_row.tolist())) > 1


def test_the_best_spans_are_the_packages_and_have_no_rival():
    for start, end, allowed, max_pieces, tau in bert._span_inputs():
        row = (part[None] for part in (start, end, allowed))
        i, j, score = best_spans(*row, max_pieces, no_answer=True, tau=float(tau))
        assert best_span(start, end, allowed, max_pieces, tau) == (i, j)
        places = range(len(start))
        scores = sorted(
            (start[i] + end[j]).item()
            for i in places for j in places if fitting(i, j, allowed, max_pieces)
        )  # fmt: skip
        assert scores[-1] > scores[-2]
        assert scores[-1] != (start[0] + end[0] + tau).item()
        assert (i.item() > 0) == (scores[-1] == score.item())


def test_two_layers_bring_a_token_back_and_one_does_not():
    """What exercise 6 is there to show."""
    n = 5
    elsewhere = ~torch.eye(n, dtype=torch.bool)
    own = [torch.tensor(reach([elsewhere] * k, False)).diagonal() for k in (1, 2, 3)]
    assert not own[0].any()
    assert own[1].all() and own[2].all()
    assert torch.tensor(reach([elsewhere], True)).diagonal().all()


@pytest.mark.parametrize("order", [(2, 0, 3, 1), (4, 2, 0, 1, 3)])
def test_xlnets_query_stream_never_reaches_its_own_token(order):
    content, query = permutation_masks(order)
    reached = torch.tensor(reach([content, content, query], False))
    assert torch.equal(reached, query)


def test_what_the_solution_says_of_neighbours():
    """Were only the neighbours i - 1, i, i + 1 read, 12 layers would reach 12 to each side."""
    reached = torch.tensor(reach([bert._band(40, 1)] * 12, True))
    assert reached[20].sum() == 25
    assert torch.equal(torch.tensor(reach([causal_mask(6)] * 12, True)), causal_mask(6))


def test_counting_ways_beyond_64_bits_loses_them():
    masks = bert._stacks()[-1][1]
    assert len(masks) == 24
    assert not product_of(masks, 0, clip=False).any()
    assert all(map(all, reach(masks, False)))


def test_the_quiz():
    assert_quiz("quiz-bert", bert.QUIZ)
    assert_length_tells_nothing(bert.QUIZ)


def test_what_the_quiz_says_of_nowhere():
    vocab = {"no", "now", "##where", "##here"}
    assert word_pieces("nowhere", vocab) == ["now", "##here"]
    option = bert.QUIZ[4].options[bert.QUIZ[4].answer_index]
    assert option.startswith("*now* and *##here*")


def test_what_the_quiz_says_of_shares():
    assert pytest.approx(0.12) == 0.15 * 0.8
    assert "12 % of" in bert.QUIZ[1].explanations[0]
