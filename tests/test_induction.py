"""Induction: scores of heads by hand, heads taken out, fingerprints of weights."""

import pytest
import torch

from nlp_helpers.data.in_context import LabelTask, demonstrations, seen_before
from nlp_helpers.induction import (
    fingerprint,
    label_accuracy,
    label_attention,
    previous_token_attention,
    right_labels,
    without_heads,
)
from nlp_helpers.models.gpt import GPT
from nlp_helpers.models.gpt_config import GPTConfig


@pytest.fixture
def model():
    torch.manual_seed(0)
    sizes = {"d_model": 12, "n_heads": 3, "d_ff": 20, "n_layers": 2, "max_len": 15}
    return GPT(GPTConfig(vocab_size=37, dropout=0.0, **sizes)).double().eval()


def test_label_attention_by_a_loop():
    torch.manual_seed(0)
    weights = torch.rand(13, 3, 14, 14, dtype=torch.float64).tril().softmax(dim=-1)
    classes = torch.randint(4, (13, 7))
    for head, score in enumerate(label_attention(weights, classes).tolist()):
        found = []
        for b in range(13):
            for i in range(7):
                earlier = [j for j in range(i) if classes[b, j] == classes[b, i]]
                if earlier:
                    found.append(sum(weights[b, head, 2 * i, 2 * j + 1].item() for j in earlier))
        assert score == pytest.approx(sum(found) / len(found))


def test_a_perfect_induction_head_has_score_1_and_one_that_looks_back_one_place_0():
    classes = torch.tensor([[0, 1, 0]])
    weights = torch.zeros(1, 2, 5, 5)
    weights[0, 0, 4, 1] = 1  # the third word looks at the label of the first
    weights[0, 1, range(1, 5), range(4)] = 1
    assert label_attention(weights, classes).tolist() == [1, 0]
    assert previous_token_attention(weights).tolist() == [0, 1]


def test_without_heads_is_the_model_whose_head_gives_zeros(model):
    tokens = torch.randint(37, (13, 7))
    for layer, head in ((0, 2), (1, 0)):
        values = {}

        def silence(module, inputs, head=head):
            joined = inputs[0].clone()
            joined[..., 4 * head : 4 * head + 4] = 0
            return (joined,)

        handle = model.stack.layers[layer].attention.W_O.register_forward_pre_hook(silence)
        values["hook"] = model(tokens)
        handle.remove()
        values["without"] = without_heads(model, [(layer, head)])(tokens)
        torch.testing.assert_close(values["without"], values["hook"], rtol=0, atol=1e-12)
        assert (values["without"] - model(tokens)).abs().max() > 1e-6


class LastLabel(torch.nn.Module):
    """Says at each word the label that its class had last; token 0 where it had none."""

    def forward(self, tokens):
        logits = torch.zeros(*tokens.shape, TASK.vocab_size)
        for b, row in enumerate(tokens.tolist()):
            for i in range(0, len(row), 2):
                classes = [word // TASK.words_per_class for word in row[0:i:2]]
                wanted = row[i] // TASK.words_per_class
                known = [j for j, c in enumerate(classes) if c == wanted]
                logits[b, i, row[2 * known[-1] + 1] if known else 0] = 1
        return logits


TASK = LabelTask(n_classes=3, words_per_class=4, n_labels=13)


def test_a_model_that_looks_up_the_label_is_right_where_it_was_shown():
    batch = demonstrations(TASK, 130, 7, generator=torch.Generator().manual_seed(0))
    known = seen_before(batch.classes)
    assert torch.equal(right_labels(LastLabel(), batch), known)
    torch.testing.assert_close(label_accuracy(LastLabel(), batch), known.float().mean(dim=0))


def test_without_heads_leaves_the_model_as_it_is(model):
    before = fingerprint(model)
    changed = without_heads(model, [(0, 0), (1, 2)])
    assert fingerprint(model) == before != fingerprint(changed)
    assert fingerprint(without_heads(model, [])) == before


def test_a_fingerprint_sees_a_single_last_bit(model):
    before = fingerprint(model)
    with torch.no_grad():
        weight = model.tokens.weight
        weight[3, 5] = torch.nextafter(weight[3, 5], torch.tensor(9.0, dtype=torch.float64))
    assert fingerprint(model) != before


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda m: without_heads(m, [(2, 0)]), ValueError, "head 0 of layer 2 is not there"),
        (lambda m: without_heads(m, [(0, 3)]), ValueError, "head 3 of layer 0"),
        (lambda m: without_heads(m, [(-1, 0)]), ValueError, "layer"),
        (lambda m: without_heads(m, [(0.0, 0)]), TypeError, "layer"),
        (
            lambda m: label_attention(torch.rand(2, 3, 4, 4), torch.tensor([[0, 0, 0]] * 2)),
            ValueError,
            "do not reach the word 3",
        ),
        (
            lambda m: label_attention(torch.rand(2, 3, 5, 5), torch.tensor([[0, 1, 2]] * 2)),
            ValueError,
            "no word has a class",
        ),
        (lambda m: label_attention(torch.rand(2, 5, 5), torch.zeros(2, 3)), ValueError, "shapes"),
        (
            lambda m: label_attention(torch.ones(2, 1, 5, 5).int(), torch.zeros(2, 3)),
            TypeError,
            "weights",
        ),
        (lambda m: previous_token_attention(torch.rand(2, 3, 4, 5)), ValueError, "time, time"),
    ],
)
def test_bad_input(model, make, error, words):
    with pytest.raises(error, match=words):
        make(model)
