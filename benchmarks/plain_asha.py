"""Tune's own ASHA on a space of ours, beside `--scheduler halving`: it compares trials at equal rounds.

    python benchmarks/plain_asha.py SPACE [FACTOR [GRACE]] [recipe=RECIPE] [key=value ...]

Rungs at GRACE (default 10), GRACE x FACTOR (4), ... rounds by the accuracy of whatever sub-model a trial has
then; all else, the sharing of rounds too, as in `profl-ray sweep`. Prints one JSON object.
"""

import dataclasses
import json
import sys
from unittest.mock import patch

from profl_ray.cluster.ray_session import ray_session
from profl_ray.tuning import SweepRequest, run_sweep, search
from tune_spaces import find_space

from ray.tune.schedulers import ASHAScheduler  # isort: skip  # After the fleet's room, which sets what Ray reads.


class PlainASHA(ASHAScheduler):
    """Rounds without an evaluation are no rungs."""

    def on_trial_result(self, tune_controller, trial, result):
        """Judge a trial by its accuracy."""
        if result.get("test_accuracy") is None:
            return self.CONTINUE
        return super().on_trial_result(tune_controller, trial, result)


def main():
    """Run the sweep."""
    name, *rest = sys.argv[1:]
    numbers = [int(word) for word in rest if word.isdigit()]
    factor, grace = (*numbers, 4, 10)[0], (*numbers[1:], 10)[0]
    changes = [word for word in rest if "=" in word]
    space = find_space(name)
    for recipe in [word.removeprefix("recipe=") for word in changes if word.startswith("recipe=")]:
        space = dataclasses.replace(space, recipe=recipe)
        changes.remove(f"recipe={recipe}")
    space = dataclasses.replace(space, overrides=(*space.overrides, *changes))

    def plain(*_arguments):
        return PlainASHA(
            "round", "test_accuracy", "max", max_t=10_000, grace_period=grace, reduction_factor=factor
        )

    with patch.object(search, "make_scheduler", plain), ray_session(num_cpus=2):
        outcome = run_sweep(SweepRequest(space, max_concurrent=2), lambda text: print(text, file=sys.stderr))
    kept = ("num_trials", "num_failed", "best_settings", "best_accuracy", "rounds_total", "rounds_trained")
    print(json.dumps({key: getattr(outcome, key) for key in kept}))


if __name__ == "__main__":
    main()
