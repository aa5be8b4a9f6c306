"""Overrides, recipes and whole configurations: each is taken, or refused with one line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profl_ray.config import load_experiment
from profl_ray.config.load import RECIPES_FOLDER, from_yaml, recipe_names
from profl_ray.run.driver import check_runnable

from .kit import assert_one_line, attempt
from .values import KEYS, VALUES, damaged, fitting

pytestmark = pytest.mark.filterwarnings("ignore")

TEXTS = [(RECIPES_FOLDER / f"{name}.yaml").read_bytes() for name in recipe_names()]


@given(st.lists(st.tuples(st.sampled_from(KEYS) | st.text(max_size=20), VALUES), max_size=4))
def test_overrides(pairs):
    attempt("overrides", lambda: load_experiment("digits_tiny", [f"{key}={value}" for key, value in pairs]))


@given(st.text(max_size=40))
def test_overrides_of_any_text(text):
    attempt("overrides", lambda: load_experiment("digits_tiny", [text]))


@given(st.text(max_size=30))
def test_names_of_recipes(name):
    attempt("recipe names", lambda: load_experiment(name))


@given(st.sampled_from(TEXTS).flatmap(damaged) | st.binary(max_size=200))
def test_recipe_files(tmp_path_factory, content):
    recipe = tmp_path_factory.mktemp("recipe") / "mine.yaml"
    recipe.write_bytes(content)
    attempt("recipe files", lambda: load_experiment(str(recipe)))


@given(st.text(alphabet="abcdef:-[]{}&*!|>'\"%@#? \n\t0123,.", max_size=80))
def test_yaml_of_any_text(text):
    attempt("recipe files", lambda: from_yaml(text))


@given(st.dictionaries(st.sampled_from(KEYS), st.none(), max_size=6), st.data())
def test_whole_configurations(storage, changed, data):
    """Values of the right kind: what the configuration lets through must be put together, or refused."""
    kept = {"storage.root": str(storage), "data.name": "digits"}
    drawn = {key: data.draw(fitting(key), label=key) for key in changed if key not in kept}
    overrides = [f"{key}={value}" for key, value in (drawn | kept).items()]
    config = attempt("configurations", lambda: load_experiment("digits_tiny", overrides))
    if config is not None:
        attempt("configurations, put together", lambda: check_runnable(config))


@given(st.sampled_from(KEYS), VALUES)
def test_the_command_line(storage, key, value):
    """What the configuration refuses is, for a user, exit code 2 and one line on standard error."""
    from cli.conftest import Result

    from .command_line import profl_ray

    config = attempt("command line", lambda: load_experiment("digits_tiny", [f"{key}={value}"]))
    if config is None and "\0" not in value:
        result = profl_ray("run", "digits_tiny", f"storage.root={storage}", f"{key}={value}")
        assert isinstance(result, Result) and result.code == 2, result
        assert result.err.startswith("error: ") and result.out == "", result
        assert_one_line(result.err.removesuffix("\n"))
