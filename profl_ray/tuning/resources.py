"""What a trial asks of the cluster, computed from the very configuration that makes its actors."""

from typing import Any

from profl_ray.config import ExperimentConfig
from profl_ray.errors import UserError


def trial_bundles(config: ExperimentConfig) -> list[dict[str, float]]:
    """Return the resource bundles of a trial: the driver's first, then one per client actor."""
    fleet = config.fleet
    if fleet.backend == "in_process":
        gpus = {"GPU": fleet.gpus_per_actor} if fleet.gpus_per_actor else {}
        return [{"CPU": fleet.cpus_per_actor, **gpus}]
    num_actors = config.federation.num_devices if fleet.actor_per_device else fleet.num_actors
    client = {"CPU": fleet.cpus_per_actor, "GPU": fleet.gpus_per_actor}
    client = {kind: amount for kind, amount in client.items() if amount}
    driver = {"CPU": fleet.driver_cpus} if fleet.driver_cpus else {}
    return [driver] + [dict(client) for _ in range(num_actors)]


def placement_group(config: ExperimentConfig) -> Any:
    """Return the trial's placement group for Tune."""
    from ray.tune import PlacementGroupFactory

    return PlacementGroupFactory(trial_bundles(config))


def check_cluster(config: ExperimentConfig, cluster: dict[str, float]) -> None:
    """Raise UserError, with the numbers, if `cluster` (total resources) can never hold one trial.

    Tune would wait for ever, silently.
    """
    bundles = trial_bundles(config)
    for kind in ("CPU", "GPU"):
        needed = sum(bundle.get(kind, 0.0) for bundle in bundles)
        present = cluster.get(kind, 0.0)
        if needed > present + 1e-6:  # ten times 0.7 is a little more than 7
            raise UserError(
                f"the cluster is too small: a trial needs {needed:g} {kind} (driver and {len(bundles) - 1} "
                f"client actors), the cluster has {present:g} "
                f"(mend: fleet.num_actors, fleet.{kind.lower()}s_per_actor)"
            )
