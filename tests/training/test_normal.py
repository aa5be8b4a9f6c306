import numpy as np
import pytest

from profl_ray.training.normal import normal_quantiles


def test_quantiles_are_those_of_scipy_to_the_digits_of_float32():
    special = pytest.importorskip("scipy.special")
    inner = np.linspace(0.0005, 0.9995, 9999)
    outer = 2.0 ** -np.arange(2, 34)
    for probabilities in (inner, outer, 1 - outer, np.array([0.075, 0.925, 0.5])):
        expected = special.ndtri(probabilities)
        np.testing.assert_allclose(normal_quantiles(probabilities), expected, rtol=3e-7, atol=1e-12)
