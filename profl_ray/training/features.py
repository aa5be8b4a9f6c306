"""What a frozen prefix makes of images: computed once, kept in files that the workers of a machine share.

While a step trains block t under the policy `eval`, blocks 1..t-1 are a fixed function. Its output is
computed in chunks of a fixed size, whether it is then kept or not: so a store that is off, full or lost
changes nothing.
"""

import os
import shutil
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Protocol, cast

import numpy as np
import torch
from torch import Tensor, nn

from profl_ray.provenance import source_digest
from profl_ray.training.orders import TaskState

CHUNK = 64
"""Images per forward pass of a prefix: part of the definition, since other sizes round otherwise."""
MIB = 2**20
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class FeatureStore:
    """Files `root/BOOT/PREFIX/IMAGES.npy`, at most `limit_mib` in all; without a limit nothing is kept.

    Files are not synced, so they count only until the machine starts again. What cannot be read or written is
    computed.
    """

    def __init__(self, root: Path, limit_mib: float) -> None:
        self.root = root
        self.limit_mib = limit_mib
        self._folders: dict[tuple[str, int, str], Path] = {}

    def features(self, state: TaskState, model: nn.Module, pixels: np.ndarray, images: Tensor) -> Tensor:
        """Return the output of the task's frozen prefix for images [N, C, H, W], float32 [N, C', H', W'].

        `pixels`: the images as they are stored, by which their features are known again.
        """
        if not self.limit_mib:
            return prefix_features(model, images, state.task.prefix_units)
        path = self._folder(state) / f"{sha256(np.ascontiguousarray(pixels).data).hexdigest()[:32]}.npy"
        kept = _read(path, len(images))
        if kept is not None:
            return kept.to(images.device)
        made = prefix_features(model, images, state.task.prefix_units)
        self._keep(path, made)
        return made

    def _folder(self, state: TaskState) -> Path:
        """Return the folder of the prefix, which is known by its weights."""
        key = (repr(state.task.model), state.task.prefix_units, state.frozen_version)
        if key not in self._folders:
            code = source_digest("models", "training")
            network = f"{state.task.model.network}{state.task.prefix_units}{torch.__version__}{code}".encode()
            layout = repr(state.task.frozen.names).encode()
            digest = sha256(network + layout + state.frozen.tobytes()).hexdigest()[:32]
            self._folders = {key: self.root / _boot() / digest}
        return self._folders[key]

    def _keep(self, path: Path, features: Tensor) -> None:
        """Write the features, if there is room; the folders of other prefixes make room, oldest first."""
        array = features.permute(0, 2, 3, 1).contiguous().cpu().numpy()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            os.utime(path.parent)
            if self._make_room(array.nbytes, path.parent):
                _write(path, array)
        except OSError:
            return  # A full disk, or a folder that another run removed: they are computed again.

    def _make_room(self, num_bytes: int, own: Path) -> bool:
        sizes = {folder: _size(folder) for folder in self.root.glob("*/*")}
        total = num_bytes + sum(size for size, _ in sizes.values())
        for folder, (size, _) in sorted(sizes.items(), key=lambda item: item[1][1]):
            if total <= self.limit_mib * MIB:
                break
            if folder != own:
                shutil.rmtree(folder, ignore_errors=True)
                total -= size
        return total <= self.limit_mib * MIB


@torch.no_grad()
def prefix_features(model: nn.Module, images: Tensor, num_units: int) -> Tensor:
    """Return the output of the first units, which are in evaluation mode, in chunks of a fixed size."""
    units = model.get_submodule("units")
    made = []
    for chunk in images.split(CHUNK):
        features = chunk.contiguous(memory_format=torch.channels_last)
        for index in range(num_units):
            for layer in units.get_submodule(str(index)).children():
                features = layer(features)
        made.append(features)
    return torch.cat(made)


def skip_units(model: nn.Module, num_units: int) -> None:
    """Let a model begin after its first units; its input is their output then."""
    if num_units or hasattr(model, "num_skipped"):
        cast(_Skipping, model).num_skipped = num_units


class _Skipping(Protocol):
    num_skipped: int


def _read(path: Path, num_images: int) -> Tensor | None:
    """Map the features [N, H, W, C] of a file; seen as [N, C, H, W] they lie in channels last."""
    try:
        os.utime(path.parent)  # Used: others make room before it.
        # Shared, and so not counted by a device's memory cap; nobody writes.
        array = np.load(path, mmap_mode="r+")
    except (OSError, ValueError, EOFError):
        return None
    if array.ndim != 4 or array.dtype != np.float32 or len(array) != num_images:
        return None
    return torch.from_numpy(array).permute(0, 3, 1, 2)


def _write(path: Path, array: np.ndarray) -> None:
    """Write a whole file or none."""
    with NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as file:
        part = Path(file.name)
        try:
            np.save(file, array)
            file.flush()
            part.rename(path)
        except OSError:
            part.unlink(missing_ok=True)
            raise


def _size(folder: Path) -> tuple[int, float]:
    """Return bytes and time of the last use of a folder."""
    with suppress(OSError):
        with os.scandir(folder) as entries:
            num_bytes = sum(entry.stat().st_size for entry in entries)
        return num_bytes, folder.stat().st_mtime
    return 0, 0.0


def _boot() -> str:
    with suppress(OSError):
        return _BOOT_ID.read_text().strip()[:8]
    return "here"
