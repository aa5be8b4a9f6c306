import re

import numpy as np
import pytest

from profl_ray.errors import UserError
from profl_ray.memory import NeedEstimator
from profl_ray.server.experiment import assemble
from profl_ray.server.memory_table import memory_table
from profl_ray.server.ports import EVALUATION_CHUNK, evaluation_chunks

from .kit import STEPS, short_config

UNEVEN = ("data.split.name=dirichlet", "data.split.alpha=0.01", "data.split.max_tries=2")


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["model.name=cnnn"], "unknown model 'cnnn'; did you mean 'cnn'?"),
        (["data.name=digit"], "did you mean 'digits'?"),
        (["strategy.name=prfl"], "unknown strategy 'prfl'; did you mean 'profl'?"),
        (["model.partition=[2,3]"], "model.partition=[2, 3] does not add up: cnn has 4 units"),
        (["model.name=vgg11_bn", "model.partition=stages"], "inputs of 1x8x8 are too small for vgg11_bn"),
        (["model.partition=9"], "model.partition=9: the model has 4 units"),
        (["model.partition=stage"], "unknown partition 'stage'; did you mean 'stages'?"),
        ([*UNEVEN, "data.split.min_examples=20"], "data.split.name=dirichlet with alpha=0.01: in 2 draws"),
        (
            ["data.examples_per_device=9999"],
            "data.examples_per_device=9999 for federation.num_devices=8 needs",
        ),
        (["federation.quotas.name=list", "federation.quotas.values_mib=[1,2]"], "values_mib has 2 quotas"),
    ],
)
def test_what_cannot_be_is_told_in_one_line(root, overrides, words):
    with pytest.raises(UserError, match=re.escape(words)) as caught:
        assemble(short_config(root, *overrides)).make_strategy()
    assert len(str(caught.value).splitlines()) == 1


def test_a_wrong_model_is_told_before_data_are_read(root):
    with pytest.raises(UserError, match="unknown model"):
        assemble(short_config(root, "model.name=x"), load=lambda _config: pytest.fail("data were read"))


def test_quotas_that_no_device_meets_are_told(root):
    experiment = assemble(
        short_config(root, "federation.quotas.low_fraction=0.01", "federation.quotas.high_fraction=0.02")
    )
    needs = experiment.step_needs(experiment.make_strategy())
    assert {need.eligible_share for need in needs} == {0.0}
    words = (
        rf"^no device can train step 'shrink 2': it needs {needs[0].need_mib:.2f} MiB and the largest "
        rf"quota is {experiment.quotas_mib.max():.2f} MiB \(fix: federation.quotas"
    )
    with pytest.raises(UserError, match=words) as caught:
        experiment.check_affordable(needs)
    assert len(str(caught.value).splitlines()) == 1


def test_a_step_that_one_device_affords_is_affordable(root, experiment):
    needs = experiment.step_needs(experiment.make_strategy())
    assert [str(need.step) for need in needs] == [step for step, _ in STEPS]
    experiment.check_affordable(needs)
    for need in needs:
        assert need.eligible_share == np.mean(experiment.quotas_mib >= need.need_mib) > 0
        assert need.need_mib < experiment.full_need_mib


def test_workers_are_told_what_the_configuration_says(root):
    config = short_config(
        root, "data.augment=crop_flip", "fleet.enforce_quotas=false", "fleet.overhead_mib=25", "seed=9"
    )
    settings = assemble(config).worker_settings()
    assert (settings.augment, settings.enforce_quotas) == (True, False)
    assert settings.features_root == root / "cache" / "features" and settings.features_mib == 2048
    assert (settings.overhead_mib, settings.seed, settings.accelerator) == (25.0, 9, "cpu")


def test_a_number_of_blocks_gives_a_balanced_partition(root):
    partition = assemble(short_config(root, "model.partition=3")).network.partition
    assert len(partition) == 3 and sum(partition) == 4


def test_the_memory_table_says_what_the_run_will_use(experiment):
    table = memory_table(experiment.config, (1, 8, 8), 10, NeedEstimator())
    needs = experiment.step_needs(experiment.make_strategy())
    assert table.partition == (2, 2)
    assert table.full.need.mib == experiment.full_need_mib
    np.testing.assert_array_equal(table.quotas_mib, experiment.quotas_mib)
    assert [(row.step, row.need.mib, row.eligible_share) for row in table.steps] == [
        (need.step, need.need_mib, need.eligible_share) for need in needs
    ]
    assert table.peak_need_mib == max(need.need_mib for need in needs)
    assert table.reduction == pytest.approx(1 - table.peak_need_mib / experiment.full_need_mib)
    assert table.full.eligible_share == np.mean(experiment.quotas_mib >= experiment.full_need_mib)


@pytest.mark.parametrize(
    ("num_examples", "batch_size"),
    [(1, 1), (359, 250), (1000, 250), (1001, 250), (10_000, 300), (2500, 5000)],
)
def test_evaluation_chunks_are_whole_batches_and_cover_every_image_once(num_examples, batch_size):
    chunks = evaluation_chunks(num_examples, batch_size)
    assert [image for start, stop in chunks for image in range(start, stop)] == list(range(num_examples))
    for start, stop in chunks:
        assert start % batch_size == 0
        assert stop - start <= max(EVALUATION_CHUNK, batch_size)
