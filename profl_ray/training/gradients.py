"""How a gradient is got: a choice of its own, beside the loss, the optimizer and the method.

All ways give the gradient of the same loss: backpropagation itself, the other two an estimate of it from
directions v with E[v v'] = I, whose mean it is (forward mode), or is but for terms of sigma squared (zeroth
order with central differences).
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor
from torch.autograd import forward_ad
from torch.func import functional_call

from profl_ray.models import Features, statistics_at_rest
from profl_ray.training.directions import CHUNK, Kind, direction_part
from profl_ray.training.losses import Loss


@dataclass(frozen=True)
class Draw:
    """Names the directions of one batch."""

    seed: int = 0
    stream: tuple[str | int, ...] = ("blank",)

    def direction(self, name: str, like: Tensor, index: int, kind: Kind) -> Tensor:
        """Return the part of direction `index` for the parameter `name`: float32, shaped and placed alike.

        On tensors that hold nothing it holds nothing either.
        """
        made = torch.empty(like.shape, dtype=like.dtype, device=like.device)
        if not (made.is_meta or isinstance(made, FakeTensor)):
            flat = made.view(-1)
            for start in range(0, len(flat), CHUNK):
                stop = min(start + CHUNK, len(flat))
                part = direction_part(self.seed, self.stream, name, index, start, stop, kind)
                flat[start:stop] = torch.from_numpy(part)
        return made


class Gradients(Protocol):
    """A way to a batch's gradient. Frozen and hashable, as a part of its procedure."""

    @property
    def carries_tangents(self) -> bool:
        """Whether it uses forward-mode AD, which fake tensors do not take: it is estimated on `meta`."""
        ...

    def add(
        self, loss: Loss, model: nn.Module, inputs: Features, labels: Tensor, share: float, draw: Draw
    ) -> Tensor:
        """Add `share` of the gradient to `grad` of what requires one; return the loss, detached.

        Running statistics move once, as in one forward pass.
        """
        ...


@dataclass(frozen=True)
class Backprop:
    """Backpropagation."""

    carries_tangents = False

    def add(
        self, loss: Loss, model: nn.Module, inputs: Features, labels: Tensor, share: float, draw: Draw
    ) -> Tensor:
        """Go forward and backward once."""
        value = loss(model, inputs, labels)
        (value if share == 1 else value * share).backward()
        return value.detach()


@dataclass(frozen=True)
class ForwardMode:
    """Forward-mode AD: the mean over directions v of (gradient . v) v; no activation is kept.

    A. G. Baydin et al., "Gradients without Backpropagation", arXiv 2202.08587; Spry, arXiv 2405.15551.
    """

    num_directions: int = 1
    kind: Kind = "rademacher"
    carries_tangents = True

    @torch.no_grad()
    def add(
        self, loss: Loss, model: nn.Module, inputs: Features, labels: Tensor, share: float, draw: Draw
    ) -> Tensor:
        """Go forward once for each direction, with its tangents."""
        trained = _trained(model)
        value = None
        for index in range(self.num_directions):
            directions = {n: draw.direction(n, p, index, self.kind) for n, p in trained.items()}
            with _quiet_rules(), forward_ad.dual_level(), _at_rest(model, after_first=index):
                duals = {n: forward_ad.make_dual(p.detach(), directions[n]) for n, p in trained.items()}
                dual = loss(partial(_called, model, duals), inputs, labels)  # type: ignore[arg-type]
                value, slope = forward_ad.unpack_dual(dual)
            del duals, dual
            if slope is not None:
                for name, parameter in trained.items():
                    _gradient(parameter).addcmul_(directions[name], slope, value=share / self.num_directions)
            del directions
        assert value is not None
        return value


@dataclass(frozen=True)
class ZerothOrder:
    """Differences of losses along directions: neither a backward pass nor a tangent.

    S. Malladi et al., "Fine-Tuning Language Models with Just Forward Passes", arXiv 2305.17333; BAFFLE,
    arXiv 2301.12195. Weights are restored by copy: adding and subtracting would drift.
    """

    num_directions: int = 1
    sigma: float = 1e-3
    """Length of the step along a direction whose entries are of size 1."""
    central: bool = True
    """(f(w + sigma v) - f(w - sigma v)) / 2 sigma, two passes a direction; else one, and one f(w) for all."""
    kind: Kind = "rademacher"
    carries_tangents = False

    @torch.no_grad()
    def add(
        self, loss: Loss, model: nn.Module, inputs: Features, labels: Tensor, share: float, draw: Draw
    ) -> Tensor:
        """Go forward twice for each direction, or once more than there are."""
        trained = _trained(model)
        kept = {name: parameter.detach().clone() for name, parameter in trained.items()}
        passes = 0

        def loss_at(index: int, length: float) -> Tensor:
            nonlocal passes
            for name, parameter in trained.items():
                parameter.copy_(kept[name])
                if length:
                    parameter.add_(draw.direction(name, parameter, index, self.kind), alpha=length)
            with _at_rest(model, after_first=passes):
                passes += 1
                return loss(model, inputs, labels).double()

        value = None if self.central else loss_at(0, 0.0)
        slopes = []
        for index in range(self.num_directions):
            ahead = loss_at(index, self.sigma)
            behind = loss_at(index, -self.sigma) if value is None or self.central else value
            slopes.append((ahead - behind) / (2 * self.sigma if self.central else self.sigma))
            value = (ahead + behind) / 2 if self.central and value is None else value
        for name, parameter in trained.items():
            parameter.copy_(kept[name])
            for index, slope in enumerate(slopes):
                direction = draw.direction(name, parameter, index, self.kind)
                _gradient(parameter).addcmul_(direction, slope.float(), value=share / self.num_directions)
        assert value is not None
        return value.float()


@contextmanager
def _quiet_rules() -> Iterator[None]:
    """Hide that PyTorch compiles some forward rules in a way which it calls deprecated."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`torch.jit.script` is deprecated", FutureWarning)
        yield


def _trained(model: nn.Module) -> dict[str, nn.Parameter]:
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}


def _gradient(parameter: nn.Parameter) -> Tensor:
    if parameter.grad is None:
        parameter.grad = torch.zeros_like(parameter)
    return parameter.grad


def _called(model: nn.Module, parameters: dict[str, Tensor], inputs: Features) -> Any:
    return functional_call(model, parameters, (inputs,))


@contextmanager
def _at_rest(model: nn.Module, after_first: int) -> Iterator[None]:
    """Let running statistics rest in every pass but the first."""
    with statistics_at_rest(model) if after_first else nullcontext():
        yield
