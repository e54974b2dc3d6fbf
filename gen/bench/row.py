"""What the benchmark finds out about an array."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace

__all__ = ["Row", "compared"]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One array on one target.

    An operation is what one lane of one column does in a cycle, with its share of the column's adder tree and
    accumulator. What all columns share is counted apart: divided by lanes × columns, too, it becomes less with each
    column. Registers that hold activations and weights belong to the frame, not to the array, and are not counted.

    Attributes
    ----------
    target, pe : str
        What was measured.
    lanes, columns, activation_bits, weight_bits : int
        Its size; `weight_bits` is the width of this array's own weight codes.
    tool_versions : dict of str to str
        The tools that measured it.
    ratio_to_baseline : float or None
        `luts_per_op` of this array by that of the baseline in the same run; on "asic", `area_um2_per_op`.
    luts_per_op, shared_luts_per_op : float or None
        Look-up tables, those in carry cells included, counted as `nomul.gen.synth.targets` says; None on "asic".
    routed_luts_per_op : float or None
        Look-up tables after place and route, less the shared ones before it: the counterpart of `luts_per_op`.
    ffs_per_op, carries_per_op : float or None
        Flip-flops and carry cells.
    dsp : float or None
        DSP blocks.
    fmax_mhz : float or None
        Highest clock rate: the median over the seeds of place and route.
    fmax_seeds : list of float
        Highest clock rate with each seed, MHz.
    device : str or None
        What it was placed on: the smallest device of the target that has room.
    not_routed : str or None
        Why it was not placed although it was to be.
    library : str or None
        The cell library; None but on "asic", as all that follow.
    area_um2_per_op, shared_area_um2_per_op : float or None
        Area of the cells, µm².
    delay_ns : float or None
        Shortest clock period.
    energy_fj_per_op, shared_energy_fj_per_op : float or None
        Energy, fJ.
    energy_ratio_to_baseline : float or None
        `energy_fj_per_op` of this array by that of the baseline in the same run.
    """

    target: str
    pe: str
    lanes: int
    columns: int
    activation_bits: int
    weight_bits: int
    tool_versions: dict[str, str]
    ratio_to_baseline: float | None = None
    luts_per_op: float | None = None
    shared_luts_per_op: float | None = None
    routed_luts_per_op: float | None = None
    ffs_per_op: float | None = None
    carries_per_op: float | None = None
    dsp: float | None = None
    fmax_mhz: float | None = None
    fmax_seeds: list[float] = field(default_factory=list)
    device: str | None = None
    not_routed: str | None = None
    library: str | None = None
    area_um2_per_op: float | None = None
    shared_area_um2_per_op: float | None = None
    delay_ns: float | None = None
    energy_fj_per_op: float | None = None
    shared_energy_fj_per_op: float | None = None
    energy_ratio_to_baseline: float | None = None

    @property
    def cost(self) -> float | None:
        """What `ratio_to_baseline` compares."""
        return self.area_um2_per_op if self.target == "asic" else self.luts_per_op

    def to_dict(self) -> dict:
        """All fields as JSON-able values."""
        return asdict(self)


def compared(rows: Sequence[Row], baseline: str) -> list[Row]:
    """The rows of one target with their ratios to the row of the array `baseline`, which is among them."""
    reference, = (row for row in rows if row.pe == baseline)
    return [replace(row, ratio_to_baseline=_ratio(row.cost, reference.cost),
                    energy_ratio_to_baseline=_ratio(row.energy_fj_per_op, reference.energy_fj_per_op)) for row in rows]


def _ratio(value: float | None, reference: float | None) -> float | None:
    return None if value is None or reference is None else value / reference
