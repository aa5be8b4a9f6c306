"""TCP ports that are free."""

import errno
import random
import socket
from contextlib import ExitStack

from profl_ray.errors import UserError

_LOWEST, _HIGHEST = 15000, 32000
"""Below Linux's ephemeral ports, so that no outgoing connection takes a port between choice and use."""


def free_ports(count: int) -> list[int]:
    """Return `count` different ports, free at this moment."""
    # Not an experiment's randomness: two heads that start at once must not draw the same ports.
    draw = random.SystemRandom()
    ports: list[int] = []
    with ExitStack() as held:  # all held until the last one is found
        for port in draw.sample(range(_LOWEST, _HIGHEST), k=_HIGHEST - _LOWEST):
            if len(ports) == count:
                return ports
            try:
                held.enter_context(_listen("127.0.0.1", port))
            except OSError:
                continue
            ports.append(port)
    raise UserError(f"no {count} free TCP ports between {_LOWEST} and {_HIGHEST}")


def require_free(port: int, key: str, host: str = "127.0.0.1") -> int:
    """Return the port that the user asked for, or say that it is taken."""
    if not 1 <= port <= 65535:
        raise UserError(f"{key}: {port} is not a TCP port (allowed: 1 to 65535)")
    try:
        _listen(host, port).close()
    except OSError as error:
        reason = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be used: {error.strerror}"
        raise UserError(f"{key}: port {port} on {host} {reason}; choose another one") from None
    return port


def _listen(host: str, port: int) -> socket.socket:
    """Bind and listen as a server does: connections that are still closing do not count as use."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(1)
    except OSError:
        listener.close()
        raise
    return listener
