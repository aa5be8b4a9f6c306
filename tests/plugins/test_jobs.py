"""What comes from outside goes along with a job, and is named there as it lies there."""

from pathlib import Path

import pytest

from profl_ray.errors import UserError
from profl_ray.launch.request import job_request

STORED = "storage.root=/shared/runs"
RUN = ("run", "digits_tiny", STORED, "strategy.name=./mine.py:Mine", "strategy.mine.alpha=0.5")


@pytest.fixture
def project(here):
    (here / "profl_ray").mkdir()
    (here / "profl_ray" / "__main__.py").write_text("")
    return here


def test_files_in_the_project_go_along_with_it(project):
    request = job_request(RUN, [], project, {})
    assert request.command == RUN and request.working_dir == project


def test_files_are_named_from_the_folder_that_is_uploaded(project, monkeypatch):
    (project / "ideas").mkdir()
    (project / "mine.py").rename(project / "ideas" / "mine.py")
    monkeypatch.chdir(project / "ideas")
    assert job_request(RUN, [], project, {}).command[3] == "strategy.name=./ideas/mine.py:Mine"
    compare = ("compare", "digits_tiny", STORED, "--strategies", "profl,./mine.py:Mine", "mine:seed=1")
    assert job_request(compare, [], project, {}).command[4:] == ("profl,./ideas/mine.py:Mine", "mine:seed=1")


def test_a_search_space_goes_along_with_what_it_names(project):
    sweep = ("sweep", "./my_space.py", STORED)
    assert job_request(sweep, [], project, {}, further=["./mine.py:Mine"]).command == sweep


@pytest.mark.parametrize("further", [False, True])
def test_files_elsewhere_do_not_go_along(project, tmp_path_factory, further):
    away = tmp_path_factory.mktemp("away") / "mine.py"
    (project / "mine.py").rename(away)
    name = f"{away}:Mine"
    command = RUN[:3] if further else (*RUN[:3], f"strategy.name={name}")
    with pytest.raises(UserError, match="a job sees only the working folder that goes with it") as told:
        job_request(command, [], project, {}, further=[name] if further else [])
    assert str(told.value).startswith(name)


def test_ignored_files_do_not_go_along(project):
    (project / ".gitignore").write_text("mine.py\n")
    with pytest.raises(UserError, match=r"mine\.py is not uploaded"):
        job_request(RUN, [], project, {})


def test_where_the_project_is_installed_the_files_go_alone(here):
    (here / "my_pkg").mkdir()
    (here / "my_pkg" / "__init__.py").write_text("")
    (here / "my_pkg" / "model.py").write_text("")
    request = job_request((*RUN, "model.name=my_pkg.model:Wide"), [], None, {}, further=["./others.py:few"])
    assert request.command == (*RUN, "model.name=my_pkg.model:Wide")
    folder = request.working_dir
    assert folder is not None and folder != here
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert files == {"mine.py", "others.py", "my_pkg/__init__.py", "my_pkg/model.py"}
    assert (folder / "mine.py").read_text() == Path("mine.py").read_text()


def test_nothing_is_uploaded_for_what_is_ours():
    assert job_request(("run", "digits_tiny", STORED), [], None, {}).working_dir is None


def test_what_is_not_there_is_told_before_it_is_sent(project):
    with pytest.raises(UserError, match=r"cannot read .*nowhere\.py"):
        job_request((*RUN[:3], "model.name=./nowhere.py:Wide"), [], project, {})
