"""What every strategy trains, as digests: the gate of every change that should move no bit.

`python -m tests.strategies.digests` plays all cases and writes digests.json anew for this type of machine.
"""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

from profl_ray.provenance import machine_type
from profl_ray.server.checkpoint import weights_sha256
from profl_ray.server.record import RoundRecord

from .play import CASES, Trace, trace

PLACE = Path(__file__).with_name("digests.json")


def digests_of(run: Trace) -> dict[str, str]:
    """Return the digests of the complete weights, and of the records but for times and measured peaks."""
    rounds = [_values(record) for record in run.records]
    return {
        "weights": weights_sha256(run.server.strategy.complete_weights()),
        "rounds": sha256(json.dumps(rounds, sort_keys=True).encode()).hexdigest(),
    }


def _values(record: RoundRecord) -> dict[str, Any]:
    """Return what was recorded when the digests were: the rule's figures beside the others, no recalls.

    The measured peak is the profiler's: at times it differs by some dozen bytes.
    """
    values = record.to_json() | {"seconds": None, "measured_peak_mib": None}
    figures, rule = values.pop("figures"), ("effective_movement", "slope")
    assert set(figures) <= set(rule), "a figure that no digest covers"
    del values["test_recalls"], values["compares"]
    return values | {name: figures.get(name) for name in rule}


def recorded() -> dict[str, dict[str, str]] | None:
    """Return the digests of each case on this type of machine; None: none were recorded on one like it."""
    found: dict[str, dict[str, dict[str, str]]] = json.loads(PLACE.read_text())
    return found.get(machine_type())


def record() -> None:
    """Play all cases and write their digests down."""
    digests = json.loads(PLACE.read_text()) if PLACE.exists() else {}
    digests[machine_type()] = {case: digests_of(trace(case)) for case in CASES}
    PLACE.write_text(json.dumps(digests, indent=1) + "\n")


if __name__ == "__main__":
    record()
