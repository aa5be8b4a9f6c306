"""A run and a sweep that are given secrets leave them nowhere: no file, no point, no line of output."""

import pytest
from e2e.conftest import program, runs  # noqa: F401  fixtures
from faults.test_mlflow import Server

from profl_ray.tracking import prepare_store

pytestmark = pytest.mark.e2e
PASSWORD, TOKEN = "hush-hush-5f0c", "7a" * 32
SHORT = (
    "freezing.name=fixed_rounds",
    "freezing.rounds=1",
    "freezing.min_rounds=1",
    "strategy.profl.map_rounds=1",
)


@pytest.fixture(scope="module")
def server_address(runs):  # noqa: F811
    prepare_store(f"sqlite:///{runs}/mlflow.db", "profl-ray", runs)
    server = Server(runs)
    server.start()
    # The server asks for no password, and takes it all the same.
    yield f"http://user:{PASSWORD}@127.0.0.1:{server.port}"
    server.kill()


def files_with(root, secret):
    return [
        str(path.relative_to(root))
        for path in root.rglob("*")
        if path.is_file() and not path.is_symlink() and secret.encode() in path.read_bytes()
    ]


@pytest.mark.parametrize(
    "command",
    [
        ("run", "digits_tiny"),
        ("run", "digits_tiny", "fleet.backend=ray", "fleet.num_actors=1"),
        ("compare", "digits_tiny", "--strategies", "allsmall", "--seeds", "1", "strategy.rounds=2"),
    ],
    ids=["run", "ray", "Tune"],
)
def test_secrets_are_nowhere(program, runs, server_address, command):  # noqa: F811
    storage = f"storage.root={runs}"
    secrets = {"MLFLOW_TRACKING_URI": server_address, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN}
    short = () if command[0] == "compare" else SHORT
    done = program.run(*command, *short, storage, timeout=300, **secrets)
    assert done.code == 0, done
    for secret in (PASSWORD, TOKEN):
        assert secret not in done.out + done.err
        assert files_with(runs, secret) == []
        assert files_with(program.temporary, secret) == []
    assert "user:***@127.0.0.1" in done.out + done.err
    assert any(runs.rglob("records.jsonl")), "there was something to look into"
