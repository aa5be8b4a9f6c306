"""Does a trial of the recipe find room: CPUs, GPUs, memory; and how many at once?"""

from collections.abc import Sequence

from profl_ray.cluster.placing import MOST_TRIALS, Bundle, Node, Room, Trial, rooms, trials_at_once
from profl_ray.cluster.probe import Answer
from profl_ray.cluster.refusal import amounts
from profl_ray.cluster.resources import check_trial, run_bundles
from profl_ray.config import ExperimentConfig
from profl_ray.doctor.findings import Finding, fail, ok, warn
from profl_ray.doctor.nodes import error_of
from profl_ray.errors import UserError
from profl_ray.memory.need import SMALLEST_ERROR_MIB, STATED_ERROR

PROCESS_MIB = 600.0
"""What a process with Ray and PyTorch takes before it trains (measured: 435 to 600 with the CUDA build)."""


def nodes_of(answers: Sequence[Answer]) -> list[Node]:
    """Return the nodes that answered."""
    return [Node(answer.resources, answer.held) for answer in answers]


def placement_findings(config: ExperimentConfig, nodes: Sequence[Node]) -> list[Finding]:
    """Compare a trial's bundles with the nodes' CPUs and GPUs: the very check that a sweep makes."""
    try:
        check_trial(config, nodes)
    except UserError as error:
        what, _, fix = str(error).partition(" (fix: ")
        return [fail("resources", what, fix.removesuffix(")"))]
    bundles = run_bundles(config)
    number = trials_at_once(Trial(bundles), rooms(nodes))
    there = ", ".join(f"{total:g} {kind}" for kind, total in amounts([n.resources for n in nodes]).items())
    held = ", ".join(f"{total:g} {kind}" for kind, total in amounts([n.held for n in nodes]).items())
    own = f" ({held} of them held by the job's own process)" if held else ""
    what = f"a trial asks for {_asked(bundles)}, there are {there}{own}: {_trials(number)} at once"
    return [ok("resources", what)]


def memory_findings(
    config: ExperimentConfig, answers: Sequence[Answer], peak_need_mib: float, data_mib: float
) -> list[Finding]:
    """Compare the nodes' memory with what the processes of the trials that run at once need.

    `peak_need_mib`: of the costliest step that some device can afford; `data_mib`: of the data set, which a
    driver holds.
    """
    nodes = nodes_of(answers)
    free = {answer.name: _free_mib(answer) for answer in answers}
    driver, actor = process_needs_mib(config, peak_need_mib, data_mib)
    bundles = run_bundles(config)
    wanted = trials_at_once(Trial(bundles), rooms(nodes))
    places = [Room.of(node, mib) for node, mib in zip(nodes, free.values(), strict=True)]
    fitting = trials_at_once(Trial(bundles, driver, actor), places)
    each = f"{driver:.0f} MiB"
    if len(bundles) > 1:
        each += f" for its driver and {actor:.0f} MiB per client actor ({len(bundles) - 1})"
    least = min(free, key=lambda name: free[name])
    where = f" ({least} has the least)" if len(free) > 1 else ""
    room = f"a trial takes {each}, {free[least]:.0f} MiB are free{where}"
    if wanted == 0:
        return []  # Told as a matter of resources.
    if fitting == 0:
        return [
            fail("memory", f"{room}: not even one trial fits", "fleet.num_actors=1, training.batch_size=16")
        ]
    if fitting < wanted:
        what = f"{room}: enough for {_trials(fitting)} at once, not for {wanted}"
        return [warn("memory", what, f"profl-ray sweep SPACE --max-concurrent {fitting}")]
    return [ok("memory", f"{room}: enough for {_trials(wanted)} at once")]


def process_needs_mib(config: ExperimentConfig, peak_need_mib: float, data_mib: float) -> tuple[float, float]:
    """Return what a driver and a client actor take in MiB; in one process the driver trains, too.

    On a GPU the need lies there, not in the node's memory.
    """
    training = 0.0
    if config.fleet.accelerator == "cpu":
        training = peak_need_mib * (1 + STATED_ERROR) + SMALLEST_ERROR_MIB
    if config.fleet.backend == "in_process":
        return PROCESS_MIB + data_mib + training, 0.0
    return PROCESS_MIB + data_mib, PROCESS_MIB + training


def gpu_findings(config: ExperimentConfig, answers: Sequence[Answer]) -> list[Finding]:
    """Say whether PyTorch sees GPUs, where the recipe trains on them."""
    if config.fleet.accelerator != "cuda":
        return []
    numbers = {a.name: 0 if error_of(a.value["num_gpus"]) else int(a.value["num_gpus"]) for a in answers}
    if not any(numbers.values()):
        return [fail("GPUs", "PyTorch sees none", "fleet.accelerator=cpu")]
    return [ok("GPUs", ", ".join(f"{number} on {name}" for name, number in numbers.items() if number))]


def _free_mib(answer: Answer) -> float:
    sizes = answer.value["memory"]
    return min(sizes["available_mib"], sizes["limit_mib"] or float("inf"))


def _asked(bundles: Sequence[Bundle]) -> str:
    words = ", ".join(f"{amount:g} {kind}" for kind, amount in amounts(bundles).items())
    return f"{words} for {_actors(len(bundles) - 1)}" if len(bundles) > 1 else words


def _actors(number: int) -> str:
    return "1 client actor" if number == 1 else f"{number} client actors"


def _trials(number: int) -> str:
    if number == MOST_TRIALS:
        return f"{MOST_TRIALS} trials or more"
    return "1 trial" if number == 1 else f"{number} trials"
