"""No command of a page without a treatment, and no treatment of what no page has."""

import re
import shlex
from typing import TypeVar

import pytest
import typer

from profl_ray.cli.app import app

from .pages import NAMES, PAGES, ROOT, commands
from .register import REGISTER, WALKS, entries
from .steps import AsIn, Elsewhere, Walked

Kind = TypeVar("Kind", Walked, AsIn, Elsewhere)
ALL = [(page, entry) for page in REGISTER for group in REGISTER[page] for entry in entries(group)]
OURS = re.compile(r"^(?:profl-ray|.*\bpython -m profl_ray) (.*)")


def of_kind(kind: type[Kind]) -> list[tuple[str, Kind]]:
    return [(page, entry) for page, entry in ALL if isinstance(entry, kind)]


def flags_are_known(words: list[str]) -> None:
    """Parse a command of ours without running it; raises a click.UsageError if it would be refused."""
    command = typer.main.get_command(app)
    assert hasattr(command, "resolve_command")
    with command.make_context("profl-ray", list(words)) as outer:
        name, found, rest = command.resolve_command(outer, words)
        asked = found.make_context(name, list(rest), parent=outer)
        if name == "submit" and asked.params["command"]:
            flags_are_known(asked.params["command"])


def test_every_page_is_registered() -> None:
    assert set(REGISTER) == set(PAGES)
    assert all((ROOT / page).is_file() for page in PAGES)


@pytest.mark.parametrize("page", PAGES)
def test_the_register_has_the_commands_of_the_page_in_its_order(page: str) -> None:
    for group in REGISTER[page]:
        assert len({entry.text for entry in entries(group)}) == 1
    assert [entries(group)[0].text for group in REGISTER[page]] == [found.text for found in commands(page)]


def test_every_walk_has_steps_and_every_step_a_walk() -> None:
    for page, entry in of_kind(Walked):
        assert entry.walk in WALKS, entry
        assert page in WALKS[entry.walk].pages, entry
    for name, walk in WALKS.items():
        for page in walk.pages:
            assert any(at == page and entry.walk == name for at, entry in of_kind(Walked)), (name, page)


@pytest.mark.parametrize(("page", "entry"), of_kind(AsIn), ids=str)
def test_what_is_as_on_another_page_is_walked_there(page: str, entry: AsIn) -> None:
    assert any(at == entry.page and other.text == entry.text for at, other in of_kind(Walked))


@pytest.mark.parametrize(("page", "entry"), of_kind(Elsewhere), ids=str)
def test_what_cannot_run_here_has_a_reason_and_known_flags(page: str, entry: Elsewhere) -> None:
    assert entry.reason
    ours = OURS.search(entry.text)
    if ours:
        flags_are_known(shlex.split(ours[1]))
    if entry.text.startswith("make "):
        assert re.search(rf"^{entry.text.split()[1]}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


def test_an_unknown_flag_is_noticed() -> None:
    with pytest.raises(Exception, match="--schedular"):
        flags_are_known(["submit", "sweep", "freezing", "--schedular", "halving"])


def test_every_name_is_on_a_page() -> None:
    text = "".join((ROOT / page).read_text() for page in PAGES)
    assert [name for name in sorted(NAMES) if f"`{name}`" not in text] == []
