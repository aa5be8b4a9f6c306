import socket

import pytest

from profl_ray.errors import UserError
from profl_ray.launch.ports import free_ports, require_free


def test_free_ports_are_different_and_usable() -> None:
    ports = free_ports(9)
    assert len(set(ports)) == 9
    for port in ports:
        assert require_free(port, "port") == port


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])
def test_a_busy_port_is_a_users_mistake_in_one_line(address: str) -> None:
    with socket.create_server((address, 0)) as busy:
        port = busy.getsockname()[1]
        with pytest.raises(UserError, match=f"^dashboard_port: port {port} on 127.0.0.1 is in use[^\n]*$"):
            require_free(port, "dashboard_port")


@pytest.mark.parametrize("port", [0, -1, 65536])
def test_what_is_no_port(port: int) -> None:
    with pytest.raises(UserError, match="allowed: 1 to 65535"):
        require_free(port, "port")
