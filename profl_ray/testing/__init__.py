"""The contract that every strategy is held against, for yours as for ours. Needs pytest.

A test file of your own needs three lines:

    from profl_ray.testing import StrategyContract

    class TestMine(StrategyContract):
        strategy = "./mine.py:Mine"
"""

import pytest

pytest.register_assert_rewrite("profl_ray.testing.contract", "profl_ray.testing.merging")

from profl_ray.testing.contract import StrategyContract  # noqa: E402
from profl_ray.testing.play import Trace, play, tiny_config, tiny_experiment  # noqa: E402

__all__ = ["StrategyContract", "Trace", "play", "tiny_config", "tiny_experiment"]
