"""Losses of causal language models, against transformers and loops by hand."""

import math

import pytest
import torch
from torch import nn
from transformers import GPT2Config, GPT2LMHeadModel, OpenAIGPTConfig, OpenAIGPTLMHeadModel

from nlp_helpers.data.gpt_inputs import (
    Marks,
    TaskBatch,
    choice_inputs,
    classification_inputs,
    similarity_inputs,
    task_batches,
)
from nlp_helpers.data.in_context import LabelTask, demonstrations
from nlp_helpers.lm_losses import (
    FineTuningLoss,
    LabelLoss,
    NextTokenLoss,
    auxiliary_loss,
    next_token_nll,
    task_loss,
)
from nlp_helpers.models.gpt import GPT
from nlp_helpers.models.gpt_config import GPTConfig
from nlp_helpers.models.gpt_tasks import (
    GPTClassifier,
    GPTMultipleChoice,
    GPTSimilarity,
    with_new_tokens,
)

VOCAB, BATCH, TIME = 37, 5, 11
MARKS = Marks.after(VOCAB)
SIZES = {"n_positions": 23, "n_embd": 15, "n_head": 3, "n_layer": 2}
close = {"rtol": 1e-10, "atol": 1e-12}


def language_model():
    torch.manual_seed(0)
    sizes = {"d_model": 15, "n_heads": 3, "d_ff": 31, "n_layers": 2, "max_len": 23}
    gpt = GPT(GPTConfig(vocab_size=VOCAB, **sizes)).double()
    with torch.no_grad():
        for p in gpt.parameters():
            p.add_(0.3 * torch.randn_like(p))
    return gpt.eval()


def stream():
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, VOCAB, (BATCH, TIME + 1), generator=generator)


# ---------------------------------------------------------------- pre-training


@pytest.mark.parametrize(
    ("cls", "config"), [(GPT2LMHeadModel, GPT2Config), (OpenAIGPTLMHeadModel, OpenAIGPTConfig)]
)
def test_next_token_loss_is_the_references(cls, config):
    """The reference shifts its labels itself (n tokens, n - 1 targets), and rounds to float32."""
    torch.manual_seed(0)
    theirs = cls(config(vocab_size=VOCAB, **SIZES)).double().eval()
    ours, rows = GPT.from_huggingface(theirs), stream()
    loss = NextTokenLoss()(ours, (rows[:, :-1], rows[:, 1:]))
    expected = theirs(rows, labels=rows).loss
    assert loss.shape == ()
    torch.testing.assert_close(loss, expected.double(), rtol=1e-6, atol=0)
    loss.backward()
    expected.backward()
    gradient = theirs.get_input_embeddings().weight.grad
    torch.testing.assert_close(ours.tokens.weight.grad, gradient, rtol=1e-5, atol=1e-8)


def test_next_token_loss_by_hand():
    model, rows = language_model(), stream()
    tokens, targets = rows[:, :-1], rows[:, 1:]
    log_probabilities = model(tokens).log_softmax(-1)
    total = 0.0
    for i in range(BATCH):
        for t in range(TIME):
            total -= log_probabilities[i, t, rows[i, t + 1]].item()
    assert NextTokenLoss()(model, (tokens, targets)).item() == pytest.approx(
        total / (BATCH * TIME), rel=1e-12
    )
    as_int32 = NextTokenLoss()(model, (tokens.int(), targets.int()))
    assert as_int32.item() == pytest.approx(total / (BATCH * TIME), rel=1e-12)


def test_a_model_that_knows_nothing_loses_the_logarithm_of_the_vocabulary():
    model, rows = language_model(), stream()
    nn.init.zeros_(model.tokens.weight)
    loss = NextTokenLoss()(model, (rows[:, :-1], rows[:, 1:]))
    assert loss.item() == pytest.approx(math.log(VOCAB), rel=1e-12)


@torch.no_grad()
def test_the_loss_of_labels_is_that_of_every_second_token():
    torch.manual_seed(0)
    task = LabelTask(n_classes=3, words_per_class=4, n_labels=13)
    batch = demonstrations(task, 13, 7, generator=torch.Generator().manual_seed(0))
    config = GPTConfig(
        vocab_size=25, max_len=14, d_model=12, n_heads=3, d_ff=20, n_layers=1, dropout=0.0
    )
    model = GPT(config).double()
    found = LabelLoss()(model, batch)
    log_probs = model(batch.tokens).log_softmax(dim=-1)  # the last token changes none before it
    rows = [(b, i, batch.tokens[b, 2 * i + 1]) for b in range(13) for i in range(7)]
    expected = -sum(log_probs[b, 2 * i, label] for b, i, label in rows) / len(rows)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    with pytest.raises(ValueError, match="vocab_size"):
        LabelLoss()(model, batch._replace(labels=batch.labels + 25))


