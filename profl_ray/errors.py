"""Errors that a user can fix, and the words that help to fix them."""

from collections.abc import Iterable
from difflib import get_close_matches


class UserError(ValueError):
    """A user's mistake: one line that says what was wrong, where, and what is allowed.

    The command line prints the message and exits with code 2; no traceback is shown.
    """


class Unaffordable(UserError):
    """A setting that no device can train: for a sweep a result (n/a), for a run a mistake."""


class NotHere(UserError):
    """What this machine lacks, such as a data set's files: another one may have it, or this one later."""


class NoRoom(UserError):
    """What the present nodes can never hold; others, or more of them, may."""


class NoRay(UserError):
    """Ray cannot be reached, or not be started."""

    def __init__(self, what: str, fix: str) -> None:
        super().__init__(f"{what} (fix: {fix})")
        self.what = what
        self.fix = fix


class NothingLearnt(UserError):
    """A setting with which a step merged no update; it would again."""


class MemoryQuotaExceeded(RuntimeError):
    """A device needed more memory than its quota; it fails alone and the round goes on."""

    def __init__(self, device_id: int, step: str, need_mib: float, quota_mib: float, how: str) -> None:
        super().__init__(
            f"device {device_id} exceeded its memory quota in {step}: "
            f"need {need_mib:.2f} MiB, quota {quota_mib:.2f} MiB ({how})"
        )
        self.device_id = device_id
        self.step = step
        self.need_mib = need_mib
        self.quota_mib = quota_mib
        self.how = how

    def __reduce__(self) -> tuple[type, tuple[int, str, float, float, str]]:
        """Pickle by the five facts, so that the error crosses process borders whole."""
        return type(self), (self.device_id, self.step, self.need_mib, self.quota_mib, self.how)


def unknown_name(kind: str, name: str, known: Iterable[str]) -> UserError:
    """Return the error for an unknown `name` of a `kind`; it names the nearest and all known ones."""
    choices = sorted(known)
    near = get_close_matches(name, choices, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return UserError(f"unknown {kind} {name!r}{hint} (known: {', '.join(choices)})")
