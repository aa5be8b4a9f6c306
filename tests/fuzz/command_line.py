"""The command line in this process, without fixtures: hypothesis calls it many times in one test."""

import contextlib
import io
import os
import signal
import sys

from cli.conftest import Result

from profl_ray.cli.main import main
from profl_ray.signals import ENDING


def profl_ray(*arguments):
    """Run a command line; an exception that escapes fails the test: a user would see its traceback."""
    before, argv = dict(os.environ), sys.argv
    handlers = [(number, signal.getsignal(number)) for number in ENDING]
    out, err = io.StringIO(), io.StringIO()
    code = 0
    sys.argv = ["profl-ray", *arguments]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main()
    except SystemExit as error:
        code = error.code or 0
    finally:
        sys.argv = argv
        os.environ.clear()
        os.environ.update(before)
        for number, handler in handlers:
            signal.signal(number, handler)
    return Result(code, out.getvalue(), err.getvalue())
