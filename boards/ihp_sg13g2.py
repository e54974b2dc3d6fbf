"""A chip in IHP SG13G2, 130 nm: the accelerator as a block of standard cells with an SPI bus, for open tools.

Everything is in one clock domain. Memories are flip-flops, so they should be small; the preset `chip` is. Pads are not
part of it: the block goes into a pad frame, or into a larger chip.
"""

from math import prod
from typing import Any

from amaranth.hdl import Shape
from amaranth.lib.memory import Memory

from nomul.boards.base import BoardError
from nomul.boards.chip import ChipTop
from nomul.boards.open_flow import RIPPLE, abc_constraints, librelane, sdc, sta, synthesis, wires
from nomul.gen.asic.timing import WIRE
from nomul.gen.manifest import ports_of
from nomul.gen.spec.config import Config
from nomul.gen.verilog import emit_verilog, without_initial_values
from nomul.hdl.fabric import FabricPlatform

__all__ = ["IhpSg13g2"]

#: A bit of memory takes about 80 µm², in mm²: a flip-flop, and the gates that write and read it.
_BIT_AREA = 80e-6
#: Memories of more than this are not for flip-flops, mm².
_LARGEST = 4.0


class IhpSg13g2:
    """The process as a target of `nomul generate`: standard cells only.

    Attributes
    ----------
    name, summary, chip, toolchain, link, preset : str
        As those of a `nomul.boards.base.Board`.
    clock_hz : int
        What the constraints ask for.
    """

    name = "ihp-sg13g2"
    summary = "chip in IHP SG13G2, 130 nm, of standard cells: 50 MHz, SPI"
    chip = "IHP SG13G2"
    toolchain = "yosys, LibreLane"
    link = "SPI, up to 8 MHz"
    preset = "chip"
    clock_hz = 50_000_000

    def describe(self) -> dict:
        """Facts for the manifest."""
        return {"name": self.name, "summary": self.summary, "clock_hz": self.clock_hz}

    def emit(self, config: Config, top: str) -> tuple[list[dict], dict[str, str]]:
        """The design for `config`: Verilog, constraints, and the scripts of Yosys, OpenSTA and LibreLane.

        Raises
        ------
        BoardError
            If the memories are too large for flip-flops; says how large they would be.
        """
        block, platform = ChipTop(config), _Platform()
        verilog = without_initial_values(emit_verilog(block, top, platform))
        area = _BIT_AREA * sum(depth * bits for depth, bits in platform.memories)
        if area > _LARGEST:
            depth, bits = max(platform.memories, key=prod)
            raise BoardError(f"configuration {config.name!r} has {sum(map(prod, platform.memories))} bits of memory, "
                             f"which would be {area:.1f} mm² of flip-flops on {self.name}, where {_LARGEST:g} mm² are "
                             f"allowed; the largest has {depth} words of {bits} bits: take smaller memories, as preset "
                             f"{self.preset} does")
        ports = ports_of(block)[2:]         # the block has its clock and reset itself
        inputs, outputs = ([port["name"] for port in ports if port["direction"] == direction
                            and port["name"] not in ("clk", "rst_n")] for direction in ("input", "output"))
        files = {
            f"{top}.v": verilog, f"{top}.sdc": sdc(self.clock_hz, inputs, outputs),
            f"{top}.ys": synthesis(top, self.clock_hz, [f"{top}.v"]), "abc.sdc": abc_constraints(), "ripple.v": RIPPLE,
            f"{top}.sta.tcl": sta(top, []), "wires.lib": wires(WIRE),
            "librelane.json": librelane(top, self.clock_hz, [f"{top}.v"], {}),
        }
        return ports, files


class _Platform(FabricPlatform):
    """Standard cells; keeps a list of memories, as words and bits of a word."""

    def __init__(self) -> None:
        super().__init__("asic")
        self.memories: list[tuple[int, int]] = []

    def get_memory(self, memory: Memory) -> Any:
        """Amaranth's own memory, which becomes flip-flops."""
        self.memories.append((memory.depth, Shape.cast(memory.shape).width))
        return memory.elaborate(None)
