"""What a job's own process holds is no room for its actors: sweep and doctor say so, in the same words."""

import subprocess
import sys

from profl_ray.launch.head import LocalHead, program

from .program import ROOT


def test_a_sweep_that_needs_the_cpu_of_the_jobs_own_process_is_refused_at_once(tmp_path):
    """On 366ca74 it waits for ever, without a word."""
    settings = f"fleet.backend=ray fleet.num_actors=2 tracking.enabled=false storage.root={tmp_path}/runs"
    ours = f"{sys.executable} -m profl_ray"
    commands = (
        f"{ours} doctor digits_tiny {settings}; {ours} compare digits_tiny --strategies profl {settings}"
    )
    # Plain `ray job submit`: what it is told to reserve is not known to us from the command line.
    with LocalHead(num_cpus=2) as head:
        command = [*program("ray"), "job", "submit", "--address", head.address, "--entrypoint-num-cpus", "1"]
        result = subprocess.run(
            [*command, "--", "env", f"PYTHONPATH={ROOT}", "sh", "-c", commands],
            env=head.client_environment(),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
        )
    words = (
        "needs 2 CPU (driver and 2 client actors), the cluster has 2, of which the job's own process holds"
    )
    doctor = [line for line in result.stdout.splitlines() if line.startswith("fail  resources")]
    assert len(doctor) == 1 and words in doctor[0], result.stdout + result.stderr
    told = f"error: the cluster is too small: a run {words} 1 (fix: fleet.num_actors=1, fleet.cpus_per_actor)"
    assert told in result.stdout, result.stdout + result.stderr
    assert result.returncode == 1 and "Traceback" not in result.stdout
    assert not (tmp_path / "runs").exists()
