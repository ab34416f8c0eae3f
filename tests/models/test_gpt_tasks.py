"""GPT-1's four tasks: the reference's heads on the reference's hidden states, and no padding."""

import copy

import pytest
import torch
import torch.nn.functional as F
import transformers
from torch import nn

from nlp_helpers.models.gpt import GPT
from nlp_helpers.models.gpt_config import GPTConfig
from nlp_helpers.models.gpt_tasks import (
    GPTClassifier,
    GPTMultipleChoice,
    GPTSimilarity,
    GPTTask,
    with_new_tokens,
)

VOCAB, WIDTH, BATCH, TIME, CLASSES = 37, 15, 5, 11, 4
SIZES = {"vocab_size": VOCAB, "n_positions": 23, "n_embd": WIDTH, "n_head": 3, "n_layer": 2}
KINDS = {"openai-gpt": "OpenAIGPT", "gpt2": "GPT2"}  # model_type -> the names of its classes
close = {"rtol": 1e-10, "atol": 1e-12}


def reference(kind, name, **options):
    """A small model of transformers in float64, none of whose weights is 0 or 1."""
    prefix = KINDS[kind]
    config = getattr(transformers, f"{prefix}Config")(**SIZES, **options)
    module = getattr(transformers, prefix + name)(config).double().eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for p in module.parameters():
            p.copy_(0.3 * torch.randn(p.shape, generator=generator, dtype=p.dtype))
    return module


def language_model(**changes):
    torch.manual_seed(0)
    sizes = {"d_model": WIDTH, "n_heads": 3, "d_ff": 31, "n_layers": 2, "max_len": 23}
    gpt = GPT(GPTConfig(vocab_size=VOCAB, **{**sizes, "dropout": 0.0, **changes})).double()
    with torch.no_grad():
        for p in gpt.parameters():
            p.add_(0.3 * torch.randn_like(p))
    return gpt.eval()


def inputs(n_inputs, seed=0):
    """Tokens [batch, input, time] and the places of their extract tokens, of all lengths."""
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randint(0, VOCAB, (BATCH, n_inputs, TIME), generator=generator)
    last = torch.randint(1, TIME, (BATCH, n_inputs), generator=generator)
    last[0, 0], last[1, 0] = TIME - 1, 0
    return tokens, last


def gradients_agree(ours, theirs):
    """Compare a GPT's gradients with those of a GPT2Model or OpenAIGPTModel."""
    with torch.no_grad():
        twin = copy.deepcopy(theirs)  # its weights are their gradients
        for p, original in zip(twin.parameters(), theirs.parameters(), strict=True):
            p.copy_(original.grad)
    expected = dict(GPT.from_huggingface(twin).named_parameters())
    for name, parameter in ours.named_parameters():
        torch.testing.assert_close(parameter.grad, expected[name].detach(), **close)
        no_effect = name.endswith("W_K.bias")  # the same for all keys of a query
        assert no_effect or parameter.grad.abs().max() > 1e-9, name


# ---------------------------------------------------------------- classification


@pytest.mark.parametrize("kind", KINDS)
def test_classifier_is_the_references_for_sequences(kind):
    """It reads the hidden state of the last token that is not padding, and has no bias."""
    theirs = reference(kind, "ForSequenceClassification", num_labels=CLASSES, pad_token_id=0)
    ours = GPTClassifier(GPT.from_huggingface(theirs.transformer), CLASSES)
    with torch.no_grad():
        ours.output.weight.copy_(theirs.score.weight)
    tokens, last = inputs(1)
    tokens = tokens.clamp(min=1).masked_fill(torch.arange(TIME) > last[..., None], 0)
    expected = theirs(tokens[:, 0]).logits
    logits, _ = ours(tokens, last)
    assert logits.shape == (BATCH, CLASSES)
    torch.testing.assert_close(logits, expected, **close)

    labels = torch.arange(BATCH) % CLASSES
    F.cross_entropy(logits, labels).backward()
    F.cross_entropy(expected, labels).backward()
    torch.testing.assert_close(ours.output.weight.grad, theirs.score.weight.grad, **close)
    gradients_agree(ours.gpt, theirs.transformer)


