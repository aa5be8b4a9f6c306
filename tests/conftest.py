"""What all tests share."""

import os
import secrets
import signal

import pytest
from hypothesis import HealthCheck, settings

# Where the suite itself runs in the background, or under nohup, they are ignored, and would stay so.
for number, handler in (
    (signal.SIGINT, signal.default_int_handler),
    (signal.SIGTERM, signal.SIG_DFL),
    (signal.SIGHUP, signal.SIG_DFL),
):
    if signal.getsignal(number) == signal.SIG_IGN:
        signal.signal(number, handler)

# Ray reads its token once in the life of a process; heads that tests start are given the same one.
os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))

from profl_ray.cluster.environment import prepare_environment  # noqa: E402

prepare_environment()  # Before a test imports Ray.

# The same examples everywhere, at any speed: a test that passes here passes there. New examples are looked
# for with `pytest --hypothesis-profile=explore`.
settings.register_profile(
    "same", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("explore", deadline=None, suppress_health_check=[HealthCheck.too_slow])
# `make fuzz`
settings.register_profile(
    "many", derandomize=True, deadline=None, max_examples=2000, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("same")


@pytest.fixture
def make_record():
    """Return a function that makes a record of a round; keywords replace single values."""

    from profl_ray.server.record import RoundRecord

    def make(number=1, **changes):
        values = {
            "round": number,
            "stage": "grow",
            "block": 2,
            "step_index": 3,
            "step_round": 1,
            "step_ended": False,
            "end_reason": "",
            "units_grown": 4,
            "test_accuracy": 0.5,
            "test_loss": 1.25,
            "train_loss": 1.5,
            "test_recalls": None,
            "compares": True,
            "figures": {},
            "need_mib": 128.0,
            "measured_peak_mib": None,
            "reduction": 0.4,
            "eligible_share": 0.8,
            "cohort": (3, 5, 8),
            "trained": (3, 5),
            "failed": {8: "exceeded its memory quota"},
            "num_devices_ever": 7,
            "uplink_bytes": 1000,
            "downlink_bytes": 3000,
            "seconds": 0.5,
        }
        return RoundRecord(**(values | changes))

    return make
