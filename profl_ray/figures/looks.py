"""How each stage of a run looks: as its strategy declares it, and otherwise different from all others."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from profl_ray.server.record import RoundRecord
from profl_ray.strategies import Stage

FILLS = ("#a8d5ba", "#e3b7d0", "#f3d38a", "#a9c8e8", "#c9c3e6", "#d0d0d0")
BANDS = ("#eaf6ef", "#f9eef4", "#fcf6e6", "#ecf3fa", "#f2f0fa", "#f4f4f4")
HATCHES = ("\\\\\\", "...", "---", "ooo", "+++")
"""None of the signs that the platform's own methods use; their number and that of the fills have no common
factor, so that thirty stages look different."""

Looks = dict[str, Stage]
"""By the name of the stage, in the order of legends; every look is whole."""


def looks_of(names: Iterable[str], declared: Sequence[Stage] = ()) -> Looks:
    """Return the looks of the declared stages, and of the others in the order of their names here."""
    looks = {stage.name: stage for stage in declared}
    for name in names:
        looks.setdefault(name, Stage(name))
    taken = {stage.short for stage in declared}
    for place, (name, stage) in enumerate(looks.items()):
        short = stage.short or _short(name, taken)
        taken.add(short)
        looks[name] = replace(
            stage,
            short=short,
            fill=stage.fill or FILLS[place % len(FILLS)],
            band=stage.band or BANDS[place % len(BANDS)],
            hatch=HATCHES[place % len(HATCHES)] if stage.hatch is None else stage.hatch,
        )
    return looks


def run_looks(records: Sequence[RoundRecord], declared: Sequence[Stage] = ()) -> Looks:
    """Return the looks of a run's stages."""
    return looks_of((record.stage for record in records), declared)


def key(*runs: tuple[Sequence[RoundRecord], Looks]) -> str:
    """Return the legend of the short names of the stages in some runs, in one line."""
    words: dict[str, None] = {}
    for records, looks in runs:
        seen = {record.stage for record in records}
        words |= dict.fromkeys(f"{look.short} {name}" for name, look in looks.items() if name in seen)
    numbered = any(record.block for records, _ in runs for record in records)
    return ", ".join(words) + (", with the block's number" if numbered else "")


def _short(name: str, taken: set[str]) -> str:
    """Return the first letters of a name that no other stage has; its first letter if there are none."""
    upper = name[:1].upper() + name[1:]
    return next((upper[:n] for n in range(1, len(upper) + 1) if upper[:n] not in taken), upper[:1])
