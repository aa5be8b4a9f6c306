"""Whatever is shared, replayed, pruned, spoilt or interrupted: the same run as alone, bit for bit."""

import shutil
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from profl_ray.errors import UserError
from profl_ray.server.rounds import Server
from profl_ray.server.sharing import server as sharing_module
from profl_ray.server.sharing import shares_rounds

from .kit import DriftingFleet, alone, digest, make_experiment, play, shared_server

RULES = st.fixed_dictionaries(
    {
        "freezing.phi": st.sampled_from([0.01, 0.5, 2.0, 8.0, 30.0]),
        "freezing.window_rounds": st.integers(1, 3),
        "freezing.fit_rounds": st.integers(2, 3),
        "freezing.patience_rounds": st.integers(1, 3),
        "freezing.min_rounds": st.integers(1, 3),
        "freezing.max_rounds": st.integers(3, 9),
        "freezing.name": st.sampled_from(["effective_movement", "fixed_rounds"]),
        "freezing.rounds": st.integers(1, 9),
        "strategy.profl.initialisation": st.sampled_from(["carry", "corresponding"]),
        "strategy.profl.grow_learning_rate": st.sampled_from(["null", "0.01"]),
        "strategy.profl.grow_frozen_bn": st.sampled_from(["batch", "eval"]),
    }
)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


def overrides(rule):
    return [f"{key}={value}" for key, value in rule.items()]


@settings(max_examples=20)
@given(st.lists(RULES, min_size=2, max_size=4), st.data())
def test_any_runs_after_one_another_are_as_alone(root, tmp_path_factory, rules, data):
    folder = tmp_path_factory.mktemp("rounds")
    between = data.draw(st.integers(1, 4), label="rounds between states")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sharing_module, "_rounds_between", lambda state: between)
        for rule in rules:
            experiment = make_experiment(root, *overrides(rule))
            server = shared_server(experiment, folder)
            records = play(server, data.draw(st.integers(0, 40), label="interrupted after"))
            if not server.finished:
                # It is resumed in another process, from what was saved.
                snapshot = server.snapshot()
                server.close()
                if data.draw(st.booleans(), label="shared rounds are gone"):
                    shutil.rmtree(folder, ignore_errors=True)
                server = shared_server(experiment, folder)
                server.restore(snapshot)
                records += play(server)
            server.close()
            assert (records, digest(server)) == alone(experiment)


def test_the_same_run_again_trains_nothing(root, tmp_path):
    experiment = make_experiment(root)
    first = shared_server(experiment, tmp_path)
    records = play(first)
    assert (first.rounds_trained, first.rounds_shared) == (len(records), 0)
    again = shared_server(experiment, tmp_path)
    assert play(again) == records and digest(again) == digest(first)
    assert (again.rounds_trained, again.rounds_shared) == (0, len(records))


@pytest.mark.parametrize(
    ("late", "before"),
    [
        ("grow_learning_rate=0.003", "grow 1"),
        # Nothing is frozen in the first growing step, and there is no output module to take back.
        ("initialisation=corresponding", "grow 2"),
        ("grow_frozen_bn=eval", "grow 2"),
    ],
)
def test_settings_of_the_growing_stage_share_all_before_they_matter(root, tmp_path, late, before):
    first = shared_server(make_experiment(root, "strategy.profl.initialisation=carry"), tmp_path)
    steps = [record.step for record in play(first)]
    num_shared = steps.index(before)
    options = ("strategy.profl.initialisation=carry", f"strategy.profl.{late}")
    experiment = make_experiment(root, *options)
    server = shared_server(experiment, tmp_path)
    records = play(server)
    assert server.rounds_shared == num_shared > 0
    assert server.rounds_trained == len(records) - num_shared
    assert (records, digest(server)) == alone(experiment)


def test_a_longer_run_contains_a_shorter_one(root, tmp_path):
    options = ("freezing.name=fixed_rounds", "freezing.max_rounds=20", "freezing.max_shrink_rounds=4")
    short = shared_server(make_experiment(root, *options, "freezing.rounds=6"), tmp_path)
    play(short)
    experiment = make_experiment(root, *options, "freezing.rounds=9")
    longer = shared_server(experiment, tmp_path)
    records = play(longer)
    assert (records, digest(longer)) == alone(experiment)
    # Shrinking, Map and the first six rounds of growing step 1 are there.
    assert longer.rounds_shared == 4 + 2 + 6


