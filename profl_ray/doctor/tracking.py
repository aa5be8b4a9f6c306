"""MLflow: the store can be used from here, a server from every node."""

from collections.abc import Sequence

from profl_ray.cluster.probe import Answer
from profl_ray.config import ExperimentConfig
from profl_ray.doctor.findings import Finding, fail, ok, warn
from profl_ray.doctor.nodes import error_of, named
from profl_ray.secrecy import masked
from profl_ray.tracking import StoreCondition, resolve_uri, store_condition

CHECK = "MLflow"


def tracking_findings(config: ExperimentConfig, answers: Sequence[Answer], num_nodes: int) -> list[Finding]:
    """Look at the store that the recipe is tracked in; `num_nodes` counts those that do not answer, too."""
    if not config.tracking.enabled:
        return [ok(CHECK, "turned off (tracking.enabled=false)")]
    uri = resolve_uri(config)
    condition = store_condition(uri)
    findings = [condition_finding(condition)]
    if condition.kind == "SQLite file" and num_nodes > 1:
        findings.append(
            warn(
                CHECK,
                f"a SQLite file for {num_nodes} nodes: with several writers over a network it breaks",
                "mlflow server --host HOST --port 5000, and tracking.uri=http://HOST:5000",
            )
        )
    deaf = {a.name: why for a in answers if (why := _silence(a))}
    if deaf and condition.usable:
        what = f"{masked(uri)} does not answer {named(deaf)} ({next(iter(deaf.values()))})"
        fix = "mlflow server --host 0.0.0.0 --allowed-hosts HOST:5000, and tracking.uri=http://HOST:5000"
        findings.append(fail(CHECK, what, fix))
    return findings


def condition_finding(condition: StoreCondition) -> Finding:
    """Turn a store's condition into a finding."""
    if not condition.fix:
        return ok(CHECK, condition.state)
    return (warn if condition.usable else fail)(CHECK, condition.state, condition.fix)


def _silence(answer: Answer) -> str:
    told = answer.value.get("server", "")
    return error_of(told) or str(told)
