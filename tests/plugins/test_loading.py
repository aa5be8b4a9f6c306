"""What a reference names, and every way in which it may not be there."""

import pickle
import sys

import pytest

from profl_ray.errors import UserError
from profl_ray.federation.data_sets import find_data_set, load_data
from profl_ray.federation.partitioners import find_partitioner
from profl_ray.models import find_family
from profl_ray.plugins import absolute, carried, digest_of, identity, load, source
from profl_ray.sections import DataConfig
from profl_ray.strategies import find_strategy
from tune_spaces import find_space


def told(find, reference):
    with pytest.raises(UserError) as error:
        find(reference)
    text = str(error.value)
    assert "\n" not in text
    return text


def test_all_five_kinds_are_found_in_files(here):
    assert find_strategy("./mine.py:Mine").name == "mine"
    assert find_family("./others.py:Wide").stages
    assert find_data_set("others.py:few")(DataConfig()).num_classes == 10
    assert find_partitioner("./others.py:blocks").__name__ == "blocks"
    assert find_space("./my_space.py").name == find_space("my_space.py:my_space").name == "my_space"


def test_a_class_is_the_same_wherever_it_is_named_from(here):
    one, other = find_strategy("./mine.py:Mine"), find_strategy(f"{here}/mine.py:Mine")
    assert one is other and pickle.loads(pickle.dumps(one)) is one


def test_an_edited_file_is_another_module(here):
    before, digest = load("./mine.py:Mine", "x"), digest_of("./mine.py:Mine")
    (here / "mine.py").write_text((here / "mine.py").read_text() + "\nMORE = 1\n")
    assert load("./mine.py:Mine", "x") is before, "in the middle of a command"
    assert load("./mine.py:Mine", "x", anew=True) is not before
    assert digest_of("./mine.py:Mine") != digest


@pytest.fixture
def package(here):
    (here / "my_pkg" / "deep").mkdir(parents=True)
    (here / "my_pkg" / "__init__.py").write_text("")
    (here / "my_pkg" / "deep" / "__init__.py").write_text("from my_pkg.helper import VALUE\n")
    (here / "my_pkg" / "helper.py").write_text("VALUE = 7\n")
    (here / "my_pkg" / "mine.py").write_text("from my_pkg.deep import VALUE\nfrom . import helper\n")
    yield here / "my_pkg"
    for name in [name for name in sys.modules if name.partition(".")[0] == "my_pkg"]:
        del sys.modules[name]
    for name in [name for name in source.registered() if name.partition(".")[0] == "my_pkg"]:
        del source.registered()[name]


def test_a_package_is_found_in_the_working_folder_and_travels_whole(package):
    assert load("my_pkg.mine:VALUE", "x") == 7
    (plugin,) = (plugin for name, plugin in carried() if name == "my_pkg")
    assert [module.name for module in plugin.modules] == [
        "my_pkg",
        "my_pkg.deep",
        "my_pkg.helper",
        "my_pkg.mine",
    ]


def test_an_installed_package_does_not_travel(here):
    assert load("json.decoder:JSONDecoder", "x")
    assert [plugin.modules for name, plugin in carried() if name == "json"] == [()]


BROKEN = {
    "x = (": "{here}/bad.py:1: '(' was never closed",
    "\nimport not_there": "{here}/bad.py:2: ModuleNotFoundError: No module named 'not_there'",
    "\n\n1 / 0": "{here}/bad.py:3: ZeroDivisionError: division by zero",
    "import sys\nsys.exit(3)": "{here}/bad.py:2: SystemExit: 3",
    "def other(): pass": "there is no Mine in it (it has other)",
    "class Mine: pass": "is no strategy, a class over profl_ray.strategies.Strategy",
    "Mine = 3": "is no strategy, a class over profl_ray.strategies.Strategy",
    "import mine": "{here}/bad.py:1: imports mine, which lies beside it and would not travel with it: ",
    "from profl_ray.strategies import Strategy\nclass Mine(Strategy): pass": "does not have advance, c",
    "from profl_ray.strategies.fedavg import FedAvg\nclass Mine(FedAvg): name = 'a'*0": "needs a name of",
}


@pytest.mark.parametrize("text", BROKEN)
def test_what_is_no_strategy(here, text):
    (here / "bad.py").write_text(text)
    expected = f"strategy.name=./bad.py:Mine: {BROKEN[text]}".replace("{here}", str(here))
    assert told(find_strategy, "./bad.py:Mine").startswith(expected)


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("./nowhere.py:Mine", "cannot read {here}/nowhere.py: No such file or directory"),
        (".:Mine", "must be FILE.py:NAME or package.module:NAME"),
        ("./:Mine", "cannot read {here}: Is a directory"),
        (
            "no_such_package.mine:Mine",
            "there is no package 'no_such_package' here or among the installed ones",
        ),
        ("json.nothing:Mine", "ModuleNotFoundError: No module named 'json.nothing'"),
        ("mine.py:", "must be FILE.py:NAME or package.module:NAME"),
        (":Mine", "must be FILE.py:NAME or package.module:NAME"),
        ("bytes.py:Mine", "{here}/bytes.py is not a text file"),
    ],
)
def test_what_is_not_there(here, reference, message):
    (here / "bytes.py").write_bytes(b"\xff\xfe\xff\x00\xd8")
    expected = f"strategy.name={reference}: {message}".replace("{here}", str(here))
    assert told(find_strategy, reference) == expected


def test_what_is_no_model_no_data_set_no_split_no_space(here):
    (here / "bad.py").write_text("X = 3\nclass Y: pass\ndef bad(): 1 / 0\ndef none(): pass\n")
    assert "model.name=./bad.py:X: is no model family, it has no stages" in told(find_family, "./bad.py:X")
    assert "is no model family, it has no stages" in told(find_family, "./bad.py:Y")
    assert "is no function that takes a DataConfig" in told(find_data_set, "./bad.py:X")
    assert "gives NoneType, not Examples" in told(load_data, DataConfig(name="./others.py:nothing"))
    assert "is no partitioner" in told(find_partitioner, "./bad.py:X")
    assert (
        told(find_space, "./bad.py")
        == f"space=./bad.py:bad: {here}/bad.py:3: ZeroDivisionError: division by zero"
    )
    assert "returns NoneType, not a SearchSpace" in told(find_space, "./bad.py:none")
    assert "there is no my_space in it" in told(find_space, "./mine.py:my_space")


def test_where_a_file_lies_is_a_fact_of_the_place(here):
    assert absolute("./mine.py:Mine") == f"{here}/mine.py:Mine" and absolute("profl") == "profl"
    assert absolute("my_pkg.mine:Mine") == "my_pkg.mine:Mine"
    assert identity(f"{here}/mine.py:Mine") == identity("./mine.py:Mine") == "mine.py:Mine"
