"""A run on Ray beside which something is done to it."""

import threading

from profl_ray.run.driver import Driver, RunIdentity

from .kit import busy_config, comparable, undisturbed

UNTRACKED = "tracking.enabled=false"


def play(root, tmp_path, line, disturb, *overrides, on_round=None):
    """Play a run on Ray with `disturb(driver, stop)` beside it; fill in the table's line."""
    config = busy_config(root, UNTRACKED, "fleet.backend=ray", "fleet.num_actors=2", *overrides)
    digest, records = undisturbed(root, *(option for option in overrides if not option.startswith("fleet.")))
    driver, stop, errors = Driver(config, RunIdentity(tmp_path / "run", "run")), threading.Event(), []

    def beside():
        try:
            disturb(driver, stop)
        except BaseException as error:
            errors.append(error)
            raise

    thread = threading.Thread(target=beside)
    thread.start()
    try:
        summary = driver.run(on_round)
    finally:
        stop.set()
        thread.join()
    assert not errors
    assert line.injected
    line.survived = line.injected
    line.weights_equal = summary["weights_sha256"] == digest and comparable(driver.records) == records
    assert line.weights_equal
    return driver


def client_pids(driver):
    """Process ids of the client actors that answer."""
    import ray

    refs = [slot.actor.ping.remote() for slot in list(driver.fleet.crew.slots) if slot.ready]
    ready, _ = ray.wait(refs, num_returns=len(refs), timeout=20)
    return sorted(ray.get(ready)) if ready else []
