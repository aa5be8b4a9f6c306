"""Needs that are kept: hits, misses, other keys, and files that are not ours."""

import json
from pathlib import Path
from zlib import crc32

import pytest

import profl_ray.facts as facts
import profl_ray.memory.estimate as estimating
from profl_ray.memory import Need, NeedEstimator, estimate_need

from .conftest import MakeTask


def told(task) -> Need:
    """Return a need that stands for the task; nothing is estimated."""
    return Need(
        parameters_bytes=crc32(repr(task).encode()),
        gradients_bytes=1,
        optimizer_bytes=2,
        activations_bytes=3,
        temporaries_bytes=4,
    )


@pytest.fixture
def estimated(monkeypatch: pytest.MonkeyPatch) -> list:
    """Return the list of tasks that were estimated anew."""
    tasks: list = []

    def count(build, begin, carries_tangents) -> Need:
        task = build.__self__
        assert begin.__self__ is task
        tasks.append(task)
        return told(task)

    monkeypatch.setattr(estimating, "estimate_need", count)
    return tasks


def test_in_memory_each_signature_once(estimated: list, make_task: MakeTask) -> None:
    estimate = NeedEstimator()
    assert estimate(make_task()) == estimate(make_task()) == told(make_task())
    assert len(estimated) == 1


def test_what_is_kept_is_what_the_estimator_says(make_task: MakeTask, tmp_path: Path) -> None:
    need = estimate_need(make_task().build, make_task().begin)
    assert NeedEstimator(tmp_path)(make_task()) == NeedEstimator(tmp_path)(make_task()) == need


def test_a_second_estimator_reads_the_file(estimated: list, make_task: MakeTask, tmp_path: Path) -> None:
    folder = tmp_path / "cache" / "needs"
    need = NeedEstimator(folder)(make_task())
    (file,) = folder.iterdir()
    assert file.suffix == ".json" and Need(**json.loads(file.read_text())) == need
    assert NeedEstimator(folder)(make_task()) == need
    assert len(estimated) == 1


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"null", b"{}", b'{"total": 3}', b"\xff\xfe\x00", b"7"], ids=repr
)
def test_a_file_that_is_not_ours_is_replaced(
    content: bytes, estimated: list, make_task: MakeTask, tmp_path: Path
) -> None:
    need = NeedEstimator(tmp_path)(make_task())
    (file,) = tmp_path.iterdir()
    file.write_bytes(content)
    assert NeedEstimator(tmp_path)(make_task()) == need
    assert len(estimated) == 2
    assert NeedEstimator(tmp_path)(make_task()) == need
    assert len(estimated) == 2 and list(tmp_path.iterdir()) == [file]


def test_everything_that_changes_the_need_changes_the_key(
    estimated: list, make_task: MakeTask, tmp_path: Path
) -> None:
    tasks = [
        make_task(),
        make_task(batch_size=9),
        make_task(width=0.5),
        make_task(size=17),
        make_task(block=1),
        make_task(momentum=0.0),
        make_task(partition=(1, 3)),
    ]
    estimate = NeedEstimator(tmp_path)
    assert [estimate(task) for task in tasks] == [told(task) for task in tasks]
    reader = NeedEstimator(tmp_path)
    assert [reader(task) for task in tasks] == [told(task) for task in tasks]
    assert len(estimated) == len(list(tmp_path.iterdir())) == len(tasks)


def test_another_version_of_torch_or_of_the_code_is_another_key(
    estimated: list, make_task: MakeTask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    NeedEstimator(tmp_path)(make_task())
    monkeypatch.setattr(facts, "source_digest", lambda *rooms: "other code")
    NeedEstimator(tmp_path)(make_task())
    monkeypatch.setattr(facts.torch, "__version__", "0.0")
    NeedEstimator(tmp_path)(make_task())
    assert len(estimated) == 3
