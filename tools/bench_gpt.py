"""Speeds of chapter 06: generating with a key-value cache, without, and with transformers.

tools/bench.py measures the pairs. All generate greedily, and all with the same weights.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from transformers import GPT2Config, GPT2LMHeadModel
from transformers.utils import logging

from nlp_helpers.benchmarks import Pair
from nlp_helpers.decoding import generate
from nlp_helpers.models.gpt import GPT
from nlp_helpers.reproducibility import set_seed

VOCAB, D_MODEL, N_HEADS, N_LAYERS, CONTEXT = 2048, 192, 4, 4, 640
PROMPT = 16
NEW_TOKENS = (32, 128, 512)
TITLE = (
    f"Generating text with a GPT of {N_LAYERS} layers, width {D_MODEL}, from a prompt of {PROMPT} "
    "tokens, batch 1"
)


def reference() -> GPT2LMHeadModel:
    """A GPT-2 of the size of the book's models, with random weights."""
    set_seed(0)
    logging.set_verbosity_error()
    config = GPT2Config(
        vocab_size=VOCAB,
        n_positions=CONTEXT,
        n_embd=D_MODEL,
        n_layer=N_LAYERS,
        n_head=N_HEADS,
        bos_token_id=None,
        eos_token_id=None,
        pad_token_id=0,
    )
    return GPT2LMHeadModel(config).eval()


def with_transformers(model: GPT2LMHeadModel, prompt: Tensor, n_tokens: int) -> Tensor:
    """Greedy, with transformers' own key-value cache."""
    return model.generate(
        prompt,
        attention_mask=torch.ones_like(prompt),
        max_new_tokens=n_tokens,
        do_sample=False,
        use_cache=True,
    )


def generation_pairs() -> list[Pair]:
    """Ours with the cache against ours without it, and against transformers' `generate`."""
    theirs = reference()
    ours = GPT.from_huggingface(theirs)
    prompt = torch.randint(0, VOCAB, (1, PROMPT))
    pairs = []
    for n in NEW_TOKENS:
        mine: Callable[[], Tensor] = partial(generate, ours.step, prompt, n)
        name = f"{n} tokens"
        pairs.append(
            Pair(name, mine, partial(generate, ours.sliding_step, prompt, n), "without cache")
        )
        reference_call = partial(with_transformers, theirs, prompt, n)
        pairs.append(Pair(name, mine, reference_call, "transformers' generate"))
    return pairs
