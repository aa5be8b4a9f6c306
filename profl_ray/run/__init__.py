"""A run from its first round to its end: the driver, its Ray actor, and its run in MLflow."""
