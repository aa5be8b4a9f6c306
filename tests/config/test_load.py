"""Recipes, overrides and YAML: round trips, and one clear line for every mistake."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from profl_ray.config import (
    ExperimentConfig,
    apply_overrides,
    flatten,
    from_yaml,
    load_experiment,
    recipe_names,
    resumed_config,
    to_yaml,
)
from profl_ray.config import load as module
from profl_ray.config.addresses import default_address
from profl_ray.config.schema import get
from profl_ray.config.tree import config_schema
from profl_ray.errors import UserError
from profl_ray.tracking import resolve_uri

LEAVES = config_schema().leaves
GARBAGE = ["", "-1", "0", ".nan", "-.inf", "1e999", "0x" + "f" * 5000, "9" * 5000, "[", "{a: 1}", "!!int x"]
GARBAGE += ["&a [*a]", "2001-99-99", "!!binary x", "!!set {a}", "[[1]]", "? [a]", "\x00", "\ud800", "<<: 3"]
GARBAGE += ["!!timestamp x", "!!bool x", "!!python/name:os.system x", "{<<: 3}", "yes", "2001-01-01"]
LIKE_SOMETHING_ELSE = [
    "1e3",
    "010",
    "08",
    "0o7",
    "0b1",
    "1_0",
    "+5",
    ".5",
    "5.",
    "1:30",
    "-1E+3",
    ".INF",
    "no",
]
LIKE_SOMETHING_ELSE += ["true", "null", "~", "2001-01-01", "[1]", "{a: 1}", "# x", "a # b", "a: b", "<<", "="]
SECTIONS = [section for section in config_schema().sections if section]


def values(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Return the values that a leaf's JSON schema allows."""
    if "anyOf" in schema:
        return st.one_of(*map(values, schema["anyOf"]))
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if schema["type"] == "array":
        return st.lists(values(schema["items"]), max_size=4)
    if schema["type"] == "number":
        low = schema.get("exclusiveMinimum", schema.get("minimum"))
        high = schema.get("exclusiveMaximum", 1e9)
        return st.floats(
            low, high, exclude_min="exclusiveMinimum" in schema, exclude_max="exclusiveMaximum" in schema
        )
    low = schema.get("minimum", schema.get("exclusiveMinimum", -6) + 1)
    simple = {"integer": st.integers(low, 2**63), "boolean": st.booleans(), "null": st.none()}
    texts = st.text(max_size=12) | st.sampled_from(LIKE_SOMETHING_ELSE)
    return simple.get(schema["type"], texts)


@st.composite
def trees(draw: st.DrawFn) -> ExperimentConfig:
    """Return valid trees: any few leaves changed to anything that they may be."""
    keys = draw(st.lists(st.sampled_from(sorted(LEAVES)), max_size=8, unique=True))
    try:
        return apply_overrides(ExperimentConfig(), {key: draw(values(LEAVES[key])) for key in keys})
    except UserError:  # two leaves that do not go together
        assume(False)
        raise


