"""Writing pronunciations with a model, in any batch; scoring them with all references."""

import pytest
import torch

from nlp_helpers.data.cmudict import LETTERS, PHONEMES, Cmudict, encode_phonemes, encode_word
from nlp_helpers.data.pairs import collate
from nlp_helpers.g2p import (
    END,
    START,
    error_rates,
    max_phonemes,
    phonemes_of,
    pronounce,
    pronounce_by_beam,
)
from nlp_helpers.pretrained import build_seq2seq, load_checkpoint
from nlp_helpers.training import TeacherForcingLoss, TrainConfig, train

CONFIG = {
    "cell": "gru",
    "decoder": "luong",
    "source_vocab_size": len(LETTERS),
    "vocab_size": len(PHONEMES),
    "embedding_size": 16,
    "hidden_size": 32,
    "n_layers": 1,
    "dropout": 0.0,
}
WORDS = {
    "cat": (("K", "AE", "T"),),
    "tack": (("T", "AE", "K"),),
    "act": (("AE", "K", "T"),),
    "at": (("AE", "T"),),
    "antidote": (("AE", "N", "T", "IH", "D", "OW", "T"), ("AE", "N", "T", "AY", "D", "OW", "T")),
}


@pytest.fixture(scope="module")
def learned():
    """A small model that has learned five words by heart."""
    torch.manual_seed(0)
    model = build_seq2seq(CONFIG)
    pairs = [(encode_word(w), encode_phonemes(p[0])) for w, p in WORDS.items()]
    batch = collate(pairs, START, END)
    config = TrainConfig(n_steps=150, learning_rate=1e-2)
    history = train(model, [batch], TeacherForcingLoss(), config)
    assert history.losses[-1] < 0.02
    return model


def test_what_was_learned_is_written_whatever_the_batch(learned):
    words = list(WORDS)
    expected = [WORDS[word][0] for word in words]
    for batch_size in (1, 2, 256):
        assert pronounce(learned, words, batch_size) == expected
        for width in (1, 3):
            found = pronounce_by_beam(learned, words, width, batch_size=batch_size)
            assert [phonemes_of(best[0].tokens) for best in found] == expected
            assert all(len(hypotheses) == width for hypotheses in found)
            assert all(best[0].finished for best in found)


def test_error_rates_count_every_reference():
    dictionary = Cmudict(WORDS)
    words = ["cat", "antidote"]
    second = WORDS["antidote"][1]
    assert error_rates(dictionary, words, [WORDS["cat"][0], second]) == (0, 0)
    per, wer = error_rates(dictionary, words, [("K", "T"), second])
    assert (per, wer) == (1 / 10, 1 / 2)
    with pytest.raises(ValueError, match="'dog'"):
        error_rates(dictionary, ["dog"], [("D",)])
    with pytest.raises(ValueError):
        error_rates(dictionary, words, [("K",)])


def test_phonemes_of_stops_at_the_end_and_leaves_the_specials_out():
    k, t = encode_phonemes(["K", "T"])
    assert phonemes_of([k, t, END, k]) == ("K", "T")
    assert phonemes_of([k, 0, START, t]) == ("K", "T")
    assert phonemes_of([END]) == ()
    assert phonemes_of([]) == ()


def test_writing_is_bounded(learned):
    """A model that never ends is stopped."""
    untrained = build_seq2seq(CONFIG)
    with torch.no_grad():
        untrained.decoder.output.bias[END] = -1e9
    (written,) = pronounce(untrained, ["cat"])
    assert len(written) <= 2 * 3 + 5


