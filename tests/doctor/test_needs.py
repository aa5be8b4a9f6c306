import pytest

from profl_ray.config import load_experiment
from profl_ray.doctor.needs import need_findings
from profl_ray.errors import UserError
from profl_ray.memory import NeedEstimator

from .kit import DATA


@pytest.fixture(scope="module")
def estimate():
    return NeedEstimator(None)


def findings(estimate, *settings):
    return need_findings(load_experiment("digits_tiny", settings), DATA, estimate)


def test_affordable_steps_and_the_costliest_need(estimate):
    (finding,), peak_mib = findings(estimate)
    assert finding.level == "ok" and "%" in finding.what and 0.1 < peak_mib < 5


def test_a_step_that_no_device_can_afford_is_a_fail_with_the_numbers(estimate):
    poor = ("federation.quotas.low_fraction=0.01", "federation.quotas.high_fraction=0.02")
    (finding,), peak_mib = findings(estimate, *poor)
    assert finding.level == "fail" and "MiB and the largest quota is" in finding.what
    assert peak_mib == 0 and "federation.quotas" in finding.fix


def test_a_recipe_that_cannot_be_put_together_is_the_users_mistake(estimate):
    with pytest.raises(UserError, match="partition"):
        findings(estimate, "model.partition=[9,9]")
