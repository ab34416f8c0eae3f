"""Muon: momentum whose direction is made orthogonal, for the matrices inside a network.

`torch.optim.Muon` does the same one matrix at a time and in bfloat16, which is slow on CPUs
without such numbers. Here equal shapes go through the iteration as one batch, in their own dtype.
"""

import math
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from nlp_helpers.checks import check_float_tensors, check_int, check_number

COEFFICIENTS = (3.4445, -4.7750, 2.0315)


def orthogonalized(matrices: Tensor, n_iterations: int = 5) -> Tensor:
    """Nearly U V^T, where a matrix is U S V^T.

    After five iterations its singular values are between 0.68 and 1.21 wherever those in S are at
    least 0.0016 of the matrix's Frobenius norm. Where they are smaller, the result is at most 485
    times that share of the norm; zeros stay zeros.

    Source: Jordan et al. 2024, "Muon" (the Newton-Schulz iteration and its coefficients);
        Bernstein and Newhouse 2024.

    Shape:
        matrices: [..., m, n]; returns the same.

    Raises:
        ValueError: fewer than two axes, n_iterations < 1.
        TypeError: not floating-point numbers.
    """
    check_int("n_iterations", n_iterations)
    check_float_tensors(matrices=matrices)
    if matrices.dim() < 2:
        raise ValueError(f"matrices must be [..., m, n], got {list(matrices.shape)}")
    tall = matrices.shape[-2] > matrices.shape[-1]
    x = matrices.mT if tall else matrices  # the products below are then the smaller ones
    shape, x = x.shape, x.reshape(-1, *x.shape[-2:])
    x = x / x.norm(dim=(-2, -1), keepdim=True).clamp(min=1e-7)  # no singular value above 1
    wide = x.shape[-1] >= 2 * x.shape[-2]
    x = (newton_schulz_by_gram if wide else newton_schulz)(x, n_iterations).reshape(shape)
    return x.mT if tall else x


def newton_schulz(x: Tensor, n_iterations: int) -> Tensor:
    """x -> a x + b G x + c G G x with G = x x^T, again and again; x is [matrix, m, n]."""
    a, b, c = COEFFICIENTS
    for _ in range(n_iterations):
        gram = x @ x.mT
        both = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)  # b G + c G G
        x = torch.baddbmm(x, both, x, beta=a)  # a x + (b G + c G G) x
    return x


def newton_schulz_by_gram(x: Tensor, n_iterations: int) -> Tensor:
    """The same, with products of [m, m] matrices only: quicker where n is much larger than m."""
    a, b, c = COEFFICIENTS
    gram = x @ x.mT
    identity = torch.eye(gram.shape[-1], dtype=x.dtype, device=x.device)
    whole = identity.expand_as(gram)
    for _ in range(n_iterations):
        once = torch.baddbmm(gram, gram, gram, beta=b, alpha=c) + a * identity  # x -> once x
        whole = once @ whole
        gram = once @ gram @ once
    return whole @ x


