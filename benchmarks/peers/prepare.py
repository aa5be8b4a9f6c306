"""Write a workload's files, drawn as profl-ray draws them, for contestants that do not import it."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
from family import configure, load_unpadded, register
from workload import Workload

from profl_ray.server.experiment import assemble


def prepare(workload: Workload, folder: Path) -> None:
    """Fill `folder`: images, shares, initial weights."""
    register()
    folder.mkdir(parents=True, exist_ok=True)
    experiment = assemble(configure(workload, folder / "runs"), load_unpadded)
    data = experiment.data
    arrays = {
        "train_images": data.train_inputs,
        "train_labels": data.train_labels,
        "test_images": data.test_inputs,
        "test_labels": data.test_labels,
        "shares": np.stack(list(experiment.split.indices)),
        "weights": experiment.make_strategy().plan().states[0].down,
        "statistics": np.array([data.inputs.mean[0], data.inputs.std[0]], np.float32),
    }
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    (folder / "workload.json").write_text(json.dumps(asdict(workload)))
