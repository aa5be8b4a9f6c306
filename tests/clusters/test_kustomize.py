"""Kustomizations, built by kubectl, which needs no cluster for it."""

from pathlib import Path

import pytest
import yaml

from tests.clusters import kit, manifests

every_kustomization = pytest.mark.parametrize("path", kit.KUSTOMIZATIONS, ids=kit.name_of)


@every_kustomization
def test_it_builds_to_valid_objects_with_images_of_the_registry(path: Path) -> None:
    built = kit.tool("kubectl", "kustomize", str(path.parent))
    assert built.returncode == 0, built.stderr
    assert built.stderr == ""  # kustomize warns there of fields that are going away
    documents = list(yaml.safe_load_all(built.stdout))
    for document in documents:
        manifests.validate(document)
    images = {line.partition("image:")[2].strip() for line in built.stdout.splitlines() if "image:" in line}
    ours = {image for image in images if "profl-ray" in image}
    assert ours
    assert all(image.startswith("change-me.example/profl-ray:") for image in ours)


@every_kustomization
def test_it_lists_every_manifest_beside_it(path: Path) -> None:
    listed = yaml.safe_load(path.read_text())["resources"]
    beside = {found.name for found in path.parent.glob("*.yaml")} - {path.name}
    assert set(listed) == beside
    assert len(listed) == len(beside)


def test_kustomize_refuses_a_typo(tmp_path: Path) -> None:
    (tmp_path / "kustomization.yaml").write_text("kind: Kustomization\nresorces: []\n")
    built = kit.tool("kubectl", "kustomize", str(tmp_path))
    assert built.returncode != 0
    assert "resorces" in built.stderr
