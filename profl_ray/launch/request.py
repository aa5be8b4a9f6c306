"""What is sent to a cluster: the command, checked for what goes wrong only there."""

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

from profl_ray.cluster.environment import JOB_DEFAULTS, LOOPBACK
from profl_ray.config.load import parse_override
from profl_ray.config.schema import schema_of
from profl_ray.errors import UserError, unknown_name
from profl_ray.launch.plugins import inside, named_in, renamed, staged
from profl_ray.launch.upload import upload_limit_bytes, upload_size
from profl_ray.secrecy import masked
from profl_ray.sections import ExperimentConfig
from profl_ray.sizes import MIB

COMMANDS = ("run", "sweep", "compare", "report", "memory", "doctor")
"""What a job may do; the others need a terminal or a browser."""
PATH_KEYS = ("data.root", "federation.quotas.path", "storage.root")
_RAYS_PYTHON = (
    r"python=$(tr '\0' '\n' < /proc/$(sed 's/.*) . //; s/ .*//' /proc/$PPID/stat)/cmdline"
    r" | sed -n 's/^--python_worker_command=\([^ ]*\) .*/\1/p')"
)
"""For a job's shell: the Python that Ray's workers on its node run with, read off the raylet, the parent of
the job's parent; `python` on the node's PATH may be another one, or none."""


@dataclass(frozen=True)
class JobRequest:
    """A job that can be sent."""

    command: tuple[str, ...]
    """Of `profl-ray`: its first word is one of COMMANDS."""
    environment: dict[str, str]
    working_dir: Path | None
    """Uploaded, and the job's folder; None: the cluster has the project installed."""
    notes: list[str] = field(default_factory=list)
    """What the user should know before it is sent."""
    staging: TemporaryDirectory[str] | None = None
    """The uploaded folder, where it was made for this job: it goes with the request."""

    @property
    def entrypoint(self) -> str:
        """Return the job's command line, for a POSIX shell."""
        return f'{_RAYS_PYTHON}; exec "${{python:-python}}" -m profl_ray {shlex.join(self.command)}'


def job_request(
    command: Sequence[str],
    variables: Sequence[str],
    working_dir: Path | None,
    shell: Mapping[str, str] = os.environ,
    further: Sequence[str] = (),
) -> JobRequest:
    """Return the job for `profl-ray COMMAND`; UserError for what would fail, or lose results, there.

    `variables`: NAME=VALUE for the job's environment; `shell`: ours, of which only MLFLOW_TRACKING_URI goes
    along. `further`: what comes from outside and the command names indirectly, as by a search space.
    """
    known_command(command)
    # Paths and addresses are keys that all trees have.
    schema = schema_of(ExperimentConfig)
    given = dict(
        parse_override(word, schema) for word in command[1:] if "=" in word and not word.startswith("-")
    )
    notes: list[str] = []
    _check_paths(command, given)
    environment = JOB_DEFAULTS | dict(map(_variable, variables))
    uri = shell.get("MLFLOW_TRACKING_URI")
    if uri and "MLFLOW_TRACKING_URI" not in environment and "tracking.uri" not in given:
        if masked(uri) != uri:
            raise UserError(
                f"MLFLOW_TRACKING_URI={masked(uri)} holds a password, and anyone who may list the cluster's "
                "jobs can read a job's environment: set it on the cluster's nodes and unset it here, or send "
                "it all the same with --env MLFLOW_TRACKING_URI=..."
            )
        environment["MLFLOW_TRACKING_URI"] = uri
    notes += _tracking_notes(str(given.get("tracking.uri") or environment.get("MLFLOW_TRACKING_URI") or ""))
    staging = None
    named = [*named_in(command), *further]
    if working_dir is not None:
        _check_working_dir(working_dir)
        rename = inside(working_dir)
        for name in further:
            rename(name)
        command = renamed(command, rename)
    elif named:
        staging = TemporaryDirectory(prefix="profl-ray-job-")
        working_dir = Path(staging.name)
        command = renamed(command, staged(named, staging))
    return JobRequest(tuple(command), environment, working_dir, notes, staging)


def known_command(command: Sequence[str]) -> str:
    """Return the name of a command that may be a job; UserError names those that may."""
    if not command or command[0] not in COMMANDS:
        raise unknown_name("command for a job", command[0] if command else "", COMMANDS)
    return command[0]


def _check_paths(command: Sequence[str], given: Mapping[str, Any]) -> None:
    if "storage.root" not in given and command[0] != "memory":
        raise UserError(
            "a job's folder is thrown away with the job: give storage.root=/absolute/path, a folder that all "
            "nodes share under the same path"
        )
    for key in PATH_KEYS:
        value = given.get(key)
        if value is not None and not str(value).startswith("/"):
            raise UserError(
                f"{key}={value}: a job starts in a different folder; give an absolute path that is the "
                "same on all nodes"
            )
    uri = str(given.get("tracking.uri", ""))
    if uri.startswith("sqlite:///") and not uri.startswith(("sqlite:////", "sqlite:///%2F")):
        raise UserError(
            f"tracking.uri={uri}: a job starts in a different folder; use sqlite:////absolute/path"
        )
    for word in (*command[1:2], *_values_of("--recipe", command)):
        if word.lower().endswith((".yaml", ".yml")) and (
            word.startswith(("/", "~")) or ".." in Path(word).parts
        ):
            raise UserError(
                f"{word}: a job sees only the working folder that goes with it; give a path inside it"
            )


def _values_of(option: str, command: Sequence[str]) -> list[str]:
    """Return what an option is given in a command, as `--option VALUE` or `--option=VALUE`."""
    pairs = zip(command, [*command[1:], ""], strict=True)
    return [
        after if word == option else word.partition("=")[2]
        for word, after in pairs
        if word.partition("=")[0] == option
    ]


def _variable(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise UserError(f"--env {name}: must be NAME=VALUE")
    return name, value


def _tracking_notes(uri: str) -> list[str]:
    """Return what is likely to surprise about where the job tracks."""
    if not uri:
        return [
            "no tracking.uri and no MLFLOW_TRACKING_URI: the job writes to a SQLite file in storage.root, "
            "unless its nodes name a server; on more than one node use a server"
        ]
    if urlsplit(uri).hostname in LOOPBACK:
        return [f"tracking.uri={masked(uri)}: on the cluster this means the node that the job runs on"]
    return []


def _check_working_dir(folder: Path) -> None:
    if not (folder / "profl_ray" / "__main__.py").is_file():
        raise UserError(
            f"--working-dir {folder}: it does not hold the project (profl_ray/); give the repository's "
            "root, or --installed if the cluster's nodes have profl-ray installed"
        )
    try:
        total, sizes = upload_size(folder)
    except ImportError:
        return  # This Ray counts otherwise; it refuses what is too large itself.
    if total > upload_limit_bytes():
        largest = sorted(sizes, key=lambda name: sizes[name], reverse=True)[:3]
        named = ", ".join(f"{name} ({sizes[name] / MIB:.0f} MiB)" for name in largest)
        raise UserError(
            f"--working-dir {folder}: {total / MIB:.0f} MiB or more would be uploaded (allowed: "
            f"{upload_limit_bytes() / MIB:.0f}); the largest parts: {named}; name them in .gitignore or "
            ".rayignore"
        )
