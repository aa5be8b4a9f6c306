"""The pages of docs/."""

from ..steps import AsIn, Elsewhere, Entry, Seen, Walked
from .short import SHORT_SWEEP, TRAINS

MLFLOW = (
    "source .venv/bin/activate; mkdir -p /srv/mlflow; mlflow server --host 127.0.0.1 --port 5000 "
    "--backend-store-uri sqlite:////srv/mlflow/mlflow.db --artifacts-destination /srv/mlflow/artifacts "
    "--allowed-hosts 'mlflow:5000,localhost:5000' --workers 1",
    "Application startup complete",
)
"""A server of its own, as getting-started's section 4 and operating.md take it for given."""
ANSWERS = "curl --silent --show-error --fail --retry 9 --retry-connrefused"
"""Before an address: waits until a server that has just been started answers there."""

_URI = "tracking.uri=http://mlflow:5000"
_OWN_URI = {"tracking.uri=...": _URI}
_SWEEP = Seen(r"sweep (freezing-[\w-]+):")
_JOB = Seen(r"job ([\w-]+) is sent")

PAGES: dict[str, list[Entry | tuple[Entry, ...]]] = {
    "docs/getting-started.md": [
        AsIn("make demo", "README.md"),
        Walked("source .venv/bin/activate", walk="a cluster"),
        AsIn("profl-ray run digits_tiny", "README.md"),
        AsIn("profl-ray run digits_tiny fleet.backend=ray fleet.num_actors=2", "README.md"),
        Walked("(umask 077; openssl rand -hex 32 > ~/.profl-token)", walk="a cluster"),
        (
            Walked(
                "source .venv/bin/activate; export RAY_AUTH_TOKEN=$(cat ~/.profl-token)",
                walk="a cluster",
            ),
            Walked(
                "source .venv/bin/activate; export RAY_AUTH_TOKEN=$(cat ~/.profl-token)",
                walk="a cluster",
                terminal=2,
            ),
            Walked(
                "source .venv/bin/activate; export RAY_AUTH_TOKEN=$(cat ~/.profl-token)",
                walk="a cluster",
                terminal=3,
            ),
        ),
        Walked(
            "clusters/local/nodes.sh 2",
            walk="a cluster",
            until="head and 2 worker nodes with 1 CPUs each; jobs: http://127.0.0.1:8265",
            stays=True,
        ),
        Walked("profl-ray doctor --help", walk="a cluster", terminal=2, shows="--json"),
        Walked(
            "profl-ray submit doctor digits storage.root=$PWD/runs fleet.backend=ray",
            walk="a cluster",
            terminal=2,
            shows="0 fail",
        ),
        Walked(
            "profl-ray submit sweep freezing storage.root=$PWD/runs",
            walk="a cluster",
            terminal=2,
            more=SHORT_SWEEP,
            shows="exit code 0",
            seconds=600,
        ),
        Walked(
            "profl-ray status --address http://127.0.0.1:8265",
            walk="a cluster",
            terminal=3,
            shows="trials: 6 finished",
        ),
        AsIn("make ui", "README.md"),
        Walked(
            "export MLFLOW_TRACKING_URI=http://mlflow:5000", walk="a cluster", terminal=2, beside=(MLFLOW,)
        ),
        Walked(
            "profl-ray submit --address http://head:8265 sweep freezing storage.root=/mnt/shared/runs",
            walk="a cluster",
            terminal=2,
            given=("mkdir -p /mnt/shared", f"{ANSWERS} http://mlflow:5000/health"),
            # Not shortened: it is looked at, stopped and resumed by the commands of operating.md.
            until=TRAINS,
        ),
    ],
    "docs/operating.md": [
        Walked(
            "profl-ray submit doctor RECIPE storage.root=... tracking.uri=...",
            walk="the real job",
            fill={"RECIPE": "digits", "storage.root=...": "storage.root=/mnt/shared/runs", **_OWN_URI},
            shows="0 fail",
        ),
        Elsewhere("profl-ray run RECIPE data.root=... data.download=true", "downloads a data set"),
        Elsewhere("pip install 'profl-ray[postgres]'", "installs; `make cluster-test` does, too"),
        Walked(
            "profl-ray status [SWEEP] tracking.uri=... --address http://head:8265 --watch",
            walk="a cluster",
            terminal=3,
            fill={"[SWEEP]": _SWEEP, **_OWN_URI},
            until="running",
        ),
        Walked(
            "profl-ray submit --address ... --follow JOB",
            walk="a cluster",
            terminal=3,
            fill={"...": "http://head:8265", "JOB": _JOB},
            until="6 trials",
        ),
        Walked(
            "profl-ray submit --address ... --stop JOB",
            walk="a cluster",
            terminal=3,
            fill={"...": "http://head:8265", "JOB": _JOB},
            shows="stopped",
        ),
        Walked(
            "profl-ray submit --address http://head:8265 "
            "sweep freezing --resume SWEEP storage.root=... tracking.uri=...",
            walk="a cluster",
            terminal=3,
            fill={"SWEEP": _SWEEP, "storage.root=...": "storage.root=/mnt/shared/runs", **_OWN_URI},
            shows="exit code 0",
            seconds=300,
        ),
        Walked(
            "profl-ray report SWEEP tracking.uri=...",
            walk="a cluster",
            terminal=3,
            fill={"SWEEP": _SWEEP, **_OWN_URI},
            shows="wrote ",
        ),
        Walked(
            "mlflow gc --backend-store-uri URI --tracking-uri http://mlflow:5000",
            walk="a cluster",
            terminal=3,
            fill={"URI": "sqlite:////srv/mlflow/mlflow.db"},
        ),
        Walked(
            "mlflow db upgrade URI",
            walk="a cluster",
            terminal=3,
            fill={"URI": "sqlite:////srv/mlflow/mlflow.db"},
        ),
    ],
    "docs/clusters.md": [
        Elsewhere("make test-fast", "it is what runs this, too"),
        Elsewhere("make walk", "it is what runs this"),
        Elsewhere("make cluster-test", "a suite of its own, of 5 minutes"),
    ],
    "docs/reading-results.md": [
        AsIn("make ui", "README.md"),
        Walked(
            "profl-ray ui", walk="demo", given=("source .venv/bin/activate",), until=r"http://127.0.0.1:5000"
        ),
        Walked(
            "profl-ray run config.yaml storage.root=runs",
            walk="use it",
            given=("cp $(ls -d runs/digits_tiny-*/config.yaml | head -n 1) .",),
            shows="final accuracy 0.9",
        ),
    ],
    "docs/doctor.md": [
        AsIn("profl-ray doctor fashion_resnet18", "README.md"),
        Walked(
            "ray job submit --address http://127.0.0.1:8265 --working-dir . -- "
            "python -m profl_ray doctor digits_tiny storage.root=/mnt/shared/runs fleet.backend=ray",
            walk="the real job",
            shows="0 fail",
        ),
    ],
    "docs/memory.md": [],
    "docs/sharing.md": [],
    "docs/features.md": [],
}
