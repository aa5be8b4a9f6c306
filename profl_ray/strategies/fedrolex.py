"""FedRolex: narrow networks are a window of channels that rolls on by one in every round.

S. Alam et al., "FedRolex: Model-Heterogeneous Federated Learning with Rolling Sub-Model Extraction", NeurIPS
2022. Everything else is HeteroFL's, as in its own comparison.
"""

from profl_ray.strategies.widths import Widths


class FedRolex(Widths):
    """Channels t to t + ceil(r C) - 1 of every layer in round t, around the end."""

    name = "fedrolex"

    def shift(self) -> int:
        """Return the number of rounds done."""
        return self.rounds_done
