"""What saving a round costs, as a share of the round: record, checkpoint, pruning, all synced to the disk.

    python benchmarks/checkpoint_cost.py RECIPE [KEY=VALUE]... [--rounds N]

Plays N rounds in one process and times what `Driver.play_round` does after each.
"""

import argparse
import statistics
import tempfile
from pathlib import Path
from time import perf_counter

from profl_ray.config import load_experiment
from profl_ray.fleet.in_process import InProcessFleet
from profl_ray.server.experiment import assemble
from profl_ray.server.rounds import Server
from profl_ray.server.run_folder import RunFolder


def main() -> None:
    """Print medians over the rounds."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("recipe")
    parser.add_argument("overrides", nargs="*")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as temporary:
        overrides = [*options.overrides, f"storage.root={temporary}"]
        experiment = assemble(load_experiment(options.recipe, overrides))
        server, folder = Server(experiment, InProcessFleet(experiment)), RunFolder(Path(temporary) / "run")
        folder.begin(experiment.config, {"mlflow_run_id": ""}, experiment.split_as_json())
        rounds, saves = [], []
        for _ in range(options.rounds):
            record = server.play_round()
            started = perf_counter()
            folder.append(record)
            folder.save(record.round, server.snapshot())
            saves.append(perf_counter() - started)
            rounds.append(record.seconds)
        size_mib = sum(f.stat().st_size for f in max(folder.checkpoints_path.iterdir()).iterdir()) / 2**20
    share = statistics.median(save / (save + play) for save, play in zip(saves, rounds, strict=True))
    print(
        f"{options.recipe}: round {statistics.median(rounds):.2f} s, "
        f"saving {statistics.median(saves) * 1e3:.1f} ms ({100 * share:.2f} % of a round), "
        f"checkpoint {size_mib:.2f} MiB"
    )


if __name__ == "__main__":
    main()
