"""A word's vector from its characters: embedding, convolutions, highway layers, projection."""

import torch
from torch import Tensor, nn

from nlp_helpers.checks import check_int
from nlp_helpers.models.elmo_config import ELMoConfig

# Character ids: 0 fills up a batch, 1 .. 256 are the bytes 0 .. 255, then come five marks. The
# files of the official model count from the byte 0, so their row i is our row i + 1.
BEGIN_SENTENCE, END_SENTENCE, BEGIN_WORD, END_WORD, PADDING = range(257, 262)
N_CHARACTERS = 262
SENTENCE_MARKS = {"<S>": BEGIN_SENTENCE, "</S>": END_SENTENCE}


def character_ids(word: str, max_characters: int = 50) -> list[int]:
    """A word as ids: begin of word, its UTF-8 bytes, end of word, padding up to the limit.

    Of a longer word the first `max_characters - 2` bytes are kept, also where that cuts a
    character of several bytes in two. The words "<S>" and "</S>" are the marks of a sentence.

    Source: `UnicodeCharsVocabulary` of bilm-tf; `ELMoCharacterMapper` of AllenNLP.

    Raises:
        ValueError: a word without a byte, which the official code cannot read either; a limit
            below 3.
        TypeError: a word that is not a string.
    """
    check_int("max_characters", max_characters, least=3)
    if not isinstance(word, str):
        raise TypeError(f"a word must be a str, got {type(word).__name__}: {word!r:.60}")
    encoded = word.encode("utf-8", "ignore")[: max_characters - 2]
    if not encoded:
        raise ValueError(f"a word must have at least one character, got {word!r}")
    mark = SENTENCE_MARKS.get(word)
    inside = [byte + 1 for byte in encoded] if mark is None else [mark]
    ids = [BEGIN_WORD, *inside, END_WORD]
    return ids + [PADDING] * (max_characters - len(ids))


def characters_of(sentences: list[list[str]], max_characters: int = 50) -> tuple[Tensor, Tensor]:
    """Sentences as character ids, each between its two marks, and where there are real words.

    Source: `Batcher.batch_sentences` of bilm-tf.

    Shape:
        Returns characters, int64 [batch, time, max_characters] with 0 after a sentence's end,
        and mask, bool [batch, time]; time = words of the longest sentence + 2.

    Raises:
        ValueError: no sentence, an empty one, an empty word, a limit below 3.
        TypeError: a sentence that is not a list or tuple of words (a string is not), a word that
            is not a string.
    """
    check_int("max_characters", max_characters, least=3)
    check_sentences(sentences)
    begin, end = SENTENCE_MARKS
    marked = [[begin, *sentence, end] for sentence in sentences]
    words = dict.fromkeys(word for sentence in marked for word in sentence)
    rows = [[0] * max_characters] + [character_ids(word, max_characters) for word in words]
    row_of = {word: i for i, word in enumerate(words, start=1)}
    time = max(len(sentence) for sentence in marked)
    index = [[row_of[w] for w in sentence] + [0] * (time - len(sentence)) for sentence in marked]
    index = torch.tensor(index)  # [batch, time]
    return torch.tensor(rows)[index], index > 0


def check_sentences(sentences: object) -> None:
    """Refuse what is not a list of lists of words, at least one word in each."""
    if not isinstance(sentences, list | tuple):
        kind = type(sentences).__name__
        raise TypeError(
            f"sentences must be a list of lists of words, got {kind}: {sentences!r:.60}"
        )
    if not sentences:
        raise ValueError("sentences must hold at least one sentence, got none")
    for i, sentence in enumerate(sentences):
        if not isinstance(sentence, list | tuple):
            kind = type(sentence).__name__
            raise TypeError(f"sentence {i} must be a list of words, got {kind}: {sentence!r:.60}")
        if not sentence:
            raise ValueError(f"sentence {i} is empty: it must hold at least one word")
        for word in sentence:
            if not isinstance(word, str):
                kind = type(word).__name__
                raise TypeError(f"sentence {i}: a word must be a str, got {kind}: {word!r:.60}")


