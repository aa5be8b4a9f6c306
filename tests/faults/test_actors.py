"""Client actors and driver actors that are killed or frozen while a run trains."""

import json
import random
import signal

import pytest

from .disturbed import UNTRACKED, client_pids, play
from .kit import BUSY, send, undisturbed, wait_for

pytestmark = [pytest.mark.ray, pytest.mark.faults]


def test_client_actors_killed_at_random(local_ray, runs, tmp_path, fault):
    line, draw = fault("kill -9 of a client actor, at any moment"), random.Random(1)

    def disturb(driver, stop):
        while line.injected < 8 and not stop.wait(draw.uniform(0.2, 2.0)):
            try:
                pids = client_pids(driver)
            except Exception:
                continue  # One of them died while it was asked.
            if pids:
                send(draw.choice(pids))
                line.injected += 1

    driver = play(runs, tmp_path, line, disturb, "freezing.rounds=6")
    assert driver.fleet.crew.num_lost >= line.injected // 2


def test_a_frozen_client_actor(local_ray, runs, tmp_path, fault):
    line = fault("SIGSTOP of a client actor beyond the deadline")
    frozen = []

    def disturb(driver, stop):
        for rounds in (2, 9):
            wait_for(lambda rounds=rounds: len(driver.records) >= rounds or stop.is_set(), seconds=120)
            frozen.append(client_pids(driver)[0])
            send(frozen[-1], signal.SIGSTOP)
            line.injected += 1

    driver = play(runs, tmp_path, line, disturb, "fleet.deadline_seconds=6")
    assert driver.fleet.crew.num_lost == 2


def test_a_driver_actor_that_is_killed_is_started_again(program, runs, fault):
    line = fault("kill -9 of the driver actor")
    digest, _ = undisturbed(runs)
    options = (*BUSY, UNTRACKED, "fleet.backend=ray", "fleet.num_actors=2", f"storage.root={runs}")
    process = program.start("run", "digits_tiny", "--json", *options)
    heard = []
    for line_of_text in process.stderr:
        heard.append(line_of_text)
        if line_of_text.startswith(("round    3 ", "round   12 ")):
            (pid,) = program.pids("ray::DriverActor")
            send(pid)
            line.injected += 1
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 0, "".join(heard)
    summary = json.loads(out.splitlines()[-1])
    line.survived = line.injected
    line.weights_equal = summary["weights_sha256"] == digest
    assert line.injected == 2 and line.weights_equal
    rounds = [int(text.split()[1]) for text in heard if text.startswith("round ")]
    assert sorted(set(rounds)) == list(range(1, summary["rounds"] + 1))
    assert "Traceback" not in "".join(heard)
    program.wait_until_nothing_is_left()
