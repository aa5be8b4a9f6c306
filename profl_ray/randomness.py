"""Named random streams: every draw comes from the root seed and the name of its purpose.

No code touches a global generator. A stream is a pure function of (seed, *name), so a resumed run, or one
with another number of actors, draws the same numbers.
"""

from hashlib import blake2b

import numpy as np
import torch


def stream_seed(seed: int, *name: str | int) -> int:
    """Return a 63-bit seed for the stream `name` under the root `seed`."""
    text = "\x1f".join(str(part) for part in (seed, *name))
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little") >> 1


def numpy_stream(seed: int, *name: str | int) -> np.random.Generator:
    """Return the NumPy generator of the stream `name`, for instance ("shuffle", "grow 2", 17, 3)."""
    return np.random.Generator(np.random.PCG64(stream_seed(seed, *name)))


def torch_stream(seed: int, *name: str | int) -> torch.Generator:
    """Return the torch generator (on the CPU) of the stream `name`."""
    return torch.Generator().manual_seed(stream_seed(seed, *name))