class MuonAdamW(torch.optim.Optimizer):
    """Muon for the parameter groups that say `muon=True`, AdamW for the others.

    A matrix [m, n] moves by lr * sqrt(max(1, m / n)) times its orthogonalized Nesterov momentum.

    Source: Jordan et al. 2024; Loshchilov and Hutter 2019 (AdamW).

    Args:
        groups: as `muon_groups` makes them. A group's own "lr" and "weight_decay" win.
        lr, betas, weight_decay: of AdamW's groups, as in `torch.optim.AdamW`; lr and weight_decay
            also of Muon's groups that name none.
        momentum: of Muon.
        n_iterations: of `orthogonalized`.

    Raises:
        ValueError: no group with muon=True, or a parameter in one that is not a matrix; numbers
            out of range.
        TypeError: groups that are not dictionaries, numbers that are not numbers.
    """

    def __init__(
        self,
        groups: Iterable[dict],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        weight_decay: float = 0.0,
        momentum: float = 0.95,
        n_iterations: int = 5,
    ):
        groups = list(groups)
        check_int("n_iterations", n_iterations)
        for group in groups:
            if not isinstance(group, dict) or "params" not in group:
                raise TypeError(f"groups must be dictionaries with params, got {group!r:.60}")
        if not any(group.get("muon") for group in groups):
            raise ValueError(f"none of the {len(groups)} groups has muon=True")
        numbers = {"lr": lr, "weight_decay": weight_decay, "momentum": momentum}
        defaults = {**numbers, "muon": False, "betas": betas, "n_iterations": n_iterations}
        super().__init__(groups, defaults)

    def add_param_group(self, group: dict) -> None:
        """Take up one more group, a copy of this one."""
        group = {**self.defaults, **group, "params": list(group["params"])}
        for name, high in (("lr", math.inf), ("weight_decay", math.inf), ("momentum", 1)):
            check_number(name, group[name], 0, high, open_high=True)
        wrong = [list(p.shape) for p in group["params"] if group["muon"] and p.dim() != 2]
        if wrong:
            raise ValueError(f"groups with muon=True take matrices; got shapes {wrong}")
        super().add_param_group(group)
        self._share()

    def __setstate__(self, state: dict) -> None:
        super().__setstate__(state)  # of loading, copying, unpickling: with groups of its own
        self._share()

    def _share(self) -> None:
        """Give AdamW the same groups and states: a schedule and `state_dict` then reach both."""
        rest = [group for group in self.param_groups if not group["muon"]]
        self.adamw = None
        if rest:
            self.adamw = torch.optim.AdamW(rest, betas=self.defaults["betas"], fused=True)
            self.adamw.state = self.state

    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor] | None = None) -> Tensor | None:
        """One update from the gradients that are there, or that the closure computes."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            if group["muon"]:
                for parameters in same_shape(group["params"]):
                    self._update(parameters, group)
        if self.adamw is not None:
            self.adamw.step()
        return loss

    def _update(self, parameters: list[nn.Parameter], group: dict) -> None:
        """One update of matrices of one shape."""
        lr, momentum = group["lr"], group["momentum"]
        gradient = torch.stack([p.grad for p in parameters])
        average = torch.stack([self._average(p, momentum) for p in parameters])
        direction = orthogonalized(gradient.lerp(average, momentum), group["n_iterations"])
        m, n = gradient.shape[-2:]
        for parameter, towards in zip(parameters, direction, strict=True):
            parameter.mul_(1 - lr * group["weight_decay"])
            parameter.sub_(towards, alpha=lr * math.sqrt(max(1, m / n)))

    def _average(self, parameter: nn.Parameter, momentum: float) -> Tensor:
        """The running average of a parameter's gradients, each matrix's its own."""
        state = self.state[parameter]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(parameter)
        return state["momentum"].lerp_(parameter.grad, 1 - momentum)


def same_shape(parameters: Iterable[nn.Parameter]) -> list[list[nn.Parameter]]:
    """Those with a gradient, sorted into lists of one shape, dtype and device each."""
    found: dict[tuple, list[nn.Parameter]] = {}
    for p in parameters:
        if p.grad is not None:
            found.setdefault((p.shape, p.dtype, p.device), []).append(p)
    return list(found.values())


def muon_groups(
    model: nn.Module,
    hidden: nn.Module,
    muon_rate: float,
    rate: float,
    muon_decay: float = 0.0,
    weight_decay: float = 0.0,
) -> list[dict]:
    """Muon for the matrices inside `hidden`, AdamW for embeddings, output, biases and gains.

    Args:
        hidden: the part of the model whose matrices map hidden states to hidden states (of GPT,
            its `stack`).
        muon_rate, rate: the learning rates of the two.
        muon_decay, weight_decay: the weight decay of Muon's and of AdamW's matrices.

    Raises:
        ValueError: a `hidden` without matrices or outside the model, numbers out of range.
    """
    for name, value in (("muon_rate", muon_rate), ("rate", rate)):
        check_number(name, value, 0, open_low=True, open_high=True)
    for name, value in (("muon_decay", muon_decay), ("weight_decay", weight_decay)):
        check_number(name, value, 0, open_high=True)
    matrices = [p for p in hidden.parameters() if p.dim() == 2 and p.requires_grad]
    inside = set(matrices)
    if not matrices or not inside <= set(model.parameters()):
        raise ValueError("hidden must be a part of the model that holds matrices")
    rest = [p for p in model.parameters() if p not in inside and p.requires_grad]
    return [
        {"params": matrices, "lr": muon_rate, "weight_decay": muon_decay, "muon": True},
        {"params": [p for p in rest if p.dim() >= 2], "lr": rate, "weight_decay": weight_decay},
        {"params": [p for p in rest if p.dim() < 2], "lr": rate, "weight_decay": 0.0},
    ]
