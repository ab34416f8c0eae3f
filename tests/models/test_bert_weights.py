"""BERT against transformers: outputs, losses, gradients; what `from_huggingface` keeps, refuses."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertForMultipleChoice,
    BertForPreTraining,
    BertForQuestionAnswering,
    BertForSequenceClassification,
    BertForTokenClassification,
    BertModel,
    GPT2Config,
    GPT2Model,
    RobertaConfig,
    RobertaForSequenceClassification,
    RobertaModel,
)

from nlp_helpers.bert_losses import PreTrainingLoss, SequenceLoss, SpanLoss, TagLoss
from nlp_helpers.data.bert_inputs import BERTInputs, PreTrainingBatch
from nlp_helpers.data.labelled_inputs import LabelledBatch
from nlp_helpers.models.bert import (
    BERT,
    BERTForPreTraining,
    BERTForQuestionAnswering,
    BERTForSequenceClassification,
    BERTForTokenClassification,
)
from nlp_helpers.models.bert_config import BERT_SIZES
from nlp_helpers.models.bert_weights import bert_from_tensors, config_from_huggingface

BATCH, TIME, VOCAB, WIDTH, HEADS, LAYERS, MAX_LEN = 13, 7, 97, 36, 6, 2, 23
LENGTHS = (7, 1, 3, 5, 2, 7, 4, 6, 1, 7, 2, 3, 5)  # real tokens of each row
PAD = 0  # their embedding gives this token's vector no gradient
IGNORED = -100  # as a label: this place does not count
SIZES = {
    "vocab_size": VOCAB,
    "max_position_embeddings": MAX_LEN,
    "type_vocab_size": 2,
    "hidden_size": WIDTH,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "intermediate_size": 50,
}
CASES = {
    "bert": {},
    "tanh": {"hidden_act": "gelu_new"},
    "another name of tanh": {"hidden_act": "gelu_pytorch_tanh"},
    "relu": {"hidden_act": "relu"},
    "eps": {"layer_norm_eps": 1e-3},
    "one head, odd width": {"hidden_size": 37, "num_attention_heads": 1},
    "width of a head 1": {"num_attention_heads": WIDTH},
    "narrow inside, one layer": {"intermediate_size": 5, "num_hidden_layers": 1},
    "no position to spare": {"max_position_embeddings": TIME},
    "three segments": {"type_vocab_size": 3},
    "no token that is PAD": {"pad_token_id": None},
}
INPUTS = {  # which of the two optional inputs are given
    "tokens alone": (),
    "segments": ("segments",),
    "mask": ("mask",),
    "both": ("segments", "mask"),
}
PAIRS = {  # theirs -> ours
    BertModel: BERT,
    BertForPreTraining: BERTForPreTraining,
    BertForSequenceClassification: BERTForSequenceClassification,
    BertForQuestionAnswering: BERTForQuestionAnswering,
    BertForTokenClassification: BERTForTokenClassification,
}
HEADED = [cls for cls in PAIRS if cls is not BertModel]


def their_model(cls=BertModel, dropout=0.1, pooler=None, **changes):
    """A model with every weight at random: biases of 0 and gains of 1 would hide much."""
    torch.manual_seed(1)
    dropouts = dict.fromkeys(("hidden_dropout_prob", "attention_probs_dropout_prob"), dropout)
    config = BertConfig(**{**SIZES, **dropouts, **changes})
    model = cls(config) if pooler is None else cls(config, add_pooling_layer=pooler)
    for parameter in model.parameters():
        nn.init.normal_(parameter, mean=0.1, std=0.3)
    return model.double().eval()


def inputs_case(given=("segments", "mask"), n_segments=2):
    """Rows of several lengths; PAD stands at padded places, and at real ones, too."""
    generator = torch.Generator().manual_seed(7)
    tokens = torch.randint(0, VOCAB, (BATCH, TIME), generator=generator)
    segments = torch.randint(0, n_segments, (BATCH, TIME), generator=generator)
    tokens[::4, 0] = PAD
    mask = torch.arange(TIME) < torch.tensor(LENGTHS)[:, None]
    if "mask" in given:
        tokens = tokens.masked_fill(~mask, PAD)
    ours = {"segments": segments, "mask": mask}
    names = {"segments": "token_type_ids", "mask": "attention_mask"}
    theirs = {"input_ids": tokens} | {names[k]: ours[k].long() for k in given}
    real = mask if "mask" in given else torch.ones_like(mask)
    return {"tokens": tokens} | {k: ours[k] for k in given}, theirs, real


def outputs(model, inputs):
    """What either model gives, as a list of tensors in one order."""
    found = model(**inputs)
    if isinstance(found, torch.Tensor):
        return [found]
    if isinstance(found, tuple):
        return list(found)
    names = ("last_hidden_state", "pooler_output", "prediction_logits", "seq_relationship_logits")
    names += ("start_logits", "end_logits", "logits")
    return [found[name] for name in names if name in found]


def real_part(output, real):
    """An output at the real places, where it has places."""
    return output[real] if output.shape[:2] == real.shape else output


PARTS = {  # theirs -> ours, inside a layer
    "attention.self.query": "attention.W_Q",
    "attention.self.key": "attention.W_K",
    "attention.self.value": "attention.W_V",
    "attention.output.dense": "attention.W_O",
    "attention.output.LayerNorm": "attention_norm.norm",
    "intermediate.dense": "feed_forward.inner",
    "output.dense": "feed_forward.outer",
    "output.LayerNorm": "feed_forward_norm.norm",
}
OUTSIDE = {
    "embeddings.word_embeddings": "tokens",
    "embeddings.position_embeddings": "positions",
    "embeddings.token_type_embeddings": "segments",
    "embeddings.LayerNorm": "norm",
    "pooler.dense": "pooler",
}
TOP = {
    "cls.predictions": "mlm",
    "cls.predictions.transform.dense": "mlm.linear",
    "cls.predictions.transform.LayerNorm": "mlm.norm",
    "cls.seq_relationship": "nsp",
    "classifier": "output",
    "qa_outputs": "output",
}


def our_name(name):
    """The name of ours that belongs to a parameter of theirs."""
    path, _, last = name.rpartition(".")
    if path in TOP:
        return f"{TOP[path]}.{last}"
    prefix = "bert." if path.startswith("bert.") else ""
    path = path.removeprefix("bert.")
    if path in OUTSIDE:
        return f"{prefix}{OUTSIDE[path]}.{last}"
    _, _, i, part = path.split(".", 3)
    return f"{prefix}stack.layers.{i}.{PARTS[part]}.{last}"


def check_gradients(ours, theirs):
    """All of them; and none of ours may be left over."""
    mine = dict(ours.named_parameters())
    names = {name: our_name(name) for name, _ in theirs.named_parameters()}
    assert {*names.values()} == {*mine}
    for name, parameter in theirs.named_parameters():
        expected, found = parameter.grad, mine[names[name]].grad
        assert expected is not None, name
        torch.testing.assert_close(found, expected, rtol=1e-8, atol=1e-8, msg=name)


def check_same_function(theirs, given=("segments", "mask"), n_segments=2):
    ours = PAIRS[type(theirs)].from_huggingface(theirs)
    our_inputs, their_inputs, real = inputs_case(given, n_segments)
    mine, reference = outputs(ours, our_inputs), outputs(theirs, their_inputs)
    assert len(mine) == len(reference) > 0
    mine = [real_part(output, real) for output in mine]
    reference = [real_part(output, real) for output in reference]
    generator = torch.Generator().manual_seed(5)
    for found, expected in zip(mine, reference, strict=True):
        assert found.dtype == torch.float64
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)
    towards = [torch.randn(m.shape, generator=generator).double() for m in mine]
    for several in (mine, reference):
        sum((m * t).sum() for m, t in zip(several, towards, strict=True)).backward()
    check_gradients(ours, theirs)


# ---- the same function ----


@pytest.mark.parametrize("given", INPUTS.values(), ids=INPUTS)
@pytest.mark.parametrize("changes", CASES.values(), ids=CASES)
def test_hidden_pooled_and_all_gradients_equal_theirs(changes, given):
    check_same_function(their_model(**changes), given, changes.get("type_vocab_size", 2))


@pytest.mark.parametrize("given", INPUTS.values(), ids=INPUTS)
@pytest.mark.parametrize("cls", HEADED)
def test_every_head_and_all_gradients_equal_theirs(cls, given):
    check_same_function(their_model(cls), given)


@pytest.mark.parametrize(
    "changes",
    [
        {"hidden_act": "relu"},
        {"hidden_act": "gelu_new"},
        {"layer_norm_eps": 1e-3},
        {"hidden_size": 37, "num_attention_heads": 1},
        {"pad_token_id": None},
    ],
    ids=str,
)
@pytest.mark.parametrize("cls", HEADED)
def test_every_head_follows_the_configuration(cls, changes):
    check_same_function(their_model(cls, **changes))


@pytest.mark.parametrize("cls", [BertForSequenceClassification, BertForTokenClassification])
@pytest.mark.parametrize("n_labels", [1, 2, 5])
def test_any_number_of_labels(cls, n_labels):
    theirs = their_model(cls, num_labels=n_labels)
    check_same_function(theirs)
    assert PAIRS[cls].from_huggingface(theirs).output.out_features == n_labels


@pytest.mark.parametrize("given", INPUTS.values(), ids=INPUTS)
def test_without_a_pooler(given):
    theirs = their_model(pooler=False)
    ours = BERT.from_huggingface(theirs)
    our_inputs, their_inputs, real = inputs_case(given)
    hidden, pooled = ours(**our_inputs)
    assert pooled is None
    assert ours.pooler is None
    assert ours.config.pooler is False
    reference = theirs(**their_inputs).last_hidden_state
    torch.testing.assert_close(hidden[real], reference[real], rtol=1e-10, atol=1e-10)
    hidden[real].square().sum().backward()
    reference[real].square().sum().backward()
    check_gradients(ours, theirs)


@pytest.mark.parametrize("cls", PAIRS)
def test_in_float32_to_1e_5(cls):
    theirs = their_model(cls).float()
    ours = PAIRS[cls].from_huggingface(theirs)
    our_inputs, their_inputs, real = inputs_case()
    for found, expected in zip(
        outputs(ours, our_inputs), outputs(theirs, their_inputs), strict=True
    ):
        assert found.dtype == torch.float32
        found, expected = real_part(found, real), real_part(expected, real)
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("cls", PAIRS)
def test_their_eager_attention_is_the_same_function(cls):
    theirs = their_model(cls)
    theirs.set_attn_implementation("eager")
    check_same_function(theirs)


def test_the_attention_maps_are_theirs():
    theirs = their_model()
    theirs.set_attn_implementation("eager")
    our_inputs, their_inputs, real = inputs_case()
    reference = theirs(**their_inputs, output_attentions=True).attentions
    _, maps = BERT.from_huggingface(theirs).run(**our_inputs, need_weights=True)
    assert len(maps) == LAYERS
    for mine, expected in zip(maps, reference, strict=True):
        assert mine.shape == (BATCH, HEADS, TIME, TIME)
        mine, expected = mine.transpose(1, 2)[real], expected.transpose(1, 2)[real]
        torch.testing.assert_close(mine, expected, rtol=1e-10, atol=1e-10)


# ---- dropout ----


@pytest.mark.parametrize("cls", PAIRS)
def test_in_training_without_dropout_both_are_still_the_same(cls):
    theirs = their_model(cls, dropout=0).train()  # an integer is fine
    check_same_function(theirs)
    assert PAIRS[cls].from_huggingface(theirs).training


@pytest.mark.parametrize("classifier_dropout", [None, 0, 0.6])
@pytest.mark.parametrize("cls", PAIRS)
def test_in_training_the_same_random_numbers_drop_the_same_units(cls, classifier_dropout):
    theirs = their_model(cls, dropout=0.2, classifier_dropout=classifier_dropout).train()
    ours = PAIRS[cls].from_huggingface(theirs)
    our_inputs, their_inputs, real = inputs_case()
    torch.manual_seed(3)
    mine = outputs(ours, our_inputs)
    torch.manual_seed(3)
    reference = outputs(theirs, their_inputs)
    for found, expected in zip(mine, reference, strict=True):
        found, expected = real_part(found, real), real_part(expected, real)
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)
    for still, found in zip(outputs(theirs.eval(), their_inputs), mine, strict=True):
        assert not torch.allclose(real_part(still, real), real_part(found, real))


def test_the_dropout_before_the_output_is_the_classifier_s():
    for cls in (BertForSequenceClassification, BertForTokenClassification):
        ours = PAIRS[cls].from_huggingface(their_model(cls, dropout=0.2, classifier_dropout=0.6))
        assert (ours.dropout.p, ours.bert.dropout.p) == (0.6, 0.2)
        ours = PAIRS[cls].from_huggingface(their_model(cls, dropout=0.2))
        assert (ours.dropout.p, ours.bert.dropout.p) == (0.2, 0.2)
    theirs = their_model(BertForQuestionAnswering, dropout=0.2, classifier_dropout=0.6)
    assert BERTForQuestionAnswering.from_huggingface(theirs).dropout.p == 0  # theirs has none


# ---- losses ----


def labels_case(high, where):
    """Labels at about half of the places named, the others ignored."""
    generator = torch.Generator().manual_seed(11)
    labels = torch.randint(0, high, (BATCH, TIME), generator=generator)
    chosen = where & (torch.rand(BATCH, TIME, generator=generator) < 0.5)
    return labels.masked_fill(~chosen, IGNORED)


def check_loss(mine, reference, ours, theirs):
    torch.testing.assert_close(mine, reference, rtol=1e-12, atol=1e-12)
    mine.backward()
    reference.backward()
    check_gradients(ours, theirs)


# Each loss is computed twice, by hand and by ours: the two must be theirs.


@pytest.mark.parametrize("own", [False, True])
def test_the_loss_of_pre_training(own):
    theirs = their_model(BertForPreTraining)
    ours = BERTForPreTraining.from_huggingface(theirs)
    our_inputs, their_inputs, real = inputs_case()
    labels = labels_case(VOCAB, real)
    assert 0 < (labels != IGNORED).sum() < real.sum()
    follows = torch.arange(BATCH) % 2
    reference = theirs(**their_inputs, labels=labels, next_sentence_label=follows).loss
    if own:
        mine = PreTrainingLoss()(ours, PreTrainingBatch(BERTInputs(**our_inputs), labels, follows))
    else:
        mlm_logits, nsp_logits = ours(**our_inputs)
        mine = F.cross_entropy(mlm_logits.flatten(0, 1), labels.flatten(), ignore_index=IGNORED)
        mine = mine + F.cross_entropy(nsp_logits, follows)
    check_loss(mine, reference, ours, theirs)


def test_the_head_of_the_masked_words_takes_chosen_places_alone():
    theirs = their_model(BertForPreTraining)
    ours = BERTForPreTraining.from_huggingface(theirs)
    our_inputs, their_inputs, real = inputs_case()
    hidden, _ = ours.bert(**our_inputs)
    logits = ours.mlm_logits(hidden[real])
    assert logits.shape == (sum(LENGTHS), VOCAB)
    reference = theirs(**their_inputs).prediction_logits
    torch.testing.assert_close(logits, reference[real], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("n_labels", [1, 2, 5])
def test_the_loss_of_sequence_classification(n_labels, own):
    theirs = their_model(BertForSequenceClassification, num_labels=n_labels)
    ours = BERTForSequenceClassification.from_huggingface(theirs)
    our_inputs, their_inputs, _ = inputs_case()
    labels = torch.arange(BATCH) % n_labels
    if n_labels == 1:  # a number: the mean squared error
        labels = torch.linspace(-2, 3, BATCH).double()
    reference = theirs(**their_inputs, labels=labels).loss
    if own:
        mine = SequenceLoss()(ours, LabelledBatch(BERTInputs(**our_inputs), labels))
    elif n_labels == 1:
        mine = F.mse_loss(ours(**our_inputs).squeeze(-1), labels)
    else:
        mine = F.cross_entropy(ours(**our_inputs), labels)
    check_loss(mine, reference, ours, theirs)


@pytest.mark.parametrize("own", [False, True])
def test_the_loss_of_question_answering(own):
    theirs = their_model(BertForQuestionAnswering)
    ours = BERTForQuestionAnswering.from_huggingface(theirs)
    our_inputs, their_inputs, _ = inputs_case()
    ends = torch.tensor(LENGTHS) - 1
    starts = ends // 2
    reference = theirs(**their_inputs, start_positions=starts, end_positions=ends).loss
    if own:
        labels = torch.stack([starts, ends], dim=1)
        mine = SpanLoss()(ours, LabelledBatch(BERTInputs(**our_inputs), labels))
    else:
        start_logits, end_logits = ours(**our_inputs)
        assert start_logits.shape == end_logits.shape == (BATCH, TIME)
        mine = (F.cross_entropy(start_logits, starts) + F.cross_entropy(end_logits, ends)) / 2
    check_loss(mine, reference, ours, theirs)


@pytest.mark.parametrize("own", [False, True])
def test_the_loss_of_token_classification(own):
    theirs = their_model(BertForTokenClassification, num_labels=5)
    ours = BERTForTokenClassification.from_huggingface(theirs)
    our_inputs, their_inputs, real = inputs_case()
    labels = labels_case(5, real)
    reference = theirs(**their_inputs, labels=labels).loss
    if own:
        mine = TagLoss()(ours, LabelledBatch(BERTInputs(**our_inputs), labels))
    else:
        logits = ours(**our_inputs).flatten(0, 1)
        mine = F.cross_entropy(logits, labels.flatten(), ignore_index=IGNORED)
    check_loss(mine, reference, ours, theirs)


# ---- what is kept ----


@pytest.mark.parametrize("cls", PAIRS)
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_dtype_and_mode_are_kept(cls, training, dtype):
    ours = PAIRS[cls].from_huggingface(their_model(cls).to(dtype).train(training))
    assert {p.dtype for p in ours.parameters()} == {dtype}
    assert {module.training for module in ours.modules()} == {training}
    tokens = inputs_case()[0]["tokens"]
    assert {output.dtype for output in outputs(ours, {"tokens": tokens})} == {dtype}


def test_of_two_dtypes_the_finer_is_kept():
    theirs = their_model().float()
    theirs.embeddings.LayerNorm.double()
    ours = BERT.from_huggingface(theirs)
    assert {p.dtype for p in ours.parameters()} == {torch.float64}
    assert torch.equal(ours.tokens.weight, theirs.embeddings.word_embeddings.weight.double())


@pytest.mark.parametrize("cls", PAIRS)
def test_the_random_stream_is_not_moved(cls):
    theirs = their_model(cls)
    before = torch.get_rng_state()
    PAIRS[cls].from_huggingface(theirs)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("cls", PAIRS)
def test_the_weights_are_copies(cls):
    theirs = their_model(cls)
    ours = PAIRS[cls].from_huggingface(theirs)
    _, their_inputs, _ = inputs_case()
    before = [output.clone() for output in outputs(theirs, their_inputs)]
    with torch.no_grad():
        for parameter in ours.parameters():
            parameter.add_(1)
    for expected, found in zip(before, outputs(theirs, their_inputs), strict=True):
        assert torch.equal(found, expected)


@pytest.mark.parametrize("cls", PAIRS)
def test_a_subclass_of_ours_and_one_of_theirs(cls):
    theirs, our_class = their_model(cls), type("Mine", (PAIRS[cls],), {})
    theirs.__class__ = type("Theirs", (cls,), {})
    ours = our_class.from_huggingface(theirs)
    assert type(ours) is our_class
    our_inputs, their_inputs, real = inputs_case()
    mine, reference = outputs(ours, our_inputs)[0], outputs(theirs, their_inputs)[0]
    torch.testing.assert_close(real_part(mine, real), real_part(reference, real))


def test_only_a_given_token_gets_no_gradient_in_the_embedding_as_in_theirs():
    our_inputs, _, _ = inputs_case(())
    for pad, rows in ((0, [0]), (5, [5]), (None, [])):
        ours = BERT.from_huggingface(their_model(pad_token_id=pad))
        ours(**our_inputs)[0].square().sum().backward()
        used = our_inputs["tokens"].unique().tolist()
        still = [t for t in used if not ours.tokens.weight.grad[t].any()]
        assert still == rows


# ---- configurations ----


def test_the_default_configuration_is_the_official_one():
    assert config_from_huggingface(BertConfig().to_dict()) == BERT_SIZES["bert-base"]
    large = BertConfig(
        hidden_size=1024, num_hidden_layers=24, num_attention_heads=16, intermediate_size=4096
    )
    assert config_from_huggingface(large.to_dict()) == BERT_SIZES["bert-large"]


OURS = {
    "model_type": "bert",
    "vocab_size": 5,
    "max_position_embeddings": 6,
    "type_vocab_size": 3,
    "hidden_size": 8,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 9,
    "hidden_act": "relu",
    "hidden_dropout_prob": 0.25,
    "attention_probs_dropout_prob": 0.25,
    "layer_norm_eps": 1e-4,
}


@pytest.mark.parametrize("pooler", [True, False])
def test_every_field_of_the_configuration_is_read(pooler):
    config = config_from_huggingface(OURS, pooler)
    assert (config.vocab_size, config.max_len, config.n_segments) == (5, 6, 3)
    assert (config.d_model, config.n_layers, config.n_heads, config.d_ff) == (8, 2, 4, 9)
    assert (config.activation, config.dropout, config.eps) == ("relu", 0.25, 1e-4)
    assert (config.norm, config.final_norm, config.embedding_norm) == ("post", False, True)
    assert config.pooler is pooler


def test_the_oldest_files_say_little():
    """The authors' own bert_config.json has no model_type, no eps; the rest has its defaults."""
    sizes = ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads")
    config = config_from_huggingface({k: OURS[k] for k in (*sizes, "intermediate_size")})
    assert (config.max_len, config.n_segments, config.eps) == (512, 2, 1e-12)
    assert (config.activation, config.dropout) == ("gelu", 0.1)


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"is_decoder": True}, ValueError, "does not support is_decoder=True"),
        ({"add_cross_attention": True}, ValueError, "does not support add_cross_attention=True"),
        (
            {"position_embedding_type": "relative_key"},
            ValueError,
            "does not support position_embedding_type='relative_key'",
        ),
        (
            {"is_decoder": True, "add_cross_attention": True},
            ValueError,
            "is_decoder=True, add_cross_attention=True",
        ),
        ({"hidden_act": "silu"}, ValueError, "hidden_act must be .*'silu'"),
        ({"hidden_act": "gelu_tanh"}, ValueError, "hidden_act must be .*'gelu_tanh'"),  # ours
        ({"hidden_act": None}, ValueError, "hidden_act must be .*None"),
        ({"hidden_act": ["gelu"]}, ValueError, r"hidden_act must be .*\['gelu'"),
        (
            {"attention_probs_dropout_prob": 0.2},
            ValueError,
            r"hidden_dropout_prob=0\.25, attention_probs_dropout_prob=0\.2",
        ),
        (
            {"attention_probs_dropout_prob": ...},
            ValueError,
            r"hidden_dropout_prob=0\.25, attention_probs_dropout_prob=0\.1",
        ),
        (
            {"hidden_dropout_prob": "0", "attention_probs_dropout_prob": "0"},
            TypeError,
            "dropout must be a number",
        ),
        ({"hidden_dropout_prob": [0.25]}, ValueError, r"hidden_dropout_prob=\[0\.25\]"),
        ({"model_type": "roberta"}, ValueError, "model_type must be one of bert; got 'roberta'"),
        ({"model_type": "distilbert"}, ValueError, "model_type must be .*'distilbert'"),
        ({"model_type": None}, ValueError, "model_type must be .*None"),
        ({"hidden_size": ...}, ValueError, "lacks hidden_size"),
        ({"vocab_size": ..., "num_hidden_layers": ...}, ValueError, "lacks vocab_size, num_hidden"),
        ({"hidden_size": "8"}, TypeError, "hidden_size must be an int, got str"),
        ({"vocab_size": None}, TypeError, "vocab_size must be an int, got NoneType"),
        ({"type_vocab_size": 2.0}, TypeError, "type_vocab_size must be an int, got float"),
        ({"num_hidden_layers": 0}, ValueError, "num_hidden_layers must be at least 1, got 0"),
        ({"max_position_embeddings": 0}, ValueError, "max_position_embeddings must be at least 1"),
        ({"num_attention_heads": 3}, ValueError, "d_model=8 is not divisible by n_heads=3"),
        ({"layer_norm_eps": 0}, ValueError, "eps"),
    ],
)
def test_configurations_that_ours_cannot_have_are_refused_by_name(changes, error, words):
    config = {k: v for k, v in {**OURS, **changes}.items() if v is not ...}
    with pytest.raises(error, match=words):
        config_from_huggingface(config)


