"""BERT alone: a forward pass by hand, both directions, padding, the heads, its start, its sizes."""

import dataclasses
import math
import pickle

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from nlp_helpers.models.bert import (
    BERT,
    BERTForPreTraining,
    BERTForQuestionAnswering,
    BERTForSequenceClassification,
    BERTForTokenClassification,
)
from nlp_helpers.models.bert_config import BERT_SIZES, BERTConfig, bert_config, n_parameters

BATCH, TIME, VOCAB, WIDTH, HEADS, INNER, MAX_LEN = 13, 7, 19, 36, 6, 50, 11
LENGTHS = (7, 1, 3, 5, 2, 7, 4, 6, 1, 7, 2, 3, 5)  # real tokens of each row
CONFIG = BERTConfig(
    vocab_size=VOCAB,
    max_len=MAX_LEN,
    d_model=WIDTH,
    n_heads=HEADS,
    d_ff=INNER,
    n_layers=3,
    eps=1e-3,
)


def randomize(module):
    """Every weight at random, so that no 0 or 1 of the start hides anything; in eval mode."""
    torch.manual_seed(6)
    for parameter in module.double().eval().parameters():
        nn.init.normal_(parameter, mean=0.1, std=0.3)
    return module


def model(**changes):
    return randomize(BERT(dataclasses.replace(CONFIG, **changes)))


def heads(bert=None):
    """One model of every kind."""
    bert = model() if bert is None else bert
    return {
        "pre-training": randomize(BERTForPreTraining(bert.config)),
        "sequences": BERTForSequenceClassification(bert, 3),
        "answers": BERTForQuestionAnswering(bert),
        "tags": BERTForTokenClassification(bert, 5),
    }


def tokens_case(seed=0, batch=BATCH, time=TIME, vocab=VOCAB):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, vocab, (batch, time), generator=generator)


def segments_case():
    return tokens_case(seed=1, vocab=2)


def mask_case():
    return torch.arange(TIME) < torch.tensor(LENGTHS)[:, None]


# ---- by hand ----


def norm_by_hand(x, norm):
    mean = sum(x) / len(x)
    variance = sum((value - mean) ** 2 for value in x) / len(x)
    scaled = [(value - mean) / math.sqrt(variance + CONFIG.eps) for value in x]
    gains, biases = norm.weight.tolist(), norm.bias.tolist()
    return [g * value + b for g, value, b in zip(gains, scaled, biases, strict=True)]


def linear_by_hand(x, linear):
    rows = zip(linear.weight.tolist(), linear.bias.tolist(), strict=True)
    return [sum(w * value for w, value in zip(row, x, strict=True)) + b for row, b in rows]


def add(*vectors):
    return [sum(values) for values in zip(*vectors, strict=True)]


def gelu(x):
    return x * (1 + math.erf(x / math.sqrt(2))) / 2


def attention_by_hand(xs, attention, n_heads, real):
    """The outputs of all positions; each looks at all that are real, on both sides."""
    queries, keys, values = (
        [linear_by_hand(x, part) for x in xs]
        for part in (attention.W_Q, attention.W_K, attention.W_V)
    )
    d_k, outputs = len(xs[0]) // n_heads, []
    for query in queries:
        heads = []
        for head in range(n_heads):
            own = range(head * d_k, (head + 1) * d_k)
            scores = [sum(query[i] * keys[s][i] for i in own) / math.sqrt(d_k) for s in real]
            total = sum(math.exp(score) for score in scores)
            weights = [math.exp(score) / total for score in scores]
            heads += [
                sum(w * values[s][i] for s, w in zip(real, weights, strict=True)) for i in own
            ]
        outputs.append(linear_by_hand(heads, attention.W_O))
    return outputs


def forward_by_hand(bert, tokens, segments, real):
    """The hidden states of one row and its pooled vector, in plain Python."""
    tables = [table.weight.tolist() for table in (bert.tokens, bert.positions, bert.segments)]
    places = zip(tokens, range(len(tokens)), segments, strict=True)
    xs = [add(*(table[i] for table, i in zip(tables, place, strict=True))) for place in places]
    if bert.config.embedding_norm:
        xs = [norm_by_hand(x, bert.norm) for x in xs]
    for layer in bert.stack.layers:
        ys = attention_by_hand(xs, layer.attention, bert.config.n_heads, real)
        norm = layer.attention_norm.norm
        xs = [norm_by_hand(add(x, y), norm) for x, y in zip(xs, ys, strict=True)]
        ys = [[gelu(v) for v in linear_by_hand(x, layer.feed_forward.inner)] for x in xs]
        ys = [linear_by_hand(y, layer.feed_forward.outer) for y in ys]
        norm = layer.feed_forward_norm.norm
        xs = [norm_by_hand(add(x, y), norm) for x, y in zip(xs, ys, strict=True)]
    return xs, [math.tanh(value) for value in linear_by_hand(xs[0], bert.pooler)]


