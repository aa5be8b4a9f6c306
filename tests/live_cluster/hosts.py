"""The machines of a cluster, on one machine: network namespaces where we may make them, else processes."""

import os
import signal
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from profl_ray.launch.processes import running

NETWORK, BRIDGE = "10.77.0", "proflray0"


class Namespaces:
    """Hosts with an address and ports of their own, joined by a bridge; we are its last address."""

    outside = f"{NETWORK}.254"
    """Our own address, as the hosts see it."""

    def __init__(self, folder):
        self.folder, self.numbers = folder, {}
        _ip("link", "add", BRIDGE, "type", "bridge")
        _ip("address", "add", f"{self.outside}/24", "dev", BRIDGE)
        _ip("link", "set", BRIDGE, "up")

    def add(self, name):
        number = len(self.numbers) + 1
        self.numbers[name] = number
        space, outer = _space(name), f"proflray{number}"
        _ip("netns", "add", space)
        _ip("link", "add", outer, "type", "veth", "peer", "name", "eth0", "netns", space)
        _ip("link", "set", outer, "master", BRIDGE, "up")
        for words in (f"address add {self.address(name)}/24 dev eth0", "link set eth0 up", "link set lo up"):
            _ip("-n", space, *words.split())

    def address(self, name):
        return f"{NETWORK}.{self.numbers[name]}"

    def command(self, name):
        """What to put before a command that shall run on a host.

        Besides its network a host has its own processes and its own /tmp/ray: Ray looks at both to find out
        on which node a program runs.
        """
        own = self.folder / name
        own.mkdir(exist_ok=True)
        Path("/tmp/ray").mkdir(exist_ok=True)
        mounted = 'mount --bind "$0" /tmp/ray && exec "$@"'
        apart = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
        return ["ip", "netns", "exec", _space(name), *apart, "sh", "-c", mounted, str(own)]

    def ports(self, _name):
        """Flags that keep the ports of hosts apart: they are apart."""
        return []

    def kill(self, name, number=signal.SIGKILL):
        """What happens when a machine loses power: all its processes end at once."""
        listed = subprocess.run(
            ["ip", "netns", "pids", _space(name)], capture_output=True, text=True, check=True
        ).stdout
        _send(map(int, listed.split()), number)

    def close(self):
        for name in self.numbers:
            self.kill(name)
            _ip("netns", "delete", _space(name))
        _ip("link", "delete", BRIDGE)


class Processes:
    """Hosts that share this machine's address, with other ports for each."""

    def __init__(self):
        self.numbers, self.started = {}, {}
        self.outside = _own_address()

    def add(self, name):
        self.numbers[name] = len(self.numbers) + 1

    def address(self, _name):
        return self.outside

    def command(self, name):
        return ["env", f"PROFL_RAY_HOST={name}"]

    def ports(self, name):
        first = 21000 + 10 * self.numbers[name]
        flags = ("--dashboard-agent-listen-port", "--metrics-export-port", "--dashboard-agent-grpc-port")
        return [word for at, flag in enumerate(flags) for word in (flag, str(first + at))]

    def kill(self, name, number=signal.SIGKILL):
        everybody = running()
        ours = {process.pid for process in everybody if _marked(process.pid, name)}
        while more := {process.pid for process in everybody if process.parent in ours} - ours:
            ours |= more
        _send(ours, number)

    def close(self):
        for name in self.numbers:
            self.kill(name)


def make_hosts(folder):
    """Namespaces for root, processes for everybody else."""
    if (
        os.geteuid() == 0
        and subprocess.run(["ip", "netns", "list"], capture_output=True, check=False).returncode == 0
    ):
        return Namespaces(folder)
    return Processes()


def _marked(pid, name):
    with suppress(OSError):
        return f"PROFL_RAY_HOST={name}".encode() in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return False


def _space(name):
    return f"proflray-{name}"


def _ip(*words):
    subprocess.run(["ip", *words], check=True)


def _send(pids, number):
    pids = [pid for pid in pids if pid != os.getpid()]
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
    deadline = time.monotonic() + 10
    while any(Path(f"/proc/{pid}").exists() for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.1)


def _own_address():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # Nothing is sent.
        return str(probe.getsockname()[0])
