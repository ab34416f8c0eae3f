"""Beam search against greedy decoding, exhaustive enumeration and a naive search with lists."""

import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nlp_helpers.decoding import (
    beam_search,
    first_best,
    generate,
    language_model_step,
    next_log_probs,
    select_rows,
    table_step,
)
from nlp_helpers.models.gru import GRU
from nlp_helpers.models.lstm import LSTM
from nlp_helpers.models.recurrent_lm import RecurrentLM
from nlp_helpers.models.rnn import RNN

END = 0
START = torch.zeros(1, 1, dtype=torch.long)


class Prefixes:
    """A state that is all that each row has read since the prompt."""

    def __init__(self, rows):
        self.rows = rows

    def select(self, rows):
        return Prefixes([self.rows[row] for row in rows.tolist()])


def prefix_step(logits_after):
    """A step function from `logits_after(prefix) -> list of logits`."""

    def step(tokens, state):
        if state is None:
            rows = [()] * len(tokens)
        else:
            assert tokens.shape == (len(state.rows), 1)
            rows = [(*row, int(token)) for row, token in zip(state.rows, tokens, strict=True)]
        logits = torch.tensor([logits_after(row) for row in rows], dtype=torch.float64)
        return logits, Prefixes(rows)

    return step


def log_softmax(logits):
    total = math.log(sum(math.exp(value) for value in logits))
    return [value - total for value in logits]


def enumerate_all(logits_after, max_len, end_token=END):
    """Every possible continuation -> (its log-probability, whether it has ended)."""
    found, open_ones = {}, {(): 0.0}
    for _ in range(max_len):
        longer = {}
        for prefix, log_prob in open_ones.items():
            for token, value in enumerate(log_softmax(logits_after(prefix))):
                if value == -math.inf:
                    continue
                if token == end_token:
                    found[(*prefix, token)] = (log_prob + value, True)
                else:
                    longer[(*prefix, token)] = log_prob + value
        open_ones = longer
    return found | {prefix: (log_prob, False) for prefix, log_prob in open_ones.items()}


def naive_beam_search(logits_after, beam_width, max_len, length_penalty):
    """The same search with lists and tuples: [(tokens, log_prob, finished)], best first."""
    beam, ended = [((), 0.0)], []
    for _ in range(max_len):
        candidates = []
        for parent, (prefix, log_prob) in enumerate(beam):
            logits = torch.tensor([logits_after(prefix)], dtype=torch.float64)
            for token, value in enumerate(logits.log_softmax(1)[0].tolist()):
                if value > -math.inf:
                    candidates.append((-(log_prob + value), parent, token, prefix))
        candidates.sort()
        beam, room = [], beam_width - len(ended)
        for negative, _, token, prefix in candidates[:room]:
            (ended if token == END else beam).append(((*prefix, token), -negative))
    found = [(*one, True) for one in ended] + [(*one, False) for one in beam]
    found.sort(key=lambda one: -one[1] / len(one[0]) ** length_penalty)
    return found


@st.composite
def tables(draw):
    """(vocab, logits_after): a few rows of logits with ties and forbidden tokens, by prefix."""
    vocab = draw(st.integers(1, 5))
    value = st.sampled_from([-math.inf, -1.0, 0.0, 0.0, 0.5, 2.0])
    row = st.lists(value, min_size=vocab, max_size=vocab).filter(lambda row: max(row) > -math.inf)
    rows = draw(st.lists(row, min_size=1, max_size=9))
    factor = draw(st.integers(1, 9))

    def logits_after(prefix):
        return rows[sum(factor**i * token for i, token in enumerate(prefix, 1)) % len(rows)]

    return vocab, logits_after


