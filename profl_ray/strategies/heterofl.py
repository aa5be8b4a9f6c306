"""HeteroFL: narrow networks are the first channels of the complete one.

E. Diao, J. Ding, V. Tarokh, "HeteroFL: Computation and Communication Efficient Federated Learning for
Heterogeneous Clients", ICLR 2021. Scaler, static batch norm and masked cross-entropy as there.

Two differences: devices count by their examples, as everywhere here; and a row of the classifier is merged
over all devices, not only over those that have its class (on the others the masked loss leaves it as it was,
but for weight decay), which damps what the row learns where classes are rare.

The complete network has all widths, as in the paper: where no device can afford the widest, its last channels
stay as they were drawn, and are evaluated.
"""

from profl_ray.strategies.widths import Widths


class HeteroFL(Widths):
    """Channels 0 to ceil(r C) - 1 of every layer; the classifier keeps all classes."""

    name = "heterofl"