@pytest.mark.parametrize("embedding_norm", [True, False])
def test_the_forward_pass_by_hand(embedding_norm):
    bert = model(d_model=6, n_heads=3, d_ff=5, n_layers=2, embedding_norm=embedding_norm)
    tokens = tokens_case(batch=3, time=4)
    segments = torch.tensor([[0, 0, 1, 1], [0, 1, 1, 0], [1, 0, 0, 0]])
    mask = torch.tensor(
        [[True, True, True, True], [True, False, True, False], [True] + [False] * 3]
    )
    hidden, pooled = bert(tokens, segments, mask)
    for row in range(3):
        real = mask[row].nonzero().flatten().tolist()
        xs, top = forward_by_hand(bert, tokens[row].tolist(), segments[row].tolist(), real)
        xs, top = torch.tensor(xs, dtype=torch.float64), torch.tensor(top, dtype=torch.float64)
        torch.testing.assert_close(hidden[row, real], xs[real], rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(pooled[row], top, rtol=1e-12, atol=1e-12)


def test_the_masked_word_s_scores_by_hand():
    pretraining = heads()["pre-training"]
    vector = torch.linspace(-2, 2, WIDTH, dtype=torch.float64)
    x = [gelu(value) for value in linear_by_hand(vector.tolist(), pretraining.mlm.linear)]
    x = norm_by_hand(x, pretraining.mlm.norm)
    rows, biases = pretraining.bert.tokens.weight.tolist(), pretraining.mlm.bias.tolist()
    scores = [sum(a * b for a, b in zip(x, row, strict=True)) for row in rows]
    expected = torch.tensor(add(scores, biases), dtype=torch.float64)
    torch.testing.assert_close(pretraining.mlm_logits(vector), expected, rtol=1e-12, atol=1e-12)


# ---- both directions, and padding ----


def gradients_of(bert, tokens, segments, mask, place):
    """How much each place's embedding [batch, time] moves the hidden state at one place."""
    seen = {}
    handle = bert.norm.register_forward_hook(lambda module, args, output: seen.update(x=output))
    hidden, _ = bert(tokens, segments, mask)
    handle.remove()
    (gradient,) = torch.autograd.grad(hidden[:, place].square().sum(), seen["x"])
    return gradient.abs().amax(-1)


@pytest.mark.parametrize("place", [0, 3, TIME - 1])
def test_every_place_sees_all_real_places_on_both_sides_and_no_padded_one(place):
    bert, tokens, segments, mask = model(), tokens_case(), segments_case(), mask_case()
    rows = mask[:, place]
    assert rows.any()
    found = gradients_of(bert, tokens, segments, mask, place)[rows]
    assert found[mask[rows]].gt(1e-8).all()
    assert not found[~mask[rows]].any()
    everywhere = gradients_of(bert, tokens, segments, None, place)
    assert everywhere.gt(1e-8).all()


@pytest.mark.parametrize("place", [0, 3, TIME - 1])
def test_changing_a_real_token_changes_all_places(place):
    bert, tokens = model(), tokens_case()
    changed = tokens.clone()
    changed[:, place] = (changed[:, place] + 1) % VOCAB
    hidden, pooled = bert(tokens)
    other, other_pooled = bert(changed)
    assert (other - hidden).abs().amax(-1).gt(1e-6).all()
    assert (other_pooled - pooled).abs().amax(-1).gt(1e-9).all()


def test_what_stands_at_padded_places_does_not_matter():
    bert, tokens, segments, mask = model(), tokens_case(), segments_case(), mask_case()
    hidden, pooled = bert(tokens, segments, mask)
    other = bert(tokens.where(mask, tokens_case(seed=5)), segments.where(mask, 1 - segments), mask)
    assert torch.equal(other[0][mask], hidden[mask])
    assert torch.equal(other[1], pooled)


def test_padding_a_row_does_not_change_its_real_places():
    bert, tokens, segments, mask = model(), tokens_case(), segments_case(), mask_case()
    hidden, pooled = bert(tokens, segments, mask)
    for row, n in enumerate(LENGTHS):
        alone = bert(tokens[row : row + 1, :n], segments[row : row + 1, :n])
        torch.testing.assert_close(hidden[row, :n], alone[0][0], rtol=1e-10, atol=1e-10)
        torch.testing.assert_close(pooled[row], alone[1][0], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", heads())
def test_no_head_sees_what_is_padded(name):
    head, tokens, segments, mask = heads()[name], tokens_case(), segments_case(), mask_case()
    changed = tokens.where(mask, tokens_case(seed=5))
    found, other = (head(several, segments, mask) for several in (tokens, changed))
    found, other = ([x] if isinstance(x, torch.Tensor) else x for x in (found, other))
    for mine, theirs in zip(found, other, strict=True):
        if mine.shape[:2] == mask.shape:
            mine, theirs = mine[mask], theirs[mask]
        assert torch.equal(mine, theirs)


@pytest.mark.parametrize("need_weights", [False, True])
def test_a_row_without_any_real_token_gives_finite_numbers(need_weights):
    bert, tokens, mask = model(), tokens_case(), mask_case()
    mask[4] = False
    hidden, _ = bert.run(tokens, mask=mask, need_weights=need_weights)
    assert hidden.isfinite().all()
    hidden.square().sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in bert.parameters())
    torch.testing.assert_close(hidden[5], bert(tokens, mask=mask)[0][5])


def test_the_attention_weights_are_shares_of_the_real_places():
    bert, tokens, segments, mask = model(), tokens_case(), segments_case(), mask_case()
    hidden, maps = bert.run(tokens, segments, mask, need_weights=True)
    plain, nothing = bert.run(tokens, segments, mask)
    torch.testing.assert_close(hidden, plain)
    assert nothing == [None] * 3
    assert [weights.shape for weights in maps] == [(BATCH, HEADS, TIME, TIME)] * 3
    for weights in maps:
        torch.testing.assert_close(weights.sum(-1), torch.ones(BATCH, HEADS, TIME).double())
        to = weights.amax(dim=(1, 2))  # [batch, key]
        assert not to[~mask].any()
        assert to[mask].gt(0).all()


# ---- what the embeddings tell apart ----


def test_segments_matter_and_are_0_where_none_are_given():
    bert, tokens, segments = model(), tokens_case(), segments_case()
    plain, pooled = bert(tokens)
    zero, _ = bert(tokens, torch.zeros_like(tokens))
    assert torch.equal(plain, zero)
    other, other_pooled = bert(tokens, segments)
    rows = segments.any(dim=1)
    assert (other - plain)[rows].abs().amax(-1).gt(1e-6).all()
    assert (other_pooled - pooled)[rows].abs().amax(-1).gt(1e-9).all()
    one = model(n_segments=1)  # as RoBERTa's: then there is nothing to tell apart
    assert torch.equal(one(tokens)[0], one(tokens, torch.zeros_like(tokens))[0])
    with pytest.raises(ValueError, match=r"segments must be in \[0, n_segments=1\), got 0 \.\. 1"):
        one(tokens, segments)


def test_the_order_of_the_tokens_matters_through_the_positions_alone():
    bert, tokens, segments = model(), tokens_case(), segments_case()
    order = torch.tensor([3, 0, 6, 1, 5, 2, 4])
    hidden, _ = bert(tokens, segments)
    assert (bert(tokens[:, order], segments[:, order])[0] - hidden[:, order]).abs().max() > 1e-3
    nn.init.zeros_(bert.positions.weight)
    hidden, _ = bert(tokens, segments)
    found, _ = bert(tokens[:, order], segments[:, order])
    torch.testing.assert_close(found, hidden[:, order], rtol=1e-10, atol=1e-10)


def test_the_embeddings_are_the_sum_of_three_and_normalised():
    bert, tokens, segments = model(), tokens_case(), segments_case()
    three = (
        bert.tokens.weight[tokens] + bert.positions.weight[:TIME] + bert.segments.weight[segments]
    )
    torch.testing.assert_close(bert.embed(tokens, segments), bert.norm(three))
    bare = model(embedding_norm=False)
    three = (
        bare.tokens.weight[tokens] + bare.positions.weight[:TIME] + bare.segments.weight[segments]
    )
    torch.testing.assert_close(bare.embed(tokens, segments), three)
    assert not [name for name in bare.state_dict() if name.startswith("norm.")]


def test_the_pooled_vector_is_tanh_of_a_layer_on_the_first_token():
    bert, tokens, mask = model(), tokens_case(), mask_case()
    hidden, pooled = bert(tokens, mask=mask)
    assert hidden.shape == (BATCH, TIME, WIDTH)
    assert pooled.shape == (BATCH, WIDTH)
    first = hidden[:, 0]
    expected = torch.tanh(first @ bert.pooler.weight.T + bert.pooler.bias)
    torch.testing.assert_close(pooled, expected)
    torch.testing.assert_close(bert.pool(hidden), expected)


def test_a_model_without_a_pooler():
    bert, bare, tokens = model(), model(pooler=False), tokens_case()
    bare.load_state_dict({k: v for k, v in bert.state_dict().items() if "pooler" not in k})
    hidden, pooled = bare(tokens)
    assert pooled is None
    torch.testing.assert_close(hidden, bert(tokens)[0])
    with pytest.raises(ValueError, match="next-sentence prediction needs a pooler"):
        BERTForPreTraining(bare.config)


# ---- pre-training ----


def test_both_heads_of_pre_training():
    pretraining, tokens = heads()["pre-training"], tokens_case()
    mlm_logits, nsp_logits = pretraining(tokens, segments_case(), mask_case())
    assert mlm_logits.shape == (BATCH, TIME, VOCAB)
    assert nsp_logits.shape == (BATCH, 2)
    hidden, pooled = pretraining.bert(tokens, segments_case(), mask_case())
    torch.testing.assert_close(pretraining.mlm_logits(hidden), mlm_logits)
    torch.testing.assert_close(pretraining.nsp(pooled), nsp_logits)


def test_the_output_matrix_is_the_token_embedding():
    pretraining, tokens = heads()["pre-training"], tokens_case()[:2]
    table = pretraining.bert.tokens.weight
    assert sum(VOCAB in p.shape for p in pretraining.parameters()) == 2  # the table, and the bias
    logits, _ = pretraining(tokens)
    (whole,) = torch.autograd.grad(logits.square().sum(), table, retain_graph=True)
    hidden, _ = pretraining.bert(tokens)
    vector = hidden.detach()
    (from_output,) = torch.autograd.grad(pretraining.mlm_logits(vector).square().sum(), table)
    (from_input,) = torch.autograd.grad(
        torch.nn.functional.linear(
            pretraining.mlm.norm(pretraining.mlm.activation(pretraining.mlm.linear(hidden))),
            table.detach(),
            pretraining.mlm.bias,
        )
        .square()
        .sum(),
        table,
    )
    torch.testing.assert_close(whole, from_output + from_input)
    read = from_input.any(dim=1).nonzero().flatten()
    assert torch.equal(read, tokens.unique())
    assert len(read) < VOCAB  # not all were read
    assert from_output.any(dim=1).all()  # but all may be predicted


def test_the_untrained_losses_are_those_of_uniform_guesses():
    torch.manual_seed(0)
    pretraining = BERTForPreTraining(WIDE).eval()
    tokens = tokens_case(time=40, vocab=997)
    mlm_logits, nsp_logits = pretraining(tokens)
    loss = torch.nn.functional.cross_entropy(mlm_logits.flatten(0, 1), tokens.flatten())
    assert loss.item() == pytest.approx(math.log(997), abs=0.1)
    assert nsp_logits.softmax(-1)[:, 0].mean().item() == pytest.approx(0.5, abs=0.1)


# ---- fine-tuning ----


def make(name, bert, **options):
    if name == "answers":
        return BERTForQuestionAnswering(bert, **options)
    if name == "sequences":
        return BERTForSequenceClassification(bert, 3, **options)
    return BERTForTokenClassification(bert, 3, **options)


TASKS = ("sequences", "answers", "tags")


def test_the_outputs_of_the_tasks():
    bert, tokens, segments, mask = model(), tokens_case(), segments_case(), mask_case()
    hidden, pooled = bert(tokens, segments, mask)
    made = heads(bert)
    logits = made["sequences"](tokens, segments, mask)
    assert logits.shape == (BATCH, 3)
    torch.testing.assert_close(logits, made["sequences"].output(pooled))
    start, end = made["answers"](tokens, segments, mask)
    assert start.shape == end.shape == (BATCH, TIME)
    torch.testing.assert_close(torch.stack([start, end], -1), made["answers"].output(hidden))
    logits = made["tags"](tokens, segments, mask)
    assert logits.shape == (BATCH, TIME, 5)
    torch.testing.assert_close(logits, made["tags"].output(hidden))


@pytest.mark.parametrize("pooler", [True, False])
@pytest.mark.parametrize("name", TASKS)
def test_training_a_task_leaves_the_given_bert_as_it_is(name, pooler):
    bert, tokens = model(pooler=pooler), tokens_case()
    before = {k: v.clone() for k, v in bert.state_dict().items()}
    task = make(name, bert)
    optimizer = torch.optim.SGD(task.parameters(), lr=1.0)
    output = task(tokens)
    (output if isinstance(output, torch.Tensor) else output[0]).square().sum().backward()
    optimizer.step()
    assert {**bert.state_dict()}.keys() == before.keys()
    for key, tensor in bert.state_dict().items():
        assert torch.equal(tensor, before[key]), key
    assert not torch.equal(task.bert.tokens.weight, bert.tokens.weight)
    assert bert.config.pooler is pooler
    assert bert.stack.config == bert.config
    assert all(p.grad is None for p in bert.parameters())


@pytest.mark.parametrize("pooler", [True, False])
@pytest.mark.parametrize("name", TASKS)
def test_a_pooler_is_there_where_the_task_reads_it_and_only_there(name, pooler):
    bert, tokens = model(pooler=pooler), tokens_case()
    task = make(name, bert)
    wanted = name == "sequences"
    assert (task.bert.pooler is not None) == wanted
    assert task.bert.config.pooler is wanted
    assert task.bert.stack.config == task.bert.config
    assert n_parameters(task.bert.config) == sum(p.numel() for p in task.bert.parameters())
    if wanted and pooler:
        assert torch.equal(task.bert.pooler.weight, bert.pooler.weight)
        torch.testing.assert_close(task.bert(tokens)[1], bert(tokens)[1])
    torch.testing.assert_close(task.bert(tokens)[0], bert(tokens)[0])
    output = task(tokens)
    (
        output if isinstance(output, torch.Tensor) else output[0] + output[1]
    ).square().sum().backward()
    assert all(p.grad is not None for p in task.parameters())  # nothing that is not used


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize("pooler", [True, False])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_a_task_has_the_mode_and_the_dtype_of_the_given_bert(name, pooler, training, dtype):
    task = make(name, model(pooler=pooler).to(dtype).train(training))
    assert {p.dtype for p in task.parameters()} == {dtype}
    assert {module.training for module in task.modules()} == {training}


@pytest.mark.parametrize(
    ("name", "options", "p"),
    [
        ("sequences", {}, 0.3),
        ("sequences", {"dropout": None}, 0.3),
        ("sequences", {"dropout": 0.5}, 0.5),
        ("sequences", {"dropout": 0}, 0),
        ("tags", {}, 0.3),
        ("tags", {"dropout": 0.5}, 0.5),
        ("answers", {}, 0),
        ("answers", {"dropout": 0.5}, 0.5),
        ("answers", {"dropout": None}, 0.3),
    ],
)
def test_the_dropout_before_the_output(name, options, p):
    task = make(name, model(dropout=0.3), **options)
    assert task.dropout.p == p
    assert task.bert.dropout.p == 0.3
    tokens = tokens_case()
    still = torch.stack([*task(tokens)])
    task.dropout.train()
    assert torch.equal(torch.stack([*task(tokens)]), still) == (p == 0)


def test_the_output_layer_starts_small():
    torch.manual_seed(0)
    for name in TASKS:
        output = make(name, model(d_model=240)).output
        assert 0 < output.weight.abs().max() <= 0.04
        assert not output.bias.any()


@pytest.mark.parametrize("cls", [BERTForSequenceClassification, BERTForTokenClassification])
@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ((None, 2), TypeError, "bert must be a BERT, got NoneType"),
        ((CONFIG, 2), TypeError, "bert must be a BERT, got BERTConfig"),
        ((model, 2), TypeError, "bert must be a BERT, got function"),
        ((model(), 0), ValueError, "n_outputs must be at least 1, got 0"),
        ((model(), 2.0), TypeError, "n_outputs must be an int, got float"),
        ((model(), True), TypeError, "n_outputs must be an int, got bool"),
        ((model(), None), TypeError, "n_outputs must be an int, got NoneType"),
        ((model(), 2, 1.5), ValueError, "dropout"),
        ((model(), 2, -0.1), ValueError, "dropout"),
        ((model(), 2, "0.1"), TypeError, "dropout"),
    ],
)
def test_bad_arguments_of_a_task(cls, arguments, error, words):
    with pytest.raises(error, match=words):
        cls(*arguments)


