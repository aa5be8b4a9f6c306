"""ProFL: progressive shrinking, then progressive growing.

Y. Wu, L. Li, C. Tian, C. Xu, "Breaking the Memory Wall for Heterogeneous Federated Learning via Progressive
Training", arXiv 2404.13349. T blocks, counted from 1. Schedule:

    shrink T, map T, ..., shrink 2, map 2        back to front: initial weights and proxies (section 4)
    grow 1, ..., grow T                          front to back: converged blocks (section 5)

Policy `eval` of frozen batch norm needs running statistics of the random front first: one step `calibrate`.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import NonNegativeInt, PositiveFloat

from profl_ray.models import DistillationPlan, SubModelPlan
from profl_ray.sections import FreezingConfig, Section
from profl_ray.strategies.base import (
    Plan,
    Progress,
    Step,
    StrategyContext,
    initial_state,
    mean_update,
    task_state,
)
from profl_ray.strategies.pace import StepPace, fixed_rule, freeze_rule
from profl_ray.strategies.paced import PacedStrategy
from profl_ray.strategies.stages import GROW, Stage
from profl_ray.training import Calibration, LocalSGD, LocalTask, State, TaskState, TaskSum, TeacherError

STATISTICS = ("running_mean", "running_var")


class ProFL(PacedStrategy):
    """The progressive schedule as a state machine: weights, outputs kept from shrinking, the step's pace."""

    name = "profl"
    stages = (
        Stage("calibrate", "C", fill="#d0d0d0", band="#f4f4f4", hatch=""),
        Stage("shrink", "S", fill="#9cc3e0", band="#eef3f8", hatch=""),
        Stage("map", "M", fill="#c9ced6", band="#dfe4ea", hatch="xxx"),
        GROW,
    )

    class Options(Section):
        """Options of ProFL (arXiv 2404.13349)."""

        shrinking: bool = True
        """Run the shrinking stage; without it growing starts from random weights (ablation)."""
        output_module: Literal["proxies", "head"] = "proxies"
        """proxies: a convolution per later block, pool and FC (the paper); head: pool and FC alone."""
        initialisation: Literal["corresponding", "carry"] = "corresponding"
        """Output module of growing step t > 1: the matching shrinking step's (corresponding), or the last
        growing step's (carry)."""
        frozen_bn: Literal["batch", "eval"] = "batch"
        """Batch norm of frozen blocks: statistics of the batch, as in the authors' code (batch), or fixed
        running statistics (eval)."""
        grow_learning_rate: PositiveFloat | None = None
        """SGD learning rate of the growing steps; default: `training.learning_rate`."""
        grow_frozen_bn: Literal["batch", "eval"] | None = None
        """The policy in the growing steps; default: `frozen_bn`."""
        map_rounds: NonNegativeInt = 10
        """Rounds of Map, the distillation of a block into its proxy."""
        map_learning_rate: PositiveFloat = 1e-4
        """SGD learning rate of Map. The authors' code has 1e-5, which moves little in few rounds; 1e-3
        diverges after long shrinking steps without `training.max_gradient_norm`, since the proxies have no
        normalisation."""

    # The first growing step freezes nothing, and shrinking has kept no output module for it.
    late_keys: ClassVar[dict[str, Step]] = {
        "strategy.profl.grow_learning_rate": Step("grow", 1),
        "strategy.profl.initialisation": Step("grow", 2),
        "strategy.profl.grow_frozen_bn": Step("grow", 2),
    }

    def __init__(self, context: StrategyContext) -> None:
        super().__init__(context)
        self.network = context.network
        self.options, self.freezing = self._settings()
        self.seed = context.config.seed
        self.steps = profl_steps(self.network.num_blocks, self.options)
        self.step_index = 0
        self.step_lengths = []
        self.weights = initial_state(SubModelPlan(self.network, self.network.num_blocks), self.seed)
        self.weights |= self._fresh_output_module(1)
        self.kept_outputs: dict[int, State] = {}
        """Output module of each shrinking step, by block."""
        self._begin_step()

    def _settings(self) -> tuple[Options, FreezingConfig]:
        """Return the options of the schedule and of its pace."""
        return self.context.options(ProFL.Options), self.context.config.freezing

    # What is trained: one task a step.

    def schedule(self) -> list[tuple[Step, LocalTask]]:
        """Return every step with its task."""
        return [(step, self._task(step)) for step in self.steps]

    def _sub_model(self, step: Step) -> SubModelPlan:
        num_blocks = step.block if step.stage != "calibrate" else self.network.num_blocks - 1
        return SubModelPlan(self.network, num_blocks, self._later_proxies(num_blocks))

    def _later_proxies(self, block: int) -> tuple[int, ...]:
        if self.options.output_module == "head":
            return ()
        return tuple(range(block + 1, self.network.num_blocks + 1))

    def _task(self, step: Step) -> LocalTask:
        procedure = LocalSGD.configured(self.context.config.training)
        if step.stage == "map":
            return self._map_task(step)
        if step.stage == "grow" and self.options.grow_learning_rate is not None:
            procedure = procedure.with_learning_rate(self.options.grow_learning_rate)
        plan = self._sub_model(step)
        if step.stage == "calibrate":
            forward = Calibration(procedure.batch_size)
            return LocalTask(str(step), plan, forward, trainable=(), moving_statistics=("units.",))
        active = plan.unit_names(step.block)
        frozen = tuple(name for block in range(1, step.block) for name in plan.unit_names(block))
        policy = self.options.frozen_bn
        if step.stage == "grow":
            policy = self.options.grow_frozen_bn or policy
        fixed = frozen if policy == "eval" else ()
        return LocalTask(
            str(step),
            plan,
            procedure,
            trainable=(*active, "proxies.", "head."),
            moving_statistics=active if fixed else ("units.",),
            fixed_statistics=fixed,
        )

    def _map_task(self, step: Step) -> LocalTask:
        distillation = LocalSGD.configured(self.context.config.training, TeacherError())
        return LocalTask(
            str(step),
            DistillationPlan(self.network, step.block),
            distillation.with_learning_rate(self.options.map_learning_rate),
            trainable=self._map_trainable(step),
            moving_statistics=(),
            fixed_statistics=("units.",) if self.options.frozen_bn == "eval" else (),
        )

    def _map_trainable(self, step: Step) -> tuple[str, ...]:
        proxy = f"proxies.{step.block}."
        return (proxy, "head.") if step.block == self.network.num_blocks else (proxy,)

    # The round.

    @property
    def finished(self) -> bool:
        """Whether the last block is frozen."""
        return self.step_index == len(self.steps)

    @property
    def step(self) -> Step:
        """The current step."""
        return self.steps[self.step_index]

    @property
    def units_grown(self) -> int:
        """Units of the blocks whose growing step has ended."""
        ended = self.steps[: self.step_index]
        return sum(len(self.network.units_of(step.block)) for step in ended if step.stage == "grow")

    @property
    def round_limit(self) -> int:
        """What the step's freeze rule allows."""
        return self.pace.rule.most_rounds

    def plan(self) -> Plan:
        """Return the step's one task with its weights."""
        state = task_state(self._task(self.step), self.weights, str(self.step_index))
        return Plan(self.step, self.step_index, self.pace.rounds_done + 1, (state,))

    def merge(self, sums: Mapping[int, TaskSum], told: Mapping[int, State]) -> None:
        """Replace what was trained by the mean of the updates, weighted by examples."""
        if sums:
            self.weights |= mean_update(self._task(self.step), sums[0])
            self.pace.record(self.weights)

    def progress(self) -> Progress:
        """Ask the step's freeze rule."""
        return self.pace.progress()

    def evaluation(self) -> TaskState:
        """Return the current sub-model with its output module; in Map, the student."""
        task = self._task(self.step)
        if self.step.stage == "map":
            student = self.step.block - 1
            plan = SubModelPlan(self.network, student, self._later_proxies(student))
            task = replace(task, model=plan)
        return task_state(task, self.weights, str(self.step_index))

    def advance(self, progress: Progress) -> None:
        """Count the round; at the end of a step keep what later steps need and begin the next."""
        self.pace.count_round()
        if not progress.step_ended:
            return
        self.step_lengths.append(self.pace.rounds_done)
        if self.step.stage == "shrink":
            self.kept_outputs[self.step.block] = {
                name: value.copy() for name, value in self._output_module(self.step.block).items()
            }
        if self.step.stage == "map":
            self.weights = {k: v for k, v in self.weights.items() if not k.startswith("teacher_head.")}
        self.step_index += 1
        if not self.finished:
            self._begin_step()

    def _begin_step(self) -> None:
        step, options = self.step, self.options
        if step.stage == "map":
            head = {k: v for k, v in self.weights.items() if k.startswith("head.")}
            self.weights |= {f"teacher_{name}": value.copy() for name, value in head.items()}
        kept = self.kept_outputs.get(step.block, {})
        if step.stage == "grow" and options.initialisation == "corresponding" and kept:
            self.weights |= {name: value.copy() for name, value in kept.items()}
        elif options.output_module == "head":
            # Every step's FC has its own number of inputs, so none can be carried over.
            self.weights |= self._fresh_output_module(self._sub_model(step).num_blocks)
        self._begin_pace()

    def _begin_pace(self) -> None:
        step = self.step
        if step.stage in ("shrink", "grow"):
            own_limit = self.freezing.max_shrink_rounds if step.stage == "shrink" else None
            rule = freeze_rule(self.freezing, own_limit)
            active = self._sub_model(step).unit_names(step.block)
            moving = self._task(step).moving.names
            names = [n for n in moving if n.startswith(active) and not n.endswith(STATISTICS)]
        else:
            rule = fixed_rule(self.options.map_rounds if step.stage == "map" else 1)
            names = []
        self.pace = StepPace(rule, names, self.freezing.num_scalars, self.seed, self.step_index)
        self.pace.record(self.weights)
        self.pace.num_before = len(self.pace.snapshots)

    def _output_module(self, block: int) -> State:
        """Return proxies of the blocks after `block`, and the FC."""
        prefixes = (*(f"proxies.{later}." for later in self._later_proxies(block)), "head.")
        return {name: value for name, value in self.weights.items() if name.startswith(prefixes)}

    def _fresh_output_module(self, block: int) -> State:
        """Return a random output module for the sub-model whose last real block is `block`."""
        plan = SubModelPlan(self.network, block, self._later_proxies(block))
        state = initial_state(plan, self.seed, "output", block)
        return {name: value for name, value in state.items() if name.startswith(("proxies.", "head."))}

    def complete_weights(self) -> State:
        """Return units and FC, without proxies."""
        names = [n for n in self.weights if n.startswith(("units.", "head."))]
        return {name: self.weights[name] for name in names}

    def state_dict(self) -> tuple[State, dict[str, Any]]:
        """Return weights, kept outputs and the step's history."""
        tensors = {f"weights/{name}": value for name, value in self.weights.items()}
        for block, output in self.kept_outputs.items():
            tensors |= {f"kept/{block}/{name}": value for name, value in output.items()}
        facts: dict[str, Any] = {"step_index": self.step_index, "step_lengths": list(self.step_lengths)}
        if not self.finished:
            facts["rounds_done"] = self.pace.rounds_done
            if self.pace.snapshots:
                tensors["snapshots"] = np.stack(self.pace.recent())
        return tensors, facts

    def load_state_dict(self, tensors: State, facts: dict[str, Any]) -> None:
        """Take back what `state_dict` returned."""
        self.step_index = facts["step_index"]
        self.step_lengths = list(facts["step_lengths"])
        self.weights, self.kept_outputs = {}, {}
        for key, value in tensors.items():
            kind, _, name = key.partition("/")
            if kind == "weights":
                self.weights[name] = value
            elif kind == "kept":
                block, _, name = name.partition("/")
                self.kept_outputs.setdefault(int(block), {})[name] = value
        if not self.finished:
            self._begin_pace()
            self.pace.load(facts["rounds_done"], tensors.get("snapshots", np.empty((0, 0), np.float32)))


def profl_steps(num_blocks: int, options: ProFL.Options) -> list[Step]:
    """Return ProFL's schedule for a network of `num_blocks` blocks."""
    steps = []
    if options.shrinking:
        if options.frozen_bn == "eval" and num_blocks > 1:
            steps.append(Step("calibrate", compares=False))
        for block in range(num_blocks, 1, -1):
            steps.append(Step("shrink", block, compares=False))
            if options.output_module == "proxies" and options.map_rounds > 0:
                steps.append(Step("map", block, compares=False))
    return steps + [Step("grow", block) for block in range(1, num_blocks + 1)]