@given(tables(), st.integers(1, 5), st.sampled_from([0.0, 0.5, 1.0]), st.data())
def test_it_agrees_with_a_naive_search_and_with_enumeration(table, max_len, penalty, data):
    vocab, logits_after = table
    width = data.draw(st.integers(1, vocab))
    ours = beam_search(prefix_step(logits_after), START, width, max_len, END, None, penalty)[0]
    naive = naive_beam_search(logits_after, width, max_len, penalty)
    assert [(h.tokens, h.finished) for h in ours] == [(n[0], n[2]) for n in naive]
    every = enumerate_all(logits_after, max_len)
    for hypothesis in ours:
        log_prob, ended = every[hypothesis.tokens]
        assert hypothesis.finished == ended
        assert hypothesis.log_prob == pytest.approx(log_prob, abs=1e-9)
        assert hypothesis.score == hypothesis.log_prob / len(hypothesis.tokens) ** penalty
    best = max(value / len(tokens) ** penalty for tokens, (value, _) in every.items())
    assert ours[0].score <= best + 1e-9
    assert len({h.tokens for h in ours}) == len(ours) <= width


@pytest.mark.parametrize("vocab", [1, 2, 3, 5, 7])
@pytest.mark.parametrize("end_token", [END, None])
def test_a_beam_as_wide_as_the_vocabulary_is_exhaustive_over_two_steps(vocab, end_token):
    generator = torch.Generator().manual_seed(vocab)
    table = torch.randn(vocab + 1, vocab, generator=generator).tolist()

    def logits_after(prefix):
        return table[prefix[-1] + 1 if prefix else 0]

    every = enumerate_all(logits_after, 2, end_token)
    ended = [tokens for tokens in every if len(tokens) == 1]
    longer = sorted((t for t in every if len(t) == 2), key=lambda t: -every[t][0])
    expected = {*ended, *longer[: vocab - len(ended)]}
    found = beam_search(prefix_step(logits_after), START, vocab, 2, end_token)[0]
    assert {h.tokens for h in found} == expected
    assert found[0].tokens == max(every, key=lambda tokens: every[tokens][0])
    for h in found:
        assert h.log_prob == pytest.approx(every[h.tokens][0], abs=1e-12)
        assert h.finished == (end_token is not None and h.tokens[-1] == END)


# ---- real models ----

MODELS = {
    "RNN": lambda: RNN(5, 16),
    "two-layer RNN": lambda: RNN(5, 7, n_layers=2),
    "LSTM": lambda: LSTM(5, 12, n_layers=2),
    "GRU": lambda: GRU(5, 12),
}


def random_model(name, dtype=torch.float64, vocab=11):
    torch.manual_seed(3)
    model = RecurrentLM(vocab, MODELS[name]()).to(dtype).eval()
    with torch.no_grad():
        for weight in model.parameters():  # far from uniform, and restless from step to step, so
            weight *= 4  # that hypotheses end at different times
    return model


PROMPTS = torch.randint(0, 11, (13, 3), generator=torch.Generator().manual_seed(5))


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_width_of_one_is_greedy_decoding(name, dtype):
    step = language_model_step(random_model(name, dtype))
    lengths = set()
    for end in range(11):
        greedy = generate(step, PROMPTS, 20, stop_token=end)[:, 3:].tolist()
        for row, found in zip(greedy, beam_search(step, PROMPTS, 1, 20, end), strict=True):
            (hypothesis,) = found
            length = row.index(end) + 1 if end in row else 20
            assert list(hypothesis.tokens) == row[:length]
            assert hypothesis.finished == (end in row)
            lengths.add(length)
    assert len(lengths) > 4  # else this test would not see rows that end at different times


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("width", [2, 4, 11])
def test_a_batch_gives_what_its_rows_give_one_by_one(name, width):
    step = language_model_step(random_model(name))
    together = beam_search(step, PROMPTS, width, 9, END, length_penalty=0.7)
    for prompt, found in zip(PROMPTS, together, strict=True):
        alone = beam_search(step, prompt.unsqueeze(0), width, 9, END, length_penalty=0.7)[0]
        assert [(h.tokens, h.finished) for h in found] == [(h.tokens, h.finished) for h in alone]
        assert [h.score for h in found] == pytest.approx([h.score for h in alone], abs=1e-12)


