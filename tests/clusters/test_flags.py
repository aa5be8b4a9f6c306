"""Every flag that a file gives to `ray` or `mlflow`, asked of these programs' own command lines."""

import re
from functools import cache
from pathlib import Path

import pytest
import yaml
from ray.scripts import scripts as ray_scripts

from tests.clusters import kit, manifests

FILES = sorted([*kit.LAUNCHER, *kit.MANIFESTS, *kit.SCRIPTS, *kit.READMES, kit.COMPOSE])
END = re.compile(r"[`;|&]|\n\s*\n|\n\s*- |\n\s*[\w-]+:|\n    \w|  #")
COMMAND = re.compile(r"\b(ray|mlflow) (start|up|down|exec|dashboard|server|status|stop|attach)\b")


@cache
def known_flags(program: str, command: str) -> frozenset[str]:
    """The long options of a command of this program."""
    if program == "ray":  # its help hides some
        parameters = ray_scripts.cli.commands[command].params
        return frozenset(option for found in parameters for option in found.opts if option.startswith("--"))
    # A process of its own: importing MLflow's command line takes seconds, and warns.
    shown = kit.tool(program, command, "--help")
    assert shown.returncode == 0, shown.stderr
    return frozenset(re.findall(r"(?<![\w-])--[a-z][a-z-]+", shown.stdout))


def used(text: str) -> list[tuple[str, str, set[str]]]:
    """(program, command, flags) of each call: a call ends at a full stop of the shell or of the file."""
    # Comments and prose name commands as well, within back quotes; they are cut off there.
    joined = re.sub(r"\\\n\s*", " ", text)
    joined = re.sub(r"(?m)^\s*#.*$", "", joined)
    found = []
    for match in COMMAND.finditer(joined):
        rest = re.split(
            r"[`;|&]|\n\s*\n|\n\s*- |\n\s*[\w-]+:|\n    \w|  #", joined[match.end() :], maxsplit=1
        )[0]
        found.append((match[1], match[2], set(re.findall(r"(?<!\S)(--[a-z][a-z-]+)", rest))))
    return found


@pytest.mark.parametrize("path", FILES, ids=kit.name_of)
def test_the_programs_know_all_flags(path: Path) -> None:
    for name, command, flags in used(path.read_text()):
        assert flags - known_flags(name, command) == set(), f"{name} {command}"


def test_calls_are_found_with_their_flags() -> None:
    calls = used((kit.CLUSTERS / "aws/cpu.yaml").read_text())
    starts = [flags for name, command, flags in calls if (name, command) == ("ray", "start")]
    assert [sorted(flags) for flags in starts] == [
        [
            "--autoscaling-config",
            "--dashboard-host",
            "--disable-usage-stats",
            "--head",
            "--object-manager-port",
            "--port",
        ],
        ["--address", "--disable-usage-stats", "--object-manager-port"],
    ]
    [server] = [flags for name, command, flags in used(kit.COMPOSE.read_text()) if command == "server"]
    assert "--allowed-hosts" in server
    assert "--backend-store-uri" in server


def test_kuberay_passes_flags_that_ray_knows() -> None:
    cluster = manifests.of_kind("RayCluster")["profl-ray"]["spec"]
    known = known_flags("ray", "start")
    for group in [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]:
        assert {f"--{key}" for key in group["rayStartParams"]} <= known


def test_the_mlflow_deployment_uses_flags_that_mlflow_knows() -> None:
    [container] = manifests.of_kind("Deployment")["mlflow"]["spec"]["template"]["spec"]["containers"]
    assert container["command"] == ["mlflow", "server"]
    assert {text.partition("=")[0] for text in container["args"]} <= known_flags("mlflow", "server")


def test_both_mlflow_servers_are_started_alike() -> None:
    [container] = manifests.of_kind("Deployment")["mlflow"]["spec"]["template"]["spec"]["containers"]
    deployed = {text.partition("=")[0] for text in container["args"]}
    script = yaml.safe_load(kit.COMPOSE.read_text())["services"]["mlflow"]["command"][-1]
    assert deployed == set(re.findall(r"(?<!\S)(--[a-z-]+)", script))
