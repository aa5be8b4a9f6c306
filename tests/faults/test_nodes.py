"""Nodes that are removed, whose object store is full, whose memory runs out."""

import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from .disturbed import play
from .kit import wait_for

# Clusters of their own, whose nodes are removed.
pytestmark = [pytest.mark.ray, pytest.mark.faults, pytest.mark.usefixtures("no_ray")]


@contextmanager
def cluster(num_nodes, **options):
    """A cluster whose nodes are processes here: a head without CPUs, and nodes of one CPU."""
    import ray
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False} | options)
    try:
        nodes = [made.add_node(num_cpus=1) for _ in range(num_nodes)]
        ray.init(address=made.address, log_to_driver=False, logging_level="ERROR")
        yield made, nodes
    finally:
        ray.shutdown()
        made.shutdown()


def test_a_node_that_is_removed_and_another_that_comes(runs, tmp_path, fault):
    line = fault("node removed, with its client actor; another one added later")
    with cluster(2) as (made, nodes):

        def disturb(driver, stop):
            wait_for(lambda: len(driver.records) >= 3 or stop.is_set(), seconds=120)
            made.remove_node(nodes[0], allow_graceful=False)
            line.injected += 1
            wait_for(lambda: len(driver.records) >= 12 or stop.is_set(), seconds=180)
            made.remove_node(nodes[1], allow_graceful=False)
            line.injected += 1

        def on_round(record):
            if record.round == 8:
                made.add_node(num_cpus=1)

        options = ("fleet.cpus_per_actor=1", "fleet.start_timeout_seconds=60")
        play(runs, tmp_path, line, disturb, *options, on_round=on_round)


def test_a_full_object_store(runs, tmp_path, fault):
    """The store holds 80 MiB; others fill it, so that all that we put has to be spilled to the disk."""
    import numpy as np
    import ray

    line = fault("object store full (others hold three times its size)")
    with cluster(2, object_store_memory=80 * 2**20):
        held = [ray.put(np.full(10 * 2**20, i, np.uint8)) for i in range(24)]
        line.injected += len(held)
        play(runs, tmp_path, line, lambda _driver, stop: stop.wait(), "fleet.cpus_per_actor=1")
        assert int(ray.get(held[0])[0]) == 0


GIB = 2**30
HOG = """
import sys, time
blocks = []
for _ in range(int(sys.argv[1])):
    blocks.append(b"1" * 2**28)
    time.sleep(0.05)
time.sleep(60)
"""


def memory_bytes(name):
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))


def test_workers_that_are_killed_for_want_of_memory(runs, tmp_path, fault, monkeypatch):
    """A process outside Ray takes memory until Ray's monitor kills workers; then it gives it back."""
    line = fault("workers killed by Ray's memory monitor")
    total, available = memory_bytes("MemTotal"), memory_bytes("MemAvailable")
    if available < 12 * GIB:
        pytest.skip("too little free memory on this machine to fill it safely")
    # The cluster itself takes about 2 GiB.
    threshold = (total - available + 4 * GIB) / total
    monkeypatch.setenv("RAY_memory_usage_threshold", f"{threshold:.3f}")
    monkeypatch.setenv("RAY_memory_monitor_refresh_ms", "100")
    with cluster(2):
        killed = threading.Event()

        def on_round(record):
            if record.round > 3 and not killed.is_set():
                time.sleep(0.5)  # The run must not be over before the memory is.

        def disturb(driver, stop):
            wait_for(lambda: len(driver.records) >= 3 or stop.is_set(), seconds=120)
            hog = subprocess.Popen([sys.executable, "-c", HOG, "24"])
            try:
                wait_for(lambda: driver.fleet.crew.num_lost > 0 or stop.is_set(), seconds=60)
                time.sleep(1.0)
            finally:
                killed.set()
                hog.kill()
                hog.wait()
            line.injected += driver.fleet.crew.num_lost

        options = ("fleet.cpus_per_actor=1", "training.local_epochs=6")
        driver = play(runs, tmp_path, line, disturb, *options, on_round=on_round)
    assert driver.fleet.crew.num_lost >= 1
