"""Fine-tuning layer by layer, as ULMFiT does: smaller steps further down, the top opens first."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from torch import Tensor, nn

from nlp_helpers.checks import check_int, check_number
from nlp_helpers.training import History, TrainConfig, train

# From the bottom to the top: a module, a parameter, or several of them.
LayerGroup = nn.Module | nn.Parameter | Iterable[nn.Module | nn.Parameter]


def discriminative_rates(n_groups: int, learning_rate: float, factor: float = 2.6) -> list[float]:
    """The learning rate of each layer group, from the bottom to the top.

        eta^(l-1) = eta^l / factor

    Source: Howard and Ruder 2018, section 3.2, eq. 2 and the text below it (2.6).

    Args:
        learning_rate: of the top group.

    Raises:
        ValueError: no groups, a learning rate that is not positive, a factor below 1.
        TypeError: not numbers.
    """
    check_int("n_groups", n_groups)
    check_number("learning_rate", learning_rate, 0, open_low=True, open_high=True)
    check_number("factor", factor, 1, open_high=True)
    return [learning_rate / factor**depth for depth in reversed(range(n_groups))]


def discriminative_groups(
    layer_groups: Sequence[LayerGroup],
    learning_rate: float,
    factor: float = 2.6,
    weight_decay: float = 0.0,
) -> list[dict]:
    """Groups for an optimizer, each with the learning rate of its layer: `discriminative_rates`.

    One for each layer group; with weight decay, two where it has both matrices and vectors: only
    matrices decay, as in `training.parameter_groups`. "layer" counts the layers from the bottom.

    Source: Howard and Ruder 2018, section 3.2.

    Args:
        layer_groups: from the bottom to the top, each a module, a parameter or several of them.

    Raises:
        ValueError: no layer groups, one without parameters, a parameter in two; numbers out of
            range.
        TypeError: layer groups of another kind; not numbers.
    """
    layers = _parameters(layer_groups)
    check_number("weight_decay", weight_decay, 0, open_high=True)
    groups = []
    for layer, rate in enumerate(discriminative_rates(len(layers), learning_rate, factor)):
        parts = [(layers[layer], 0.0)]
        if weight_decay:
            parts = [
                ([p for p in layers[layer] if p.dim() >= 2], weight_decay),
                ([p for p in layers[layer] if p.dim() < 2], 0.0),
            ]
        groups += [
            {"params": parameters, "lr": rate, "weight_decay": decay, "layer": layer}
            for parameters, decay in parts
            if parameters
        ]
    return groups


def unfreeze_from_top(layer_groups: Sequence[LayerGroup], n: int) -> None:
    """Let the top n layer groups be trained, and freeze those below.

    A frozen parameter has no gradient: an optimizer passes it by, weight decay included.

    Source: Howard and Ruder 2018, section 3.3 (gradual unfreezing).

    Raises:
        ValueError: n below 0 or above the number of groups; groups as `discriminative_groups`.
        TypeError: n is not an int; groups as `discriminative_groups`.
    """
    layers = _parameters(layer_groups)
    check_int("n", n, least=0)
    if n > len(layers):
        raise ValueError(f"n must be at most the number of layer groups, {len(layers)}; got {n}")
    for layer, parameters in enumerate(layers):
        for parameter in parameters:
            parameter.requires_grad_(layer >= len(layers) - n)


def fine_tune(
    model: nn.Module,
    batches: Iterable,
    loss_function: Callable[[nn.Module, object], Tensor],
    layer_groups: Sequence[LayerGroup],
    config: TrainConfig,
    unfreeze_every: int | None = None,
    factor: float = 2.6,
    evaluate: Callable[[nn.Module], float] | None = None,
) -> History:
    """`training.train` with a learning rate for each layer, and layers that open from the top.

    The top group is trained from the first step on, and one group more every `unfreeze_every`
    steps. One optimizer sees all of them; Adam's averages of a parameter begin when it opens. The
    schedule runs once over all steps (AllenNLP's version starts it anew with each group). What is
    in no group stays frozen. At the end, and after an error, everything is trainable or frozen as
    it was before.

    Source: Howard and Ruder 2018, sections 3.2 and 3.3.

    Args:
        layer_groups: from the bottom to the top, as for `discriminative_groups`.
        config: its learning rate is the top group's; for the paper's schedule, that of
            `training.slanted_triangular`, say schedule="slanted-triangular".
        unfreeze_every: steps; None: one epoch, as in the paper; 0: all groups from the start.
        factor: how much smaller the learning rate is one group further down; 1: the same.

    Raises:
        ValueError: as `train` and `discriminative_groups`; a group that would open after the last
            step, a parameter that is not the model's.
        TypeError: as `discriminative_groups`; batches without a length and no `unfreeze_every`.
    """
    layers = _parameters(layer_groups)
    groups = discriminative_groups(layers, config.learning_rate, factor, config.weight_decay)
    every = _steps_between(batches, unfreeze_every)
    last = every * (len(layers) - 1)
    if last >= config.n_steps:
        raise ValueError(
            f"n_steps={config.n_steps} is too few: the bottom one of {len(layers)} layer groups "
            f"opens at step {last}"
        )

    def unfreeze(step: int) -> None:
        unfreeze_from_top(layers, min(len(layers), 1 + step // every) if every else len(layers))

    with _flags_restored(model):
        model.requires_grad_(False)
        return train(
            model,
            batches,
            loss_function,
            config,
            evaluate,
            groups=groups,
            before_step=unfreeze,
        )


def _steps_between(batches: Iterable, unfreeze_every: int | None) -> int:
    """After how many steps the next group opens: those of an epoch, if not said."""
    if unfreeze_every is not None:
        check_int("unfreeze_every", unfreeze_every, least=0)
        return unfreeze_every
    if not hasattr(batches, "__len__"):
        kind = type(batches).__name__
        raise TypeError(f"unfreeze_every must be given: batches ({kind}) have no length")
    return len(batches)


def _parameters(layer_groups: Sequence[LayerGroup]) -> list[list[nn.Parameter]]:
    """The parameters of each layer group, each parameter in one group only."""
    if not isinstance(layer_groups, list | tuple):
        kind = type(layer_groups).__name__
        raise TypeError(f"layer_groups must be a list, from the bottom to the top; got {kind}")
    if not layer_groups:
        raise ValueError("layer_groups must hold at least one layer group, got none")
    layers, seen = [], {}
    for layer, group in enumerate(layer_groups):
        layers.append(_members(layer, group))
        if not layers[-1]:
            raise ValueError(f"layer group {layer} has no parameters: {group!r}")
        for parameter in layers[-1]:
            if parameter in seen:
                shape, groups = list(parameter.shape), f"{seen[parameter]} and {layer}"
                raise ValueError(f"a parameter of shape {shape} is in layer groups {groups}")
            seen[parameter] = layer
    return layers


def _members(layer: int, group: object) -> list[nn.Parameter]:
    """The parameters of one layer group: a module, a parameter, or several of them."""
    if isinstance(group, nn.Parameter):
        return [group]
    if isinstance(group, nn.Module):
        return list(group.parameters())
    if isinstance(group, Tensor | str) or not isinstance(group, Iterable):
        kind = type(group).__name__
        raise TypeError(f"layer group {layer} must hold modules or parameters, got {kind}")
    return [parameter for member in group for parameter in _members(layer, member)]


@contextmanager
def _flags_restored(model: nn.Module) -> Iterator[None]:
    """Whatever happens inside, everything is trainable or frozen afterwards as it was before."""
    before = [(parameter, parameter.requires_grad) for parameter in model.parameters()]
    try:
        yield
    finally:
        for parameter, flag in before:
            parameter.requires_grad_(flag)
