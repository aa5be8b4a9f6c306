"""Write made-up images where a walk needs Fashion-MNIST's files: right in form, without meaning.

Usage: made_data.py FOLDER
"""

import sys
from pathlib import Path

import numpy as np

NUM_IMAGES = {"train": 20_000, "t10k": 2_000}


def main(folder: Path) -> None:
    """Write the four idx files, uncompressed."""
    folder.mkdir(parents=True)
    drawn = np.random.default_rng(1)
    for part, count in NUM_IMAGES.items():
        images = drawn.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        labels = drawn.integers(0, 10, count, dtype=np.uint8)
        for name, values in ((f"{part}-images-idx3-ubyte", images), (f"{part}-labels-idx1-ubyte", labels)):
            head = np.array([0x800 + values.ndim, *values.shape], dtype=">u4")
            (folder / name).write_bytes(head.tobytes() + values.tobytes())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
