"""compose.yaml, by Compose itself (its `config` needs no engine) and by rules of ours."""

import json
from typing import Any

import pytest
import yaml

from tests.clusters import kit

NODES = ("head", "worker")


@pytest.fixture(scope="module")
def resolved() -> dict[str, Any]:
    """What Compose makes of the file: anchors, defaults and short forms written out."""
    result = kit.tool("docker-compose", "--file", str(kit.COMPOSE), "config", "--format", "json")
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""  # warnings: variables without a value, obsolete keys
    whole: dict[str, Any] = json.loads(result.stdout)
    return whole


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("  healthcheck:", "  helthcheck:"),
        ("mem_limit: 1g", "mem_limits: 1g"),
        ("service_healthy", "service_helthy"),
        ("secrets: [ray_token]", "secrets: [ray_tokens]"),
        ("shared:/mnt/shared", "shraed:/mnt/shared"),
        ("\nvolumes:\n", "\nvolume:\n"),
    ],
)
def test_compose_refuses_a_typo(before: str, after: str) -> None:
    text = kit.COMPOSE.read_text()
    assert before in text
    result = kit.tool("docker-compose", "--file", "-", "config", "--quiet", stdin=text.replace(before, after))
    assert result.returncode != 0


def test_what_listens_is_published_on_loopback_only(resolved: dict[str, Any]) -> None:
    ports = [port for service in resolved["services"].values() for port in service.get("ports", [])]
    assert {port["published"] for port in ports} == {"5000", "8265"}
    assert all(port["host_ip"] == "127.0.0.1" for port in ports)
    assert all("network_mode" not in service for service in resolved["services"].values())


def test_every_service_is_bounded_and_unprivileged(resolved: dict[str, Any]) -> None:
    for name, service in resolved["services"].items():
        assert int(service["mem_limit"]) >= 2**30, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert "privileged" not in service, name


def test_every_service_says_whether_it_is_healthy(resolved: dict[str, Any]) -> None:
    # Ray's nodes by the image's own check.
    for name, service in resolved["services"].items():
        assert name in NODES or service["healthcheck"]["test"], name
    assert "HEALTHCHECK" in kit.DOCKERFILE.read_text()


def test_the_order_of_start_waits_for_health(resolved: dict[str, Any]) -> None:
    order = {"mlflow": "postgres", "head": "mlflow", "worker": "head"}
    for name, first in order.items():
        assert resolved["services"][name]["depends_on"][first]["condition"] == "service_healthy"


def test_ray_nodes_share_token_folder_and_mlflow(resolved: dict[str, Any]) -> None:
    for name in NODES:
        service = resolved["services"][name]
        assert service["environment"]["RAY_AUTH_MODE"] == "token"
        assert service["environment"]["RAY_AUTH_TOKEN_PATH"] == "/run/secrets/ray_token"
        assert [secret["source"] for secret in service["secrets"]] == ["ray_token"]
        assert service["environment"]["MLFLOW_TRACKING_URI"] == "http://mlflow:5000"
        [volume] = service["volumes"]
        assert (volume["source"], volume["target"]) == ("shared", kit.VERSIONS["SHARED_PATH"])
    assert "mlflow:5000" in resolved["services"]["mlflow"]["command"][-1]


def test_what_lasts_is_in_named_volumes(resolved: dict[str, Any]) -> None:
    assert set(resolved["volumes"]) == {"postgres", "mlflow", "shared"}
    volumes = [volume for service in resolved["services"].values() for volume in service.get("volumes", [])]
    assert all(volume["type"] == "volume" for volume in volumes)


def test_secrets_are_files_that_git_ignores(resolved: dict[str, Any]) -> None:
    assert all("/docker/secrets/" in secret["file"] for secret in resolved["secrets"].values())
    assert "secrets/" in (kit.COMPOSE.parent / ".gitignore").read_text().splitlines()
    readme = (kit.COMPOSE.parent / "README.md").read_text()
    for name in resolved["secrets"]:
        assert f"> secrets/{name}" in readme
    variables = yaml.safe_dump([service.get("environment", {}) for service in resolved["services"].values()])
    assert "PASSWORD:" not in variables


def test_the_database_password_is_on_no_command_line(resolved: dict[str, Any]) -> None:
    command = resolved["services"]["mlflow"]["command"]
    assert command[:2] == ["bash", "-c"]
    # Compose writes a dollar of the shell as two.
    script = command[2].replace("$$", "$")
    assert kit.shell_problems(script) == ""
    assert "postgresql+psycopg2://mlflow@postgres:5432/mlflow" in script
