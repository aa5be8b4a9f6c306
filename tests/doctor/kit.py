"""Answers of nodes on which all is well, to be spoilt."""

from profl_ray.cluster.probe import Answer

DRIVER = {"Python": "3.11.7", "ray": "2.60.0", "torch": "2.14.1", "numpy": "2.4.6", "mlflow": "3.17.2"}
CODE = {"version": "0.1.0", "digest": "abcdef012345"}
DATA = {"input_shape": [1, 8, 8], "num_classes": 10, "num_examples": 1438, "size_mib": 0.1, "digest": "d1"}
MEMORY = {"total_mib": 16000.0, "available_mib": 12000.0, "limit_mib": None, "seen_by_ray_mib": None}
STORAGE = {"seen": True, "written": True, "renames": True, "locks": True}


def answer(name="a", cpus=4, gpus=0, **changed):
    """The answer of a healthy node with some of its report changed."""
    report = {
        "name": name,
        "versions": DRIVER,
        "code": CODE,
        "machine_type": "2.14.1 processor AVX2",
        "num_gpus": gpus,
        "memory": MEMORY,
        "open_files": 65536,
        "shm_mib": 8000.0,
        "omp_num_threads": "1",
        "data": DATA,
        "cap": "",
        "storage": STORAGE,
        "clock": 1000.0,
    }
    return Answer(name, {"CPU": cpus, "GPU": gpus}, report | changed, arrived=1000.0)


def levels(findings):
    return [finding.level for finding in findings]
