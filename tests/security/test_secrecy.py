"""Passwords in addresses are masked; recipes cannot lead to other folders."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profl_ray.config import load_experiment
from profl_ray.errors import UserError
from profl_ray.secrecy import masked

WORDS = st.text(alphabet="abcXYZ019-_.~%", min_size=1, max_size=12)
SECRETS = st.text(alphabet="secretSECRET0123!$%&*()+,;=:/#?[]@", min_size=8, max_size=20)


@given(st.sampled_from(["http", "https", "postgresql+psycopg2", "mysql"]), WORDS, SECRETS, WORDS)
def test_a_password_never_stays(scheme, user, secret, host):
    text = f"cannot reach {scheme}://{user}:{secret}@{host}/path (timed out)"
    assert masked(text) == f"cannot reach {scheme}://{user}:***@{host}/path (timed out)"
    assert masked(masked(text)) == masked(text)


@pytest.mark.parametrize(
    "text",
    ["sqlite:////runs/mlflow.db", "http://host:5000", "http://user@host:5000", "at 10:15, mail a@b.c", ""],
)
def test_what_holds_no_password_stays_as_it_is(text):
    assert masked(text) == text


@pytest.mark.parametrize("place", ["/etc", "../up", "runs/../../up", "~/runs", "~root/runs"])
def test_a_recipe_cannot_write_outside_the_working_folder(tmp_path, place):
    recipe = tmp_path / "strange.yaml"
    recipe.write_text(f"base: digits_tiny\nstorage: {{root: {place}}}\n")
    with pytest.raises(UserError, match="a recipe may only name a folder below the working folder"):
        load_experiment(str(recipe))
    # A person at the command line may, and may give a strange recipe another place.
    assert load_experiment("digits_tiny", [f"storage.root={place}"])
    assert load_experiment(str(recipe), ["storage.root=here"])


def test_a_password_in_the_configuration_is_refused_and_not_repeated():
    with pytest.raises(UserError, match="belongs in the environment") as refused:
        load_experiment("digits_tiny", ["tracking.uri=postgresql://me:hush-hush@db/mlflow"])
    assert "hush" not in str(refused.value)
