"""A launcher file's node settings against the clouds' own descriptions of what a machine can be asked for.

Ray passes `node_config` on as it is, so its own schema says nothing about it. Both client libraries ship the
description of their interface; nothing here opens a connection.
"""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import botocore.session
import googleapiclient
from botocore.validate import ParamValidator


def problems(provider: str, node: Mapping[str, Any]) -> list[str]:
    """What the cloud would refuse in these settings; empty if nothing."""
    return list({"aws": _aws, "gcp": _gcp}[provider](node))


@cache
def _run_instances() -> Any:
    return botocore.session.get_session().get_service_model("ec2").operation_model("RunInstances").input_shape


def _aws(node: Mapping[str, Any]) -> Iterator[str]:
    # Ray adds these two.
    report = ParamValidator().validate({**node, "MinCount": 1, "MaxCount": 1}, _run_instances())
    if report.has_errors():
        yield report.generate_report()
    else:
        yield from _wrong_words(node, _run_instances(), "node_config")


def _wrong_words(value: Any, shape: Any, where: str) -> Iterator[str]:
    """Words outside an enumeration, which botocore leaves to the server."""
    if shape.type_name == "structure":
        for key, inner in value.items():
            yield from _wrong_words(inner, shape.members[key], f"{where}.{key}")
    elif shape.type_name == "list":
        for inner in value:
            yield from _wrong_words(inner, shape.member, where)
    elif shape.type_name == "string" and shape.enum and value not in shape.enum:
        yield f"{where}: {value!r} is not one of the allowed words"


_PYTHON_TYPES: dict[str, Any] = {
    "object": dict,
    "array": list,
    "boolean": bool,
    "string": (str, int),
    "integer": int,
    "number": (int, float),
}


@cache
def _gcp_schemas() -> dict[str, Any]:
    folder = Path(googleapiclient.__file__).parent / "discovery_cache" / "documents"
    schemas: dict[str, Any] = json.loads((folder / "compute.v1.json").read_text())["schemas"]
    return schemas


def _gcp(node: Mapping[str, Any]) -> Iterator[str]:
    yield from _discovered(node, {"$ref": "Instance"}, "node_config")


def _discovered(value: Any, schema: Mapping[str, Any], where: str) -> Iterator[str]:
    """Walk Google's description, which names types as JSON schema does, and 64-bit numbers as strings."""
    schema = _gcp_schemas()[schema["$ref"]] if "$ref" in schema else schema
    if not isinstance(value, _PYTHON_TYPES[schema["type"]]):
        yield f"{where}: {value!r} is no {schema['type']}"
    elif isinstance(value, dict) and "properties" in schema:
        for key, inner in value.items():
            if key not in schema["properties"]:
                yield f"{where}: unknown key {key}"
            else:
                yield from _discovered(inner, schema["properties"][key], f"{where}.{key}")
    elif isinstance(value, list):
        for inner in value:
            yield from _discovered(inner, schema["items"], where)
    elif "enum" in schema and value not in schema["enum"]:
        yield f"{where}: {value!r} (allowed: {', '.join(schema['enum'])})"
