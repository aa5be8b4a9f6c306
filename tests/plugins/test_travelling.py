"""What is carried to another process needs no file there, and is what was read here."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from profl_ray.config import load_experiment
from profl_ray.plugins import carried

ROOT = Path(__file__).parents[2]
ARRIVES = """
import pickle, sys
from profl_ray.plugins import install, load_all
plugins, message = pickle.load(open("message", "rb"))
install(plugins)
load_all()
config, task = pickle.loads(message)
print(config.strategy.name, config.strategy.mine.alpha, type(task.procedure).__name__)
from profl_ray.strategies import find_strategy
print(find_strategy("./mine.py:Mine") is find_strategy(config.strategy.name))
print(type(config).model_fields["strategy"].annotation.model_fields["mine"].annotation.model_fields["alpha"].description)
"""


@pytest.mark.parametrize("change", ["gone", "edited"])
def test_a_process_elsewhere_needs_no_file(here, change):
    settings = ("strategy.name=./mine.py:Mine", "strategy.mine.alpha=0.5", "data.examples_per_device=10")
    config = load_experiment("digits_tiny", settings).with_absolute_paths()
    from profl_ray.server.experiment import assemble

    task = assemble(config).make_strategy().plan().states[0].task
    (here / "message").write_bytes(pickle.dumps((carried(), pickle.dumps((config, task)))))
    (here / "mine.py").unlink() if change == "gone" else (here / "mine.py").write_text("x = (")
    done = subprocess.run(
        [sys.executable, "-c", ARRIVES],
        cwd=here,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout.splitlines() == [
        f"{here}/mine.py:Mine 0.5 MySGD",
        "True",
        "Share of a round's change that is taken over.",
    ], done.stderr
