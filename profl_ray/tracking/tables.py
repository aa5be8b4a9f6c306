"""Tables as MLflow shows them: JSON of columns and rows, and a tag that lists them for the UI."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

TABLE_TAG = "mlflow.loggedArtifacts"


def table_json(columns: Mapping[str, Sequence[Any]]) -> str:
    """Return the text of MLflow's table format (pandas' `split` orientation).

    MLflow's own log_table appends to a table that is already there, which would double the rows of a resumed
    run and of a call that is tried again; writing the whole file is safe to repeat.
    """
    lengths = {len(values) for values in columns.values()}
    assert len(lengths) <= 1, f"columns of unequal length: {lengths}"
    rows = [list(row) for row in zip(*columns.values(), strict=True)]
    return json.dumps({"columns": list(columns), "data": rows})


def table_tag(paths: Iterable[str]) -> str:
    """Return the tag that makes the MLflow UI show `paths` as tables."""
    return json.dumps([{"path": path, "type": "table"} for path in paths])


def listed_tables(tags: Mapping[str, str]) -> list[str]:
    """Return the paths that the tag of a run lists."""
    return [entry["path"] for entry in json.loads(tags.get(TABLE_TAG, "[]"))]
