"""The SRAM macros of IHP SG13G2, and memories that are made of them.

A macro is a block of its own in the layout: it has a fixed number of words and bits, and a clock of its own, here that
of everything else. Those of one port read or write in a cycle, those of two read with the one and write with the other.
What their outputs hold after a write, and what comes of reading a word while it is written, is not specified.

Facts are those of IHP-Open-PDK, commit 5cccb161 (libs.ref/sg13g2_sram): sizes from `lef`, times from `lib` (typical
corner, slew 0.04 ns, load 0.034 pF), pins from `verilog`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from amaranth.hdl import Array, Cat, ClockSignal, Const, Instance, Module, Signal, Value

__all__ = ["MACROS", "SETUP", "Macro", "Tiling", "blackboxes", "instances", "tiling"]

#: An instance as Yosys writes it: module, and name.
_INSTANCE = re.compile(r"^  \\?(\S+) +(\\?\S+) +\($", re.MULTILINE)
#: How long before the clock's edge inputs must be there, ns; enables want it longest.
SETUP = 0.38
#: Free room around a macro, µm.
_HALO = 10.0


@dataclass(frozen=True)
class Macro:
    """A macro.

    Attributes
    ----------
    name : str
        Its module's.
    ports, words, bits : int
        What there is.
    masked : bool
        Whether bits can be left out of a write.
    tested : bool
        Whether it has pins for self test, which are tied low here.
    width, height : float
        µm.
    access : float
        From the clock's edge to the output, ns.
    """

    name: str
    ports: int
    words: int
    bits: int
    masked: bool
    tested: bool
    width: float
    height: float
    access: float

    @property
    def area(self) -> float:
        """With the room around it, µm²."""
        return (self.width + 2 * _HALO) * (self.height + 2 * _HALO)

    @property
    def address_bits(self) -> int:
        """Bits of an address."""
        return (self.words - 1).bit_length()

    def instance(self, port: str, **values: Value) -> dict:
        """Arguments of an Amaranth `Instance` for a port ("A" or "B"); what is not given is 0.

        Values are named ``MEN``, ``WEN``, ``REN`` (enables), ``ADDR``, ``DIN``, ``BM`` (bits to write), ``DOUT``.
        """
        widths = {"MEN": 1, "WEN": 1, "REN": 1, "ADDR": self.address_bits, "DIN": self.bits}
        widths |= {"BM": self.bits} if self.masked else {}
        pins = {f"i_{port}_{pin}": values.get(pin, Const(0, width)) for pin, width in widths.items()}
        pins |= {f"i_{port}_CLK": ClockSignal(), f"i_{port}_DLY": Const(1)}
        if "DOUT" in values:
            pins[f"o_{port}_DOUT"] = values["DOUT"]
        if self.tested:
            pins |= {f"i_{port}_BIST_{pin}": Const(0, width) for pin, width in
                     {**widths, "CLK": 1, "EN": 1}.items()}
        return pins


def _macro(ports: int, words: int, bits: int, suffix: str, width: float, height: float, access: float) -> Macro:
    name, full = f"RM_IHPSG13_{ports}P_{words}x{bits}_{suffix}", suffix.endswith("_bm_bist")
    return Macro(name, ports, words, bits, full, full, width, height, access)


#: By their modules' names. Those of one port that are left out are larger than others for the same bits.
MACROS: dict[str, Macro] = {macro.name: macro for macro in (
    _macro(1, 64, 64, "c2_bm_bist", 784.48, 64.36, 3.13),
    _macro(1, 256, 8, "c3_bm_bist", 236.8, 74.1, 3.02),
    _macro(1, 256, 16, "c2_bm_bist", 236.8, 118.78, 3.03),
    _macro(1, 256, 32, "c2_bm_bist", 416.64, 118.78, 3.11),
    _macro(1, 256, 48, "c2_bm_bist", 596.48, 118.78, 3.18),
    _macro(1, 256, 64, "c2_bm_bist", 784.48, 118.78, 3.13),
    _macro(1, 512, 8, "c3_bm_bist", 236.8, 110.38, 3.02),
    _macro(1, 512, 16, "c2_bm_bist", 236.8, 191.34, 3.79),
    _macro(1, 512, 32, "c2_bm_bist", 416.64, 191.34, 3.87),
    _macro(1, 512, 64, "c2_bm_bist", 784.48, 191.34, 3.89),
    _macro(1, 1024, 8, "c2_bm_bist", 146.88, 336.46, 4.28),
    _macro(1, 1024, 16, "c2_bm_bist", 236.8, 336.46, 4.32),
    _macro(1, 1024, 32, "c2_bm_bist", 416.64, 336.46, 4.39),
    _macro(1, 1024, 64, "c2_bm_bist", 784.48, 336.46, 4.41),
    _macro(1, 2048, 64, "c2_bm_bist", 784.48, 626.7, 5.45),
    _macro(1, 4096, 8, "c3_bm_bist", 236.8, 618.3, 5.33),
    _macro(1, 4096, 16, "c3_bm_bist", 416.64, 618.3, 5.39),
    _macro(1, 8192, 32, "c4", 1520.16, 618.3, 5.66),
    _macro(2, 64, 22, "c2", 526.03, 74.87, 3.09),
    _macro(2, 64, 32, "c2", 702.83, 74.87, 3.16),
    _macro(2, 256, 8, "c2_bm_bist", 278.51, 136.97, 3.01),
    _macro(2, 256, 16, "c2_bm_bist", 419.95, 136.97, 3.04),
    _macro(2, 256, 32, "c2_bm_bist", 702.83, 136.97, 3.10),
    _macro(2, 512, 8, "c2_bm_bist", 261.17, 219.77, 3.79),
    _macro(2, 512, 16, "c2_bm_bist", 402.61, 219.77, 3.85),
    _macro(2, 512, 32, "c2_bm_bist", 685.49, 219.77, 3.96),
    _macro(2, 1024, 16, "c2_bm_bist", 402.61, 385.37, 4.38),
    _macro(2, 1024, 32, "c2_bm_bist", 685.49, 385.37, 4.49),
)}


@dataclass(frozen=True)
class Tiling:
    """A memory of macros of one kind: `rows` one after the other, each of `columns` side by side."""

    macro: Macro
    rows: int
    columns: int

    @property
    def area(self) -> float:
        """Of all macros with the room around them, µm²."""
        return self.rows * self.columns * self.macro.area

    def build(self, m: Module, bits: int, write: tuple[Value, Value, Value], read: tuple[Value, Value]) -> Value:
        """Adds the macros to `m`; returns the word read.

        Parameters
        ----------
        m : Module
            Gets them, as submodules ``ram_ROW_COLUMN``.
        bits : int
            Of a word.
        write : (address, data, enable)
            `enable` has a bit for the word, or one for each of its bits.
        read : (address, enable)
            With one port, a write goes first. With two, a word that is being written is not read.
        """
        macro = self.macro
        to, data, enable = write
        start, wanted = read
        writes = enable.any()
        if macro.ports == 2:
            wanted = wanted & ~(writes & (to == start))
        mask = enable if len(enable) == bits else enable.replicate(bits)
        row, rows = Signal(range(max(2, self.rows)), name="row"), []
        with m.If(wanted):
            m.d.sync += row.eq(start[macro.address_bits:])
        for n in range(self.rows):
            here = [_row(address, macro) == n for address in (to, start)]
            words = []
            for column in range(self.columns):
                part = slice(column * macro.bits, (column + 1) * macro.bits)
                word = Signal(macro.bits, name=f"word_{n}_{column}")
                men, ren = writes & here[0], wanted & here[1]
                writing = {"WEN": men, "DIN": _fit(data[part], macro.bits), "BM": _fit(mask[part], macro.bits)}
                if macro.ports == 2:
                    pins = macro.instance("A", MEN=men, ADDR=_fit(to, macro.address_bits), **writing)
                    pins |= macro.instance("B", MEN=ren, REN=ren, ADDR=_fit(start, macro.address_bits), DOUT=word)
                else:
                    address = Signal(macro.address_bits, name=f"address_{n}_{column}")
                    m.d.comb += address.eq(start)
                    with m.If(writes):
                        m.d.comb += address.eq(to)
                    pins = macro.instance("A", MEN=men | ren, REN=ren & ~writes, ADDR=address, DOUT=word, **writing)
                m.submodules[f"ram_{n}_{column}"] = Instance(macro.name, **pins)
                words.append(word)
            rows.append(Cat(words)[:bits])
        return Array(rows)[row] if self.rows > 1 else rows[0]


def _row(address: Value, macro: Macro) -> Value:
    return address[macro.address_bits:]


def _fit(value: Value, bits: int) -> Value:
    """The value with so many bits, zeros on top."""
    return Cat(value, Const(0, bits))[:bits]


def tiling(words: int, bits: int, ports: int, masked: bool) -> Tiling:
    """The smallest memory of macros with so many words and bits."""
    choices = [Tiling(macro, -(-words // macro.words), -(-bits // macro.bits)) for macro in MACROS.values()
               if macro.ports == ports and (macro.masked or not masked)]
    return min(choices, key=lambda choice: choice.area)


def blackboxes(names: Sequence[str]) -> str:
    """Verilog modules of these macros that have ports and nothing in them."""
    texts = []
    for name in names:
        macro = MACROS[name]
        pins = {pin: value for port in "AB"[:macro.ports] for pin, value in macro.instance(port).items()}
        ports = [f"  input {_range(len(Value.cast(value)))}{pin.removeprefix('i_')}" for pin, value in pins.items()]
        ports += [f"  output {_range(macro.bits)}{port}_DOUT" for port in "AB"[:macro.ports]]
        texts.append(f"(* blackbox *)\nmodule {name} (\n" + ",\n".join(ports) + "\n);\nendmodule\n")
    return "\n".join(texts)


def instances(verilog: str, top: str) -> dict[str, str]:
    """The macros in a design: full name of each instance as tools that flatten write it, and its macro."""
    children = {}
    for text in verilog.split("\nmodule ")[1:]:
        name = text.split("(")[0].strip().removeprefix("\\").strip()
        children[name] = _INSTANCE.findall(text)
    found: dict[str, str] = {}

    def walk(module: str, path: str) -> None:
        for kind, instance in children.get(module, ()):
            here = f"{path}{instance.strip().removeprefix(chr(92))}"
            if kind in MACROS:
                found[here] = kind
            else:
                walk(kind, f"{here}.")

    walk(top, "")
    return found


def _range(bits: int) -> str:
    return f"[{bits - 1}:0] " if bits > 1 else ""
