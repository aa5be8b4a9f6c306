"""Errors that a user can fix."""

import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from profl_ray.errors import MemoryQuotaExceeded, UserError, unknown_name


def test_a_user_error_is_a_value_error() -> None:
    assert issubclass(UserError, ValueError)
    assert not issubclass(MemoryQuotaExceeded, ValueError)


def test_unknown_name_points_to_the_nearest_and_lists_all() -> None:
    error = unknown_name("model", "resnet81", {"vgg11_bn": 1, "resnet18": 2})
    assert isinstance(error, UserError)
    assert str(error) == "unknown model 'resnet81'; did you mean 'resnet18'? (known: resnet18, vgg11_bn)"


def test_unknown_name_far_from_all() -> None:
    error = unknown_name("strategy", "zzz", ["profl", "fedavg"])
    assert str(error) == "unknown strategy 'zzz' (known: fedavg, profl)"


@settings(deadline=None)
@given(
    st.text(max_size=20), st.sets(st.from_regex(r"[a-z_0-9]{1,8}", fullmatch=True), min_size=1, max_size=5)
)
def test_unknown_name_is_one_line(name: str, known: set[str]) -> None:
    text = str(unknown_name("thing", name, known))
    assert len(text.splitlines()) == 1 and all(choice in text for choice in known)


def test_a_quota_error_names_device_step_need_and_quota() -> None:
    error = MemoryQuotaExceeded(17, "grow 2", 231.04, 200.0, "stopped by the cap")
    assert str(error) == (
        "device 17 exceeded its memory quota in grow 2: "
        "need 231.04 MiB, quota 200.00 MiB (stopped by the cap)"
    )


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_a_quota_error_crosses_process_borders_whole(protocol: int) -> None:
    error = MemoryQuotaExceeded(17, "grow 2", 231.04, 200.0, "predicted, before training")
    twin = pickle.loads(pickle.dumps(error, protocol))
    assert type(twin) is MemoryQuotaExceeded and str(twin) == str(error) and vars(twin) == vars(error)
