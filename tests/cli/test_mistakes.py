"""Bad input: exit code 2, one line on standard error, no traceback, nothing half-written."""

import pytest

TINY = ("run", "digits_tiny", "tracking.enabled=false")
CNN = ("memory", "--model", "cnn", "--input", "1x8x8")
POOR = ("federation.quotas.low_fraction=0.01", "federation.quotas.high_fraction=0.02")
SKEWED = ("data.split.name=dirichlet", "data.split.alpha=0.001", "data.split.min_examples=60")

MISTAKES = {
    "recipe": (("run", "digits_tinny"), "unknown recipe 'digits_tinny'; did you mean 'digits_tiny'?"),
    "recipe file": (("run", "nowhere/my.yaml"), "cannot read recipe nowhere/my.yaml"),
    "key": ((*TINY, "training.learning_rat=1"), "unknown key 'training.learning_rat'"),
    "section": ((*TINY, "training=1"), "training is a section"),
    "no value": ((*TINY, "seed"), "must be dotted.key=value"),
    "value": ((*TINY, "seed=many"), "seed=many: must be an integer"),
    "model": ((*TINY, "model.name=resnet19"), "unknown model 'resnet19'; did you mean 'resnet18'?"),
    "data set": ((*TINY, "data.name=digit"), "unknown data set 'digit'; did you mean 'digits'?"),
    "strategy": ((*TINY, "strategy.name=proflx"), "unknown strategy 'proflx'; did you mean 'profl'?"),
    "partition": ((*TINY, "model.partition=[2,3]"), "cnn has 4 units, the partition covers 5"),
    "partition name": ((*TINY, "model.partition=stage"), "unknown partition 'stage'; did you mean 'stages'?"),
    "too many blocks": ((*TINY, "model.partition=9"), "model.partition=9: the model has 4 units"),
    "quotas no device meets": ((*TINY, *POOR), "n/a, participation 0 %: no device can train step"),
    "dirichlet": ((*TINY, *SKEWED, "data.split.max_tries=3"), "raise data.split.alpha"),
    "too few images": ((*TINY, "data.examples_per_device=9999"), "at most"),
    "data folder": ((*TINY, "data.name=cifar10", "data.root=nowhere"), "nowhere"),
    "quota file": (
        (*TINY, "federation.quotas.name=file", "federation.quotas.path=nowhere.txt"),
        "nowhere.txt: cannot read it",
    ),
    "quota file not named": ((*TINY, "federation.quotas.name=file"), "quotas.name=file needs path"),
    "resume": ((*TINY, "--resume", "nothing"), "--resume nothing: there is no such run in"),
    "MLflow server": (
        ("run", "digits_tiny", "tracking.uri=http://127.0.0.1:9"),
        "tracking.uri=http://127.0.0.1:9: no MLflow server answers there",
    ),
    "MLflow address": (("run", "digits_tiny", "tracking.uri=there"), "is not an MLflow tracking address"),
    "space": (("sweep", "freezin"), "unknown search space 'freezin'; did you mean 'freezing'?"),
    "sweep key": (("sweep", "freezing", "nokey=1"), "unknown key 'nokey'"),
    "sweep recipe": (
        ("sweep", "freezing", "--recipe", "digits_tinny"),
        "unknown recipe 'digits_tinny'; did you mean",
    ),
    "sweep recipe value": (
        ("sweep", "freezing", "freezing.max_rounds=1"),
        "min_rounds=6 is above max_rounds=1",
    ),
    "swept key": (("sweep", "freezing", "freezing.phi=9"), "the space 'freezing' sweeps freezing.phi"),
    "demo server": (
        ("demo", "tracking.uri=http://127.0.0.1:9"),
        "tracking.uri=http://127.0.0.1:9: no MLflow server answers there",
    ),
    "demo cluster": (("demo", "--cpus", "1", "fleet.num_actors=3"), "a run needs 3 CPU"),
    "demo data": (("demo", "data.name=cifar10", "data.root=nowhere"), "nowhere"),
    "compare method": (("compare", "digits_tiny", "--strategies", "idea"), "did you mean 'ideal'?"),
    "compare seed": (("compare", "digits_tiny", "--seeds", "1,x"), "--seeds: 'x' is not a whole number"),
    "width": ((*TINY, "model.width=1e9"), "model.width=1e9: must be less than or equal to 16"),
    "ray": (
        ("run", "digits_tiny", "tracking.enabled=false", "fleet.backend=ray", *POOR),
        "n/a, participation 0 %: no device can train step",
    ),
    "range in a grid": (("sweep", "freezing_rule", "--search", "grid"), "is a range, which a grid cannot"),
    "report store": (("report",), "no MLflow store at sqlite:///"),
    "report of two": (("report", "one", "two"), "name one sweep or run, not 2: one two"),
    "report server": (("report", "tracking.uri=http://127.0.0.1:9"), "cannot read from MLflow at http://"),
    "status store": (("status",), "no MLflow store at sqlite:///"),
    "status of two": (("status", "one", "two"), "name one sweep or run, not 2: one two"),
    "status address": (
        ("status", "--address", "here:8265"),
        "--address here:8265: give the cluster's dashboard",
    ),
    "submit nothing": (("submit",), "give a command to send, or --follow JOB, or --stop JOB"),
    "unknown home": ((*TINY, "data.root=~nosuchuser/x"), "there is no such user on this machine"),
    "submit option too late": (
        ("submit", "sweep", "freezing", "storage.root=/shared", "--address", "http://head:8265"),
        "submit sweep: No such option: --address (options of submit itself come before the command)",
    ),
    "submit command": (("submit", "swep"), "unknown command for a job 'swep'; did you mean 'sweep'?"),
    "submit nowhere": (
        ("submit", "--installed", "--address", "http://127.0.0.1:9", "memory"),
        "--address http://127.0.0.1:9: no Ray job server answers there",
    ),
    "memory model": (("memory", "--model", "resnet9"), "unknown model 'resnet9'"),
    "memory image": ((*CNN[:-1], "3x32"), "inputs of 3x32 are too small for cnn, or of another kind"),
    "memory odd digit": (("memory", "--input", "3x32x3²"), "--input 3x32x3²: give sizes"),
    "memory empty image": (("memory", "--input", "3x0x32"), "--input 3x0x32: give sizes"),
    "memory plot": ((*CNN, "--plot", "f.gif"), "--plot f.gif: give a name that ends with .png, .svg or .pdf"),
    "memory partition": ((*CNN, "--partition", "[3,3]"), "cnn has 4 units, the partition covers 6"),
    "memory quota file": ((*CNN, "--quotas", "none.txt"), "federation.quotas.path=none.txt: cannot read it"),
    "memory quotas": ((*CNN, "--quotas", "9-1"), "low_mb=9 is above high_mb=1"),
    "memory width": ((*CNN, "--width", "0"), "model.width=0.0: must be greater than 0"),
    "memory batch": ((*CNN, "--batch-size", "0"), "training.batch_size=0: must be "),
    "memory devices": ((*CNN, "--devices", "0"), "federation.num_devices=0: must be greater than 0"),
    "ui": (("ui", "--storage-root", "nowhere"), "no runs yet"),
    "doctor recipe": (("doctor", "no_such_recipe"), "unknown recipe 'no_such_recipe'"),
    "doctor of two": (("doctor", "digits_tiny", "digits"), "name one recipe, not 2: digits_tiny digits"),
    "doctor data set": (("doctor", "data.name=none"), "unknown data set 'none'"),
    "doctor value": (("doctor", "seed=many"), "seed=many: must be an integer"),
}


