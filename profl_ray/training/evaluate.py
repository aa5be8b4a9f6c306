"""Evaluation of a model on examples."""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from profl_ray.models import Features
from profl_ray.training.batch import as_batch, split
from profl_ray.training.orders import EvaluationSum


@torch.no_grad()
def evaluate_examples(model: nn.Module, inputs: Features, labels: Tensor, batch_size: int) -> EvaluationSum:
    """Return correct answers by class and summed cross-entropy of logits for inputs [N, ...], labels [N].

    Sets the model to evaluation mode. A model with several outputs gives its prediction in that mode.
    """
    model.eval()
    correct, loss_sum = [], 0.0
    for batch, batch_labels in zip(split(inputs, batch_size), labels.split(batch_size), strict=True):
        logits = model(as_batch(batch))
        correct.append(logits.argmax(dim=1) == batch_labels)
        loss_sum += float(functional.cross_entropy(logits, batch_labels, reduction="sum").double())
    num_classes = logits.shape[1]
    return EvaluationSum(
        num_correct=_counts(labels[torch.cat(correct)], num_classes),
        num_seen=_counts(labels, num_classes),
        loss_sum=loss_sum,
    )


def _counts(labels: Tensor, num_classes: int) -> np.ndarray:
    """Return how often each class occurs: int64 [num_classes]."""
    return np.bincount(labels.cpu().numpy(), minlength=num_classes)
