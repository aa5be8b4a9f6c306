"""The test examples, looked at once: where settings are chosen by a validation part, after the run's end."""

from profl_ray.server.experiment import Experiment
from profl_ray.server.ports import Fleet
from profl_ray.strategies import Strategy
from profl_ray.strategies.base import task_state


def final_test(experiment: Experiment, fleet: Fleet, strategy: Strategy) -> dict[str, float]:
    """Return `final_test_accuracy` of the complete model; nothing where `final_accuracy` is that already."""
    if experiment.chosen_by == "test":
        return {}
    num_examples, batch_size = experiment.num_evaluated("test"), experiment.config.evaluation.batch_size
    state = task_state(strategy.complete_task(), strategy.complete_weights(), "complete")
    tested = fleet.evaluate(state, num_examples, batch_size, "test")
    return {"final_test_accuracy": tested.accuracy}
