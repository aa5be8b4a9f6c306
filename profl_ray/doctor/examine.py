"""The whole examination: ask the nodes, then look at their answers, group by group."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from profl_ray.cluster.environment import on_cluster
from profl_ray.cluster.probe import Answer, ask_cluster, ask_this_machine
from profl_ray.config import ExperimentConfig
from profl_ray.doctor import probe
from profl_ray.doctor.data import data_findings
from profl_ray.doctor.findings import Finding, fail
from profl_ray.doctor.needs import need_findings
from profl_ray.doctor.nodes import error_of, node_findings
from profl_ray.doctor.resources import gpu_findings, memory_findings, nodes_of, placement_findings
from profl_ray.doctor.starting import starting_findings, upload_findings
from profl_ray.doctor.storage import storage_findings, trial_files, unusable
from profl_ray.doctor.system import system_findings
from profl_ray.doctor.tracking import tracking_findings
from profl_ray.doctor.versions import code_findings, machine_findings, version_findings
from profl_ray.errors import NoRay
from profl_ray.federation.data_sets import find_data_set
from profl_ray.federation.partitioners import find_partitioner
from profl_ray.memory import NeedEstimator
from profl_ray.models import find_family
from profl_ray.server.experiment import need_estimator
from profl_ray.strategies import find_strategy
from profl_ray.tracking import health_url, resolve_uri


@dataclass(frozen=True)
class Checkup:
    """What an examination found."""

    findings: list[Finding]
    nodes: list[str]
    """Names of the nodes that answered."""

    @property
    def passed(self) -> bool:
        """Whether nothing fails."""
        return all(finding.level != "fail" for finding in self.findings)


def examine(config: ExperimentConfig) -> Checkup:
    """Examine every node of the cluster that we run on, else this machine, for this experiment.

    Nothing that is made for it stays. Raises UserError for a recipe that cannot be put together.
    """
    find_data_set(config.data.name)
    find_strategy(config.strategy.name)
    find_partitioner(config.data.split.name)
    find_family(config.model.name)
    uri = resolve_uri(config) if config.tracking.enabled else None
    order = {
        "data": config.data.model_dump(mode="json"),
        "accelerator": config.fleet.accelerator,
        "health_url": health_url(uri) if uri else None,
    }
    root = config.storage.root
    # Needs are kept for the sweep, but no folder is left that was not there before.
    estimate = need_estimator(root) if root.is_dir() else NeedEstimator(None)
    try:
        with trial_files(root) as folder:
            answers = ask(order | {"storage": str(folder)}, config.fleet.start_timeout_seconds)
            storage = storage_findings(root, folder, [answer for answer in answers if not answer.silence])
    except NoRay as error:
        return Checkup([fail("cluster", error.what, error.fix)], [])
    except OSError as error:
        estimate = NeedEstimator(None)
        answers, storage = ask(order, config.fleet.start_timeout_seconds), [unusable(root, error)]
    there = [answer for answer in answers if not answer.silence]
    findings = node_findings(answers)
    if there:
        findings += _findings(config, there, storage, estimate, len(answers))
    return Checkup(findings, [answer.name for answer in there])


def ask(order: dict[str, Any], seconds: float) -> list[Answer]:
    """Return the answers of all nodes of our cluster; without one, this machine's, with no Ray started."""
    if on_cluster():
        return ask_cluster(probe, probe.look, order, seconds)
    return ask_this_machine(probe.look, order)


def _findings(
    config: ExperimentConfig,
    answers: Sequence[Answer],
    storage: list[Finding],
    estimate: NeedEstimator,
    num_nodes: int,
) -> list[Finding]:
    findings = [
        *version_findings(answers, probe.versions()),
        *code_findings(answers, probe.code()),
        *machine_findings(answers),
        *placement_findings(config, nodes_of(answers)),
        *gpu_findings(config, answers),
    ]
    loaded = [a.value["data"] for a in answers if not error_of(a.value["data"])]
    size_mib = loaded[0]["size_mib"] if loaded else 0.0
    findings += data_findings(config.data, answers)
    if loaded:
        of_needs, peak_need_mib = need_findings(config, loaded[0], estimate)
        findings += of_needs
        findings += memory_findings(config, answers, peak_need_mib, size_mib)
    findings += storage
    findings += tracking_findings(config, answers, num_nodes)
    if not on_cluster():
        findings += [*starting_findings(), *upload_findings(Path.cwd())]
    return findings + system_findings(answers, size_mib)
