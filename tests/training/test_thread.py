import _thread
import signal
import threading
import time

import pytest
import torch

from profl_ray.training.thread import ComputeThread


@pytest.fixture
def elsewhere():
    """Run a test's body in a thread that may be spoilt."""

    def run(body):
        threads = []
        worker = threading.Thread(target=lambda: threads.append(body()))
        worker.start()
        worker.join()
        return threads[0]

    return run


def test_it_is_the_callers_until_somebody_leaves_it(elsewhere):
    def body():
        compute = ComputeThread()
        seen = [compute.run(threading.current_thread)]
        for _ in range(2):
            compute.run(compute.leave)  # From inside, as a worker does.
            seen.append(compute.run(threading.current_thread))
            assert compute.run(threading.current_thread) == seen[-1]
        return threading.current_thread(), seen, ComputeThread().run(threading.current_thread)

    own, seen, another = elsewhere(body)
    assert seen[0] == own and own not in seen[1:]
    assert another != own, "nothing computes in a spoilt thread again"


def test_pytorch_has_one_thread_there_and_errors_come_back(elsewhere):
    def body():
        compute = ComputeThread()
        compute.leave()
        with pytest.raises(ZeroDivisionError):
            compute.run(lambda: 1 / 0)
        return compute.run(torch.get_num_threads)

    assert elsewhere(body) == 1


def test_an_interrupt_waits_for_the_call_to_leave_its_cap():
    compute, ended = ComputeThread(), []
    compute._renew()  # As after `leave`, without spoiling the thread of all tests.

    def call():
        time.sleep(0.2)
        _thread.interrupt_main()
        time.sleep(0.3)
        ended.append(True)

    # The test runner may have another handler.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            compute.run(call)
    finally:
        signal.signal(signal.SIGINT, before)
    assert ended
