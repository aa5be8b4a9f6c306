import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profl_ray.errors import UserError
from profl_ray.server.record import RoundRecord
from profl_ray.server.summary import SUMMARY, summarise

FINITE = st.floats(allow_nan=False, allow_infinity=False)
COUNT = st.integers(0, 2**50)
DEVICES = st.lists(st.integers(0, 1000), unique=True).map(tuple)
RECORDS = st.builds(
    RoundRecord,
    round=COUNT,
    stage=st.sampled_from(["shrink", "map", "grow", "calibrate"]),
    block=COUNT,
    step_index=COUNT,
    step_round=COUNT,
    step_ended=st.booleans(),
    end_reason=st.text(),
    units_grown=COUNT,
    test_accuracy=st.none() | FINITE,
    test_loss=st.none() | FINITE,
    train_loss=st.none() | FINITE,
    test_recalls=st.none() | st.lists(st.none() | FINITE).map(tuple),
    compares=st.booleans(),
    figures=st.dictionaries(st.text(), FINITE),
    need_mib=FINITE,
    measured_peak_mib=st.none() | FINITE,
    reduction=FINITE,
    eligible_share=FINITE,
    cohort=DEVICES,
    trained=DEVICES,
    failed=st.dictionaries(st.integers(0, 1000), st.text()),
    num_devices_ever=COUNT,
    uplink_bytes=COUNT,
    downlink_bytes=COUNT,
    seconds=FINITE,
)


@given(RECORDS)
def test_a_record_survives_json_on_one_line(record):
    line = json.dumps(record.to_json())
    assert len(line.splitlines()) == 1
    assert RoundRecord.from_json(json.loads(line)) == record


def make_record(number=1, **changes):
    values = {
        "round": number,
        "stage": "grow",
        "block": 2,
        "step_index": 3,
        "step_round": number,
        "step_ended": False,
        "end_reason": "",
        "units_grown": 2,
        "test_accuracy": 0.5,
        "test_loss": 1.25,
        "train_loss": 1.5,
        "test_recalls": (0.25, None, 1.0),
        "compares": True,
        "figures": {"slope": -0.5},
        "need_mib": 60.0,
        "measured_peak_mib": None,
        "reduction": 0.4,
        "eligible_share": 0.8,
        "cohort": (3, 5, 8),
        "trained": (3, 5),
        "failed": {8: "refused"},
        "num_devices_ever": 7,
        "uplink_bytes": 1000,
        "downlink_bytes": 3000,
        "local_flops": 50,
        "seconds": 0.5,
    }
    return RoundRecord(**(values | changes))


def test_a_record_of_another_version_is_refused_in_one_line():
    values = make_record().to_json()
    del values["figures"], values["test_recalls"]
    with pytest.raises(UserError, match=r"another version: it lacks figures, test_recalls and has slope$"):
        RoundRecord.from_json(values | {"slope": 0.5})


@pytest.mark.parametrize("values", [[], None, "text", {"figures": {"a": "b"}}, {"cohort": 3}, {"failed": []}])
def test_what_is_no_record_is_refused_in_one_line(values):
    changed = make_record().to_json() | values if isinstance(values, dict) else values
    with pytest.raises(UserError, match=r"^not a round's record: "):
        RoundRecord.from_json(changed)


def test_the_step_in_words():
    assert make_record().step == "grow 2"
    assert make_record(stage="calibrate", block=0).step == "calibrate"


def test_the_summary_of_a_run():
    records = [
        make_record(1, eligible_share=1.0, measured_peak_mib=None, failed={}),
        make_record(2, eligible_share=0.5, need_mib=80.0, measured_peak_mib=70.0, test_accuracy=0.9),
    ]
    summary = summarise(records, 100.0, finished=True)
    assert set(summary) <= set(SUMMARY)
    assert summary == {
        "rounds": 2,
        "peak_need_mib": 80.0,
        "peak_measured_mib": 70.0,
        "full_need_mib": 100.0,
        "reduction": pytest.approx(0.2),
        "participation": 0.75,
        "num_devices_ever": 7,
        "num_failures": 1,
        "uplink_bytes_total": 2000,
        "downlink_bytes_total": 6000,
        "local_flops_total": 100,
        "seconds_total": 1.0,
        "final_accuracy": 0.9,
    }


@pytest.mark.parametrize(("finished", "accuracy"), [(False, 0.9), (True, None)])
def test_only_a_finished_run_that_was_evaluated_has_a_final_accuracy(finished, accuracy):
    assert "final_accuracy" not in summarise([make_record(test_accuracy=accuracy)], 100.0, finished)


def test_a_run_without_rounds_has_no_figures():
    assert summarise([], 100.0, finished=False) == {}
