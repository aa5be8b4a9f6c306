"""Who listens where, as Linux tells: /proc/net/tcp and the sockets that a process holds."""

from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

_LISTEN = "0A"


class Listener(NamedTuple):
    pid: int
    address: str
    port: int

    @property
    def is_local(self):
        return ip_address(self.address).is_loopback

    @property
    def command(self):
        with suppress(OSError):
            return (
                Path(f"/proc/{self.pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            )
        return ""


def listeners(pids):
    """Return the TCP sockets on which the processes listen."""
    sockets = {}
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == _LISTEN:
                address, port = fields[1].split(":")
                sockets[f"socket:[{fields[9]}]"] = (_address(address), int(port, 16))
    return sorted(
        {Listener(pid, *sockets[link]) for pid in pids for link in _open_files(pid) if link in sockets}
    )


def _open_files(pid):
    with suppress(OSError):
        return [_link(path) for path in Path(f"/proc/{pid}/fd").iterdir()]
    return []


def _link(path):
    with suppress(OSError):
        return str(path.readlink())
    return ""


def _address(digits):
    """Return an address that the kernel wrote as words of the machine's own byte order."""
    words = [bytes.fromhex(digits[i : i + 8])[::-1] for i in range(0, len(digits), 8)]
    address = ip_address(b"".join(words))
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)
