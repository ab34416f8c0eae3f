"""GPT against transformers: logits, loss, gradients; what `from_huggingface` keeps and refuses."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from transformers import (
    BertConfig,
    BertModel,
    GPT2Config,
    GPT2DoubleHeadsModel,
    GPT2ForSequenceClassification,
    GPT2LMHeadModel,
    GPT2Model,
    OpenAIGPTConfig,
    OpenAIGPTLMHeadModel,
    OpenAIGPTModel,
)

from nlp_helpers.models.gpt import GPT
from nlp_helpers.models.gpt_config import GPT1, GPT2_SIZES
from nlp_helpers.models.gpt_weights import config_from_huggingface, gpt_from_tensors

BATCH, TIME, VOCAB, WIDTH, HEADS, LAYERS = 13, 7, 97, 36, 6, 3
SIZES = {
    "vocab_size": VOCAB,
    "n_positions": 23,
    "n_embd": WIDTH,
    "n_layer": LAYERS,
    "n_head": HEADS,
    "bos_token_id": 0,
    "eos_token_id": 0,
}
CASES = {
    "gpt2": ("gpt2", {}),
    "gpt2, erf": ("gpt2", {"activation_function": "gelu"}),
    "gpt2, another name of tanh": ("gpt2", {"activation_function": "gelu_pytorch_tanh"}),
    "gpt2, relu, wide": ("gpt2", {"activation_function": "relu", "n_inner": 50}),
    "gpt2, narrow inside": ("gpt2", {"n_inner": 5, "n_layer": 1}),
    "gpt2, eps": ("gpt2", {"layer_norm_epsilon": 1e-3}),
    "gpt2, one head, odd width": ("gpt2", {"n_embd": 37, "n_head": 1}),
    "gpt2, width of a head 1": ("gpt2", {"n_head": WIDTH}),
    "gpt2, no position to spare": ("gpt2", {"n_positions": TIME}),
    "gpt1": ("openai-gpt", {}),
    "gpt1, relu": ("openai-gpt", {"afn": "relu"}),
    "gpt1, eps": ("openai-gpt", {"layer_norm_epsilon": 1e-3}),
    "gpt1, one head, odd width": ("openai-gpt", {"n_embd": 37, "n_head": 1}),
    "gpt1, no position to spare": ("openai-gpt", {"n_positions": TIME}),
}
CLASSES = {
    "gpt2": (GPT2Config, GPT2LMHeadModel),
    "openai-gpt": (OpenAIGPTConfig, OpenAIGPTLMHeadModel),
}


def their_model(kind="gpt2", dropout=0.1, **changes):
    """A model with every weight at random: biases of 0 and gains of 1 would hide much."""
    torch.manual_seed(1)
    config_class, model_class = CLASSES[kind]
    dropouts = dict.fromkeys(("resid_pdrop", "embd_pdrop", "attn_pdrop"), dropout)
    model = model_class(config_class(**{**SIZES, **dropouts, **changes}))
    for parameter in model.parameters():
        nn.init.normal_(parameter, mean=0.1, std=0.3)
    return model.double().eval()


def tokens_case(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, VOCAB, (BATCH, TIME), generator=generator)


@pytest.fixture(params=CASES)
def theirs(request):
    kind, changes = CASES[request.param]
    return their_model(kind, **changes)


PARTS = {  # theirs -> ours, inside a layer
    "ln_1": "attention_norm.norm",
    "ln_2": "feed_forward_norm.norm",
    "attn.c_proj": "attention.W_O",
    "mlp.c_fc": "feed_forward.inner",
    "mlp.c_proj": "feed_forward.outer",
}
OUTSIDE = {
    "wte": "tokens",
    "tokens_embed": "tokens",
    "wpe": "positions",
    "positions_embed": "positions",
    "ln_f": "stack.norm",
}


def our_tensor(name, ours):
    """What belongs to a parameter of theirs, from a dictionary by the names of ours."""
    path, _, last = name.removeprefix("transformer.").rpartition(".")
    if path in OUTSIDE:
        return ours[f"{OUTSIDE[path]}.{last}"]
    _, i, part = path.split(".", 2)
    if part == "attn.c_attn":
        found = torch.cat([ours[f"stack.layers.{i}.attention.W_{x}.{last}"] for x in "QKV"])
    else:
        found = ours[f"stack.layers.{i}.{PARTS[part]}.{last}"]
    return found.T if found.dim() == 2 else found


# ---- the same function ----


def test_logits_and_all_gradients_equal_theirs(theirs):
    ours = GPT.from_huggingface(theirs)
    tokens = tokens_case()
    mine, reference = ours(tokens), theirs(tokens).logits
    assert mine.shape == (BATCH, TIME, VOCAB)
    assert mine.dtype == torch.float64
    torch.testing.assert_close(mine, reference, rtol=1e-10, atol=1e-10)
    towards = torch.randn(mine.shape, generator=torch.Generator().manual_seed(5)).double()
    (mine * towards).sum().backward()
    (reference * towards).sum().backward()
    gradients = {name: p.grad for name, p in ours.named_parameters()}
    names = [name for name, _ in theirs.named_parameters()]
    for name in names:
        expected, found = theirs.get_parameter(name).grad, our_tensor(name, gradients)
        torch.testing.assert_close(found, expected, rtol=1e-8, atol=1e-8, msg=name)
    n = sum(p.numel() for p in theirs.parameters())
    assert sum(p.numel() for p in ours.parameters()) == n  # so none of ours was left out


def test_logits_and_loss_in_float32_to_1e_5(theirs):
    theirs = theirs.float()
    ours = GPT.from_huggingface(theirs)
    tokens = tokens_case()
    reference = theirs(tokens, labels=tokens)
    logits = ours(tokens)
    assert logits.dtype == torch.float32
    torch.testing.assert_close(logits, reference.logits, atol=1e-5, rtol=1e-5)
    loss = F.cross_entropy(logits[:, :-1].flatten(0, 1), tokens[:, 1:].flatten())
    torch.testing.assert_close(loss, reference.loss, atol=1e-5, rtol=0)


def test_in_training_without_dropout_both_are_still_the_same(theirs):
    for module in theirs.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    for name in ("resid_pdrop", "embd_pdrop", "attn_pdrop"):
        setattr(theirs.config, name, 0)  # an integer is fine
    ours = GPT.from_huggingface(theirs.train())
    assert ours.training
    tokens = tokens_case()
    torch.testing.assert_close(ours(tokens), theirs(tokens).logits, rtol=1e-10, atol=1e-10)


def test_their_eager_attention_and_their_upcast_one_are_the_same_function():
    theirs = their_model(reorder_and_upcast_attn=True).float()  # the only dtype it takes
    theirs.set_attn_implementation("eager")
    tokens = tokens_case()
    ours = GPT.from_huggingface(theirs)
    torch.testing.assert_close(ours(tokens), theirs(tokens).logits, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", CLASSES)
def test_the_attention_maps_are_theirs(kind):
    theirs = their_model(kind)
    theirs.set_attn_implementation("eager")
    tokens = tokens_case()
    reference = theirs(tokens, output_attentions=True).attentions
    ours = GPT.from_huggingface(theirs)
    _, maps, _ = ours.run(tokens, need_weights=True)
    assert len(maps) == LAYERS
    for mine, expected in zip(maps, reference, strict=True):
        assert mine.shape == (BATCH, HEADS, TIME, TIME)
        torch.testing.assert_close(mine, expected)


# ---- what is kept ----


@pytest.mark.parametrize("kind", CLASSES)
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_dtype_and_mode_are_kept(kind, training, dtype):
    ours = GPT.from_huggingface(their_model(kind).to(dtype).train(training))
    assert {p.dtype for p in ours.parameters()} == {dtype}
    assert {module.training for module in ours.modules()} == {training}


def test_of_two_dtypes_the_finer_is_kept():
    theirs = their_model().float()
    theirs.transformer.ln_f.double()
    ours = GPT.from_huggingface(theirs)
    assert {p.dtype for p in ours.parameters()} == {torch.float64}
    assert torch.equal(ours.tokens.weight, theirs.transformer.wte.weight.double())


@pytest.mark.parametrize("kind", CLASSES)
def test_the_random_stream_is_not_moved(kind):
    theirs = their_model(kind)
    before = torch.get_rng_state()
    GPT.from_huggingface(theirs)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("kind", CLASSES)
def test_the_weights_are_copies_and_the_output_matrix_is_the_embedding(kind):
    theirs = their_model(kind)
    ours, tokens = GPT.from_huggingface(theirs), tokens_case()
    before = theirs(tokens).logits
    hidden = ours.run(tokens)[0]
    torch.testing.assert_close(ours(tokens), hidden @ ours.tokens.weight.T)
    with torch.no_grad():
        for parameter in ours.parameters():
            parameter.add_(1)
    torch.testing.assert_close(theirs(tokens).logits, before, rtol=0, atol=0)
    assert not [name for name in ours.state_dict() if "head" in name or "output" in name]


def test_a_subclass_of_ours_and_one_of_theirs():
    class Mine(GPT):
        pass

    class Theirs(GPT2LMHeadModel):
        pass

    theirs = their_model()
    theirs.__class__ = Theirs
    ours = Mine.from_huggingface(theirs)
    assert type(ours) is Mine
    torch.testing.assert_close(ours(tokens_case()), theirs(tokens_case()).logits)


@pytest.mark.parametrize(("kind", "bare"), [("gpt2", GPT2Model), ("openai-gpt", OpenAIGPTModel)])
def test_a_model_without_head_has_the_same_weights(kind, bare):
    whole = their_model(kind)
    assert type(whole.transformer) is bare
    ours = GPT.from_huggingface(whole.transformer)
    torch.testing.assert_close(ours(tokens_case()), whole(tokens_case()).logits)


# ---- configurations ----


def test_the_default_configurations_are_the_official_ones():
    assert config_from_huggingface(GPT2Config().to_dict()) == GPT2_SIZES["gpt2"]
    assert config_from_huggingface(OpenAIGPTConfig().to_dict()) == GPT1
    medium = GPT2Config(n_embd=1024, n_layer=24, n_head=16)
    assert config_from_huggingface(medium.to_dict()) == GPT2_SIZES["gpt2-medium"]


def test_every_field_of_the_configuration_is_read():
    config = config_from_huggingface(
        {
            "model_type": "gpt2",
            "vocab_size": 5,
            "n_positions": 6,
            "n_embd": 8,
            "n_layer": 2,
            "n_head": 4,
            "n_inner": 9,
            "activation_function": "relu",
            "resid_pdrop": 0.25,
            "embd_pdrop": 0.25,
            "attn_pdrop": 0.25,
            "layer_norm_epsilon": 1e-4,
        }
    )
    assert (config.vocab_size, config.max_len, config.d_model) == (5, 6, 8)
    assert (config.n_layers, config.n_heads, config.d_ff) == (2, 4, 9)
    assert (config.activation, config.dropout, config.eps) == ("relu", 0.25, 1e-4)
    assert (config.norm, config.final_norm, config.scaled_init) == ("pre", True, True)


OURS = {"vocab_size": 5, "n_positions": 6, "n_embd": 8, "n_layer": 2, "n_head": 4}


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"scale_attn_weights": False}, ValueError, "does not support scale_attn_weights=False"),
        (
            {"scale_attn_by_inverse_layer_idx": True},
            ValueError,
            "does not support scale_attn_by_inverse_layer_idx=True",
        ),
        ({"add_cross_attention": True}, ValueError, "does not support add_cross_attention=True"),
        ({"tie_word_embeddings": False}, ValueError, "does not support tie_word_embeddings=False"),
        ({"activation_function": "silu"}, ValueError, "activation_function must be .*'silu'"),
        ({"activation_function": None}, ValueError, "activation_function must be .*None"),
        ({"activation_function": ["gelu"]}, ValueError, r"activation_function must be .*\['gelu'"),
        (
            {"resid_pdrop": 0.1, "attn_pdrop": 0.2},
            ValueError,
            r"resid_pdrop=0\.1, embd_pdrop=0\.1, attn_pdrop=0\.2",
        ),
        ({"resid_pdrop": 0.3}, ValueError, r"resid_pdrop=0\.3, embd_pdrop=0\.1"),
        (
            {"resid_pdrop": "0", "embd_pdrop": "0", "attn_pdrop": "0"},
            TypeError,
            "dropout must be a number",
        ),
        ({"model_type": "bert"}, ValueError, "model_type must be one of gpt2, openai-gpt; .*bert"),
        ({"model_type": ["gpt2"]}, ValueError, r"model_type must be .*\['gpt2'\]"),
        ({"model_type": "openai-gpt", "afn": "silu"}, ValueError, "afn must be .*'silu'"),
        ({"n_embd": ...}, ValueError, "lacks n_embd"),
        ({"n_head": ..., "n_layer": ...}, ValueError, "lacks n_layer, n_head"),
        ({"n_embd": "8"}, TypeError, "n_embd must be an int, got str"),
        ({"n_embd": None}, TypeError, "n_embd must be an int, got NoneType"),
        ({"n_layer": 0}, ValueError, "n_layer must be at least 1, got 0"),
        ({"n_inner": 0}, ValueError, "d_ff must be at least 1, got 0"),
        ({"n_head": 3}, ValueError, "d_model=8 is not divisible by n_heads=3"),
        ({"layer_norm_epsilon": 0}, ValueError, "eps"),
    ],
)
def test_configurations_that_ours_cannot_have_are_refused_by_name(changes, error, words):
    config = {k: v for k, v in {**OURS, **changes}.items() if v is not ...}
    with pytest.raises(error, match=words):
        config_from_huggingface(config)


@pytest.mark.parametrize(
    "changes",
    [
        {"scale_attn_weights": False},
        {"scale_attn_by_inverse_layer_idx": True},
        {"add_cross_attention": True},
        {"tie_word_embeddings": False},
        {"activation_function": "silu"},
        {"attn_pdrop": 0.7},
    ],
)
def test_real_models_with_such_options_are_refused(changes):
    with pytest.raises(ValueError, match=next(iter(changes))):
        GPT.from_huggingface(their_model(**changes))


# ---- other modules and other tensors ----


SMALL = GPT2Config(**{**SIZES, "n_layer": 1, "pad_token_id": 0})
BERT = BertConfig(
    vocab_size=9, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=9
)


@pytest.mark.parametrize(
    "make",
    [
        lambda: BertModel(BERT),
        lambda: GPT2ForSequenceClassification(SMALL),
        lambda: GPT2DoubleHeadsModel(SMALL),
        lambda: nn.Linear(3, 3),
        lambda: SMALL,
        lambda: {"wte.weight": torch.zeros(2, 2)},
        lambda: None,
    ],
)
def test_other_modules_are_refused(make):
    wrong = make()
    words = f"expected a GPT2LMHeadModel or OpenAIGPTLMHeadModel, got {type(wrong).__name__}"
    with pytest.raises(TypeError, match=words):
        GPT.from_huggingface(wrong)


def files(kind="gpt2"):
    """Configuration and tensors, as files hold them."""
    theirs = their_model(kind)
    return theirs.config.to_dict(), dict(theirs.state_dict())


@pytest.mark.parametrize("kind", CLASSES)
@pytest.mark.parametrize("prefix", [True, False])
@pytest.mark.parametrize("head", [True, False])
@pytest.mark.parametrize("old", [True, False])
def test_every_layout_of_the_tensors_is_read(kind, prefix, head, old):
    config, tensors = files(kind)
    tokens, reference = tokens_case(), their_model(kind)(tokens_case()).logits
    if old:  # the causal masks, and in GPT-1 the positions, were in the files
        mask = torch.ones(1, 1, 23, 23).tril()
        for i in range(LAYERS):
            tensors[f"transformer.h.{i}.attn.bias"] = mask
            tensors[f"transformer.h.{i}.attn.masked_bias"] = torch.tensor(-1e4)
        if kind == "openai-gpt":
            tensors["transformer.position_ids"] = torch.arange(23)
    if not head:
        del tensors["lm_head.weight"]
    if not prefix:
        tensors = {k.removeprefix("transformer."): v for k, v in tensors.items()}
    ours = gpt_from_tensors(GPT, config, tensors)
    assert not ours.training
    torch.testing.assert_close(ours(tokens), reference)


def spoiled(tensors, change):
    """The tensors with some replaced; ... removes one."""
    return {k: v for k, v in {**tensors, **change}.items() if v is not ...}


@pytest.mark.parametrize(
    ("kind", "change", "words"),
    [
        ("gpt2", {"transformer.wte.weight": ...}, r"missing: wte\.weight"),
        ("gpt2", {"transformer.ln_f.bias": ...}, r"gpt2 of 3 layers: missing: ln_f\.bias"),
        ("gpt2", {"transformer.h.1.mlp.c_fc.weight": ...}, r"missing: h\.1\.mlp\.c_fc\.weight"),
        ("gpt2", {"score.weight": torch.zeros(2, WIDTH)}, r"not known: score\.weight"),
        (
            "gpt2",
            {"transformer.h.3.ln_1.bias": torch.zeros(WIDTH), "transformer.h.2.ln_1.bias": ...},
            r"missing: h\.2\.ln_1\.bias; not known: h\.3\.ln_1\.bias",
        ),
        (
            "gpt2",
            {"transformer.wpe.weight": torch.zeros(24, WIDTH)},
            r"wpe\.weight must have shape \[23, 36\], got \[24, 36\]",
        ),
        (
            "gpt2",
            {"transformer.h.0.attn.c_attn.weight": torch.zeros(3 * WIDTH, WIDTH)},
            r"h\.0\.attn\.c_attn\.weight must have shape \[36, 108\], got \[108, 36\]",
        ),
        (
            "gpt2",
            {"transformer.h.0.attn.c_attn.bias": torch.zeros(WIDTH)},
            r"h\.0\.attn\.c_attn\.bias must have shape \[108\], got \[36\]",
        ),
        (
            "gpt2",
            {"transformer.h.2.mlp.c_proj.bias": torch.tensor(0.0)},
            r"h\.2\.mlp\.c_proj\.bias must have shape \[36\], got \[\]",
        ),
        (
            "gpt2",
            {"transformer.h.2.ln_2.bias": torch.zeros(WIDTH, dtype=torch.int8)},
            r"h\.2\.ln_2\.bias must hold floating-point numbers, got torch\.int8",
        ),
        ("gpt2", {"lm_head.weight": torch.zeros(VOCAB, WIDTH)}, r"lm_head.* differs from wte"),
        ("gpt2", {"lm_head.weight": torch.zeros(VOCAB + 1, WIDTH)}, r"lm_head.* differs from wte"),
        ("openai-gpt", {"transformer.tokens_embed.weight": ...}, r"missing: tokens_embed\.weight"),
        (
            "openai-gpt",
            {"transformer.ln_f.weight": torch.ones(WIDTH)},
            r"openai-gpt of 3 layers: not known: ln_f\.weight",
        ),
        (
            "openai-gpt",
            {"lm_head.weight": torch.zeros(VOCAB, WIDTH)},
            r"lm_head\.weight differs from tokens_embed\.weight",
        ),
    ],
)
def test_tensors_that_do_not_fit_are_named(kind, change, words):
    config, tensors = files(kind)
    with pytest.raises(ValueError, match=words):
        gpt_from_tensors(GPT, config, spoiled(tensors, change))


def test_a_square_matrix_that_is_transposed_cannot_be_seen_but_a_longer_one_can():
    config, tensors = files()
    name = "transformer.h.0.mlp.c_fc.weight"
    with pytest.raises(ValueError, match=r"must have shape \[36, 144\], got \[144, 36\]"):
        gpt_from_tensors(GPT, config, {**tensors, name: tensors[name].T})


def test_an_untied_head_of_a_module_is_refused():
    theirs = their_model()
    theirs.lm_head.weight = nn.Parameter(theirs.lm_head.weight.detach().clone())
    GPT.from_huggingface(theirs)  # equal: fine
    with torch.no_grad():
        theirs.lm_head.weight[0, 0] += 1
    with pytest.raises(ValueError, match="GPT has one matrix for both"):
        GPT.from_huggingface(theirs)
