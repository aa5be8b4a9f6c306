import pytest

from profl_ray import __version__

COMMANDS = ("run", "sweep", "compare", "demo", "memory", "doctor", "report", "ui")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_in_the_overview_and_alone(profl_ray, command):
    result = profl_ray(command, "--help")
    assert result.code == 0 and result.err == ""
    assert f"profl-ray {command} " in result.out
    overview = profl_ray("--help").out
    # Its line of the overview is the first of its own help.
    (line,) = [
        line.strip(" │") for line in overview.splitlines() if line.strip(" │").startswith(f"{command} ")
    ]
    words = line.removeprefix(command).strip().rstrip("….").split()[:4]
    assert words and " ".join(words) in " ".join(result.out.split())


def test_options_are_documented(profl_ray, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    expected = {
        "run": ("--resume", "--json", "KEY=VALUE"),
        "sweep": (
            "--recipe",
            "--search",
            "--scheduler",
            "--num-samples",
            "--max-concurrent",
            "--resume",
            "--json",
        ),
        "compare": ("--strategies", "--seeds", "--max-concurrent", "--resume", "--json", "KEY=VALUE"),
        "demo": ("--space", "--storage-root", "--cpus"),
        "memory": ("--model", "--width", "--partition", "--quotas", "--plot", "--json"),
        "doctor": ("--json", "KEY=VALUE"),
        "report": ("--output", "--csv", "--figures", "--markdown", "--steps"),
        "ui": ("--storage-root", "--host", "--port"),
    }
    for command, options in expected.items():
        text = profl_ray(command, "--help").out
        assert all(option in text for option in options), command


def test_names_that_can_be_given_are_listed(profl_ray, monkeypatch):
    from profl_ray.config.load import recipe_names
    from profl_ray.tuning.comparison import METHODS
    from tune_spaces import space_names

    monkeypatch.setenv("COLUMNS", "300")
    known = {"run": recipe_names(), "sweep": space_names(), "compare": [*METHODS]}
    for command, names in known.items():
        text = profl_ray(command, "--help").out
        # Another test adds a strategy of its own.
        assert [name for name in names if name not in text and name != "suffix"] == [], command


def test_no_arguments_show_the_help(profl_ray):
    result = profl_ray()
    assert "Usage: " in result.out + result.err and "memory" in result.out + result.err


def test_version(profl_ray):
    assert profl_ray("--version") == (0, f"profl-ray {__version__}\n", "")
