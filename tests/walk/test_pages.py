"""The reader of pages: what is a command, and what is not."""

from .pages import Command, commands


def texts(*lines: str) -> list[tuple[int, str]]:
    return [(found.line, found.text) for found in commands("page.md", "\n".join(lines))]


def test_fences_and_indented_blocks_are_read_line_by_line() -> None:
    page = (
        "Words.",
        "",
        "```",
        "make demo",
        "```",
        "",
        "    ls runs   # what is there",
        "",
        "    pwd",
        "Words.",
    )
    assert texts(*page) == [(4, "make demo"), (7, "ls runs"), (9, "pwd")]


def test_a_command_continues_behind_a_backslash() -> None:
    assert texts("", "    ray job submit -- \\", "        python x   # remark", "    next") == [
        (2, "ray job submit -- python x"),
        (4, "next"),
    ]


def test_what_a_program_prints_and_other_languages_are_no_commands() -> None:
    assert texts("```", "[   0.0 s] starting", "#  phi", "```", "```python", "import os", "```") == []


def test_prose_and_tables_have_commands_between_back_quotes() -> None:
    page = (
        "| stop | `ray job stop JOB`, or `Ctrl-C x` |",
        "Type `profl-ray ui` or `make`; `ray start` is a name.",
    )
    assert texts(*page) == [(1, "ray job stop JOB"), (2, "profl-ray ui")]


def test_a_hash_within_a_word_is_no_remark() -> None:
    assert texts("", "    curl http://x/#a #b") == [(2, "curl http://x/#a")]


def test_a_command_names_its_place() -> None:
    assert Command("docs/x.md", 7, "ls").place == "docs/x.md:7"
