"""Run one job on a local head and show its output as it comes."""

import json
import secrets
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from profl_ray.launch import processes
from profl_ray.launch.clutter import ClutterFilter
from profl_ray.launch.head import LocalHead, program
from profl_ray.launch.rest import ENDED
from profl_ray.signals import uninterrupted

_STOP_SECONDS = 15.0
"""Ray gives a job a few seconds after SIGTERM, then kills it."""


def submit_command(
    address: str, job: str, argv: list[str], env_vars: Mapping[str, str], working_dir: Path | None
) -> list[str]:
    """Return the command line that submits `argv` as `job` and follows its log."""
    command = [*program("ray"), "job", "submit", "--log-style", "record", "--log-color", "false"]
    command += ["--address", address, "--submission-id", job]
    if working_dir is not None:
        command += ["--working-dir", str(working_dir)]
    return [*command, "--runtime-env-json", json.dumps({"env_vars": dict(env_vars)}), "--", *argv]


def submit_job(
    head: LocalHead, argv: list[str], env_vars: Mapping[str, str], working_dir: Path | None
) -> int:
    """Run `argv` as a job; return 0 if it succeeded, else 1. An interrupt stops the job first.

    `working_dir` is uploaded (at most 100 MiB, .gitignore is honoured) and becomes the job's folder, so
    every path in `argv` must be absolute. Without it the job starts in Ray's own folder.
    """
    job = f"profl-ray-{secrets.token_hex(6)}"
    command = submit_command(head.address, job, argv, env_vars, working_dir)
    clutter = ClutterFilter()
    client = processes.start(command, head.client_environment(), job, subprocess.PIPE)
    assert client.stdout is not None
    try:
        for raw in client.stdout:
            line = clutter(raw.decode(errors="replace"))
            if line is not None:
                sys.stdout.write(line)
                sys.stdout.flush()
        code = client.wait()
        return _verdict(head, job, code)
    except KeyboardInterrupt:
        with uninterrupted():
            if not head.server.stop(job, _STOP_SECONDS):
                print(f"job {job} did not end by itself; it goes with the head", file=sys.stderr)
        raise
    finally:
        with uninterrupted():
            processes.end(client, job, grace_seconds=2.0)
            client.stdout.close()


def _verdict(head: LocalHead, job: str, code: int) -> int:
    """Ask the server how the job ended: the command says 0 for a stopped job and for a lost log, too."""
    status = head.server.status(job)
    if status not in (None, *ENDED):
        print(f"lost the log of job {job}; waiting for its end", file=sys.stderr)
    while status not in (None, *ENDED):
        time.sleep(1.0)
        status = head.server.status(job)
    if status is None and code == 0:
        print(f"the Ray head no longer answers; how job {job} ended is unknown", file=sys.stderr)
    return 0 if status == "SUCCEEDED" else 1
