"""What people get wrong when they send a job is told before it is sent."""

import pytest

from profl_ray.errors import UserError
from profl_ray.launch.request import job_request

STORED = "storage.root=/shared/runs"
SWEEP = ("sweep", "freezing", STORED)


@pytest.fixture
def project(tmp_path):
    (tmp_path / "profl_ray").mkdir()
    (tmp_path / "profl_ray" / "__main__.py").write_text("print('hello')")
    return tmp_path


def test_a_job_runs_the_project_with_what_it_needs(project):
    request = job_request(
        (*SWEEP, "--num-samples", "4"), ["A=1=2"], project, {"MLFLOW_TRACKING_URI": "http://m:5000"}
    )
    assert request.entrypoint.endswith(
        f'; exec "${{python:-python}}" -m profl_ray {" ".join(SWEEP)} --num-samples 4'
    )
    assert request.environment["A"] == "1=2"
    assert request.environment["MLFLOW_TRACKING_URI"] == "http://m:5000"
    assert request.notes == []


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ((), "unknown command for a job"),
        (("swep", "freezing", STORED), "did you mean 'sweep'"),
        (("ui",), "unknown command for a job 'ui'"),
        (("sweep", "freezing"), "a job's folder is thrown away with the job: give storage.root="),
        (
            ("run", "digits_tiny", "storage.root=runs"),
            "storage.root=runs: a job starts in a different",
        ),
        ((*SWEEP, "data.root=data"), "data.root=data: a job starts in a different folder"),
        ((*SWEEP, "federation.quotas.path=q.txt"), "federation.quotas.path=q.txt: a job starts in"),
        ((*SWEEP, "tracking.uri=sqlite:///mlflow.db"), "use sqlite:////absolute/path"),
        (("run", "/home/me/my.yaml", STORED), "a job sees only the working folder"),
        (("run", "../my.yaml", STORED), "a job sees only the working folder"),
        ((*SWEEP, "--recipe", "/home/me/my.yaml"), "/home/me/my.yaml: a job sees only the working folder"),
        ((*SWEEP, "--recipe=../my.yaml"), "../my.yaml: a job sees only the working folder"),
        ((*SWEEP, "=5"), "must be dotted.key=value"),
    ],
)
def test_mistakes_in_the_command(project, command, words):
    with pytest.raises(UserError) as refused:
        job_request(command, [], project, {})
    assert words in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize("variable", ["A", "=1", "A B=1", ""])
def test_mistakes_in_variables(project, variable):
    with pytest.raises(UserError, match="must be NAME=VALUE"):
        job_request(SWEEP, [variable], project, {})


def test_a_password_does_not_go_along_unasked(project):
    uri = "http://me:hush-hush@m:5000"
    with pytest.raises(UserError, match="holds a password") as refused:
        job_request(SWEEP, [], project, {"MLFLOW_TRACKING_URI": uri})
    assert "hush" not in str(refused.value)
    asked = job_request(SWEEP, [f"MLFLOW_TRACKING_URI={uri}"], project, {"MLFLOW_TRACKING_URI": uri})
    assert asked.environment["MLFLOW_TRACKING_URI"] == uri
    assert job_request((*SWEEP, "tracking.uri=http://m:5000"), [], project, {"MLFLOW_TRACKING_URI": uri})


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        (None, "no tracking.uri and no MLFLOW_TRACKING_URI"),
        ("http://localhost:5000", "the node that the job runs on"),
    ],
)
def test_what_may_surprise_is_a_note(project, uri, words):
    shell = {} if uri is None else {"MLFLOW_TRACKING_URI": uri}
    (note,) = job_request(SWEEP, [], project, shell).notes
    assert words in note


def test_a_folder_without_the_project_is_refused(tmp_path):
    with pytest.raises(UserError, match="does not hold the project"):
        job_request(SWEEP, [], tmp_path, {})
    assert job_request(SWEEP, [], None, {}).working_dir is None


@pytest.mark.parametrize("ignore", [".gitignore", ".rayignore"])
def test_a_folder_that_is_too_large_is_refused_and_names_why(project, ignore):
    (project / "data").mkdir()
    with (project / "data" / "big.bin").open("wb") as file:
        file.truncate(101 * 2**20)
    too_large = r"101 MiB or more would be uploaded \(allowed: 100\).*data \(101 MiB\)"
    with pytest.raises(UserError, match=too_large):
        job_request(SWEEP, [], project, {})
    (project / ignore).write_text("data/\n")
    assert job_request(SWEEP, [], project, {}).working_dir == project
