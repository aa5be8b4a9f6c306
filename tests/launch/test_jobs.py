"""Jobs on a real head: sent, followed over a broken connection, stopped; how they end is how we exit."""

import itertools
from types import SimpleNamespace

import pytest

from profl_ray.cluster.waiting import Waiting
from profl_ray.errors import UserError
from profl_ray.launch import jobs as jobs_module
from profl_ray.launch.jobs import Jobs, _Fresh, exit_code

from .kit import Script


@pytest.mark.parametrize(
    ("status", "own", "code"),
    [
        ("SUCCEEDED", 0, 0),
        ("FAILED", 2, 2),
        ("FAILED", None, 1),
        ("FAILED", 0, 1),
        ("FAILED", -9, 1),
        ("STOPPED", 0, 130),
    ],
)
def test_exit_codes(status, own, code):
    assert exit_code(status, own) == code


def test_a_log_that_is_read_again_is_written_once():
    written = []
    fresh = _Fresh(written.append)
    fresh.begin()
    for piece in ("one ", "two "):
        fresh(piece)
    fresh.begin()
    for piece in ("one two th", "ree"):
        fresh(piece)
    fresh.begin()
    fresh("one two three four")
    assert "".join(written) == "one two three four"


@pytest.mark.parametrize("address", ["auto", "ray://127.0.0.1:10001", "127.0.0.1:8265", "http://127.0.0.1:9"])
def test_an_address_where_no_job_server_answers_is_told(address):
    with pytest.raises(
        UserError, match=f"^--address {address}: (give the cluster's dashboard|no Ray job server)"
    ):
        Jobs(address)


class Breaking:
    """A job client whose connection breaks when it is asked a second time, for some times."""

    def __init__(self, num_broken):
        self.states = ["RUNNING", *["broken"] * num_broken, "SUCCEEDED"]

    def get_job_info(self, job):
        state = self.states.pop(0)
        if state == "broken":
            raise ConnectionError("Connection refused")
        return SimpleNamespace(status=SimpleNamespace(value=state), driver_exit_code=0)

    def tail_job_logs(self, job):
        raise RuntimeError("Connection lost")

    def get_job_logs(self, job):
        return "all of it"


@pytest.fixture
def breaking(monkeypatch):
    clock = iter(range(0, 10_000, 10))
    monkeypatch.setattr(
        jobs_module, "time", SimpleNamespace(sleep=lambda _: None, monotonic=lambda: next(clock))
    )

    def make(num_broken):
        jobs = Jobs.__new__(Jobs)
        jobs.address, jobs._client = "http://head:8265", Breaking(num_broken)
        jobs._patience_seconds = 60.0
        return jobs

    return make


def test_a_head_that_is_away_for_a_while_is_asked_again(breaking):
    written = []
    assert breaking(3).follow("job", written.append) == 0 and written == ["all of it"]


def test_a_head_that_stays_away_is_told_once(breaking):
    with pytest.raises(UserError, match=r"^--address http://head:8265: no Ray") as caught:
        breaking(1000).follow("job", [].append)
    assert str(caught.value).count("--address") == 1


def test_what_is_said_inside_is_said_once(breaking):
    jobs = breaking(0)
    with pytest.raises(UserError, match=r"^one line$"), jobs._answers(), jobs._answers():
        raise UserError("one line")


class Slow(Breaking):
    """A job that is pending when it is asked for, some times, and then fails without having said anything."""

    def __init__(self, num_pending):
        self.states = [*["PENDING"] * num_pending, "FAILED"]

    def get_job_info(self, job):
        state = self.states.pop(0)
        message = "Job has not started yet. It may be waiting for resources (CPUs, ...)"
        message = message if state == "PENDING" else "the supervisor did not start"
        return SimpleNamespace(status=SimpleNamespace(value=state), driver_exit_code=None, message=message)

    def get_job_logs(self, job):
        return ""


@pytest.mark.parametrize(("reserved", "words"), [(2.0, "actors have reserved 2"), (0.0, "its environment")])
def test_a_job_that_does_not_start_says_what_it_waits_for(breaking, monkeypatch, reserved, words):
    clock = itertools.count(0, 4)
    monkeypatch.setattr(jobs_module, "Waiting", lambda *args: Waiting(*args, clock=lambda: next(clock)))
    jobs, said, written = breaking(0), [], []
    jobs._client = Slow(10)
    jobs.nodes = lambda: [{"resources": {"CPU": 2.0}}]
    jobs.actors = lambda: [{"resources": {"CPU": reserved}}]
    assert jobs.follow("job", written.append, said.append) == 1
    assert len(said) == 2 and all(line.startswith("waiting for ") and words in line for line in said)
    assert written == ["the supervisor did not start\n"]


@pytest.fixture
def jobs(no_ray, head):
    return Jobs(head.address)


def send(jobs, code):
    return jobs.submit(Script(("run", code), {"WHO": "it"}, None))


@pytest.mark.ray
def test_a_job_is_followed_to_its_end(jobs):
    written = []
    job = send(jobs, "import os; print('hello from', os.environ['WHO'])")
    assert job.startswith("profl-ray-run-")
    assert jobs.follow(job, written.append) == 0
    assert "".join(written).count("hello from it\n") == 1
    # A job that has ended can be followed again.
    again = []
    assert jobs.follow(job, again.append) == 0
    assert "".join(again).count("hello from it\n") == 1


@pytest.mark.ray
def test_a_job_that_fails_gives_its_own_exit_code(jobs):
    written = []
    assert jobs.follow(send(jobs, "import sys; print('a mistake'); sys.exit(2)"), written.append) == 2
    assert "a mistake" in "".join(written)


@pytest.mark.ray
def test_a_job_can_be_stopped(jobs):
    job = send(jobs, "import time; time.sleep(300)")
    assert jobs.stop(job)
    assert jobs.status(job) == "STOPPED" and jobs.follow(job, lambda _: None) == 130


@pytest.mark.ray
def test_the_clusters_nodes_are_known(jobs):
    (node,) = jobs.nodes()
    assert node["is_head"] and node["resources"]["CPU"] == 1 and jobs.num_workers() == 0


@pytest.mark.ray
def test_an_unknown_job_is_told(jobs):
    with pytest.raises(UserError, match="no job 'nothing' on the cluster"):
        jobs.status("nothing")
