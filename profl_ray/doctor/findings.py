"""What the doctor says: one finding a check, with its fix."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

Level = Literal["ok", "warn", "fail"]
LEVELS: tuple[Level, ...] = ("ok", "warn", "fail")


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's. Only what is not ok has a fix: a command or a setting."""

    level: Level
    check: str
    """What was looked at, in one or two words."""
    what: str
    fix: str = ""

    def __post_init__(self) -> None:
        assert bool(self.fix) == (self.level != "ok"), f"{self.check}: a fix is for what is not ok"


def ok(check: str, what: str) -> Finding:
    """Return a finding that all is well."""
    return Finding("ok", check, what)


def warn(check: str, what: str, fix: str) -> Finding:
    """Return a finding that does not keep a sweep from running."""
    return Finding("warn", check, what, fix)


def fail(check: str, what: str, fix: str) -> Finding:
    """Return a finding that does."""
    return Finding("fail", check, what, fix)


def counts(findings: Iterable[Finding]) -> dict[str, int]:
    """Return how many findings each level has."""
    found = Counter(finding.level for finding in findings)
    return {level: found[level] for level in LEVELS}


def as_lines(findings: Sequence[Finding]) -> list[str]:
    """Return a line a finding, aligned, each fix after an arrow on the next line; at the end the count."""
    width = max((len(finding.check) for finding in findings), default=0)
    lines = []
    for finding in findings:
        lines.append(f"{finding.level:4s}  {finding.check:{width}s}  {finding.what}")
        if finding.fix:
            lines.append(f"{'':6s}{'':{width}s}  -> {finding.fix}")
    return [*lines, ", ".join(f"{number} {level}" for level, number in counts(findings).items())]


def as_json(findings: Sequence[Finding], nodes: Sequence[str]) -> dict[str, Any]:
    """Return the findings as plain values; `nodes`: the names of those that answered."""
    return {**counts(findings), "nodes": list(nodes), "findings": [asdict(finding) for finding in findings]}