def error(recipe: str, *overrides: str) -> str:
    """Return the one line with which loading fails."""
    with pytest.raises(UserError) as caught:
        load_experiment(recipe, overrides)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder of recipes, among them `plain`, that stands in for the real ones."""
    monkeypatch.setattr(module, "RECIPES_FOLDER", tmp_path)
    write(tmp_path, plain="description: plain one\nseed: 7\nmodel: {name: cnn, partition: [2, 2]}\n")
    return tmp_path


def write(folder: Path, **recipes: str) -> None:
    for name, text in recipes.items():
        (folder / f"{name}.yaml").write_text(text)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(config=trees())
def test_any_tree_survives_yaml_and_its_own_flat_form(config: ExperimentConfig) -> None:
    assert from_yaml(to_yaml(config)) == config
    flat = flatten(config)
    assert set(flat) == set(LEAVES) and all(isinstance(value, str) for value in flat.values())


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    overrides=st.lists(
        st.text(max_size=30)
        | st.builds("{}={}".format, st.sampled_from([*LEAVES, *SECTIONS]) | st.text(max_size=9), st.text())
        | st.builds(
            "{}={}".format,
            st.sampled_from(sorted(LEAVES)),
            st.sampled_from(GARBAGE),
        ),
        max_size=3,
    )
)
def test_garbage_overrides_are_user_errors(folder: Path, overrides: list[str]) -> None:
    try:
        config = load_experiment("plain", overrides)
    except UserError as problem:
        assert len(str(problem).splitlines()) == 1 and str(problem).isprintable()
    else:
        assert from_yaml(to_yaml(config)) == config


@settings(max_examples=100, deadline=None)
@given(text=st.text(alphabet="seed:modlnatrig -[]{}&*!#'\"\n1.,<|>%@\t?", max_size=40) | st.text(max_size=40))
def test_garbage_yaml_is_a_user_error(text: str) -> None:
    try:
        from_yaml(text)
    except UserError as problem:
        assert str(problem).isprintable()


def test_nesting_too_deep_is_a_user_error(folder: Path) -> None:
    assert "broken YAML" in error("plain", "model.partition=" + "[" * 2000 + "]" * 2000)


def test_every_leaf_is_documented() -> None:
    assert len(LEAVES) > 50
    assert [key for key, schema in LEAVES.items() if not schema.get("description")] == []


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_of_the_package_loads(name: str) -> None:
    config = load_experiment(name, [])
    assert config.recipe == name and config.description


def test_overrides_are_read_as_their_keys_have_it_and_later_ones_win(folder: Path) -> None:
    config = load_experiment(
        "plain",
        [
            "model.partition=[3,1]",
            "data.root=null",
            "fleet.num_actors=2",
            "fleet.num_actors=5",
            "training.learning_rate=1e-3",
            "tracking.uri=sqlite:///a=b.db",
            "storage.root=/tmp/x",
        ],
    )
    assert config.recipe == "plain" and config.seed == 7
    assert config.model.partition == (3, 1) and config.data.root is None
    assert config.fleet.num_actors == 5 and config.training.learning_rate == 0.001
    assert config.tracking.uri == "sqlite:///a=b.db" and config.storage.root == Path("/tmp/x")


WORDS = [
    ("seed", "010", 10),
    ("seed", "1_000", 1000),
    ("seed", "1e3", 1000),
    ("seed", "0x10", 16),
    ("seed", "0o10", 8),
    ("seed", "0b11", 3),
    ("seed", "+5", 5),
    ("seed", "5.", 5),
    ("training.learning_rate", "1e-3", 0.001),
    ("training.learning_rate", "1E-3", 0.001),
    ("training.learning_rate", ".5", 0.5),
    ("training.learning_rate", "5.", 5.0),
    ("training.learning_rate", "010", 10.0),
    ("training.max_gradient_norm", "null", None),
    ("training.max_gradient_norm", "~", None),
    ("model.partition", "010", 10),
    ("model.partition", "units", "units"),
    ("model.partition", "[010, 2]", (10, 2)),
    ("federation.quotas.values_mib", "[1e2,.5]", (100.0, 0.5)),
    ("data.download", "yes", True),
    ("data.download", "On", True),
    ("tracking.enabled", "no", False),
    ("storage.share_rounds", "off", False),
    ("storage.share_rounds", "null", None),
    ("tracking.experiment", "24", "24"),
    ("tracking.experiment", "010", "010"),
    ("tracking.experiment", "1e3", "1e3"),
    ("tracking.experiment", "true", "true"),
    ("tracking.experiment", "2024-01-01", "2024-01-01"),
    ("tracking.experiment", "12:30:45", "12:30:45"),
    ("tracking.uri", "no", "no"),
    ("tracking.uri", "null", None),
    ("tracking.uri", "", None),
    ("tracking.uri", '"null"', "null"),
    ("tracking.uri", "http://h:5000/#/x", "http://h:5000/#/x"),
    ("recipe", "007", "007"),
    ("storage.root", "007", Path("007")),
    ("storage.root", "1_0", Path("1_0")),
    ("storage.root", "'x y'", Path("x y")),
    ("data.root", "~", None),
]


@pytest.mark.parametrize(("key", "word", "value"), WORDS)
def test_a_word_is_what_its_key_is_declared_to_be(key: str, word: str, value: object) -> None:
    """On the command line and in a file alike; YAML 1.1 has another opinion of most of these."""
    *sections, name = key.split(".")
    text = f"{name}: {word}"
    for section in reversed(sections):
        text = f"{section}: {{{text}}}"
    for config in (load_experiment("digits_tiny", [f"{key}={word}"]), from_yaml(text)):
        found = get(config.model_dump(), key)
        assert found == value and type(found) is type(value)


@pytest.mark.parametrize(
    "text",
    r"""/x/run #3; a: b; [a; {a; *x; &x; !x; %d; @x; `x`; - a; ? a; | a; a\nb; a,b; 'a; null; true; it's
    $HOME; a=b; # a; 'a' b 'c'; "a" "b"; a == b; \\host\share; C:\new""".replace("\n    ", "; ").split("; "),
)
def test_text_and_paths_on_the_command_line_are_taken_as_they_stand(text: str) -> None:
    overrides = [f"storage.root={text}", f"tracking.experiment={text}", f" description = {text} "]
    config = load_experiment("digits_tiny", overrides)
    assert config.storage.root == Path(text)
    assert config.tracking.experiment == config.description == text


