"""What the system gives each node: clock, open files, shared memory, the cap, threads, memory limits."""

from collections.abc import Sequence
from typing import Any

from profl_ray.cluster.probe import Answer
from profl_ray.doctor.findings import Finding, fail, ok, warn
from profl_ray.doctor.nodes import error_of, everywhere, named
from profl_ray.sizes import MIB

SKEW_WARN_SECONDS = 2.0
SKEW_FAIL_SECONDS = 30.0
FEW_FILES = 4096
TOO_FEW_FILES = 1024
"""Ray alone holds hundreds: a connection to each worker, a file of each log."""
SMALL_SHM_MIB = 1024.0
SMALL_LIMIT_MIB = 2048.0


def system_findings(answers: Sequence[Answer], data_mib: float) -> list[Finding]:
    """Return the findings; `data_mib`: size of the data set, which goes into the object store."""
    return [
        *clock_findings(answers),
        *file_findings(answers),
        *shm_findings(answers, data_mib),
        *cap_findings(answers),
        *thread_findings(answers),
        *limit_findings(answers),
    ]


def clock_findings(answers: Sequence[Answer]) -> list[Finding]:
    """Compare the nodes' clocks with the driver's when their answers came."""
    if len(answers) < 2:
        return []
    skews = {answer.name: answer.value["clock"] - answer.arrived for answer in answers}
    findings = []
    for name, skew in skews.items():
        if abs(skew) <= SKEW_WARN_SECONDS:
            continue
        level = fail if abs(skew) > SKEW_FAIL_SECONDS else warn
        side = "ahead of" if skew > 0 else "behind"
        what = f"{name} is {abs(skew):.1f} s {side} the driver"
        findings.append(level("clocks", what, f"timedatectl set-ntp true (or chronyc makestep) on {name}"))
    most = max(abs(skew) for skew in skews.values())
    return findings or [ok("clocks", f"within {max(most, 0.1):.1f} s{everywhere(answers)}")]


def file_findings(answers: Sequence[Answer]) -> list[Finding]:
    """Look at the soft limit of open files; -1 is none."""
    limits = {answer.name: answer.value["open_files"] for answer in answers}
    few = {name: limit for name, limit in limits.items() if 0 <= limit < FEW_FILES}
    if not few:
        # No limit counts as a large one.
        least = min(limits.values(), key=lambda limit: limit if limit >= 0 else float("inf"))
        words = "no limit" if least < 0 else f"{least} or more" if len(answers) > 1 else str(least)
        return [ok("open files", f"{words}{everywhere(answers)}")]
    level = fail if min(few.values()) < TOO_FEW_FILES else warn
    what = f"at most {min(few.values())} on {named(few)}, below {FEW_FILES}"
    return [level("open files", what, "ulimit -n 65536 before ray start (or profl-ray)")]


def shm_findings(answers: Sequence[Answer], data_mib: float) -> list[Finding]:
    """Look at /dev/shm, where Ray's object store lies; a smaller one moves it to the disk."""
    wanted = max(SMALL_SHM_MIB, 2 * data_mib)
    sizes = {answer.name: answer.value["shm_mib"] for answer in answers}
    small = {name: size for name, size in sizes.items() if size < wanted}
    if not small:
        return [ok("/dev/shm", f"{min(sizes.values()) / 1024:.1f} GiB{everywhere(answers)}")]
    what = f"{min(small.values()):.0f} MiB on {named(small)}: Ray's object store uses the disk, which is slow"
    gib = -(-wanted // 1024)
    return [
        warn("/dev/shm", what, f"mount -o remount,size={gib:.0f}G /dev/shm (Docker: --shm-size={gib:.0f}g)")
    ]


def cap_findings(answers: Sequence[Answer]) -> list[Finding]:
    """Say where the memory cap did not stop a process that asked for too much."""
    findings = [
        fail("memory cap", f"does not work on {answer.name}: {why}", "fleet.enforce_quotas=false")
        for answer in answers
        if (why := error_of(answer.value["cap"]) or answer.value["cap"])
    ]
    return findings or [ok("memory cap", f"stops an allocation beyond it{everywhere(answers)}")]


def thread_findings(answers: Sequence[Answer]) -> list[Finding]:
    """Say where OMP_NUM_THREADS lets a process take more than one CPU."""
    values = {answer.name: answer.value["omp_num_threads"] for answer in answers}
    many = {name: value for name, value in values.items() if value not in ("", "1")}
    if not many:
        return [ok("threads", f"one per process{everywhere(answers)}")]
    what = (
        f"OMP_NUM_THREADS={next(iter(many.values()))} on {named(many)}: drivers take CPUs from client actors"
    )
    return [warn("threads", what, "unset OMP_NUM_THREADS before ray start (or profl-ray)")]


def limit_findings(answers: Sequence[Answer]) -> list[Finding]:
    """Look at the control group's memory limit: beyond it the kernel kills, whatever the machine has free."""
    findings = []
    limits: dict[str, dict[str, Any]] = {answer.name: answer.value["memory"] for answer in answers}
    own = {name: sizes["limit_mib"] for name, sizes in limits.items() if sizes["limit_mib"] is not None}
    small = {name: limit for name, limit in own.items() if limit < SMALL_LIMIT_MIB}
    if small:
        what = f"limit {min(small.values()):.0f} MiB on {named(small)}: Ray and one client actor need more"
        findings.append(
            warn("memory limit", what, "docker run --memory=8g (Kubernetes: resources.limits.memory)")
        )
    unseen = {
        name: limit
        for name, limit in own.items()
        if name not in small and (limits[name]["seen_by_ray_mib"] or float("inf")) > limit
    }
    if unseen:
        least = min(unseen.values())
        what = f"limit {least:.0f} MiB on {named(unseen)}, which Ray does not see"
        fix = f"ray start --memory={int(0.6 * least) * MIB} --object-store-memory={int(0.2 * least) * MIB}"
        findings.append(warn("memory limit", what, fix))
    if findings:
        return findings
    words = f"{min(own.values()):.0f} MiB, seen by Ray" if own else "none besides the machine's memory"
    return [ok("memory limit", f"{words}{everywhere(answers)}")]
