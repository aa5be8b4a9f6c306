"""Takes a walk: types its commands into terminals of a fresh machine, and says which one failed, and how."""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from .machine import Machine
from .pages import Command
from .steps import Seen, Walked
from .terminal import Terminal

_GIVEN_SECONDS = 120.0
_INTERRUPT_SECONDS = 60.0


class Step(NamedTuple):
    """A command of a page and what the register says of it."""

    command: Command
    entry: Walked


class Failed(AssertionError):
    """A step that did not go as the page has it; the text is for people."""


class Walker:
    """The terminals of one walk."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._terminals: dict[int, Terminal] = {}
        self._running: dict[int, Step] = {}

    def walk(self, steps: Sequence[Step], grace_seconds: float = 20.0) -> None:
        """Take all steps, end what goes on, and see that nothing is left running."""
        try:
            for step in steps:
                print(f"{step.command.place}: {step.command.text}", flush=True)
                self._take(step)
            for number in sorted(self._running, reverse=True):
                self._interrupt(number, self._running.pop(number))
            left = self._machine.left(grace_seconds)
            assert not left, f"left running after the walk: {left}"
        finally:
            for terminal in self._terminals.values():
                terminal.close()

    def _take(self, step: Step) -> None:
        entry = step.entry
        terminal = self._terminal(entry.terminal)
        for words, until in entry.beside:
            self._start_beside(step, words, until)
        for given in entry.given:
            begun = len(terminal.text)
            terminal.type(given)
            code = terminal.code(_GIVEN_SECONDS)
            if code != 0:
                raise _failure(step, given, f"given before it, exit code {code}", terminal.text[begun:])
        words = f"{self._filled(step)} {entry.more}".strip()
        begun = len(terminal.text)
        terminal.type(words)
        if entry.until:
            self._await(step, words, begun)
            self._running[entry.terminal] = step
            if not entry.stays:
                self._interrupt(entry.terminal, self._running.pop(entry.terminal))
            return
        code = terminal.code(entry.seconds)
        shown = terminal.text[begun:]
        if code not in entry.ends:
            told = f"exit code {code}" if code is not None else f"not done after {entry.seconds:.0f} s"
            raise _failure(step, words, told, shown)
        if not re.search(entry.shows, shown):
            raise _failure(step, words, f"did not show {entry.shows!r}", shown)

    def _start_beside(self, step: Step, words: str, until: str) -> None:
        number = -1 - len([number for number in self._terminals if number < 0])
        # How it ends is not the page's: `ray start` says 1 after Ctrl-C, or 0.
        beside = Step(
            step.command._replace(text=words),
            replace(step.entry, terminal=number, until=until, seconds=_GIVEN_SECONDS, ends=(0, 1)),
        )
        terminal = self._terminal(number)
        terminal.type(words)
        self._await(beside, words, 0)
        self._running[number] = beside

    def _await(self, step: Step, words: str, begun: int) -> None:
        terminal = self._terminal(step.entry.terminal)
        for _ in range(int(step.entry.seconds)):
            if re.search(step.entry.until, terminal.text[begun:]):
                return
            code = terminal.code(1.0)
            if code is not None:
                raise _failure(step, words, f"ended early, exit code {code}", terminal.text[begun:])
        told = f"did not show {step.entry.until!r} within {step.entry.seconds:.0f} s"
        raise _failure(step, words, told, terminal.text[begun:])

    def _interrupt(self, number: int, step: Step) -> None:
        terminal = self._terminals[number]
        begun = len(terminal.text)
        terminal.interrupt()
        code = terminal.code(_INTERRUPT_SECONDS)
        if code not in (*step.entry.ends, 130):
            raise _failure(step, step.command.text, f"exit code {code} after Ctrl-C", terminal.text[begun:])

    def _filled(self, step: Step) -> str:
        words = step.command.text
        for name, value in step.entry.fill.items():
            assert name in words, f"{step.command.place}: {name} is not in {words}"
            words = words.replace(name, self._seen(step, value) if isinstance(value, Seen) else value)
        return words

    def _seen(self, step: Step, value: Seen) -> str:
        found = [
            match
            for terminal in self._terminals.values()
            for match in re.findall(value.pattern, terminal.text)
        ]
        if not found:
            raise _failure(step, step.command.text, f"nothing before it showed {value.pattern!r}", "")
        return str(found[-1])

    def _terminal(self, number: int) -> Terminal:
        if number in self._running:
            self._interrupt(number, self._running.pop(number))
        if number not in self._terminals:
            self._terminals[number] = Terminal(self._machine)
        return self._terminals[number]


def _failure(step: Step, words: str, what: str, shown: str) -> Failed:
    tail = "\n".join(f"    {line}" for line in shown.rstrip().splitlines()[-20:])
    return Failed(
        f"{step.command.place}: {step.command.text}\n  ran: {words}\n  {what}; its last lines:\n{tail}"
    )
