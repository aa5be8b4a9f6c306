"""What all tests share."""

import os
import secrets
import shutil
import signal
import time
from contextlib import ExitStack

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
from profl_ray.cluster.ray_session import ray_session  # noqa: E402

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


def pytest_collection_modifyitems(items):
    """Put the quick tests first, then those that share one Ray, then those that need a Ray of their own."""
    items.sort(key=_turn)


def _turn(item):
    if "no_ray" in getattr(item, "fixturenames", ()) or item.get_closest_marker("e2e"):
        return 2
    return 1 if item.get_closest_marker("ray") else 0


NUM_CPUS = 4
"""Of the Ray that tests share, however many the machine has."""


@pytest.fixture(scope="session")
def shared_ray():
    """Holds the Ray that tests share, once one has asked for it, until the end or until `no_ray`."""
    with ExitStack() as started:
        yield started


@pytest.fixture(scope="module")
def local_ray(shared_ray):
    """The private Ray of four CPUs that tests share; the environment is as before afterwards.

    What a module leaves running holds CPUs: then the next one gets a new Ray. Actors and tasks may be killed
    here; whoever kills Ray itself, configures it, or connects to another one asks for `no_ray`.
    """
    import ray

    before = dict(os.environ)
    for name in ("RAY_ADDRESS", "RAY_JOB_ID", "MLFLOW_TRACKING_URI"):
        os.environ.pop(name, None)
    try:
        if not ray.is_initialized():
            shared_ray.enter_context(ray_session(num_cpus=NUM_CPUS))
        yield
        if not _becomes_free(ray):
            shared_ray.close()
    finally:
        os.environ.clear()
        os.environ.update(before)


def _becomes_free(ray, seconds=10.0):
    """Whether all CPUs are given back in time: actors that were ended need a moment for that."""
    deadline = time.monotonic() + seconds
    while ray.available_resources().get("CPU") != NUM_CPUS:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


@pytest.fixture
def no_ray(shared_ray):
    """End the Ray that tests share, for a test that starts one of its own or connects to another."""
    shared_ray.close()


@pytest.fixture(scope="session", autouse=True)
def quick_stores(tmp_path_factory):
    """Let new SQLite stores of this process begin as copies of one: MLflow makes its tables in seconds."""
    from profl_ray.config.addresses import sqlite_path
    from profl_ray.tracking import store
    from profl_ray.tracking.client import open_client

    tables = tmp_path_factory.mktemp("tables") / "mlflow.db"
    begin = store._experiment_id

    def begin_as_copy(uri, experiment, artifacts):
        path = sqlite_path(uri)
        if path is not None and not path.exists():
            if not tables.exists():
                open_client(f"sqlite:///{tables}").search_experiments()
            shutil.copyfile(tables, path)
        return begin(uri, experiment, artifacts)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "_experiment_id", begin_as_copy)
        yield


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
