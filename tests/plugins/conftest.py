import pytest
from cli.conftest import profl_ray  # noqa: F401  a fixture

from profl_ray.plugins import finding, loading

from .kit import MINE, OTHERS, SPACE


@pytest.fixture(autouse=True)
def as_a_process_of_its_own(monkeypatch):
    """Let no test know what another one has read."""
    for place, name in ((finding, "PLUGINS"), (finding, "_COPIES"), (loading, "_LOADED")):
        monkeypatch.setattr(place, name, {})
    monkeypatch.setattr(loading, "PLUGINS", finding.PLUGINS)
    monkeypatch.setattr("profl_ray.plugins.travelling.PLUGINS", finding.PLUGINS)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Return the working folder, with files of people's own in it."""
    monkeypatch.chdir(tmp_path)
    for name, text in {"mine.py": MINE, "my_space.py": SPACE, "others.py": OTHERS}.items():
        (tmp_path / name).write_text(text)
    return tmp_path
