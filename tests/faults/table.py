"""One line for each kind of fault: how often it was injected, and what came of it."""

from dataclasses import dataclass

HEADER = ("fault", "injected", "survived", "weights equal", "points lost")


@dataclass
class Fault:
    """What a test did, and what it found; a line that stays as it began is a failed test."""

    what: str
    injected: int = 0
    survived: int = 0
    weights_equal: bool | None = None
    """None: the run is not there to end with weights."""
    points_lost: int | None = None
    """None: not tracked."""

    def cells(self):
        equal = {None: "-", True: "yes", False: "NO"}[self.weights_equal]
        lost = "-" if self.points_lost is None else str(self.points_lost)
        return (self.what, str(self.injected), str(self.survived), equal, lost)


def totals(faults):
    tracked = [fault.points_lost for fault in faults if fault.points_lost is not None]
    return Fault(
        "all",
        sum(fault.injected for fault in faults),
        sum(fault.survived for fault in faults),
        all(fault.weights_equal is not False for fault in faults),
        sum(tracked) if tracked else None,
    )


def text(faults):
    rows = [HEADER, *(fault.cells() for fault in [*faults, totals(faults)])]
    widths = [max(len(row[i]) for row in rows) for i in range(len(HEADER))]
    return "\n".join("  ".join(cell.ljust(widths[i]) for i, cell in enumerate(row)).rstrip() for row in rows)


def markdown(faults):
    rows = [HEADER, ("---",) * len(HEADER), *(fault.cells() for fault in [*faults, totals(faults)])]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def write_between_marks(page, table, name="faults"):
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    before, _, rest = page.read_text().partition(begin)
    _, mark, after = rest.partition(end)
    assert mark, f"{page} lacks {begin} and {end}"
    page.write_text(f"{before}{begin}\n{table}\n{end}{after}")
