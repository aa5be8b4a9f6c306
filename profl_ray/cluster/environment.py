"""The environment of a process, made right once: before Ray is imported, before anything changes the folder.

Ray reads some variables when it is first imported, others when it needs them; MLflow and PyTorch do, too.
Importing our modules sets none of them: what starts something calls `prepare_environment`: the
command, `ray_session`, and each of our processes on a cluster as it begins its work.
"""

import os
import secrets
import sys
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from pathlib import Path

WORKER_DEFAULTS = {
    # PyTorch: one thread per worker.
    "OMP_NUM_THREADS": "1",
    # PyTorch's profiler reports to standard error that it found no GPU.
    "KINETO_LOG_LEVEL": "99",
}
MLFLOW_DEFAULTS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    # MLflow's own 120 s and 7 retries would hold up a round for many minutes when a server is away; the
    # writer keeps what it could not send and tries again, so a call may give up early.
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "15",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
}
RAY_DEFAULTS = {
    # Its native handler answers SIGTERM with a stack and an abort; ours ends in order (`signals`).
    "RAY_DISABLE_FAILURE_SIGNAL_HANDLER": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    # Tune's newer output prints a box about itself, however quiet it is asked to be.
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_TRAIN_ENABLE_V2_MIGRATION_WARNINGS": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    # The client actors are the work of this machine: the lowest priority would starve them.
    "RAY_worker_niceness": "0",
}
LOOPBACK_DEFAULTS = {
    # Without this, Ray replaces the loopback address by an outer one.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
}
"""For a Ray of our own, which only this machine can reach."""
READ_ON_IMPORT = ("RAY_AUTH_MODE", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "RAY_DISABLE_FAILURE_SIGNAL_HANDLER")
"""What Ray reads as it is imported, and never again."""
JOB_DEFAULTS = WORKER_DEFAULTS | {"PYTHONUNBUFFERED": "1", "COLUMNS": "120"}
"""For a job: its output is a log, and its environment is also that of all workers that it starts."""
PATHS = (
    "PROFL_RAY_DATA",
    "RAY_AUTH_TOKEN_PATH",
    "RAY_TMPDIR",
    "TMPDIR",
    "AWS_CA_BUNDLE",
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "CURL_CA_BUNDLE",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "MPLCONFIGDIR",
    "PGPASSFILE",
    "PGSSLROOTCERT",
    "RAY_TLS_CA_CERT",
    "RAY_TLS_SERVER_CERT",
    "RAY_TLS_SERVER_KEY",
    "MLFLOW_TRACKING_CLIENT_CERT_PATH",
    "MLFLOW_TRACKING_SERVER_CERT_PATH",
    "REQUESTS_CA_BUNDLE",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
)
"""Variables that name a file or a folder; trials and jobs work in folders of their own."""
LOOPBACK = ("127.0.0.1", "localhost", "::1")
ELSEWHERE = ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS")
"""Variables that Ray obeys before an address that it is given."""
TOKEN_FILE = Path("~/.ray/auth_token")
"""Where Ray looks for a token that neither RAY_AUTH_TOKEN nor RAY_AUTH_TOKEN_PATH gives."""

_own_token = secrets.token_hex(32)


def on_cluster() -> bool:
    """Whether this process belongs to a Ray cluster that someone else started."""
    return bool(os.environ.get("RAY_JOB_ID")) or os.environ.get("RAY_ADDRESS", "") not in ("", "local")


def prepare_environment() -> None:
    """Set what Ray, MLflow and PyTorch read from the environment; what the user has set stays.

    Where Ray was imported before, what it has read then is left alone: `missed_by_ray` says what that is.
    Safe to call again.
    """
    for name, value in (WORKER_DEFAULTS | MLFLOW_DEFAULTS).items():
        os.environ.setdefault(name, value)
    _make_paths_absolute(os.environ)
    keep_loopback_off_proxies(os.environ)
    ray = sys.modules.get("ray")
    if ray is not None and ray.is_initialized():
        return
    token = _token_for_ray()
    for name, value in _variables_for_ray().items():
        if ray is None or name not in READ_ON_IMPORT:
            os.environ.setdefault(name, value)
    if token and (ray is None or "RAY_AUTH_MODE" in os.environ):
        os.environ["RAY_AUTH_TOKEN"] = token


def missed_by_ray() -> list[str]:
    """Return the variables that Ray should have found as it was imported, and did not."""
    if "ray" not in sys.modules:
        return []
    wanted = _variables_for_ray()
    return [name for name in READ_ON_IMPORT if name in wanted and name not in os.environ]


def _variables_for_ray() -> dict[str, str]:
    # Ray sends a token only when it is told to.
    token = {"RAY_AUTH_MODE": "token"} if token_is_given() or _token_for_ray() else {}
    return RAY_DEFAULTS | token | ({} if on_cluster() else LOOPBACK_DEFAULTS)


def _token_for_ray() -> str:
    """Return the token of a Ray of our own; empty where the user has one, or where we are on a cluster.

    Set here, it stays in this process and its children. Left to Ray, it would be written into a file at home,
    which changes every later head.
    """
    return "" if token_is_given() or on_cluster() else _own_token


def token_is_given() -> bool:
    """Whether the user has a cluster's token where Ray looks for one."""
    return os.environ.get("RAY_AUTH_TOKEN") not in (None, "", _own_token) or any(
        map(_holds_text, _token_files())
    )


def token_words() -> str:
    """Return which token is sent to a cluster, in words for one who was refused."""
    named = os.environ.get("RAY_AUTH_TOKEN_PATH")
    if _names_token():
        return "the one in RAY_AUTH_TOKEN does not match"
    if token_is_given():
        return f"the one in {named or TOKEN_FILE} does not match"
    return f"RAY_AUTH_TOKEN_PATH={named} holds none" if named else "none is given"


def keep_loopback_off_proxies(environment: MutableMapping[str, str]) -> None:
    """Add this machine's own addresses to what is asked without a proxy."""
    # Most programs look at the first that is there; so both say the same.
    there = [
        word for word in (environment.get("no_proxy") or environment.get("NO_PROXY", "")).split(",") if word
    ]
    if "*" not in there:
        there += [host for host in LOOPBACK if host not in there]
    environment["no_proxy"] = environment["NO_PROXY"] = ",".join(there)


@contextmanager
def obeying_arguments() -> Iterator[None]:
    """Let Ray's clients ask at the address that they are given, whatever the shell names."""
    before = {name: os.environ.pop(name) for name in ELSEWHERE if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(before)


def _make_paths_absolute(environment: MutableMapping[str, str]) -> None:
    for name in PATHS:
        if environment.get(name):
            environment[name] = _absolute(environment[name])


def _names_token() -> bool:
    return os.environ.get("RAY_AUTH_TOKEN") not in (None, "", _own_token)


def _absolute(path: str) -> str:
    try:
        return str(Path(path).expanduser().absolute())
    except RuntimeError:  # `~name` of a user whom this machine does not know: told where the path is used
        return str(Path(path).absolute())


def _token_files() -> list[Path]:
    named = os.environ.get("RAY_AUTH_TOKEN_PATH")
    try:
        return [Path(named)] if named else [TOKEN_FILE.expanduser()]
    except RuntimeError:  # no home
        return []


def _holds_text(path: Path) -> bool:
    try:
        return bool(path.read_text(errors="replace").strip())
    except OSError:
        return False
