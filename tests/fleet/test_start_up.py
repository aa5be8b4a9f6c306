"""What a process need not import: PyTorch's compiler, and what brings it."""

import subprocess
import sys

import pytest

from profl_ray.config.load import to_yaml

from .kit import short_config

pytestmark = pytest.mark.e2e

PLAY = """
import sys
from pathlib import Path
from profl_ray.config.load import from_yaml
from profl_ray.run.driver import Driver, RunIdentity

config = from_yaml(Path(sys.argv[1]).read_text(), source="a test")
summary = Driver(config, RunIdentity(config.storage.root / sys.argv[2], sys.argv[2])).run()
assert summary["finished"] and summary["rounds_trained"]
print([name for name in ("torch._dynamo", "sympy", "torchvision", "matplotlib") if name in sys.modules])
"""


def test_a_run_whose_needs_are_known_never_imports_the_compiler(tmp_path):
    config = short_config(tmp_path, "model.name=resnet18", "model.width=0.05", "model.partition=2")
    (tmp_path / "config.yaml").write_text(to_yaml(config))
    for name in ("first", "second"):
        played = subprocess.run(
            [sys.executable, "-c", PLAY, str(tmp_path / "config.yaml"), name], capture_output=True, text=True
        )
        assert played.returncode == 0, played.stderr
    assert played.stdout == "[]\n"
