"""What an image may cost in energy, layer by layer: an estimate from published unit costs, and our own array's share.

Counted are the operations of the layers' weights, what goes to and from the memories of activations and weights, and
the accumulators. Clock, wires, requantizers and idle lanes are not, and sums are taken to be as wide as activations: so
layers and networks can be compared with each other by this, not with a chip. What the array takes is measured besides,
on the netlist of a chip (`docs/arrays.md`), with the data of a trained layer.
"""

from dataclasses import dataclass

from nomul.gen.spec.config import Config
from nomul.sw.report import LayerReport

__all__ = ["ADD", "ARRAY", "BUFFER_BIT", "MULTIPLIER", "OPERATION", "REGISTER_BIT", "SHIFT", "LayerEnergy",
           "array_energy", "estimate"]

#: Picojoules of 8 bits in CMOS of 45 nm: You et al., "ShiftAddLLM", 2024, table 1.
ADD, SHIFT = 0.03, 0.024

#: Picojoules of an operation with a weight, by operator. L1 subtracts and adds the absolute value, which are two
#: additions; SHIFT shifts and adds; SIGN adds or subtracts.
OPERATION = {"l1": 2 * ADD, "shift": SHIFT + ADD, "sign": ADD}

#: Picojoules of a bit: the simulators behind ShiftAddNAS and ShiftAddLLM take 3.7 pJ for 16 bits in a register file and
#: six times that in a global buffer, which here are the accumulators, and the memories of activations and weights.
REGISTER_BIT = 3.7 / 16
BUFFER_BIT = 6 * REGISTER_BIT

#: Picojoules of an operation of 8 bits in our arrays for IHP SG13G2 (130 nm, typical corner), with its share of adder
#: tree and accumulator, without wires: `nomul bench array --target asic`. Of SHIFT by the number of exponents.
ARRAY = {"l1": 0.697, "unified": 0.788, "sign": 0.622, "shift 4": 0.728, "shift 8": 1.024}
#: The same of the multiply-accumulate array that takes the least energy.
MULTIPLIER = 2.039


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


def array_energy(layer: LayerReport, config: Config) -> float | None:
    """Picojoules that the array takes for a layer's operations on a chip of 130 nm; None where not measured."""
    kind = f"shift {config.shift_exponents}" if layer.kind == "shift" else layer.kind
    if config.unified and kind in ("l1", "sign"):
        kind = "unified"
    wide = config.activation_bits == 8 and (kind not in ("l1", "unified") or config.l1_weight_bits == 8)
    return layer.operations * ARRAY[kind] if kind in ARRAY and wide else None
