"""Kubernetes manifests: schemas that know every field, and rules that hold between objects."""

import copy
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ray.autoscaler._private.kuberay.autoscaling_config import _derive_autoscaling_config_from_ray_cr
from ray.autoscaler._private.util import validate_config

from profl_ray.tuning import SweepRequest
from profl_ray.tuning.request import base_config
from tests.clusters import kit, manifests
from tune_spaces import find_space

DOCUMENTS = manifests.all_documents()
NAMES = [f"{kit.name_of(path)}-{document['kind']}" for path, document in DOCUMENTS]
every_document = pytest.mark.parametrize("document", [document for _, document in DOCUMENTS], ids=NAMES)


@every_document
def test_the_schemas_take_it(document: dict[str, Any]) -> None:
    manifests.validate(document)


def misspelt(document: dict[str, Any], *path: str | int) -> dict[str, Any]:
    """A copy in which the last key of the path has lost a letter."""
    changed = copy.deepcopy(document)
    place: Any = changed
    for key in path[:-1]:
        place = place[key]
    last = str(path[-1])
    place[last[:-2] + last[-1]] = place.pop(last)
    return changed


WORKER = ("spec", "workerGroupSpecs", 0)
POD = ("spec", "template", "spec")


@pytest.mark.parametrize(
    ("kind", "name", "path"),
    [
        ("Deployment", "mlflow", ("spec", "replicas")),
        ("Deployment", "mlflow", (*POD, "securityContext", "runAsNonRoot")),
        ("Deployment", "mlflow", (*POD, "containers", 0, "resources", "requests")),
        ("Deployment", "mlflow", (*POD, "containers", 0, "startupProbe", "httpGet", "path")),
        ("StatefulSet", "postgres", ("spec", "volumeClaimTemplates", 0, "spec", "accessModes")),
        ("PersistentVolumeClaim", "shared", ("spec", "storageClassName")),
        ("Service", "mlflow", ("spec", "selector")),
        ("NetworkPolicy", "inside-and-operator", ("spec", "policyTypes")),
        ("RayCluster", "profl-ray", ("spec", "rayVersion")),
        ("RayCluster", "profl-ray", ("spec", "authOptions", "secretName")),
        ("RayCluster", "profl-ray", ("spec", "autoscalerOptions", "idleTimeoutSeconds")),
        ("RayCluster", "profl-ray", ("spec", "autoscalerOptions", "resources", "requests")),
        ("RayCluster", "profl-ray", ("spec", "headGroupSpec", "rayStartParams")),
        ("RayCluster", "profl-ray", (*WORKER, "replicas")),
        ("RayCluster", "profl-ray", (*WORKER, "template", "spec", "containers", 0, "resources", "requests")),
        ("RayCluster", "profl-ray", (*WORKER, "template", "spec", "volumes", 0, "persistentVolumeClaim")),
        ("RayJob", "sweep-freezing", ("spec", "entrypoint")),
        ("RayJob", "sweep-freezing", ("spec", "clusterSelector", "ray.io/cluster")),
        ("RayJob", "sweep-freezing", ("spec", "submitterPodTemplate", "spec", "restartPolicy")),
    ],
)
def test_the_schemas_refuse_a_typo(kind: str, name: str, path: tuple[str | int, ...]) -> None:
    document = manifests.of_kind(kind)[name]
    with pytest.raises(jsonschema.ValidationError):
        manifests.validate(misspelt(document, *path))


def test_the_schemas_refuse_a_number_on_rays_command_line() -> None:
    cluster = copy.deepcopy(manifests.of_kind("RayCluster")["profl-ray"])
    cluster["spec"]["headGroupSpec"]["rayStartParams"]["num-cpus"] = 0
    with pytest.raises(jsonschema.ValidationError):
        manifests.validate(cluster)


def test_memory_requests_equal_limits() -> None:
    for name, container in manifests.containers():
        resources = container["resources"]
        assert resources["requests"]["memory"] == resources["limits"]["memory"], name
        assert resources["requests"]["cpu"], name


def test_no_pod_runs_as_root_or_with_privileges() -> None:
    for name, spec in manifests.pod_specs():
        context = spec["securityContext"]
        assert context["runAsNonRoot"] is True, name
        assert context["runAsUser"] > 0, name
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec), name
        assert all("hostPath" not in volume for volume in spec.get("volumes", [])), name
    for name, container in manifests.containers():
        unprivileged = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
        assert container["securityContext"] == unprivileged, name


def test_our_image_runs_as_its_user() -> None:
    for name, spec in manifests.pod_specs():
        if any(container["image"].startswith("profl-ray:") for container in spec["containers"]):
            assert spec["securityContext"]["runAsUser"] == int(kit.VERSIONS["USER_ID"]), name


def test_all_objects_are_in_the_namespace() -> None:
    [namespace] = manifests.of_kind("Namespace")
    for _, document in DOCUMENTS:
        assert document["kind"] == "Namespace" or document["metadata"]["namespace"] == namespace
    readme = (kit.CLUSTERS / "kuberay/README.md").read_text()
    assert set(re.findall(r"-n (\S+)", readme)) == {namespace}


