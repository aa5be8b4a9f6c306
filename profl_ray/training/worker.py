"""A worker acts as one device after another. Both fleets use it; it knows neither Ray nor the server."""

import math
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from torch import nn

from profl_ray.errors import MemoryQuotaExceeded
from profl_ray.federation import DataSplit, ImageData
from profl_ray.memory import is_out_of_memory, measure_step_bytes, memory_cap
from profl_ray.models import materialise, state_tensors
from profl_ray.training.evaluate import evaluate_images
from profl_ray.training.features import FeatureStore
from profl_ray.training.images import Normaliser
from profl_ray.training.local import train_locally
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
from profl_ray.training.task import LocalTask, set_training_mode
from profl_ray.training.thread import ComputeThread

RESIDENT_MODELS = 8
"""Sub-models kept between calls; a step needs one or two, a method with several widths a few more."""


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


@dataclass
class _Resident:
    model: nn.Module
    tensors: dict[str, torch.Tensor]
    """The model's state by name: the very memory that it trains."""
    frozen_version: str = ""


class DeviceWorker:
    """Trains devices and evaluates test images with resident models, whose weights are set in place."""

    def __init__(self, data: ImageData, split: DataSplit, settings: WorkerSettings) -> None:
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
        self.normaliser = Normaliser(data.mean, data.std)
        self.residents: dict[LocalTask, _Resident] = {}
        self.features = FeatureStore(
            settings.features_root, settings.features_mib, repr((data.mean, data.std))
        )

    def train(self, order: GroupOrder, states: list[TaskState]) -> GroupResult:
        """Train the group's devices in their order and sum what they send back."""
        results = (
            self.thread.run(self._train_device, order, each, states[each.task_index])
            for each in order.devices
        )
        # The first device's sums are taken as they are: nothing else holds them.
        total = next(results, GroupResult(order.index))
        for result in results:
            total.absorb(result)
        return total

    def measure(self, state: TaskState) -> int:
        """Return the measured peak bytes of training the task at its full batch size."""
        return self.thread.run(self._measure, state)

    def evaluate(self, state: TaskState, start: int, stop: int, batch_size: int) -> EvaluationSum:
        """Evaluate the task's model on test images start..stop-1."""
        return self.thread.run(self._evaluate, state, start, stop, batch_size)

    def _measure(self, state: TaskState) -> int:
        model = self._resident(state)
        begin = partial(state.task.begin, model, self.device, torch.channels_last)
        peak = measure_step_bytes(model, begin)
        del self.residents[state.task]  # The steps spoilt its weights.
        return peak

    def _evaluate(self, state: TaskState, start: int, stop: int, batch_size: int) -> EvaluationSum:
        model = self._resident(state)
        model.eval()
        labels = torch.from_numpy(self.data.test_labels[start:stop].copy()).to(self.device)
        try:
            images = self._inputs(state, model, self.data.test_images[start:stop])
            return evaluate_images(model, images, labels, batch_size)
        finally:
            skip_units(model, 0)
            set_training_mode(model, state.task.fixed_statistics)

    def _inputs(self, state: TaskState, model: nn.Module, pixels: np.ndarray) -> torch.Tensor:
        """Return what the model is given for images: these, or what a fixed prefix makes of them."""
        images = self.normaliser(pixels).to(self.device)
        if not state.task.prefix_units or self.settings.augment:
            return images
        features = self.features.features(state, model, pixels, images)
        skip_units(model, state.task.prefix_units)
        return features

    def _train_device(self, order: GroupOrder, device_order: DeviceOrder, state: TaskState) -> GroupResult:
        device, quota_mib = device_order.device, device_order.quota_mib
        indices = self.split.indices[device]
        started = perf_counter()
        failure, loss, sums = None, None, {}
        try:
            if self.settings.enforce_quotas:
                demand = order.demands[device_order.task_index]
                if reason := demand.refusal(quota_mib):
                    raise MemoryQuotaExceeded(device, state.task.step, demand.mib, quota_mib, reason)
            demand_mib = order.demands[device_order.task_index].mib
            reached, moving = self._train_capped(order, device_order, state, demand_mib)
            # Multiplied apart from the addition: a fused step would round otherwise than a split sum.
            with np.errstate(over="ignore"):
                moving *= np.float32(len(indices))
            if not (math.isfinite(reached) and np.isfinite(moving).all()):
                raise NonFiniteUpdate(f"device {device} sent NaN or infinity in {state.task.step}")
            loss = reached
            sums[device_order.task_index] = TaskSum(moving, len(indices))
        except (MemoryQuotaExceeded, NonFiniteUpdate, BadDeviceData) as error:
            failure = str(error)
        report = DeviceReport(
            device, device_order.task_index, len(indices), loss, perf_counter() - started, failure
        )
        return GroupResult(order.index, sums, [report])

    def _train_capped(
        self, order: GroupOrder, device_order: DeviceOrder, state: TaskState, demand_mib: float
    ) -> tuple[float, np.ndarray]:
        settings, task = self.settings, state.task
        stream = (*order.stream, device_order.device)
        indices = self.split.indices[device_order.device]
        model = self._resident(state)
        own_labels = self.data.train_labels[indices]
        if not len(indices) or own_labels.min() < 0 or own_labels.max() >= self.data.num_classes:
            raise BadDeviceData(
                f"device {device_order.device} has {len(indices)} images, whose labels are not all in "
                f"0..{self.data.num_classes - 1}"
            )
        labels = torch.from_numpy(own_labels).to(self.device)
        images = self._inputs(state, model, self.data.train_images[indices])
        capped = settings.enforce_quotas and math.isfinite(device_order.quota_mib)
        allowance = device_order.quota_mib + settings.overhead_mib if capped else 0.0
        try:
            with memory_cap(allowance, self.device) if capped else nullcontext():
                loss = train_locally(
                    model, task, images, labels, settings.augment, settings.seed, stream, order.step_round
                )
        except (RuntimeError, MemoryError) as error:
            if not capped or (isinstance(error, RuntimeError) and not is_out_of_memory(error)):
                raise  # Without a cap it is this machine's memory that has run out.
            self.thread.leave()
            raise MemoryQuotaExceeded(
                device_order.device,
                task.step,
                demand_mib,
                device_order.quota_mib,
                f"stopped by the cap: it grew by more than the quota and {settings.overhead_mib:g} MiB",
            ) from error
        finally:
            model.zero_grad(set_to_none=True)
            skip_units(model, 0)
            if task.drifts:
                self.residents[task].frozen_version = ""
        return loss, task.moving.collect(self.residents[task].tensors)

    def _resident(self, state: TaskState) -> nn.Module:
        """Return the resident model of the task with the state's weights set."""
        resident = self.residents.get(state.task)
        if resident is None:
            while len(self.residents) >= RESIDENT_MODELS:
                del self.residents[next(iter(self.residents))]
            with torch.device("meta"):
                model = state.task.build()
            # Channels last: 10 to 25 % faster on a CPU, and its kernels keep fewer copies (docs/memory.md).
            materialise(model, self.device).to(memory_format=torch.channels_last)
            resident = self.residents[state.task] = _Resident(model, state_tensors(model))
        if resident.frozen_version != state.frozen_version:
            state.task.frozen.load(resident.tensors, state.frozen)
            resident.frozen_version = state.frozen_version
        state.task.moving.load(resident.tensors, state.moving)
        return resident.model