def assert_one_line(result, message):
    assert result.code == 2, result
    assert result.err.startswith("error: ") and result.err.endswith("\n"), result.err
    assert len(result.err.splitlines()) == 1, result.err
    assert "Traceback" not in result.err + result.out
    assert message in result.err


@pytest.mark.parametrize(("arguments", "message"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_one_line_and_leaves_nothing(profl_ray, tmp_path, arguments, message):
    storage = () if arguments[0] in ("ui", "submit") else (f"storage.root={tmp_path}/runs",)
    result = profl_ray(*arguments, *storage)
    assert_one_line(result, message)
    assert result.out == ""
    # Estimates may be kept; runs, sweeps, figures and stores may not.
    left = {path.relative_to(tmp_path).parts[:2] for path in tmp_path.rglob("*") if path.is_file()}
    assert left <= {("runs", "cache")}
    assert not any("digits" in part or "freezing" in part for parts in left for part in parts)


def test_a_resume_of_nothing_leaves_the_store_alone(profl_ray, tmp_path):
    assert_one_line(profl_ray("run", "digits_tiny", "--resume", "x", "storage.root=runs"), "no such run")
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("data: {name: digits", "my.yaml:1: broken YAML"),
        ("- a list\n", "must hold sections with keys"),
        ("", "my.yaml: is empty"),
        ("seed: 1\nseed: 2\n", "my.yaml:2: broken YAML: key 'seed' is given twice"),
        ("training:\n  epochs: 1\n", "unknown key 'training.epochs' (in my.yaml)"),
        ("base: my.yaml\n", "recipes extend each other in a circle"),
    ],
)
def test_a_broken_recipe_file_is_named(profl_ray, tmp_path, text, message):
    (tmp_path / "my.yaml").write_text(text)
    assert_one_line(profl_ray("run", "my.yaml", "tracking.enabled=false"), message)
    assert [path.name for path in tmp_path.iterdir()] == ["my.yaml"]


def test_a_line_of_a_quota_file_that_is_no_number_is_named(profl_ray, tmp_path):
    (tmp_path / "quotas.txt").write_text("100\nplenty\n")
    result = profl_ray(*CNN, "--quotas", "quotas.txt", "--devices", "2", "storage.root=runs")
    assert_one_line(result, "line 2: 'plenty' is not a positive finite number of MiB")


def test_a_folder_that_is_a_file_is_a_users_mistake(profl_ray, tmp_path):
    (tmp_path / "file").touch()
    for command in (TINY, CNN):
        assert_one_line(profl_ray(*command, "storage.root=file/runs"), "cannot use ")
    plot = profl_ray(*CNN, "--batch-size", "8", "--plot", "file/f.png", "storage.root=runs")
    assert_one_line(plot, "cannot use ")


@pytest.mark.ray
def test_a_resume_of_no_sweep_is_told(local_ray, profl_ray, tmp_path):
    result = profl_ray("sweep", "freezing", "--resume", "nothing", "storage.root=runs")
    assert_one_line(result, "--resume nothing: there is no such sweep in")
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    "arguments", [["nosuch"], ["run"], ["sweep", "freezing", "--search", "best"], ["ui", "--port", "0"]]
)
def test_a_wrong_command_line_is_told_by_typer(profl_ray, arguments):
    result = profl_ray(*arguments)
    assert result.code == 2 and result.err.startswith("Usage: ") and "Traceback" not in result.err
