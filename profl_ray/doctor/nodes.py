"""The nodes' answers, and how to speak of them."""

from collections.abc import Iterable, Sequence
from typing import Any

from profl_ray.cluster.probe import Answer
from profl_ray.doctor.findings import Finding, fail, ok


def named(names: Iterable[str]) -> str:
    """Return names in a list that stays short."""
    every = sorted(names)
    return ", ".join(every[:4]) + (f" and {len(every) - 4} more" if len(every) > 4 else "")


def everywhere(answers: Sequence[Answer]) -> str:
    """Return words for all nodes; none for one machine alone."""
    return f" on {len(answers)} nodes" if len(answers) > 1 else ""


def by_value(values: dict[str, Any]) -> dict[Any, list[str]]:
    """Turn values by node's name into the names of each value, the most frequent value first."""
    turned: dict[Any, list[str]] = {}
    for name, value in values.items():
        turned.setdefault(value, []).append(name)
    return dict(sorted(turned.items(), key=lambda pair: -len(pair[1])))


def error_of(value: Any) -> str:
    """Return why the node has no value; empty if it has one."""
    return str(value["error"]) if isinstance(value, dict) and "error" in value else ""


def node_findings(answers: Sequence[Answer]) -> list[Finding]:
    """Say which nodes answered; one that did not is a fail that names it."""
    findings = [
        fail(
            "nodes",
            f"node {answer.name} does not answer: {answer.silence}",
            f"ray start --address=HEAD:6379 on {answer.name} again, or fleet.start_timeout_seconds=300",
        )
        for answer in answers
        if answer.silence
    ]
    there = [answer for answer in answers if not answer.silence]
    if there and not findings:
        words = (
            f"all {len(there)} nodes answer" if len(there) > 1 else f"{there[0].name}, the only one, answers"
        )
        findings.append(ok("nodes", words))
    return findings