@pytest.mark.parametrize("name", MODELS)
def test_the_states_follow_their_hypotheses(name):
    """Reading prompt and hypothesis anew, from no state, gives each its log-probability."""
    model = random_model(name)
    for prompt, found in zip(
        PROMPTS, beam_search(language_model_step(model), PROMPTS, 5, 8, END), strict=True
    ):
        assert len(found) == 5
        for hypothesis in found:
            tokens = torch.tensor(hypothesis.tokens)
            with torch.no_grad():
                logits, _ = model(torch.cat([prompt, tokens[:-1]]).unsqueeze(0))
            log_probs = logits[0, len(prompt) - 1 :].log_softmax(-1)
            log_prob = log_probs[torch.arange(len(tokens)), tokens].sum().item()
            assert hypothesis.log_prob == pytest.approx(log_prob, abs=1e-10)


def test_a_given_state_is_continued():
    model = random_model("LSTM")
    step = language_model_step(model)
    _, state = step(PROMPTS[:, :2], None)
    continued = beam_search(step, PROMPTS[:, 2:], 3, 6, END, state=state)
    whole = beam_search(step, PROMPTS, 3, 6, END)
    assert [[h.tokens for h in row] for row in continued] == [[h.tokens for h in r] for r in whole]


def test_the_step_function_meets_only_open_hypotheses_in_the_order_of_the_beam():
    """Its state is the whole prefix; it raises unless each row reads what was kept for it."""
    generator = torch.Generator().manual_seed(0)
    table = torch.randn(50, 6, generator=generator).mul(2).tolist()
    prompts = [(7, END), (8, END), (9, END)]
    expected, n_calls = prompts, 0

    def remember(candidates):
        nonlocal expected
        expected = [prompts[c.row] + c.tokens for c in candidates if c.kept and not c.finished]

    inner = prefix_step(lambda prefix: table[hash(prefix) % 50])

    def step(tokens, state):
        nonlocal n_calls
        logits, state = inner(tokens, state)
        if state.rows != expected:
            raise AssertionError(f"rows {state.rows} do not belong to {expected}")
        n_calls += 1
        return logits, state

    state = Prefixes([prompt[:1] for prompt in prompts])
    found = beam_search(step, torch.full((3, 1), END), 4, 12, END, state, on_step=remember)
    assert 2 < n_calls <= 12
    assert len({len(h.tokens) for row in found for h in row if h.finished}) > 2


# ---- what is kept, and in which order ----

WORDS = ["<end>", "straw", "man", "hat", "with", *(f"other{i}" for i in range(25))]
SLIDES = {
    (): {"straw": 0.2, "man": 0.1},
    ("straw",): {"hat": 0.3},
    ("man",): {"with": 0.3},
    ("straw", "hat"): {"<end>": 0.1},
    ("man", "with"): {"straw": 0.3},
    ("man", "with", "straw"): {"hat": 0.4},
}


def slides_step():
    """The rest of the probability is shared by all other words."""
    return table_step(SLIDES, WORDS)


def in_words(tokens):
    return " ".join(WORDS[token] for token in tokens)


@pytest.mark.parametrize(
    ("penalty", "first", "second"),
    [
        (0.0, ("straw hat <end>", 0.006), ("man with straw hat", 0.0036)),
        (1.0, ("man with straw hat", 0.245), ("straw hat <end>", 0.182)),
    ],
)
def test_the_straw_hat(penalty, first, second):
    steps = []
    found = beam_search(slides_step(), START, 2, 4, END, None, penalty,
                        on_step=steps.append)[0]  # fmt: skip
    kept = [[(in_words(c.tokens), math.exp(c.log_prob)) for c in s if c.kept] for s in steps]
    assert kept == [
        [("straw", pytest.approx(0.2)), ("man", pytest.approx(0.1))],
        [("straw hat", pytest.approx(0.06)), ("man with", pytest.approx(0.03))],
        [("man with straw", pytest.approx(0.009)), ("straw hat <end>", pytest.approx(0.006))],
        [("man with straw hat", pytest.approx(0.0036))],
    ]
    assert [c.finished for c in steps[2] if c.kept] == [False, True]
    for hypothesis, (words, score) in zip(found, (first, second), strict=True):
        assert in_words(hypothesis.tokens) == words
        assert math.exp(hypothesis.score) == pytest.approx(score, abs=5e-4 if penalty else 1e-12)


