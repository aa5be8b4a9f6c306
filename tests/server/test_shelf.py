import numpy as np
from safetensors.numpy import load, save

from profl_ray.server.shelf import Shelf
from profl_ray.training import Layout

ROUNDS, HEAD = Layout.of({"rounds": (1,)}), Layout.of({"head": (2, 3)})


def value(*numbers):
    return np.array(numbers, np.float32)


def test_a_device_finds_what_it_kept_and_nothing_of_others():
    shelf = Shelf()
    shelf.put_away({3: {"rounds": value(1)}, 5: {"rounds": value(4), "head": np.ones((2, 3), np.float32)}})
    assert shelf.of(3, ROUNDS)["rounds"] == 1 and shelf.of(4, ROUNDS) == {}
    assert shelf.of(3, HEAD) == {} and shelf.of(5, HEAD).keys() == {"head"}
    shelf.put_away({5: {"rounds": value(5)}})
    assert shelf.of(5, ROUNDS)["rounds"] == 5 and shelf.of(5, HEAD)["head"].shape == (2, 3)
    assert shelf.num_bytes == 4 + 4 + 24


def test_it_lies_in_the_checkpoint_beside_the_strategys_tensors():
    shelf = Shelf()
    shelf.put_away({12: {"rounds": value(2)}, 3: {"rounds": value(1), "a/b": value(7, 8)}})
    stored = load(save(shelf.tensors() | {"units.0.weight": value(1, 2, 3)}))
    back = Shelf()
    back.put_away({99: {"rounds": value(9)}})
    others = back.load(stored)
    assert list(others) == ["units.0.weight"]
    kept = {name: value.tolist() for name, value in back.tensors().items()}
    assert kept == {"device/3/rounds": [1], "device/3/a/b": [7, 8], "device/12/rounds": [2]}
