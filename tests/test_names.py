"""Names cannot lead to other folders."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profl_ray.errors import UserError
from profl_ray.names import fitting_name, kept_name, new_name, plain_name


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
