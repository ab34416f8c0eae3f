"""GPT-1 on labelled tasks: the whole language model and one new linear layer.

Each class takes inputs as `data.gpt_inputs` makes them, and reads the hidden state at the extract
token. It also returns the language model's logits, for the auxiliary loss.

Source: Radford et al. 2018, sections 3.2 (eq. 3 to 5) and 3.3.
"""

import copy
from dataclasses import replace

import torch
from torch import Tensor, nn

from nlp_helpers.checks import check_int, check_number, check_shapes
from nlp_helpers.models.gpt import GPT, INIT_STD


@torch.no_grad()
def with_new_tokens(gpt: GPT, n: int) -> GPT:
    """A copy whose vocabulary has n more tokens; their vectors are drawn anew, all else is kept.

    Raises:
        ValueError, TypeError: n that is not an int of at least 1, not a `GPT`.
    """
    check_int("n", n)
    if not isinstance(gpt, GPT):
        raise TypeError(f"gpt must be a GPT, got {type(gpt).__name__}")
    longer, old = copy.deepcopy(gpt), gpt.tokens.weight
    new = torch.randn(n, old.shape[1], dtype=old.dtype, device=old.device) * INIT_STD
    longer.tokens = nn.Embedding.from_pretrained(torch.cat([old, new]), freeze=False)
    longer.config = replace(gpt.config, vocab_size=gpt.config.vocab_size + n)
    longer.stack.config = longer.config
    return longer.train(gpt.training)


class GPTTask(nn.Module):
    """What the four tasks share: reading the inputs, and one linear layer.

    It starts from a copy of the language model: training it leaves that one as it is.

    Args:
        gpt: with the three tokens in its vocabulary (`with_new_tokens`).
        n_outputs: of the linear layer.
        dropout: before the linear layer.

    Shape:
        tokens: int64 [batch, input, time]; last: int64 [batch, input], the extract token's place.
        Returns what the task needs, and the language model's logits [batch, input, time,
        vocab_size], or None where need_lm is False.

    Raises:
        ValueError: a `last` of another shape or outside the row, another number of inputs than
            the task's; tokens as `GPT`.
        TypeError: not a `GPT`, tensors that are not integers.
    """

    n_inputs: int | None = 1  # None: any number

    def __init__(self, gpt: GPT, n_outputs: int, dropout: float = 0.1):
        super().__init__()
        check_int("n_outputs", n_outputs)
        check_number("dropout", dropout, 0, 1, open_high=True)
        if not isinstance(gpt, GPT):
            raise TypeError(f"gpt must be a GPT, got {type(gpt).__name__}")
        self.gpt = copy.deepcopy(gpt)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(gpt.config.d_model, n_outputs)  # W_y
        nn.init.normal_(self.output.weight, std=INIT_STD)
        nn.init.zeros_(self.output.bias)
        self.output.to(next(gpt.parameters()))
        self.train(gpt.training)

    def read(self, tokens: Tensor, last: Tensor, need_lm: bool) -> tuple[Tensor, Tensor | None]:
        """Hidden states at the extract tokens [batch, input, d_model], and logits or None."""
        self.check(tokens, last)
        batch, n_inputs, time = tokens.shape
        hidden = self.gpt.run(tokens.flatten(0, 1))[0]  # [batch * input, time, d_model]
        rows = torch.arange(len(hidden), device=hidden.device)
        at_extract = hidden[rows, last.flatten()].view(batch, n_inputs, -1)
        logits = self.gpt.logits(hidden).view(batch, n_inputs, time, -1) if need_lm else None
        return at_extract, logits

    def check(self, tokens: Tensor, last: Tensor) -> None:
        """Refuse inputs that are not the task's."""
        for name, tensor, rank in (("tokens", tokens, 3), ("last", last, 2)):
            if not isinstance(tensor, Tensor) or tensor.dtype not in (torch.int64, torch.int32):
                kind = tensor.dtype if isinstance(tensor, Tensor) else type(tensor).__name__
                raise TypeError(f"{name} must be a tensor of int64 or int32, got {kind}")
            if tensor.dim() != rank or 0 in tensor.shape:
                shape = "[batch, input, time]" if rank == 3 else "[batch, input]"
                raise ValueError(f"{name} must be {shape}, none 0; got {list(tensor.shape)}")
        check_shapes(last=(last, tokens.shape[:2]))
        if self.n_inputs is not None and tokens.shape[1] != self.n_inputs:
            name = type(self).__name__
            raise ValueError(f"{name} reads {self.n_inputs} input(s), got {tokens.shape[1]}")
        if int(last.min()) < 0 or int(last.max()) >= tokens.shape[2]:
            span = f"{int(last.min())} .. {int(last.max())}"
            raise ValueError(f"last must be in [0, time={tokens.shape[2]}), got {span}")


class GPTClassifier(GPTTask):
    """Classification of one text, or of a premise and a hypothesis: softmax(h W_y).

    Shape, Raises: as `GPTTask`; the outputs are logits [batch, n_classes].
    """

    def __init__(self, gpt: GPT, n_classes: int, dropout: float = 0.1):
        check_int("n_classes", n_classes, least=2)
        super().__init__(gpt, n_classes, dropout)

    def forward(self, tokens: Tensor, last: Tensor, need_lm: bool = True):
        hidden, lm_logits = self.read(tokens, last, need_lm)
        return self.output(self.dropout(hidden[:, 0])), lm_logits


class GPTSimilarity(GPTTask):
    """How similar two texts are: both orders are read, and their hidden states added.

    Shape, Raises: as `GPTTask`, with two inputs; the outputs are scores [batch].
    """

    n_inputs = 2

    def __init__(self, gpt: GPT, dropout: float = 0.1):
        super().__init__(gpt, 1, dropout)

    def forward(self, tokens: Tensor, last: Tensor, need_lm: bool = True):
        hidden, lm_logits = self.read(tokens, last, need_lm)
        return self.output(self.dropout(hidden.sum(dim=1))).squeeze(-1), lm_logits


class GPTMultipleChoice(GPTTask):
    """Which answer is right: each is read with the text, and gets one number for the softmax.

    Shape, Raises: as `GPTTask`, with one input an answer; the outputs are logits [batch, answer].
    """

    n_inputs = None

    def __init__(self, gpt: GPT, dropout: float = 0.1):
        super().__init__(gpt, 1, dropout)

    def forward(self, tokens: Tensor, last: Tensor, need_lm: bool = True):
        hidden, lm_logits = self.read(tokens, last, need_lm)
        return self.output(self.dropout(hidden)).squeeze(-1), lm_logits
