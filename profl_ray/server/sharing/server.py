"""A server that replays rounds which some run has trained already, and keeps those that it trains itself."""

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from profl_ray.config import ExperimentConfig
from profl_ray.server.checkpoint import Snapshot
from profl_ray.server.experiment import Experiment
from profl_ray.server.figures import round_figures
from profl_ray.server.ledger import Ledger
from profl_ray.server.ports import Fleet
from profl_ray.server.record import RoundRecord
from profl_ray.server.rounds import Server
from profl_ray.server.sharing.key import PathKeys
from profl_ray.server.sharing.store import MIB, Entry, RoundStore
from profl_ray.strategies import Progress, find_strategy
from profl_ray.strategies.paced import PacedStrategy

MOST_ROUNDS_BETWEEN_STATES = 10
PATIENCE_SECONDS = 0.2
BEGIN = "state-begin"
REPLAYED = "replayed/"
"""How the names of a snapshot's followed scalars of replayed rounds begin."""


def shares_rounds(config: ExperimentConfig) -> bool:
    """Whether an experiment's rounds can be shared: the method is paced by a rule, and training is exact."""
    paced = issubclass(find_strategy(config.strategy.name), PacedStrategy)
    return paced and config.storage.share_rounds is True and config.fleet.accelerator == "cpu"


