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
from profl_ray.training.task import LocalTask

CHUNK = 64
"""Images per forward pass of a prefix: part of the definition, since other sizes round otherwise."""
KNOWN_PREFIXES = 4
"""Prefixes whose folders a worker remembers: a round trains and evaluates one or two."""
MIB = 2**20
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class FeatureStore:
    """Files `root/BOOT/PREFIX/IMAGES.npy`, at most `limit_mib` in all; without a limit nothing is kept.

    A prefix is known by the weights of its units alone, so whoever has the same first units shares its files,
    and a longer prefix is gone on with from a shorter one. Files are not synced: they count only until the
    machine starts again. What cannot be read or written is computed.
    """

    def __init__(self, root: Path, limit_mib: float) -> None:
        self.root = root
        self.limit_mib = limit_mib
        self._folders: dict[tuple[LocalTask, str], list[Path]] = {}

    def features(self, state: TaskState, model: nn.Module, pixels: np.ndarray, images: Tensor) -> Tensor:
        """Return the output of the task's frozen prefix for images [N, C, H, W], float32 [N, C', H', W'].

        `pixels`: the images as they are stored, by which their features are known again.
        """
        num_units = state.task.prefix_units
        if not self.limit_mib:
            return run_units(model, images, 0, num_units)
        name = f"{sha256(np.ascontiguousarray(pixels).data).hexdigest()[:32]}.npy"
        folders = self._folders_of(state)
        begun, features = 0, images
        for num_known in range(num_units, 0, -1):
            kept = _read(folders[num_known - 1] / name, len(images))
            if kept is not None:
                begun, features = num_known, kept.to(images.device)
                break
        if begun < num_units:
            features = run_units(model, features, begun, num_units)
            self._keep(folders[-1] / name, features)
        return features

    def _folders_of(self, state: TaskState) -> list[Path]:
        """Return the folders of the first unit, of the first two, and so on to the whole prefix."""
        key = (state.task, state.frozen_version)
        if key not in self._folders:
            code = source_digest("models", "training")
            digest = sha256(f"{state.task.model.network}{torch.__version__}{code}".encode())
            weights = state.task.frozen.unpack(state.frozen)
            folders = []
            for index in range(state.task.prefix_units):
                own = {name: value for name, value in weights.items() if name.startswith(f"units.{index}.")}
                digest.update(f"{index}{list(own)}".encode())
                for value in own.values():
                    digest.update(value.tobytes())
                folders.append(self.root / _boot() / digest.hexdigest()[:32])
            if len(self._folders) >= KNOWN_PREFIXES:
                self._folders.clear()
            self._folders[key] = folders
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
def run_units(model: nn.Module, features: Tensor, start: int, stop: int) -> Tensor:
    """Return what units start..stop-1, in evaluation mode, make of `features`, in chunks of a fixed size."""
    units = model.get_submodule("units")
    made = []
    for chunk in features.split(CHUNK):
        made_of_it = chunk.contiguous(memory_format=torch.channels_last)
        for index in range(start, stop):
            for layer in units.get_submodule(str(index)).children():
                made_of_it = layer(made_of_it)
        made.append(made_of_it)
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