@pytest.mark.parametrize("change", ["seed=8", "training.learning_rate=0.04", "fleet.cohort_groups=4"])
def test_what_matters_from_the_start_shares_nothing(root, tmp_path, change):
    play(shared_server(make_experiment(root), tmp_path))
    other = shared_server(make_experiment(root, change), tmp_path)
    play(other, 3)
    assert other.rounds_shared == 0
    other.close()


@pytest.mark.parametrize(
    "change", ["fleet.num_actors=3", "storage.checkpoint_every_rounds=5", "strategy.rounds=7"]
)
def test_what_never_matters_shares_everything(root, tmp_path, change):
    play(shared_server(make_experiment(root), tmp_path))
    other = shared_server(make_experiment(root, change), tmp_path)
    play(other)
    assert other.rounds_trained == 0


def test_other_data_share_nothing(root, tmp_path):
    experiment = make_experiment(root)
    play(shared_server(experiment, tmp_path))
    images = experiment.data.train_inputs.copy()
    images[0, 0, 0, 0] += 1
    changed = replace(experiment, data=replace(experiment.data, train_inputs=images))
    server = shared_server(changed, tmp_path)
    play(server, 2)
    assert server.rounds_shared == 0
    server.close()


def test_rare_evaluations_are_those_of_a_run_alone(root, tmp_path):
    """A step that ends where another continued was not evaluated there: the round is trained again."""
    options = ("evaluation.every_rounds=4", "freezing.name=fixed_rounds", "freezing.max_rounds=20")
    play(shared_server(make_experiment(root, *options, "freezing.rounds=7"), tmp_path))
    experiment = make_experiment(root, *options, "freezing.rounds=5")
    server = shared_server(experiment, tmp_path)
    records = play(server)
    assert (records, digest(server)) == alone(experiment)
    assert server.rounds_shared > 0


def test_spoilt_entries_and_states_are_trained_again(root, tmp_path):
    experiment = make_experiment(root)
    play(shared_server(experiment, tmp_path))
    for number, path in enumerate(sorted(tmp_path.glob("*/*/round-*"))):
        if number % 3 == 0:
            path.write_bytes(path.read_bytes()[:-7] + b"\x01\x02\x03\x04\x05\x06\x07")
    for number, path in enumerate(sorted(tmp_path.glob("*/*/state-*/tensors.safetensors"))):
        if number % 2 == 0:
            path.write_bytes(b"rubbish")
    server = shared_server(experiment, tmp_path)
    assert (play(server), digest(server)) == alone(experiment)
    assert server.rounds_trained > 0 and server.rounds_shared > 0


def test_one_leads_and_the_other_waits_and_takes_over(root, tmp_path, monkeypatch):
    monkeypatch.setattr(sharing_module, "PATIENCE_SECONDS", 0.0)
    experiment = make_experiment(root)
    leader, other = (shared_server(experiment, tmp_path) for _ in range(2))
    play(leader, 2)
    assert play(other, 2) and other.rounds_trained == 0
    assert not other.store.lead(other._path(), 0.0), "the leader may train the next round"
    play(leader, 1)
    play(other, 1)
    assert other.rounds_trained == 0
    leader.close()  # stopped, or dead
    records = play(other)
    assert other.rounds_trained > 0
    expected, weights = alone(experiment)
    assert digest(other) == weights and records == expected[3:]


def test_a_run_that_finds_an_entry_finds_the_state_to_continue_from(root, tmp_path, monkeypatch):
    """A follower that looks as soon as a round is there, at a step's end above all, trains nothing."""
    leader, follower = (shared_server(make_experiment(root), tmp_path) for _ in range(2))
    write = leader.store.write

    def write_and_be_followed(*arguments):
        write(*arguments)
        play(follower, 1)

    monkeypatch.setattr(leader.store, "write", write_and_be_followed)
    assert len(play(leader)) == follower.rounds_shared and follower.finished
    assert follower.rounds_trained == 0 and digest(follower) == digest(leader)


