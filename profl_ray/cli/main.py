"""The command line: `profl-ray` and `python -m profl_ray`."""

import errno
import sys

from profl_ray import signals
from profl_ray.cli.words import protect_output, undelivered
from profl_ray.cluster.environment import prepare_environment

UNUSABLE = (errno.EACCES, errno.EPERM, errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.EROFS, errno.ENOSPC)
"""What the system says of a place where a user's files cannot be written or read."""


def main() -> None:
    """Run the command line. A user's mistake is one line on standard error and exit code 2."""
    # Before anything that takes time is imported: from here on a signal ends a command in order, and words
    # that cannot be written end nothing.
    signals.hear_until_exit()
    protect_output()
    prepare_environment()
    try:
        _run()
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception:
        if not signals.was_interrupted():
            raise
        sys.exit(130)
    except SystemExit as end:
        if end.code or not undelivered():
            raise
    finally:
        signals.leave_to_system()
    if reason := undelivered():
        print(f"error: cannot write to standard output: {reason}", file=sys.stderr)
        sys.exit(1)


def _run() -> None:
    from profl_ray.cli.app import app
    from profl_ray.errors import Unaffordable, UserError

    try:
        app()
    except UserError as error:
        not_available = "n/a, participation 0 %: " if isinstance(error, Unaffordable) else ""
        print(f"error: {not_available}{error}", file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        if error.errno not in UNUSABLE or error.filename is None:
            raise
        print(f"error: cannot use {error.filename}: {error.strerror}", file=sys.stderr)
        sys.exit(2)
