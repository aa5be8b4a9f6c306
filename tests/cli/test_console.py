import sys

import pytest

from profl_ray.cli.console import RunView, round_line
from profl_ray.config import load_experiment
from profl_ray.server.record import RoundRecord


@pytest.fixture
def make_record():
    def make(**changes):
        values = dict.fromkeys(RoundRecord.__dataclass_fields__) | {
            "round": 12,
            "stage": "grow",
            "block": 2,
            "step_index": 3,
            "step_round": 4,
            "step_ended": False,
            "end_reason": "",
            "need_mib": 128.256,
            "eligible_share": 0.75,
            "failed": {},
            "figures": {},
            "seconds": 1.5,
        }
        return RoundRecord(**(values | changes))

    return make


def test_a_round_is_one_line_of_what_is_known(make_record):
    assert round_line(make_record()) == "round   12  grow 2     4  need 128.26 MiB (75 % of devices)  1.50 s"
    full = make_record(
        test_accuracy=0.51234,
        train_loss=1.25,
        figures={"effective_movement": 0.5, "slope": -1.0},
        failed={3: "too much"},
        step_ended=True,
        end_reason="slope",
    )
    assert round_line(full) == (
        "round   12  grow 2     4  accuracy 0.5123  loss 1.2500  effective movement 0.50  need 128.26 MiB "
        "(75 % of devices)  1.50 s  1 failed  <- grow 2 ends: slope"
    )


@pytest.mark.parametrize("changes", [{}, {"test_accuracy": 0.0}, {"failed": {1: "a\nb"}}])
def test_a_round_is_never_two_lines(make_record, changes):
    assert len(round_line(make_record(**changes)).splitlines()) == 1


SUMMARY = {
    "run_id": "digits_tiny-1",
    "mlflow_run_id": "abc",
    "rounds": 12,
    "final_accuracy": 0.9,
    "peak_need_mib": 1.0,
    "full_need_mib": 2.0,
    "reduction": 0.5,
    "notices": ["one point was not delivered"],
}


def test_elsewhere_than_on_a_terminal_every_round_is_a_plain_line_on_standard_error(make_record, capsys):
    assert not sys.stderr.isatty()
    config = load_experiment("digits_tiny")
    with RunView(config) as view:
        view.begin("digits_tiny-1", 4)
        view.show(make_record())
        view.show(make_record(round=13, failed={7: "device 7 exceeded its memory quota in grow 2: need ..."}))
        view.show(make_record(round=14, step_ended=True, end_reason="max_rounds", test_accuracy=0.9))
    view.end(SUMMARY, "sqlite:////x/mlflow.db")
    out, err = capsys.readouterr()
    assert out == "", "standard output belongs to --json"
    assert "\x1b" not in err and "\r" not in err
    lines = err.splitlines()
    assert lines[0] == ("digits_tiny-1: profl, cnn x1 on digits, 20 devices, 8 a round, fleet in_process")
    assert [line.split()[1] for line in lines if line.startswith("round")] == ["12", "13", "14"]
    assert "  dropped: device 7 exceeded its memory quota in grow 2: need ..." in lines
    assert (
        "final accuracy 0.9000 after 12 rounds; peak need 1.00 MiB, 50.0 % below full training (2.00 MiB)"
        in lines
    )
    assert lines[-2] == "note: one point was not delivered"
    assert lines[-1] == "MLflow run abc in sqlite:////x/mlflow.db (`profl-ray ui` shows it)"


def test_a_stopped_run_says_how_to_resume_it(capsys):
    with RunView(load_experiment("digits_tiny")) as view:
        pass
    view.end({"run_id": "digits_tiny-1", "finished": False, "notices": []}, None)
    err = capsys.readouterr().err
    assert "stopped before the end of the schedule; resume with --resume digits_tiny-1" in " ".join(
        err.split()
    )


def test_on_a_terminal_only_the_ends_of_steps_stay(make_record, monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with RunView(load_experiment("digits_tiny")) as view:
        view.show(make_record(round=1))
        view.show(make_record(round=2, step_ended=True, end_reason="slope"))
        assert view.progress.tasks[0].completed == 4
    out, err = capsys.readouterr()
    assert out == ""
    assert "round    2" in err and "round    1 " not in err
