from dataclasses import replace

import pytest

from profl_ray.cluster.placing import Node
from profl_ray.config import load_experiment
from profl_ray.doctor.resources import (
    PROCESS_MIB,
    gpu_findings,
    memory_findings,
    nodes_of,
    placement_findings,
    process_needs_mib,
)

from .kit import MEMORY, answer


def config(*settings):
    return load_experiment("digits_tiny", settings)


RAY = ("fleet.backend=ray", "fleet.num_actors=2")


def test_a_trial_that_fits_tells_how_many_at_once():
    (finding,) = placement_findings(config(*RAY), [Node({"CPU": 4.0}), Node({"CPU": 3.0})])
    assert finding.level == "ok"
    assert "2 CPU for 2 client actors, there are 7 CPU: 3 trials at once" in finding.what


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ((*RAY, "fleet.num_actors=10"), "the cluster is too small"),
        ((*RAY, "fleet.cpus_per_actor=4"), "no node is large enough"),
        ((*RAY, "fleet.gpus_per_actor=1"), "GPU"),
    ],
)
def test_a_trial_that_never_fits_is_a_fail_with_the_key(settings, words):
    (finding,) = placement_findings(config(*settings), [Node({"CPU": 3.0})] * 3)
    assert finding.level == "fail" and words in finding.what and finding.fix.startswith("fleet.")
    assert "fix" not in finding.what and ")" not in finding.fix


def test_a_trial_that_fits_only_in_sum_is_a_fail():
    nodes = [Node({"CPU": 3.0})] * 2
    (finding,) = placement_findings(config(*RAY, "fleet.cpus_per_actor=2", "fleet.driver_cpus=2"), nodes)
    assert finding.level == "fail" and "does not fit" in finding.what


def test_what_the_jobs_own_process_holds_is_no_room_for_trials():
    answers = [answer(cpus=4), replace(answer("b", cpus=4), held={"CPU": 1.0})]
    (finding,) = placement_findings(config(*RAY), nodes_of(answers))
    assert "there are 8 CPU (1 CPU of them held by the job's own process): 3 trials at once" in finding.what
    (finding,) = placement_findings(config(*RAY, "fleet.num_actors=8"), nodes_of(answers))
    assert finding.level == "fail" and finding.fix.startswith("fleet.num_actors=7")
    (finding,) = memory_findings(config(*RAY), answers, 10.0, 1.0)
    assert "enough for 3 trials at once" in finding.what


def test_a_trial_that_reserves_nothing_is_a_fail_as_a_sweep_refuses_it():
    (finding,) = placement_findings(config(*RAY, "fleet.cpus_per_actor=0"), [Node({"CPU": 3.0})])
    assert finding.level == "fail" and finding.fix == "fleet.cpus_per_actor=0.1"


def test_enough_memory_for_all_trials():
    (finding,) = memory_findings(config(*RAY), [answer(cpus=4)], 10.0, 1.0)
    assert finding.level == "ok" and "enough for 2 trials at once" in finding.what


def test_too_little_memory_for_all_trials_says_how_many():
    tight = MEMORY | {"available_mib": 2500.0}
    (finding,) = memory_findings(config(*RAY), [answer(cpus=4, memory=tight)], 10.0, 1.0)
    assert finding.level == "warn" and finding.fix.endswith("--max-concurrent 1")


def test_a_limit_below_the_free_memory_counts():
    tight = MEMORY | {"limit_mib": 1000.0}
    (finding,) = memory_findings(config(*RAY), [answer(cpus=4, memory=tight)], 10.0, 1.0)
    assert finding.level == "fail" and "not even one trial" in finding.what


def test_a_large_need_is_the_clients():
    driver, actor = process_needs_mib(config(*RAY), 1000.0, 50.0)
    assert driver == PROCESS_MIB + 50 and actor > PROCESS_MIB + 1000 * 1.2
    alone, none = process_needs_mib(config(), 1000.0, 50.0)
    assert alone > PROCESS_MIB + 1000 * 1.2 and none == 0


def test_without_cpus_memory_says_nothing():
    assert memory_findings(config(*RAY), [answer(cpus=1)], 10.0, 1.0) == []


def test_gpus_only_where_they_are_asked_for():
    assert gpu_findings(config(), [answer()]) == []
    asked = config("fleet.accelerator=cuda", "fleet.gpus_per_actor=1")
    assert gpu_findings(asked, [answer()])[0].level == "fail"
    assert gpu_findings(asked, [answer(), answer("b", gpus=2)])[0].what == "2 on b"
    assert gpu_findings(asked, [answer(num_gpus={"error": "no torch"})])[0].level == "fail"
