"""One device's local work: tasks, procedures and the worker that acts as devices."""

from profl_ray.training.adam import Adam
from profl_ray.training.calibration import Calibration
from profl_ray.training.flops import flops_per_example, known_flops, local_flops
from profl_ray.training.gradients import Backprop, Gradients
from profl_ray.training.layout import NOTHING, Layout, State
from profl_ray.training.local_sgd import LocalSGD
from profl_ray.training.losses import (
    CrossEntropy,
    Loss,
    MaskedCrossEntropy,
    MutualDistillation,
    TeacherError,
)
from profl_ray.training.orders import (
    DeviceOrder,
    DeviceReport,
    EvaluationSum,
    GroupOrder,
    GroupResult,
    TaskState,
    TaskSum,
)
from profl_ray.training.procedure import BatchStep, Device, Outcome, Procedure, shared_stream
from profl_ray.training.schedule import rate_factor
from profl_ray.training.sgd import SGD
from profl_ray.training.task import LocalTask, ModelPlan
from profl_ray.training.worker import DeviceWorker, WorkerSettings

__all__ = [
    "NOTHING",
    "SGD",
    "Adam",
    "Backprop",
    "BatchStep",
    "Calibration",
    "CrossEntropy",
    "Device",
    "DeviceOrder",
    "DeviceReport",
    "DeviceWorker",
    "EvaluationSum",
    "Gradients",
    "GroupOrder",
    "GroupResult",
    "Layout",
    "LocalSGD",
    "LocalTask",
    "Loss",
    "MaskedCrossEntropy",
    "ModelPlan",
    "MutualDistillation",
    "Outcome",
    "Procedure",
    "State",
    "TaskState",
    "TaskSum",
    "TeacherError",
    "WorkerSettings",
    "flops_per_example",
    "known_flops",
    "local_flops",
    "rate_factor",
    "shared_stream",
]
