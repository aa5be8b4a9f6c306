"""What is kept of a sweep beside Tune's own state: `config.yaml` and `sweep.json`."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from profl_ray.config import ExperimentConfig
from profl_ray.config.load import from_yaml, resumed_config, to_yaml
from profl_ray.errors import UserError
from profl_ray.names import kept_name
from profl_ray.secrecy import masked
from profl_ray.server.durable import write_durably
from profl_ray.server.formats import check_format, stamp
from profl_ray.server.run_folder import PLUGINS, keep_plugins
from profl_ray.tuning.request import SweepRequest

TRIALS = "trials"
"""In a sweep's folder: the trials' run folders."""
_FACTS = {"command", "config_sha256", "experiment_id", "options", "parent_run_id", "space", "trials", "uri"}
"""What `sweep.json` holds at least."""


@dataclass(frozen=True)
class Tracked:
    """Where a sweep is tracked."""

    uri: str | None = None
    """None: it is not."""
    experiment_id: str = ""
    parent_run_id: str | None = None
    earlier_run_ids: tuple[str, ...] = ()
    """The sweep's own runs in stores where it was tracked before."""
    command: str = ""
    """With which it was begun."""


def keep_sweep(
    folder: Path,
    request: SweepRequest,
    config: ExperimentConfig,
    tracked: Tracked,
    trials: Sequence[dict[str, Any]] | None = None,
) -> None:
    """Note, in a new folder, what the sweep is begun with; `request` is resolved.

    trials: settings of all trials; None: a search names them as it goes.
    """
    folder.mkdir(parents=True)
    text = to_yaml(config).encode()
    keep_plugins(config, folder)
    write_durably(folder / "config.yaml", text)
    facts = {
        "experiment_id": tracked.experiment_id,
        "parent_run_id": tracked.parent_run_id,
        "uri": masked(tracked.uri) if tracked.uri else None,
        "config_sha256": sha256(text).hexdigest(),
        "options": request.options,
        "command": request.command,
        "trials": trials,
        **stamp(),
        **request.space.identity,
    }
    # Last: with it the sweep is begun.
    write_durably(folder / "sweep.json", json.dumps(facts).encode())


def begun_sweep(
    request: SweepRequest, asked: ExperimentConfig, name: str
) -> tuple[SweepRequest, ExperimentConfig, Tracked]:
    """Return what the sweep `name` resumes with: options and configuration; and where it was tracked so far.

    `asked`: the configuration that is asked for now. Raises UserError if there is no such sweep, if its files
    were changed, or if something is asked for that it was not begun with.
    """
    where = f"--resume {name}"
    folder = asked.storage.root / kept_name("--resume", name, asked.storage.root)
    facts = _facts(folder, where)
    if facts["space"] != request.space.name:
        raise UserError(f"{where}: that sweep is of the space {facts['space']!r}")
    for part, now in request.space.identity.items():
        if facts.get(part) != json.loads(json.dumps(now)):
            raise UserError(f"{where}: its {part} were {json.dumps(facts.get(part))}, now {json.dumps(now)}")
    config = resumed_config(_config(folder, facts, where), asked, request.overrides, where)
    tracked = Tracked(
        facts["uri"],
        facts["experiment_id"] or "",
        facts["parent_run_id"],
        tuple(facts.get("earlier_run_ids", ())),
        facts["command"],
    )
    return _same_options(request, facts["options"], where), config, tracked


def note_tracked(folder: Path, tracked: Tracked) -> None:
    """Note where the sweep in `folder` is tracked from now on."""
    facts = _facts(folder, f"--resume {folder.name}") | {
        "experiment_id": tracked.experiment_id,
        "parent_run_id": tracked.parent_run_id,
        "earlier_run_ids": tracked.earlier_run_ids,
        "uri": masked(tracked.uri) if tracked.uri else None,
    }
    write_durably(folder / "sweep.json", json.dumps(facts).encode())


def planned_trials(folder: Path, where: str) -> list[dict[str, Any]] | None:
    """Return the settings of all trials of a sweep that was begun; None if a search names them as it goes."""
    trials = _facts(folder, where)["trials"]
    if trials is not None and not (isinstance(trials, list) and all(isinstance(t, dict) for t in trials)):
        raise UserError(f"{where}: {folder / 'sweep.json'}: its trials must be a list of settings, or null")
    return trials


def _facts(folder: Path, where: str) -> dict[str, Any]:
    path = folder / "sweep.json"
    try:
        facts = json.loads(path.read_text())
    except FileNotFoundError:
        raise UserError(f"{where}: there is no such sweep in {folder.parent}") from None
    except (OSError, ValueError) as error:
        raise UserError(f"{where}: {path} cannot be read: {error}") from error
    if isinstance(facts, dict) and facts.keys() & _FACTS:
        check_format(f"{where}: {path}", facts)
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
    if sha256(text).hexdigest() != facts["config_sha256"]:
        raise UserError(f"{where}: {path} was changed since the sweep was begun: put it back")
    return from_yaml(text.decode(), source=str(path), copies=folder / PLUGINS)


def _same_options(request: SweepRequest, kept: dict[str, Any], where: str) -> SweepRequest:
    """Return the request with the options that the sweep was begun with: Tune keeps them, too."""
    for option, now in request.options.items():
        before = kept.get(option)
        if now is not None and now != before:
            flag = f"--{option.replace('_', '-')}"
            begun = f"{flag} {before}" if before is not None else f"no {flag}"
            raise UserError(
                f"{where}: the sweep was begun with {begun} and keeps it; {flag} {now} needs a new sweep"
            )
    begun_with: dict[str, Any] = {option: kept.get(option) for option in request.options}
    return replace(request, **begun_with)
