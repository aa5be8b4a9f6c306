"""The figure of a trial's memory: what each step needs, and which devices can afford it."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from profl_ray.figures.looks import Looks, looks_of
from profl_ray.figures.style import COLOURS, EDGE, INK, message, panels, percent, steps_of, styled
from profl_ray.server.record import RoundRecord
from profl_ray.strategies import Stage


class StepMemory(NamedTuple):
    """What a step needs."""

    step: str
    """In words."""
    stage: str
    need_mib: float
    """Predicted."""
    measured_mib: float | None
    """Measured peak."""


def step_needs(records: Sequence[RoundRecord]) -> list[StepMemory]:
    """Return each step of a run with the largest need and the largest measured peak of its rounds, MiB."""
    needs: list[StepMemory] = []
    for step in steps_of(records):
        measured = [record.measured_peak_mib for record in step if record.measured_peak_mib is not None]
        need_mib = max(record.need_mib for record in step)
        needs.append(StepMemory(step[0].step, step[0].stage, need_mib, max(measured, default=None)))
    return needs


@styled
def memory_figure(
    needs: Sequence[StepMemory],
    quotas_mib: Sequence[float] | np.ndarray,
    full_need_mib: float | None = None,
    stages: Sequence[Stage] = (),
    title: str = "Memory by step against the devices' quotas",
) -> Figure:
    """Draw who can afford how much (above) and what each step needs (below) over one memory axis, MiB."""
    quotas = np.sort(np.asarray(quotas_mib, dtype=float))
    height = 2.6 + 0.24 * len(needs)
    figure, (upper, lower) = panels(
        2, height=height, share_x=True, heights=(1.7, max(0.9, 0.24 * len(needs)))
    )
    upper.set_title(title)
    amounts = [mib or 0.0 for need in needs for mib in (need.need_mib, need.measured_mib)]
    limit = max([*amounts, full_need_mib or 0.0, 1e-6])
    limit = 1.18 * max(limit, float(quotas[-1]) if len(quotas) else 0.0)
    _draw_quotas(upper, quotas, limit)
    _draw_needs(lower, needs, quotas, looks_of((need.stage for need in needs), stages))
    if full_need_mib:
        for axes in (upper, lower):
            axes.axvline(full_need_mib, color=INK, lw=1.0, ls="--")
        able = f" ({100 * _able(quotas, full_need_mib):.0f} % of devices)" if len(quotas) else ""
        upper.annotate(
            f"full training\n{full_need_mib:.4g} MiB{able}",
            (full_need_mib, 0.97),
            xycoords=("data", "axes fraction"),
            xytext=(4 if full_need_mib < 0.7 * limit else -4, 0),
            textcoords="offset points",
            ha="left" if full_need_mib < 0.7 * limit else "right",
            va="top",
            fontsize=7.5,
        )
    if any(need.measured_mib is not None for need in needs):
        # In the upper panel, where it hides nothing: the bars' labels fill the lower one.
        upper.plot([], [], marker="|", ms=9, mew=2, color=INK, ls="", label="below: measured peak")
        upper.legend(loc="lower left", frameon=True, framealpha=0.9, edgecolor="none")
    lower.set_xlim(0, limit)
    lower.set_xlabel("Memory (MiB)")
    return figure


def _draw_quotas(axes: Axes, quotas: np.ndarray, limit: float) -> None:
    if not len(quotas):
        message(axes, "quotas not recorded")
        return
    amounts = np.concatenate([[0.0], quotas, [limit]])
    able = _able(quotas, amounts)
    # A device can afford a need up to and including its quota, so the share falls just after each quota.
    axes.step(amounts, able, where="pre", color=COLOURS[2])
    axes.fill_between(amounts, able, step="pre", color=COLOURS[2], alpha=0.15, lw=0)
    axes.set_ylim(0, 1.08)
    percent(axes)
    axes.set_ylabel("Devices that\ncan afford it")


def _draw_needs(axes: Axes, needs: Sequence[StepMemory], quotas: np.ndarray, looks: Looks) -> None:
    for place, (_, stage, need, measured) in enumerate(needs):
        look = looks[stage]
        axes.barh(place, need, height=0.68, color=look.fill, hatch=look.hatch, ec=EDGE, lw=0.6)
        edge = max(need, measured or 0.0)
        if measured is not None:
            axes.plot([measured], [place], marker="|", ms=9, mew=2, color=INK, ls="")
        able = f" ({100 * _able(quotas, need):.0f} % of devices)" if len(quotas) else ""
        axes.annotate(
            f"{need:.4g} MiB{able}",
            (edge, place),
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
            fontsize=7.5,
            bbox={"fc": "white", "ec": "none", "pad": 0.6, "alpha": 0.9},
        )
    axes.set_yticks(range(len(needs)), [need.step for need in needs])
    axes.set_ylim(len(needs) - 0.4, -0.6)
    axes.grid(False, axis="y")


def _able(quotas: np.ndarray, needs: np.ndarray | float) -> np.ndarray:
    """Return the share of devices whose quota covers each of `needs`; `quotas` are ascending."""
    return (len(quotas) - np.searchsorted(quotas, needs, side="left")) / len(quotas)
