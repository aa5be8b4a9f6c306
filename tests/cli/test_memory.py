import json

import pytest

from profl_ray.memory import MIB


@pytest.fixture
def memory(profl_ray, needs_cache):
    def run(*options):
        common = ("--model", "cnn", "--input", "1x8x8", "--batch-size", "16", f"storage.root={needs_cache}")
        result = profl_ray("memory", *common, *options)
        assert result.code == 0 and result.err == ""
        return result.out

    return run


def last_line(text):
    return json.loads(text.splitlines()[-1])


def test_the_json_line_has_every_step_with_its_parts(memory):
    table = last_line(memory("--quotas", "1-2", "--partition", "[1,3]", "--json"))
    assert table["partition"] == [1, 3]
    assert [(step["stage"], step["block"]) for step in table["steps"]] == [
        ("shrink", 2),
        ("map", 2),
        ("grow", 1),
        ("grow", 2),
    ]
    for row in (table["full"], *table["steps"]):
        assert sum(row["parts"].values()) == pytest.approx(row["need_mib"])
        assert {"parameters", "gradients", "optimizer", "activations"} <= set(row["parts"])
        assert 0 <= row["eligible_share"] <= 1
    needs = [step["need_mib"] for step in table["steps"]]
    assert table["peak_need_mib"] == max(needs) < table["full"]["need_mib"]
    assert table["reduction"] == pytest.approx(1 - max(needs) / table["full"]["need_mib"])


def test_the_table_shows_the_same_figures(memory):
    text = memory("--quotas", "1-2", "--json")
    table = last_line(text)
    for step in table["steps"]:
        line, ways = [line for line in text.splitlines() if f"{step['stage']} {step['block']} " in line]
        assert f"{step['need_mib']:.1f}" in line and f"{step['need_mib']:.1f} (" in ways
        for way in ("recomputed", "micro_batches", "both"):
            share = f"{100 * step[f'eligible_share_{way}']:.0f} %"
            assert f"{step[f'need_{way}_mib']:.1f} ({share})" in ways
        assert f"{100 * step['eligible_share']:.0f} %" in line
    assert f"{100 * table['reduction']:.1f} % below full training" in text
    assert "cnn x1, batch 16, inputs 1x8x8" in text


def test_without_json_there_is_none(memory):
    assert memory().splitlines()[-1].startswith("peak over all steps")


def test_a_narrower_network_needs_less(memory):
    whole, half = (last_line(memory("--width", width, "--json")) for width in ("1", "0.5"))
    assert half["full"]["need_mib"] < whole["full"]["need_mib"]


@pytest.mark.parametrize(
    ("partition", "blocks"), [("units", [1, 1, 1, 1]), ("[2,2]", [2, 2]), ("1", [4]), ("4", [1, 1, 1, 1])]
)
def test_the_partition_may_be_a_name_a_list_or_a_number(memory, partition, blocks):
    assert last_line(memory("--partition", partition, "--json"))["partition"] == blocks


def test_quotas_from_a_file_decide_who_can_afford_what(memory, tmp_path):
    full = last_line(memory("--partition", "[2,2]", "--json"))
    needs = [row["need_mib"] for row in (*full["steps"], full["full"])]
    quotas = [*needs, 0.001]
    (tmp_path / "quotas.txt").write_text("# MiB\n" + "".join(f"{quota!r}\n" for quota in quotas))
    options = ("--partition", "[2,2]", "--quotas", tmp_path / "quotas.txt")
    table = last_line(memory(*options, "--json"))
    for row in (*table["steps"], table["full"]):
        affording = sum(quota >= row["need_mib"] for quota in quotas)
        assert row["eligible_share"] == pytest.approx(affording / len(quotas))


def test_quotas_in_mb_are_a_million_bytes(memory):
    table = last_line(memory("--quotas", "1-1", "--devices", "3", "--json"))
    for step in table["steps"]:
        assert step["eligible_share"] == float(step["need_mib"] * MIB <= 1e6)


@pytest.mark.parametrize(("suffix", "magic"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_a_figure_is_written_into_a_new_folder(memory, tmp_path, suffix, magic):
    path = tmp_path / "figures" / f"memory.{suffix}"
    text = memory("--plot", path, "--json")
    assert path.read_bytes().startswith(magic)
    assert f"wrote {path}" in text
    assert last_line(text)["steps"], "JSON comes last even so"


def test_overrides_are_taken(memory):
    table = last_line(memory("--json", "strategy.profl.shrinking=false"))
    assert {step["stage"] for step in table["steps"]} == {"grow"}
