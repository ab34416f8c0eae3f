"""A language model over any recurrent network: embed, recur, project to the vocabulary."""

from torch import Tensor, nn

from nlp_helpers.checks import check_int, check_number, check_tokens
from nlp_helpers.models.recurrent import Recurrent


class RecurrentLM(nn.Module):
    """Predict the next token from all tokens so far.

    Source: Mikolov et al. 2010, "Recurrent neural network based language model" (there with
        one-hot inputs; an embedding is the same product with fewer multiplications).

    Args:
        recurrent: any of our recurrent networks, in one direction; its `input_size` is the
            width of the embedding.

    Shape:
        tokens: integers [batch, time]; state: as the recurrent network's, or None.
        Returns logits [batch, time, vocab_size] (logits[:, t] predict the token after
            tokens[:, t]) and the state after the last step.

    Raises:
        ValueError: a network that reads both directions (it would see the token it predicts),
            a token outside the vocabulary, tokens of wrong rank, dropout outside [0, 1).
        TypeError: tokens that are not integers, a network that is not one of ours.
    """

    def __init__(self, vocab_size: int, recurrent: Recurrent, dropout: float = 0.0):
        super().__init__()
        check_int("vocab_size", vocab_size)
        check_number("dropout", dropout, 0, 1, open_high=True)
        if not isinstance(recurrent, Recurrent):
            kind = type(recurrent).__name__
            raise TypeError(f"recurrent must be one of our recurrent networks, got {kind}")
        if recurrent.directions != 1:
            raise ValueError("a language model must not read from right to left: directions = 2")
        self.vocab_size = vocab_size
        self.embedding = nn.Embedding(vocab_size, recurrent.input_size)
        self.recurrent = recurrent
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(recurrent.hidden_size, vocab_size)

    def forward(self, tokens: Tensor, state=None):
        check_tokens(tokens, self.vocab_size)
        outputs, state = self.recurrent(self.dropout(self.embedding(tokens)), state)
        return self.output(self.dropout(outputs)), state
