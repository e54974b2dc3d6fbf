"""What an image may cost in energy, layer by layer, from published unit costs: an estimate, not a measurement.

Counted are the operations of the layers' weights, what goes to and from the memories of activations and weights, and
the accumulators. Clock, wires, requantizers and idle lanes are not, and sums are taken to be as wide as activations: so
layers and networks can be compared with each other by this, not with a chip.
"""

from dataclasses import dataclass

from nomul.gen.spec.config import Config
from nomul.sw.report import LayerReport

__all__ = ["ADD", "BUFFER_BIT", "OPERATION", "REGISTER_BIT", "SHIFT", "LayerEnergy", "estimate"]

#: Picojoules of 8 bits in CMOS of 45 nm: You et al., "ShiftAddLLM", 2024, table 1.
ADD, SHIFT = 0.03, 0.024

#: Picojoules of an operation with a weight, by operator. L1 subtracts and adds the absolute value, which are two
#: additions; SHIFT shifts and adds; SIGN adds or subtracts.
OPERATION = {"l1": 2 * ADD, "shift": SHIFT + ADD, "sign": ADD}

#: Picojoules of a bit: the simulators behind ShiftAddNAS and ShiftAddLLM take 3.7 pJ for 16 bits in a register file and
#: six times that in a global buffer, which here are the accumulators, and the memories of activations and weights.
REGISTER_BIT = 3.7 / 16
BUFFER_BIT = 6 * REGISTER_BIT


@dataclass(frozen=True)
class LayerEnergy:
    """Picojoules of one layer for one image; `total` is the sum of the others.

    Attributes
    ----------
    operations : float
        Of its weights, or of pooling and sums.
    activations, weights, accumulators : float
        To read and write the memories.
    """

    operations: float
    activations: float
    weights: float
    accumulators: float

    @property
    def total(self) -> float:
        """Of the layer."""
        return self.operations + self.activations + self.weights + self.accumulators


def estimate(layer: LayerReport, config: Config) -> LayerEnergy:
    """The energy of a layer whose operations and traffic are counted.

    A column's sum is read and written in every busy cycle of the array. The vector engine adds or compares in each lane
    and busy cycle.
    """
    busy, traffic = layer.cycles.busy, (layer.bits_read + layer.bits_written) * BUFFER_BIT
    if layer.kind not in OPERATION:
        return LayerEnergy(busy * config.lanes * ADD, traffic, 0, 0)
    return LayerEnergy(layer.operations * OPERATION[layer.kind], traffic, layer.weight_bits_read * BUFFER_BIT,
                       2 * busy * config.columns * config.accumulator_bits * REGISTER_BIT)