def test_candidates_name_their_parents_place_in_the_step_before():
    steps = []
    beam_search(slides_step(), START, 2, 4, END, on_step=steps.append)
    assert [len(step) for step in steps] == [30, 60, 60, 30]
    for before, now in itertools.pairwise(steps):
        for candidate in now:
            parent = before[candidate.parent]
            assert parent.kept
            assert not parent.finished
            assert candidate.tokens[:-1] == parent.tokens
    for step in steps:
        assert [c.log_prob for c in step] == sorted((c.log_prob for c in step), reverse=True)


def test_an_early_end_is_kept_however_much_better_the_others_get():
    def logits_after(prefix):  # ending at once: 0.1; going on: 0.9, and then with certainty
        return [math.log(0.1), math.log(0.9)] if not prefix else [-math.inf, 0.0]

    found = beam_search(prefix_step(logits_after), START, 2, 30, END)[0]
    assert [(h.tokens, h.finished) for h in found] == [((1,) * 30, False), ((0,), True)]
    assert [math.exp(h.log_prob) for h in found] == pytest.approx([0.9, 0.1])


def test_the_beam_narrows_with_each_end():
    def logits_after(prefix):  # 0.5 to end, after every prefix
        return [math.log(2), 0.0, 0.0]

    sizes, found = [], []
    step = prefix_step(logits_after)

    def counting(tokens, state):
        sizes.append(len(tokens))
        return step(tokens, state)

    found = beam_search(counting, START, 3, 9, END)[0]
    # <end> is the best of each step; when it does not fit, a hypothesis has ended three times
    assert sizes == [1, 2]
    assert [h.tokens for h in found] == [(0,), (1, 0), (2, 0)]


def test_equal_logits_are_ordered_by_parent_then_token():
    def logits_after(prefix):
        return [0.0] * 4

    steps = []
    found = beam_search(prefix_step(logits_after), START, 3, 3, None, on_step=steps.append)[0]
    assert [h.tokens for h in found] == [(0, 0, 0), (0, 0, 1), (0, 0, 2)]
    assert [c.tokens for c in steps[1]] == [(i, j) for i in range(3) for j in range(4)]
    found = beam_search(prefix_step(logits_after), START, 3, 3, 1)[0]
    assert [h.tokens for h in found] == [(1,), (0, 1), (0, 0, 0)]


@given(
    st.lists(st.sampled_from([-math.inf, 0.0, 1.0, 2.0, 3.0]), min_size=12, max_size=12),
    st.integers(1, 6),
)
def test_first_best_is_a_stable_sort(values, k):
    scores = torch.tensor(values).view(2, 6)
    expected = [sorted(range(6), key=lambda i: (-row[i], i))[:k] for row in scores.tolist()]
    assert first_best(scores, k).tolist() == expected


def test_forbidden_tokens_leave_fewer_hypotheses_and_the_beam_widens_again():
    def logits_after(prefix):
        return [-math.inf, 0.0, -math.inf, -math.inf] if not prefix else [-math.inf, 2, 1, 0.0]

    one_step = beam_search(prefix_step(logits_after), START, 3, 1, END)[0]
    assert [(h.tokens, h.log_prob, h.finished) for h in one_step] == [((1,), 0.0, False)]
    two_steps = beam_search(prefix_step(logits_after), START, 3, 2, END)[0]
    assert [h.tokens for h in two_steps] == [(1, 1), (1, 2), (1, 3)]


