"""What several tests of this room use."""

import shlex
import sys

from profl_ray.launch.request import JobRequest


class Script(JobRequest):
    """A job that runs its command's second word as Python, in place of a command of ours."""

    @property
    def entrypoint(self) -> str:
        """Return the job's command line."""
        return shlex.join([sys.executable, "-c", self.command[1]])