class SharingServer:
    """Plays the rounds of one run through a server of its own, but for those that it finds played.

    Between true states (*anchors*) it may know a round only by its entry: then the strategy's step and
    history are right and its weights are those of the anchor.
    """

    def __init__(self, experiment: Experiment, fleet: Fleet, folder: Path) -> None:
        self.server = Server(experiment, fleet)
        self.config = experiment.config
        assert isinstance(self.server.strategy, PacedStrategy)
        self.strategy: PacedStrategy = self.server.strategy
        self.keys = PathKeys(experiment, self.strategy)
        self.folder = folder
        self.rounds_shared = 0
        """Rounds that it took from other runs."""
        self.branched = False
        """Whether it resumes from a state that came about otherwise than it would here and now."""
        self._open_store()
        self._set_anchor()

    @property
    def finished(self) -> bool:
        """Whether the strategy's last step has ended."""
        return self.server.finished

    @property
    def ledger(self) -> Ledger:
        """What the run has counted, its shared rounds included."""
        return self.server.ledger

    @property
    def rounds_trained(self) -> int:
        """Rounds whose devices this run trained, those that it trained again included."""
        return self.server.rounds_trained

    # The round.

    def play_round(self) -> RoundRecord:
        """Replay the round if another run has trained it; else train it, as the one that leads this path."""
        while True:
            entry = self.store.read(self._path(), self._step_round())
            record = None if entry is None else self._replay(entry)
            if record is not None:
                return record
            if self.store.lead(self._to_lead(entry), PATIENCE_SECONDS):
                # Another one may have trained it, and left, since we looked.
                entry = self.store.read(self._path(), self._step_round())
                record = None if entry is None else self._replay(entry)
                return record or self._train_round()

    def _to_lead(self, entry: Entry | None) -> str:
        """Return where one alone should train: on the path, or where our step ends and others' continued."""
        return self._path() if entry is None else f"{self._path()}-{self._step_round()}"

    def _train_round(self) -> RoundRecord:
        self._catch_up()
        path, step_round = self._path(), self._step_round()
        played = self.server.train_round()
        # What the round gave, before the rule's decision is carried out.
        merged, scalars = self.server.state(), self.strategy.pace.newest()
        record = self.server.end_round(played)
        # The entry last: a run that finds it continues from the states, or would train the step again.
        if record.step_ended or step_round % _rounds_between(merged) == 0:
            self.store.write_state(path, _state_name(step_round), merged)
        if record.step_ended:
            self.store.write_state(self._path(), BEGIN, self.server.state())
        # The rule's own figures are those of the run that replays the round.
        shared = replace(record, figures=played.figures)
        self.store.write(path, step_round, Entry(shared.to_json(), self.ledger.to_json(), scalars))
        if record.step_ended:
            self.store.leave()
        self._set_anchor()
        return record

    def _replay(self, entry: Entry) -> RoundRecord | None:
        """Play the round by its entry; None if that does not do, and it has to be trained."""
        record, step_round = RoundRecord.from_json(entry.record), self._step_round()
        history = list(self.strategy.pace.snapshots)
        self.strategy.pace.take(entry.scalars)
        progress = self.strategy.progress()
        evaluated = progress.step_ended or step_round % self.config.evaluation.every_rounds == 0
        ledger = Ledger.from_json(entry.ledger)
        possible = (record.test_accuracy is not None or not evaluated) and (
            ledger.step_merges > 0 or not progress.step_ended
        )
        if possible and progress.step_ended:
            possible = self._enter_next_step(step_round, progress)
        elif possible:
            self.strategy.advance(progress)
            self._replayed.append(entry.scalars)
        if not possible:
            self.strategy.pace.snapshots = history
            return None
        self.server.ledger = ledger
        self.rounds_shared += 1
        if not self._replayed:  # A true state was loaded.
            self._anchor_counts = self._counts()
        return replace(
            record,
            step_ended=progress.step_ended,
            end_reason=progress.end_reason,
            units_grown=self.strategy.units_grown,
            test_accuracy=record.test_accuracy if evaluated else None,
            test_loss=record.test_loss if evaluated else None,
            test_recalls=record.test_recalls if evaluated else None,
            figures=round_figures(self.strategy.name, progress.figures) | record.figures,
            seconds=0.0,
        )

    def _enter_next_step(self, step_round: int, progress: Progress) -> bool:
        """Go to the beginning of the next step, if it is kept, or the state of this round is."""
        lengths = [*self.strategy.step_lengths, step_round]
        if (begin := self.store.read_state(self._path_after(lengths), BEGIN)) is not None:
            self._load(begin)
        elif (before := self.store.read_state(self._path(), _state_name(step_round))) is not None:
            history = list(self.strategy.pace.snapshots)
            self.server.load(before)
            self.strategy.pace.snapshots = history
            self.strategy.advance(progress)
            self.store.write_state(self._path(), BEGIN, self.server.state())
            self._set_anchor()
        else:
            return False
        self.store.leave()
        return True

    # True states.

    def _open_store(self) -> None:
        limit_mib = self.config.storage.shared_rounds_mib
        self.store = RoundStore(self.folder, self.keys.base, limit_mib)

    def snapshot(self) -> Snapshot:
        """Return everything needed to resume after the last round.

        That is the anchor, from which any server resumes, and apart from it what was replayed since.
        """
        since = {
            "key": self.keys.own,
            "base": self.keys.base,
            "num_replayed": len(self._replayed),
            "counts": self._counts(),
        }
        tensors = dict(self._anchor.tensors)
        for number, scalars in enumerate(self._replayed):
            if scalars is not None:
                tensors[f"{REPLAYED}{number}"] = scalars
        return Snapshot(tensors, self._anchor.facts | self._anchor_counts | {"since": since})

    def restore(self, snapshot: Snapshot) -> None:
        """Resume from a snapshot.

        Replayed rounds stand only if they would be trained alike here and now; else the run resumes from the
        anchor, on paths of its own, so that its rounds are never taken for those of another run.
        """
        own = {name: value for name, value in snapshot.tensors.items() if not name.startswith(REPLAYED)}
        self.server.load(Snapshot(own, snapshot.facts))
        self._take_counts(snapshot.facts)
        self._set_anchor()
        since = snapshot.facts.get("since", {})
        if since.get("key") != self.keys.own:
            self.branched = True
            self.keys.branch(self._anchor)
            self._open_store()
            return
        self.keys.base = since["base"]
        self._open_store()
        for number in range(since["num_replayed"]):
            scalars = snapshot.tensors.get(f"{REPLAYED}{number}")
            self.strategy.pace.take(scalars)
            self.strategy.advance(Progress())
            self._replayed.append(scalars)
        self._take_counts(since["counts"])

    def close(self) -> None:
        """Let others train on the path that this run led."""
        self.store.leave()

    def _catch_up(self) -> None:
        """Make the weights those of the last round: load the nearest kept state, train what lies between."""
        missing, history = list(self._replayed), list(self._anchor_history)
        if not missing:
            return
        first = self._step_round() - len(missing)
        begin = 0
        for count in range(len(missing), 0, -1):
            state = self.store.read_state(self._path(), _state_name(first + count - 1))
            if state is not None:
                self._load(state)
                self.strategy.advance(Progress())
                begin = count
                break
        else:
            self._load(Snapshot(self._anchor.tensors, self._anchor.facts))
        self.strategy.pace.snapshots = history + [s for s in missing[:begin] if s is not None]
        for scalars in missing[begin:]:
            training = self.server.do(self.strategy.plan())
            self.strategy.merge(training.result.sums, training.result.told)
            found = self.strategy.pace.newest()
            assert (found is None) == (scalars is None), "a shared round was trained otherwise than before"
            assert found is None or scalars is None or np.array_equal(found, scalars, equal_nan=True)
            self.strategy.advance(Progress())
            self.server.rounds_trained += 1
        self._set_anchor()

    def _load(self, state: Snapshot) -> None:
        self.server.load(state)
        self._set_anchor()

    def _set_anchor(self) -> None:
        self._anchor = self.server.state()
        self._anchor_counts = self._counts()
        self._anchor_history = [] if self.finished else list(self.strategy.pace.snapshots)
        self._replayed: list[np.ndarray | None] = []

    def _counts(self) -> dict[str, Any]:
        return self.server.counts() | {"rounds_shared": self.rounds_shared}

    def _take_counts(self, counts: Mapping[str, Any]) -> None:
        self.server.take_counts(counts)
        self.rounds_shared = counts.get("rounds_shared", 0)

    # Where the run is.

    def _path(self) -> str:
        return self._path_after(self.strategy.step_lengths)

    def _path_after(self, lengths: list[int]) -> str:
        steps = self.strategy.steps
        return self.keys.path(steps[min(len(lengths), len(steps) - 1)], lengths)

    def _step_round(self) -> int:
        return self.strategy.pace.rounds_done + 1


def _state_name(step_round: int) -> str:
    """Return the name of the state after a round of the step, before the rule's decision is carried out."""
    return f"state-{step_round:06d}"


def _rounds_between(state: Snapshot) -> int:
    """Return after how many rounds of a step a state is kept: rarely where states are large."""
    size_mib = sum(tensor.nbytes for tensor in state.tensors.values()) / MIB
    return min(MOST_ROUNDS_BETWEEN_STATES, math.ceil(size_mib))
