from profl_ray.config import ExperimentConfig
from profl_ray.config.load import flatten
from profl_ray.tracking.params import cut, safe_key


def test_every_key_of_the_real_configuration_is_allowed_by_mlflow():
    flat = flatten(ExperimentConfig())
    assert flat["freezing.phi"] == "0.2"
    assert all(safe_key(key) == key for key in flat)


def test_cut_keeps_short_text_and_marks_long_text():
    assert cut("short", 100) == "short"
    assert len(cut("x" * 1000, 100)) <= 100
