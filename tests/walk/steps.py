"""What the register can say of a command."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Walked:
    """The command is run, as written on the page, as a step of the named walk.

    Whatever is not as written is said here: `beside` are programs that other machines would run (with what
    they show when they are up), each in a terminal of its own until the walk's end; `given` runs before it
    (what the reader has, or has done); `fill` puts in what the reader replaces (a value, or `Seen`);
    `more` is put behind it to make it short.
    """

    text: str
    walk: str
    terminal: int = 1
    beside: tuple[tuple[str, str], ...] = ()
    given: tuple[str, ...] = ()
    fill: Mapping[str, "str | Seen"] = field(default_factory=dict)
    more: str = ""
    until: str = ""
    """A regular expression: once it shows this, Ctrl-C is pressed."""
    stays: bool = False
    """With `until`: it is left running; Ctrl-C before its terminal's next command, or at the walk's end."""
    ends: tuple[int, ...] = (0,)
    """Exit codes allowed; after Ctrl-C, 130 by custom."""
    shows: str = ""
    """What it must show, a regular expression."""
    seconds: float = 120.0
    """Time that it may take on a busy machine of two cores."""


@dataclass(frozen=True)
class Seen:
    """A value that an earlier command of the walk showed: the last match's first group."""

    pattern: str


@dataclass(frozen=True)
class Elsewhere:
    """The command cannot run here, for this reason; its flags are looked at if it is one of ours."""

    text: str
    reason: str


@dataclass(frozen=True)
class AsIn:
    """Another page has the same words, and they are walked (or said to be elsewhere) there."""

    text: str
    page: str


@dataclass(frozen=True)
class Walk:
    """The pages whose commands it takes, in this order; `long` ones are for `make walk` alone."""

    pages: tuple[str, ...]
    long: bool = True


Entry = Walked | Elsewhere | AsIn
