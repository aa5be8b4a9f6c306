"""The run in MLflow of a run that is played: a new one, or the one where it was tracked so far."""

from profl_ray.config import ExperimentConfig
from profl_ray.config.load import flatten
from profl_ray.run.identity import RunIdentity
from profl_ray.server.run_folder import RunFolder
from profl_ray.tracking import NullWriter, RunWriter, Writer, filled_notice, prepare_store


def start_writer(
    identity: RunIdentity, config: ExperimentConfig, begun: RunFolder | None, notices: list[str]
) -> Writer:
    """Return the writer of a run; `begun` is its folder if it is resumed.

    It is resumed in MLflow too, if one of its runs is there; else it gets a new one. The folder notes which.
    What the user should know is added to `notices`. Raises UserError if MLflow cannot be used.
    """
    if identity.uri is None:
        return NullWriter()
    experiment_id = identity.experiment_id or prepare_store(
        identity.uri, config.tracking.experiment, config.storage.root, notices.append
    )
    known = begun.mlflow_run_ids() if begun else []
    writer = RunWriter.start(
        identity.uri,
        experiment_id,
        identity.name,
        flatten(config) | identity.params,
        identity.tags,
        parent_run_id=identity.parent_run_id,
        run_id=None if begun else identity.run_id,
        patience_seconds=identity.store_patience_seconds,
        known_run_ids=known,
        begun_ms=begun.begun_ms if begun else None,
    )
    if begun and known[:1] != [writer.run_id]:
        begun.note_mlflow_run(writer.run_id)
        if notice := filled_notice(writer, identity.uri, "its rounds"):
            notices.append(notice)
    return writer
