"""Where to cut: block partitions of a ResNet18, on Fashion-MNIST."""

from profl_ray.tuning import Choice, SearchSpace


def partitions() -> SearchSpace:
    """Sweep the partition of a quarter-width ResNet18: 2, 4 and 8 blocks, by stages, units and equal need.

    Finer cuts lower the peak and admit more devices, and take more steps. About an hour a trial on one core.
    All run to their end: before it, networks that are cut differently hold sub-models that do not compare.
    """
    return SearchSpace(
        name="partitions",
        description="block partitions of a quarter-width ResNet18 on Fashion-MNIST",
        recipe="fashion_resnet18",
        parameters={"model.partition": Choice.of("stages", "units", 2, 4, [1, 1, 2, 2, 2])},
        overrides=("fleet.backend=ray",),
    )