def test_the_search_ends_when_all_have_ended():
    calls = []

    def step(tokens, state):
        calls.append(tokens.tolist())
        return torch.tensor([[9.0, -math.inf]]).expand(len(tokens), 2), state

    found = beam_search(step, torch.tensor([[1], [1]]), 2, 50, END)
    assert calls == [[[1], [1]]]
    assert [[h.tokens for h in row] for row in found] == [[(0,)], [(0,)]]


def test_the_tokens_fed_back_are_of_the_prompts_dtype():
    dtypes = set()

    def step(tokens, state):
        dtypes.add(tokens.dtype)
        return torch.zeros(len(tokens), 3), None

    beam_search(step, torch.zeros(2, 1, dtype=torch.int32), 2, 3, END)
    assert dtypes == {torch.int32}


def test_no_gradient_is_kept():
    modes = []

    def step(tokens, state):
        modes.append(torch.is_grad_enabled())
        return torch.zeros(len(tokens), 3), state

    beam_search(step, START, 2, 2, END)
    assert modes == [False, False]


def test_close_logits_stay_apart_after_a_long_prefix():
    """In float32, the sum over a long hypothesis would swallow the difference of two logits."""
    step_logits = torch.tensor([0.0, 1.0, 1.0 + 2**-22])

    def step(tokens, state):
        return step_logits.expand(len(tokens), 3), state

    assert beam_search(step, START, 1, 200, END)[0][0].tokens == (2,) * 200


# ---- states and bad input ----


def test_select_rows_of_every_kind_of_state():
    rows = torch.tensor([2, 0, 0])
    hidden, cell = torch.randn(2, 3, 4), torch.randn(2, 3, 5)
    assert select_rows(None, rows) is None
    torch.testing.assert_close(select_rows(hidden, rows), hidden[:, [2, 0, 0]])
    for state in ((hidden, cell), [hidden, cell]):
        first, second = select_rows(state, rows)
        torch.testing.assert_close(first, hidden[:, [2, 0, 0]])
        torch.testing.assert_close(second, cell[:, [2, 0, 0]])
    assert select_rows((Prefixes("abc"), None), rows)[0].rows == ["c", "a", "a"]


def test_states_that_cannot_be_reordered():
    with pytest.raises(TypeError, match="dict"):
        select_rows({"hidden": torch.zeros(1, 1, 1)}, torch.tensor([0]))
    with pytest.raises(ValueError, match=r"\[3, 4\]"):
        select_rows(torch.zeros(3, 4), torch.tensor([0]))


def test_a_select_of_ones_own():
    def step(tokens, state):  # the state is a Python list of what each row has read
        read = [a + b for a, b in zip(state, tokens.tolist(), strict=True)]
        return torch.tensor([[0.0, 1.0, float(sum(row))] for row in read]), read

    found = beam_search(step, torch.tensor([[1]]), 2, 3, END, state=[[]],
                        select=lambda state, rows: [state[i] for i in rows.tolist()])  # fmt: skip
    assert found[0][0].tokens == (2, 2, 2)


