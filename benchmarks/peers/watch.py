"""Memory of a contestant: PSS over all of its processes, found by a mark in their environment."""

import re
import threading
from dataclasses import dataclass, field
from pathlib import Path

PERIOD_SECONDS = 2.0
RAYS_OWN = re.compile(
    r"gcs_server|raylet|ray::IDLE|/ray/(dashboard|_private|autoscaler)/|ray-dashboard|(agent|monitor)\.py"
)
"""Command lines of what Ray starts for itself, idle workers included; ray::Name is a contestant's actor."""


@dataclass
class MemoryWatch:
    """Samples until it is ended. PSS shares out what several processes map, so that it adds up."""

    mark: str
    samples_mib: list[tuple[float, float]] = field(default_factory=list)
    """The contestant's processes together; what Ray started for itself."""
    by_process_mib: dict[str, float] = field(default_factory=dict)
    """Most of every process, by its command line."""

    def __post_init__(self) -> None:
        self._known: dict[int, bool] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def end(self) -> None:
        """Stop sampling."""
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(PERIOD_SECONDS):
            own = rays = 0.0
            for pid in self._processes():
                try:
                    mib = pss_mib(pid)
                    command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
                except (FileNotFoundError, ProcessLookupError):
                    continue  # It has ended meanwhile.
                name = f"{pid} {command[:60]}"
                self.by_process_mib[name] = max(mib, self.by_process_mib.get(name, 0.0))
                if RAYS_OWN.search(command):
                    rays += mib
                else:
                    own += mib
            self.samples_mib.append((own, rays))

    def _processes(self) -> list[int]:
        """Return the marked processes; a process's mark is looked up once."""
        pids = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
        for pid in set(pids) - set(self._known):
            try:
                self._known[pid] = self.mark.encode() in Path(f"/proc/{pid}/environ").read_bytes()
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                continue
        return [pid for pid in pids if self._known.get(pid)]


def pss_mib(pid: int) -> float:
    """Return the proportional set size of a process."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    return 0.0  # A process that is just ending maps nothing.
