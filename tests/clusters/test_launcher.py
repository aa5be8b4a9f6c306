"""Files of Ray's cluster launcher, by Ray's own validation.

Offline: `ray up` reads a file, fills in defaults (`prepare_config`) and checks it (`validate_config`) before
it makes a client of the cloud (`bootstrap_config`). The first two are all that runs here.
"""

import copy
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config

from tests.clusters import cloud_models, kit

CLOUDS = [path for path in kit.LAUNCHER if path.parent.name in ("aws", "gcp")]
every_file = pytest.mark.parametrize("path", kit.LAUNCHER, ids=kit.name_of)
every_cloud_file = pytest.mark.parametrize("path", CLOUDS, ids=kit.name_of)

COMMANDS = (
    "initialization_commands",
    "setup_commands",
    "head_setup_commands",
    "worker_setup_commands",
    "head_start_ray_commands",
    "worker_start_ray_commands",
)


def load(path: Path) -> dict[str, Any]:
    """The file as Ray's command line reads it."""
    loaded: dict[str, Any] = yaml.safe_load(path.read_text())
    return loaded


def prepared(config: dict[str, Any]) -> dict[str, Any]:
    """What `ray up` makes of it before it asks the cloud; raises what Ray raises."""
    whole: dict[str, Any] = prepare_config(copy.deepcopy(config))
    validate_config(whole)
    return whole


def workers(config: dict[str, Any]) -> list[dict[str, Any]]:
    """The node types that are not the head's."""
    types = config["available_node_types"]
    return [types[name] for name in types if name != config["head_node_type"]]


@every_file
def test_ray_takes_it(path: Path) -> None:
    prepared(load(path))


@every_file
@pytest.mark.parametrize("typo", ["idle_timout_minutes", "max_worker", "head_start_ray_command"])
def test_ray_refuses_a_typo(path: Path, typo: str) -> None:
    with pytest.raises(jsonschema.ValidationError, match=typo):
        prepared({**load(path), typo: 1})


@every_cloud_file
def test_ray_refuses_a_typo_in_a_node_type(path: Path) -> None:
    config = load(path)
    workers(config)[0]["min_worker"] = 1
    with pytest.raises(jsonschema.ValidationError, match="min_worker"):
        prepared(config)


@every_cloud_file
def test_the_cloud_knows_all_node_settings(path: Path) -> None:
    config = load(path)
    for name, node in config["available_node_types"].items():
        assert cloud_models.problems(config["provider"]["type"], node["node_config"]) == [], name


@pytest.mark.parametrize(
    ("provider", "node"),
    [
        ("aws", {"InstanceTyp": "m7i.xlarge"}),
        ("aws", {"InstanceMarketOptions": {"MarketTyp": "spot"}}),
        ("aws", {"InstanceMarketOptions": {"MarketType": "spto"}}),
        ("aws", {"BlockDeviceMappings": [{"DeviceName": "/dev/sda1", "Ebs": {"VolumeSize": "big"}}]}),
        ("gcp", {"machineTyp": "n2-standard-4"}),
        ("gcp", {"scheduling": {"provisioningModel": "SPTO"}}),
        ("gcp", {"scheduling": [{"preemptible": True}]}),
        ("gcp", {"disks": [{"boot": True, "initializeParams": {"diskSizeGB": 100}}]}),
    ],
)
def test_the_cloud_refuses_a_typo(provider: str, node: dict[str, Any]) -> None:
    assert cloud_models.problems(provider, node) != []


@every_file
def test_commands_are_sound(path: Path) -> None:
    config = load(path)
    for key in COMMANDS:
        for command in config[key]:
            # Set by the launcher and by ssh.
            script = f"export RAY_HEAD_IP=10.0.0.1 USER=ubuntu\n{command}\n"
            assert kit.shell_problems(script) == "", f"{key}: {command}"


@every_file
def test_no_command_is_left_to_the_defaults(path: Path) -> None:
    # Ray's defaults install a nightly Ray over the image's, and open the dashboard to the network.
    config = load(path)
    assert [key for key in COMMANDS if key not in config] == []
    text = path.read_text()
    assert "pip install" not in text
    assert "--dashboard-host=127.0.0.1" in text
    assert "0.0.0.0" not in text


@every_file
def test_every_process_gets_token_and_mlflow(path: Path) -> None:
    config = load(path)
    options = config["docker"]["run_options"]
    [(mounted, source)] = config["file_mounts"].items()
    assert "--env RAY_AUTH_MODE=token" in options
    assert f"--env RAY_AUTH_TOKEN_PATH={mounted}/auth_token" in options
    assert any(option.startswith("--env MLFLOW_TRACKING_URI=http://") for option in options)
    # The token itself is a file of the user's, made by the command in README.md.
    assert f"> {source}/auth_token" in (path.parent / "README.md").read_text()


@every_file
def test_the_shared_folder_is_mounted_and_required(path: Path) -> None:
    config, shared = load(path), kit.VERSIONS["SHARED_PATH"]
    assert f"--volume {shared}:{shared}" in config["docker"]["run_options"]
    last = config["initialization_commands"][-1]
    assert last.startswith(f"mountpoint --quiet {shared}")


@every_cloud_file
def test_spot_workers_and_an_on_demand_head(path: Path) -> None:
    config = load(path)
    head = config["available_node_types"][config["head_node_type"]]["node_config"]
    assert "InstanceMarketOptions" not in head
    assert "scheduling" not in head
    for worker in workers(config):
        node = worker["node_config"]
        if config["provider"]["type"] == "aws":
            assert node["InstanceMarketOptions"] == {"MarketType": "spot"}
        else:
            assert node["scheduling"]["provisioningModel"] == "SPOT"
            assert node["scheduling"]["instanceTerminationAction"] == "DELETE"


@every_cloud_file
def test_workers_scale_within_bounds_from_at_least_one(path: Path) -> None:
    config = load(path)
    # `sweep` refuses a trial that does not fit the nodes that are up.
    assert all(1 <= worker["min_workers"] < worker["max_workers"] for worker in workers(config))
    assert sum(worker["max_workers"] for worker in workers(config)) == config["max_workers"]


@every_cloud_file
def test_nodes_say_what_they_offer(path: Path) -> None:
    config = load(path)
    head = config["available_node_types"][config["head_node_type"]]
    assert head["resources"]["CPU"] == 0
    for worker in workers(config):
        offered = worker["resources"]
        # A client actor takes a CPU, and needs 0.5 GB beside its devices' largest quota.
        assert offered["memory"] >= offered["CPU"] * 1_000_000_000
        assert ("GPU" in offered) == (path.stem == "gpu")
        image = worker.get("docker", config["docker"]).get("worker_image", config["docker"]["image"])
        expected = kit.VERSIONS["PROFL_GPU_IMAGE" if path.stem == "gpu" else "PROFL_IMAGE"]
        assert image.endswith(f"/{expected}")