def test_nll_counts_every_token_alike_in_unequal_batches():
    model, rows = language_model(), stream()
    tokens, targets = rows[:, :-1], rows[:, 1:]
    batches = [(tokens[:3], targets[:3]), (tokens[3:, :2], targets[3:, :2])]
    log_probabilities = [model(x).log_softmax(-1).gather(2, y[..., None]) for x, y in batches]
    every = torch.cat([x.flatten() for x in log_probabilities])
    assert len(every) == 3 * TIME + 2 * 2
    found = next_token_nll(model, batches)
    assert isinstance(found, float)
    assert found == pytest.approx(-every.mean().item(), rel=1e-12)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (lambda y: y[:, 1:], ValueError, r"targets must have shape \[5, 11\], got \[5, 10\]"),
        (lambda y: y[0], ValueError, r"targets must have shape \[5, 11\], got \[11\]"),
        (lambda y: y + VOCAB, ValueError, f"vocab_size={VOCAB}"),
        (lambda y: y.masked_fill(y < 9, -100), ValueError, "got -100"),
        (lambda y: y.double(), TypeError, "int64"),
    ],
)
def test_bad_targets(change, error, words):
    rows = stream()
    batch = rows[:, :-1], change(rows[:, 1:])
    with pytest.raises(error, match=words):
        NextTokenLoss()(language_model(), batch)
    with pytest.raises(error, match=words):
        next_token_nll(language_model(), [batch])


def test_no_batches():
    with pytest.raises(ValueError, match="nothing to evaluate"):
        next_token_nll(language_model(), [])


# ---------------------------------------------------------------- fine-tuning

TEXTS = [[3, 1, 4, 1], [5], [9, 2, 6], [5, 3, 5, 8, 9, 7], [9, 3]]


def task(name):
    """A model of the task, and one batch of examples of several lengths."""
    gpt, others = with_new_tokens(language_model(), 3), TEXTS[1:] + TEXTS[:1]
    if name == "classification":
        model, labels = GPTClassifier(gpt, 4), [0, 3, 1, 1, 2]
        examples = [classification_inputs(text, MARKS) for text in TEXTS]
    elif name == "choice":
        model, labels = GPTMultipleChoice(gpt), [0, 2, 1, 1, 2]
        examples = [choice_inputs(text, [[7], text, [8, 8]], MARKS) for text in TEXTS]
    else:
        model, labels = GPTSimilarity(gpt), [0.0, 5.0, 2.5, -1.0, 0.25]
        pairs = zip(TEXTS, others, strict=True)
        examples = [similarity_inputs(*pair, MARKS) for pair in pairs]
    (batch,) = task_batches(examples, labels, len(TEXTS))
    return model, batch


def by_hand(model, batch):
    """L2 and L1, one example and one token after the other."""
    outputs, lm_logits = model(batch.tokens, batch.last)
    task_losses, token_losses = [], []
    for i, label in enumerate(batch.labels.tolist()):
        if isinstance(label, float):
            task_losses.append((outputs[i] - label) ** 2)
        else:
            task_losses.append(outputs[i].logsumexp(-1) - outputs[i, label])
        for j in range(batch.tokens.shape[1]):
            for t in range(1, batch.last[i, j] + 1):  # the extract token is the last target
                logits, target = lm_logits[i, j, t - 1], batch.tokens[i, j, t]
                token_losses.append(logits.logsumexp(-1) - logits[target])
            assert target == MARKS.extract
    return torch.stack(task_losses).mean(), torch.stack(token_losses).mean()


@pytest.mark.parametrize("weight", [0, 0.5, 2])
@pytest.mark.parametrize("name", ["classification", "choice", "similarity"])
def test_fine_tuning_loss_is_the_tasks_and_a_share_of_the_language_models(name, weight):
    model, batch = task(name)
    loss = FineTuningLoss(weight)(model, batch)
    task_part, lm_part = by_hand(model, batch)
    assert loss.shape == ()
    torch.testing.assert_close(loss, task_part + weight * lm_part, **close)
    parameters = list(model.parameters())
    mine = torch.autograd.grad(loss, parameters)
    theirs = torch.autograd.grad(task_part + weight * lm_part, parameters)
    torch.testing.assert_close(mine, theirs, rtol=1e-8, atol=1e-12)


def test_lambda_is_a_half_where_nothing_is_said():
    model, batch = task("classification")
    task_part, lm_part = by_hand(model, batch)
    torch.testing.assert_close(FineTuningLoss()(model, batch), task_part + 0.5 * lm_part, **close)


@pytest.mark.parametrize(("weight", "wanted"), [(0, False), (0.0, False), (0.1, True)])
def test_the_language_models_logits_are_computed_only_where_they_count(weight, wanted):
    model, batch = task("choice")
    asked = []

    def spy(tokens, last, need_lm):
        asked.append(need_lm)
        return model(tokens, last, need_lm)

    FineTuningLoss(weight)(spy, batch)
    assert asked == [wanted]


