"""Those who train: the in-process fleet, and the Ray fleet with its client actors."""
