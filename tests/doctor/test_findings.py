import pytest

from profl_ray.doctor.findings import Finding, as_json, as_lines, counts, fail, ok, warn

EVERY = [
    ok("one", "is well"),
    warn("number two", "is odd", "set.two=1"),
    fail("three", "is broken", "fix it"),
]


def test_a_line_a_finding_aligned_with_the_fix_below_and_a_count_at_the_end():
    assert as_lines(EVERY) == [
        "ok    one         is well",
        "warn  number two  is odd",
        "                  -> set.two=1",
        "fail  three       is broken",
        "                  -> fix it",
        "1 ok, 1 warn, 1 fail",
    ]


def test_json_has_counts_nodes_and_findings():
    values = as_json(EVERY, ["a"])
    assert counts(EVERY) == {"ok": 1, "warn": 1, "fail": 1}
    assert (values["fail"], values["nodes"]) == (1, ["a"])
    assert values["findings"][1] == {
        "level": "warn",
        "check": "number two",
        "what": "is odd",
        "fix": "set.two=1",
    }


@pytest.mark.parametrize(("level", "fix"), [("ok", "do it"), ("warn", ""), ("fail", "")])
def test_what_is_not_ok_and_only_that_has_a_fix(level, fix):
    with pytest.raises(AssertionError):
        Finding(level, "check", "what", fix)
