"""How much memory each device has for training: one function per kind of quotas."""

import math
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np

from profl_ray.errors import NotHere, UserError, unknown_name
from profl_ray.federation.rounding import apportion
from profl_ray.randomness import numpy_stream, stream_seed
from profl_ray.sections import QuotaConfig
from profl_ray.sizes import MIB
from profl_ray.texts import read_text, show

MIB_PER_MB = 1e6 / MIB
"""MiB (2^20 bytes) in one MB (10^6 bytes)."""


def draw_quotas(config: QuotaConfig, num_devices: int, seed: int, full_need_mib: float) -> np.ndarray:
    """Return the quota of each device in MiB: float64 [num_devices].

    `seed` is the root seed, used where `config.seed` is null; `full_need_mib` is the need of the full model,
    of which uniform_fraction and levels are fractions. Raises UserError for a list or file that does not give
    one positive number per device.
    """
    if config.name not in _KINDS:
        raise unknown_name("quotas", config.name, _KINDS)
    own_seed = stream_seed(seed, "quotas") if config.seed is None else config.seed
    quotas = np.asarray(_KINDS[config.name](config, num_devices, own_seed, full_need_mib), np.float64)
    if len(quotas) != num_devices:
        where = f"{config.path} has" if config.name == "file" else "values_mib has"
        raise UserError(
            f"federation.quotas.name={config.name}: {where} {len(quotas)} quotas, "
            f"but federation.num_devices={num_devices}; give one per device"
        )
    if not (np.isfinite(quotas).all() and (quotas > 0).all()):
        raise UserError(
            f"federation.quotas.name={config.name}: every quota must be a positive finite number of MiB"
        )
    return quotas


def draw_uniform_mb(num_devices: int, low: int, high: int, seed: int) -> list[int]:
    """Return whole quotas in MB, uniform in low..high, drawn in device order as the paper's code does.

    This is the one place that uses Python's generator: with seed 42 it yields the paper's devices.
    """
    generator = random.Random(seed)
    return [generator.randint(low, high) for _ in range(num_devices)]


def _uniform_mb(config: QuotaConfig, num_devices: int, seed: int, _full_need_mib: float) -> np.ndarray:
    return np.array(draw_uniform_mb(num_devices, config.low_mb, config.high_mb, seed)) * MIB_PER_MB


def _uniform_fraction(config: QuotaConfig, num_devices: int, seed: int, full_need_mib: float) -> np.ndarray:
    generator = numpy_stream(seed, "quotas", "uniform_fraction")
    return generator.uniform(config.low_fraction, config.high_fraction, num_devices) * full_need_mib


def _levels(config: QuotaConfig, num_devices: int, seed: int, full_need_mib: float) -> np.ndarray:
    """Give each level its share of the devices, in random order."""
    counts = apportion(num_devices, np.array(config.shares))
    quotas = np.repeat(np.array(config.fractions) * full_need_mib, counts)
    return numpy_stream(seed, "quotas", "levels").permutation(quotas)


def _list(config: QuotaConfig, _num_devices: int, _seed: int, _full_need_mib: float) -> np.ndarray:
    return np.array(config.values_mib, np.float64)


def _file(config: QuotaConfig, _num_devices: int, _seed: int, _full_need_mib: float) -> np.ndarray:
    assert config.path is not None  # QuotaConfig sees to it
    return np.array(read_quotas(config.path), np.float64)


def read_quotas(path: Path) -> list[float]:
    """Return the numbers (MiB) in the text file `path`, one a line; blank lines and # comments are skipped.

    A byte order mark, as Windows writes it, is left out; it may say that the file is UTF-16. Raises
    UserError, which names the file and the line, for anything that is not a positive finite number.
    """
    key = f"federation.quotas.path={path}"
    try:
        lines = read_text(path.expanduser(), errors="replace").splitlines()
    except OSError as error:
        raise NotHere(f"{key}: cannot read it: {error.strerror}") from error
    quotas = []
    for number, line in enumerate(lines, start=1):
        text = line.partition("#")[0].strip()
        if not text:
            continue
        try:
            quota = float(text)
        except ValueError:
            quota = math.nan
        if not (math.isfinite(quota) and quota > 0):
            raise UserError(
                f"{key}: line {number}: {show(text)!r} is not a positive finite number of MiB (allowed: "
                "one number a line, with a point, without unit or heading, such as 512.5; comments after #)"
            )
        quotas.append(quota)
    return quotas


_KINDS: dict[str, Callable[[QuotaConfig, int, int, float], np.ndarray]] = {
    "uniform_mb": _uniform_mb,
    "uniform_fraction": _uniform_fraction,
    "levels": _levels,
    "list": _list,
    "file": _file,
}
