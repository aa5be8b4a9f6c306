"""Files of a run that were damaged: the run resumes to the same weights, or says why it cannot."""

import shutil

import pytest
from faults.kit import busy_config
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from profl_ray.config.load import resumed_config
from profl_ray.run.driver import Driver, RunIdentity
from profl_ray.server.run_folder import RunFolder

from .kit import attempt
from .values import damaged

pytestmark = pytest.mark.filterwarnings("ignore")

TINY = ("tracking.enabled=false", "federation.cohort_size=2", "training.local_epochs=1", "freezing.rounds=2")


@pytest.fixture(scope="module")
def begun(storage):
    """A run that stopped after its fifth round, and the digest with which it would have ended."""
    config = busy_config(storage, *TINY)
    whole = Driver(config, RunIdentity(storage / "whole", "whole")).run()
    driver = Driver(config, RunIdentity(storage / "begun", "begun"))
    driver.run(lambda record: driver.stop() if record.round == 5 else None)
    return config, storage / "begun", whole["weights_sha256"]


# Without shrinking: an example takes a second, and is small as it is.
@settings(phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(st.data())
def test_damaged_files(begun, storage, data):
    config, folder, digest = begun
    copy = storage / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(folder, copy)
    files = sorted(path for path in copy.rglob("*") if path.is_file() and path.name != "run.lock")
    assert len(files) == 8, files
    names = [str(path.relative_to(copy)) for path in files]
    for path in data.draw(st.lists(st.sampled_from(files), min_size=1, max_size=2, unique=True)):
        how = data.draw(st.sampled_from(("damage", "damage", "remove", "swap")), label=path.name)
        if how == "damage":
            path.write_bytes(data.draw(damaged(path.read_bytes())))
        elif how == "remove":
            path.unlink()
        else:
            path.write_bytes((folder / data.draw(st.sampled_from(names), label="with")).read_bytes())
    summary = attempt("files of a run", lambda: resume(copy, config))
    if summary is not None:
        assert summary["finished"] and summary["weights_sha256"] == digest
    # Nothing is lost: what was there and is whole still is.
    assert copy.is_dir()


def resume(path, config):
    """As `profl-ray run --resume` does."""
    folder = RunFolder(path)
    if not folder.exists:
        return None
    config = resumed_config(folder.config(), config, [], "--resume copy")
    return Driver(config, RunIdentity(path, "copy")).run()
