"""What a fresh process makes of its environment, in a fresh home, before Ray is imported."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHOW = """
import json, os
from profl_ray.cluster.environment import prepare_environment
prepare_environment()
print(json.dumps(dict(os.environ)))
"""
IMPORT_ALL = """
import importlib, json, os, sys
before = dict(os.environ)
for module in json.loads(sys.argv[1]):
    importlib.import_module(module)
print(json.dumps([sorted(set(os.environ.items()) ^ set(before.items())), "ray" in sys.modules]))
"""


@pytest.fixture
def home(tmp_path):
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@pytest.fixture
def prepared(home):
    """Return the environment that a process with only these variables gives itself."""

    def prepare(**variables):
        environment = {"HOME": str(home), "PYTHONPATH": str(ROOT), **variables}
        done = subprocess.run(
            [sys.executable, "-c", SHOW],
            env=environment,
            cwd=home,
            capture_output=True,
            text=True,
            check=True,
        )
        return json.loads(done.stdout)

    return prepare


def test_a_token_in_the_shell_is_sent(prepared):
    environment = prepared(RAY_AUTH_TOKEN="secret")
    assert (environment["RAY_AUTH_MODE"], environment["RAY_AUTH_TOKEN"]) == ("token", "secret")


def test_a_token_in_a_file_is_sent(prepared, home):
    (home / "mine").write_text("secret\n")
    environment = prepared(RAY_AUTH_TOKEN_PATH="mine", RAY_ADDRESS="head:6379")
    assert environment["RAY_AUTH_MODE"] == "token" and "RAY_AUTH_TOKEN" not in environment
    assert environment["RAY_AUTH_TOKEN_PATH"] == str(home / "mine")
    assert "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER" not in environment


def test_a_token_at_home_is_sent(prepared, home):
    (home / ".ray").mkdir()
    (home / ".ray" / "auth_token").write_text("secret")
    environment = prepared()
    assert environment["RAY_AUTH_MODE"] == "token" and "RAY_AUTH_TOKEN" not in environment


@pytest.mark.parametrize("variables", [{}, {"RAY_ADDRESS": "local"}, {"RAY_AUTH_TOKEN_PATH": "nowhere"}])
def test_a_ray_of_our_own_gets_a_token_that_no_one_else_knows(prepared, home, variables):
    first, second = prepared(**variables), prepared(**variables)
    assert first["RAY_AUTH_MODE"] == "token" and len(first["RAY_AUTH_TOKEN"]) == 64
    assert first["RAY_AUTH_TOKEN"] != second["RAY_AUTH_TOKEN"]
    assert first["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] == "0"
    assert list(home.iterdir()) == []


def test_on_a_cluster_no_token_is_made_up(prepared):
    environment = prepared(RAY_ADDRESS="head:6379")
    assert "RAY_AUTH_TOKEN" not in environment and "RAY_AUTH_MODE" not in environment


def test_what_the_user_has_set_stays(prepared):
    environment = prepared(RAY_AUTH_MODE="disabled", RAY_USAGE_STATS_ENABLED="1", OMP_NUM_THREADS="2")
    assert environment["RAY_AUTH_MODE"] == "disabled"
    assert environment["RAY_USAGE_STATS_ENABLED"] == "1" and environment["OMP_NUM_THREADS"] == "2"


def test_paths_become_absolute_once(prepared, home):
    environment = prepared(PROFL_RAY_DATA="data", TMPDIR="~/t")
    assert environment["PROFL_RAY_DATA"] == str(home / "data")
    assert environment["TMPDIR"] == str(home / "t")
    for uri in ("http://m:5000", "sqlite:///%2Ftmp%2Fq%3Fx%2Fmlflow.db"):  # resolve_uri reads it.
        assert prepared(MLFLOW_TRACKING_URI=uri)["MLFLOW_TRACKING_URI"] == uri


def test_this_machine_is_asked_without_a_proxy(prepared):
    for name in ("no_proxy", "NO_PROXY"):
        environment = prepared(**{"http_proxy": "http://proxy:3128", name: "intranet"})
        assert environment["no_proxy"] == environment["NO_PROXY"] == "intranet,127.0.0.1,localhost,::1"
    assert prepared(no_proxy="*")["no_proxy"] == "*"


@pytest.fixture
def imported(home):
    """Import modules in a fresh process; return what changes in its environment, and whether Ray came."""

    def load(modules, **variables):
        done = subprocess.run(
            [sys.executable, "-c", IMPORT_ALL, json.dumps(modules)],
            env={"HOME": str(home), "PYTHONPATH": str(ROOT), "PROFL_RAY_DATA": "data", **variables},
            cwd=home,
            capture_output=True,
            text=True,
            check=True,
        )
        return json.loads(done.stdout)

    return load


def test_importing_a_module_changes_nothing_and_brings_no_ray(imported):
    from tests.test_architecture import RAY_MODULES, SOURCES, module_of

    modules = [module for module in map(module_of, SOURCES) if module not in RAY_MODULES]
    assert len(modules) > 200
    assert imported(modules, RAY_AUTH_TOKEN="secret") == [[], False]


def test_importing_what_is_made_for_ray_changes_nothing_either(imported):
    from tests.test_architecture import RAY_MODULES

    changed, has_ray = imported(sorted(RAY_MODULES))
    assert has_ray and [name for name, _ in changed if name != "RAY_CLIENT_MODE"] == []  # That one is Ray's.


LATE = """
import os, ray
from profl_ray.cluster.environment import missed_by_ray, prepare_environment
prepare_environment()
print(*missed_by_ray(), "RAY_AUTH_TOKEN" in os.environ, os.environ["RAY_USAGE_STATS_ENABLED"])
from profl_ray.cluster.ray_session import ray_session
from profl_ray.errors import NoRay
try:
    with ray_session(num_cpus=1):
        print("up")
except NoRay as error:
    print(error)
"""


def test_a_ray_that_was_imported_too_early_is_found_and_said(home):
    environment = {"HOME": str(home), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", LATE], env=environment, cwd=home, capture_output=True, text=True, check=True
    )
    missed, refused = done.stdout.splitlines()
    names = ["RAY_AUTH_MODE", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "RAY_DISABLE_FAILURE_SIGNAL_HANDLER"]
    assert missed == " ".join([*names, "False", "0"])
    assert refused.startswith(f"Ray was imported before {', '.join(names)} could be set")
    assert "fix: call profl_ray.cluster.environment.prepare_environment() before" in refused
