"""What is kept of a sweep beside Tune's own state: `config.yaml` and `sweep.json`."""

import json
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from profl_ray.config import ExperimentConfig
from profl_ray.config.load import from_yaml, resumed_config, to_yaml
from profl_ray.errors import UserError
from profl_ray.secrecy import masked, plain_name
from profl_ray.server.durable import write_durably
from profl_ray.tracking import resolve_uri
from profl_ray.tuning.request import SweepRequest

TRIALS = "trials"
"""In a sweep's folder: the trials' run folders."""
_FACTS = {"experiment_id", "parent_run_id", "uri", "space"}
"""What `sweep.json` holds at least."""


@dataclass(frozen=True)
class Tracked:
    """Where a sweep is tracked."""

    uri: str | None = None
    """None: it is not."""
    experiment_id: str = ""
    parent_run_id: str | None = None


def keep_sweep(folder: Path, request: SweepRequest, config: ExperimentConfig, tracked: Tracked) -> None:
    """Note, in a new folder, what the sweep is begun with; `request` is resolved."""
    folder.mkdir(parents=True)
    text = to_yaml(config).encode()
    write_durably(folder / "config.yaml", text)
    facts = {
        "experiment_id": tracked.experiment_id,
        "parent_run_id": tracked.parent_run_id,
        "uri": masked(tracked.uri) if tracked.uri else None,
        "config_sha256": sha256(text).hexdigest(),
        "options": request.options,
        **request.space.identity,
    }
    # Last: with it the sweep is begun.
    write_durably(folder / "sweep.json", json.dumps(facts).encode())


def begun_sweep(
    request: SweepRequest, asked: ExperimentConfig, name: str
) -> tuple[SweepRequest, ExperimentConfig, Tracked]:
    """Return what the sweep `name` goes on with: its options, its configuration and where it is tracked.

    `asked`: the configuration that is asked for now. Raises UserError if there is no such sweep, if its files
    were changed, or if something is asked for that it was not begun with.
    """
    where = f"--resume {name}"
    folder = asked.storage.root / plain_name("--resume", name)
    facts = _facts(folder, where)
    if facts["space"] != request.space.name:
        raise UserError(f"{where}: that sweep is of the space {facts['space']!r}")
    for part, now in request.space.identity.items():
        if facts.get(part) != json.loads(json.dumps(now)):
            raise UserError(f"{where}: its {part} were {json.dumps(facts.get(part))}, now {json.dumps(now)}")
    if not (folder / "tune").exists():
        raise UserError(f"{where}: it was interrupted before its first trial; start it anew")
    config = resumed_config(_config(folder, facts, where), asked, request.overrides, where)
    tracked = Tracked(
        _same_uri(config, facts["uri"], where), facts["experiment_id"] or "", facts["parent_run_id"]
    )
    return _same_options(request, facts.get("options", {}), where), config, tracked


def _facts(folder: Path, where: str) -> dict[str, Any]:
    path = folder / "sweep.json"
    try:
        facts = json.loads(path.read_text())
    except FileNotFoundError:
        raise UserError(f"{where}: there is no such sweep in {folder.parent}") from None
    except (OSError, ValueError) as error:
        raise UserError(f"{where}: {path} cannot be read: {error}") from error
    if not isinstance(facts, dict) or not facts.keys() >= _FACTS:
        raise UserError(
            f"{where}: {path} was not written by this program: it must hold {', '.join(sorted(_FACTS))}"
        )
    return facts


def _config(folder: Path, facts: dict[str, Any], where: str) -> ExperimentConfig:
    path = folder / "config.yaml"
    try:
        text = path.read_bytes()
    except OSError as error:
        raise UserError(f"{where}: {path}: {error.strerror}") from error
    digest = sha256(text).hexdigest()
    if facts.get("config_sha256", digest) != digest:
        raise UserError(f"{where}: {path} was changed since the sweep was begun: put it back")
    return from_yaml(text.decode(), source=str(path))


def _same_options(request: SweepRequest, kept: dict[str, Any], where: str) -> SweepRequest:
    """Return the request with the options that the sweep was begun with: Tune keeps them, too."""
    if not kept:  # Sweeps begun before their options were kept take those of today.
        return request.resolved()
    for option, now in request.options.items():
        before = kept.get(option)
        if now is not None and now != before:
            flag = f"--{option.replace('_', '-')}"
            begun = f"{flag} {before}" if before is not None else f"no {flag}"
            raise UserError(
                f"{where}: the sweep was begun with {begun} and goes on with it; "
                f"{flag} {now} needs a new sweep"
            )
    begun_with: dict[str, Any] = {option: kept.get(option) for option in request.options}
    return replace(request, **begun_with)


def _same_uri(config: ExperimentConfig, kept: str | None, where: str) -> str | None:
    """Return the tracking URI that the sweep was begun with; its password was not kept."""
    if kept is None or kept == masked(kept):
        return kept
    now = resolve_uri(config)
    if masked(now) != kept:
        raise UserError(
            f"{where}: it is tracked in {kept}, now MLFLOW_TRACKING_URI is {masked(now)}: set it as before"
        )
    return now
