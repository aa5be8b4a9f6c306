from profl_ray.config import ExperimentConfig
from profl_ray.tracking import flat_params
from profl_ray.tracking.params import cut, safe_key


def test_a_configuration_becomes_dotted_text():
    flat = flat_params({"model": {"partition": [2, 2], "width": 1.0}, "seed": 42, "x": None, "on": True})
    assert flat == {"model.partition": "[2,2]", "model.width": "1.0", "seed": "42", "x": "null", "on": "true"}


def test_every_key_of_the_real_configuration_is_allowed_by_mlflow():
    flat = flat_params(ExperimentConfig().model_dump(mode="json"))
    assert flat["freezing.phi"] == "0.2"
    assert all(safe_key(key) == key for key in flat)


def test_cut_keeps_short_text_and_marks_long_text():
    assert cut("short", 100) == "short"
    assert len(cut("x" * 1000, 100)) <= 100
