"""Follows every storage from its birth to its end: what is alive, what it is for, and the most at one time.

Knows no module, no optimizer and no backward pass: whatever runs inside is counted, a step that calls its
model twice or carries tangents as well as one that goes backward once.
"""

import weakref
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter


class LiveBytes(TorchDispatchMode):
    """Counts what lives on the model's device type while it is on, beginning with the model itself."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.now_bytes = self.peak_bytes = 0
        self.at_peak: Counter[str] = Counter()
        """Bytes at the peak by what they are for, in the words of `Need.PARTS`."""
        self._alive: dict[int, tuple[weakref.ref[Any], int]] = {}
        self._saved: set[int] = set()
        """Storages that a backward pass waits for."""
        self._kept: set[int] = set()
        """Storages that outlive a step: an optimizer's state."""
        state = model.state_dict(keep_vars=True).values()
        self._state = set(map(_key, state))
        for tensor in state:
            self._note(tensor)

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        # Forward AD asks `prims` for shapes alone, and has tangents of zero that hold nothing.
        if func.namespace != "prims":
            for tensor in tree_iter(result):
                if isinstance(tensor, Tensor) and not tensor._is_zerotensor():
                    self._note(tensor)
            if self.now_bytes >= self.peak_bytes:  # Of equal ones the last, which knows an optimizer's state.
                self.peak_bytes, self.at_peak = self.now_bytes, self._parts()
        return result

    def saving(self) -> saved_tensors_hooks:
        """Return the context in which what is saved for a backward pass is noted."""
        return saved_tensors_hooks(self._note_saved, lambda tensor: tensor)

    def between_steps(self) -> None:
        """Note that a step has ended: what is alive now and neither model nor gradient is an optimizer's."""
        self._kept = set(self._alive) - self._state - self._gradients()

    def _note_saved(self, tensor: Tensor) -> Tensor:
        self._saved.add(_key(tensor))
        return tensor

    def _note(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key not in self._alive:
            self._alive[key] = weakref.ref(storage, partial(self._end, key)), storage.nbytes()
            self.now_bytes += storage.nbytes()

    def _end(self, key: int, _: object) -> None:
        self.now_bytes -= self._alive.pop(key)[1]
        self._saved.discard(key)
        self._kept.discard(key)

    def _gradients(self) -> set[int]:
        return {_key(p.grad) for p in self.model.parameters() if p.grad is not None}

    def _parts(self) -> Counter[str]:
        gradients, parts = self._gradients(), Counter[str]()
        for key, (_, size) in self._alive.items():
            if key in self._state:
                kind = "parameters"
            elif key in gradients:
                kind = "gradients"
            elif key in self._kept:
                kind = "optimizer"
            else:
                kind = "activations" if key in self._saved else "temporaries"
            parts[kind] += size
        return parts


def follow(model: nn.Module, step: Callable[[], object]) -> LiveBytes:
    """Do `step` twice, the second time with an optimizer's state, and return what lived meanwhile."""
    live = LiveBytes(model)
    with live, live.saving():
        step()
        live.between_steps()
        step()
    return live


def _key(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)
