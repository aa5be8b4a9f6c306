from analysis import write_pictures


def test_figures_are_written_as_files_too(tmp_path, comparison_rows):
    paths = write_pictures(comparison_rows, tmp_path / "figures")
    names = {"curves", "pareto", "participation"}
    assert {path.name for path in paths} == {f"{name}.{kind}" for name in names for kind in ("png", "pdf")}
    for path in paths:
        assert path.read_bytes().startswith(b"%PDF" if path.suffix == ".pdf" else b"\x89PNG")