def test_bad_arguments_of_question_answering():
    with pytest.raises(TypeError, match="bert must be a BERT, got dict"):
        BERTForQuestionAnswering({})
    with pytest.raises(TypeError, match="bert must be a BERT, got BERTForPreTraining"):
        BERTForQuestionAnswering(heads()["pre-training"])
    with pytest.raises(ValueError, match="dropout"):
        BERTForQuestionAnswering(model(), 1.5)


# ---- the start ----

WIDE = BERTConfig(vocab_size=997, max_len=131, d_model=96, n_heads=4, d_ff=200, n_layers=5)
CUT_STD = 0.02 * 0.8796  # of a normal distribution that is cut off at two standard deviations


def test_the_weights_start_as_in_the_authors_code():
    torch.manual_seed(0)
    pretraining = BERTForPreTraining(WIDE)
    drawn = {}
    for name, parameter in pretraining.named_parameters():
        kind = name.split(".")[-2]
        if kind == "norm" and name.endswith("weight"):
            assert (parameter == 1).all(), name
        elif name.endswith("bias"):
            assert not parameter.any(), name
        else:
            drawn.setdefault(kind, []).append(parameter.flatten())
    matrices = ("tokens", "positions", "segments", "W_Q", "W_K", "W_V", "W_O", "inner", "outer")
    assert {*drawn} == {*matrices, "pooler", "linear", "nsp"}
    for kind, tensors in drawn.items():
        values = torch.cat(tensors)
        assert values.abs().max() <= 0.04, kind
        n = len(values)
        assert values.std().item() == pytest.approx(CUT_STD, rel=0.02 + 2 / n**0.5), kind
        assert abs(values.mean().item()) < 5 * CUT_STD / n**0.5, kind
        beyond = (values.abs() > 0.02).double().mean().item()  # of a normal one: .317; cut: .285
        assert beyond == pytest.approx(0.285, abs=0.01 + 2 / n**0.5), kind
    assert len({t[0].item() for kind in matrices for t in drawn[kind]}) == 3 + 6 * 5


