"""Versions and code agree on all nodes; so does the type of machine."""

from collections.abc import Mapping, Sequence
from typing import Any

from profl_ray.cluster.probe import Answer
from profl_ray.doctor.findings import Finding, fail, ok, warn
from profl_ray.doctor.nodes import by_value, error_of, everywhere, named


def version_findings(answers: Sequence[Answer], driver: Mapping[str, str]) -> list[Finding]:
    """Compare the nodes' versions of Python and of packages with the driver's."""
    findings = []
    for package, wanted in driver.items():
        values = {answer.name: answer.value["versions"].get(package, "missing") for answer in answers}
        if wanted == "missing":
            findings.append(fail("versions", f"{package} is not installed", f"pip install {package}"))
            continue
        for other, names in by_value(values).items():
            if other == wanted:
                continue
            fix = f"pip install '{package}=={wanted}'" if package != "Python" else f"install Python {wanted}"
            findings.append(
                fail(
                    "versions",
                    f"{package} is {other} on {named(names)}, {wanted} for the driver",
                    f"{fix} on {named(names)}, then ray start again",
                )
            )
    if not findings:
        listed = ", ".join(f"{package} {number}" for package, number in driver.items())
        findings.append(ok("versions", f"{listed}{everywhere(answers)}"))
    return findings


def code_findings(answers: Sequence[Answer], driver: Mapping[str, str]) -> list[Finding]:
    """Compare our version and the digest of our source on the nodes with the driver's."""
    fix = "ray job submit --working-dir . -- python -m profl_ray ...: every node then runs the same files"
    findings = []
    values = {answer.name: _code_words(answer.value["code"]) for answer in answers}
    wanted = _code_words(driver)
    for other, names in by_value(values).items():
        if other != wanted:
            findings.append(fail("code", f"{other} on {named(names)}, {wanted} for the driver", fix))
    return findings or [ok("code", f"{wanted}{everywhere(answers)}")]


def _code_words(code: Mapping[str, Any]) -> str:
    if error := error_of(code):
        return f"profl-ray cannot be imported ({error})"
    return f"profl-ray {code['version']}, source {code['digest']}"


def machine_findings(answers: Sequence[Answer]) -> list[Finding]:
    """Say so if the nodes' processors round differently."""
    types = by_value(
        {
            answer.name: answer.value["machine_type"]
            for answer in answers
            if not error_of(answer.value["machine_type"])
        }
    )
    if len(types) < 2:
        return [ok("processors", next(iter(types)) + everywhere(answers))] if types else []
    listed = "; ".join(f"{kind} ({named(names)})" for kind, names in types.items())
    return [
        warn(
            "processors",
            f"{len(types)} types of machine round differently: {listed}",
            "storage.share_rounds=false; ray start only nodes of one type where bits must agree",
        )
    ]