def check_characters(characters: object, max_characters: int) -> None:
    """Refuse what is not a tensor of character ids of the right rank and width."""
    if not isinstance(characters, Tensor) or characters.dtype not in (torch.int64, torch.int32):
        kind = characters.dtype if isinstance(characters, Tensor) else type(characters).__name__
        raise TypeError(f"characters must be a tensor of int64 or int32, got {kind}")
    shape = list(characters.shape)
    if len(shape) != 3 or shape[2] != max_characters or 0 in shape:
        wanted = f"[batch, time, max_characters={max_characters}], none of them 0"
        raise ValueError(f"characters must be {wanted}; got {shape}")
    low, high = int(characters.min()), int(characters.max())
    if low < 0 or high >= N_CHARACTERS:
        raise ValueError(f"characters must be in [0, {N_CHARACTERS}), got {low} .. {high}")


class Highway(nn.Module):
    """A layer that decides for each number how much of it to replace.

        c = sigmoid(W_c x + b_c)                                   the gate
        y = c * relu(W_t x + b_t) + (1 - c) * x

    The first b_c is -2: a new layer lets most of its input through.

    Source: Srivastava, Greff and Schmidhuber 2015, eq. 3 (their transform gate T is our c; the
        official ELMo code calls it `carry`, and we keep its file's names).

    Shape:
        x: [..., size]; returns the same.
    """

    def __init__(self, size: int):
        super().__init__()
        self.carry, self.transform = nn.Linear(size, size), nn.Linear(size, size)
        for layer, bias in ((self.carry, -2.0), (self.transform, 0.0)):
            nn.init.normal_(layer.weight, std=size**-0.5)
            nn.init.constant_(layer.bias, bias)

    def forward(self, x: Tensor) -> Tensor:
        carry = self.carry(x).sigmoid()
        return carry * self.transform(x).relu() + (1 - carry) * x


class CharacterCNN(nn.Module):
    """A word's vector from its characters alone, the same in every sentence.

    Each filter slides over the word's character embeddings, padding included, and its largest
    response is kept; then the activation, the highway layers and the projection. Each distinct
    word of a batch is computed once.

    Source: Kim et al. 2016, sections 2.2 and 2.3; Jozefowicz et al. 2016, section 3.2; Peters
        et al. 2018, section 3.4.

    Shape:
        characters: ids [batch, time, max_characters], see `characters_of`. Returns
        [batch, time, projection_size]; positions that only fill up the batch get a vector too.

    Raises:
        ValueError: characters of another shape, an id outside [0, 262).
        TypeError: characters that are not a tensor of integers.
    """

    def __init__(self, config: ELMoConfig):
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(N_CHARACTERS, config.char_dim, padding_idx=0)
        nn.init.uniform_(self.embedding.weight[1:], -1, 1)
        self.convolutions = nn.ModuleList(
            nn.Conv1d(config.char_dim, n, kernel_size=width) for width, n in config.filters
        )
        for convolution in self.convolutions:
            nn.init.zeros_(convolution.bias)
        self.activation = {"relu": torch.relu, "tanh": torch.tanh}[config.activation]
        self.highways = nn.ModuleList(Highway(config.n_filters) for _ in range(config.n_highway))
        self.projection = nn.Identity()
        if config.character_projection:
            self.projection = nn.Linear(config.n_filters, config.projection_size)
            # Wide, since the largest responses are much alike for all words of a new network: with
            # a usual start words would lie close together, and what depends on one is learned late.
            nn.init.normal_(self.projection.weight, std=8 * config.n_filters**-0.5)
            nn.init.zeros_(self.projection.bias)

    def forward(self, characters: Tensor) -> Tensor:
        check_characters(characters, self.config.max_characters)
        words, index = characters.flatten(0, 1).unique(dim=0, return_inverse=True)
        vectors = self.encode(words).index_select(0, index)  # [batch * time, projection_size]
        return vectors.unflatten(0, characters.shape[:2])

    def encode(self, words: Tensor) -> Tensor:
        """Words as ids [words, max_characters] -> vectors [words, projection_size]."""
        x = self.embedding(self._without_repetition(words)).transpose(1, 2)
        responses = [convolution(x).amax(dim=2) for convolution in self.convolutions]
        x = self.activation(torch.cat(responses, dim=1))  # [words, n_filters]
        for highway in self.highways:
            x = highway(x)
        return self.projection(x)

    def _without_repetition(self, words: Tensor) -> Tensor:
        """Cut off padding that no maximum needs.

        Where every word is padding to the end, all windows are alike: one of them is enough.
        """
        changing = (words != words[:, -1:]).any(dim=0).nonzero()
        end = int(changing[-1]) + 1 if len(changing) else 0
        return words[:, : end + max(width for width, _ in self.config.filters)]
