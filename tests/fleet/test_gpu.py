"""On a GPU: the allocator's limit stops a device alone, and the same configuration gives the same weights."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from training.kit import TASK, make_data, make_order, make_state, make_worker
from training.test_worker import HOSTILE

from profl_ray.fleet.in_process import InProcessFleet
from profl_ray.memory import MIB, Demand, memory_cap
from profl_ray.server.experiment import assemble
from profl_ray.training import DeviceOrder

from .kit import play, short_config

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="PyTorch sees no GPU here"),
]


def gpu_worker(*sizes, **settings):
    return make_worker(sizes, make_data(num_train=sum(sizes)), accelerator="cuda", **settings)


def test_the_cap_stops_a_device_alone_and_the_worker_continues():
    """Device 0 needs some 100 MiB; before it, one without a quota has left as much in the allocator."""
    worker, state = gpu_worker(1000, 20, overhead_mib=2.0), make_state(HOSTILE)
    (ample,) = worker.train(make_order(0), [state]).reports
    assert ample.failure is None
    order = make_order(0, quota_mib=4.0, demand=Demand(1.0, 1.0))
    order = replace(order, devices=(*order.devices, DeviceOrder(1, 0, float("inf"), Demand(1.0, 1.0))))
    for _ in range(2):
        result = worker.train(order, [state])
        stopped, trained = result.reports
        for words in ("device 0", "grow 1", "quota 4.00 MiB", "stopped by the cap"):
            assert words in (stopped.failure or "")
        assert trained.failure is None
        alone = gpu_worker(1000, 20).train(make_order(1), [state])
        np.testing.assert_array_equal(result.sums[0].total, alone.sums[0].total)


def test_a_device_within_its_quota_trains():
    worker, state = gpu_worker(20, overhead_mib=64.0), make_state(TASK)
    peak_mib = worker.measure(state) / MIB
    (report,) = worker.train(
        make_order(0, quota_mib=peak_mib, demand=Demand(peak_mib, peak_mib)), [state]
    ).reports
    assert report.failure is None


def test_freed_memory_that_the_allocator_kept_is_no_gift():
    device = torch.device("cuda", torch.cuda.current_device())
    torch.empty(512 * MIB, dtype=torch.uint8, device=device)
    with pytest.raises(torch.OutOfMemoryError), memory_cap(64, device):
        torch.empty(256 * MIB, dtype=torch.uint8, device=device)
    torch.empty(256 * MIB, dtype=torch.uint8, device=device)


def test_the_same_weights_again(tmp_path):
    def weights():
        experiment = assemble(short_config(tmp_path, "fleet.backend=in_process", "fleet.accelerator=cuda"))
        return play(experiment, InProcessFleet(experiment))

    assert weights() == weights()


def test_much_the_same_update_as_a_cpu():
    on_gpu = gpu_worker(20).train(make_order(0), [make_state()])
    on_cpu = make_worker((20,), make_data(num_train=20)).train(make_order(0), [make_state()])
    error = np.linalg.norm(on_gpu.sums[0].total - on_cpu.sums[0].total) / np.linalg.norm(on_cpu.sums[0].total)
    assert error < 0.01  # Convolutions on a GPU round their factors to TF32.
