import json
from types import SimpleNamespace

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.protos import databricks_pb2
from mlflow_kit import history, read_run

from profl_ray.errors import UserError
from profl_ray.server.figures import RESERVED
from profl_ray.tracking import NullWriter, RunWriter, Totals, opening, start_parent
from profl_ray.tracking import writer as writer_module
from profl_ray.tracking.points import round_points
from profl_ray.tracking.records_file import RecordsFile


class Flaky:
    """An MlflowClient whose named calls fail as often as told, and that counts calls."""

    def __init__(self, client, failures=0, error=None, only=("log_batch", "log_text")):
        self.client, self.failures, self.only = client, failures, only
        self.error = error or MlflowException("database is locked")
        self.calls = []

    def __getattr__(self, name):
        method = getattr(self.client, name)

        def call(*args, **kwargs):
            self.calls.append(name)
            if name in self.only and self.failures > 0:
                self.failures -= 1
                raise self.error
            return method(*args, **kwargs)

        return call


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch):
    monkeypatch.setattr(writer_module.time, "sleep", lambda _: None)


@pytest.fixture
def start(store):
    uri, experiment_id, _ = store

    def begin(**changes):
        given = {"name": "a run", "params": {}, "tags": {}} | changes
        return RunWriter.start(uri, experiment_id, **given)

    return begin


def flaky(run, *args, **kwargs):
    run._client = Flaky(run._client, *args, **kwargs)
    return run._client


def test_a_round_is_one_call_and_comes_back_as_logged(store, start, make_record):
    run = start()
    client = flaky(run)
    totals = Totals()
    for number in (1, 2, 3):
        figures = {"mask_density": 0.1 * number}
        recalls = (0.5, None, 0.25)
        record = make_record(
            number, test_loss=float("nan"), uplink_bytes=10 * number, figures=figures, test_recalls=recalls
        )
        totals = totals.plus(record)
        run.log_round(record, totals, timestamp_ms=1000 + number)
    assert client.calls == ["log_batch", "log_text", "log_batch", "log_batch"]
    assert not run.finish()

    assert read_run(store[0], run.run_id).status == "FINISHED"
    points = history(store[0], run.run_id)
    assert points["test_accuracy"] == [(1, 0.5), (2, 0.5), (3, 0.5)]
    assert points["uplink_bytes_total"] == [(1, 10.0), (2, 30.0), (3, 60.0)]
    assert points["mask_density"] == [(1, 0.1), (2, 0.2), (3, pytest.approx(0.3))]
    assert points["worst_class_recall"] == [(1, 0.25), (2, 0.25), (3, 0.25)]
    assert {"test_loss", "slope", "measured_peak_mib"}.isdisjoint(points)
    assert set(round_points(record, totals)) == set(points) <= RESERVED | {"mask_density"}


def test_the_end_of_a_step_is_noted_in_the_same_call(store, start, make_record):
    run = start()
    client = flaky(run)
    run.log_round(make_record(7, step_round=5, step_ended=True, end_reason="slope"), Totals())
    assert client.calls == ["log_batch", "log_text"]
    tags = read_run(store[0], run.run_id).tags
    assert tags["profl_ray.step.03"] == "grow 2: slope after 5 rounds"
    assert tags["profl_ray.step"] == "grow 2"


def test_the_step_that_a_run_is_in_is_said_when_it_begins(store, start, make_record):
    run = start()
    for number, block in ((1, 1), (2, 1), (3, 2)):
        run.log_round(make_record(number, block=block), Totals())
        assert read_run(store[0], run.run_id).tags["profl_ray.step"] == f"grow {block}"


def test_records_are_written_at_the_ends_of_steps_at_the_end_and_else_seldom(store, start, make_record):
    clock = SimpleNamespace(now=0.0)
    run = start()
    run._records = RecordsFile(lambda: clock.now)
    client = flaky(run)
    written = []
    for number, ended, now in ((1, False, 0), (2, False, 30), (3, True, 31), (4, False, 90), (5, False, 92)):
        clock.now = now
        run.log_round(make_record(number, step_ended=ended), Totals())
        written.append(client.calls.count("log_text"))
    assert written == [1, 1, 2, 2, 3]
    run.log_round(make_record(6), Totals())
    run.finish()
    assert client.calls.count("log_text") == 4
    records = read_run(store[0], run.run_id).records
    assert records == [make_record(number, step_ended=number == 3) for number in range(1, 7)]