def test_a_task_without_a_pooler_draws_one_as_the_authors_did():
    torch.manual_seed(0)
    task = BERTForSequenceClassification(BERT(dataclasses.replace(WIDE, pooler=False)), 2)
    weight = task.bert.pooler.weight
    assert weight.std().item() == pytest.approx(CUT_STD, rel=0.03)
    assert weight.abs().max() <= 0.04
    assert not task.bert.pooler.bias.any()


# ---- parameters ----


def counted(make, config):
    with torch.device("meta"):
        made = make(config)
    return sum(p.numel() for p in made.parameters())


@pytest.mark.parametrize(
    ("size", "known"), [("bert-base", 109_482_240), ("bert-large", 335_141_888)]
)
def test_the_published_models_have_the_known_numbers_of_parameters(size, known):
    config = BERT_SIZES[size]
    assert n_parameters(config) == counted(BERT, config) == known
    d = config.d_model
    mlm = d * d + d + 2 * d + config.vocab_size
    assert counted(BERTForPreTraining, config) == known + mlm + 2 * d + 2


@settings(max_examples=25)
@given(
    n_heads=st.integers(1, 5),
    d_k=st.integers(1, 4),
    sizes=st.tuples(*[st.integers(1, 30)] * 4),
    n_layers=st.integers(1, 3),
    flags=st.tuples(*[st.booleans()] * 3),
    norm=st.sampled_from(["pre", "post"]),
)
def test_the_formula_counts_any_configuration(n_heads, d_k, sizes, n_layers, flags, norm):
    vocab_size, max_len, n_segments, d_ff = sizes
    config = BERTConfig(
        vocab_size=vocab_size,
        max_len=max_len,
        n_segments=n_segments,
        d_ff=d_ff,
        d_model=n_heads * d_k,
        n_heads=n_heads,
        n_layers=n_layers,
        embedding_norm=flags[0],
        final_norm=flags[1],
        pooler=flags[2],
        norm=norm,
    )
    assert n_parameters(config) == counted(BERT, config)


