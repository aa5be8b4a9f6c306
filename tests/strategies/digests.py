"""What every strategy trains, as digests: the gate of every change that should move no bit.

`python -m tests.strategies.digests` plays all cases and writes digests.json anew for this type of machine.
"""

import json
from hashlib import sha256
from pathlib import Path

from profl_ray.provenance import machine_type
from profl_ray.server.checkpoint import weights_sha256

from .play import CASES, Trace, trace

PLACE = Path(__file__).with_name("digests.json")


def digests_of(run: Trace) -> dict[str, str]:
    """Return the digests of the complete weights and of all that the records say but the time."""
    rounds = [{**record.to_json(), "seconds": None} for record in run.records]
    return {
        "weights": weights_sha256(run.server.strategy.complete_weights()),
        "rounds": sha256(json.dumps(rounds, sort_keys=True).encode()).hexdigest(),
    }


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
