"""The MLflow UI over the runs of a storage folder."""

import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

from profl_ray.config.addresses import DEFAULT_FILE, default_address
from profl_ray.errors import UserError
from profl_ray.launch import processes
from profl_ray.launch.head import base_environment, program
from profl_ray.launch.ports import require_free
from profl_ray.launch.scratch import Scratch
from profl_ray.signals import interruptible, uninterrupted
from profl_ray.tracking.moved import ARTIFACTS, adopt_artifacts

_START_SECONDS = 90.0


def ui_command(storage_root: Path, host: str, port: int) -> list[str]:
    """Return the command line of the MLflow server; `storage_root` is absolute.

    Our runs keep their artifacts under file:// addresses, which the server reads itself; its own artifact
    folder is named only so that it does not make one in the current folder.
    """
    command = [*program("mlflow"), "server", "--backend-store-uri", default_address(storage_root)]
    command += ["--artifacts-destination", (storage_root / ARTIFACTS).as_uri()]
    return [*command, "--host", host, "--port", str(port), "--workers", "1"]


def run_ui(storage_root: Path, host: str = "127.0.0.1", port: int = 5000) -> None:
    """Serve the MLflow UI until Ctrl-C or SIGTERM."""
    root = storage_root.expanduser().resolve()
    if not (root / DEFAULT_FILE).is_file():
        raise UserError(f"no runs yet: {root / DEFAULT_FILE} is missing; run `make demo` first")
    require_free(port, "port", host)
    adopt_artifacts(default_address(root), root, print)
    # The server's options have variables, too: those of the user's shell are meant for another server.
    own = {name: value for name, value in base_environment().items() if not name.startswith("MLFLOW_")}
    environment = {
        **own,
        # Eight extra processes for features that we do not use.
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    scratch = Scratch()
    try:
        with interruptible():
            log = scratch.path / "mlflow.log"
            _serve(ui_command(root, host, port), environment, log, f"http://{host}:{port}")
    except KeyboardInterrupt:
        print("the MLflow UI is stopped")
    finally:
        scratch.remove()


def _serve(command: list[str], environment: dict[str, str], log: Path, url: str) -> None:
    print("starting the MLflow UI (about 10 s)", flush=True)
    with log.open("wb") as output:
        child = processes.start(command, environment, str(log), output)
    try:
        deadline = time.monotonic() + _START_SECONDS
        while not _answers(url):
            if child.poll() is not None or time.monotonic() > deadline:
                raise UserError(f"the MLflow server did not start: {_tail(log)}")
            time.sleep(0.3)
        print(f"MLflow UI: {url}  (Ctrl-C ends it)", flush=True)
        code = child.wait()
        raise UserError(f"the MLflow server ended (exit code {code}): {_tail(log)}")
    finally:
        with uninterrupted():
            processes.end(child, str(log))


def _answers(url: str) -> bool:
    try:
        with build_opener(ProxyHandler({})).open(f"{url}/health", timeout=2.0) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False


def _tail(log: Path, lines: int = 3) -> str:
    text = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return " | ".join(text[-lines:]) or "its log is empty"