def test_the_formula_of_the_docstring():
    for config in BERT_SIZES.values():
        v, t, s, d = config.vocab_size, config.max_len, config.n_segments, config.d_model
        layers = config.n_layers * (12 * d * d + 13 * d)
        assert n_parameters(config) == (v + t + s) * d + 2 * d + layers + d * d + d


@pytest.mark.parametrize("name", heads())
def test_every_parameter_gets_a_gradient_and_dropout_is_for_training(name):
    head = heads(model(dropout=0.3))[name]
    tokens, segments, mask = tokens_case(), segments_case(), mask_case()

    def output():
        found = head(tokens, segments, mask)
        found = [found] if isinstance(found, torch.Tensor) else found
        return torch.cat([x.flatten() for x in found])

    still = output()
    assert torch.equal(output(), still)
    head.train()
    found = output()
    assert not torch.allclose(found, still)
    found.square().mean().backward()
    for name, parameter in head.named_parameters():
        assert parameter.grad is not None, name
        if not name.endswith("W_K.bias"):  # the softmax does not see a constant on all scores
            assert parameter.grad.abs().sum() > 1e-8, name


@pytest.mark.parametrize(
    "part",
    [
        lambda bert: bert.dropout,
        lambda bert: bert.stack.layers[0].attention,
        lambda bert: bert.stack.layers[1].attention_norm,
        lambda bert: bert.stack.layers[2].feed_forward_norm,
    ],
)
def test_every_part_drops_in_training_and_only_then(part):
    bert, tokens = model(dropout=0.5), tokens_case()
    still = bert(tokens)[0]
    part(bert).train()
    assert not torch.allclose(bert(tokens)[0], still)
    part(bert).eval()
    torch.testing.assert_close(bert(tokens)[0], still)


