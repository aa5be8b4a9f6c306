from profl_ray.config import DataConfig
from profl_ray.doctor.data import data_findings

from .kit import DATA, answer

ABSENT = {
    "error": "data set svhn: the files not found, looked in /x; set data.root=FOLDER, or data.download=true"
}


def test_the_same_data_everywhere():
    (finding,) = data_findings(DataConfig(), [answer("a"), answer("b")])
    assert finding.level == "ok" and finding.what == "digits, 1438 training examples of 1x8x8 on 2 nodes"


def test_absent_data_names_the_node_and_keeps_the_data_sets_own_fix():
    (finding,) = data_findings(DataConfig(name="svhn"), [answer("a"), answer("b", data=ABSENT)])
    assert finding.level == "fail" and finding.what.endswith("looked in /x on b")
    assert finding.fix.startswith("set data.root=FOLDER")


def test_data_that_will_be_downloaded_are_a_warning():
    (finding,) = data_findings(DataConfig(name="svhn", download=True), [answer("a", data=ABSENT)])
    assert finding.level == "warn" and "data.download=true" in finding.fix


def test_other_data_under_the_same_name_are_a_fail():
    other = DATA | {"digest": "d2"}
    (finding,) = data_findings(DataConfig(), [answer("a"), answer("b"), answer("c", data=other)])
    assert finding.level == "fail" and "d1 on a, b; d2 on c" in finding.what
