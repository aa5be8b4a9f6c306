"""What all tests share."""

from hypothesis import HealthCheck, settings

import profl_ray.fleet  # noqa: F401  First: it sets what Ray reads from the environment when it is imported.

# The same examples everywhere, at any speed: a test that passes here passes there. New examples are looked
# for with `pytest --hypothesis-profile=explore`.
settings.register_profile(
    "same", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("explore", deadline=None, suppress_health_check=[HealthCheck.too_slow])
# `make fuzz`
settings.register_profile(
    "many", derandomize=True, deadline=None, max_examples=2000, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("same")