def test_claims_exist_and_the_shared_one_is_mounted_by_ray() -> None:
    claims = manifests.of_kind("PersistentVolumeClaim")
    for name, spec in manifests.pod_specs():
        for volume in spec.get("volumes", []):
            assert volume["persistentVolumeClaim"]["claimName"] in claims, name
    assert claims["shared"]["spec"]["accessModes"] == ["ReadWriteMany"]
    for name, spec in manifests.pod_specs():
        if name.startswith("RayCluster"):
            [mount] = spec["containers"][0]["volumeMounts"]
            assert mount == {"name": "shared", "mountPath": kit.VERSIONS["SHARED_PATH"]}


def test_services_select_pods_and_name_their_ports() -> None:
    for name, service in manifests.of_kind("Service").items():
        [owner] = [
            document
            for _, document in DOCUMENTS
            if document["kind"] in ("Deployment", "StatefulSet") and document["metadata"]["name"] == name
        ]
        template = owner["spec"]["template"]
        selector = service["spec"]["selector"]
        assert selector == template["metadata"]["labels"] == owner["spec"]["selector"]["matchLabels"]
        [container] = template["spec"]["containers"]
        declared = {port["name"]: port["containerPort"] for port in container["ports"]}
        [port] = service["spec"]["ports"]
        assert declared[port["name"]] == port["port"]


def test_clients_know_mlflow_by_its_service_and_it_admits_them() -> None:
    [service] = [found for name, found in manifests.of_kind("Service").items() if name == "mlflow"]
    host = f"mlflow:{service['spec']['ports'][0]['port']}"
    [mlflow] = manifests.of_kind("Deployment")["mlflow"]["spec"]["template"]["spec"]["containers"]
    [allowed] = [text for text in mlflow["args"] if text.startswith("--allowed-hosts=")]
    assert host in allowed.partition("=")[2].split(",")
    for name, spec in manifests.pod_specs():
        if name.startswith("RayCluster"):
            environment = {entry["name"]: entry["value"] for entry in spec["containers"][0]["env"]}
            assert environment == {"MLFLOW_TRACKING_URI": f"http://{host}"}


def secrets_asked_for(node: Any) -> set[tuple[str, str]]:
    """All (name, key) that a document reads from secrets."""
    if isinstance(node, list):
        return set().union(*(secrets_asked_for(inner) for inner in node))
    if not isinstance(node, dict):
        return set()
    own = {(node["secretKeyRef"]["name"], node["secretKeyRef"]["key"])} if "secretKeyRef" in node else set()
    return own.union(*(secrets_asked_for(inner) for inner in node.values()))


def test_secrets_are_made_by_hand_and_stand_in_no_file() -> None:
    assert manifests.of_kind("Secret") == {}
    asked = secrets_asked_for([document for _, document in DOCUMENTS])
    for cluster in manifests.of_kind("RayCluster").values():
        options = cluster["spec"]["authOptions"]
        assert options["mode"] == "token"
        asked.add((options["secretName"], "auth_token"))  # the key that KubeRay reads
    readme = (kit.CLUSTERS / "kuberay/README.md").read_text()
    made = re.findall(r"create secret generic (\S+) --from-literal=(\w+)=\"\$\(openssl rand", readme)
    assert set(made) == asked


def test_a_job_runs_on_the_cluster_with_overrides_that_exist() -> None:
    for job in manifests.of_kind("RayJob").values():
        spec = job["spec"]
        assert spec["clusterSelector"]["ray.io/cluster"] in manifests.of_kind("RayCluster")
        words = spec["entrypoint"].split()
        assert words[:4] == ["python", "-m", "profl_ray", "sweep"]
        config = base_config(SweepRequest(space=find_space(words[4]), overrides=tuple(words[5:])))
        assert config.storage.root == Path(kit.VERSIONS["SHARED_PATH"]) / "runs"


def test_the_job_fits_the_smallest_cluster() -> None:
    # `sweep` refuses a trial that does not fit the nodes that are up.
    cluster = manifests.of_kind("RayCluster")["profl-ray"]["spec"]
    up = sum(
        group["minReplicas"] * int(group["template"]["spec"]["containers"][0]["resources"]["limits"]["cpu"])
        for group in cluster["workerGroupSpecs"]
    )
    [actors] = re.findall(
        r"fleet\.num_actors=(\d+)", manifests.of_kind("RayJob")["sweep-freezing"]["spec"]["entrypoint"]
    )
    assert int(actors) <= up


def test_ray_reads_the_worker_groups() -> None:
    """Ray's autoscaler makes its configuration from the RayCluster by this very function."""
    cluster = copy.deepcopy(manifests.of_kind("RayCluster")["profl-ray"])
    config = _derive_autoscaling_config_from_ray_cr(cluster)
    validate_config(config)
    types = config["available_node_types"]
    assert types["headgroup"]["resources"]["CPU"] == 0
    assert {name: types[name]["min_workers"] for name in ("small", "large", "gpu")} == {
        "small": 1,
        "large": 0,
        "gpu": 0,
    }
    assert types["gpu"]["resources"]["GPU"] == 1
    assert types["small"]["resources"]["memory"] < types["large"]["resources"]["memory"]
