"""The client of Flower's contestant: a module of its own, so that actors import it and keep what it holds."""

from functools import cache
from pathlib import Path

import numpy as np
import torch
from flwr.app import ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from workload import FedAvgCNN, Files, train

app = ClientApp()


@cache
def _resident(folder: str) -> tuple[Files, FedAvgCNN]:
    """Return data and model: an actor maps and builds them once, not for every message."""
    torch.set_num_threads(1)
    return Files(Path(folder)), FedAvgCNN.channels_last()


@app.train()
def train_device(message: Message, context: Context) -> Message:
    """Train one device on the weights that came; send weights and number of images back."""
    config = message.content["config"]
    files, model = _resident(config["folder"])
    model.load_state_dict(message.content["arrays"].to_torch_state_dict())
    number = int(context.node_config["partition-id"])
    images, labels = files.device(number)
    generator = np.random.default_rng((files.workload.seed, config["server-round"], number))
    train(model, images, labels, files.workload, torch.from_numpy(generator.permutation(len(labels))))
    content = RecordDict(
        {
            "arrays": ArrayRecord(model.state_dict()),
            "metrics": MetricRecord({"num-examples": len(labels)}),
        }
    )
    return Message(content=content, reply_to=message)
