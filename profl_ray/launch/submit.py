"""Run one job on a local head and show its output as it comes."""

import sys

from profl_ray.launch.head import LocalHead
from profl_ray.launch.output import JobOutput
from profl_ray.launch.request import JobRequest
from profl_ray.signals import uninterrupted

_STOP_SECONDS = 15.0
"""Ray gives a job a few seconds after SIGTERM, then kills it."""


def run_job(head: LocalHead, request: JobRequest) -> int:
    """Run a job and return its exit code. An interrupt stops the job first."""
    output = JobOutput()
    job = head.jobs.submit(request)
    try:
        code = head.jobs.follow(job, output.write)
        output.end()
    except KeyboardInterrupt:
        with uninterrupted():
            if not head.jobs.stop(job, _STOP_SECONDS):
                print(f"job {job} did not end by itself; it goes with the head", file=sys.stderr)
        raise
    return code
