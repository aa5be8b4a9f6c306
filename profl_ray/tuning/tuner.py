"""Tune's tuner for the trials of a sweep that have not ended."""

from collections.abc import Callable
from typing import Any

from ray import tune

from profl_ray.cluster.nodes import alive_nodes
from profl_ray.config import ExperimentConfig
from profl_ray.errors import UserError
from profl_ray.server.ranking import Ranking
from profl_ray.server.run_folder import RunFolder
from profl_ray.tracking import end_waiting
from profl_ray.tuning.request import SweepRequest
from profl_ray.tuning.search import make_scheduler, placement_group, search_algorithm
from profl_ray.tuning.space import decode
from profl_ray.tuning.sweep_folder import TRIALS, Tracked
from profl_ray.tuning.sweep_trials import SweepTrials
from profl_ray.tuning.trial import ProFLTrial
from profl_ray.tuning.trial_notes import TrialEnd
from profl_ray.tuning.trial_run import SweepContext
from profl_ray.tuning.view import SweepView

MAX_TRIAL_FAILURES = 3
HARDLY_ANY_CPU = 0.01
"""What a trial reserves that only says why it cannot be trained."""


def make_tuner(
    trials: SweepTrials,
    request: SweepRequest,
    config: ExperimentConfig,
    tracked: Tracked,
    say: Callable[[str], None],
) -> tune.Tuner:
    """Return a tuner that plays what has not ended: trials that were begun from where their runs are.

    Nothing of an earlier tuner is needed: a trial's run folder and the sweep's notes hold everything.
    """
    assert request.scheduler is not None, "the request is resolved"
    space, folder = request.space, trials.folder
    context = SweepContext(config, space, folder, tracked, alive_nodes())
    noted, settings = trials.noted(), trials.settings()
    algorithm = search_algorithm(
        space,
        trials.planned,
        trials.notes,
        config.seed,
        trials.num_trials,
        request.max_concurrent,
        type(config),
    )
    failed = [number for number, end in noted.ends.items() if end.final and end.outcome == "failed"]

    def settle(trial_id: str) -> bool:
        """Mark the run of a trial that waited, and does not continue, as stopped."""
        run = RunFolder(folder / TRIALS / trial_id)
        if tracked.uri is None or not run.exists:
            return True
        return end_waiting(tracked.uri, str(run.facts().get("mlflow_run_id")))

    def note_end(trial_id: str, end: TrialEnd, is_told: bool) -> None:
        """Note an end, and tell MLflow of a failure that the trial's process could not tell itself."""
        trials.notes.note_end(trial_id, end)
        if not is_told:
            known = settings.get(trial_id) or trials.settings()[trial_id]
            if why_not := context.track_failure(trial_id, known, end.reason):
                say(f"warning: MLflow does not know why trial {trial_id} failed: {why_not}")

    def resources(encoded: dict[str, Any]) -> tune.PlacementGroupFactory:
        try:
            return placement_group(context.configure(decode(encoded)))
        except UserError:  # The trial itself says why it is n/a.
            return tune.PlacementGroupFactory([{"CPU": HARDLY_ANY_CPU}])

    view = SweepView(trials.num_trials, say, settle, note_end, num_ended=trials.num_final())
    return tune.Tuner(
        tune.with_resources(tune.with_parameters(ProFLTrial, context=context), resources),
        param_space={},
        tune_config=tune.TuneConfig(
            search_alg=algorithm,
            scheduler=make_scheduler(
                request.scheduler,
                folder / TRIALS,
                algorithm,
                request.max_concurrent,
                failed,
                Ranking(config.evaluation.ranked_by),
            ),
            reuse_actors=True,
        ),
        run_config=tune.RunConfig(
            name="tune",
            storage_path=str(folder),
            verbose=0,
            callbacks=[view],
            # A trial whose process or node is lost resumes elsewhere from its own last round.
            failure_config=tune.FailureConfig(max_failures=MAX_TRIAL_FAILURES),
            # A trial is saved only to wait; one that ends, or is stopped, is not.
            checkpoint_config=tune.CheckpointConfig(num_to_keep=1, checkpoint_at_end=False),
        ),
    )