@pytest.mark.parametrize("name", heads())
def test_models_can_be_pickled_and_loaded(name):
    head, tokens = heads()[name], tokens_case()
    again = pickle.loads(pickle.dumps(head))
    other = heads()[name]
    nn.init.zeros_(other.bert.tokens.weight)
    other.load_state_dict(head.state_dict())
    for copied in (again, other):
        for found, expected in zip(copied(tokens), head(tokens), strict=True):
            assert torch.equal(found, expected)


# ---- configurations ----


def test_the_two_sizes_of_the_paper():
    assert bert_config() == BERT_SIZES["bert-base"] == BERTConfig()
    shapes = {k: (c.n_layers, c.d_model, c.n_heads, c.d_ff) for k, c in BERT_SIZES.items()}
    assert shapes == {"bert-base": (12, 768, 12, 3072), "bert-large": (24, 1024, 16, 4096)}
    for config in BERT_SIZES.values():
        assert (config.vocab_size, config.max_len, config.n_segments) == (30_522, 512, 2)
        assert (config.dropout, config.eps, config.activation) == (0.1, 1e-12, "gelu")
        assert (config.norm, config.final_norm) == ("post", False)
        assert (config.embedding_norm, config.pooler) == (True, True)
    small = bert_config("bert-large", vocab_size=7, dropout=0.0)
    assert (small.vocab_size, small.dropout, small.n_layers) == (7, 0.0, 24)


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"vocab_size": 0}, ValueError, "vocab_size must be at least 1, got 0"),
        ({"vocab_size": 5.0}, TypeError, "vocab_size must be an int"),
        ({"vocab_size": True}, TypeError, "vocab_size must be an int"),
        ({"max_len": 0}, ValueError, "max_len must be at least 1, got 0"),
        ({"max_len": None}, TypeError, "max_len must be an int"),
        ({"n_segments": 0}, ValueError, "n_segments must be at least 1, got 0"),
        ({"n_segments": "2"}, TypeError, "n_segments must be an int"),
        ({"d_model": 37, "n_heads": 6}, ValueError, "37.*6"),
        ({"n_heads": 0}, ValueError, "n_heads"),
        ({"d_ff": 0}, ValueError, "d_ff"),
        ({"n_layers": 1.5}, TypeError, "n_layers"),
        ({"dropout": 1.0}, ValueError, "dropout"),
        ({"dropout": None}, TypeError, "dropout"),
        ({"eps": 0.0}, ValueError, "eps"),
        ({"norm": "both"}, ValueError, "norm must be one of post, pre; got 'both'"),
        ({"activation": "gelu_new"}, ValueError, "activation .*'gelu_new'"),
        ({"embedding_norm": 1}, TypeError, "embedding_norm must be True or False, got 1"),
        ({"pooler": "yes"}, TypeError, "pooler must be True or False, got 'yes'"),
        ({"pooler": None}, TypeError, "pooler must be True or False, got None"),
    ],
)
def test_bad_configurations_are_refused(changes, error, words):
    with pytest.raises(error, match=words):
        dataclasses.replace(CONFIG, **changes)
    with pytest.raises(error, match=words):
        bert_config("bert-base", **changes)


