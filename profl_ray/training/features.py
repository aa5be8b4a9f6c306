"""What frozen prefixes make of inputs, kept in files that the workers of a machine share.

A store that is off, full or lost changes nothing: what is not kept is computed in the same way (`prefix`).
"""

import os
import shutil
import time
from collections.abc import Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from tempfile import NamedTemporaryFile

import numpy as np
import torch
from torch import Tensor, nn

from profl_ray.models import Features
from profl_ray.plugins import digest_of, identity
from profl_ray.provenance import machine_type, source_digest
from profl_ray.sizes import MIB
from profl_ray.training.batch import kept_layout
from profl_ray.training.orders import TaskState
from profl_ray.training.prefix import run_units
from profl_ray.training.task import LocalTask

KNOWN_PREFIXES = 4
"""Prefixes whose folders a worker remembers: a round trains and evaluates one or two."""
STALE_SECONDS = 24 * 3600
"""After so long, what no machine has used is removed by any that shares the folder."""
HEADER_BYTES = 128
"""Of a file of numpy's."""
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class FeatureStore:
    """Files `root/BOOT/PREFIX/INPUTS.npy`, at most `limit_mib` in all; without a limit nothing is kept.

    A prefix is known by its units, their weights and the processor alone: so any run that has the same first
    units shares its files, and a longer prefix is continued from a shorter one. Files are not synced: they
    count only until the machine starts again. What cannot be read or written is computed, and so are features
    that are no single float32 tensor.
    """

    def __init__(self, root: Path, limit_mib: float, inputs: str) -> None:
        """Keep files under `root`; `inputs`: by what stored examples become inputs, in words."""
        self.root = root
        self.limit_mib = limit_mib
        self.inputs = inputs
        self._folders: dict[tuple[LocalTask, str], list[Path]] = {}

    def features(self, state: TaskState, model: nn.Module, stored: np.ndarray, inputs: Tensor) -> Features:
        """Return the output of the task's frozen prefix for inputs [N, ...].

        `stored`: what the inputs were made of, by which their features are known again.
        """
        num_units = state.task.prefix_units
        if not self.limit_mib:
            return run_units(model, inputs, 0, num_units)
        name = f"{sha256(np.ascontiguousarray(stored).data).hexdigest()[:32]}.npy"
        paths = [folder / name for folder in self._folders_of(state, inputs.device)]
        features: Features = inputs
        begun = 0
        for num_known in range(num_units, 0, -1):
            kept = _read(paths[num_known - 1], len(inputs))
            if kept is not None:
                begun, features = num_known, kept.to(inputs.device)
                break
        if begun < num_units:
            features = run_units(model, features, begun, num_units)
            self._keep(paths, features, paths[begun - 1] if begun else None)
        return features

    def _folders_of(self, state: TaskState, device: torch.device) -> list[Path]:
        """Return the folders of the first unit, of the first two, and so on to the whole prefix."""
        key = (state.task, state.frozen_version)
        if key not in self._folders:
            card = torch.cuda.get_device_name(device) if device.type == "cuda" else ""
            network = state.task.model.network
            code = source_digest("models", "training") + digest_of(network.name)
            # Not how it is cut into blocks: its units are the same.
            units = (identity(network.name), network.width, network.rate, network.input_shape)
            digest = sha256(repr((units, self.inputs, machine_type(), card, code)).encode())
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

    def _keep(self, paths: Sequence[Path], features: Features, base: Path | None) -> None:
        """Write the features to the last of `paths`, if there is room; `base`: the file they come from."""
        if not isinstance(features, Tensor) or features.dtype != torch.float32:
            return
        if features.dim() == 4:
            features = features.permute(0, 2, 3, 1)
        array = features.contiguous().cpu().numpy()
        try:
            paths[-1].parent.mkdir(parents=True, exist_ok=True)
            os.utime(paths[-1].parent)
            if self._make_room(array.nbytes + HEADER_BYTES, {path.parent for path in paths}, base):
                _write(paths[-1], array)
        except OSError:
            return  # A full disk, or a folder that another run removed: they are computed again.

    def _make_room(self, num_bytes: int, spared: set[Path], base: Path | None) -> bool:
        """Remove other prefixes, the one not used for longest first; at last `base`, which has served.

        The limit is this machine's: what others keep under the same root is left alone while they use it.
        """
        self._remove_stale()
        sizes = {folder: _size(folder) for folder in (self.root / _boot()).iterdir()}
        missing = num_bytes + sum(size for size, _ in sizes.values()) - self.limit_mib * MIB
        by_age = sorted(sizes.items(), key=lambda item: item[1][1])
        removable = [(folder, size) for folder, (size, _) in by_age if folder not in spared]
        if base is not None:
            removable.append((base, base.stat().st_size))
        if missing > sum(size for _, size in removable):
            return False
        for place, size in removable:
            if missing <= 0:
                break
            if place == base:
                place.unlink(missing_ok=True)
            else:
                shutil.rmtree(place, ignore_errors=True)
            missing -= size
        return True

    def _remove_stale(self) -> None:
        """Remove what is left of machines that are gone, or were started again."""
        for folder in self.root.glob("*/*"):
            if folder.parent.name == _boot():
                continue
            with suppress(OSError):  # Another machine removed it just now.
                if time.time() - folder.stat().st_mtime > STALE_SECONDS:
                    shutil.rmtree(folder, ignore_errors=True)


def _read(path: Path, num_rows: int) -> Tensor | None:
    """Map the features of a file; maps [N, H, W, C], seen as [N, C, H, W], lie in channels last."""
    try:
        np.load(path, mmap_mode="r")  # Refuses a file that is too short; "r+" would fill it up with zeros.
        # Shared, and so not counted by a device's memory cap; it is never written.
        array = np.load(path, mmap_mode="r+")
        os.utime(path.parent)  # Used: others make room before it.
    except (OSError, ValueError, EOFError):
        return None
    if array.dtype != np.float32 or array.ndim < 2 or len(array) != num_rows:
        return None
    features = torch.from_numpy(array)
    return kept_layout(features.permute(0, 3, 1, 2) if features.dim() == 4 else features)


def _write(path: Path, array: np.ndarray) -> None:
    """Write a whole file or none."""
    part = None
    try:
        with NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as file:
            part = Path(file.name)
            np.save(file, array)
        # Closed before: some file systems tell only then that there was no room.
        part.rename(path)
    except OSError:
        if part is not None:
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
