"""The questions themselves, on this machine."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from profl_ray.doctor import probe
from profl_ray.provenance import source_digest


@pytest.fixture(scope="module")
def report():
    return probe.look(
        {
            "name": "here",
            "data": {"name": "digits"},
            "accelerator": "cpu",
            "health_url": None,
            "storage": None,
        }
    )


def test_a_report_is_plain_and_whole(report):
    assert json.loads(json.dumps(report)) == report
    assert report["versions"]["torch"].startswith("2.")
    assert report["code"]["digest"] == source_digest("")[:12]
    assert report["data"]["input_shape"] == [1, 8, 8] and report["data"]["num_examples"] == 1438
    assert report["num_cpus"] >= 1 and report["open_files"] != 0
    assert 0 < report["memory"]["available_mib"] <= report["memory"]["total_mib"]
    assert "storage" not in report and "server" not in report


def test_the_cap_works_here(report):
    assert report["cap"] == ""


def test_a_cap_that_does_not_bite_is_told(monkeypatch):
    loose = probe.CAP_PROOF.replace("memory_cap(64, device)", "memory_cap(8192, device)")
    assert loose != probe.CAP_PROOF
    monkeypatch.setattr(probe, "CAP_PROOF", loose)
    assert probe.prove_cap("cpu") == "1 GiB was allocated under a cap of 64 MiB"


def test_a_proof_that_cannot_start_tells_the_last_line(monkeypatch):
    monkeypatch.setattr(probe, "CAP_PROOF", "import no_such_module")
    assert "no_such_module" in probe.prove_cap("cpu")


def test_what_goes_wrong_is_reported_and_not_raised():
    def broken():
        raise OSError(5, "Input/output\n error")

    assert probe._attempt(broken) == {"error": "OSError: [Errno 5] Input/output error"}
    told = probe._attempt(lambda: probe._data({"name": "svhn", "root": "/nowhere", "download": True}))
    assert told["error"].startswith("data set svhn: the files"), "no download, and the data set's own words"


def test_limits_of_a_control_group(tmp_path, monkeypatch):
    files = {
        "/proc/meminfo": "MemTotal: 16777216 kB\nMemAvailable: 8388608 kB",
        "/proc/self/cgroup": "4:memory:/a/b\n0::/pod/box",
        "/sys/fs/cgroup/memory/a/memory.limit_in_bytes": str(6 * 2**30),
        "/sys/fs/cgroup/pod/memory.max": str(3 * 2**30),
        "/sys/fs/cgroup/pod/box/memory.max": "max",
        "/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712",
        "/sys/fs/cgroup/cpu.max": "250000 100000",
    }
    monkeypatch.setattr(probe, "_read", lambda path: files.get(str(path), ""))
    sizes = probe.memory()
    assert (sizes["total_mib"], sizes["available_mib"]) == (16384.0, 8192.0)
    assert (sizes["limit_mib"], sizes["seen_by_ray_mib"]) == (3072.0, None)
    monkeypatch.setattr(probe.os, "cpu_count", lambda: 8)
    assert probe._num_cpus() == 2


@pytest.mark.parametrize(("status", "told"), [(200, ""), (401, ""), (502, "status 502")])
def test_a_server_is_asked(status, told):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        assert probe._answer(f"http://127.0.0.1:{server.server_port}/health") == told
