"""The thread in which a worker computes: its caller's, until a memory error has spoilt that."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from threading import local
from typing import ParamSpec, TypeVar

import torch

P = ParamSpec("P")
T = TypeVar("T")
_this_thread = local()


class ComputeThread:
    """Runs calls one after another, with one thread of PyTorch's.

    oneDNN's code generator keeps its first error for the rest of its thread's life (Xbyak's `GetErrorRef`):
    once a kernel got no memory under one device's cap, no other kernel could be made in that thread, with
    the cap long lifted. So a device stopped by a cap leaves the thread, and nothing computes there again.
    """

    def __init__(self) -> None:
        self._fresh: ThreadPoolExecutor | None = None

    def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what `call` returns."""
        if self._fresh is None and hasattr(_this_thread, "spoilt"):
            self._renew()
        if self._fresh is not None:
            future = self._fresh.submit(call, *args, **kwargs)
            try:
                return future.result()
            except KeyboardInterrupt:
                # Until it has left its cap, which is the process's.
                wait([future])
                raise
        # One thread: sums of several threads depend on their number.
        torch.set_num_threads(1)
        return call(*args, **kwargs)

    def leave(self) -> None:
        """Run the next calls in a new thread; the one that asks for it ends in its own."""
        _this_thread.spoilt = True
        self._renew()

    def _renew(self) -> None:
        if self._fresh is not None:
            self._fresh.shutdown(wait=False)
        self._fresh = ThreadPoolExecutor(1, initializer=torch.set_num_threads, initargs=(1,))
