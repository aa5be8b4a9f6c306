"""The Kubernetes manifests, and what tests ask of them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate

from tests.clusters import kit, kuberay_schema

Document = dict[str, Any]


def all_documents() -> list[tuple[Path, Document]]:
    """Every object with the file that it stands in."""
    return [(path, document) for path in kit.MANIFESTS for document in kit.documents(path)]


def of_kind(kind: str) -> dict[str, Document]:
    """The objects of a kind by name."""
    return {found["metadata"]["name"]: found for _, found in all_documents() if found["kind"] == kind}


def validate(document: Document) -> None:
    """Raise jsonschema's ValidationError for whatever the schemas do not know."""
    schema = kuberay_schema.SCHEMAS.get(document["kind"])
    if schema is None:
        _core(document)
        return
    jsonschema.validate(document, schema, cls=jsonschema.Draft202012Validator)
    for template in kuberay_schema.pod_templates(document):
        # A PodTemplate is Kubernetes' own object around the very same field.
        _core({"apiVersion": "v1", "kind": "PodTemplate", "template": template})
    options = document["spec"].get("autoscalerOptions")
    if options:
        named = {key: options[key] for key in ("resources", "securityContext") if key in options}
        pod = {"containers": [{"name": "autoscaler", **named}]}
        _core({"apiVersion": "v1", "kind": "PodTemplate", "template": {"spec": pod}})


def _core(document: Document) -> None:
    kubernetes_validate.validate(document, kit.VERSIONS["KUBERNETES_VERSION"], strict=True)


def pod_specs() -> Iterator[tuple[str, Document]]:
    """Every pod's spec with a name for messages."""
    for _, document in all_documents():
        name = f"{document['kind']}/{document['metadata']['name']}"
        if document["kind"] in kuberay_schema.SCHEMAS:
            for template in kuberay_schema.pod_templates(document):
                yield name, template["spec"]
        elif "template" in document.get("spec", {}):
            yield name, document["spec"]["template"]["spec"]


def containers() -> Iterator[tuple[str, Document]]:
    """Every container, and the autoscaler's options, which become one."""
    for name, spec in pod_specs():
        for container in [*spec.get("initContainers", []), *spec["containers"]]:
            yield f"{name}/{container['name']}", container
    for name, cluster in of_kind("RayCluster").items():
        yield f"RayCluster/{name}/autoscaler", cluster["spec"]["autoscalerOptions"]
