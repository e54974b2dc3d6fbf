"""The layers without multiplications, used as their `torch.nn` counterparts, in one place."""

from nomul.sw.l1_layers import L1Conv2d, L1Linear
from nomul.sw.power_sum_layers import PowerSumConv2d, PowerSumLinear
from nomul.sw.shift_layers import ShiftConv2d, ShiftLinear
from nomul.sw.sign_layers import SignConv2d, SignLinear

__all__ = ["L1Conv2d", "L1Linear", "PowerSumConv2d", "PowerSumLinear", "ShiftConv2d", "ShiftLinear", "SignConv2d",
           "SignLinear"]
