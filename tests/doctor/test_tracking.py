import pytest

from profl_ray.config import load_experiment
from profl_ray.doctor import tracking
from profl_ray.doctor.tracking import condition_finding, tracking_findings
from profl_ray.tracking import StoreCondition

from .kit import answer, levels


def config(*settings):
    return load_experiment("digits_tiny", settings)


@pytest.fixture(autouse=True)
def no_foreign_server(monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def test_a_file_is_enough_for_one_machine_and_a_warning_for_several(tmp_path):
    asked = config(f"storage.root={tmp_path}")
    assert levels(tracking_findings(asked, [answer()], 1)) == ["ok"]
    findings = tracking_findings(asked, [answer("a"), answer("b")], 2)
    assert levels(findings) == ["ok", "warn"] and "mlflow server" in findings[1].fix


def test_without_tracking_nothing_is_asked():
    (finding,) = tracking_findings(config("tracking.enabled=false"), [answer()], 3)
    assert finding.level == "ok" and "tracking.enabled=false" in finding.what


def test_an_unreachable_server_is_a_fail():
    (finding,) = tracking_findings(config("tracking.uri=http://127.0.0.1:9"), [answer()], 1)
    assert finding.level == "fail" and "no MLflow server answers at http://127.0.0.1:9" in finding.what


def test_a_server_that_one_node_cannot_reach_names_the_node(monkeypatch):
    monkeypatch.setattr(tracking, "store_condition", lambda _uri: StoreCondition("server", "answers"))
    there, deaf = answer("a", server=""), answer("b", server={"error": "URLError: timed out"})
    findings = tracking_findings(config("tracking.uri=http://host:5000"), [there, deaf], 2)
    assert levels(findings) == ["ok", "fail"]
    assert "does not answer b (URLError: timed out)" in findings[1].what


def test_what_can_be_used_all_the_same_is_a_warning():
    assert condition_finding(StoreCondition("server", "old", "pip install x")).level == "warn"
    assert condition_finding(StoreCondition("server", "gone", "start it", usable=False)).level == "fail"
