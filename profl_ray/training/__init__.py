"""One device's local work: tasks, procedures and the worker that acts as devices."""

from profl_ray.training.calibration import Calibration
from profl_ray.training.distillation import Distillation
from profl_ray.training.flops import flops_per_image, known_flops, local_flops
from profl_ray.training.layout import Layout, State
from profl_ray.training.masked import Masked
from profl_ray.training.mutual import Mutual
from profl_ray.training.orders import (
    DeviceOrder,
    DeviceReport,
    EvaluationSum,
    GroupOrder,
    GroupResult,
    TaskState,
    TaskSum,
)
from profl_ray.training.procedure import Procedure
from profl_ray.training.supervised import Supervised
from profl_ray.training.task import LocalTask, ModelPlan
from profl_ray.training.worker import DeviceWorker, WorkerSettings

__all__ = [
    "Calibration",
    "DeviceOrder",
    "DeviceReport",
    "DeviceWorker",
    "Distillation",
    "EvaluationSum",
    "GroupOrder",
    "GroupResult",
    "Layout",
    "LocalTask",
    "Masked",
    "ModelPlan",
    "Mutual",
    "Procedure",
    "State",
    "Supervised",
    "TaskState",
    "TaskSum",
    "WorkerSettings",
    "flops_per_image",
    "known_flops",
    "local_flops",
]
