import pytest

from profl_ray.doctor import system

from .kit import MEMORY, answer, levels


@pytest.mark.parametrize(
    ("clock", "level", "side"),
    [
        (1001.0, "ok", ""),
        (1003.0, "warn", "3.0 s ahead of"),
        (990.0, "warn", "10.0 s behind"),
        (900.0, "fail", "100.0 s behind"),
    ],
)
def test_clocks(clock, level, side):
    (finding,) = system.clock_findings([answer("a"), answer("b", clock=clock)])
    assert finding.level == level and side in finding.what
    assert level == "ok" or finding.what.startswith("b is")


def test_one_machine_has_one_clock():
    assert system.clock_findings([answer(clock=0.0)]) == []


@pytest.mark.parametrize(
    ("limit", "level"),
    [(65536, "ok"), (-1, "ok"), (4096, "ok"), (4095, "warn"), (1024, "warn"), (256, "fail")],
)
def test_open_files(limit, level):
    (finding,) = system.file_findings([answer("a"), answer("b", open_files=limit)])
    assert finding.level == level
    assert level == "ok" or (f"{limit} on b" in finding.what and "ulimit -n" in finding.fix)


def test_no_limit_of_open_files_anywhere():
    assert system.file_findings([answer(open_files=-1)])[0].what == "no limit"


@pytest.mark.parametrize(
    ("mib", "data_mib", "level"), [(8000, 1, "ok"), (64, 1, "warn"), (1500, 1000, "warn")]
)
def test_shared_memory(mib, data_mib, level):
    (finding,) = system.shm_findings([answer("a"), answer("b", shm_mib=float(mib))], data_mib)
    assert finding.level == level
    assert level == "ok" or (f"{mib} MiB on b" in finding.what and "--shm-size=" in finding.fix)


@pytest.mark.parametrize(
    "told", ["1 GiB was allocated under a cap of 64 MiB", {"error": "TimeoutExpired: x"}]
)
def test_a_cap_that_does_not_bite(told):
    assert levels(system.cap_findings([answer("a")])) == ["ok"]
    (finding,) = system.cap_findings([answer("a"), answer("b", cap=told)])
    assert finding.level == "fail" and "does not work on b" in finding.what


@pytest.mark.parametrize(("value", "level"), [("", "ok"), ("1", "ok"), ("8", "warn")])
def test_threads(value, level):
    assert levels(system.thread_findings([answer("a"), answer("b", omp_num_threads=value)])) == [level]


@pytest.mark.parametrize(
    ("limit", "seen", "level", "word"),
    [
        (None, None, "ok", "none"),
        (8000.0, 8000.0, "ok", "8000 MiB, seen by Ray"),
        (8000.0, None, "warn", "does not see"),
        (8000.0, 9000.0, "warn", "does not see"),
        (512.0, 512.0, "warn", "512 MiB on b"),
    ],
)
def test_memory_limits(limit, seen, level, word):
    memory = MEMORY | {"limit_mib": limit, "seen_by_ray_mib": seen}
    (finding,) = system.limit_findings([answer("a"), answer("b", memory=memory)])
    assert finding.level == level and word in finding.what


def test_all_together_on_healthy_nodes():
    assert set(levels(system.system_findings([answer("a"), answer("b")], 1.0))) == {"ok"}