def test_an_artifact_store_that_is_away_holds_one_file_of_records_and_gets_the_newest(
    store, start, make_record
):
    run = start()
    client = flaky(run, failures=10**6, only=("log_text",))
    for number in (1, 2, 3):
        run.log_round(make_record(number, step_ended=True), Totals())
    assert (run._files.waiting, run._points.waiting) == (1, 0)
    client.failures = 0
    assert not run.finish()
    assert [record.round for record in read_run(store[0], run.run_id).records] == [1, 2, 3]


def test_unsent_rounds_are_kept_in_order_and_sent_later(store, start, make_record):
    run = start()
    client = flaky(run, failures=2, only=("log_batch",))
    run.log_round(make_record(1), Totals())
    run.log_round(make_record(2), Totals())
    run.log_round(make_record(3, test_accuracy=0.9), Totals())
    assert not run.finish()
    assert client.calls.count("log_batch") == 3 + 2, "nothing is sent twice"
    assert history(store[0], run.run_id)["test_accuracy"] == [(1, 0.5), (2, 0.5), (3, 0.9)]


def test_finish_reports_what_was_lost_and_does_not_raise(start, make_record):
    run = start()
    flaky(run, failures=10**6, only=("log_batch", "log_text", "set_terminated"))
    run.log_round(make_record(1), Totals())
    run.log_text("hello", "a.txt")
    lost = run.finish("FAILED")
    assert lost.points == len(round_points(make_record(1), Totals()))
    assert lost.files == 2, "the text, and the records"
    assert "could not be delivered to MLflow (database is locked)" in str(lost)


def test_a_refused_batch_does_not_hold_up_the_next(store, start, make_record):
    run = start()
    refused = MlflowException("bad value", error_code=1000)
    assert refused.error_code == "INVALID_PARAMETER_VALUE"
    flaky(run, failures=1, error=refused)
    run.log_round(make_record(1), Totals())
    run.log_round(make_record(2), Totals())
    assert run.finish().points > 0
    assert history(store[0], run.run_id)["test_accuracy"] == [(2, 0.5)]


def test_the_summary_wins_over_the_last_round(store, start, make_record):
    run = start()
    run.log_round(make_record(5, num_devices_ever=7), Totals())
    run.log_summary({"reduction": 0.25, "final_accuracy": 0.75, "num_devices_ever": 7, "x": None})
    run.finish()
    trial = read_run(store[0], run.run_id)
    assert trial.summary["reduction"] == 0.25
    assert history(store[0], run.run_id)["step_reduction"] == [(5, 0.4)]
    assert "x" not in trial.summary
    assert trial.outcome == "finished"


def test_a_run_continues_after_a_resume(store, start, make_record):
    run = start(params={"seed": "42"}, tags={"a": "1"})
    run.log_table("first", {"x": [1]})
    run.log_round(make_record(1), Totals())
    run.log_round(make_record(2, test_accuracy=0.1), Totals(), timestamp_ms=1)
    run.finish("KILLED")
    again = start(params={"seed": "43", "new": "1"}, tags={"b": "2"}, run_id=run.run_id)
    assert read_run(store[0], run.run_id).status == "RUNNING"
    again.log_round(make_record(3, test_accuracy=0.6), Totals())
    again.log_table("second", {"x": [1, 2]})
    again.finish()
    trial = read_run(store[0], run.run_id)
    assert trial.params == {"seed": "42", "new": "1"}
    assert history(store[0], run.run_id)["test_accuracy"] == [(1, 0.5), (2, 0.1), (3, 0.6)]
    assert (trial.tags["a"], trial.tags["b"], trial.tags["profl_ray.kind"]) == ("1", "2", "run")
    listed = [entry["path"] for entry in json.loads(trial.tags["mlflow.loggedArtifacts"])]
    assert listed == ["tables/first.json", "tables/second.json"]


def test_artifacts_arrive(store, start, tmp_path):
    from matplotlib.figure import Figure

    run = start()
    run.log_text("seed: 42\n", "config.yaml")
    run.log_json({"a": [1]}, "deep/a.json")
    run.log_figure(Figure(figsize=(1, 1)), "figures/empty.png")
    for _ in range(2):
        run.log_table("rounds", {"round": [1, 2], "accuracy": [0.5, None]})
    assert not run.finish()
    client = MlflowClient(tracking_uri=store[0])
    folder = tmp_path / "down"
    folder.mkdir()
    client.download_artifacts(run.run_id, "", str(folder))
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert files == {"config.yaml", "deep/a.json", "figures/empty.png", "tables/rounds.json"}
    table = json.loads((folder / "tables/rounds.json").read_text())
    assert table == {"columns": ["round", "accuracy"], "data": [[1, 0.5], [2, None]]}


