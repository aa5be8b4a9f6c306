"""Which share of the devices can take part in each step."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from analysis.rows import Row
from profl_ray.figures.looks import looks_of
from profl_ray.figures.style import EDGE, message, panels, percent, steps_of, styled

Profile = tuple[tuple[str, str, float], ...]
"""Steps in words, their stages and their share of devices that can afford them, in the order of the run."""

MAX_PROFILES = 6


def profiles(rows: Sequence[Row]) -> dict[Profile, list[Row]]:
    """Return the different profiles of a sweep and the trials that share each.

    Trials that differ in a freezing threshold alone share one. One that was cut short counts with a profile
    that it is the beginning of.
    """
    found: dict[Profile, list[Row]] = {}
    by_length = [(profile_of(row), row) for row in rows]
    for profile, row in sorted(by_length, key=lambda pair: -len(pair[0])):
        if profile:
            whole = next((p for p in found if p[: len(profile)] == profile), profile)
            found.setdefault(whole, []).append(row)
    return found


def profile_of(row: Row) -> Profile:
    """Return the eligible share of each step of one trial."""
    return tuple((s[0].step, s[0].stage, s[0].eligible_share) for s in steps_of(row.trial.records))


def shared_settings(rows: Sequence[Row]) -> str:
    """Return the settings that all `rows` have in common, on one line."""
    first = rows[0].settings
    common = {k: v for k, v in first.items() if all(row.settings.get(k) == v for row in rows)}
    words = ", ".join(f"{key} {value}" for key, value in common.items())
    return words or (rows[0].label if len(rows) == 1 else f"{len(rows)} trials")


@styled
def participation_figure(rows: Sequence[Row]) -> Figure:
    """Draw, per different profile, the share of devices that can afford each step."""
    found = list(profiles(rows).items())[:MAX_PROFILES]
    if not found:
        figure, (axes,) = panels(1, height=1.6)
        message(axes, "no trial has a round yet")
        return figure
    columns = min(2, len(found))
    lines = -(-len(found) // columns)
    most = max(len(profile) for profile, _ in found)
    figure, all_axes = panels(lines, columns, width=9.2, height=lines * (0.9 + 0.24 * most), share_x=True)
    for place, axes in enumerate(all_axes):
        if place >= len(found):
            axes.set_axis_off()
            continue
        profile, sharing = found[place]
        looks = looks_of((stage for _, stage, _ in profile), sharing[0].trial.stages)
        for line, (_, stage, share) in enumerate(profile):
            look = looks[stage]
            axes.barh(line, share, height=0.7, ec=EDGE, lw=0.6, color=look.fill, hatch=look.hatch)
            axes.annotate(
                f"{100 * share:.0f} %",
                (share, line),
                xytext=(4, 0),
                textcoords="offset points",
                va="center",
                fontsize=7.5,
            )
        axes.set_yticks(range(len(profile)), [step for step, _, _ in profile])
        # The same scale of lines everywhere, so that bars of two partitions can be compared.
        axes.set_ylim(most - 0.4, -0.6)
        axes.set_xlim(0, 1.12)
        axes.set_xticks([0, 0.25, 0.5, 0.75, 1])
        axes.grid(False, axis="y")
        percent(axes, "x")
        axes.set_title(shared_settings(sharing), fontsize=9)
        axes.set_xlabel("Devices that can afford the step" if place >= len(found) - columns else "")
    return figure
