"""Why nodes can never hold a run, in one line with the numbers, and which settings to change."""

from collections.abc import Sequence

from profl_ray.cluster.placing import UNITS, Bundle, Node, Trial, units

KINDS = ("CPU", "GPU")


def amounts(bundles: Sequence[Bundle]) -> dict[str, float]:
    """Return the sums of what bundles ask for, by kind, without what is not asked for."""
    sums = {kind: round(sum(bundle.get(kind, 0.0) for bundle in bundles), 4) for kind in KINDS}
    return {kind: amount for kind, amount in sums.items() if amount}


def refusal(trial: Trial, nodes: Sequence[Node], number: int, per_device: bool = False) -> tuple[str, str]:
    """Return what is wrong, and the settings that fix it, where only `number` of the client actors fit."""
    fewer = "fleet.actor_per_device=false and fleet.num_actors" if per_device else "fleet.num_actors"
    fewer += f"={number}" if number > 0 else ""
    clients = [fewer] if trial.num_clients else []
    for kind, needed in amounts(trial.bundles).items():
        if sum(units(bundle.get(kind, 0.0)) for bundle in trial.bundles) > sum(_usable(kind, nodes)):
            who = f" (driver and {_actors(trial.num_clients)})" if trial.num_clients else ""
            what = f"the cluster is too small: a run needs {needed:g} {kind}{who}, {_present(kind, nodes)}"
            return what, ", ".join([*clients, _key(kind)])
    for who, kind, needed, key in _undivided(trial):
        if units(needed) > max(_usable(kind, nodes)):
            largest = max(_usable(kind, nodes)) / UNITS
            what = f"no node is large enough: {who} needs {needed:g} {kind}, the largest node has {largest:g}"
            return what + _beside_own_process(kind, nodes), key
    asked = [f"{trial.num_clients} times {_words(trial.client)}"] if trial.num_clients else []
    if trial.driver:
        asked.append(f"{_words(trial.driver)} for the driver" if asked else _words(trial.driver))
    kinds = [*amounts(trial.bundles)]
    room = f"room for {_actors(max(number, 0))}" if trial.num_clients else "no room for both on one of them"
    what = (
        f"a run does not fit on the nodes, though it would in total: it needs {' and '.join(asked)}, "
        f"{' and '.join(_each(kind, nodes) for kind in kinds)}: {room}"
    )
    return what, ", ".join([*clients, *map(_key, trial.client or trial.driver)])


def _undivided(trial: Trial) -> list[tuple[str, str, float, str]]:
    """Return what must lie on one node: for whom, kind, amount, and its setting."""
    client = [("one client actor", kind, amount, _key(kind)) for kind, amount in trial.client.items()]
    if trial.num_clients:
        driver = [("the driver", kind, amount, "fleet.driver_cpus") for kind, amount in trial.driver.items()]
    else:
        driver = [("a run", kind, amount, _key(kind)) for kind, amount in trial.driver.items()]
    return client + driver


def _key(kind: str) -> str:
    return f"fleet.{kind.lower()}s_per_actor"


def _usable(kind: str, nodes: Sequence[Node]) -> list[int]:
    """Return what each node has for us, in Ray's units; at least one number."""
    return [units(node.usable(kind)) for node in nodes] or [0]


def _present(kind: str, nodes: Sequence[Node]) -> str:
    total = sum(node.resources.get(kind, 0.0) for node in nodes)
    held = sum(node.held.get(kind, 0.0) for node in nodes)
    own = f", of which the job's own process holds {held:g}" if held else ""
    return f"the cluster has {total:g}{own}"


def _each(kind: str, nodes: Sequence[Node]) -> str:
    """Return what the nodes have, the largest first."""
    found = sorted((usable for usable in _usable(kind, nodes) if usable), reverse=True)
    listed = ", ".join(f"{usable / UNITS:g}" for usable in found[:6]) + (", ..." if len(found) > 6 else "")
    lies = " (a part lies on one GPU)" if kind == "GPU" else ""
    return f"the nodes have {listed or 0} {kind}{_beside_own_process(kind, nodes)}{lies}"


def _beside_own_process(kind: str, nodes: Sequence[Node]) -> str:
    return " beside the job's own process" if any(node.held.get(kind) for node in nodes) else ""


def _words(bundle: Bundle) -> str:
    return " and ".join(f"{amount:g} {kind}" for kind, amount in bundle.items())


def _actors(number: int) -> str:
    return "1 client actor" if number == 1 else f"{number} client actors"
