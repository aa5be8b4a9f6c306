"""Accuracy of a run's newest model on the whole test set: `python benchmarks/evaluate_run.py runs/RUN_ID`."""

import sys
from pathlib import Path

from profl_ray.config.load import apply_overrides
from profl_ray.fleet.in_process import InProcessFleet
from profl_ray.server.experiment import assemble
from profl_ray.server.run_folder import RunFolder
from profl_ray.strategies.base import task_state


def main() -> None:
    """Print the accuracy of the complete model."""
    folder = RunFolder(Path(sys.argv[1]).absolute())
    saved = folder.latest()
    assert saved is not None, "nothing was saved"
    snapshot, records = saved
    config = apply_overrides(folder.config(), {"data.test_examples": None})
    experiment = assemble(config)
    strategy = experiment.make_strategy()
    strategy.load_state_dict(snapshot.tensors, snapshot.facts["strategy"])
    state = task_state(strategy.complete_task(), strategy.complete_weights(), "complete")
    num_examples = len(experiment.data.test_labels)
    result = InProcessFleet(experiment).evaluate(state, num_examples, config.evaluation.batch_size)
    print(f"{result.accuracy:.4f} on {num_examples} test images, after {len(records)} rounds")


if __name__ == "__main__":
    main()
