"""GPT alone: a forward pass by hand, the key-value cache, causality, its start, its sizes."""

import dataclasses
import itertools
import math
import pickle

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from nlp_helpers.decoding import beam_search, generate, sampler
from nlp_helpers.models.gpt import GPT, GPTState
from nlp_helpers.models.gpt_config import (
    GPT1,
    GPT2_SIZES,
    GPTConfig,
    gpt2_config,
    n_parameters,
)

BATCH, TIME, VOCAB, WIDTH, HEADS, INNER = 13, 11, 19, 36, 6, 50
CONFIG = GPTConfig(
    vocab_size=VOCAB, max_len=TIME, d_model=WIDTH, n_heads=HEADS, d_ff=INNER, n_layers=3, eps=1e-3
)
KINDS = {
    "GPT-2": {},
    "GPT-1": {"norm": "post", "final_norm": False, "scaled_init": False},
}


@pytest.fixture(params=KINDS)
def kind(request):
    return KINDS[request.param]


def model(**changes):
    """Every weight at random, so that no 0 or 1 of the start hides anything; in eval mode."""
    torch.manual_seed(6)
    gpt = GPT(dataclasses.replace(CONFIG, **changes)).double().eval()
    for parameter in gpt.parameters():
        nn.init.normal_(parameter, mean=0.1, std=0.3)
    return gpt


def tokens_case(seed=0, batch=BATCH, time=TIME, vocab=VOCAB):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, vocab, (batch, time), generator=generator)


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


def add(x, y):
    return [a + b for a, b in zip(x, y, strict=True)]


def tanh_gelu(x):
    return 0.5 * x * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def attention_by_hand(xs, attention, n_heads):
    """The outputs of all positions; each looks at itself and at those before it."""
    queries, keys, values = (
        [linear_by_hand(x, part) for x in xs]
        for part in (attention.W_Q, attention.W_K, attention.W_V)
    )
    d_k, outputs = len(xs[0]) // n_heads, []
    for t in range(len(xs)):
        heads = []
        for head in range(n_heads):
            own = range(head * d_k, (head + 1) * d_k)
            scores = [
                sum(queries[t][i] * keys[s][i] for i in own) / math.sqrt(d_k) for s in range(t + 1)
            ]
            total = sum(math.exp(score) for score in scores)
            weights = [math.exp(score) / total for score in scores]
            heads += [sum(w * values[s][i] for s, w in enumerate(weights)) for i in own]
        outputs.append(linear_by_hand(heads, attention.W_O))
    return outputs


def forward_by_hand(gpt, tokens):
    """The logits of one row of tokens, in plain Python."""
    W_e, W_p = gpt.tokens.weight.tolist(), gpt.positions.weight.tolist()
    xs = [add(W_e[token], W_p[t]) for t, token in enumerate(tokens)]
    pre = gpt.config.norm == "pre"
    for layer in gpt.stack.layers:
        for kind in ("attention", "feed_forward"):
            norm = getattr(layer, f"{kind}_norm").norm
            read = [norm_by_hand(x, norm) for x in xs] if pre else xs
            if kind == "attention":
                written = attention_by_hand(read, layer.attention, gpt.config.n_heads)
            else:
                hidden = [linear_by_hand(x, layer.feed_forward.inner) for x in read]
                hidden = [[tanh_gelu(value) for value in x] for x in hidden]
                written = [linear_by_hand(x, layer.feed_forward.outer) for x in hidden]
            xs = [add(x, y) for x, y in zip(xs, written, strict=True)]
            if not pre:
                xs = [norm_by_hand(x, norm) for x in xs]
    if gpt.config.final_norm:
        xs = [norm_by_hand(x, gpt.stack.norm) for x in xs]
    return [[sum(a * b for a, b in zip(x, row, strict=True)) for row in W_e] for x in xs]


@pytest.mark.parametrize("final_norm", [False, True])
@pytest.mark.parametrize("norm", ["pre", "post"])
def test_the_forward_pass_by_hand(norm, final_norm):
    gpt = model(d_model=6, n_heads=3, d_ff=5, n_layers=2, norm=norm, final_norm=final_norm)
    tokens = tokens_case(batch=2, time=4)
    found = gpt(tokens)
    for row, logits in zip(tokens.tolist(), found, strict=True):
        expected = torch.tensor(forward_by_hand(gpt, row), dtype=torch.float64)
        torch.testing.assert_close(logits, expected, rtol=1e-12, atol=1e-12)