@pytest.mark.parametrize("cls", PAIRS)
@pytest.mark.parametrize(
    "changes",
    [
        {"is_decoder": True},
        {"add_cross_attention": True, "is_decoder": True},
        {"hidden_act": "silu"},
        {"attention_probs_dropout_prob": 0.7},
    ],
    ids=str,
)
def test_real_models_with_such_options_are_refused(cls, changes):
    with pytest.raises(ValueError, match=next(iter(changes))):
        PAIRS[cls].from_huggingface(their_model(cls, **changes))


@pytest.mark.parametrize("pad", ["0", 1.0, True, -1, VOCAB])
def test_a_padding_token_that_is_none_is_refused(pad):
    config, tensors = files()
    with pytest.raises((TypeError, ValueError), match=r"pad_token_id must be .*, got"):
        bert_from_tensors(BERT, {**config, "pad_token_id": pad}, tensors)


# ---- other modules and other tensors ----

SMALL = {**SIZES, "num_hidden_layers": 1}
ROBERTA = RobertaConfig(**{**SMALL, "pad_token_id": 0})


@pytest.mark.parametrize("ours", PAIRS.values())
@pytest.mark.parametrize(
    "make",
    [
        lambda: RobertaModel(ROBERTA),
        lambda: RobertaForSequenceClassification(ROBERTA),
        lambda: GPT2Model(GPT2Config(n_embd=4, n_head=1, n_layer=1, vocab_size=5)),
        lambda: BertForMultipleChoice(BertConfig(**SMALL)),
        lambda: BertForMaskedLM(BertConfig(**SMALL)),
        lambda: nn.Linear(3, 3),
        lambda: BertConfig(**SMALL),
        lambda: {"embeddings.word_embeddings.weight": torch.zeros(2, 2)},
        lambda: None,
    ],
)
def test_other_modules_are_refused(ours, make):
    wrong, wanted = make(), next(k.__name__ for k, v in PAIRS.items() if v is ours)
    with pytest.raises(TypeError, match=f"expected a {wanted}, got {type(wrong).__name__}"):
        ours.from_huggingface(wrong)


