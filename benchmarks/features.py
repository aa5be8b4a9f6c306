"""What keeping the outputs of frozen blocks saves: CPU seconds of a whole ProFL run, with and without.

    python benchmarks/features.py [RECIPE] [key=value ...]

Three runs in this process, one after another, under the policy `eval`: the prefix in every batch, once a
device and round (features_mib=0), and kept. CPU seconds, because machines are shared.
"""

import sys
import tempfile
import time
from unittest.mock import PropertyMock, patch

from profl_ray.config import load_experiment
from profl_ray.run.driver import Driver, RunIdentity
from profl_ray.training import LocalTask

SETTINGS = ("tracking.enabled=false", "strategy.profl.frozen_bn=eval", "fleet.backend=in_process")


def play(config, name):
    """Return CPU seconds by stage, the summary and the store's MiB."""
    driver = Driver(config, RunIdentity(config.storage.root / name, name))
    stages, begun = {}, time.process_time()

    def note(record):
        nonlocal begun
        now = time.process_time()
        stages[record.stage] = stages.get(record.stage, 0.0) + now - begun
        begun = now

    summary = driver.run(note)
    files = (config.storage.root / "cache" / "features").rglob("*.npy")
    return stages, summary, sum(path.stat().st_size for path in files) / 2**20


def main():
    """Print a Markdown table."""
    recipe, *overrides = sys.argv[1:] or ["fashion_comparison"]
    with tempfile.TemporaryDirectory() as root:
        rows, digests = [], {}
        for name, features_mib in (("every batch", 0), ("once a device and round", 0), ("kept", 1e6)):
            settings = [*SETTINGS, *overrides, f"storage.root={root}", f"fleet.features_mib={features_mib}"]
            config = load_experiment(recipe, settings).with_absolute_paths()
            if name == "every batch":
                with patch.object(LocalTask, "prefix_units", PropertyMock(return_value=0)):
                    stages, summary, size_mib = play(config, "batch")
            else:
                stages, summary, size_mib = play(config, name.partition(" ")[0])
            digests[name] = summary["weights_sha256"]
            rows.append((name, sum(stages.values()), stages, summary, size_mib))
        assert digests["kept"] == digests["once a device and round"], "the store changed the weights"
        names = [stage for stage in ("calibrate", "shrink", "map", "grow") if stage in rows[0][2]]
        print(f"| prefix | CPU s | {' | '.join(names)} | faster | accuracy | rounds | store MiB |")
        print("|" + "---|" * (len(names) + 6))
        for name, total, stages, summary, size_mib in rows:
            cells = [f"{stages[stage]:.1f}" for stage in names]
            print(
                f"| {name} | {total:.1f} | {' | '.join(cells)} | {rows[0][1] / total:.2f} x | "
                f"{100 * summary['final_accuracy']:.1f} % | {summary['rounds']} | {size_mib:.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
