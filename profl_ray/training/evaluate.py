"""Evaluation of a model on examples."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from profl_ray.models import Features
from profl_ray.training.batch import as_batch, split
from profl_ray.training.orders import EvaluationSum


@torch.no_grad()
def evaluate_examples(model: nn.Module, inputs: Features, labels: Tensor, batch_size: int) -> EvaluationSum:
    """Return correct answers and summed cross-entropy of logits for inputs [N, ...], labels [N].

    Sets the model to evaluation mode. A model with several outputs gives its prediction in that mode.
    """
    model.eval()
    num_correct, loss_sum = 0, 0.0
    for batch, batch_labels in zip(split(inputs, batch_size), labels.split(batch_size), strict=True):
        logits = model(as_batch(batch))
        num_correct += int((logits.argmax(dim=1) == batch_labels).sum())
        loss_sum += float(functional.cross_entropy(logits, batch_labels, reduction="sum").double())
    return EvaluationSum(num_correct, loss_sum, len(labels))