# ---- the cache ----


def test_step_by_step_gives_the_logits_of_the_whole_sequence(kind):
    gpt, tokens = model(**kind), tokens_case()
    logits = gpt(tokens)
    state = None
    for t in range(TIME):
        found, state = gpt.step(tokens[:, t : t + 1], state)
        torch.testing.assert_close(found, logits[:, t], atol=1e-12, rtol=0)
        assert state.n_tokens == t + 1
    assert [k.shape for k, _ in state.past] == [(BATCH, HEADS, TIME, WIDTH // HEADS)] * 3


@settings(max_examples=40)
@given(cuts=st.sets(st.integers(1, TIME - 1)), norm=st.sampled_from(["pre", "post"]))
def test_a_prompt_can_be_cut_anywhere(cuts, norm):
    gpt, tokens = model(norm=norm), tokens_case(batch=2)
    logits, state = gpt(tokens), None
    for start, end in itertools.pairwise([0, *sorted(cuts), TIME]):
        found, state = gpt.step(tokens[:, start:end], state)
        torch.testing.assert_close(found, logits[:, end - 1], atol=1e-12, rtol=0)


def test_the_cache_holds_in_float32_to_1e_5(kind):
    torch.manual_seed(6)
    gpt, tokens = GPT(dataclasses.replace(CONFIG, **kind)).eval(), tokens_case()
    logits, state = gpt(tokens), None
    for t in range(TIME):
        found, state = gpt.step(tokens[:, t : t + 1], state)
        torch.testing.assert_close(found, logits[:, t], atol=1e-5, rtol=0)


def test_a_state_is_not_changed_by_a_step():
    gpt, tokens = model(), tokens_case()
    _, state = gpt.step(tokens[:, :3], None)
    for t in (3, 4):  # two ways to go on from the same state
        found, _ = gpt.step(tokens[:, t : t + 1], state)
        whole = torch.cat([tokens[:, :3], tokens[:, t : t + 1]], dim=1)
        torch.testing.assert_close(found, gpt(whole)[:, -1], atol=1e-12, rtol=0)


def test_rows_of_a_state_can_be_selected():
    gpt, tokens = model(), tokens_case()
    _, state = gpt.step(tokens[:, :4], None)
    rows = torch.tensor([5, 5, 0])
    chosen = state.select(rows)
    assert isinstance(chosen, GPTState)
    found, _ = gpt.step(tokens[rows, 4:5], chosen)
    torch.testing.assert_close(found, gpt(tokens[:, :5])[rows, -1], atol=1e-12, rtol=0)


def log_prob(gpt, prompt, tokens):
    """ln of the probability of a continuation, from one forward pass."""
    whole = torch.cat([prompt, torch.tensor([tokens])], dim=1)
    log_probs = gpt(whole[:, :-1]).log_softmax(-1)[0, prompt.shape[1] - 1 :]
    return sum(log_probs[i, token].item() for i, token in enumerate(tokens))


def test_beam_search_over_the_cache_equals_exhaustive_search(kind):
    gpt, prompt = model(vocab_size=5, **kind), tokens_case(batch=1, time=3, vocab=5)
    (found,) = beam_search(gpt.step, prompt, beam_width=5, max_len=2, end_token=None)
    every = {t: log_prob(gpt, prompt, t) for t in itertools.product(range(5), repeat=2)}
    best = sorted(every, key=every.get, reverse=True)[:5]
    assert [h.tokens for h in found] == best
    assert [h.log_prob for h in found] == pytest.approx([every[t] for t in best], abs=1e-10)


def test_beam_search_in_a_batch_finds_with_the_cache_what_it_finds_without():
    gpt, prompts = model(vocab_size=4, n_layers=1), tokens_case(batch=3, time=2, vocab=4)
    found = beam_search(gpt.step, prompts, beam_width=4, max_len=4, end_token=1)
    without_cache = beam_search(
        gpt.sliding_step, prompts, 4, max_len=4, end_token=1, select=lambda state, rows: state[rows]
    )
    for prompt, row, other in zip(prompts, found, without_cache, strict=True):
        assert [h.tokens for h in row] == [h.tokens for h in other]
        for hypothesis in row:
            again = log_prob(gpt, prompt.unsqueeze(0), hypothesis.tokens)
            assert hypothesis.log_prob == pytest.approx(again, abs=1e-10)


@pytest.mark.parametrize("name", ["step", "sliding_step"])
def test_tokens_of_another_number_of_rows_are_refused(name):
    gpt, tokens = model(), tokens_case()
    step = getattr(gpt, name)
    _, state = step(tokens[:, :3], None)
    with pytest.raises(ValueError, match="tokens of 2 rows do not fit a past of 13"):
        step(tokens[:2, 3:4], state)


# ---- beyond max_len ----


def test_the_last_position_can_be_read_and_no_further_one():
    gpt, tokens = model(), tokens_case(time=TIME + 1)
    _, state = gpt.step(tokens[:, :TIME], None)
    words = rf"{TIME + 1} tokens are more than max_len={TIME}; .*sliding_step"
    for call in (
        lambda: gpt(tokens),
        lambda: gpt.step(tokens, None),
        lambda: gpt.step(tokens[:, TIME:], state),
    ):
        with pytest.raises(ValueError, match=words):
            call()


def test_the_window_slides(kind):
    gpt, tokens = model(**kind), tokens_case(time=3 * TIME)
    state = None
    for start, end in itertools.pairwise([0, 4, 5, TIME, TIME + 1, 2 * TIME + 5, 3 * TIME]):
        found, state = gpt.sliding_step(tokens[:, start:end], state)
        window = tokens[:, max(0, end - TIME) : end]
        torch.testing.assert_close(found, gpt(window)[:, -1], atol=1e-12, rtol=0)
        assert torch.equal(state, window)
    found, state = gpt.sliding_step(tokens, None)  # longer than the window, at once
    torch.testing.assert_close(found, gpt(tokens[:, -TIME:])[:, -1], atol=1e-12, rtol=0)
    assert state.shape == (BATCH, TIME)


def digit_of(logits):
    """A choice that any change of the logits changes: the greedy one may well stay the same."""
    return logits.sum(-1).mul(1e4).round().long() % VOCAB


def test_generation_goes_on_beyond_max_len_with_the_sliding_step():
    gpt, prompt = model(), tokens_case(batch=3, time=2)
    sequence = generate(gpt.sliding_step, prompt, 4 * TIME, digit_of)
    assert sequence.shape == (3, 2 + 4 * TIME)
    for t in range(2, sequence.shape[1]):
        window = sequence[:, max(0, t - TIME) : t]
        assert torch.equal(sequence[:, t], digit_of(gpt(window)[:, -1]))
    n = TIME - 2  # as far as the cache goes, both write the same
    assert torch.equal(generate(gpt.step, prompt, n, digit_of), sequence[:, : 2 + n])
    with pytest.raises(ValueError, match=rf"{TIME + 1} tokens .* max_len={TIME}.*sliding_step"):
        generate(gpt.step, prompt, n + 2)


def test_sampling_with_and_without_the_cache_writes_the_same():
    gpt, prompt = model(), tokens_case(batch=2, time=1)
    texts = [
        generate(step, prompt, 8, sampler(temperature=2.0, top_k=9, top_p=0.95, seed=3))
        for step in (gpt.step, gpt.sliding_step)
    ]
    assert torch.equal(*texts)


# ---- causality and attention maps ----


@pytest.mark.parametrize("need_weights", [False, True])
def test_a_token_has_no_gradient_from_the_logits_before_it(kind, need_weights):
    gpt, tokens = model(**kind), tokens_case()
    seen = {}
    gpt.tokens.register_forward_hook(lambda module, args, output: seen.update(x=output))
    for t in (1, 5, TIME - 1):
        hidden, _, _ = gpt.run(tokens, need_weights=need_weights)
        logits = gpt.logits(hidden)
        (before,) = torch.autograd.grad(logits[:, :t].sum(), seen["x"], retain_graph=True)
        assert not before[:, t:].any()
        assert before[:, :t].abs().amax(-1).gt(0).all()
        (own,) = torch.autograd.grad(logits[:, t].square().sum(), seen["x"])
        assert own[:, : t + 1].abs().amax(-1).gt(0).all()  # and it does see all up to itself


def test_changing_a_token_changes_the_logits_from_there_on(kind):
    gpt, tokens = model(**kind), tokens_case()
    changed = tokens.clone()
    changed[:, 6] = (changed[:, 6] + 1) % VOCAB
    logits, other = gpt(tokens), gpt(changed)
    torch.testing.assert_close(other[:, :6], logits[:, :6], atol=1e-12, rtol=0)
    assert (other - logits)[:, 6:].abs().amax(-1).gt(1e-6).all()


def test_attention_maps_come_from_the_path_that_makes_the_logits(kind):
    gpt, tokens = model(**kind), tokens_case()
    hidden, maps, _ = gpt.run(tokens, need_weights=True)
    plain, nothing, _ = gpt.run(tokens)
    torch.testing.assert_close(hidden, plain)
    assert nothing == [None] * 3
    assert [w.shape for w in maps] == [(BATCH, HEADS, TIME, TIME)] * 3
    for weights in maps:
        assert not weights.triu(1).any()
        torch.testing.assert_close(weights.sum(-1), torch.ones(BATCH, HEADS, TIME).double())
    _, _, past = gpt.run(tokens[:, :7])
    _, last, _ = gpt.run(tokens[:, 7:], past, need_weights=True)
    for weights, part in zip(maps, last, strict=True):
        torch.testing.assert_close(part, weights[:, :, 7:])


# ---- the start ----

WIDE = GPTConfig(vocab_size=997, max_len=131, d_model=96, n_heads=4, d_ff=200, n_layers=5)


@pytest.mark.parametrize("scaled", [True, False])
@pytest.mark.parametrize("again", [False, True])
def test_the_weights_start_as_in_openai_s_code(scaled, again):
    torch.manual_seed(0)
    gpt = GPT(dataclasses.replace(WIDE, scaled_init=scaled))
    if again:
        for parameter in gpt.parameters():
            nn.init.constant_(parameter, 7.0)
        gpt.initialize()
    last = 0.02 / math.sqrt(2 * 5) if scaled else 0.02
    expected = {"tokens": 0.02, "positions": 0.01, "W_Q": 0.02, "W_K": 0.02, "W_V": 0.02}
    expected |= {"inner": 0.02, "W_O": last, "outer": last}
    drawn = {kind: [] for kind in expected}
    for name, parameter in gpt.named_parameters():
        kind = name.split(".")[-2]
        if kind == "norm" and name.endswith("weight"):
            assert (parameter == 1).all(), name
        elif name.endswith("bias"):
            assert not parameter.any(), name
        else:
            drawn[kind].append(parameter.flatten())
    for kind, tensors in drawn.items():
        values = torch.cat(tensors)
        assert values.std().item() == pytest.approx(expected[kind], rel=0.02), kind
        assert abs(values.mean().item()) < 5 * expected[kind] / math.sqrt(len(values)), kind
        beyond = (values.abs() > 2 * values.std()).double().mean().item()
        assert beyond == pytest.approx(0.0455, abs=0.01), kind  # a normal distribution
    assert len({t[0].item() for t in drawn["W_Q"] + drawn["W_K"] + drawn["W_V"]}) == 15


def test_the_untrained_loss_is_that_of_a_uniform_guess(kind):
    torch.manual_seed(0)
    gpt = GPT(dataclasses.replace(WIDE, **kind)).eval()
    tokens = tokens_case(time=40, vocab=997)
    loss = F.cross_entropy(gpt(tokens)[:, :-1].flatten(0, 1), tokens[:, 1:].flatten())
    assert loss.item() == pytest.approx(math.log(997), abs=0.1)


# ---- parameters ----

COUNTS = {
    "GPT-1": (GPT1, 116_534_784),
    "gpt2": (GPT2_SIZES["gpt2"], 124_439_808),
    "gpt2-medium": (GPT2_SIZES["gpt2-medium"], 354_823_168),
    "gpt2-large": (GPT2_SIZES["gpt2-large"], 774_030_080),
    "gpt2-xl": (GPT2_SIZES["gpt2-xl"], 1_557_611_200),
}


def counted(config):
    with torch.device("meta"):
        gpt = GPT(config)
    return sum(p.numel() for p in gpt.parameters())


@pytest.mark.parametrize("name", COUNTS)
def test_the_published_models_have_the_known_numbers_of_parameters(name):
    config, known = COUNTS[name]
    assert n_parameters(config) == counted(config) == known


@settings(max_examples=25)
@given(
    n_heads=st.integers(1, 5),
    d_k=st.integers(1, 4),
    sizes=st.tuples(*[st.integers(1, 30)] * 3),
    n_layers=st.integers(1, 3),
    final_norm=st.booleans(),
    norm=st.sampled_from(["pre", "post"]),
)
def test_the_formula_counts_any_configuration(n_heads, d_k, sizes, n_layers, final_norm, norm):
    vocab_size, max_len, d_ff = sizes
    config = GPTConfig(
        vocab_size=vocab_size,
        max_len=max_len,
        d_ff=d_ff,
        d_model=n_heads * d_k,
        n_heads=n_heads,
        n_layers=n_layers,
        final_norm=final_norm,
        norm=norm,
    )
    assert n_parameters(config) == counted(config)


def test_every_parameter_gets_a_gradient_and_dropout_is_for_training(kind):
    gpt, tokens = model(dropout=0.3, **kind), tokens_case()
    still = gpt(tokens)
    assert torch.equal(gpt(tokens), still)
    gpt.train()
    logits = gpt(tokens)
    assert not torch.allclose(logits, still)
    logits.square().mean().backward()
    for name, parameter in gpt.named_parameters():
        assert parameter.grad is not None, name
        if not name.endswith("W_K.bias"):  # the softmax does not see a constant on all scores
            assert parameter.grad.abs().sum() > 1e-8, name


@pytest.mark.parametrize(
    "part",
    [
        lambda gpt: gpt.dropout,
        lambda gpt: gpt.stack.layers[0].attention,
        lambda gpt: gpt.stack.layers[1].attention_norm,
        lambda gpt: gpt.stack.layers[2].feed_forward_norm,
    ],
)
def test_every_part_drops_in_training_and_only_then(part):
    gpt, tokens = model(dropout=0.5), tokens_case()
    still = gpt(tokens)
    part(gpt).train()
    assert not torch.allclose(gpt(tokens), still)
    part(gpt).eval()
    torch.testing.assert_close(gpt(tokens), still)


def test_models_can_be_pickled_and_saved_without_a_second_matrix():
    gpt, tokens = model(), tokens_case()
    torch.testing.assert_close(pickle.loads(pickle.dumps(gpt))(tokens), gpt(tokens))
    other = GPT(gpt.config).double().eval()
    other.load_state_dict(gpt.state_dict())
    torch.testing.assert_close(other(tokens), gpt(tokens))
    assert sum(VOCAB in t.shape for t in gpt.state_dict().values()) == 1


# ---- configurations ----


def test_the_sizes_of_gpt_2_and_what_differs_in_gpt_1():
    assert gpt2_config() == GPT2_SIZES["gpt2"] == GPTConfig(vocab_size=50_257)
    shapes = {k: (c.n_layers, c.d_model, c.n_heads, c.d_ff) for k, c in GPT2_SIZES.items()}
    assert shapes == {  # Radford et al. 2019, table 2; heads of 64 as in the first GPT
        "gpt2": (12, 768, 12, 3072),
        "gpt2-medium": (24, 1024, 16, 4096),
        "gpt2-large": (36, 1280, 20, 5120),
        "gpt2-xl": (48, 1600, 25, 6400),
    }
    for config in GPT2_SIZES.values():
        assert (config.max_len, config.dropout, config.eps) == (1024, 0.1, 1e-5)
        assert (config.norm, config.activation, config.final_norm) == ("pre", "gelu_tanh", True)
    changes = {"vocab_size": 40_478, "max_len": 512}
    assert dataclasses.replace(gpt2_config(), **changes, **KINDS["GPT-1"]) == GPT1
    small = gpt2_config("gpt2-medium", vocab_size=7, dropout=0.0)
    assert (small.vocab_size, small.dropout, small.n_layers) == (7, 0.0, 24)


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"vocab_size": 0}, ValueError, "vocab_size must be at least 1, got 0"),
        ({"vocab_size": 5.0}, TypeError, "vocab_size must be an int"),
        ({"vocab_size": True}, TypeError, "vocab_size must be an int"),
        ({"max_len": 0}, ValueError, "max_len must be at least 1, got 0"),
        ({"max_len": None}, TypeError, "max_len must be an int"),
        ({"d_model": 37, "n_heads": 6}, ValueError, "37.*6"),
        ({"n_heads": 0}, ValueError, "n_heads"),
        ({"d_ff": 0}, ValueError, "d_ff"),
        ({"n_layers": 1.5}, TypeError, "n_layers"),
        ({"dropout": 1.0}, ValueError, "dropout"),
        ({"dropout": None}, TypeError, "dropout"),
        ({"eps": 0.0}, ValueError, "eps"),
        ({"norm": "both"}, ValueError, "norm must be one of post, pre; got 'both'"),
        ({"activation": "gelu_new"}, ValueError, "activation .*'gelu_new'"),
        ({"final_norm": 1}, TypeError, "final_norm must be True or False, got 1"),
        ({"scaled_init": "yes"}, TypeError, "scaled_init must be True or False, got 'yes'"),
    ],
)
def test_bad_configurations_are_refused(changes, error, words):
    with pytest.raises(error, match=words):
        dataclasses.replace(CONFIG, **changes)
    with pytest.raises(error, match=words):
        gpt2_config("gpt2", **changes)


