"""The layers without multiplications, used as their `torch.nn` counterparts, in one place."""

from nomul.sw.l1_layers import L1Conv2d, L1Linear
from nomul.sw.shift_layers import ShiftConv2d, ShiftLinear

__all__ = ["L1Conv2d", "L1Linear", "ShiftConv2d", "ShiftLinear"]