def test_many_and_long_params_are_cut_safely(store, start):
    params = {f"key.{n}": str(n) for n in range(150)} | {"long": "x" * 9000, "bad(key)": "v"}
    trial = read_run(store[0], start(params=params, tags={"t": "y" * 9000}).run_id)
    assert len(trial.params) == 152
    assert len(trial.params["long"]) <= 6000
    assert trial.params["long"].endswith("characters more)")
    assert trial.params["bad_key_"] == "v"


def test_children_are_under_their_parent(store, start):
    uri, experiment_id, _ = store
    parent = start_parent(uri, experiment_id, "a sweep", {"metric": "m"}, {"x": "y"}, "What it is for.")
    child = read_run(uri, start(parent_run_id=parent).run_id)
    assert child.tags["mlflow.parentRunId"] == parent
    assert child.tags["profl_ray.kind"] == "trial"
    tags = read_run(uri, parent).tags
    assert (tags["profl_ray.kind"], tags["mlflow.note.content"]) == ("sweep", "What it is for.")


def test_a_run_that_is_not_there_cannot_be_continued(start):
    with pytest.raises(UserError, match="cannot resume run nonsense"):
        start(run_id="nonsense")


def test_rounds_that_others_take_the_place_of_are_logged_anew(store, start, make_record):
    run = start()
    for number in (1, 2, 3):
        run.log_round(make_record(number, test_accuracy=0.1 * number), Totals())
    run.forget(1)
    for number in (1, 2):
        run.log_round(make_record(number, test_accuracy=0.7), Totals())
    run.finish()
    assert history(store[0], run.run_id)["test_accuracy"] == [(1, 0.1), (2, 0.7), (3, pytest.approx(0.3))]
    assert [r.test_accuracy for r in read_run(store[0], run.run_id).records] == [0.7, 0.7]


def test_a_store_that_is_away_is_waited_for_and_a_run_created_once(store, start, monkeypatch):
    uri, *_ = store
    client = Flaky(MlflowClient(uri), failures=9, only=("log_batch",))
    monkeypatch.setattr(opening, "open_client", lambda _: client)
    with pytest.raises(UserError, match="cannot create run 'a run'"):
        start(params={"a": "1"})
    run = start(params={"a": "1"}, patience_seconds=60.0)
    assert client.calls.count("create_run") == 2 and client.failures == 0
    resumed = start(run_id=run.run_id, patience_seconds=60.0)
    assert resumed.run_id == run.run_id
    assert MlflowClient(uri).get_run(run.run_id).data.params == {"a": "1"}


@pytest.mark.parametrize("code", ["RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE", "PERMISSION_DENIED"])
def test_what_a_store_refuses_is_not_waited_for(store, start, monkeypatch, code):
    error = MlflowException("no", getattr(databricks_pb2, code))
    client = Flaky(MlflowClient(store[0]), failures=99, error=error, only=("get_run",))
    monkeypatch.setattr(opening, "open_client", lambda _: client)
    with pytest.raises(UserError, match="cannot resume run r"):
        start(run_id="r", patience_seconds=1e9)


def test_points_are_waited_for_and_files_are_not(start, make_record, monkeypatch):
    clock = iter(range(0, 1000, 10))
    monkeypatch.setattr(writer_module.time, "monotonic", lambda: next(clock))
    run = start()
    client = flaky(run, failures=10**6, only=("log_text",))
    run.log_text("text", "a.txt")
    assert run.finish(patience_seconds=300.0) and client.calls.count("log_text") < 10
    run = start()
    client = flaky(run, failures=20, only=("log_batch",))
    run.log_round(make_record(), Totals())
    assert not run.finish(patience_seconds=300.0) and client.failures == 0


def test_the_null_writer_does_everything_a_writer_does(make_record):
    public = {name for name in dir(RunWriter) if not name.startswith("_")} - {"start"}
    assert public <= set(dir(NullWriter))
    null = NullWriter()
    null.log_round(make_record(), Totals())
    assert not null.finish()


def test_a_resumed_run_has_no_gap_and_no_doubled_point(store, start, make_record):
    uri, _, _ = store
    run = start()
    for number in (1, 2, 3):
        run.log_round(make_record(number), Totals())
    resumed = start(run_id=run.run_id)
    for number in (2, 3, 4):
        resumed.log_round(make_record(number), Totals())
    resumed.finish()
    points = MlflowClient(uri).get_metric_history(run.run_id, "need_mib")
    assert [metric.step for metric in points] == [1, 2, 3, 4]
