"""The reference page in docs/ is the one that the tree gives."""

from profl_ray.config.reference import PAGE, reference


def test_page_is_up_to_date():
    assert PAGE.read_text() == reference(), "run `python -m profl_ray.config.reference`"


def test_every_key_has_a_meaning():
    rows = [line for line in reference().splitlines() if line.startswith("| `")]
    assert len(rows) > 60
    assert not [row for row in rows if row.endswith("|  |")]
