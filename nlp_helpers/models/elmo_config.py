"""What ELMo models vary by name or number, as a frozen configuration."""

from dataclasses import dataclass

from nlp_helpers.checks import check_int, check_number

ACTIVATIONS = ("relu", "tanh")


@dataclass(frozen=True, kw_only=True)
class ELMoConfig:
    """A character CNN and, in each direction, a stack of LSTM layers with projection.

    Source: Peters et al. 2018 (ELMo), section 3.4; its official options file (bilm-tf).

    Args:
        char_dim: width of a character's embedding.
        filters: (width in characters, number of filters) of each convolution.
        n_highway: highway layers after the convolutions.
        activation: of the convolutions, "relu" or "tanh" (a highway layer always has a ReLU).
        max_characters: positions of a word, its two marks included; longer words are cut.
        hidden_size: width of the LSTM's cell state.
        projection_size: width of a word's vector, of an LSTM's output and of its recurrent input.
        n_layers: LSTM layers in each direction.
        skip_connections: each layer but the first adds its input to its output.
        cell_clip: the cell state is kept in [-cell_clip, cell_clip]; None: it is free.
        projection_clip: the same for the projected output.
        dropout: in training, share of each layer's input and of the softmax's that is set to 0.
        vocab_size: words that the softmax predicts; None: there is no softmax.
        character_projection, cell_projection: a matrix from the filters to a word's vector, and
            from the cell to the output. None: where the two widths differ, as bilm-tf does;
            True: always, as AllenNLP does. Without one nothing is clipped by projection_clip.

    Raises:
        ValueError: a number out of range, no filters, a filter wider than max_characters, an
            unknown activation, a projection refused where two widths differ.
        TypeError: a count that is not an int, a number that is none, a flag that is not bool,
            filters that are not pairs.
    """

    char_dim: int
    filters: tuple[tuple[int, int], ...]
    n_highway: int
    activation: str
    max_characters: int
    hidden_size: int
    projection_size: int
    n_layers: int = 2
    skip_connections: bool = True
    cell_clip: float | None = None
    projection_clip: float | None = None
    dropout: float = 0.0
    vocab_size: int | None = None
    character_projection: bool | None = None
    cell_projection: bool | None = None

    def __post_init__(self):
        for name in ("char_dim", "hidden_size", "projection_size", "n_layers"):
            check_int(name, getattr(self, name))
        check_int("n_highway", self.n_highway, least=0)
        check_int("max_characters", self.max_characters, least=3)
        if not isinstance(self.activation, str) or self.activation not in ACTIVATIONS:
            known = ", ".join(ACTIVATIONS)
            raise ValueError(f"activation must be one of {known}; got {self.activation!r}")
        check_filters(self.filters, self.max_characters)
        object.__setattr__(self, "filters", tuple((width, n) for width, n in self.filters))
        if not isinstance(self.skip_connections, bool):
            raise TypeError(f"skip_connections must be True or False, got {self.skip_connections}")
        for name in ("cell_clip", "projection_clip"):
            if getattr(self, name) is not None:
                check_number(name, getattr(self, name), 0, open_low=True)
        check_number("dropout", self.dropout, 0, 1, open_high=True)
        if self.vocab_size is not None:
            check_int("vocab_size", self.vocab_size)
        self._check_projections()

    def _check_projections(self) -> None:
        widths = {
            "character_projection": ("the sum of filters", self.n_filters),
            "cell_projection": ("hidden_size", self.hidden_size),
        }
        for name, (source, width) in widths.items():
            value = getattr(self, name)
            if value is not None and not isinstance(value, bool):
                raise TypeError(f"{name} must be True, False or None, got {value!r}")
            if value is False and width != self.projection_size:
                sizes = f"{source} ({width}) to projection_size ({self.projection_size})"
                raise ValueError(f"{name}=False, but a matrix must lead from {sizes}")
            if value is None:
                object.__setattr__(self, name, width != self.projection_size)

    @property
    def n_filters(self) -> int:
        """Filters of all convolutions together."""
        return sum(n for _, n in self.filters)


def check_filters(filters: object, max_characters: int) -> None:
    """Refuse what is not a sequence of (width, number of filters) that fit into a word."""
    pairs = isinstance(filters, list | tuple) and all(
        isinstance(f, list | tuple) and len(f) == 2 for f in filters
    )
    if not pairs:
        raise TypeError(f"filters must be a tuple of (width, n_filters), got {filters!r:.80}")
    if not filters:
        raise ValueError("filters must hold at least one (width, n_filters), got none")
    for width, n in filters:
        check_int("a filter's width", width)
        check_int("a width's number of filters", n)
        if width > max_characters:
            raise ValueError(f"a filter of width {width} exceeds max_characters={max_characters}")
