"""Chips in IHP SG13G2, 130 nm: the accelerator as a block with an SPI bus, for open tools.

Everything is in one clock domain. Memories are flip-flops, or SRAM macros where those are smaller. Pads are not part of
it: the block goes into a pad frame, or into a larger chip.
"""

from math import prod
from typing import Any

from amaranth.hdl import Cat, Module, Shape, Value
from amaranth.lib.memory import Memory

from nomul.boards.base import BoardError
from nomul.boards.chip import ChipTop
from nomul.boards.open_flow import abc_constraints, librelane, macro_variables, sdc, sta, synthesis, wires
from nomul.boards.sg13g2_sram import Tiling, blackboxes, instances, tiling
from nomul.gen.asic.ripple import RIPPLE
from nomul.gen.asic.timing import WIRE
from nomul.gen.manifest import ports_of
from nomul.gen.spec.config import Config
from nomul.gen.verilog import emit_verilog, without_initial_values
from nomul.hdl.fabric import Asic, FabricPlatform

__all__ = ["ChipPlatform", "IhpSg13g2"]

#: A bit of memory takes about 80 µm²: a flip-flop, and the gates that write and read it.
_BIT_AREA = 80.0
#: Memories of more flip-flops than this are refused, mm².
_LARGEST = 4.0


class IhpSg13g2:
    """The process as a target of `nomul generate`.

    Parameters
    ----------
    macros : bool
        Whether memories may be SRAM macros; otherwise everything is standard cells.

    Attributes
    ----------
    name, summary, chip, toolchain, link, preset : str
        As those of a `nomul.boards.base.Board`.
    clock_hz : int
        What the constraints ask for.
    """

    chip = "IHP SG13G2"
    toolchain = "yosys, LibreLane"
    link = "SPI, up to 8 MHz"
    clock_hz = 50_000_000

    def __init__(self, *, macros: bool):
        self.macros = macros
        self.name, self.preset = ("ihp-sg13g2-sram", "tiny") if macros else ("ihp-sg13g2", "chip")
        self.summary = (f"chip in IHP SG13G2, 130 nm, of standard cells{' and SRAM macros' if macros else ''}: "
                        f"{self.clock_hz / 1e6:g} MHz, SPI")

    def describe(self) -> dict:
        """Facts for the manifest."""
        return {"name": self.name, "summary": self.summary, "clock_hz": self.clock_hz}

    def emit(self, config: Config, top: str) -> tuple[list[dict], dict[str, str]]:
        """The design for `config`: Verilog, constraints, and the scripts of Yosys, OpenSTA and LibreLane.

        Raises
        ------
        BoardError
            If there is too much memory for flip-flops; says how large it would be.
        """
        block, platform = ChipTop(config), ChipPlatform(macros=self.macros)
        verilog = without_initial_values(emit_verilog(block, top, platform))
        area = _BIT_AREA * sum(map(prod, platform.flip_flops)) / 1e6
        if area > _LARGEST:
            depth, bits = max(platform.flip_flops, key=prod)
            others = "" if self.macros else ", or ihp-sg13g2-sram, which has macros"
            raise BoardError(f"configuration {config.name!r} has {sum(map(prod, platform.flip_flops))} bits of memory "
                             f"that would be {area:.1f} mm² of flip-flops on {self.name}, where {_LARGEST:g} mm² are "
                             f"allowed; the largest has {depth} words of {bits} bits: take smaller memories, as preset "
                             f"chip does{others}")
        ports = ports_of(block)[2:]         # the block has its clock and reset itself
        inputs, outputs = ([port["name"] for port in ports if port["direction"] == direction
                            and port["name"] not in ("clk", "rst_n")] for direction in ("input", "output"))
        placed = instances(verilog, top)
        used = sorted(set(placed.values()))
        sources = [f"{top}.v", *(["macros.v"] if used else [])]
        files = {
            f"{top}.v": verilog, f"{top}.sdc": sdc(self.clock_hz, inputs, outputs),
            f"{top}.ys": synthesis(top, self.clock_hz, sources), "abc.sdc": abc_constraints(), "ripple.v": RIPPLE,
            f"{top}.sta.tcl": sta(top, [f"{name}.lib" for name in used]), "wires.lib": wires(WIRE),
            "librelane.json": librelane(top, self.clock_hz, [f"{top}.v"], macro_variables(placed) if used else {}),
        }
        return ports, files | ({"macros.v": blackboxes(used)} if used else {})


class ChipPlatform(FabricPlatform):
    """Standard cells, and macros if allowed.

    Attributes
    ----------
    flip_flops : list of (int, int)
        Words, and bits of a word, of each memory that is made of flip-flops.
    """

    def __init__(self, *, macros: bool):
        super().__init__("asic")
        self._macros = macros
        self.flip_flops: list[tuple[int, int]] = []
        if macros:
            self.fabric = _WithMacros()

    def get_memory(self, memory: Memory) -> Any:
        """Macros where a memory allows them and they are smaller; or Amaranth's own, which becomes flip-flops."""
        bits = Shape.cast(memory.shape).width
        tiles = None
        if self._macros and memory.attrs.get("no_rw_check"):        # see nomul.hdl.memory
            (write,), (read,) = memory.write_ports, memory.read_ports
            tiles = _smaller(memory.depth, bits, 2, len(write.en) > 1)
        if tiles is None:
            self.flip_flops.append((memory.depth, bits))
            return memory.elaborate(None)
        m = Module()
        enable = Cat(bit.replicate(bits // len(write.en)) for bit in write.en) if len(write.en) > 1 else write.en
        word = tiles.build(m, bits, (write.addr, Value.cast(write.data), enable), (read.addr, read.en))
        m.d.comb += Value.cast(read.data).eq(word)
        return m


class _WithMacros(Asic):
    """Standard cells, and macros of one port for large memories."""

    def large_memory(self, m: Module, name: str, depth: int, write_address: Value, write_data: Value,
                     write_enable: Value, read_address: Value) -> Value:
        """See `Fabric.large_memory`."""
        tiles = _smaller(depth, len(write_data), 1, False)
        if tiles is None:
            return super().large_memory(m, name, depth, write_address, write_data, write_enable, read_address)
        m.submodules[name] = memory = Module()
        return tiles.build(memory, len(write_data), (write_address, write_data, write_enable),
                           (read_address, Value.cast(1)))


def _smaller(depth: int, bits: int, ports: int, masked: bool) -> Tiling | None:
    """Macros for a memory, if they are smaller than flip-flops."""
    tiles = tiling(depth, bits, ports, masked)
    return tiles if tiles.area < _BIT_AREA * depth * bits else None
