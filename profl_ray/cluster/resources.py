"""What a run asks of the cluster, computed from the very configuration that makes its actors.

One check for all that ask: `run`, `sweep`, `compare`, `demo`, `doctor`.
"""

from collections.abc import Sequence

from profl_ray.cluster.placing import UNITS, Node, Trial, most_clients, rooms, units
from profl_ray.cluster.refusal import refusal
from profl_ray.config import ExperimentConfig
from profl_ray.errors import NoRoom, UserError


def run_bundles(config: ExperimentConfig) -> list[dict[str, float]]:
    """Return the resource bundles of a run: the driver's first, then one per client actor."""
    fleet = config.fleet
    each = {"CPU": fleet.cpus_per_actor, "GPU": fleet.gpus_per_actor}
    each = {kind: amount for kind, amount in each.items() if amount}
    if fleet.backend == "in_process":
        return [each]
    num_actors = config.federation.num_devices if fleet.actor_per_device else fleet.num_actors
    driver = {"CPU": fleet.driver_cpus} if fleet.driver_cpus else {}
    return [driver] + [each] * num_actors


def check_trial(config: ExperimentConfig, nodes: Sequence[Node]) -> None:
    """Raise UserError if the nodes can never hold a trial of a sweep, or if it reserves nothing.

    Tune would wait for ever and silently, or start all trials at once.
    """
    if not any(run_bundles(config)):
        raise UserError(
            f"fleet.cpus_per_actor={config.fleet.cpus_per_actor:g}: a trial must reserve something "
            "(fix: fleet.cpus_per_actor=0.1)"
        )
    check_cluster(config, nodes)


def check_cluster(config: ExperimentConfig, nodes: Sequence[Node]) -> None:
    """Raise UserError, with the numbers, if the nodes can never hold the run, wherever Ray puts its actors.

    What others use for now counts as room: it may come free.
    """
    _check_parts(config)
    trial = Trial(run_bundles(config))
    number = most_clients(trial, rooms(nodes))
    if number < trial.num_clients:
        what, fix = refusal(trial, nodes, number, config.fleet.actor_per_device)
        raise NoRoom(f"{what} (fix: {fix})")


def _check_parts(config: ExperimentConfig) -> None:
    """Refuse parts of a CPU or a GPU that Ray cannot share out."""
    least = 1 / UNITS
    for key in ("cpus_per_actor", "gpus_per_actor", "driver_cpus"):
        amount = getattr(config.fleet, key)
        used = key != "driver_cpus" or config.fleet.backend == "ray"
        if used and amount and not units(amount):
            raise UserError(
                f"fleet.{key}={amount:g}: Ray allocates in steps of {least:g} (fix: fleet.{key}={least:g})"
            )
