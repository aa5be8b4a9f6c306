"""What three processes hold that import PyTorch and Ray: `python benchmarks/peers/imports.py`."""

import subprocess
import sys
from contextlib import ExitStack

from watch import pss_mib

IDLE = "import torch, ray; print('up', flush=True); input()"


def main() -> None:
    """Print the PSS of each, and their sum, in MiB."""
    with ExitStack() as stack:
        processes = []
        for _ in range(3):
            process = subprocess.Popen(
                [sys.executable, "-c", IDLE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            stack.callback(process.kill)
            processes.append(process)
        for process in processes:
            assert process.stdout is not None
            process.stdout.readline()
        sizes = [pss_mib(process.pid) for process in processes]
    print(" + ".join(f"{size:.0f}" for size in sizes), f"= {sum(sizes):.0f} MiB")


if __name__ == "__main__":
    main()
