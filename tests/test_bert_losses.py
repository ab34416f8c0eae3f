"""Losses of BERT, against transformers and by hand."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from transformers import (
    BertConfig,
    BertForPreTraining,
    BertForQuestionAnswering,
    BertForSequenceClassification,
    BertForTokenClassification,
)

from nlp_helpers import bert_losses
from nlp_helpers.bert_losses import (
    PreTrainingLoss,
    PreTrainingScores,
    SequenceLoss,
    SpanLoss,
    TagLoss,
    pretraining_scores,
)
from nlp_helpers.data import masking
from nlp_helpers.data.bert_inputs import pad_rows, pair_row, pretraining_batches
from nlp_helpers.data.labelled_inputs import LabelledBatch, labelled_batches
from nlp_helpers.models.bert import (
    BERTForPreTraining,
    BERTForQuestionAnswering,
    BERTForSequenceClassification,
    BERTForTokenClassification,
)

IGNORE = -100
VOCAB, PAD, CLS, SEP, MASK = 37, 0, 2, 3, 4
SIZES = (7, 3, 11, 1, 5)  # tokens of the second texts of five pairs
close = {"rtol": 1e-10, "atol": 1e-12}
masker = masking.Masker(MASK, VOCAB, (PAD, 1, CLS, SEP, MASK))


def rows():
    return [pair_row([5, 6, 7], range(8, 8 + n), CLS, SEP) for n in SIZES]


def models(theirs_class, ours_class, n_labels=2):
    torch.manual_seed(0)
    theirs = theirs_class(
        BertConfig(
            vocab_size=VOCAB,
            hidden_size=15,
            num_attention_heads=3,
            num_hidden_layers=2,
            intermediate_size=31,
            max_position_embeddings=23,
            num_labels=n_labels,
        )
    ).double()
    with torch.no_grad():
        for p in theirs.parameters():
            p.add_(0.3 * torch.randn_like(p))
    theirs.eval()
    return theirs, ours_class.from_huggingface(theirs).eval()


def as_theirs(inputs):
    return {
        "input_ids": inputs.tokens,
        "token_type_ids": inputs.segments,
        "attention_mask": inputs.mask.long(),
    }


def assert_the_same(ours, theirs, found, expected):
    """The loss, and its gradient with respect to the token embedding and the whole last layer."""
    assert found.shape == ()
    torch.testing.assert_close(found, expected, **close)
    found.backward()
    expected.backward()
    gradient = theirs.get_input_embeddings().weight.grad
    assert gradient.abs().max() > 1e-4
    torch.testing.assert_close(ours.bert.tokens.weight.grad, gradient, rtol=1e-8, atol=1e-12)


# ---------------------------------------------------------------- pre-training


def pretraining(labels=(0, 1, 1, 0, 1), batch_size=5, **options):
    return pretraining_batches(rows(), labels, masker, batch_size, PAD, **options)


def pretraining_models():
    return models(BertForPreTraining, BERTForPreTraining)


def test_the_joint_loss_is_the_references():
    theirs, ours = pretraining_models()
    (batch,) = pretraining()
    assert not batch.inputs.mask.all()
    labels = {"labels": batch.targets, "next_sentence_label": batch.is_random}
    expected = theirs(**as_theirs(batch.inputs), **labels).loss
    assert_the_same(ours, theirs, PreTrainingLoss()(ours, batch), expected)


def test_the_joint_loss_is_that_of_the_full_forward():
    _, model = pretraining_models()
    (batch,) = pretraining(seed=3)
    mlm_logits, nsp_logits = model(*batch.inputs)
    words = []
    for b in range(5):
        for t in range(batch.targets.shape[1]):
            if batch.targets[b, t] != IGNORE:
                words.append(-mlm_logits[b, t].log_softmax(0)[batch.targets[b, t]])
    pairs = [-nsp_logits[b].log_softmax(0)[batch.is_random[b]] for b in range(5)]
    word_loss, pair_loss = torch.stack(words).mean(), torch.stack(pairs).mean()
    assert len(words) >= 5
    torch.testing.assert_close(PreTrainingLoss()(model, batch), word_loss + pair_loss, **close)
    torch.testing.assert_close(PreTrainingLoss(False)(model, batch), word_loss, **close)
    without = batch._replace(is_random=None)
    torch.testing.assert_close(PreTrainingLoss(False)(model, without), word_loss, **close)


def test_the_vocabulary_is_scored_at_the_chosen_places_only():
    _, model = pretraining_models()
    (batch,) = pretraining()
    shapes = []
    model.mlm.register_forward_hook(lambda module, args, output: shapes.append(output.shape))
    PreTrainingLoss()(model, batch)
    assert shapes == [((batch.targets != IGNORE).sum(), VOCAB)]


def test_padding_changes_nothing():
    _, model = pretraining_models()
    (batch,) = pretraining()
    tokens, segments, mask = (F.pad(x, (0, 3)) for x in batch.inputs)
    longer = batch._replace(
        inputs=batch.inputs._replace(tokens=tokens, segments=segments, mask=mask),
        targets=F.pad(batch.targets, (0, 3), value=IGNORE),
    )
    expected = PreTrainingLoss()(model, batch)
    torch.testing.assert_close(PreTrainingLoss()(model, longer), expected, **close)


def test_without_next_sentences_the_pooler_gets_no_gradient():
    _, model = pretraining_models()
    (batch,) = pretraining()
    PreTrainingLoss(next_sentence=False)(model, batch).backward()
    assert model.nsp.weight.grad is None and model.bert.pooler.weight.grad is None
    assert model.mlm.bias.grad.abs().sum() > 0


@pytest.mark.parametrize("training", [True, False])
def test_scores_count_every_chosen_place_and_every_pair_alike(training):
    _, model = pretraining_models()
    model.train(training)  # with a dropout of 0.1, which scores must not see
    batches = list(pretraining(batch_size=2))
    assert [len(batch.targets) for batch in batches] == [2, 2, 1]
    nats, right, pairs = [], [], []
    model.eval()
    for batch in batches:
        mlm_logits, nsp_logits = model(*batch.inputs)
        for b, t in (batch.targets != IGNORE).nonzero().tolist():
            target = batch.targets[b, t].item()
            nats.append(-mlm_logits[b, t].log_softmax(0)[target].item())
            right.append(mlm_logits[b, t].argmax().item() == target)
        pairs += (nsp_logits.argmax(1) == batch.is_random).tolist()
    model.train(training)
    found = pretraining_scores(model, batches)
    assert isinstance(found, PreTrainingScores) and model.training == training
    assert found.mlm_nll == pytest.approx(sum(nats) / len(nats), rel=1e-10)
    assert found.mlm_accuracy == pytest.approx(sum(right) / len(right))
    assert found.nsp_accuracy == pytest.approx(sum(pairs) / 5)


def test_accuracies_of_a_model_that_is_told_what_to_say():
    """Predicting token 9 everywhere, and "random": accuracies are their shares of the targets."""
    _, model = pretraining_models()
    with torch.no_grad():
        model.mlm.bias[9] = 1e4
        model.nsp.bias.copy_(torch.tensor([0.0, 1e4]))
    batches = list(pretraining(batch_size=3))
    asked = torch.cat([b.targets[b.targets != IGNORE] for b in batches])
    scores = pretraining_scores(model, batches)
    assert scores.mlm_accuracy == pytest.approx((asked == 9).double().mean().item())
    assert scores.nsp_accuracy == pytest.approx(3 / 5)
    without = pretraining(labels=None)
    assert pretraining_scores(model, without).nsp_accuracy is None


def test_scores_leave_the_mode_and_the_gradients_alone_even_after_an_error():
    _, model = pretraining_models()
    model.train()
    (batch,) = pretraining()
    bad = batch._replace(targets=torch.full_like(batch.targets, IGNORE))
    with pytest.raises(ValueError, match="no place is chosen"):
        pretraining_scores(model, [batch, bad])
    assert model.training and model.bert.tokens.weight.grad is None
    with pytest.raises(ValueError, match="batches is empty"):
        pretraining_scores(model, [])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda b: {"is_random": None}, "is_random is None"),
        (lambda b: {"is_random": b.is_random[:4]}, r"is_random must have shape \[5\], got \[4\]"),
        (lambda b: {"is_random": b.is_random + 1}, r"is_random must be in \[0, 2\), got 1 \.\. 2"),
        (
            lambda b: {"targets": b.targets[:, 1:]},
            r"targets must have shape \[5, 17\], got \[5, 1",
        ),
        (lambda b: {"targets": b.targets.clamp(max=IGNORE)}, r"no place is chosen.*\[5, 17\]"),
        (
            lambda b: {"targets": b.targets.masked_fill(b.targets > 0, 37)},
            r"targets must be in \[0, 37\), got 37 \.\. 37",
        ),
        (lambda b: {"targets": b.targets.masked_fill(b.targets > 0, -1)}, "got -1"),
    ],
)
def test_bad_batches_of_pre_training(change, message):
    _, model = pretraining_models()
    (batch,) = pretraining()
    with pytest.raises(ValueError, match=message):
        PreTrainingLoss()(model, batch._replace(**change(batch)))


def test_both_constants_are_the_one_of_torch():
    assert bert_losses.IGNORE == masking.IGNORE == IGNORE == nn.CrossEntropyLoss().ignore_index


# ---------------------------------------------------------------- fine-tuning


def labelled(labels):
    (batch,) = labelled_batches(rows(), labels, 5, PAD, seed=None)
    assert not batch.inputs.mask.all()
    return batch


ANSWERS = [(0, 0), (5, 7), (15, 15), (5, 5), (6, 9)]
TAGS = [[IGNORE, *((i + j) % 4 for i in range(n + 4)), IGNORE] for j, n in enumerate(SIZES)]


def test_the_loss_of_answers_is_the_references():
    theirs, ours = models(BertForQuestionAnswering, BERTForQuestionAnswering)
    batch = labelled(ANSWERS)
    places = {"start_positions": batch.labels[:, 0], "end_positions": batch.labels[:, 1]}
    expected = theirs(**as_theirs(batch.inputs), **places).loss
    assert_the_same(ours, theirs, SpanLoss()(ours, batch), expected)


def test_the_loss_of_tags_is_the_references():
    theirs, ours = models(BertForTokenClassification, BERTForTokenClassification, n_labels=4)
    batch = labelled(TAGS)
    assert (batch.labels == IGNORE).sum() > 10
    expected = theirs(**as_theirs(batch.inputs), labels=batch.labels).loss
    assert_the_same(ours, theirs, TagLoss()(ours, batch), expected)


@pytest.mark.parametrize(
    ("labels", "n"), [([2, 0, 1, 1, 2], 3), ([0, 1, 1, 0, 0], 2), ([0.5, 3.0, -1.0, 2.0, 4.5], 1)]
)
def test_the_loss_of_whole_rows_is_the_references(labels, n):
    theirs, ours = models(BertForSequenceClassification, BERTForSequenceClassification, n_labels=n)
    batch = labelled(labels)
    for_them = batch.labels.double() if n == 1 else batch.labels
    expected = theirs(**as_theirs(batch.inputs), labels=for_them).loss
    assert_the_same(ours, theirs, SequenceLoss()(ours, batch), expected)


class Fixed(nn.Module):
    """A model that returns what it is given, whatever it reads."""

    def __init__(self, outputs):
        super().__init__()
        self.outputs = outputs

    def forward(self, tokens, segments, mask):
        return self.outputs


def two_rows(labels):
    inputs = pad_rows([([2, 7, 3], [0, 0, 0]), ([2, 3], [0, 0])], PAD)
    return LabelledBatch(inputs, labels)


def test_losses_by_hand():
    log = math.log
    start = torch.tensor([[0.0, log(2), 0.0], [0.0, 0.0, 0.0]], dtype=torch.float64)
    end = torch.tensor([[0.0, 0.0, log(6)], [0.0, 0.0, log(2)]], dtype=torch.float64)
    loss = SpanLoss()(Fixed((start, end)), two_rows(torch.tensor([[1, 2], [0, 0]])))
    expected = ((log(4 / 2) + log(3)) / 2 + (log(8 / 6) + log(4)) / 2) / 2
    assert loss.item() == pytest.approx(expected)
    logits = torch.stack([start, end], dim=-1)
    tags = torch.tensor([[IGNORE, 0, 1], [0, IGNORE, IGNORE]])
    expected = (log(3 / 2) + log(7 / 6) + log(2)) / 3
    assert TagLoss()(Fixed(logits), two_rows(tags)).item() == pytest.approx(expected)
    loss = SequenceLoss()(Fixed(start), two_rows(torch.tensor([1, 2])))
    assert loss.item() == pytest.approx((log(2) + log(3)) / 2)
    loss = SequenceLoss()(Fixed(start[:, 1:2].float()), two_rows(torch.tensor([0.0, 3.0])))
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx((log(2) ** 2 + 9) / 2)


@pytest.mark.parametrize(
    ("loss", "outputs", "labels", "message"),
    [
        (SpanLoss(), (2, 3), [[1, 3], [0, 0]], r"answer must be in \[0, 3\), got 0 \.\. 3"),
        (SpanLoss(), (2, 3), [[1, 2], [-100, 0]], r"answer must be in \[0, 3\), got -100"),
        (SpanLoss(), (2, 3), [1, 2], r"labels must have shape \[2, 2\], got \[2\]"),
        (TagLoss(), (2, 3, 4), [[IGNORE] * 3] * 2, r"all labels of a batch of \[2, 3\] are -100"),
        (TagLoss(), (2, 3, 4), [[0, 4, 0]] * 2, r"labels must be in \[0, 4\), got 0 \.\. 4"),
        (TagLoss(), (2, 3, 4), [[0, -1, 0]] * 2, "got -1"),
        (TagLoss(), (2, 3, 4), [0, 1], r"labels must have shape \[2, 3\], got \[2\]"),
        (SequenceLoss(), (2, 3), [0, 3], r"labels must be in \[0, 3\), got 0 \.\. 3"),
        (SequenceLoss(), (2, 3), [0, IGNORE], r"got -100 \.\. 0"),
        (SequenceLoss(), (2, 3), [0, 1, 2], r"labels must have shape \[2\], got \[3\]"),
        (SequenceLoss(), (2, 3), [0.5, 1.0], r"logits must have shape \[2, 1\], got \[2, 3\]"),
    ],
)
def test_labels_that_do_not_fit(loss, outputs, labels, message):
    outputs = torch.zeros(outputs)
    model = Fixed((outputs, outputs) if isinstance(loss, SpanLoss) else outputs)
    with pytest.raises(ValueError, match=message):
        loss(model, two_rows(torch.tensor(labels)))