@pytest.mark.parametrize("cls", PAIRS)
def test_a_class_of_ours_takes_its_own_of_theirs_and_no_other(cls):
    theirs = cls(BertConfig(**SMALL))
    for other, ours in PAIRS.items():
        if other is cls:
            assert type(ours.from_huggingface(theirs)) is ours
            continue
        words = f"expected a {other.__name__}, got {cls.__name__}"
        with pytest.raises(TypeError, match=words):
            ours.from_huggingface(theirs)


def files(cls=BertForPreTraining, **changes):
    """Configuration and tensors, as files hold them."""
    theirs = their_model(cls, **changes)
    return theirs.config.to_dict(), dict(theirs.state_dict())


def with_old_names(tensors):
    old = {".LayerNorm.weight": ".LayerNorm.gamma", ".LayerNorm.bias": ".LayerNorm.beta"}
    found = {}
    for name, tensor in tensors.items():
        for new, former in old.items():
            name = name.replace(new, former)
        found[name] = tensor
    return found


def with_buffers(tensors):
    prefix = "bert." if any(name.startswith("bert.") for name in tensors) else ""
    buffers = {
        f"{prefix}embeddings.position_ids": torch.arange(MAX_LEN)[None],
        f"{prefix}embeddings.token_type_ids": torch.zeros(1, MAX_LEN, dtype=torch.long),
    }
    return {**tensors, **buffers}


