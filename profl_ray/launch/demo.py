"""The demo: a Ray head, one sweep as a job, the head taken down again."""

import sys
import time
from collections.abc import Iterable
from pathlib import Path

import profl_ray
from profl_ray.cluster.environment import JOB_DEFAULTS
from profl_ray.launch.head import LocalHead
from profl_ray.launch.output import JobOutput
from profl_ray.launch.request import JobRequest
from profl_ray.signals import interruptible, uninterrupted

_STOP_SECONDS = 15.0
"""Ray gives a job a few seconds after SIGTERM, then kills it."""


class Clock:
    """Prints short lines with the seconds since the start."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def say(self, text: str) -> None:
        """Print one line."""
        print(f"[{time.monotonic() - self._start:6.1f} s] {text}", flush=True)


def run_demo(space: str, overrides: list[str], storage_root: Path, num_cpus: int | None = None) -> int:
    """Sweep `space` on a local Ray head; return 0, 1 (the job failed) or 130 (interrupted)."""
    root = storage_root.expanduser().resolve()
    # Our storage root comes last: the demo looks for the report there.
    request = JobRequest(
        ("sweep", space, *overrides, f"storage.root={root}"), dict(JOB_DEFAULTS), source_folder()
    )
    clock, began = Clock(), time.time()
    code = run_on_local_head(request, num_cpus, clock, what=f"sweep {space}, results in {root}")
    if code == 0:
        report = newest_report(root, began)
        if report is not None:
            clock.say(f"report: {report}")
        clock.say("done; `make ui` opens the MLflow UI")
    return code


def run_on_local_head(request: JobRequest, num_cpus: int | None, clock: Clock, what: str) -> int:
    """Run the one job of a head that lives only as long as the job."""
    try:
        with interruptible():
            clock.say("starting a local Ray head (about 10 s)")
            with LocalHead(num_cpus) as head:
                clock.say(f"Ray is up at {head.address}; submitting: {what}")
                code = run_job(head, request)
                clock.say(f"job {'succeeded' if code == 0 else 'FAILED'}; stopping Ray")
            clock.say("Ray is stopped")
            return 0 if code == 0 else 1
    except KeyboardInterrupt:
        clock.say("interrupted; the job and Ray are stopped")
        return 130


def source_folder() -> Path | None:
    """Return the folder of the sources; None if the package is installed without them."""
    folder = Path(profl_ray.__file__).resolve().parents[1]
    # An ordinary install lies in site-packages: much too large to upload, and importable anyway.
    return folder if (folder / "pyproject.toml").is_file() else None


def run_job(head: LocalHead, request: JobRequest) -> int:
    """Run a job and return its exit code. An interrupt stops the job first."""
    output = JobOutput()
    job = head.jobs.submit(request)
    try:
        code = head.jobs.follow(job, output.write)
        output.end()
    except KeyboardInterrupt:
        with uninterrupted():
            if not head.jobs.stop(job, _STOP_SECONDS):
                print(f"job {job} did not end by itself; it ends with the head", file=sys.stderr)
        raise
    return code


def newest_report(root: Path, since: float) -> Path | None:
    """Return the HTML report that was written last, if it was written after `since`."""
    found: Iterable[Path] = [p for depth in ("", "*/", "*/*/") for p in root.glob(f"{depth}*report*.html")]
    return max(
        (p for p in found if p.stat().st_mtime >= since), key=lambda p: p.stat().st_mtime, default=None
    )
