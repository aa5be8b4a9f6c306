import os
import subprocess
import sys
from pathlib import Path

FIRST_DEVICE = """
import os
from torch._subclasses.fake_tensor import FakeTensorMode
from training.kit import make_order, make_state, make_worker

def threads():
    return len(os.listdir("/proc/self/task"))

with FakeTensorMode():  # As the estimator does; autograd then expects eight devices.
    pass
worker = make_worker()
before = threads()
(report,) = worker.train(make_order(0, quota_mib=64.0), [make_state()]).reports
assert report.failure is None and threads() == before, (report, before, threads())
"""


def test_the_first_device_pays_for_nothing_that_belongs_to_the_process():
    """Threads that start while a device trains would be counted as its memory: in a process of its own."""
    tests = Path(__file__).parents[1]
    environment = os.environ | {"PYTHONPATH": f"{tests.parent}:{tests}"}
    subprocess.run([sys.executable, "-c", FIRST_DEVICE], check=True, env=environment)