def without_prefix(tensors):
    """As a `BertModel` is saved: no head either."""
    given = {k: v for k, v in tensors.items() if k.startswith("bert.")}
    return {k.removeprefix("bert."): v for k, v in given.items()}


def without_head(tensors):
    return {k: v for k, v in tensors.items() if k.startswith("bert.")}


LAYOUTS = {
    "as it is": [],
    "old names": [with_old_names],
    "buffers": [with_buffers],
    "no prefix": [without_prefix],
    "no prefix, old": [without_prefix, with_old_names, with_buffers],
    "no head": [without_head],
    "no head, old": [without_head, with_buffers, with_old_names],
}


@pytest.mark.parametrize("pooler", [True, False])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_of_the_tensors_is_read(layout, pooler):
    config, tensors = files()
    our_inputs, their_inputs, real = inputs_case()
    reference = their_model(BertForPreTraining).bert(**their_inputs)
    if not pooler:
        tensors = {k: v for k, v in tensors.items() if ".pooler." not in k}
    for change in LAYOUTS[layout]:
        tensors = change(tensors)
    ours = bert_from_tensors(BERT, config, tensors)
    assert not ours.training
    hidden, pooled = ours(**our_inputs)
    torch.testing.assert_close(hidden[real], reference.last_hidden_state[real])
    if pooler:
        torch.testing.assert_close(pooled, reference.pooler_output)
    else:
        assert pooled is None


