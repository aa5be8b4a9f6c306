"""clusters/local and clusters/docker: one machine."""

from ..steps import AsIn, Elsewhere, Entry, Seen, Walked
from .docs import ANSWERS, MLFLOW
from .short import SHORT_SWEEP

_UP = "Ray runtime started"
_RAY_ENDS = (0, 1)
"""What `ray start --block` says after Ctrl-C: "Aborted!" and 1 while it is not yet waiting."""
_SUBMIT = "ray job submit --address http://127.0.0.1:8265 --working-dir . -- "
_JOB = {"JOB": Seen(r"Job '(\w+)' succeeded")}
_DOCKER = "needs Docker; the files are checked by tests/clusters"

PAGES: dict[str, list[Entry | tuple[Entry, ...]]] = {
    "clusters/local/README.md": [
        AsIn("make demo", "README.md"),
        AsIn("make demo", "README.md"),
        Walked(
            "export RAY_AUTH_TOKEN=$(openssl rand -hex 32)",
            walk="by hand",
            given=("source .venv/bin/activate",),
        ),
        Walked("clusters/local/head.sh", walk="by hand", until=_UP, ends=_RAY_ENDS),
        AsIn("clusters/local/nodes.sh 2", "docs/getting-started.md"),
        Walked(
            "CPUS=2 PORT=7000 DASHBOARD_PORT=8300 clusters/local/nodes.sh 3",
            walk="by hand",
            until="head and 3 worker nodes with 2 CPUs each; jobs: http://127.0.0.1:8300",
        ),
        Walked(
            "clusters/local/head.sh 10.0.0.1",
            walk="by hand",
            given=("echo $RAY_AUTH_TOKEN > /tmp/token",),
            until=_UP,
            stays=True,
            ends=_RAY_ENDS,
        ),
        Walked(
            "export RAY_AUTH_MODE=token RAY_AUTH_TOKEN=...",
            walk="by hand",
            terminal=2,
            given=("source .venv/bin/activate",),
            fill={"...": "$(cat /tmp/token)"},
        ),
        Walked(
            "export RAY_worker_niceness=0 RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S=0",
            walk="by hand",
            terminal=2,
        ),
        Walked(
            "ray start --address=10.0.0.1:6379 --node-ip-address 10.0.0.2 --block --disable-usage-stats",
            walk="by hand",
            terminal=2,
            # A second machine has a /tmp of its own.
            more="--temp-dir /tmp/second",
            until=_UP,
            stays=True,
            ends=_RAY_ENDS,
        ),
        Walked(
            "mlflow server --host 10.0.0.1 --port 5000 --backend-store-uri sqlite:////srv/mlflow/mlflow.db "
            "--artifacts-destination /srv/mlflow/artifacts --allowed-hosts '10.0.0.1:5000,localhost:5000'",
            walk="by hand",
            terminal=3,
            given=("source .venv/bin/activate", "mkdir /srv/mlflow"),
            until="Application startup complete",
            stays=True,
        ),
        Walked(
            _SUBMIT
            + "python -m profl_ray sweep freezing storage.root=/mnt/shared/runs tracking.uri=http://10.0.0.1:5000",
            walk="by hand",
            terminal=4,
            given=(
                "source .venv/bin/activate",
                "export RAY_AUTH_MODE=token RAY_AUTH_TOKEN=$(cat /tmp/token)",
                "mkdir /mnt/shared",
                f"{ANSWERS} http://10.0.0.1:5000/health",
            ),
            more=SHORT_SWEEP,
            shows="succeeded",
            seconds=300,
        ),
        Walked("profl-ray submit --stop JOB", walk="by hand", terminal=4, fill=_JOB),
        Walked("ray job status JOB", walk="by hand", terminal=4, fill=_JOB, shows="SUCCEEDED|succeeded"),
        Elsewhere(
            "kill PID", "the other way to do what Ctrl-C does; tests/clusters/test_scripts.py sends SIGTERM"
        ),
    ],
    "clusters/docker/README.md": [
        Elsewhere("docker build -f clusters/docker/Dockerfile -t profl-ray:0.1.0-cuda .", _DOCKER),
        Elsewhere(
            "docker build -f clusters/docker/Dockerfile -t profl-ray:0.1.0-cpu "
            "--build-arg TORCH_INDEX=ADDRESS .",
            _DOCKER,
        ),
        Elsewhere("pip install --editable . --requirement clusters/docker/requirements.txt", "installs"),
        Elsewhere(
            "python clusters/docker/freeze.py > clusters/docker/constraints.txt",
            "needs a fresh environment; tests/clusters/test_install.py resolves what it writes",
        ),
        Walked("cd clusters/docker", walk="the real job"),
        Walked("install -d -m 700 secrets", walk="the real job"),
        Walked("openssl rand -hex 32 > secrets/ray_token", walk="the real job"),
        Walked("openssl rand -hex 24 > secrets/postgres_password", walk="the real job"),
        Walked("chmod 644 secrets/*", walk="the real job"),
        Elsewhere("TORCH_INDEX=ADDRESS docker compose up --build --detach --wait", _DOCKER),
        Elsewhere("docker compose up --detach --scale worker=4", _DOCKER),
        Walked(
            "export RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH=clusters/docker/secrets/ray_token",
            walk="the real job",
            # Instead of the containers. Ten processors in name, of which the sweep of README.md takes some.
            beside=(
                (
                    "source .venv/bin/activate; RAY_AUTH_TOKEN=$(cat clusters/docker/secrets/ray_token) "
                    "clusters/local/head.sh 127.0.0.1 --num-cpus 10",
                    _UP,
                ),
                MLFLOW,
            ),
            given=(
                "cd ../..",
                "source .venv/bin/activate",
                "mkdir /mnt/shared",
                f"{ANSWERS} http://mlflow:5000/health",
            ),
        ),
        Walked(
            _SUBMIT
            + "python -m profl_ray sweep freezing storage.root=/mnt/shared/runs tracking.uri=http://mlflow:5000",
            walk="the real job",
            more=SHORT_SWEEP,
            shows="succeeded",
            seconds=300,
        ),
        Elsewhere("docker compose down", _DOCKER),
        Elsewhere("docker compose down --volumes", _DOCKER),
    ],
}
