"""A cluster's job server, through Ray's own client: send a job, follow it, stop it, ask how it ended."""

import asyncio
import logging
import shlex
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any
from uuid import uuid4

from profl_ray.cluster.environment import obeying_arguments, prepare_environment, token_words
from profl_ray.cluster.waiting import Waiting
from profl_ray.errors import UserError
from profl_ray.launch.request import JobRequest

ENDED = ("SUCCEEDED", "FAILED", "STOPPED")
"""A job's last states."""
FAILED, STOPPED = 1, 130
"""Exit codes of a job whose own is unknown, and of one that was stopped."""
PATIENCE_SECONDS = 60.0
"""How long a job's follower waits for a head that does not answer any more."""
_PAUSE_SECONDS = 1.0


ROOM = "resources"
"""In what Ray says of a job that has not started: it may be waiting for them."""


class ClusterAway(UserError):
    """No job server answers at the cluster's address."""


class Jobs:
    """The jobs of the cluster at `address` (its dashboard, http://host:8265): the one client that we have."""

    def __init__(
        self, address: str, token: str | None = None, patience_seconds: float = PATIENCE_SECONDS
    ) -> None:
        """Connect; `token`: of a cluster of our own; None: where Ray looks for one."""
        prepare_environment()
        from ray.job_submission import JobSubmissionClient

        self.address = address
        self._headers = {"Authorization": f"Bearer {token}"} if token is not None else None
        self._patience_seconds = patience_seconds
        # What Ray's client says of an upload, and of connections that end, is not for users.
        for name in ("ray", "ray.dashboard.modules.dashboard_sdk", "ray.dashboard.modules.job.sdk"):
            logging.getLogger(name).setLevel(logging.ERROR)
        if not address.startswith(("http://", "https://")):
            raise UserError(
                f"--address {address}: give the cluster's dashboard, http://host:8265 (a job is sent to it, "
                "not to Ray's own port)"
            )
        with self._answers():
            self._client = JobSubmissionClient(address, headers=self._headers)

    def submit(self, request: JobRequest) -> str:
        """Send the job and return its id."""
        runtime_env: dict[str, Any] = {"env_vars": request.environment}
        if request.working_dir is not None:
            runtime_env["working_dir"] = str(request.working_dir)
        with self._answers():
            return str(
                self._client.submit_job(
                    entrypoint=request.entrypoint,
                    submission_id=f"profl-ray-{request.command[0]}-{time.strftime('%Y%m%d-%H%M%S')}-{uuid4().hex[:4]}",
                    runtime_env=runtime_env,
                    # On a cluster the job's own process goes to a worker: the head has enough to do.
                    entrypoint_num_cpus=1 if self.num_workers() else 0,
                    metadata={"profl_ray.command": shlex.join(request.command)},
                )
            )

    def num_workers(self) -> int:
        """Return how many nodes with CPUs there are beside the head, on machines other than the head's.

        Nodes that share a machine share its load; and there Ray looks for a job's log on the wrong node.
        """
        nodes = self.nodes()
        heads = {node["address"] for node in nodes if node["is_head"]}
        return sum(node["address"] not in heads and node["resources"].get("CPU", 0) >= 1 for node in nodes)

    def nodes(self) -> list[dict[str, Any]]:
        """Return the nodes that are alive: `node_id`, `address`, `is_head`, `resources`."""
        found = self._listed("NODES")
        return [
            {
                "node_id": node.node_id,
                "address": node.node_ip,
                "is_head": bool(node.is_head_node),
                "resources": dict(node.resources_total or {}),
            }
            for node in found
            if node.state == "ALIVE"
        ]

    def actors(self) -> list[dict[str, Any]]:
        """Return the actors that are alive: `node_id`, `class_name`, `resources` that each has reserved."""
        found = self._listed("ACTORS", ("state", "=", "ALIVE"))
        return [
            {
                "node_id": actor.node_id,
                "class_name": actor.class_name,
                "resources": dict(actor.required_resources or {}),
            }
            for actor in found
        ]

    def _listed(self, resource: str, *filters: tuple[str, str, str]) -> list[Any]:
        """Return what Ray lists of a `StateResource`."""
        from ray.util.state import StateApiClient
        from ray.util.state.common import ListApiOptions, StateResource

        options = ListApiOptions(limit=10_000, timeout=10, filters=list(filters), detail=True)
        with self._answers():
            client = StateApiClient(self.address, headers=self._headers)
            return client.list(StateResource[resource], options, raise_on_missing_output=False)

    def running(self) -> list[str]:
        """Return the ids of the jobs that run."""
        with self._answers():
            jobs = self._client.list_jobs()
        return [str(job.submission_id) for job in jobs if job.status.value == "RUNNING" and job.submission_id]

    def status(self, job: str) -> str:
        """Return the job's state: PENDING, RUNNING, SUCCEEDED, FAILED or STOPPED."""
        return str(self._info(job).status.value)

    def follow(
        self, job: str, write: Callable[[str], object], say: Callable[[str], object] = lambda text: None
    ) -> int:
        """Write the job's output as it comes, until it ends; return its exit code.

        A connection that breaks is made again, and nothing is written twice. `say` is told, after some
        seconds, what a job waits for that does not start. The error of one that never did is its output.
        """
        fresh = _Fresh(write)
        waiting = Waiting(say, lambda: self._pending_reason(info))
        info = self._info(job)
        while info.status.value not in ENDED:
            if info.status.value == "PENDING":
                waiting.look()
            else:
                # A broken connection: whether the job has ended is asked below.
                with suppress(OSError, RuntimeError):
                    asyncio.run(self._tail(job, fresh))
            time.sleep(_PAUSE_SECONDS)
            info = self._info(job, self._patience_seconds)
        fresh.begin()
        with self._answers():
            log = self._client.get_job_logs(job)
        fresh(log if log.strip() or info.status.value != "FAILED" else f"{info.message}\n")
        return exit_code(info.status.value, info.driver_exit_code)

    def _pending_reason(self, info: Any) -> str:
        """Return, in a line, what a job waits for that has not started."""
        needed = 1.0  # As `submit` asks for; Ray's client does not tell.
        total = sum(node["resources"].get("CPU", 0.0) for node in self.nodes())
        reserved = sum(actor["resources"].get("CPU", 0.0) for actor in self.actors())
        if ROOM in str(info.message) and total - reserved < needed:
            return (
                f"waiting for {needed:g} CPU for the job's own process: the cluster has {total:g}, actors "
                f"have reserved {reserved:g}"
            )
        return "waiting for Ray to start the job: its environment is being set up on the cluster"

    async def _tail(self, job: str, fresh: "_Fresh") -> None:
        fresh.begin()
        async for text in self._client.tail_job_logs(job):
            fresh(text)

    def stop(self, job: str, wait_seconds: float = 30.0) -> bool:
        """Ask the job to stop; say whether it has ended in time."""
        with self._answers(job):
            self._client.stop_job(job)
        deadline = time.monotonic() + wait_seconds
        while self.status(job) not in ENDED:
            if time.monotonic() > deadline:
                return False
            time.sleep(_PAUSE_SECONDS / 2)
        return True

    def _info(self, job: str, patience_seconds: float = 0.0) -> Any:
        deadline = time.monotonic() + patience_seconds
        while True:
            try:
                with self._answers(job):
                    return self._client.get_job_info(job)
            except ClusterAway:
                if time.monotonic() >= deadline:
                    raise
                time.sleep(_PAUSE_SECONDS)

    @contextmanager
    def _answers(self, job: str | None = None) -> Iterator[None]:
        """Say in one line what is wrong when the job server cannot be asked."""
        import requests
        from ray.exceptions import AuthenticationError
        from ray.util.state.exception import RayStateApiException

        try:
            with obeying_arguments():
                yield
        except UserError:
            raise
        except AuthenticationError as error:
            raise UserError(
                f"--address {self.address}: the cluster requires its token, and {token_words()}: set "
                "RAY_AUTH_TOKEN, or RAY_AUTH_TOKEN_PATH to a file that holds it (the one that its nodes were "
                "started with)"
            ) from error
        except (ConnectionError, requests.exceptions.RequestException, RayStateApiException) as error:
            raise ClusterAway(
                f"--address {self.address}: no Ray job server answers there; is the head up, and port 8265 "
                "reachable (kubectl port-forward, ssh -L)?"
            ) from error
        except (RuntimeError, ValueError) as error:
            text = " ".join(str(error).split())[:300]
            if job is not None and "does not exist" in text:
                raise UserError(
                    f"no job {job!r} on the cluster at {self.address} (`ray job list` names them)"
                ) from error
            raise UserError(f"--address {self.address}: {text}") from error


class _Fresh:
    """Passes on what it has not passed on before: after a break a log is read from its start again."""

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write
        self._written = self._seen = 0

    def begin(self) -> None:
        """The log starts again."""
        self._seen = 0

    def __call__(self, text: str) -> None:
        self._seen += len(text)
        if (new := self._seen - self._written) > 0:
            self._write(text[-new:])
            self._written = self._seen


def exit_code(status: str, own: int | None) -> int:
    """Return what to exit with: the job's own exit code where it has one."""
    if status == "SUCCEEDED":
        return 0
    if status == "STOPPED":
        return STOPPED
    return own if own is not None and own > 0 else FAILED
