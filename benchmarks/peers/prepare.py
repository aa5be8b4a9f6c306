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
        "train_images": data.train_images,
        "train_labels": data.train_labels,
        "test_images": data.test_images,
        "test_labels": data.test_labels,
        "shares": np.stack(list(experiment.split.indices)),
        "weights": experiment.make_strategy().plan().states[0].down,
        "statistics": np.array([data.mean[0], data.std[0]], np.float32),
    }
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    (folder / "workload.json").write_text(json.dumps(asdict(workload)))
