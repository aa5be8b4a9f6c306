"""The figures of docs/results/scale.md, from what `scale.py` measured. Readable in black and white."""

import json
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.axes import Axes

Row = dict[str, Any]
STYLES = (("#000000", "o", "-"), ("#777777", "s", "--"), ("#444444", "^", ":"), ("#999999", "D", "-."))
NAMES = {"in_process": "one process", "ray": "Ray, 2 actors"}


def draw(measured: Path, figures: Path) -> None:
    """Draw every figure whose numbers are in the folder `measured`."""
    plt.rcParams |= {
        "font.size": 8.5,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
    }
    plt.rcParams |= {"grid.color": "#dddddd", "legend.frameon": False}
    for part, function in (("devices", devices), ("cohort", cohort), ("models", models), ("nodes", nodes)):
        path = measured / f"{part}.json"
        if path.exists():
            figure = function(json.loads(path.read_text()))
            figure.savefig(figures / f"scale_{part}.png", dpi=150)
            plt.close(figure)


def devices(rows: list[Row]) -> Any:
    """Start, round and memory against registered devices."""
    figure, axes = _panels(3)
    for place, (backend, group) in enumerate(_by_backend(rows).items()):
        counts = [row["case"]["num_devices"] for row in group]
        starts = [row["start"]["start"] - row["start"]["fleet"] - row["start"]["mlflow"] for row in group]
        own = [1e3 * (r["round"]["round"] - r["round"]["train"] - r["round"]["evaluate"]) for r in group]
        _line(axes[0], counts, starts, place, NAMES[backend])
        _line(axes[1], counts, own, place, NAMES[backend])
        _line(axes[2], counts, [row["start_anon_mib"] for row in group], place, f"{NAMES[backend]}, start")
        _line(axes[2], counts, [r["rounds_anon_mib"] for r in group], place + 2, f"{NAMES[backend]}, rounds")
    for panel, words in zip(
        axes, ("Start, own work (s)", "Round, server's own (ms)", "Driver's peak (MiB)"), strict=True
    ):
        _label(panel, "Registered devices", words)
        panel.set_xscale("log")
    return figure


def cohort(rows: list[Row]) -> Any:
    """Server's own seconds and memory against the cohort."""
    figure, axes = _panels(2)
    for place, (backend, group) in enumerate(_by_backend(rows).items()):
        eight = [row for row in group if row["case"]["cohort_groups"] == 8]
        sizes = [row["case"]["cohort_size"] for row in eight]
        _line(axes[0], sizes, [row["rounds_anon_mib"] for row in eight], place, f"{NAMES[backend]}, 8 groups")
        own = [1e3 * (r["round"]["round"] - r["round"]["train"] - r["round"]["evaluate"]) for r in eight]
        _line(axes[1], sizes, own, place, f"{NAMES[backend]}, 8 groups")
        for row in group:
            if row["case"]["cohort_groups"] != 8:
                size, word = [row["case"]["cohort_size"]], f"{NAMES[backend]}, 64 groups"
                _line(axes[0], size, [row["rounds_anon_mib"]], place + 2, word)
    for panel, words in zip(axes, ("Driver's peak (MiB)", "Round, server's own (ms)"), strict=True):
        _label(panel, "Devices in a round", words)
        panel.set_xscale("log")
    return figure


def models(rows: list[Row]) -> Any:
    """Parts of a round against the model's size."""
    figure, (left, right) = _panels(2)
    sizes = [row["moving_bytes"] / 1e6 for row in rows]
    parts = (("put", "put"), ("get", "get of both sums"), ("merge", "merge"), ("save", "checkpoint"))
    for place, (key, word) in enumerate(parts):
        _line(left, sizes, [1e3 * row["round"][key] for row in rows], place, word)
    left.set_yscale("log")
    grown = [row["rounds_anon_mib"] - row["base_anon_mib"] for row in rows]
    _line(right, sizes, grown, 0, "above an idle driver")
    _line(right, sizes, [row["peak_rss_mib"] for row in rows], 1, "peak RSS, shared memory included")
    for panel, words in ((left, "Time in a round (ms)"), (right, "Driver's memory (MiB)")):
        _label(panel, "Model (MB)", words)
        panel.set_xscale("log")
    return figure


def nodes(rows: list[Row]) -> Any:
    """Devices a second against nodes."""
    figure, (panel,) = _panels(1)
    kinds: dict[str, list[Row]] = {}
    for row in rows:
        seconds = row["case"]["sleep_seconds"]
        word = "training (2 cores)" if seconds is None else f"devices that sleep {1e3 * seconds:.0f} ms"
        kinds.setdefault("devices that do nothing" if seconds == 0 else word, []).append(row)
    for place, (word, group) in enumerate(kinds.items()):
        rates = [row["case"]["cohort_size"] / row["round"]["train"] for row in group]
        _line(panel, [row["case"]["num_nodes"] for row in group], rates, place, word)
    _label(panel, "Simulated nodes, one actor each", "Devices per second")
    panel.set_xticks([1, 2, 4])
    return figure


def _by_backend(rows: list[Row]) -> dict[str, list[Row]]:
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row["case"]["backend"], []).append(row)
    return groups


def _panels(number: int) -> tuple[Any, list[Axes]]:
    figure, axes = plt.subplots(1, number, figsize=(max(4.2, 3.4 * number), 2.9), squeeze=False)
    figure.set_layout_engine("constrained")
    return figure, list(axes[0])


def _line(panel: Axes, xs: list[Any], ys: list[float], place: int, word: str) -> None:
    colour, marker, dashes = STYLES[place]
    panel.plot(xs, ys, color=colour, marker=marker, ls=dashes, ms=4, lw=1.2, label=word)


def _label(panel: Axes, x_words: str, y_words: str) -> None:
    panel.set_xlabel(x_words)
    panel.set_ylabel(y_words)
    panel.legend(fontsize=7)
    if panel.get_yscale() == "linear":
        panel.set_ylim(0, 1.1 * panel.get_ylim()[1])