def spoiled(tensors, change):
    """The tensors with some replaced; ... removes one."""
    return {k: v for k, v in {**tensors, **change}.items() if v is not ...}


WORDS, LAYER = "bert.embeddings.word_embeddings.weight", "bert.encoder.layer"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({WORDS: ...}, r"missing: embeddings\.word_embeddings\.weight"),
        (
            {f"{LAYER}.1.output.dense.bias": ...},
            r"BERT of 2 layers: missing: encoder\.layer\.1\.output\.dense\.bias",
        ),
        ({"bert.pooler.dense.bias": ...}, r"missing: pooler\.dense\.bias"),
        (
            {f"{LAYER}.2.output.dense.bias": torch.zeros(WIDTH)},
            r"not known: encoder\.layer\.2\.output\.dense\.bias",
        ),
        (
            {
                f"{LAYER}.0.attention.self.distance_embedding.weight": torch.zeros(3, 6),
                f"{LAYER}.1.attention.self.key.bias": ...,
            },
            r"missing: encoder\.layer\.1\.attention\.self\.key\.bias; "
            r"not known: encoder\.layer\.0\.attention\.self\.distance_embedding\.weight",
        ),
        (
            {WORDS: torch.zeros(VOCAB, WIDTH + 1)},
            r"word_embeddings\.weight must have shape \[97, 36\], got \[97, 37\]",
        ),
        (
            {WORDS: torch.zeros(VOCAB + 7, WIDTH)},
            r"word_embeddings\.weight must have shape \[97, 36\], got \[104, 36\]",
        ),
        (
            {"bert.embeddings.position_embeddings.weight": torch.zeros(24, WIDTH)},
            r"position_embeddings\.weight must have shape \[23, 36\], got \[24, 36\]",
        ),
        (
            {f"{LAYER}.0.intermediate.dense.weight": torch.zeros(WIDTH, 50)},
            r"layer\.0\.intermediate\.dense\.weight must have shape \[50, 36\], got \[36, 50\]",
        ),
        (
            {f"{LAYER}.1.output.LayerNorm.bias": torch.tensor(0.0)},
            r"layer\.1\.output\.LayerNorm\.bias must have shape \[36\], got \[\]",
        ),
        (
            {f"{LAYER}.1.output.LayerNorm.bias": torch.zeros(WIDTH, dtype=torch.int8)},
            r"layer\.1\.output\.LayerNorm\.bias must hold floating-point numbers, got torch\.int8",
        ),
    ],
)
def test_tensors_that_do_not_fit_are_named(change, words):
    config, tensors = files()
    with pytest.raises(ValueError, match=words):
        bert_from_tensors(BERT, config, spoiled(tensors, change))


