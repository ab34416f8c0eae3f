"""Encoder, decoders and their whole against torch.nn, against each other, and bad input."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from nlp_helpers.decoding import beam_search, generate, greedy
from nlp_helpers.models.attention import AdditiveAttention, DotAttention, GeneralAttention
from nlp_helpers.models.gru import GRU
from nlp_helpers.models.lstm import LSTM
from nlp_helpers.models.rnn import RNN
from nlp_helpers.models.seq2seq import Decoder, Encoder, Seq2Seq
from nlp_helpers.models.seq2seq_attention import BahdanauDecoder, LuongDecoder
from nlp_helpers.models.sru import SRU

BATCH, SOURCE, TARGET, LETTERS, PHONEMES, WIDTH, HIDDEN = 13, 7, 5, 11, 9, 37, 12
CELLS = {"rnn": RNN, "lstm": LSTM, "gru": GRU, "sru": SRU}
KINDS = ("plain", "luong", "bahdanau")


def build(kind="luong", cell="lstm", n_layers=1, dropout=0.0, seed=0):
    torch.manual_seed(seed)
    network = CELLS[cell]
    encoder = Encoder(
        LETTERS, network(WIDTH, HIDDEN // 2, n_layers, bidirectional=True), dropout=dropout
    )
    if kind == "plain":
        decoder = Decoder(PHONEMES, network(WIDTH, HIDDEN, n_layers), dropout)
    elif kind == "luong":
        attention = GeneralAttention(HIDDEN, HIDDEN)
        decoder = LuongDecoder(PHONEMES, network(WIDTH, HIDDEN, n_layers), attention, dropout)
    else:
        attention = AdditiveAttention(HIDDEN, HIDDEN, 8)
        recurrent = network(WIDTH + HIDDEN, HIDDEN, n_layers)
        decoder = BahdanauDecoder(PHONEMES, recurrent, attention, dropout)
    return Seq2Seq(encoder, decoder).double()


def random_batch(seed=0):
    generator = torch.Generator().manual_seed(seed)
    source = torch.randint(1, LETTERS, (BATCH, SOURCE), generator=generator)
    lengths = torch.randint(1, SOURCE + 1, (BATCH,), generator=generator)
    lengths[0] = SOURCE
    mask = torch.arange(SOURCE) < lengths[:, None]
    target = torch.randint(0, PHONEMES, (BATCH, TARGET), generator=generator)
    return source.masked_fill(~mask, 0), target, mask


def test_plain_model_equals_torch_nn():
    """Encoder and decoder from torch.nn's LSTM, packed; outputs and gradients."""
    model = build("plain", n_layers=2)
    source, target, mask = random_batch()
    theirs_in = nn.LSTM(WIDTH, HIDDEN // 2, 2, batch_first=True, bidirectional=True).double()
    theirs_out = nn.LSTM(WIDTH, HIDDEN, 2, batch_first=True).double()
    model.encoder.recurrent = LSTM.from_torch(theirs_in)
    model.decoder.recurrent = LSTM.from_torch(theirs_out)
    logits, weights = model(source, target, mask)
    assert weights is None

    packed = nn.utils.rnn.pack_padded_sequence(
        model.encoder.embedding(source), mask.sum(1), batch_first=True, enforce_sorted=False
    )
    _, (hidden, cell) = theirs_in(packed)

    def join(state):  # forward and backward of each layer, side by side
        return torch.stack([torch.cat([state[0], state[1]], 1), torch.cat([state[2], state[3]], 1)])

    outputs, _ = theirs_out(model.decoder.embedding(target), (join(hidden), join(cell)))
    expected = model.decoder.output(outputs)
    torch.testing.assert_close(logits, expected)
    parameters = [model.encoder.embedding.weight, model.decoder.embedding.weight]
    mine = torch.autograd.grad(logits.square().sum(), parameters)
    for a, b in zip(mine, torch.autograd.grad(expected.square().sum(), parameters), strict=True):
        torch.testing.assert_close(a, b)


def test_luong_equals_a_plain_reimplementation():
    model = build("luong")
    source, target, mask = random_batch()
    logits, weights = model(source, target, mask)
    decoder = model.decoder
    memory, last = model.encoder(source, mask)
    hidden, _ = decoder.recurrent(decoder.embedding(target), last)
    for b in (0, 4, BATCH - 1):
        real = memory[b, : int(mask[b].sum())]
        scores = hidden[b] @ (decoder.attention.W.weight @ real.T)
        alpha = scores.softmax(-1)
        torch.testing.assert_close(weights[b, :, : len(real)], alpha)
        assert (weights[b, :, len(real) :] == 0).all()
        joined = torch.cat([alpha @ real, hidden[b]], dim=1)
        plain = F.linear(joined, decoder.combine.weight, decoder.combine.bias).tanh()
        torch.testing.assert_close(logits[b], decoder.output(plain))


def test_bahdanau_equals_a_plain_reimplementation():
    model = build("bahdanau")
    source, target, mask = random_batch()
    logits, weights = model(source, target, mask)
    decoder, attention = model.decoder, model.decoder.attention
    memory, (hidden, cell) = model.encoder(source, mask)
    for b in (0, 4, BATCH - 1):
        real, h, c = memory[b, : int(mask[b].sum())], hidden[0, b : b + 1], cell[0, b : b + 1]
        for t in range(TARGET):
            both = F.linear(h, attention.W.weight) + F.linear(real, attention.U.weight)
            alpha = (both.tanh() @ attention.v.weight[0]).softmax(0)
            torch.testing.assert_close(weights[b, t, : len(real)], alpha)
            x = torch.cat([decoder.embedding.weight[target[b, t]], alpha @ real])[None]
            h, c = decoder.recurrent.cells[0](x, (h, c))
            plain = decoder.output(torch.cat([h, x], dim=1))
            torch.testing.assert_close(logits[b, t], plain[0])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cell", CELLS)
def test_step_by_step_equals_all_at_once(kind, cell):
    model = build(kind, cell, n_layers=2)
    source, target, mask = random_batch()
    logits, weights = model(source, target, mask)
    state = model.start(source, mask)
    for t in range(TARGET):
        step_logits, look, state = model.decoder(target[:, t : t + 1], state)
        torch.testing.assert_close(step_logits[:, 0], logits[:, t])
        if weights is not None:
            torch.testing.assert_close(look[:, 0], weights[:, t])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cell", CELLS)
def test_padding_changes_nothing(kind, cell):
    """Each word alone, without padding, gives what it gives in the padded batch."""
    model = build(kind, cell)
    source, target, mask = random_batch()
    logits, weights = model(source, target, mask)
    for b in range(BATCH):
        n = int(mask[b].sum())
        alone, look = model(source[b : b + 1, :n], target[b : b + 1])
        torch.testing.assert_close(alone[0], logits[b])
        if weights is not None:
            torch.testing.assert_close(look[0], weights[b, :, :n])
            torch.testing.assert_close(weights[b].sum(-1), torch.ones(TARGET).double())


@pytest.mark.parametrize("kind", KINDS)
def test_no_prediction_sees_its_own_target(kind):
    model = build(kind)
    source, target, mask = random_batch()
    changed = target.clone()
    changed[:, 3] = (changed[:, 3] + 1) % PHONEMES
    before, after = model(source, target, mask)[0], model(source, changed, mask)[0]
    torch.testing.assert_close(before[:, :3], after[:, :3])
    assert not torch.allclose(before[:, 3], after[:, 3])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cell", CELLS)
def test_beam_search_of_width_one_is_greedy_and_rows_are_selected(kind, cell):
    model = build(kind, cell, n_layers=2, seed=3).eval()
    source, _, mask = random_batch()
    start = torch.zeros(BATCH, 1, dtype=torch.long)
    written = generate(model.step, start, 6, greedy, model.start(source, mask), stop_token=2)[:, 1:]
    found = beam_search(model.step, start, 1, 6, 2, state=model.start(source, mask))
    for row, (best,) in zip(written.tolist(), found, strict=True):
        assert list(best.tokens) == row[: len(best.tokens)]
        assert all(token == 2 for token in row[len(best.tokens) :])
    wide = beam_search(model.step, start, 4, 6, 2, state=model.start(source, mask))
    for b in (1, 6):
        n = int(mask[b].sum())
        alone = model.start(source[b : b + 1, :n])
        (one,) = beam_search(model.step, start[:1], 4, 6, 2, state=alone)
        assert [h.tokens for h in one] == [h.tokens for h in wide[b]]
        for mine, theirs in zip(one, wide[b], strict=True):
            assert mine.log_prob == pytest.approx(theirs.log_prob)


@pytest.mark.parametrize("kind", KINDS)
def test_dropout_acts_in_training_only(kind):
    model = build(kind, dropout=0.5)
    source, target, mask = random_batch()
    assert not torch.equal(model(source, target, mask)[0], model(source, target, mask)[0])
    model.eval()
    assert torch.equal(model(source, target, mask)[0], model(source, target, mask)[0])


@pytest.mark.parametrize("kind", KINDS)
def test_everything_that_reaches_the_output_is_dropped_out_once(kind):
    """As many zeros as the rate says, and what is left is scaled up once."""
    model, seen = build(kind, dropout=0.4), []
    model.decoder.output.register_forward_hook(lambda layer, given, result: seen.append(given[0]))
    source, target, mask = random_batch()
    with torch.no_grad():
        model.decoder.embedding.weight.fill_(1)
        for _ in range(30):
            model(source, target, mask)
    given = torch.cat(seen)  # [30 * batch, target, hidden (and token and context)]
    token = given[..., HIDDEN : HIDDEN + WIDTH] if kind == "bahdanau" else None
    assert given[..., :HIDDEN].eq(0).double().mean().item() == pytest.approx(0.4, abs=0.02)
    if token is not None:
        assert token.eq(0).double().mean().item() == pytest.approx(0.4, abs=0.02)
        torch.testing.assert_close(token.max(), torch.tensor(1 / 0.6).double())
        context, looked = given[..., HIDDEN + WIDTH :], []
        model.decoder.attention.register_forward_hook(
            lambda layer, _, result: looked.append(result[0])
        )
        model(source, target, mask)
        torch.testing.assert_close(seen[-1][..., HIDDEN + WIDTH :], torch.cat(looked, dim=1))
        assert context.eq(0).double().mean() < 0.4  # a mean of states that were dropped out


def test_every_parameter_learns():
    for kind in KINDS:
        model = build(kind, n_layers=2)
        logits, _ = model(*(random_batch()[i] for i in (0, 1, 2)))
        logits.square().sum().backward()
        assert all(p.grad.abs().sum() > 0 for p in model.parameters())


def test_parts_that_do_not_fit():
    encoder = Encoder(LETTERS, LSTM(4, 6))
    with pytest.raises(ValueError, match=r"\('LSTMCell', 1, 6\), the decoder's .*, 8\)"):
        Seq2Seq(encoder, Decoder(PHONEMES, LSTM(4, 8)))
    with pytest.raises(ValueError, match="layers"):
        Seq2Seq(encoder, Decoder(PHONEMES, LSTM(4, 6, n_layers=2)))
    with pytest.raises(ValueError, match=r"'LSTMCell', .*'GRUCell', "):
        Seq2Seq(encoder, Decoder(PHONEMES, GRU(4, 6)))
    with pytest.raises(ValueError, match=r"'SRUCell', .*'GRUCell', "):  # c is no hidden state
        Seq2Seq(Encoder(LETTERS, SRU(4, 6)), Decoder(PHONEMES, GRU(4, 6)))
    with pytest.raises(ValueError, match="key_size=5 must be the width of the memory, 6"):
        Seq2Seq(encoder, LuongDecoder(PHONEMES, LSTM(4, 6), GeneralAttention(6, 5)))
    with pytest.raises(ValueError, match="query_size=5, hidden_size=6"):
        LuongDecoder(PHONEMES, LSTM(4, 6), DotAttention(5, 5))
    with pytest.raises(ValueError, match="embedding \\+ key_size"):
        BahdanauDecoder(PHONEMES, LSTM(6, 6), DotAttention(6, 6))
    with pytest.raises(ValueError, match="right to left"):
        Decoder(PHONEMES, LSTM(4, 6, bidirectional=True))
    with pytest.raises(TypeError, match="an Encoder and a Decoder, got Decoder and Encoder"):
        Seq2Seq(Decoder(PHONEMES, LSTM(4, 6)), encoder)
    with pytest.raises(TypeError, match="network of ours, got LSTM"):
        Encoder(LETTERS, nn.LSTM(4, 6))
    with pytest.raises(TypeError, match="attention must be one of ours"):
        LuongDecoder(PHONEMES, LSTM(4, 6), None)
    with pytest.raises(ValueError, match="dropout"):
        Encoder(LETTERS, LSTM(4, 6), dropout=1.0)
    with pytest.raises(ValueError, match="vocab_size"):
        Decoder(0, LSTM(4, 6))


def test_bad_batches():
    model = build()
    source, target, mask = random_batch()
    with pytest.raises(ValueError, match="none of them 0"):
        model(source[:, :0], target, mask[:, :0])
    empty = mask.clone()
    empty[3] = False
    with pytest.raises(ValueError, match="3"):
        model(source, target, empty)
    with pytest.raises(ValueError, match="13 sources, but 12 targets"):
        model(source, target[1:], mask)
    with pytest.raises(ValueError, match=r"\[0, vocab_size=11\)"):
        model(source + LETTERS, target, mask)
    with pytest.raises(ValueError, match="none of them 0"):
        model(source, target[:, :0], mask)
    with pytest.raises(TypeError, match="mask"):
        model(source, target, mask.long())
    with pytest.raises(ValueError, match="mask"):
        model(source, target, mask[:, 1:])
    with pytest.raises(TypeError, match="tokens must be a tensor of int64"):
        model(source.double(), target, mask)
