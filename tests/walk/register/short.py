"""What is put behind commands that would take long, so that they go the same way in less time."""

SHORT = "freezing.min_rounds=2 freezing.max_rounds=2 freezing.max_shrink_rounds=2 strategy.profl.map_rounds=1"

SHORT_SWEEP = f"{SHORT} strategy.rounds=3 data.examples_per_device=20"

TRAINS = r"partition=\S+ +\w+ \d+ +round"
"""What a sweep shows once a trial has trained a round."""

SHORT_RESNET = f"{SHORT} data.examples_per_device=4 data.test_examples=50"
