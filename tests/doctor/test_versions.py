from profl_ray.cluster.probe import Answer
from profl_ray.doctor.nodes import node_findings
from profl_ray.doctor.versions import code_findings, machine_findings, version_findings

from .kit import CODE, DRIVER, answer, levels


def test_equal_versions_are_listed_once():
    (finding,) = version_findings([answer("a"), answer("b")], DRIVER)
    assert finding.level == "ok" and "torch 2.14.1" in finding.what and "on 2 nodes" in finding.what


def test_another_version_names_the_node_and_the_version_to_install():
    (finding,) = version_findings([answer("a"), answer("b", versions=DRIVER | {"torch": "2.12.0"})], DRIVER)
    assert finding.level == "fail" and "torch is 2.12.0 on b, 2.14.1 for the driver" in finding.what
    assert "pip install 'torch==2.14.1' on b" in finding.fix


def test_what_a_node_lacks_is_a_fail():
    (finding,) = version_findings([answer("a", versions=DRIVER | {"mlflow": "missing"})], DRIVER)
    assert finding.level == "fail" and "mlflow is missing on a" in finding.what


def test_what_the_driver_lacks_is_told_once():
    lacking = DRIVER | {"mlflow": "missing"}
    (finding,) = version_findings([answer("a", versions=lacking), answer("b")], lacking)
    assert finding.level == "fail" and finding.fix == "pip install mlflow"


def test_other_source_code_names_the_nodes():
    assert levels(code_findings([answer("a"), answer("b")], CODE)) == ["ok"]
    old, none = answer("b", code=CODE | {"digest": "old"}), answer("c", code={"error": "No module"})
    findings = code_findings([answer("a"), old, none], CODE)
    assert levels(findings) == ["fail", "fail"]
    assert "source old on b" in findings[0].what and "cannot be imported (No module) on c" in findings[1].what


def test_processors_that_round_otherwise_are_a_warning():
    assert levels(machine_findings([answer("a"), answer("b")])) == ["ok"]
    (finding,) = machine_findings([answer("a"), answer("b", machine_type="2.14.1 other AVX512")])
    assert finding.level == "warn" and "other AVX512 (b)" in finding.what


def test_processors_that_are_unknown_are_not_compared():
    assert machine_findings([answer("a", machine_type={"error": "x"})]) == []


def test_a_node_that_does_not_answer_is_named():
    assert levels(node_findings([answer("a"), answer("b")])) == ["ok"]
    (finding,) = node_findings([answer("a"), Answer("b", {}, silence="no answer within 5 s")])
    assert finding.level == "fail" and "node b does not answer: no answer within 5 s" in finding.what
