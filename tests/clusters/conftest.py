"""No test of this folder needs a cloud: all but those marked ray or e2e fail if they open a connection."""

import socket

import pytest


@pytest.fixture(autouse=True)
def offline(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every attempt to connect to another machine fail."""
    if request.node.get_closest_marker("ray") or request.node.get_closest_marker("e2e"):
        return

    def refuse(self: socket.socket, address: object) -> None:
        raise AssertionError(f"a test tried to connect to {address}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
