"""Where a sweep that is resumed is tracked: its own run in MLflow, and those of trials that have ended."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal

from profl_ray.config import ExperimentConfig
from profl_ray.config.load import flatten
from profl_ray.errors import UserError
from profl_ray.run.refill import refill
from profl_ray.server.run_folder import RunFolder
from profl_ray.tracking import RunWriter, filled_notice, parent_tags, prepare_store, resolve_uri
from profl_ray.tuning.request import SweepRequest
from profl_ray.tuning.space import SearchSpace
from profl_ray.tuning.sweep_folder import Tracked, note_tracked
from profl_ray.tuning.sweep_trials import SweepTrials
from profl_ray.tuning.trial_run import SweepContext


def resume_parent(
    request: SweepRequest, config: ExperimentConfig, folder: Path, before: Tracked, say: Callable[[str], None]
) -> Tracked:
    """Return where the sweep in `folder` is resumed in MLflow: where the present command says, or nowhere.

    Its run there is opened again; if there is none, a new one is created and noted. Raises UserError if
    MLflow cannot be used.
    """
    if not config.tracking.enabled:
        return Tracked()
    uri = resolve_uri(config)
    experiment_id = prepare_store(uri, config.tracking.experiment, config.storage.root, say)
    known = [run_id for run_id in (before.parent_run_id, *before.earlier_run_ids) if run_id]
    own = {"profl_ray.space": request.space.name, "profl_ray.command": before.command or request.command}
    writer = RunWriter.start(
        uri,
        experiment_id,
        folder.name,
        flatten(config),
        {},
        known_run_ids=known,
        begun_ms=int((folder / "config.yaml").stat().st_mtime * 1000),
        new_tags=parent_tags(request.space.description) | own,
    )
    earlier = tuple(run_id for run_id in known if run_id != writer.run_id)
    tracked = Tracked(uri, experiment_id, writer.run_id, earlier, before.command)
    if tracked != replace(before, uri=uri):
        note_tracked(folder, tracked)
    if notice := filled_notice(writer, uri, "the sweep and its trials"):
        say(notice)
    return tracked


def refill_trials(
    trials: SweepTrials,
    config: ExperimentConfig,
    space: SearchSpace,
    tracked: Tracked,
    say: Callable[[str], None],
) -> None:
    """Fill in what MLflow lacks of the trials that were begun; say what it still lacks.

    Those that are resumed would tell MLflow themselves; those that have ended are not opened again.
    """
    if tracked.uri is None:
        return
    context, ends = SweepContext(config, space, trials.folder, tracked), trials.noted().ends
    for trial_id, settings in trials.settings().items():
        lacks = ""
        try:
            identity = replace(context.identity(trial_id, settings), store_patience_seconds=0.0)
            end = ends.get(trial_id)
            if RunFolder(identity.folder).exists:
                lacks = refill(identity, config)
                if end is not None and end.outcome == "failed":  # Its process may not have been able to say.
                    lacks = lacks or context.track_failure(trial_id, settings, end.reason)
            elif end is not None and identity.run_id is None:
                status: Literal["FINISHED", "FAILED"] = "FINISHED" if end.outcome == "n/a" else "FAILED"
                context.track_untrained(trial_id, settings, end.reason, status, patience_seconds=0.0)
        except UserError as error:
            lacks = str(error)
        if lacks:
            say(f"warning: trial {trial_id} is incomplete in MLflow: {lacks}")