@pytest.mark.parametrize("kind", KINDS)
def test_classifier_is_a_linear_layer_on_the_references_hidden_states(kind):
    theirs = reference(kind, "LMHeadModel")
    ours = GPTClassifier(GPT.from_huggingface(theirs), CLASSES)
    nn.init.normal_(ours.output.bias)
    tokens, last = inputs(1)
    hidden = theirs.transformer(tokens[:, 0]).last_hidden_state
    rows = torch.stack([hidden[i, last[i, 0]] for i in range(BATCH)])
    logits, lm_logits = ours(tokens, last)
    expected = rows @ ours.output.weight.T + ours.output.bias
    torch.testing.assert_close(logits, expected, **close)
    assert lm_logits.shape == (BATCH, 1, TIME, VOCAB)
    torch.testing.assert_close(lm_logits[:, 0], theirs(tokens[:, 0]).logits, **close)


# ---------------------------------------------------------------- multiple choice


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n_answers", [2, 3])
def test_multiple_choice_is_the_references_with_two_heads(kind, n_answers):
    theirs = reference(kind, "DoubleHeadsModel", num_labels=1)
    head = theirs.multiple_choice_head.summary
    ours = GPTMultipleChoice(GPT.from_huggingface(theirs.transformer))
    with torch.no_grad():
        ours.output.weight.copy_(head.weight)
        ours.output.bias.copy_(head.bias)
    tokens, last = inputs(n_answers)
    expected = theirs(tokens, mc_token_ids=last)
    scores, lm_logits = ours(tokens, last)
    assert scores.shape == (BATCH, n_answers)
    torch.testing.assert_close(scores, expected.mc_logits, **close)
    torch.testing.assert_close(lm_logits, expected.logits, **close)

    right, weights = torch.arange(BATCH) % n_answers, torch.randn_like(lm_logits)
    (F.cross_entropy(scores, right) + (weights * lm_logits).mean()).backward()
    theirs_loss = F.cross_entropy(expected.mc_logits, right) + (weights * expected.logits).mean()
    theirs_loss.backward()
    torch.testing.assert_close(ours.output.weight.grad, head.weight.grad, **close)
    gradients_agree(ours.gpt, theirs.transformer)


def test_answers_are_read_alone():
    model = GPTMultipleChoice(language_model()).eval()
    tokens, last = inputs(3)
    together = model(tokens, last)[0]
    for i in range(3):
        alone = model(tokens[:, i : i + 1], last[:, i : i + 1])[0]
        torch.testing.assert_close(together[:, i : i + 1], alone, **close)


# ---------------------------------------------------------------- similarity


def test_similarity_adds_the_hidden_states_of_both_orders():
    gpt = language_model()
    model = GPTSimilarity(gpt)
    nn.init.normal_(model.output.bias)
    tokens, last = inputs(2)
    scores, lm_logits = model(tokens, last)
    assert scores.shape == (BATCH,)
    for i in range(BATCH):
        both = torch.zeros(WIDTH, dtype=torch.float64)
        for j in range(2):
            row = tokens[i, j, : last[i, j] + 1].unsqueeze(0)  # without padding
            both = both + gpt.run(row)[0][0, -1]
            torch.testing.assert_close(lm_logits[i, j, : last[i, j] + 1], gpt(row)[0], **close)
        expected = model.output.weight[0] @ both + model.output.bias[0]
        torch.testing.assert_close(scores[i], expected, **close)


def test_similarity_is_symmetric():
    model = GPTSimilarity(language_model())
    tokens, last = inputs(2)
    scores, turned = model(tokens, last)[0], model(tokens.flip(1), last.flip(1))[0]
    torch.testing.assert_close(turned, scores, rtol=0, atol=1e-13)
    model.gpt.run = lambda tokens: (model.gpt.tokens(tokens),)  # no matrix product to round
    scores, turned = model(tokens, last)[0], model(tokens.flip(1), last.flip(1))[0]
    assert torch.equal(turned, scores)


# ---------------------------------------------------------------- what all tasks share