def test_a_limit_removes_the_states_that_were_not_used_for_longest(root, tmp_path):
    experiment = make_experiment(root, "storage.shared_rounds_mib=0.5")
    server = shared_server(experiment, tmp_path)
    records = play(server)
    size = sum(f.stat().st_size for f in tmp_path.glob("*/*/state-*/*"))
    assert 0 < size <= 0.5 * 2**20
    again = shared_server(experiment, tmp_path)
    assert play(again) == records and digest(again) == digest(server)


def test_a_snapshot_among_shared_rounds_holds_the_last_true_state_for_any_server(root, tmp_path):
    experiment = make_experiment(root)
    play(shared_server(experiment, tmp_path))
    server = shared_server(experiment, tmp_path)
    replayed = play(server, 2)
    assert server.rounds_shared == 2
    plain = Server(experiment, DriftingFleet(experiment))
    plain.restore(server.snapshot())
    stands_at = plain.ledger.rounds
    assert (stands_at, plain.rounds_shared) == (0, 0)
    assert (replayed[:stands_at] + play(plain), digest(plain)) == alone(experiment)


@pytest.mark.parametrize("num_replayed", [0, 2, 7])
def test_replayed_rounds_of_other_settings_are_trained_again(root, tmp_path, num_replayed):
    before, now = make_experiment(root), make_experiment(root, "fleet.overhead_mib=65")
    play(shared_server(before, tmp_path))
    server = shared_server(before, tmp_path)
    records = play(server, num_replayed)
    resumed = shared_server(now, tmp_path)
    resumed.restore(server.snapshot())
    stands_at = resumed.ledger.rounds
    assert stands_at <= num_replayed and resumed.rounds_shared == stands_at
    # It stands at the beginning of the step, which is a true state.
    assert stands_at == max([0, *(record.round for record in records if record.step_ended)])
    assert (records[:stands_at] + play(resumed), digest(resumed)) == alone(now)


def test_a_run_that_went_on_under_other_settings_gives_nothing_to_runs_of_either(root, tmp_path):
    before, now = make_experiment(root), make_experiment(root, "fleet.overhead_mib=65")
    # What the setting changes: devices fail under one of them.
    first = shared_server(before, tmp_path, DriftingFleet(before, failing=range(6)))
    play(first, 3)
    first.close()
    mixed = shared_server(now, tmp_path)
    mixed.restore(first.snapshot())
    snapshots = []
    while not mixed.finished:
        mixed.play_round()
        snapshots.append(mixed.snapshot())
    assert mixed.rounds_trained > 3
    fresh = shared_server(now, tmp_path)
    assert (play(fresh), digest(fresh)) == alone(now) and fresh.rounds_shared == 0
    assert digest(fresh) != digest(mixed)
    # The mixed run itself continues among its own rounds.
    again = shared_server(now, tmp_path)
    again.restore(snapshots[0])
    assert again.ledger.rounds == 4
    play(again)
    assert digest(again) == digest(mixed) and again.rounds_shared == len(snapshots) - 1


def test_a_run_begun_without_sharing_resumes_with_it(root, tmp_path):
    experiment = make_experiment(root)
    plain = Server(experiment, DriftingFleet(experiment))
    records = play(plain, 3)
    server = shared_server(experiment, tmp_path)
    server.restore(plain.snapshot())
    assert (records + play(server), digest(server)) == alone(experiment)


def test_who_shares(root):
    assert shares_rounds(make_experiment(root).config)
    assert shares_rounds(make_experiment(root, "strategy.name=smartfreeze").config)
    assert not shares_rounds(make_experiment(root, "strategy.name=fedavg").config)
    assert not shares_rounds(make_experiment(root, "storage.share_rounds=false").config)


def test_a_step_in_which_no_device_trained_ends_the_run_here_too(root, tmp_path):
    experiment = make_experiment(root)
    for _ in range(2):
        server = shared_server(experiment, tmp_path, DriftingFleet(experiment, failing=range(8)))
        with pytest.raises(UserError, match="no device's update was merged"):
            play(server)
        server.close()
