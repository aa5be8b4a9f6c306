"""YAML as trees of plain values: read by a safe loader, mistakes named by line."""

import re
from collections.abc import Mapping
from typing import Any

import yaml

from profl_ray.config.words import LIKE_A_NUMBER, Word, guessed
from profl_ray.errors import UserError
from profl_ray.texts import one_line, show

_TAG = "tag:yaml.org,2002:"
_WORD = "!word"
_MOST_NODES = 1_000_000


class _Loader(yaml.SafeLoader):
    """The safe loader, but words stay words, and a key given twice is an error.

    What `010` or `no` is depends on the key, which the loader does not know. Of a key given twice, the first
    value would be lost without a word.
    """

    def get_single_node(self) -> yaml.Node | None:
        """Return the document, whose aliases do not make it endless."""
        node: yaml.Node | None = super().get_single_node()
        if node is not None and _size(node, {}) > _MOST_NODES:
            raise yaml.MarkedYAMLError(None, None, f"its aliases expand to more than {_MOST_NODES} values")
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise yaml.MarkedYAMLError(
                        None, None, f"key {key.value!r} is given twice", key.start_mark
                    )
                seen.add(key.value)
        return super().construct_mapping(node, deep)

    def construct_word(self, node: yaml.ScalarNode) -> Word:
        """Return a word; `!!int 010` is one as well."""
        return Word(self.construct_scalar(node))


def _size(node: yaml.Node, known: dict[int, int]) -> int:
    """Return how many values a node unfolds to; YAML's error for one that holds itself."""
    if isinstance(node, yaml.ScalarNode):
        return 1
    if id(node) not in known:
        known[id(node)] = 0  # Until it is known: who meets it now is inside it.
        pairs = node.value if isinstance(node, yaml.MappingNode) else [node.value]
        known[id(node)] = 1 + sum(_size(part, known) for pair in pairs for part in pair)
    elif not known[id(node)]:
        raise yaml.MarkedYAMLError(None, None, "it contains itself", node.start_mark)
    return known[id(node)]


_Loader.yaml_implicit_resolvers = {
    None: [
        (f"{_TAG}merge", re.compile(r"<<\Z")),
        (f"{_TAG}null", re.compile(r"(?:~|null|Null|NULL)?\Z")),
        (_WORD, re.compile("")),
    ]
}
for _tag in (_WORD, f"{_TAG}int", f"{_TAG}float", f"{_TAG}bool"):
    _Loader.add_constructor(_tag, _Loader.construct_word)


class _Dumper(yaml.SafeDumper):
    """The safe dumper, but what our loader may take for a number is put in quotes when it is text."""


_Dumper.add_implicit_resolver(f"{_TAG}float", LIKE_A_NUMBER, list("-+.0123456789"))


def dump(tree: Mapping[str, Any]) -> str:
    """Return a tree as YAML, its keys in their order; `mapping` reads it back."""
    return yaml.dump(tree, Dumper=_Dumper, sort_keys=False, width=110)


def parse(text: str, source: str, lines: bool = True) -> Any:
    """Return the value of a YAML text; UserError names `source`, and the line where there are `lines`."""
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{source}:{mark.line + 1}" if mark and lines else source
        problem = error.problem or error.context or "cannot be read"
        raise UserError(f"{where}: broken YAML: {one_line(problem)}") from None
    except Exception as error:  # PyYAML's constructors let any error through (`!!int x`, 2001-99-99)
        raise UserError(f"{source}: broken YAML: {one_line(str(error))}") from None


def mapping(text: str, source: str) -> Mapping[Any, Any]:
    """Return the tree of a YAML text; UserError if it is something else."""
    tree = parse(text, source)
    if tree is None:
        raise UserError(f"{source}: is empty")
    if not isinstance(tree, Mapping):
        raise UserError(f"{source}: must hold sections with keys, not {show(guessed(tree)) or repr(tree)}")
    return tree