def test_a_checkpoint_of_another_width_is_refused_by_name_and_shapes():
    config, _ = files()
    _, tensors = files(hidden_size=48)
    words = r"embeddings\.word_embeddings\.weight must have shape \[97, 36\], got \[97, 48\]"
    with pytest.raises(ValueError, match=words):
        bert_from_tensors(BERT, config, tensors)


def test_a_checkpoint_of_another_model_is_refused():
    config, _ = files()
    tensors = nn.Linear(3, 3).state_dict()
    with pytest.raises(ValueError, match=r"missing: embeddings\.LayerNorm\.bias, "):
        bert_from_tensors(BERT, config, tensors)


@pytest.mark.parametrize(
    ("theirs", "tied"),
    [
        ("cls.predictions.decoder.weight", "bert.embeddings.word_embeddings.weight"),
        ("cls.predictions.decoder.bias", "cls.predictions.bias"),
    ],
)
def test_an_output_matrix_of_its_own_is_refused(theirs, tied):
    model = their_model(BertForPreTraining)
    path, _, last = theirs.rpartition(".")
    owner = model.get_submodule(path)
    setattr(owner, last, nn.Parameter(getattr(owner, last).detach().clone()))
    BERTForPreTraining.from_huggingface(model)  # equal: fine
    with torch.no_grad():
        getattr(owner, last).view(-1)[0] += 1
    with pytest.raises(ValueError, match=f"{theirs} differs from {tied}; BERT has one for both"):
        BERTForPreTraining.from_huggingface(model)


