"""What a RayCluster and a RayJob may say (ray.io/v1, KubeRay 1.6), as far as the project uses it.

No package ships KubeRay's schemas. Most fields that we do not use are left out on purpose: a new one in a
manifest is looked up in KubeRay's reference and added here. Pod templates are taken out and checked by
Kubernetes' own schemas.
"""

from collections.abc import Iterator
from typing import Any

JsonSchema = dict[str, Any]

STRING: JsonSchema = {"type": "string", "minLength": 1}
COUNT: JsonSchema = {"type": "integer", "minimum": 0}
BOOLEAN: JsonSchema = {"type": "boolean"}
ANY_OBJECT: JsonSchema = {"type": "object"}
STRINGS: JsonSchema = {"type": "object", "additionalProperties": {"type": "string"}}


def strict(required: tuple[str, ...], **properties: JsonSchema) -> JsonSchema:
    """An object with these fields and no others."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


METADATA = strict(
    ("name", "namespace"),
    # KubeRay makes names of pods and services from it.
    name={"type": "string", "pattern": "^[a-z]([-a-z0-9]*[a-z0-9])?$", "maxLength": 47},
    namespace=STRING,
    labels=STRINGS,
    annotations=STRINGS,
)
HEAD_GROUP = strict(
    ("rayStartParams", "template"),
    serviceType={"enum": ["ClusterIP", "NodePort", "LoadBalancer"]},
    enableIngress=BOOLEAN,
    labels=STRINGS,
    # Values are put on a command line: a number would be refused.
    rayStartParams=STRINGS,
    template=ANY_OBJECT,
)
WORKER_GROUP = strict(
    ("groupName", "minReplicas", "maxReplicas", "rayStartParams", "template"),
    groupName={"type": "string", "pattern": "^[a-z]([-a-z0-9]*[a-z0-9])?$"},
    replicas=COUNT,
    minReplicas=COUNT,
    maxReplicas=COUNT,
    numOfHosts={"type": "integer", "minimum": 1},
    idleTimeoutSeconds=COUNT,
    suspend=BOOLEAN,
    labels=STRINGS,
    rayStartParams=STRINGS,
    template=ANY_OBJECT,
)
AUTOSCALER = strict(
    (),
    version={"enum": ["v1", "v2"]},
    idleTimeoutSeconds=COUNT,
    upscalingMode={"enum": ["Default", "Aggressive", "Conservative"]},
    image=STRING,
    imagePullPolicy={"enum": ["Always", "IfNotPresent", "Never"]},
    resources=ANY_OBJECT,
    securityContext=ANY_OBJECT,
)
CLUSTER_SPEC = strict(
    ("rayVersion", "headGroupSpec", "workerGroupSpecs"),
    rayVersion={"type": "string", "pattern": r"^\d+\.\d+\.\d+$"},
    authOptions=strict(("mode",), mode={"enum": ["disabled", "token"]}, secretName=STRING),
    enableInTreeAutoscaling=BOOLEAN,
    autoscalerOptions=AUTOSCALER,
    suspend=BOOLEAN,
    headGroupSpec=HEAD_GROUP,
    workerGroupSpecs={"type": "array", "minItems": 1, "items": WORKER_GROUP},
)
# No backoffLimit: KubeRay refuses it beside clusterSelector.
JOB_SPEC = strict(
    ("entrypoint",),
    entrypoint=STRING,
    clusterSelector=strict(("ray.io/cluster",), **{"ray.io/cluster": STRING}),
    rayClusterSpec=CLUSTER_SPEC,
    runtimeEnvYAML=STRING,
    jobId=STRING,
    activeDeadlineSeconds=COUNT,
    shutdownAfterJobFinishes=BOOLEAN,
    ttlSecondsAfterFinished=COUNT,
    submissionMode={"enum": ["K8sJobMode", "HTTPMode", "SidecarMode", "InteractiveMode"]},
    submitterConfig=strict((), backoffLimit=COUNT),
    submitterPodTemplate=ANY_OBJECT,
    entrypointNumCpus={"type": "number"},
    entrypointNumGpus={"type": "number"},
    suspend=BOOLEAN,
)


def _document(kind: str, spec: JsonSchema) -> JsonSchema:
    return strict(
        ("apiVersion", "kind", "metadata", "spec"),
        apiVersion={"const": "ray.io/v1"},
        kind={"const": kind},
        metadata=METADATA,
        spec=spec,
    )


SCHEMAS = {"RayCluster": _document("RayCluster", CLUSTER_SPEC), "RayJob": _document("RayJob", JOB_SPEC)}


def pod_templates(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The pod templates inside a RayCluster or a RayJob."""
    spec = document["spec"]
    if "submitterPodTemplate" in spec:
        yield spec["submitterPodTemplate"]
    cluster = spec if document["kind"] == "RayCluster" else spec.get("rayClusterSpec")
    if cluster is not None:
        yield cluster["headGroupSpec"]["template"]
        yield from (group["template"] for group in cluster["workerGroupSpecs"])
