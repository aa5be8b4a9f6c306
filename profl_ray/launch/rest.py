"""The few questions we ask Ray's job server over HTTP."""

import json
import time
from typing import Any
from urllib.error import URLError
from urllib.request import ProxyHandler, Request, build_opener

ENDED = ("SUCCEEDED", "FAILED", "STOPPED")
"""A job's last states."""


class JobServer:
    """The job server of one head (Ray's documented REST interface)."""

    def __init__(self, address: str, token: str) -> None:
        self._address = address
        self._headers = {"Authorization": f"Bearer {token}"}
        self._opener = build_opener(ProxyHandler({}))  # a loopback address never goes through a proxy

    def is_up(self) -> bool:
        """Say whether the job server answers and its node has joined: earlier, a job finds no agent."""
        jobs, nodes = self._ask("GET", "/api/jobs/"), self._ask("GET", "/api/v0/nodes")
        return jobs is not None and nodes is not None and '"ALIVE"' in json.dumps(nodes)

    def status(self, job: str) -> str | None:
        """Return the job's state; None if the server does not answer or does not know the job."""
        answer = self._ask("GET", f"/api/jobs/{job}")
        return str(answer["status"]) if isinstance(answer, dict) and "status" in answer else None

    def stop(self, job: str, wait_seconds: float) -> bool:
        """Stop the job; say whether it has ended in time."""
        self._ask("POST", f"/api/jobs/{job}/stop")
        deadline = time.monotonic() + wait_seconds
        while (status := self.status(job)) not in (None, *ENDED):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.3)
        return status is not None

    def _ask(self, method: str, path: str) -> Any:
        request = Request(self._address + path, method=method, headers=self._headers)
        try:
            with self._opener.open(request, timeout=5.0) as answer:
                return json.load(answer)
        except (URLError, OSError, ValueError):
            return None
