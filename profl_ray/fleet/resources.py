"""What a run asks of the cluster, computed from the very configuration that makes its actors."""

from collections.abc import Mapping, Sequence

from profl_ray.config import ExperimentConfig
from profl_ray.errors import UserError


def run_bundles(config: ExperimentConfig) -> list[dict[str, float]]:
    """Return the resource bundles of a run: the driver's first, then one per client actor."""
    fleet = config.fleet
    if fleet.backend == "in_process":
        gpus = {"GPU": fleet.gpus_per_actor} if fleet.gpus_per_actor else {}
        return [{"CPU": fleet.cpus_per_actor, **gpus}]
    num_actors = config.federation.num_devices if fleet.actor_per_device else fleet.num_actors
    client = {"CPU": fleet.cpus_per_actor, "GPU": fleet.gpus_per_actor}
    client = {kind: amount for kind, amount in client.items() if amount}
    driver = {"CPU": fleet.driver_cpus} if fleet.driver_cpus else {}
    return [driver] + [dict(client) for _ in range(num_actors)]


def alive_nodes() -> list[dict[str, float]]:
    """Return the resources of each node of the cluster that this process is connected to."""
    import ray

    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def check_cluster(config: ExperimentConfig, nodes: Sequence[Mapping[str, float]]) -> None:
    """Raise UserError, with the numbers, if the nodes (resources of each) can never hold the run.

    Its actors would wait, and Tune for ever and silently.
    """
    bundles = run_bundles(config)
    if len(bundles) == 1 and not any(bundles[0].values()):
        raise UserError(
            f"fleet.cpus_per_actor={config.fleet.cpus_per_actor:g}: a trial in one process must reserve "
            "something (mend: fleet.cpus_per_actor=0.1)"
        )
    for kind in ("CPU", "GPU"):
        needed = sum(bundle.get(kind, 0.0) for bundle in bundles)
        present = sum(node.get(kind, 0.0) for node in nodes)
        most = max((bundle.get(kind, 0.0) for bundle in bundles), default=0.0)
        largest = max((node.get(kind, 0.0) for node in nodes), default=0.0)
        if most > largest + 1e-6 and needed <= present + 1e-6:
            raise UserError(
                f"no node is large enough: one client actor needs {most:g} {kind}, the largest node has "
                f"{largest:g} (mend: fleet.{kind.lower()}s_per_actor)"
            )
        if needed > present + 1e-6:  # ten times 0.7 is a little more than 7
            raise UserError(
                f"the cluster is too small: a run needs {needed:g} {kind} (driver and {len(bundles) - 1} "
                f"client actors), the cluster has {present:g} "
                f"(mend: fleet.num_actors, fleet.{kind.lower()}s_per_actor)"
            )
