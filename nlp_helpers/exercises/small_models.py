"""Small GPTs and tokens that the checks of several chapters use."""

import torch
from torch import Tensor, nn

from nlp_helpers.models.gpt import GPT
from nlp_helpers.models.gpt_config import GPTConfig


def small_gpt(seed: int, **given) -> GPT:
    """A GPT with weights so large that every place and every token shows in its logits."""
    sizes = {"vocab_size": 13, "max_len": 16, "d_model": 8, "n_heads": 2, "d_ff": 16}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        gpt = GPT(GPTConfig(**{**sizes, "n_layers": 2, **given})).double().eval()
        for parameter in gpt.parameters():
            nn.init.normal_(parameter, mean=0.1, std=0.5)
    return gpt.requires_grad_(False)


def random_tokens(*shape: int, vocab_size: int, seed: int) -> Tensor:
    """Random tokens of this shape; equal arguments give equal tokens."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(vocab_size, shape, generator=generator)


class Remembered:
    """A model that computes its logits for each text once."""

    def __init__(self, model: GPT):
        self.model, self.config = model, model.config
        self.known: dict[tuple, Tensor] = {}

    def __call__(self, tokens: Tensor) -> Tensor:
        key = tuple(tokens[0].tolist())
        if key not in self.known:
            self.known[key] = self.model(tokens)
        return self.known[key]
