"""A worker acts as one device after another. Both fleets use it; it knows neither Ray nor the server."""

import math
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from torch import nn

from profl_ray.errors import MemoryQuotaExceeded
from profl_ray.federation import DataSplit, Examples, Part
from profl_ray.memory import is_out_of_memory, measure_step_bytes, memory_cap
from profl_ray.models import Features
from profl_ray.randomness import stream_seed
from profl_ray.training.batch import MEMORY_FORMAT
from profl_ray.training.evaluate import evaluate_examples
from profl_ray.training.features import FeatureStore
from profl_ray.training.layout import Layout, State
from profl_ray.training.orders import (
    DeviceOrder,
    DeviceReport,
    EvaluationSum,
    GroupOrder,
    GroupResult,
    TaskState,
    TaskSum,
)
from profl_ray.training.prefix import skip_units
from profl_ray.training.procedure import Device, Outcome
from profl_ray.training.resident import Resident, Residents
from profl_ray.training.task import LocalTask, set_training_mode
from profl_ray.training.thread import ComputeThread


@dataclass(frozen=True)
class WorkerSettings:
    """What every worker of a fleet knows, beside the data."""

    seed: int
    augment: bool
    enforce_quotas: bool
    overhead_mib: float
    accelerator: str
    features_root: Path = Path()
    """Where outputs of frozen prefixes are kept."""
    features_mib: float = 0.0
    """At most so many; 0: none are."""


class NonFiniteUpdate(RuntimeError):
    """A device's update holds NaN or infinity."""


class BadDeviceData(RuntimeError):
    """A device's share of the data cannot be trained on."""