@pytest.mark.parametrize("size", ["bert", "BERT-base", None, ["bert-base"]])
def test_unknown_sizes_are_refused(size):
    with pytest.raises(ValueError, match="size must be one of bert-base, bert-large; got"):
        bert_config(size)


def test_configurations_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        CONFIG.d_model = 8


# ---- bad inputs ----

TWO = torch.ones(2, 3, dtype=torch.long)


def calls():
    made = heads()
    return {**made, "bert": made["tags"].bert}


@pytest.mark.parametrize(
    ("inputs", "error", "words"),
    [
        ((TWO[:, :0],), ValueError, r"none of them 0; got \[2, 0\]"),
        ((TWO[:0],), ValueError, r"none of them 0; got \[0, 3\]"),
        ((TWO[0],), ValueError, r"\[batch, time\].*got \[3\]"),
        ((TWO[None],), ValueError, r"got \[1, 2, 3\]"),
        ((TWO * VOCAB,), ValueError, r"\[0, vocab_size=19\), got 19 \.\. 19"),
        ((TWO - 2,), ValueError, r"vocab_size=19\), got -1 \.\. -1"),
        ((TWO.double(),), TypeError, r"tokens must be .* int64 or int32, got torch\.float64"),
        ((TWO.bool(),), TypeError, r"got torch\.bool"),
        (([[1, 2]],), TypeError, "tokens must be .* got list"),
        ((None,), TypeError, "tokens must be .* got NoneType"),
        ((torch.ones(2, MAX_LEN + 1).long(),), ValueError, "12 tokens are more than max_len=11"),
        ((TWO, TWO + 1), ValueError, r"segments must be in \[0, n_segments=2\), got 2 \.\. 2"),
        ((TWO, TWO - 2), ValueError, r"segments must be in \[0, n_segments=2\), got -1 \.\. -1"),
        ((TWO, TWO[:1]), ValueError, r"segments must have shape \[2, 3\], got \[1, 3\]"),
        ((TWO, TWO[0]), ValueError, r"segments must have shape \[2, 3\], got \[3\]"),
        ((TWO, TWO.T), ValueError, r"segments must have shape \[2, 3\], got \[3, 2\]"),
        ((TWO, TWO.bool()), TypeError, r"segments must be .* int64 or int32, got torch\.bool"),
        ((TWO, TWO.float()), TypeError, r"segments must be .* got torch\.float32"),
        ((TWO, [[0, 0, 0]]), TypeError, "segments must be .* got list"),
        ((TWO, None, TWO), TypeError, r"mask must be a bool tensor .*, got torch\.int64"),
        ((TWO, None, TWO.double()), TypeError, r"mask must be a bool .*, got torch\.float64"),
        ((TWO, None, [True]), TypeError, "mask must be a bool tensor .*, got list"),
        ((TWO, None, TWO.bool()[:, :2]), ValueError, r"mask must have shape \[2, 3\], got \[2, 2"),
        ((TWO, None, TWO.bool()[0]), ValueError, r"mask must have shape \[2, 3\], got \[3\]"),
        ((TWO, None, TWO.bool()[:, None]), ValueError, r"mask must have shape .*got \[2, 1, 3\]"),
    ],
)
def test_bad_inputs_are_refused_by_every_model(inputs, error, words):
    for call in calls().values():
        with pytest.raises(error, match=words):
            call(*inputs)


def test_int32_tokens_and_segments_are_fine():
    bert, tokens, segments = model(), tokens_case(), segments_case()
    found, expected = bert(tokens.int(), segments.int())[0], bert(tokens, segments)[0]
    torch.testing.assert_close(found, expected)


def test_the_longest_input_and_the_shortest():
    bert = model()
    assert bert(tokens_case(time=MAX_LEN))[0].shape == (BATCH, MAX_LEN, WIDTH)
    assert bert(tokens_case(batch=1, time=1))[0].shape == (1, 1, WIDTH)