def test_a_model_that_was_made_with_two_matrices_is_refused():
    theirs = their_model(BertForPreTraining, tie_word_embeddings=False)
    with pytest.raises(ValueError, match=r"decoder\.weight differs from bert\.embeddings"):
        BERTForPreTraining.from_huggingface(theirs)


@pytest.mark.parametrize(
    ("cls", "path", "module", "words"),
    [
        (
            BertForSequenceClassification,
            "classifier",
            nn.Linear(WIDTH, 3),
            r"classifier\.weight must have shape \[2, 36\], got \[3, 36\]",
        ),
        (
            BertForTokenClassification,
            "classifier",
            nn.Linear(WIDTH + 1, 2),
            r"classifier\.weight must have shape \[2, 36\], got \[2, 37\]",
        ),
        (
            BertForQuestionAnswering,
            "qa_outputs",
            nn.Linear(WIDTH, 3),
            r"qa_outputs\.weight must have shape \[2, 36\], got \[3, 36\]",
        ),
        (
            BertForSequenceClassification,
            "classifier",
            nn.Linear(WIDTH, 2, bias=False),
            r"do not fit a head: missing: classifier\.bias",
        ),
        (
            BertForTokenClassification,
            "classifier",
            nn.Sequential(nn.Linear(WIDTH, 2)),
            r"missing: classifier\.bias, classifier\.weight; not known: classifier\.0\.bias",
        ),
        (
            BertForPreTraining,
            "cls.seq_relationship",
            nn.Linear(WIDTH, 3),
            r"cls\.seq_relationship\.weight must have shape \[2, 36\], got \[3, 36\]",
        ),
    ],
)
def test_a_head_that_was_changed_is_refused(cls, path, module, words):
    theirs = their_model(cls)
    theirs.set_submodule(path, module.double())
    with pytest.raises(ValueError, match=words):
        PAIRS[cls].from_huggingface(theirs)
