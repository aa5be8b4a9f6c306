"""Strategies for input: values that people and machines get wrong, and bytes that were damaged."""

import json

from hypothesis import strategies as st

from profl_ray.config.tree import config_schema

KEYS = sorted(config_schema().leaves)

NASTY = (
    *("0", "-1", "1", "2", "3.5", "1e308", "-1e308", "1e-320", "9" * 30, "-9223372036854775809"),
    *("nan", ".nan", ".inf", "-.inf", "null", "~", "", " ", "true", "no", "[]", "{}", "[[]]", "[1, 2, 3]"),
    *("[null]", "{a: 1}", "&a [*a]", "!!python/object/apply:os.system [ls]", "!!binary aGk=", "2001-99-99"),
    *("'", '"', "[", "]", "{", ":", "- a", "a: b: c", "%", "@", "`", "\\", "\0", "\n", "\t", "\x1b[31m"),
    *("../..", "/", "/dev/null", "/dev/zero", "/proc/self/mem", "~", "CON", "a" * 5000, "é", "🙂", "\ud800"),
    *("0x10", "1_000", "1e3", "0o7", "1:30", "=", "==", "<<: *x", "? x", "| x", "> x", "!", "#", "# x"),
)

VALUES = st.one_of(
    st.sampled_from(NASTY),
    st.integers().map(str),
    st.floats().map(str),
    st.text(max_size=30),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=8,
    ).map(lambda value: json.dumps(value)),
)


def fitting(key):
    """Values of the right kind for a key, small ones often, so that many pass the configuration."""
    schema = config_schema().leaves[key]
    branches = schema.get("anyOf", [schema])
    kinds = {branch.get("type") for branch in branches}
    choices = [word for branch in branches for word in branch.get("enum", ())]
    made = [st.sampled_from(choices)] if choices else []
    if "boolean" in kinds:
        made.append(st.booleans().map(lambda value: str(value).lower()))
    if "integer" in kinds:
        made.append((st.integers(0, 12) | st.integers(0, 10_000_000)).map(str))
    if "number" in kinds:
        made.append((st.floats(0, 2) | st.floats(0, 1e12)).map(str))
    if "array" in kinds:
        made.append(st.lists(st.floats(0, 2) | st.integers(0, 9), max_size=5).map(json.dumps))
    if "null" in kinds:
        made.append(st.just("null"))
    return st.one_of(made) if made else VALUES


@st.composite
def damaged(draw, content):
    """Bytes with one to three injuries: cut off, cut out, overwritten, doubled, or a bit turned."""
    data = bytearray(content)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(data)))
        kind = draw(st.sampled_from(("cut", "drop", "write", "double", "turn", "empty")))
        if kind == "cut":
            del data[at:]
        elif kind == "drop":
            del data[at : at + draw(st.integers(1, 64))]
        elif kind == "write":
            data[at : at + 8] = draw(st.binary(min_size=1, max_size=8))
        elif kind == "double":
            data[at:at] = data[at : at + draw(st.integers(1, 64))]
        elif kind == "turn" and at < len(data):
            data[at] ^= 1 << draw(st.integers(0, 7))
        elif kind == "empty":
            data.clear()
    return bytes(data)
