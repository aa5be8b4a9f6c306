import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from profl_ray.errors import UserError
from profl_ray.server import checkpoint as checkpoint_module
from profl_ray.server.checkpoint import (
    FACTS,
    TENSORS,
    Snapshot,
    fill_checkpoint,
    read_checkpoint,
    weights_sha256,
    write_checkpoint,
)

OLD = Snapshot({"weights/a": np.arange(6, dtype=np.float32).reshape(2, 3)}, {"ledger": {"rounds": 1}})
NEW = Snapshot({"weights/a": np.ones((2, 3), np.float32)}, {"ledger": {"rounds": 2}})

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
TENSOR = hnp.arrays(
    np.float32, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3), elements=st.floats(width=32)
)
NAMES = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1)


def assert_same(first, second):
    assert first.facts == second.facts
    assert first.tensors.keys() == second.tensors.keys()
    for name, value in first.tensors.items():
        assert value.dtype == second.tensors[name].dtype and value.shape == second.tensors[name].shape
        assert value.tobytes() == second.tensors[name].tobytes()


@given(st.dictionaries(NAMES, TENSOR, max_size=4), st.dictionaries(st.text(), JSON, max_size=4))
def test_a_snapshot_survives_the_disk_bit_for_bit(tmp_path_factory, tensors, facts):
    folder = tmp_path_factory.mktemp("checkpoint")
    snapshot = Snapshot(tensors, facts)
    fill_checkpoint(folder, snapshot)
    assert_same(read_checkpoint(folder), snapshot)


def test_views_and_transposes_are_written_as_they_look(tmp_path):
    base = np.arange(24, dtype=np.float32)
    snapshot = Snapshot({"view": base[4:10].reshape(2, 3), "turned": base.reshape(4, 6).T}, {})
    write_checkpoint(tmp_path / "one", snapshot)
    back = read_checkpoint(tmp_path / "one")
    for name, value in snapshot.tensors.items():
        np.testing.assert_array_equal(back.tensors[name], value)


def test_a_later_snapshot_replaces_the_earlier_and_nothing_else_is_left(tmp_path):
    folder = tmp_path / "deep" / "one"
    write_checkpoint(folder, OLD)
    write_checkpoint(folder, NEW)
    assert_same(read_checkpoint(folder), NEW)
    assert list(folder.parent.iterdir()) == [folder]
    assert sorted(path.name for path in folder.iterdir()) == sorted([TENSORS, FACTS])


@pytest.mark.parametrize("fails", ["os.fsync", "pathlib.Path.rename"])
def test_a_failure_while_writing_leaves_the_old_one(tmp_path, monkeypatch, fails):
    """Disk full while tensors or facts are written; failing to put the folder in place leaves no torn one."""
    folder = tmp_path / "one"
    write_checkpoint(folder, OLD)

    def fail(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(fails, fail)
        with pytest.raises(OSError, match="No space left") as caught:
            write_checkpoint(folder, NEW)
    assert str(tmp_path) in str(caught.value), "the file is named"
    if not fails.endswith("rename"):
        assert_same(read_checkpoint(folder), OLD)
        assert list(tmp_path.iterdir()) == [folder]
    else:
        assert not folder.exists() and not list(tmp_path.iterdir())


def test_a_kill_while_writing_leaves_the_old_one(tmp_path, monkeypatch):
    """After SIGKILL nothing is tidied up: half a folder lies beside, under another name."""
    folder = tmp_path / "one"
    write_checkpoint(folder, OLD)
    aside = tmp_path / ".one.abc"
    aside.mkdir()
    (aside / TENSORS).write_bytes(b"half")
    assert_same(read_checkpoint(folder), OLD)
    assert sorted(tmp_path.glob("one*")) == [folder]


def spoil(file, change):
    path, data = file, file.read_bytes()
    path.write_bytes(change(data))


DAMAGE = {
    "missing": (lambda f: [path.unlink() for path in f.iterdir()], "cannot be read"),
    "no facts": (lambda f: (f / FACTS).unlink(), "cannot be read"),
    "no tensors": (lambda f: (f / TENSORS).unlink(), "cannot be read"),
    "torn tensors": (lambda f: spoil(f / TENSORS, lambda data: data[:-3]), "checksum"),
    "one bit": (lambda f: spoil(f / TENSORS, lambda d: d[:-1] + bytes([d[-1] ^ 1])), "checksum"),
    "changed facts": (
        lambda f: spoil(f / FACTS, lambda data: data.replace(b"rounds", b"sounds")),
        "its facts do not match their checksum",
    ),
    "torn facts": (lambda f: spoil(f / FACTS, lambda data: data[:20]), "cannot be read"),
    "empty facts": (lambda f: (f / FACTS).write_text(""), "cannot be read"),
    "bytes for facts": (lambda f: (f / FACTS).write_bytes(b"\xff\xfe\x00"), "cannot be read"),
    "a list": (lambda f: (f / FACTS).write_text("[1]"), "cannot be read"),
    "foreign": (lambda f: (f / FACTS).write_text('{"name": "something else"}'), "cannot be read"),
    "another format": (
        lambda f: (f / FACTS).write_text(json.dumps(json.loads((f / FACTS).read_text()) | {"format": 99})),
        "has format 99, written by profl-ray 0.1.0 at ",
    ),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_what_cannot_be_read_is_told_in_one_line(tmp_path, damage):
    folder = tmp_path / "round-000003"
    write_checkpoint(folder, OLD)
    spoiled, words = DAMAGE[damage]
    spoiled(folder)
    with pytest.raises(UserError) as caught:
        read_checkpoint(folder)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    assert str(folder) in message and words in message


def test_tensors_that_are_no_tensors_are_told_although_the_checksum_agrees(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint_module, "save", lambda _tensors: b"not safetensors")
    write_checkpoint(tmp_path / "one", OLD)
    with pytest.raises(UserError, match="cannot be read"):
        read_checkpoint(tmp_path / "one")


def test_the_digest_depends_on_names_shapes_and_values_but_not_on_the_order():
    a, b = np.arange(6, dtype=np.float32), np.ones(2, np.float32)
    digest = weights_sha256({"a": a, "b": b})
    assert digest == weights_sha256({"b": b, "a": a})
    others = [{"a": a}, {"a": a, "c": b}, {"a": a.reshape(2, 3), "b": b}, {"a": a + 1e-6, "b": b}]
    others.append({"a": a.astype(np.float64), "b": b})
    assert len({digest, *map(weights_sha256, others)}) == 1 + len(others)


def test_the_digest_sees_values_not_memory():
    a = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert weights_sha256({"a": a}) == weights_sha256({"a": np.asfortranarray(a)})