def zeros_step(tokens, state):
    return torch.zeros(len(tokens), 5), state


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"beam_width": 0}, ValueError, "beam_width.*at least 1, got 0"),
        ({"beam_width": -1}, ValueError, "beam_width.*-1"),
        ({"beam_width": 6}, ValueError, r"beam_width.*\[1, vocab=5\], got 6"),
        ({"beam_width": 2.0}, TypeError, "beam_width.*float: 2.0"),
        ({"beam_width": True}, TypeError, "beam_width.*bool"),
        ({"max_len": 0}, ValueError, "max_len.*got 0"),
        ({"max_len": 3.0}, TypeError, "max_len.*float"),
        ({"end_token": 5}, ValueError, r"end_token.*\[0, vocab=5\), got 5"),
        ({"end_token": -1}, ValueError, "end_token.*-1"),
        ({"end_token": "."}, TypeError, "end_token.*str"),
        ({"length_penalty": -0.5}, ValueError, "length_penalty.*-0.5"),
        ({"length_penalty": math.nan}, ValueError, "length_penalty.*nan"),
        ({"length_penalty": "1"}, TypeError, "length_penalty.*str"),
        ({"prompt": torch.zeros(3, dtype=torch.long)}, ValueError, r"prompt.*\[3\]"),
        ({"prompt": torch.zeros(1, 0, dtype=torch.long)}, ValueError, r"prompt.*\[1, 0\]"),
        ({"prompt": torch.zeros(0, 1, dtype=torch.long)}, ValueError, r"prompt.*\[0, 1\]"),
        ({"prompt": torch.zeros(1, 1)}, TypeError, "prompt.*float32"),
        ({"prompt": [[1]]}, TypeError, "prompt.*list"),
    ],
)
def test_bad_arguments(changes, error, words):
    arguments = {"prompt": START, "beam_width": 2, "max_len": 3, "end_token": END} | changes
    with pytest.raises(error, match=words):
        beam_search(zeros_step, **arguments)


@pytest.mark.parametrize(
    ("logits", "error", "words"),
    [
        (torch.tensor([[0.0, math.nan]]), ValueError, "row 0 is nan"),
        (torch.tensor([[0.0, math.inf]]), ValueError, "row 0 is inf"),
        (torch.full((1, 2), -math.inf), ValueError, "row 0 is -inf"),
        (torch.zeros(1, 1, 2), ValueError, r"\[rows=1, vocab\], got \[1, 1, 2\]"),
        (torch.zeros(2, 2), ValueError, r"rows=1.*\[2, 2\]"),
        (torch.zeros(1, 0), ValueError, r"\[1, 0\]"),
        (torch.zeros(1, 2, dtype=torch.long), TypeError, "int64"),
        ([[0.0, 1.0]], TypeError, "list"),
    ],
)
def test_bad_logits(logits, error, words):
    with pytest.raises(error, match=words):
        beam_search(lambda tokens, state: (logits, state), START, 1, 3, 0)
    with pytest.raises(error, match=words):
        next_log_probs(logits, 1, 1, 0)


# ---- a model written as a table ----


def test_a_table_gives_its_words_their_share_and_the_others_the_rest():
    step = table_step({(): {"a": 0.5, "b": 0.3}, ("a",): {"d": 1.0}}, "abcd")
    logits, state = step(torch.tensor([[3, 1], [0, 0]]), None)
    expected = torch.tensor([[0.5, 0.3, 0.1, 0.1]], dtype=torch.float64).expand(2, 4)
    torch.testing.assert_close(logits.exp(), expected)
    state = state.select(torch.tensor([1, 0, 0]))
    logits, state = step(torch.tensor([[1], [0], [0]]), state)
    assert state.rows == (("b",), ("a",), ("a",))
    torch.testing.assert_close(logits.exp()[0], torch.full((4,), 0.25, dtype=torch.float64))
    assert logits.exp()[1:].tolist() == [[0, 0, 0, 1]] * 2


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({(): {"e": 0.5}}, r"after 'the prompt'.*not in the vocabulary: \['e'\]"),
        ({("a", "e"): {"a": 0.5}}, r"after 'a e'.*\['e'\]"),
        ({("b",): {"a": 1.5}}, "after 'b'.*probability of 'a'.*1.5"),
        ({(): {"a": 0.6, "b": 0.6}}, "add up to 1.2"),
        ({(): {"a": 0.1, "b": 0.1, "c": 0.1, "d": 0.1}}, "add up to 0.4, with 0 words left"),
    ],
)
def test_bad_tables(table, words):
    with pytest.raises(ValueError, match=words):
        table_step(table, "abcd")