@pytest.mark.parametrize("size", ["gpt3", "GPT2", None, ["gpt2"]])
def test_unknown_sizes_are_refused(size):
    with pytest.raises(ValueError, match="size must be one of gpt2, gpt2-medium, gpt2-large, gpt2"):
        gpt2_config(size)


def test_configurations_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        CONFIG.d_model = 8


# ---- bad tokens ----


@pytest.mark.parametrize(
    ("tokens", "error", "words"),
    [
        (torch.zeros(2, 0, dtype=torch.long), ValueError, r"none of them 0; got \[2, 0\]"),
        (torch.zeros(0, 2, dtype=torch.long), ValueError, r"none of them 0; got \[0, 2\]"),
        (torch.zeros(3, dtype=torch.long), ValueError, r"\[batch, time\].*got \[3\]"),
        (torch.zeros(1, 2, 3, dtype=torch.long), ValueError, r"got \[1, 2, 3\]"),
        (torch.tensor([[0, VOCAB]]), ValueError, r"\[0, vocab_size=19\), got 0 \.\. 19"),
        (torch.tensor([[3, -1]]), ValueError, r"vocab_size=19\), got -1 \.\. 3"),
        (torch.zeros(2, 3), TypeError, r"int64 or int32, got torch\.float32"),
        (torch.zeros(2, 3, dtype=torch.bool), TypeError, r"got torch\.bool"),
        ([[1, 2]], TypeError, "got list"),
        (None, TypeError, "got NoneType"),
    ],
)
def test_bad_tokens_are_refused(tokens, error, words):
    gpt = model()
    _, state = gpt.step(torch.ones(2, 1, dtype=torch.long), None)
    window = torch.ones(2, 1, dtype=torch.long)
    for call in (
        lambda: gpt(tokens),
        lambda: gpt.step(tokens, None),
        lambda: gpt.step(tokens, state),
        lambda: gpt.sliding_step(tokens, None),
        lambda: gpt.sliding_step(tokens, window),
    ):
        with pytest.raises(error, match=words):
            call()


def test_int32_tokens_are_fine():
    gpt, tokens = model(), tokens_case()
    torch.testing.assert_close(gpt(tokens.int()), gpt(tokens))


@pytest.mark.parametrize("name", ["step", "sliding_step"])
def test_what_cannot_be_generated_is_refused(name):
    gpt, prompt = model(), tokens_case(time=2)
    step = getattr(gpt, name)
    with pytest.raises(ValueError, match=r"top_k must be in \[1, vocab=19\], got 20"):
        generate(step, prompt, 1, sampler(top_k=20))
    with pytest.raises(ValueError, match=r"prompt must be \[batch, time\].*got \[13, 0\]"):
        generate(step, prompt[:, :0], 1)
    with pytest.raises(TypeError, match=r"prompt must be .*float32"):
        generate(step, prompt.float(), 1)
    with pytest.raises(ValueError, match="vocab_size=19"):
        generate(step, prompt + 19, 1)