@pytest.mark.parametrize(
    "word", ["1:30", "12:30:45", "1.5", "1,5", "1 000", "1e-3", "0x", "ten", "1__0", "_1"]
)
def test_what_is_no_whole_number_is_refused_as_it_was_written(word: str) -> None:
    assert error("digits_tiny", f"seed={word}") == f"seed={word}: must be an integer at least 0 (in override)"


@pytest.mark.parametrize("word", ["1:30", "0,1", "1.5e", "e3", ".", "1e", "--1"])
def test_what_is_no_number_is_refused_as_it_was_written(word: str) -> None:
    key = "training.learning_rate"
    assert (
        error("digits_tiny", f"{key}={word}")
        == f"{key}={word}: must be a number greater than 0 (in override)"
    )


def test_aliases_cannot_fill_the_memory(folder: Path) -> None:
    rows = [f"a{depth}: &a{depth} [{', '.join([f'*a{depth - 1}'] * 9)}]" for depth in range(1, 9)]
    write(folder, bomb="a0: &a0 [x]\n" + "\n".join(rows))
    assert "broken YAML: its aliases expand to more than 1000000 values" in error("bomb")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_a_recipe_may_be_written_on_windows(folder: Path, encoding: str) -> None:
    (folder / "saved.yaml").write_bytes("base: plain\r\ndescription: caf\u00e9\r\n".encode(encoding))
    assert load_experiment("saved").description == "caf\u00e9"


@pytest.mark.parametrize(
    ("stem", "recipe"),
    [
        ("my exp", "my exp"),
        ("exp(1)", "exp-1"),
        ("exp\u00e9rience \u2116 1", "experience-No-1"),
        ("\u5b9e\u9a8c", "custom"),
        ("-x", "x"),
        (".hidden", "hidden"),
        ("_x_", "x"),
        ("a=b&c", "a-b-c"),
        ("..", "custom"),
        ("007", "007"),
    ],
)
def test_a_files_stem_is_made_to_fit(folder: Path, stem: str, recipe: str) -> None:
    (folder / "mine").mkdir()
    write(folder / "mine", **{stem: "base: plain\n"})
    assert load_experiment(str(folder / "mine" / f"{stem}.yaml")).recipe == recipe


def test_base_is_merged_key_by_key_without_its_description(folder: Path) -> None:
    write(folder, middle="base: plain\nmodel: {width: 2}\n", top="base: middle\nmodel: {partition: [4]}\n")
    config = load_experiment("top", [])
    assert (config.recipe, config.description, config.seed) == ("top", "", 7)
    assert (config.model.partition, config.model.width) == ((4,), 2.0)


def test_a_path_is_a_recipe_and_its_base_may_be_a_path(folder: Path) -> None:
    (folder / "deep").mkdir()
    write(folder / "deep", mine="base: other.yaml\nseed: 1\n", other="base: plain\nmodel: {width: 3}\n")
    config = load_experiment(str(folder / "deep" / "mine.yaml"), [])
    assert (config.recipe, config.seed, config.model.width) == ("mine", 1, 3.0)
    assert config.model.partition == (2, 2)


def test_a_stored_resolved_tree_keeps_its_recipe(folder: Path) -> None:
    stored = folder / "config.yaml"
    stored.write_text(to_yaml(load_experiment("plain", ["seed=9"])))
    assert load_experiment(str(stored), []) == load_experiment("plain", ["seed=9"])


