"""Passwords in addresses are masked; names cannot lead to other folders."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profl_ray.config import load_experiment
from profl_ray.errors import UserError
from profl_ray.secrecy import fitting_name, kept_name, masked, new_name, plain_name

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


@pytest.mark.parametrize(
    "name", ["..", ".", "", "a/b", "/etc", "../x", "-x", "a b", "a\nb", "a\0b", "~root", "a" * 256]
)
def test_a_name_that_leads_elsewhere_is_refused(name):
    with pytest.raises(UserError, match=r"--resume .* is not a name"):
        plain_name("--resume", name)


def test_ids_of_ours_are_names():
    assert plain_name("--resume", "digits_tiny-20261126-101112-ab12") == "digits_tiny-20261126-101112-ab12"


@given(st.text(max_size=300) | st.text(alphabet="ab(.- _/\u00e9\u5b9e", max_size=300))
def test_every_text_gives_a_name(text):
    for name in (fitting_name(text), new_name(text)):
        assert plain_name("name", name) == name and len(name) < 130
    assert fitting_name(fitting_name(text)) == fitting_name(text)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("my exp", "my-exp"),
        ("exp(1)", "exp-1"),
        ("a.b_c-1", "a.b_c-1"),
        ("..", "custom"),
        ("a" * 300, "a" * 100),
    ],
)
def test_a_name_stays_as_near_as_it_can(text, name):
    assert fitting_name(text) == name


def test_what_is_in_a_folder_can_be_named(tmp_path):
    (tmp_path / "my exp-1").mkdir()
    assert kept_name("--resume", "my exp-1", tmp_path) == "my exp-1"
    assert kept_name("--resume", "gone-1", tmp_path / "absent") == "gone-1"
    for name in ("my exp-2", "..", ".", f"../{tmp_path.name}"):
        with pytest.raises(UserError, match="is not a name"):
            kept_name("--resume", name, tmp_path)


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
