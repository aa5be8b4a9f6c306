"""The walks: the pages' commands as written, typed into terminals of a fresh machine."""

from collections.abc import Iterator

import pytest

from .machine import Machine, missing
from .pages import Command, commands
from .register import REGISTER, WALKS, entries
from .steps import Walked
from .walker import Failed, Step, Walker

needs_a_machine = pytest.mark.skipif(bool(missing()), reason=f"no machine of its own: {missing()}")


@pytest.fixture
def walker() -> Iterator[Walker]:
    with Machine() as machine:
        yield Walker(machine)


def steps(walk: str) -> list[Step]:
    """The walk's steps, page by page."""
    return [
        Step(command, entry)
        for page in WALKS[walk].pages
        for command, group in zip(commands(page), REGISTER[page], strict=True)
        for entry in entries(group)
        if isinstance(entry, Walked) and entry.walk == walk
    ]


def marked(walk: str) -> object:
    return pytest.param(walk, marks=[pytest.mark.walk] if WALKS[walk].long else [])


@needs_a_machine
@pytest.mark.e2e
@pytest.mark.parametrize("walk", [marked(walk) for walk in WALKS])
def test_the_walk(walk: str, walker: Walker) -> None:
    walker.walk(steps(walk))


@needs_a_machine
def test_a_step_that_fails_says_where_and_what_it_showed(walker: Walker) -> None:
    step = Step(Command("docs/page.md", 7, "seq 30; false"), Walked("seq 30; false", walk="none"))
    with pytest.raises(Failed) as failed:
        walker.walk([step])
    text = str(failed.value)
    assert "docs/page.md:7: seq 30; false" in text and "exit code 1" in text
    assert "\n    30" in text and "\n    11" in text and "\n    10" not in text


@needs_a_machine
def test_what_is_left_running_is_noticed(walker: Walker) -> None:
    text = "(sleep 100 &)"
    with pytest.raises(AssertionError, match=r"left running .*sleep 100"):
        walker.walk([Step(Command("page.md", 1, text), Walked(text, walk="none"))], grace_seconds=0.5)


@needs_a_machine
def test_a_command_that_keeps_running_is_interrupted_at_the_end(walker: Walker) -> None:
    text = "echo ready; sleep 100"
    walker.walk([Step(Command("page.md", 1, text), Walked(text, walk="none", until="ready", stays=True))])


@needs_a_machine
def test_the_machine_is_fresh(walker: Walker) -> None:
    given = ("test ! -e runs", 'test "$(ls -A ~ /mnt /srv)" = "$(printf "/mnt:\\n\\n/srv:\\n\\n/tmp/home:")"')
    text = "env | cut -d = -f 1 | sort | tr '\\n' ' '"
    shows = r"^HOME (OLDPWD )?PATH PWD SHLVL _ "
    walker.walk([Step(Command("page.md", 1, text), Walked(text, walk="none", given=given, shows=shows))])
