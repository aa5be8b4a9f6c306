"""What tests look up in MLflow beside what reports read: single runs, and the points of their metrics."""

from pathlib import Path
from tempfile import TemporaryDirectory

from mlflow import MlflowClient

from profl_ray.tracking import TrialData
from profl_ray.tracking.reader import read_trial


def read_run(uri: str, run_id: str) -> TrialData:
    """Return one run as reports read it."""
    client = MlflowClient(tracking_uri=uri)
    return read_trial(client, client.get_run(run_id))


def history(uri: str, run_id: str) -> dict[str, list[tuple[int, float]]]:
    """Return (round, value) of every metric that has points at rounds, in order; the newest of each round."""
    client = MlflowClient(tracking_uri=uri)
    found = {}
    for name in client.get_run(run_id).data.metrics:
        points = sorted(client.get_metric_history(run_id, name), key=lambda point: point.timestamp)
        found[name] = sorted({point.step: point.value for point in points}.items())
    return found


def artifact(uri: str, run_id: str, path: str) -> str:
    """Return a text artifact of a run."""
    with TemporaryDirectory() as folder:
        return Path(MlflowClient(tracking_uri=uri).download_artifacts(run_id, path, folder)).read_text()
