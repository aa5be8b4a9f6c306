"""Predicted and measured peak memory, and the cap that enforces a device's quota."""

from profl_ray.memory.balance import unit_costs_bytes
from profl_ray.memory.cap import is_out_of_memory, memory_cap
from profl_ray.memory.estimate import NeedEstimator, estimate_need
from profl_ray.memory.measure import measure_peak_bytes, measure_step_bytes
from profl_ray.memory.need import MIB, Demand, Need

__all__ = [
    "MIB",
    "Demand",
    "Need",
    "NeedEstimator",
    "estimate_need",
    "is_out_of_memory",
    "measure_peak_bytes",
    "measure_step_bytes",
    "memory_cap",
    "unit_costs_bytes",
]
