"""Networks as sequences of units, their partitions into blocks, and the sub-models that are trained."""

from profl_ray.models.convolutional import Convolutional
from profl_ray.models.family import Family, Features
from profl_ray.models.initialise import initialise, materialise, state_tensors
from profl_ray.models.network import Network
from profl_ray.models.partition import balanced_partition, check_partition
from profl_ray.models.recompute import statistics_at_rest
from profl_ray.models.registry import FAMILIES, find_family
from profl_ray.models.submodel import (
    DistillationModel,
    DistillationPlan,
    SubModel,
    SubModelPlan,
    build_proxy,
    takes_its_inputs,
)

__all__ = [
    "FAMILIES",
    "Convolutional",
    "DistillationModel",
    "DistillationPlan",
    "Family",
    "Features",
    "Network",
    "SubModel",
    "SubModelPlan",
    "balanced_partition",
    "build_proxy",
    "check_partition",
    "find_family",
    "initialise",
    "materialise",
    "state_tensors",
    "statistics_at_rest",
    "takes_its_inputs",
]