TASKS = {
    "classifier": (lambda gpt, **options: GPTClassifier(gpt, CLASSES, **options), 1),
    "similarity": (GPTSimilarity, 2),
    "choice": (GPTMultipleChoice, 3),
}


@pytest.fixture(params=TASKS)
def task(request):
    """A function that makes a model, and its number of inputs."""
    return TASKS[request.param]


@pytest.mark.parametrize("longer_by", [0, 7])
@pytest.mark.parametrize("filler", [0, 36])
def test_padding_changes_no_output_and_no_gradient(task, longer_by, filler):
    make, n_inputs = task
    model = make(language_model())
    tokens, last = inputs(n_inputs)
    last = last.clamp(max=TIME - 3)
    other = F.pad(tokens, (0, longer_by), value=1)
    other[torch.arange(TIME + longer_by).expand_as(other) > last[..., None]] = filler
    found = []
    for version in (tokens, other):
        model.zero_grad()
        outputs, lm_logits = model(version, last)
        real = torch.arange(version.shape[2]) <= last[..., None]
        (outputs.square().sum() + lm_logits[real].square().mean()).backward()
        gradients = {name: p.grad.clone() for name, p in model.named_parameters()}
        gradients["gpt.positions.weight"] = gradients["gpt.positions.weight"][:TIME]
        found.append((outputs.detach(), lm_logits[real].detach(), gradients))
        assert (model.gpt.positions.weight.grad[last.max() + 1 :] == 0).all()
    torch.testing.assert_close(*found, rtol=1e-11, atol=1e-12)
    assert not torch.equal(tokens, other[..., :TIME])


def test_what_comes_after_the_extract_token_is_not_read_and_what_is_before_it_is(task):
    make, n_inputs = task
    model = make(language_model())
    tokens, last = inputs(n_inputs)
    last[:] = 6
    for place, read in ((0, True), (5, True), (6, True), (7, False), (10, False)):
        other = tokens.clone()
        other[:, 0, place] = (other[:, 0, place] + 1) % VOCAB
        difference = (model(other, last)[0] - model(tokens, last)[0]).abs()
        assert (difference.view(BATCH, -1).amax(1) > 1e-9).all() == read
        assert read or difference.max() < 1e-12


def test_without_the_language_models_logits_the_outputs_are_the_same(task):
    make, n_inputs = task
    model, (tokens, last) = make(language_model()), inputs(n_inputs)
    outputs, lm_logits = model(tokens, last, need_lm=False)
    assert lm_logits is None
    assert torch.equal(outputs, model(tokens, last)[0])


def test_int32_is_as_good(task):
    make, n_inputs = task
    model, (tokens, last) = make(language_model()), inputs(n_inputs)
    assert torch.equal(model(tokens.int(), last.int())[0], model(tokens, last)[0])


def test_the_new_layer_starts_small_in_the_models_dtype_and_mode(task):
    make, _ = task
    gpt = language_model(d_model=300)
    model = make(gpt)
    assert not model.training and not model.dropout.training
    assert make(gpt.train()).training
    assert model.output.weight.dtype == torch.float64
    assert make(gpt.float()).output.weight.dtype == torch.float32
    assert 0.016 < model.output.weight.std() < 0.024
    assert (model.output.bias == 0).all()
    assert model.dropout.p == 0.1
    assert set(dict(model.named_children())) == {"gpt", "dropout", "output"}


def test_dropout_stands_before_the_new_layer_and_acts_in_training_only(task):
    make, n_inputs = task
    model, (tokens, last) = make(language_model(), dropout=0.5), inputs(n_inputs)
    whole = model(tokens, last)[0]
    assert torch.equal(model(tokens, last)[0], whole)
    model.train()
    assert not torch.equal(model(tokens, last)[0], model(tokens, last)[0])
    dropped, read = [], []
    model.dropout.register_forward_hook(lambda module, args, output: dropped.append(output))
    model.output.register_forward_hook(lambda module, args, output: read.append(args[0]))
    model(tokens, last)
    assert len(dropped) == len(read) == 1 and read[0] is dropped[0]
    assert read[0].shape[-1] == WIDTH and 0.2 < (read[0] == 0).double().mean() < 0.8
    model.dropout.p = 0.0
    torch.testing.assert_close(model(tokens, last)[0], whole, **close)


