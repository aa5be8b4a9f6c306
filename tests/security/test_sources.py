"""What the sources may not do: run what a file says, or give text to a shell."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted(
    path
    for room in ("profl_ray", "tune_spaces", "analysis", "benchmarks")
    for path in (ROOT / room).rglob("*.py")
    if ".venv" not in path.parts  # benchmarks/peers has other people's code in one
)
CODE_IN_FILES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
FORBIDDEN_CALLS = {
    *("eval", "exec", "os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput"),
    *("torch.load", "torch.jit.load", "torch.hub.load", "numpy.fromregex"),
    *("yaml.unsafe_load", "yaml.full_load", "yaml.load_all", "yaml.unsafe_load_all", "yaml.full_load_all"),
}
PICKLES = {
    # CIFAR's batches, read by an unpickler that knows eleven names (tests/federation/data_sets).
    ROOT / "profl_ray/federation/data_sets/pickles.py",
    # A test of what travels: it reads what it has just pickled itself.
    ROOT / "profl_ray/testing/contract.py",
}


def dangers(tree):
    """Lines of a module that a file or a shell could use to run code of its own."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names]
            modules = names if isinstance(node, ast.Import) else [node.module or ""]
            found += [
                f"{node.lineno}: imports {name}" for name in modules if name.split(".")[0] in CODE_IN_FILES
            ]
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        given = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
        if name in FORBIDDEN_CALLS:
            found.append(f"{node.lineno}: calls {name}")
        if name == "yaml.load" and given.get("Loader") not in ("_Loader", "yaml.SafeLoader"):
            found.append(f"{node.lineno}: calls yaml.load without a safe loader")
        if given.get("shell", "False") != "False":
            found.append(f"{node.lineno}: starts a shell")
        if given.get("allow_pickle", "False") != "False":
            found.append(f"{node.lineno}: allows pickles")
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_source_runs_what_a_file_or_a_shell_says(path):
    found = dangers(ast.parse(path.read_text()))
    if path in PICKLES:
        found = [line for line in found if not line.endswith("imports pickle")]
    assert found == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from joblib import load",
        "import yaml\nyaml.load(text)",
        "import yaml\nyaml.load(text, Loader=yaml.Loader)",
        "import torch\ntorch.load(path)",
        "eval(text)",
        "import numpy as np\nnp.load(path, allow_pickle=True)",
        "import subprocess\nsubprocess.run(text, shell=True)",
    ],
)
def test_the_search_finds_what_it_looks_for(source):
    assert dangers(ast.parse(source))


def test_the_yaml_loader_is_a_safe_one():
    import yaml

    from profl_ray.config import yaml_tree

    assert issubclass(yaml_tree._Loader, yaml.SafeLoader)
    assert "python/object" not in str(yaml_tree._Loader.yaml_constructors.keys())
