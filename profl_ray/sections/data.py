"""What is learnt: the data set and how its training examples are split over the devices."""

from pathlib import Path
from typing import Literal

from pydantic import Field, PositiveFloat

from profl_ray.sections.base import Count, FromOutside, Section


class SplitConfig(Section):
    """How the training examples are dealt to the devices."""

    name: Literal["iid", "dirichlet", "shards", "natural"] | FromOutside = "iid"
    """iid: equal random shares; dirichlet: per class over devices; shards: label-sorted pieces; natural: who
    the examples come from, where the data set says it (a writer, a user), is a device; or a function of your
    own (docs/plugins.md)."""
    alpha: PositiveFloat = 0.5
    """dirichlet: concentration of the per-class distribution over devices; smaller is more skewed."""
    shards_per_device: Count = 2
    """shards: how many label-sorted pieces each device is dealt."""
    min_examples: int = Field(2, ge=2, le=10_000_000)
    """Fewest examples that a device may hold."""
    max_tries: int = Field(100, ge=1, le=10_000)
    """dirichlet: draws to try until every device holds `min_examples`."""
    own_test: float = Field(0.0, ge=0, lt=1)
    """Share of its examples that each device tests on and never trains on, for personal accuracies."""


class DataConfig(Section):
    """The data set."""

    name: str = "digits"
    """digits, fashion_mnist, cifar10, cifar100 or svhn; or a function of your own (docs/plugins.md)."""
    root: Path | None = None
    """Folder that holds the data set's files; default: the usual places of the data set."""
    download: bool = False
    """Let torchvision download the data set into `root` when it is not there."""
    augment: Literal["none", "crop_flip"] = "none"
    """crop_flip: random 4-pixel shift and horizontal flip of every training image."""
    examples_per_device: Count | None = None
    """Use only this many training examples per device (on average); default: all examples of the data set."""
    test_examples: Count | None = None
    """Evaluate on the first so many test examples; default: all."""
    validation: float = Field(0.0, ge=0, lt=1)
    """Share of the training examples that no device gets, for choosing settings: every accuracy is measured
    on it, and on the test examples once, at the end (`final_test_accuracy`)."""
    split: SplitConfig = SplitConfig()
