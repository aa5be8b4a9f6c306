"""Facts on disk: found out once, never a mistake."""

from pathlib import Path

import pytest

from profl_ray.facts import KeptFacts


class Oracle:
    """Answers 1, 2, 3, ..."""

    def __init__(self) -> None:
        self.num_asked = 0

    def __call__(self) -> int:
        self.num_asked += 1
        return self.num_asked


def test_what_is_kept_is_not_asked_again(tmp_path: Path) -> None:
    oracle = Oracle()
    assert [KeptFacts(tmp_path).get("how many", oracle, int) for _ in range(3)] == [1, 1, 1]
    assert KeptFacts(tmp_path).get("how many others", oracle, int) == 2


def test_without_a_folder_it_is_remembered() -> None:
    facts, oracle = KeptFacts(), Oracle()
    assert [facts.get("how many", oracle, int) for _ in range(3)] == [1, 1, 1]
    assert facts.get("how many others", oracle, int) == 2
    assert KeptFacts().get("how many", oracle, int) == 3


def test_an_error_is_not_an_answer(tmp_path: Path) -> None:
    def fail() -> int:
        raise RuntimeError("not today")

    with pytest.raises(RuntimeError, match="not today"):
        KeptFacts(tmp_path).get("how many", fail, int)
    assert KeptFacts(tmp_path).get("how many", Oracle(), int) == 1


def test_what_cannot_be_read_is_found_out_anew(tmp_path: Path) -> None:
    oracle = Oracle()

    def even(value: int) -> int:
        if value % 2:
            raise ValueError(value)
        return value

    KeptFacts(tmp_path).get("how many", oracle, int)
    assert KeptFacts(tmp_path).get("how many", oracle, even) == 2
    assert KeptFacts(tmp_path).get("how many", oracle, even) == 2
    assert len(list(tmp_path.iterdir())) == 1
