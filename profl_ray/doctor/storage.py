"""The storage root: can be written, is one and the same folder on every node, locks, renames, has room."""

import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex

from filelock import FileLock, Timeout

from profl_ray.cluster.probe import Answer
from profl_ray.doctor.findings import Finding, fail, ok, warn
from profl_ray.doctor.nodes import error_of
from profl_ray.doctor.probe import SHARED_SECONDS
from profl_ray.sizes import MIB

CHECK = "storage"
LITTLE_MIB = 2048.0
TOO_LITTLE_MIB = 256.0
"""A small run's checkpoints and the MLflow file need tens of MiB."""
IN_A_JOB = "RAY_JOB_CONFIG_JSON_ENV_VAR"
"""What Ray sets for the process of a submitted job; RAY_JOB_ID it sets in workers alone."""
FIX = "storage.root=/FOLDER that can be written"


@contextmanager
def trial_files(root: Path) -> Iterator[Path]:
    """Make the trial folder in `root`, with the driver's file and a lock that is held; nothing of it stays.

    Raises OSError that names what cannot be used.
    """
    made = [path for path in (root, *root.parents) if not path.exists()]
    folder = root / f".doctor-{token_hex(6)}"
    try:
        folder.mkdir(parents=True)
        (folder / "driver").write_text(folder.name)
        lock = FileLock(folder / "lock")
        try:
            lock.acquire(timeout=SHARED_SECONDS)
        except Timeout:
            raise OSError(0, "a lock that no process holds is refused", str(folder / "lock")) from None
        try:
            yield folder
        finally:
            lock.release()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        for path in made:
            # Made by another process meanwhile, or filled: it stays.
            if path.is_dir() and not any(path.iterdir()):
                path.rmdir()


def unusable(root: Path, error: OSError) -> Finding:
    """Return the finding for a root in which the trial files could not be made."""
    reason = error.strerror or type(error).__name__
    where = f" ({error.filename})" if error.filename and str(error.filename) != str(root) else ""
    return fail(CHECK, f"{root} cannot be used: {reason}{where}", FIX)


def storage_findings(root: Path, folder: Path, answers: Sequence[Answer]) -> list[Finding]:
    """Compare what the nodes report of the trial folder with what the driver sees of theirs."""
    findings = [finding for answer in answers for finding in _node_findings(root, folder, answer)]
    findings += place_findings(root)
    if not findings:
        words = (
            f"one folder for all {len(answers)} nodes, locks work between them"
            if len(answers) > 1
            else ("can be written, locks work")
        )
        findings.append(ok(CHECK, f"{root}: {words}"))
    return [*findings, space_finding(root)]


def _node_findings(root: Path, folder: Path, answer: Answer) -> list[Finding]:
    told, name = answer.value["storage"], answer.name
    shared = (
        f"mount the same folder (NFS 4) at {root} on {name}, or storage.root=/FOLDER that all nodes share"
    )
    if error := error_of(told):
        return [fail(CHECK, f"{root} cannot be tested on {name}: {error}", shared)]
    if not told["seen"]:
        return [fail(CHECK, f"{root} {told['what']} on {name}: it is not shared", shared)]
    if not told["written"]:
        fix = f"chmod or chown {root} on {name} for the user that Ray runs as"
        return [fail(CHECK, f"{root} cannot be written on {name}: {told['what']}", fix)]
    findings = []
    if not told["renames"]:
        what = f"{root}: a renamed file does not replace the old one on {name}"
        findings.append(
            fail(CHECK, what, "storage.root=/FOLDER on a file system with atomic renames (NFS 4)")
        )
    elif not told["locks"]:
        what = f"{root}: a lock held by the driver is granted to {name} as well"
        findings.append(fail(CHECK, what, f"mount {root} with locks (NFS 4, no nolock) on {name}"))
    if not _appears(folder / f"node-{name}"):
        what = f"{root}: the driver does not see what {name} writes"
        findings.append(fail(CHECK, what, f"mount {root} with actimeo=1 here and on {name}"))
    return findings


def _appears(path: Path) -> bool:
    deadline = time.monotonic() + SHARED_SECONDS
    while not path.is_file():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def place_findings(root: Path) -> list[Finding]:
    """Say so if results would go into the folder of a Ray job, which Ray removes."""
    if IN_A_JOB in os.environ and root.is_relative_to(Path.cwd()):
        what = f"{root} is inside the job's own folder, which Ray removes after the job with all results"
        return [fail(CHECK, what, "storage.root=/FOLDER, an absolute path that all nodes share")]
    return []


def space_finding(root: Path) -> Finding:
    """Look at the free space."""
    free_mib = shutil.disk_usage(root).free / MIB
    words = f"{free_mib / 1024:.1f} GiB free at {root}"
    fix = f"df -h {root}; free some, or storage.root=/FOLDER with more"
    if free_mib < TOO_LITTLE_MIB:
        return fail("free space", words, fix)
    return warn("free space", words, fix) if free_mib < LITTLE_MIB else ok("free space", words)