def test_apply_overrides_replaces_and_validates_the_whole() -> None:
    config = apply_overrides(ExperimentConfig(), {"model.partition": [1, 3], "freezing.phi": 0.5})
    assert config.model.partition == (1, 3) and config.freezing.phi == 0.5
    assert apply_overrides(config, {}) == config
    with pytest.raises(UserError, match="federation: cohort_size=20 is above num_devices=3"):
        apply_overrides(config, {"federation.num_devices": 3})


def test_flat_values_are_overrides_again() -> None:
    config = apply_overrides(ExperimentConfig(), {"model.partition": [1, 3], "data.download": True})
    flat = flatten(config)
    assert (flat["model.partition"], flat["data.download"], flat["data.root"]) == ("[1,3]", "true", "null")
    assert flat["model.name"] == "cnn" and flat["storage.root"] == "runs"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("training.batch_size=-3", "training.batch_size=-3: must be at least 2 (in override)"),
        (
            "training.batch_size=x",
            "training.batch_size=x: must be an integer at least 2 and at most 10000000 (in override)",
        ),
        ("training.momentum=1", "training.momentum=1: must be less than 1 (in override)"),
        ("freezing.fit_rounds=1", "freezing.fit_rounds=1: must be at least 2 (in override)"),
        ("training.learning_rate=.nan", "training.learning_rate=NaN: must be a finite number (in override)"),
        (
            "training.weight_decay=.inf",
            "training.weight_decay=Infinity: must be a finite number (in override)",
        ),
        (
            "data.split.name=x",
            "data.split.name=x: must be one of iid, dirichlet, shards, natural or FILE.py:NAME (or ",
        ),
        ("storage.root=", "storage.root=: must be a path (in override)"),
        ("seed=true", "seed=true: must be an integer at least 0 (in override)"),
        (
            "recipe=a/b",
            "recipe=a/b: must be text of letters A to z, digits, spaces, '.', '_' and '-', a letter",
        ),
        ("federation.quotas.shares=[1,x]", "federation.quotas.shares[1]=x: must be a number greater than 0"),
        ("model=3", "model=3: model is a section; set its keys: name, width, partition (in override)"),
        ("foo", "override 'foo': must be dotted.key=value"),
        ("=3", "override '=3': must be dotted.key=value"),
        ("model.partition=[2", "override 'model.partition=[2': broken YAML: "),
        ("storage.root=a\0b", "override 'storage.root=a\\\\x00b': it holds a control character"),
        ("lr=3", "unknown key 'lr' (in override); the tree has recipe, description, seed, data, "),
        ("federation.cohort_size=200", "federation: cohort_size=200 is above num_devices=100 (in override)"),
        ("federation.quotas.name=file", "federation.quotas: quotas.name=file needs path (in override)"),
    ],
)
def test_mistakes_in_overrides(folder: Path, override: str, message: str) -> None:
    assert error("plain", override).startswith(message)


@pytest.mark.parametrize("value", ["1.5", "[2,-1]", "null", "true", "{a: 1}", "[2, true]"])
def test_one_line_for_a_union(folder: Path, value: str) -> None:
    message = error("plain", f"model.partition={value}")
    assert message.startswith("model.partition=") and ";" not in message
    assert (
        "text, or an integer greater than 0 and at most 10000000, or a list, each item an integer greater "
        in message
    )


@pytest.mark.parametrize(
    ("key", "nearest"),
    [
        ("training.lr", "training.learning_rate"),
        ("training.batchsize", "training.batch_size"),
        ("quotas.low_mb", "federation.quotas.low_mb"),
        ("training.max_rounds", "freezing.max_rounds"),
        ("data.split.aplha", "data.split.alpha"),
        ("data.images_per_device", "data.examples_per_device"),
        ("data.test_images", "data.test_examples"),
        ("data.split.min_images", "data.split.min_examples"),
        ("training.batch_size.x", "training.batch_size"),
        ("sed", "seed"),
    ],
)
def test_unknown_keys_name_the_nearest_one(folder: Path, key: str, nearest: str) -> None:
    assert error("plain", f"{key}=1").startswith(
        f"unknown key '{key}' (in override); did you mean '{nearest}'?"
    )