class DeviceWorker:
    """Trains devices and evaluates test examples with resident models, whose weights are set in place."""

    def __init__(self, data: Examples, split: DataSplit, settings: WorkerSettings) -> None:
        self.thread = ComputeThread()
        # Autograd starts its threads at the first backward pass: eight, if anything was estimated before.
        # Their stacks, 8 MiB each, would count as the first device's memory, and stop it here and not there.
        self.thread.run(torch.ones(1, requires_grad=True).sum().backward)
        self.data = data
        self.split = split
        self.settings = settings
        self.device = torch.device(settings.accelerator)
        if self.device.type == "cuda":
            # By number: the allocator's limit takes no other.
            self.device = torch.device("cuda", torch.cuda.current_device())
            # The fastest kernels sum in an order that differs from call to call.
            torch.backends.cudnn.deterministic = True
            torch.backends.cudnn.benchmark = False
        self.residents = Residents(self.device)
        self.features = FeatureStore(settings.features_root, settings.features_mib, repr(data.inputs))

    def train(self, order: GroupOrder, states: list[TaskState]) -> GroupResult:
        """Train the group's devices in their order and sum what they send back."""
        total = GroupResult(order.index)
        for number, device in enumerate(order.devices):
            result = self.thread.run(self._train_device, order, device, states[device.task_index])
            if number:
                total.absorb(result)
            else:
                total = result  # Its sums are taken as they are: nothing else holds them.
        return total

    def measure(self, state: TaskState) -> int:
        """Return the measured peak bytes of training the task at its full batch size."""
        return self.thread.run(self._measure, state)

    def evaluate(
        self, state: TaskState, start: int, stop: int, batch_size: int, part: Part = "test"
    ) -> EvaluationSum:
        """Evaluate the task's model on examples start..stop-1 of a part."""
        return self.thread.run(self._evaluate, state, start, stop, batch_size, part)

    def _measure(self, state: TaskState) -> int:
        resident = self.residents.hold(state)
        begin = partial(state.task.begin, resident.model, self.device, MEMORY_FORMAT)
        peak = measure_step_bytes(resident.model, begin)
        self.residents.drop(state.task)  # The steps spoilt its weights.
        return peak

    def _evaluate(
        self, state: TaskState, start: int, stop: int, batch_size: int, part: Part
    ) -> EvaluationSum:
        model = self.residents.hold(state).model
        model.eval()
        stored, their_labels = self._examples(part, start, stop)
        labels = torch.from_numpy(their_labels.copy()).to(self.device)
        try:
            inputs = self._inputs(state, model, stored)
            return evaluate_examples(model, inputs, labels, batch_size)
        finally:
            skip_units(model, 0)
            set_training_mode(model, state.task.fixed_statistics)

    def _examples(self, part: Part, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """Return examples start..stop-1 of a part as they are stored, and their labels."""
        data = self.data
        if part == "test":
            return data.test_inputs[start:stop], data.test_labels[start:stop]
        assert self.split.validation is not None
        indices = self.split.validation[start:stop]
        return data.train_inputs[indices], data.train_labels[indices]

    def _own_test(self, state: TaskState, model: nn.Module, device: int) -> tuple[Features, torch.Tensor]:
        """Return inputs and labels of a device's own test, as the model takes them now."""
        assert self.split.own_tests is not None
        indices = self.split.own_tests[device]
        labels = torch.from_numpy(self.data.train_labels[indices]).to(self.device)
        return self._inputs(state, model, self.data.train_inputs[indices]), labels

    def _inputs(self, state: TaskState, model: nn.Module, stored: np.ndarray) -> Features:
        """Return what the model is given for examples: inputs, or what a fixed prefix makes of them."""
        inputs = self.data.inputs.tensor(stored).to(self.device)
        if not state.task.prefix_units or self.settings.augment:
            return inputs
        features = self.features.features(state, model, stored, inputs)
        skip_units(model, state.task.prefix_units)
        return features

    def _train_device(self, order: GroupOrder, mine: DeviceOrder, state: TaskState) -> GroupResult:
        started = perf_counter()
        state = replace(state, task=state.task.recomputing(mine.recomputed))
        task, index, result = state.task, mine.task_index, GroupResult(order.index)
        procedure = task.procedure if order.rate_factor == 1 else task.procedure.at_rate(order.rate_factor)
        loss, failure, figures = None, None, {}
        try:
            resident, device = self._ready(order, mine, state)
            try:
                with self._under_quota(mine, task), _library_draws(device):
                    outcome = procedure.work(resident.model, task, device)
                update = _weighted_update(outcome, task, resident.tensors, mine.device)
            finally:
                skip_units(resident.model, 0)
                resident.left_by(task)
            result.sums[index] = TaskSum(update, outcome.weight)
            result.told |= {mine.device: outcome.told} if outcome.told else {}
            result.kept |= {mine.device: outcome.kept} if outcome.kept else {}
            loss, figures = outcome.loss, outcome.figures
        except (MemoryQuotaExceeded, NonFiniteUpdate, BadDeviceData) as error:
            failure = str(error)
        num_examples, seconds = len(self.split.indices[mine.device]), perf_counter() - started
        result.reports.append(
            DeviceReport(mine.device, index, num_examples, loss, seconds, failure, figures, mine.recomputed)
        )
        return result

    def _ready(self, order: GroupOrder, mine: DeviceOrder, state: TaskState) -> tuple[Resident, Device]:
        """Return the model with the state's weights, and the device with its examples, if it may train."""
        demand, settings = mine.demand, self.settings
        if settings.enforce_quotas and (reason := demand.refusal(mine.quota_mib)):
            raise MemoryQuotaExceeded(mine.device, state.task.step, demand.mib, mine.quota_mib, reason)
        resident = self.residents.hold(state)
        indices = self.split.indices[mine.device]
        labels = self.data.train_labels[indices]
        if not len(indices) or labels.min() < 0 or labels.max() >= self.data.num_classes:
            raise BadDeviceData(
                f"device {mine.device} has {len(indices)} examples, whose labels are not all in "
                f"0..{self.data.num_classes - 1}"
            )
        own_tests = self.split.own_tests
        has_own_test = own_tests is not None and len(own_tests[mine.device]) > 0
        device = Device(
            mine.device,
            self._inputs(state, resident.model, self.data.train_inputs[indices]),
            torch.from_numpy(labels).to(self.device),
            settings.seed,
            order.stream,
            order.step_round,
            mine.kept,
            self.data.inputs.augmented if settings.augment else None,
            partial(self._own_test, state, resident.model, mine.device) if has_own_test else None,
        )
        return resident, device

    @contextmanager
    def _under_quota(self, mine: DeviceOrder, task: LocalTask) -> Iterator[None]:
        """Cap what is allocated meanwhile; MemoryQuotaExceeded if it does not suffice."""
        settings = self.settings
        capped = settings.enforce_quotas and math.isfinite(mine.quota_mib)
        allowance = mine.quota_mib + settings.overhead_mib if capped else 0.0
        try:
            with memory_cap(allowance, self.device) if capped else nullcontext():
                yield
        except (RuntimeError, MemoryError) as error:
            if not capped or (isinstance(error, RuntimeError) and not is_out_of_memory(error)):
                raise  # Without a cap it is this machine's memory that has run out.
            self.thread.leave()
            raise MemoryQuotaExceeded(
                mine.device,
                task.step,
                mine.demand.mib,
                mine.quota_mib,
                f"stopped by the cap: it grew by more than the quota and {settings.overhead_mib:g} MiB",
            ) from error


@contextmanager
def _library_draws(device: Device) -> Iterator[None]:
    """Let torch's own generator, from which dropout draws, give this device's numbers meanwhile."""
    index = device.labels.device.index
    generator = torch.default_generator if index is None else torch.cuda.default_generators[index]
    before = generator.get_state()
    generator.manual_seed(stream_seed(device.seed, "library", *device.stream, device.number))
    try:
        yield
    finally:
        generator.set_state(before)


def _weighted_update(
    outcome: Outcome, task: LocalTask, tensors: dict[str, torch.Tensor], device: int
) -> np.ndarray:
    """Return weight x update, float32 [sent.size]; ValueError if it is laid out otherwise than said."""
    procedure = task.procedure
    update = task.moving.collect(tensors) if outcome.update is None else outcome.update
    who = f"{type(procedure).__name__} of {task.step}"
    if update.dtype != np.float32 or update.shape != (procedure.sent(task).size,) or not outcome.weight > 0:
        raise ValueError(
            f"{who}: an update of {update.dtype} {list(update.shape)} with weight {outcome.weight} "
            f"(allowed: float32 [{procedure.sent(task).size}], as it says, with a positive weight)"
        )
    for what, state, layout in (
        ("tells", outcome.told, procedure.tells(task)),
        ("keeps", outcome.kept, procedure.keeps(task)),
    ):
        found = Layout.of({name: value.shape for name, value in state.items()})
        if found != layout:
            raise ValueError(f"{who}: it {what} {found}, and says that it {what} {layout}")
    # Multiplied apart from the addition: a fused step would round otherwise than a split sum.
    with np.errstate(over="ignore"):
        update *= np.float32(outcome.weight)
    if not (math.isfinite(outcome.loss) and np.isfinite(update).all() and _is_finite(outcome.told)):
        raise NonFiniteUpdate(f"device {device} sent NaN or infinity in {task.step}")
    return update


def _is_finite(state: State) -> bool:
    return all(np.isfinite(value).all() for value in state.values())
