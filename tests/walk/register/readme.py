"""README.md."""

from ..steps import Elsewhere, Entry, Seen, Walked
from .short import SHORT_RESNET, SHORT_SWEEP, TRAINS

_ON_CLUSTER = (
    "storage.root=/mnt/shared/runs tracking.uri=http://MLFLOW:5000 data.root=/mnt/shared/fashion-mnist"
)
_SWEEP = f"sweep partitions fleet.num_actors=8 {_ON_CLUSTER}"

PAGES: dict[str, list[Entry | tuple[Entry, ...]]] = {
    "README.md": [
        Walked(
            "profl-ray memory --model resnet18 --batch-size 128 --plot memory.png",
            walk="one experiment",
            given=("source .venv/bin/activate",),
            shows="wrote memory.png",
        ),
        Walked("make demo", walk="demo", seconds=600, shows=r"report: .*report\.html"),
        Walked("make ui", walk="demo", until=r"http://127.0.0.1:5000"),
        Elsewhere("make test", "it is what runs this, too"),
        Elsewhere("make test-fast", "it is what runs this, too"),
        Elsewhere("make walk", "it is what runs this"),
        (
            Walked("source .venv/bin/activate", walk="one experiment"),
            Walked("source .venv/bin/activate", walk="use it"),
        ),
        (
            Walked("profl-ray run digits_tiny", walk="one experiment", shows="final accuracy 0.9"),
            # Interrupted, so that there is something to resume.
            Walked("profl-ray run digits_tiny", walk="use it", until="round +3 "),
        ),
        Walked(
            "profl-ray run digits_tiny fleet.backend=ray fleet.num_actors=2",
            walk="use it",
            shows="final accuracy 0.9",
        ),
        Walked(
            "profl-ray run fashion_resnet18",
            walk="use it",
            given=(
                "python tests/walk/made_data.py /mnt/data/fashion_mnist",
                "export PROFL_RAY_DATA=/mnt/data",
            ),
            more=SHORT_RESNET,
            shows="final accuracy",
            seconds=300,
        ),
        Walked(
            "profl-ray run digits_tiny --resume RUN_ID",
            walk="use it",
            fill={"RUN_ID": Seen(r"--resume ([\w-]+)")},
            shows="final accuracy 0.9",
        ),
        Walked("profl-ray memory --model resnet34 --batch-size 128", walk="one experiment", shows="grow 4"),
        Walked("profl-ray doctor fashion_resnet18", walk="use it", shows="0 fail"),
        Walked(
            "profl-ray sweep freezing --scheduler halving",
            walk="use it",
            more=SHORT_SWEEP,
            shows="report",
            seconds=300,
        ),
        Walked(
            "profl-ray compare digits_tiny --strategies ideal,heterofl,profl --seeds 1,2",
            walk="use it",
            more=SHORT_SWEEP,
            shows="heterofl",
            seconds=300,
        ),
        (
            Walked("profl-ray status", walk="one experiment", shows="finished"),
            Walked("profl-ray status", walk="use it", shows="trials: 6 finished"),
        ),
        (
            Walked(
                "profl-ray report --output report.html --figures figures",
                walk="one experiment",
                shows="wrote report.html",
            ),
            Walked(
                "profl-ray report --output report.html --figures figures",
                walk="use it",
                shows="wrote report.html",
            ),
        ),
        Walked(
            "export RAY_AUTH_MODE=token RAY_AUTH_TOKEN=...",
            walk="the real job",
            terminal=2,
            given=(
                "source .venv/bin/activate",
                "python tests/walk/made_data.py /mnt/shared/fashion-mnist",
            ),
            fill={"...": "$(cat clusters/docker/secrets/ray_token)"},
        ),
        Walked(
            f"profl-ray submit {_SWEEP}",
            walk="the real job",
            terminal=2,
            more=SHORT_RESNET,
            # The job keeps running after Ctrl-C; five trials of eight actors would take long on two cores.
            until=TRAINS,
            seconds=300,
        ),
        Walked(
            "profl-ray status tracking.uri=http://MLFLOW:5000 --address http://127.0.0.1:8265",
            walk="the real job",
            terminal=2,
            shows=r"partitions-[\w-]+: running; trials: 1 ",
        ),
        Elsewhere(
            f"ray job submit --address http://127.0.0.1:8265 --working-dir . -- python -m profl_ray {_SWEEP}",
            "the same job as the one above; `ray job submit` is walked in clusters/docker/README.md",
        ),
        Elsewhere("ssh -L 8265:127.0.0.1:8265 HEAD", "needs a second machine"),
        Elsewhere("make faults", "a suite of its own, of 12 minutes"),
    ],
}