def test_the_limit_is_each_words_own_whatever_the_batch():
    """A model that never ends is stopped at the same place, alone or beside longer words."""
    torch.manual_seed(0)
    endless = build_seq2seq(CONFIG).eval()
    with torch.no_grad():
        endless.decoder.output.bias[END] = -1e9
        endless.decoder.output.bias[[0, START]] = -1e9
    words = ["antidote", "at", "cat", "a"]
    for word, written in zip(words, pronounce(endless, words), strict=True):
        assert len(written) == max_phonemes(word)
        assert pronounce(endless, [word]) == [written]
    for width in (1, 3):
        together = pronounce_by_beam(endless, words, width)
        for word, found in zip(words, together, strict=True):
            assert {len(hypothesis.tokens) for hypothesis in found} == {max_phonemes(word)}
            (alone,) = pronounce_by_beam(endless, [word], width)
            assert [one.tokens for one in alone] == [one.tokens for one in found]


def test_some_hypotheses_end_and_some_do_not_whatever_the_batch():
    torch.manual_seed(2)
    model = build_seq2seq(CONFIG).eval()
    words = ["antidote", "at", "cat", "a", "tack", "tacit"]
    for penalty in (0.0, 1.0):
        together = pronounce_by_beam(model, words, 5, penalty)
        assert {one.finished for found in together for one in found} == {True, False}
        for word, found in zip(words, together, strict=True):
            (alone,) = pronounce_by_beam(model, [word], 5, penalty)
            assert [(h.tokens, h.finished) for h in alone] == [
                (h.tokens, h.finished) for h in found
            ]


def test_bad_words(learned):
    for words in ([], "cat"):
        with pytest.raises(ValueError, match="at least one word"):
            pronounce(learned, words)
    with pytest.raises(ValueError, match="naïve"):
        pronounce(learned, ["cat", "naïve"])
    with pytest.raises(ValueError, match="batch_size"):
        pronounce(learned, ["cat"], batch_size=0)
    for width in (0, len(PHONEMES) + 1):
        with pytest.raises(ValueError, match="beam_width"):
            pronounce_by_beam(learned, ["cat"], width)


def test_the_loss_is_the_mean_over_real_tokens():
    torch.manual_seed(1)
    model = build_seq2seq(CONFIG)
    pairs = [(encode_word(w), encode_phonemes(p[0])) for w, p in WORDS.items()]
    together = TeacherForcingLoss()(model, collate(pairs, START, END))
    total, count = 0.0, 0
    for pair in pairs:
        batch = collate([pair], START, END)
        logits = model(batch.source, batch.target_in)[0][0].log_softmax(-1)
        total -= sum(logits[t, y].item() for t, y in enumerate(batch.target_out[0]))
        count += batch.target_out.shape[1]
    assert together.item() == pytest.approx(total / count, rel=1e-5)
    for wrong in (1.0, -0.1):
        with pytest.raises(ValueError, match="label_smoothing"):
            TeacherForcingLoss(wrong)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.35])
def test_label_smoothing_mixes_the_target_with_all_tokens(smoothing):
    """(1 - eps) * -log p(target) + eps * the mean of -log p over the vocabulary, by hand."""
    torch.manual_seed(1)
    model = build_seq2seq(CONFIG)
    pairs = [(encode_word(w), encode_phonemes(p[0])) for w, p in WORDS.items()]
    batch = collate(pairs, START, END)
    log_p = model(batch.source, batch.target_in, batch.source_mask)[0].log_softmax(-1)
    total, count = 0.0, 0
    for row, (_, phonemes) in enumerate(pairs):
        for t, token in enumerate([*phonemes, END]):
            target, everything = -log_p[row, t, token], -log_p[row, t].mean()
            total += ((1 - smoothing) * target + smoothing * everything).item()
            count += 1
    loss = TeacherForcingLoss(smoothing)(model, batch)
    assert loss.item() == pytest.approx(total / count, rel=1e-5)


def test_the_shipped_transformer_reads_long_words():
    model = load_checkpoint("g2p-transformer").model
    words = ["cat", "ab" * 30]
    assert pronounce(model, words)[0] == ("K", "AE", "T")
    assert len(pronounce_by_beam(model, words, 2)) == 2