def test_training_leaves_the_language_model_as_it_was(task):
    make, n_inputs = task
    gpt = language_model()
    before = copy.deepcopy(gpt.state_dict())
    model, (tokens, last) = make(gpt), inputs(n_inputs)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        outputs, lm_logits = model(tokens, last)
        (outputs.square().mean() + lm_logits.square().mean()).backward()
        optimizer.step()
    assert all(torch.equal(p, before[name]) for name, p in gpt.state_dict().items())
    assert all(p.grad is None for p in gpt.parameters())
    unmoved = [n for n, p in model.gpt.named_parameters() if torch.equal(p, before[n])]
    assert all(name.endswith("W_K.bias") for name in unmoved)  # it has no effect on the softmax
    assert not {p.data_ptr() for p in gpt.parameters()} & {p.data_ptr() for p in model.parameters()}


# ---------------------------------------------------------------- new tokens


@pytest.mark.parametrize("n", [1, 3])
def test_new_tokens_come_after_the_old_ones_which_keep_their_logits(n):
    gpt = language_model()
    before = copy.deepcopy(gpt.state_dict())
    longer = with_new_tokens(gpt, n)
    assert longer.config.vocab_size == longer.tokens.num_embeddings == VOCAB + n
    assert longer.tokens.weight.shape == (VOCAB + n, WIDTH)
    assert gpt.config.vocab_size == VOCAB
    tokens, _ = inputs(1)
    logits = longer(tokens[:, 0])
    assert logits.shape == (BATCH, TIME, VOCAB + n)
    torch.testing.assert_close(logits[..., :VOCAB], gpt(tokens[:, 0]), **close)
    longer(torch.full((1, 3), VOCAB + n - 1))
    with pytest.raises(ValueError, match=f"vocab_size={VOCAB + n}"):
        longer(torch.full((1, 3), VOCAB + n))
    for name, old in before.items():
        assert torch.equal(gpt.state_dict()[name], old)
        assert torch.equal(longer.state_dict()[name][: len(old)], old)


def test_new_vectors_are_drawn_small_one_by_one_in_the_models_dtype_and_mode():
    gpt = language_model()
    new = with_new_tokens(gpt, 400).tokens.weight[VOCAB:]
    assert 0.019 < new.std() < 0.021
    assert len(new.unique(dim=0)) == 400
    assert new.dtype == torch.float64 and new.requires_grad
    assert with_new_tokens(gpt.float(), 1).tokens.weight.dtype == torch.float32
    assert not with_new_tokens(gpt, 1).tokens.training
    assert with_new_tokens(gpt.train(), 1).tokens.training


def test_the_output_matrix_is_still_the_embedding():
    gpt = with_new_tokens(language_model(), 3)
    weight, targets = gpt.tokens.weight, torch.arange(TIME).expand(BATCH, TIME)
    assert sum(len(p) == VOCAB + 3 for p in gpt.parameters()) == 1
    tokens = inputs(1)[0][:, 0]
    tokens[:, :3] = torch.arange(VOCAB, VOCAB + 3)

    def gradient(hidden, matrix):
        loss = F.cross_entropy(F.linear(hidden, matrix).flatten(0, 1), targets.flatten())
        return torch.autograd.grad(loss, weight)[0]

    hidden = gpt.run(tokens)[0]
    looked_up = gradient(gpt.run(tokens)[0], weight.detach())
    output = gradient(hidden.detach(), weight)
    loss = F.cross_entropy(gpt(tokens).flatten(0, 1), targets.flatten())
    (both,) = torch.autograd.grad(loss, weight)
    torch.testing.assert_close(both, looked_up + output, **close)
    for part in (looked_up, output):
        assert (part[VOCAB:].abs().amax(dim=1) > 1e-9).all()


