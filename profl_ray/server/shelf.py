"""What devices keep from round to round: the server holds it for them.

It goes down with a device's order and comes back with its result, so it is the same on any fleet, whatever
dies on the way, and no client actor holds anything. It is a part of the checkpoint.
"""

from collections.abc import Mapping

from profl_ray.training import Layout, State

PREFIX = "device/"
"""How the names of its tensors begin in a checkpoint: `device/NUMBER/NAME`."""


class Shelf:
    """The kept states by device; a device that kept nothing has no place."""

    def __init__(self) -> None:
        self._kept: dict[int, State] = {}

    def of(self, device: int, layout: Layout) -> State:
        """Return what the device keeps of `layout`; empty before the first time."""
        kept = self._kept.get(device, {})
        return {name: kept[name] for name in layout.names if name in kept}

    def put_away(self, kept: Mapping[int, State]) -> None:
        """Take what devices sent back, in place of what they kept under the same names."""
        for device, state in kept.items():
            self._kept[device] = self._kept.get(device, {}) | state

    @property
    def num_bytes(self) -> int:
        """Bytes of all kept states."""
        return sum(value.nbytes for state in self._kept.values() for value in state.values())

    def tensors(self) -> State:
        """Return everything by the names of a checkpoint."""
        return {
            f"{PREFIX}{device}/{name}": value
            for device, state in sorted(self._kept.items())
            for name, value in state.items()
        }

    def load(self, tensors: State) -> State:
        """Take back what `tensors` returned; return the other tensors."""
        self._kept, others = {}, {}
        for key, value in tensors.items():
            if not key.startswith(PREFIX):
                others[key] = value
                continue
            device, _, name = key.removeprefix(PREFIX).partition("/")
            self._kept.setdefault(int(device), {})[name] = value
        return others
