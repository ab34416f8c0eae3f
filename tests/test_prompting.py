"""Answers by prompt: against one token at a time, and with a model that is written down."""

import math

import pytest
import torch

from nlp_helpers.models.gpt import GPT
from nlp_helpers.models.gpt_config import GPTConfig
from nlp_helpers.prompting import answer_by_prompt, continuation_log_probs


@pytest.fixture
def model():
    torch.manual_seed(0)
    sizes = {"d_model": 12, "n_heads": 3, "d_ff": 20, "n_layers": 2, "max_len": 15}
    return GPT(GPTConfig(vocab_size=37, dropout=0.0, **sizes)).double().eval()


def test_the_sum_of_one_token_at_a_time(model):
    prompt = torch.tensor([3, 1, 4, 1, 5])
    continuations = [torch.tensor(c) for c in ([9, 2, 6], [5], [3, 5, 8, 9, 7, 9, 3])]
    found = continuation_log_probs(model, prompt, continuations)
    for value, continuation in zip(found, continuations, strict=True):
        read, total = prompt, 0.0
        for token in continuation:
            total += model(read[None])[0, -1].log_softmax(dim=-1)[token].item()
            read = torch.cat([read, token[None]])
        assert value.item() == pytest.approx(total, abs=1e-10)
    assert not found.requires_grad


def test_all_continuations_of_one_length_are_all_there_is(model):
    pairs = [torch.tensor([a, b]) for a in range(37) for b in range(37)]
    found = continuation_log_probs(model, torch.tensor([7, 0, 7]), pairs)
    assert found.exp().sum().item() == pytest.approx(1)


class Bigrams(torch.nn.Module):
    """After a it says b with 0.6, c with 0.4; after b and c, a."""

    def forward(self, tokens):
        table = torch.tensor([[0.0, 0.6, 0.4], [1.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
        return table.log()[tokens]


def encode(text):
    return ["abc".index(letter) for letter in text]


def test_a_choice_is_worth_all_its_texts_together():
    model = Bigrams()
    assert answer_by_prompt(model, encode, "ca", {"one": ["b"], "other": ["c"]}) == "one"
    split = {"one": ["ba"], "other": ["cab", "cac"]}  # 0.6 against 0.4 * (0.6 + 0.4)
    assert answer_by_prompt(model, encode, "a", split) == "one"
    split = {"one": ["bab"], "other": ["bac", "cab"]}  # 0.36 against 0.24 + 0.24
    assert answer_by_prompt(model, encode, "a", split) == "other"
    # the start decides what follows an empty prompt
    assert answer_by_prompt(model, encode, "", {"x": ["a"], "y": ["b"]}, start=[2]) == "x"
    assert answer_by_prompt(model, encode, "", {"x": ["a"], "y": ["b"]}, start=[0]) == "y"


def test_probabilities_by_hand():
    found = continuation_log_probs(Bigrams(), torch.tensor([1, 0]), [torch.tensor([1, 0, 2])])
    assert found.item() == pytest.approx(math.log(0.6) + math.log(1) + math.log(0.4))


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda m: continuation_log_probs(m, torch.tensor([1]), []), ValueError, "nothing"),
        (
            lambda m: continuation_log_probs(m, torch.tensor([[1]]), [torch.tensor([1])]),
            TypeError,
            "tensors",
        ),
        (lambda m: continuation_log_probs(m, torch.tensor([1]), [[1]]), TypeError, "tensors"),
        (
            lambda m: continuation_log_probs(m, torch.ones(2), [torch.tensor([1])]),
            TypeError,
            "int64",
        ),
        (
            lambda m: continuation_log_probs(
                m, torch.tensor([1]), [torch.tensor([], dtype=torch.long)]
            ),
            ValueError,
            "none of them 0",
        ),
        (
            lambda m: continuation_log_probs(m, torch.tensor([1]), [torch.tensor([37])]),
            ValueError,
            "37",
        ),
        (lambda m: answer_by_prompt(m, encode, "a", {}), ValueError, "choice"),
        (lambda m: answer_by_prompt(m, encode, "a", {"x": []}), ValueError, "choice"),
    ],
)
def test_bad_input(model, call, error, words):
    with pytest.raises(error, match=words):
        call(model)