@pytest.mark.parametrize("name", ["classification", "choice", "similarity"])
def test_padding_is_no_target_whatever_it_is(name):
    model, batch = task(name)
    tokens = torch.nn.functional.pad(batch.tokens, (0, 3))
    padding = torch.arange(tokens.shape[-1]) > batch.last[..., None]
    assert padding[..., :-3].any()
    expected = FineTuningLoss()(model, batch)
    for filler in (0, 36, MARKS.extract):
        other = batch._replace(tokens=tokens.masked_fill(padding, filler))
        torch.testing.assert_close(FineTuningLoss()(model, other), expected, **close)


def test_extract_is_a_target_and_start_is_none():
    tokens = torch.tensor([[[37, 5, 39, 0, 0]]])
    last = torch.tensor([[2]])
    logits = torch.zeros(1, 1, 5, 40, dtype=torch.float64)
    logits[0, 0, 0, 5] = 2.0  # what follows the start token
    logits[0, 0, 1, 39] = 3.0  # extract
    logits[0, 0, 2:] = torch.randn(3, 40)  # what follows extract does not count
    expected = math.log(39 + math.exp(2)) - 2 + math.log(39 + math.exp(3)) - 3
    loss = auxiliary_loss(logits, tokens, last)
    assert loss.item() == pytest.approx(expected / 2, rel=1e-12)
    assert auxiliary_loss(logits, tokens.int(), last.int()).item() == loss.item()


def test_every_token_of_the_batch_counts_alike():
    """A text of 1 and one of 6 tokens: the mean over tokens is not the mean of the texts' means."""
    model, _ = task("classification")
    examples = [classification_inputs(text, MARKS) for text in (TEXTS[1], TEXTS[3])]
    (both,) = task_batches(examples, [0, 0], 2)
    apart = task_batches(examples, [0, 0], 1, seed=None)
    short, long = (auxiliary_loss(model(b.tokens, b.last)[1], b.tokens, b.last) for b in apart)
    loss = auxiliary_loss(model(both.tokens, both.last)[1], both.tokens, both.last)
    torch.testing.assert_close(loss, (2 * short + 7 * long) / 9, **close)
    assert (loss - (short + long) / 2).abs() > 1e-3


def test_scores_are_regressed_in_the_models_dtype():
    outputs = torch.tensor([1.0, -2.0, 0.5], requires_grad=True)
    loss = task_loss(outputs, torch.tensor([0.0, 0.0, 0.5]).double())
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(5 / 3)
    loss.backward()
    torch.testing.assert_close(outputs.grad, torch.tensor([2.0, -4.0, 0.0]) / 3)


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32])
def test_classes_have_a_cross_entropy(dtype):
    logits = torch.tensor([[0.0, math.log(3)], [0.0, 0.0]], dtype=torch.float64)
    loss = task_loss(logits, torch.tensor([1, 0], dtype=dtype))
    assert loss.item() == pytest.approx((math.log(4 / 3) + math.log(2)) / 2)


@pytest.mark.parametrize(
    ("weight", "error"),
    [(-0.1, ValueError), (float("inf"), ValueError), (float("nan"), ValueError), ("1", TypeError)],
)
def test_bad_lambda(weight, error):
    with pytest.raises(error, match="lm_weight"):
        FineTuningLoss(weight)


@pytest.mark.parametrize(
    ("outputs", "labels", "words"),
    [
        (torch.zeros(5, 3), torch.zeros(5), r"outputs must have shape \[5\], got \[5, 3\]"),
        (torch.zeros(5), torch.zeros(4), r"outputs must have shape \[4\], got \[5\]"),
        (torch.zeros(5), torch.zeros(5).long(), r"\[batch, class\].*\[5\] and \[5\]"),
        (torch.zeros(5, 3), torch.zeros(4).long(), r"\[5, 3\] and \[4\]"),
        (torch.zeros(5, 3), torch.full((5,), 3), r"\[0, 3\), got 3 \.\. 3"),
        (torch.zeros(5, 3), torch.full((5,), -100), "got -100"),
    ],
)
def test_labels_that_do_not_fit(outputs, labels, words):
    with pytest.raises(ValueError, match=words):
        task_loss(outputs, labels)


def test_the_labels_of_another_task():
    model, batch = task("similarity")
    with pytest.raises(ValueError, match=r"\[5\] and \[5\]"):
        FineTuningLoss()(model, batch._replace(labels=batch.labels.long()))
    model, batch = task("classification")
    with pytest.raises(ValueError, match=r"outputs must have shape \[5\], got \[5, 4\]"):
        FineTuningLoss()(model, batch._replace(labels=batch.labels.double()))


def test_inputs_of_one_token_have_nothing_to_predict():
    model, _ = task("classification")
    batch = TaskBatch(torch.zeros(2, 1, 3).long(), torch.zeros(2, 1).long(), torch.tensor([0, 1]))
    with pytest.raises(ValueError, match=r"no token follows the first.*\[2, 1, 3\]"):
        FineTuningLoss()(model, batch)
    assert FineTuningLoss(0)(model, batch).isfinite()
