"""ProgFed: the network grows block by block, and nothing is frozen.

H.-P. Wang et al., "ProgFed: Effective, Communication, and Computation Efficient Federated Learning by
Progressive Training", ICML 2022. Stage s trains blocks 1 to s with a head of its own that is thrown away; of
R rounds every stage but the last gets R / 2T (its section 4), the last, the whole network, the rest.
"""

from collections.abc import Mapping
from typing import Any

from profl_ray.errors import UserError
from profl_ray.models import SubModelPlan
from profl_ray.strategies.base import (
    Plan,
    Progress,
    Step,
    Strategy,
    StrategyContext,
    initial_state,
    mean_update,
    task_state,
)
from profl_ray.strategies.stages import GROW
from profl_ray.training import LocalSGD, LocalTask, State, TaskState, TaskSum


class ProgFed(Strategy):
    """One task a stage, all of it trained."""

    name = "progfed"
    stages = (GROW,)

    def __init__(self, context: StrategyContext) -> None:
        super().__init__(context)
        self.num_stages = context.network.num_blocks
        self.rounds = stage_rounds(context.config.strategy.rounds, self.num_stages)
        self.stage, self.rounds_done = 1, 0
        self.weights = initial_state(self._model(self.num_stages), context.config.seed)
        self._begin_stage()

    def _model(self, stage: int) -> SubModelPlan:
        return SubModelPlan(self.context.network, stage)

    def _task(self, stage: int) -> LocalTask:
        training = LocalSGD.configured(self.context.config.training)
        return LocalTask(f"grow {stage}", self._model(stage), training, ("",), ("",))

    def _begin_stage(self) -> None:
        """Put a new head on the stage's last block."""
        fresh = initial_state(self._model(self.stage), self.context.config.seed, "output", self.stage)
        self.weights |= {name: value for name, value in fresh.items() if name.startswith("head.")}

    def schedule(self) -> list[tuple[Step, LocalTask]]:
        """Return every stage with its task."""
        return [(Step("grow", stage), self._task(stage)) for stage in range(1, self.num_stages + 1)]

    @property
    def finished(self) -> bool:
        """Whether the last stage has ended."""
        return self.stage > self.num_stages

    @property
    def units_grown(self) -> int:
        """Units of the blocks whose stage has ended; they go on learning in later stages."""
        return sum(self.context.network.partition[: self.stage - 1])

    @property
    def round_limit(self) -> int:
        """Rounds of the stage."""
        return self.rounds[self.stage - 1]

    def plan(self) -> Plan:
        """Return the stage's task with its weights."""
        state = task_state(self._task(self.stage), self.weights, str(self.stage))
        return Plan(Step("grow", self.stage), self.stage - 1, self.rounds_done + 1, (state,))

    def merge(self, sums: Mapping[int, TaskSum], told: Mapping[int, State]) -> None:
        """Replace everything by the mean of the updates."""
        if sums:
            self.weights |= mean_update(self._task(self.stage), sums[0])

    def progress(self) -> Progress:
        """End the stage after its rounds."""
        ended = self.rounds_done + 1 >= self.round_limit
        return Progress(ended, "fixed_rounds" if ended else "")

    def evaluation(self) -> TaskState:
        """Return the stage's model."""
        return self.plan().states[0]

    def advance(self, progress: Progress) -> None:
        """Count the round; go on to the next stage where this one ended."""
        self.rounds_done += 1
        if progress.step_ended:
            self.stage, self.rounds_done = self.stage + 1, 0
            if not self.finished:
                self._begin_stage()

    def complete_weights(self) -> State:
        """Return units and the current head."""
        return self.weights

    def state_dict(self) -> tuple[State, dict[str, Any]]:
        """Return weights, stage and rounds."""
        return dict(self.weights), {"stage": self.stage, "rounds_done": self.rounds_done}

    def load_state_dict(self, tensors: State, facts: dict[str, Any]) -> None:
        """Take back what `state_dict` returned."""
        self.weights = dict(tensors)
        self.stage, self.rounds_done = facts["stage"], facts["rounds_done"]


def stage_rounds(rounds: int, num_stages: int) -> list[int]:
    """Return the rounds of every stage; UserError if there are fewer rounds than stages."""
    if rounds < num_stages:
        raise UserError(
            f"strategy.rounds={rounds} is too small: progfed has {num_stages} stages of at least one round"
        )
    early = max(1, rounds // (2 * num_stages))
    return [early] * (num_stages - 1) + [rounds - early * (num_stages - 1)]
