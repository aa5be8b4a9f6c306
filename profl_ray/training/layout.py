"""A state as one flat array: what travels between server and devices (one array is cheaper than many)."""

from collections.abc import Container, Mapping
from dataclasses import dataclass
from math import prod
from typing import Self

import numpy as np
import torch
from torch import Tensor

State = dict[str, np.ndarray]
"""Tensors by name, float32."""


class _All:
    def __contains__(self, name: object) -> bool:
        return True


ALL = _All()
"""Every name."""


@dataclass(frozen=True)
class Layout:
    """Names and shapes of a state's tensors, in the order in which they lie in the flat array."""

    names: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, shapes: Mapping[str, tuple[int, ...]]) -> Self:
        """Return the layout of tensors with these shapes, in this order."""
        return cls(tuple(shapes), tuple(shapes.values()))

    @property
    def size(self) -> int:
        """Number of scalars."""
        return sum(prod(shape) for shape in self.shapes)

    @property
    def num_bytes(self) -> int:
        """Bytes of the flat array."""
        return 4 * self.size

    def pack(self, state: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return the layout's tensors of `state` as one float32 array [size]."""
        if not self.names:
            return np.empty(0, dtype=np.float32)
        return np.concatenate([state[name].reshape(-1) for name in self.names]).astype(np.float32, copy=False)

    def unpack(self, flat: np.ndarray) -> State:
        """Return views into `flat` [size] by name."""
        assert flat.shape == (self.size,), f"{flat.shape} does not fit a layout of {self.size} scalars"
        state, start = {}, 0
        for name, shape in zip(self.names, self.shapes, strict=True):
            stop = start + prod(shape)
            state[name] = flat[start:stop].reshape(shape)
            start = stop
        return state

    @torch.no_grad()
    def load(self, tensors: Mapping[str, Tensor], flat: np.ndarray, names: Container[str] = ALL) -> None:
        """Copy `flat` [size] into the named tensors, in place; `names`: only into these."""
        if not self.names:
            return
        device = tensors[self.names[0]].device
        if device.type == "cpu":
            # By numpy: torch warns of a view of read-only shared memory, so it would be copied first.
            for name, values in self.unpack(flat).items():
                if name in names:
                    np.copyto(tensors[name].detach().numpy(), values)
            return
        # One transfer, then copies on the device.
        parts = torch.tensor(flat, device=device).split([prod(shape) for shape in self.shapes])
        for name, shape, values in zip(self.names, self.shapes, parts, strict=True):
            if name in names:
                tensors[name].copy_(values.view(shape))

    @torch.no_grad()
    def collect(self, tensors: Mapping[str, Tensor]) -> np.ndarray:
        """Return the named tensors as one flat float32 array [size]."""
        if not self.names:
            return np.empty(0, dtype=np.float32)
        return torch.cat([tensors[name].reshape(-1) for name in self.names]).cpu().numpy()


NOTHING = Layout((), ())
"""The layout of no tensor at all."""
