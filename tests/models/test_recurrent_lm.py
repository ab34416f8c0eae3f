"""The language model over a recurrent network: shapes, causality, bad input."""

import pytest
import torch
import torch.nn.functional as F

from nlp_helpers.models.recurrent_lm import RecurrentLM
from nlp_helpers.models.rnn import RNN

VOCAB, WIDTH, HIDDEN = 37, 5, 19


def model(**options):
    torch.manual_seed(0)
    return RecurrentLM(VOCAB, RNN(WIDTH, HIDDEN, n_layers=2), **options).eval()


def test_embedding_is_a_one_hot_product():
    """An embedding followed by U is U times a one-hot vector: the 'hello' network of the text."""
    lm = model()
    tokens = torch.randint(VOCAB, (13, 7))
    one_hot = F.one_hot(tokens, VOCAB).float()
    outputs, _ = lm.recurrent(one_hot @ lm.embedding.weight)
    torch.testing.assert_close(lm(tokens)[0], lm.output(outputs))
    assert lm(tokens)[0].shape == (13, 7, VOCAB)


def test_later_tokens_do_not_change_earlier_logits():
    lm = model()
    tokens = torch.randint(VOCAB, (13, 7))
    changed = tokens.clone()
    changed[:, 4] = (changed[:, 4] + 1) % VOCAB
    before, after = lm(tokens)[0], lm(changed)[0]
    assert torch.equal(before[:, :4], after[:, :4])
    assert not torch.allclose(before[:, 4:], after[:, 4:])


def test_state_carries_over():
    lm = model()
    tokens = torch.randint(VOCAB, (13, 7))
    _, state = lm(tokens[:, :3])
    torch.testing.assert_close(lm(tokens[:, 3:], state)[0], lm(tokens)[0][:, 3:])


def test_dropout_acts_in_training_only():
    lm = model(dropout=0.5).train()
    tokens = torch.randint(VOCAB, (2, 7))
    assert not torch.equal(lm(tokens)[0], lm(tokens)[0])
    lm.eval()
    assert torch.equal(lm(tokens)[0], lm(tokens)[0])


@pytest.mark.parametrize(
    ("tokens", "error", "words"),
    [
        (torch.tensor([[0, VOCAB]]), ValueError, r"vocab_size=37.*0 \.\. 37"),
        (torch.tensor([[-1, 0]]), ValueError, r"-1 \.\. 0"),
        (torch.tensor([0, 1]), ValueError, r"\[2\]"),
        (torch.zeros(2, 0, dtype=torch.long), ValueError, r"\[2, 0\]"),
        (torch.zeros(2, 3), TypeError, "float32"),
        ([[0]], TypeError, "list"),
    ],
)
def test_bad_tokens(tokens, error, words):
    with pytest.raises(error, match=words):
        model()(tokens)


def test_bad_construction():
    with pytest.raises(ValueError, match="directions = 2"):
        RecurrentLM(VOCAB, RNN(WIDTH, HIDDEN, bidirectional=True))
    with pytest.raises(ValueError, match="vocab_size"):
        RecurrentLM(0, RNN(WIDTH, HIDDEN))
    with pytest.raises(ValueError, match="dropout"):
        RecurrentLM(VOCAB, RNN(WIDTH, HIDDEN), dropout=1.0)
    with pytest.raises(TypeError, match="Linear"):
        RecurrentLM(VOCAB, torch.nn.Linear(3, 4))
