"""SmartFreeze: ProFL's growing stage alone, paced by the perturbation of the active block.

Y. Wu et al., "SmartFreeze", arXiv 2408.09101. Blocks start from random weights; the output module, a
convolution per later block and the FC, is carried on from step to step.
"""

from profl_ray.sections import FreezingConfig
from profl_ray.strategies.profl import ProFL


class SmartFreeze(ProFL):
    """ProFL without shrinking; of its options only `frozen_bn` has an effect."""

    name = "smartfreeze"

    def _settings(self) -> tuple[ProFL.Options, FreezingConfig]:
        frozen_bn = self.context.options(ProFL.Options).frozen_bn
        options = ProFL.Options(shrinking=False, initialisation="carry", frozen_bn=frozen_bn)
        freezing = self.context.config.freezing
        if freezing.name == "effective_movement":
            # The measure is the method's own; thresholds and fixed rounds are as configured.
            freezing = freezing.model_copy(update={"name": "block_perturbation"})
        return options, freezing