def test_a_longer_model_is_read_by_the_tasks(task):
    make, n_inputs = task
    gpt = language_model()
    model = make(with_new_tokens(gpt, 3))
    tokens, last = inputs(n_inputs)
    shorter = make(gpt)
    shorter.output.load_state_dict(model.output.state_dict())
    outputs, lm_logits = model(tokens, last)
    torch.testing.assert_close(outputs, shorter(tokens, last)[0], **close)
    assert lm_logits.shape == (BATCH, n_inputs, TIME, VOCAB + 3)


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ((language_model(), 0), ValueError, "n must be at least 1, got 0"),
        ((language_model(), 2.0), TypeError, "n must be an int"),
        ((nn.Linear(2, 3), 3), TypeError, "gpt must be a GPT, got Linear"),
    ],
)
def test_bad_new_tokens(arguments, error, words):
    with pytest.raises(error, match=words):
        with_new_tokens(*arguments)


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: GPTClassifier(language_model(), 1), ValueError, "n_classes must be at least 2"),
        (lambda: GPTClassifier(language_model(), 2.0), TypeError, "n_classes"),
        (lambda: GPTTask(language_model(), 0), ValueError, "n_outputs"),
        (lambda: GPTSimilarity(language_model(), dropout=1.0), ValueError, "dropout"),
        (lambda: GPTMultipleChoice(language_model(), "0.1"), TypeError, "dropout"),
        (lambda: GPTSimilarity(nn.Linear(2, 3)), TypeError, "gpt must be a GPT, got Linear"),
        (lambda: GPTClassifier(None, 3), TypeError, "gpt must be a GPT, got NoneType"),
    ],
)
def test_bad_models(make, error, words):
    with pytest.raises(error, match=words):
        make()


long, zeros = torch.long, torch.zeros


@pytest.mark.parametrize(
    ("tokens", "last", "error", "words"),
    [
        ([[[1]]], zeros(1, 2, dtype=long), TypeError, "tokens.*list"),
        (zeros(5, 2, 7), zeros(5, 2, dtype=long), TypeError, "tokens.*float32"),
        (zeros(5, 2, 7, dtype=long), zeros(5, 2), TypeError, "last.*float32"),
        (zeros(5, 2, 7, dtype=long), None, TypeError, "last.*NoneType"),
        (zeros(5, 7, dtype=long), zeros(5, 2, dtype=long), ValueError, r"time\].*\[5, 7\]"),
        (zeros(0, 2, 7, dtype=long), zeros(0, 2, dtype=long), ValueError, r"\[0, 2, 7\]"),
        (zeros(5, 2, 0, dtype=long), zeros(5, 2, dtype=long), ValueError, r"\[5, 2, 0\]"),
        (zeros(5, 2, 7, dtype=long), zeros(5, dtype=long), ValueError, r"input\].*\[5\]"),
        (zeros(5, 2, 7, dtype=long), zeros(4, 2, dtype=long), ValueError, r"\[5, 2\].*\[4, 2\]"),
        (zeros(5, 2, 7, dtype=long), torch.full((5, 2), 7), ValueError, r"time=7\), got 7 \.\. 7"),
        (zeros(5, 2, 7, dtype=long), torch.full((5, 2), -1), ValueError, r"got -1 \.\. -1"),
        (torch.full((5, 2, 7), VOCAB), zeros(5, 2, dtype=long), ValueError, f"vocab_size={VOCAB}"),
        (zeros(5, 2, 24, dtype=long), zeros(5, 2, dtype=long), ValueError, "max_len=23"),
    ],
)
def test_bad_inputs(tokens, last, error, words):
    for model in (GPTSimilarity(language_model()), GPTMultipleChoice(language_model())):
        with pytest.raises(error, match=words):
            model(tokens, last)


@pytest.mark.parametrize(
    ("name", "n_inputs", "words"),
    [
        ("classifier", 2, r"GPTClassifier reads 1 input\(s\), got 2"),
        ("similarity", 1, r"GPTSimilarity reads 2 input\(s\), got 1"),
        ("similarity", 3, r"GPTSimilarity reads 2 input\(s\), got 3"),
    ],
)
def test_another_number_of_inputs(name, n_inputs, words):
    model = TASKS[name][0](language_model())
    with pytest.raises(ValueError, match=words):
        model(*inputs(n_inputs))
