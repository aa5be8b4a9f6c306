"""The one door to MLflow: imports it late and without its chatter."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from profl_ray.errors import UserError
from profl_ray.secrecy import masked

_REFUSALS = {"INVALID_PARAMETER_VALUE", "BAD_REQUEST", "RESOURCE_DOES_NOT_EXIST", "PERMISSION_DENIED"}
_SCHEMES = ("sqlite", "http", "https", "postgresql", "mysql", "mssql")


def open_client(uri: str) -> Any:
    """Return an MlflowClient for `uri`."""
    from mlflow import MlflowClient

    # Set after the import, which configures the loggers itself; creating a schema logs some 60 INFO lines.
    for logger in ("mlflow", "alembic"):
        logging.getLogger(logger).setLevel(logging.WARNING)
    return MlflowClient(tracking_uri=uri)


def is_refusal(error: Exception) -> bool:
    """Whether MLflow refused the call itself, and would again; all else may pass."""
    return getattr(error, "error_code", "") in _REFUSALS


def check_scheme(uri: str) -> str:
    """Return `uri` if MLflow can keep runs there, else raise UserError."""
    scheme = uri.partition("://")[0].partition("+")[0] if "://" in uri else ""
    if scheme not in _SCHEMES:
        raise UserError(
            f"tracking.uri={masked(uri)!r} is not an MLflow tracking address: use "
            "sqlite:////absolute/path/mlflow.db or http://host:port (allowed: "
            + ", ".join(f"{name}://" for name in _SCHEMES)
            + ")"
        )
    return uri


def is_http(uri: str) -> bool:
    """Whether `uri` is a server's address."""
    return uri.startswith(("http://", "https://"))


@contextmanager
def impatient() -> Iterator[None]:
    """Let calls to a server fail within about four seconds and without a retry."""
    wanted = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "4", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def reason(error: Exception) -> str:
    """Return the first line of an error, short enough for one line of output."""
    text = masked(str(error)).strip().splitlines()
    return (text[0] if text else type(error).__name__)[:200]
