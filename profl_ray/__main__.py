"""`python -m profl_ray` is the same program as `profl-ray`."""

from profl_ray.cli.main import main

main()