def test_unknown_key_lists_a_short_section(folder: Path) -> None:
    assert error("plain", "model.colour=1").endswith("; model has name, width, partition")


def test_several_mistakes_are_one_line(folder: Path) -> None:
    assert error("plain", "training.batch_size=0", "seed=x", "seed=-1") == (
        "seed=-1: must be at least 0 (in override); training.batch_size=0: must be at least 2 (in override)"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "{path}: is empty"),
        ("# nothing\n", "{path}: is empty"),
        ("- 1\n", "{path}: must hold sections with keys, not [1]"),
        ("seed: 1\nmodel: [1\nx: 2\n", "{path}:3: broken YAML: expected ',' or ']', but got ':'"),
        ("seed: 1\nseed: 2\n", "{path}:2: broken YAML: key 'seed' is given twice"),
        ("seed: -1\n", "seed=-1: must be at least 0 (in recipe bad)"),
        ("data: {root: [a]}\n", 'data.root=["a"]: must be a path or null (in recipe bad)'),
        ("tracking: {experiment: null}\n", "tracking.experiment=null: must be text (put it in quotes)"),
        ("storage: {root: ''}\n", "storage.root=: must be a path (in recipe bad)"),
        ("seed: 12:30:45\n", "seed=12:30:45: must be an integer at least 0 (in recipe bad)"),
        (
            "recipe: exp(1)\n",
            "recipe=exp(1): must be text of letters A to z, digits, spaces, '.', '_' and '-', ",
        ),
        ("model: &a {name: *a}\n", "{path}:1: broken YAML: it contains itself"),
        ("model:\n", "model=null: model is a section; set its keys: name, width, partition (in recipe bad)"),
        ("modle: {name: x}\n", "unknown key 'modle' (in recipe bad); did you mean 'model'?"),
        (
            "data: {split: {nam: x}}\n",
            "unknown key 'data.split.nam' (in recipe bad); did you mean 'data.split.name'?",
        ),
        ("data.root: x\n", "key 'data.root': write it as nested sections (in recipe bad)"),
        ("1: 2\n", "unknown key '1' (in recipe bad)"),
        ("'': 2\n", "unknown key '' (in recipe bad)"),
        ("base: 3\n", "base=3: must be a recipe's name or path (in recipe bad)"),
        ("base: plane\n", "unknown recipe 'plane'; did you mean 'plain'?"),
        ("base: bad\n", "recipes extend each other in a circle: bad -> bad"),
        ("base: gone.yaml\n", "cannot read recipe gone.yaml: No such file or directory"),
    ],
)
def test_mistakes_in_recipes(folder: Path, text: str, message: str) -> None:
    write(folder, bad=text)
    assert error("bad").startswith(message.format(path=folder / "bad.yaml"))


