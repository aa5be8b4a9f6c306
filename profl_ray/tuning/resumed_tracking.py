"""Where a sweep that goes on is tracked: its own run in MLflow, and those of trials that have ended."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from profl_ray.config import ExperimentConfig
from profl_ray.config.load import flatten
from profl_ray.config.schema import get
from profl_ray.config.yaml_tree import as_text
from profl_ray.errors import UserError
from profl_ray.fleet.driver import RunIdentity
from profl_ray.fleet.refill import refill
from profl_ray.server.run_folder import RunFolder
from profl_ray.tracking import SWEPT, RunWriter, filled_notice, parent_tags, prepare_store, resolve_uri
from profl_ray.tuning.request import SweepRequest
from profl_ray.tuning.space import SearchSpace
from profl_ray.tuning.sweep_folder import Tracked, note_tracked


def resume_parent(
    request: SweepRequest, config: ExperimentConfig, folder: Path, before: Tracked, say: Callable[[str], None]
) -> Tracked:
    """Return where the sweep in `folder` goes on in MLflow: where the words of today say, or nowhere.

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
    trials: Path, config: ExperimentConfig, space: SearchSpace, tracked: Tracked, say: Callable[[str], None]
) -> None:
    """Fill in what MLflow lacks of the trials that have a run folder in `trials`; say what it still lacks."""
    if tracked.uri is None:
        return
    for path in sorted(trials.glob("*")):
        folder = RunFolder(path)
        if not folder.exists:
            continue
        try:
            identity = RunIdentity(
                path,
                str(folder.facts().get("name", path.name)),
                tracked.uri,
                tracked.experiment_id,
                tracked.parent_run_id,
                params=_params(folder, space),
            )
            lacks = refill(identity, config)
        except UserError as error:
            lacks = str(error)
        if lacks:
            say(f"warning: trial {path.name} is not whole in MLflow: {lacks}")


def _params(folder: RunFolder, space: SearchSpace) -> dict[str, str]:
    """Return what the sweep set for a trial; runs of older versions tell by their configuration."""
    if "params" in (facts := folder.facts()):
        return dict(facts["params"])
    tree = folder.config().model_dump(mode="json")
    plain = {key: get(tree, key) for key in space.parameters if key not in space.bundles}
    for key, choices in space.bundles.items():
        fitting = [n for n, values in choices.items() if all(get(tree, k) == v for k, v in values.items())]
        plain |= {key: fitting[0]} if fitting else {}
    return {f"{SWEPT}{key}": as_text(value) for key, value in plain.items()}
