"""What all tests share."""

import profl_ray.fleet  # noqa: F401  First: it sets what Ray reads from the environment when it is imported.