def test_unknown_and_unreadable_recipes(folder: Path) -> None:
    assert error("plian").startswith("unknown recipe 'plian'; did you mean 'plain'? (known: plain)")
    assert error("a\0.yaml").startswith("cannot read recipe")
    (folder / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    (folder / "dir.yaml").mkdir()
    assert error(str(folder / "binary.yaml")).endswith("it is not a text file")
    assert error(str(folder / "dir.yaml")).endswith("Is a directory")


def test_recipes_in_a_circle(folder: Path) -> None:
    write(folder, a="base: b\n", b="base: c.yaml\n", c="base: b\n")
    assert error("a") == "recipes extend each other in a circle: b -> c -> b"


def test_the_layer_at_fault_is_named(folder: Path) -> None:
    write(folder, low="training: {batch_size: 0}\n", high="base: low\nseed: 3\n")
    assert error("high") == "training.batch_size=0: must be at least 2 (in recipe low)"
    assert load_experiment("high", ["training.batch_size=8"]).training.batch_size == 8


def test_a_recipes_mistake_is_not_laid_to_an_override_of_another_key(folder: Path) -> None:
    write(folder, bad="federation: {num_devices: 3, cohort_size: 9}")
    message = "federation: cohort_size=9 is above num_devices=3"
    assert error("bad", "federation.quotas.seed=1", "seed=3") == f"{message} (in recipe bad)"
    assert error("bad", "federation.num_devices=4").endswith("above num_devices=4 (in override)")


def test_from_yaml_knows_no_base() -> None:
    with pytest.raises(UserError, match=r"unknown key 'base' \(in run 3\)"):
        from_yaml("base: plain\n", "run 3")


def test_a_resumed_run_keeps_its_experiment_but_takes_the_fleet_of_today(folder: Path) -> None:
    begun = load_experiment("plain", ["seed=7"])
    assert resumed_config(begun, load_experiment("plain"), [], "--resume x") == begun
    overrides = ["fleet.backend=ray", "fleet.num_actors=3"]
    moved = resumed_config(begun, load_experiment("plain", overrides), overrides, "--resume x")
    assert (moved.seed, moved.fleet.num_actors) == (7, 3)
    odd = load_experiment("plain", ["fleet.cohort_groups=3", "fleet.enforce_quotas=false"])
    moved = resumed_config(odd, load_experiment("plain", overrides), overrides, "--resume x")
    assert moved.fleet == odd.fleet.model_copy(update={"backend": "ray", "num_actors": 3}), (
        "nothing else moves"
    )
    spaced = [f" {override}" for override in overrides]
    assert resumed_config(odd, load_experiment("plain", spaced), spaced, "--resume x") == moved
    with pytest.raises(UserError, match="begun with seed=7 and keeps it; seed=8 needs a new run"):
        resumed_config(begun, load_experiment("plain", ["seed =8"]), ["seed =8"], "--resume x")
    for override in ("seed=8", "fleet.cohort_groups=3"):
        with pytest.raises(
            UserError, match=f"--resume x: the run was begun with .* {override} needs a new run"
        ):
            resumed_config(begun, load_experiment("plain", [override]), [override], "--resume x")


def test_paths_can_be_made_absolute(folder: Path) -> None:
    config = load_experiment("plain", ["data.root=data", "storage.root=~/runs"]).with_absolute_paths()
    assert config.data.root == Path.cwd() / "data" and config.storage.root == Path.home() / "runs"
    assert config.federation.quotas.path is None


PLACES = (
    "storage.root=/new/runs",
    "storage.checkpoint_every_rounds=7",
    "tracking.uri=http://new:5000",
    "tracking.experiment=other",
    "tracking.enabled=false",
    "data.root=/new/data",
    "data.download=true",
    "federation.quotas.path=/new/quotas.txt",
)


@pytest.mark.parametrize("override", PLACES)
def test_a_resumed_run_may_be_in_another_place(folder: Path, override: str, monkeypatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    begun = load_experiment("plain", ["tracking.uri=http://old:1", "data.root=/old"])
    asked = load_experiment("plain", [override])
    moved = resumed_config(begun, asked, [override], "--resume x")
    key, _, value = override.partition("=")
    before, now = flatten(begun), flatten(moved)
    assert now[key] == value
    assert {k for k in now if now[k] != before[k]} == {key}


def test_a_resumed_run_is_tracked_where_the_words_of_today_say(folder: Path, monkeypatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    begun = load_experiment("plain", ["tracking.uri=http://old:1"])

    def uri(*overrides: str) -> str | None:
        asked = load_experiment("plain", overrides)
        return resumed_config(begun, asked, overrides, "--resume x").tracking.uri

    assert uri() == "http://old:1", "nothing else is named: as it was begun"
    assert uri("tracking.uri=http://new:2") == "http://new:2"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://environment:3")
    assert uri() is None, "the environment's"
    assert uri("tracking.uri=http://new:2") == "http://new:2"


@pytest.mark.parametrize("name", ["", "tracking.uri=sqlite:////old/runs/mlflow.db"])
def test_a_store_inside_the_results_folder_moves_with_it(folder: Path, name: str, monkeypatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    begun = load_experiment("plain", ["storage.root=/old/runs", *([name] if name else [])])
    overrides = ["storage.root=/new/a?b"]
    moved = resumed_config(begun, load_experiment("plain", overrides), overrides, "--resume x")
    assert resolve_uri(moved) == default_address(Path("/new/a?b"))


def test_a_recipe_that_was_not_named_again_does_not_bring_its_place(folder: Path) -> None:
    """The folder is where it was found, though no word says so: runs lie in `runs` by default."""
    begun = load_experiment("plain", ["storage.root=/old/runs"])
    moved = resumed_config(begun, load_experiment("plain"), [], "--resume x")
    assert moved.storage.root == Path("runs")
