"""Checks a machine, or every node of a cluster, before a sweep. Says what is wrong, and the fix."""

from profl_ray.doctor.examine import Checkup, examine
from profl_ray.doctor.findings import Finding, as_json, as_lines, counts

__all__ = ["Checkup", "Finding", "as_json", "as_lines", "counts", "examine"]
