"""What all boards have in common: the accelerator behind a UART, and the way to a board's files and its bitstream."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import NamedTuple

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect

from nomul.gen.spec.config import Config
from nomul.gen.spec.errors import NomulError
from nomul.gen.spec.program import DESCRIPTOR_WORDS
from nomul.gen.synth.estimate import array_luts
from nomul.gen.synth.family import KINDS, Family
from nomul.hdl.accelerator import Accelerator
from nomul.hdl.uart import UartReceiver, UartTransmitter

__all__ = ["Board", "BoardError", "Step", "UartTop"]


class BoardError(NomulError):
    """A board that does not exist, or a configuration that does not fit on it."""


class Step(NamedTuple):
    """A tool of the way to a bitstream.

    Attributes
    ----------
    tool : str
        As `nomul.gen.synth.tools.run_tool` calls it.
    arguments : tuple of str
        Files in them are those of the design, or of the steps before.
    outputs : tuple of str
        Files that it writes.
    """

    tool: str
    arguments: tuple[str, ...]
    outputs: tuple[str, ...]


class UartTop(wiring.Component):
    """An accelerator whose link is a serial line: 8 data bits, no parity, one stop bit, no flow control.

    The host must not send faster than the accelerator takes, which the driver's window of requests sees to.

    Parameters
    ----------
    config : Config
        The accelerator.
    divisor : int
        Clock cycles of a bit.

    Members
    -------
    rx : In(1)
        Line from the host, 1 when idle.
    tx : Out(1)
        Line to the host.
    """

    rx: In(1, init=1)
    tx: Out(1, init=1)

    def __init__(self, config: Config, divisor: int):
        self._config = config
        self._divisor = divisor
        super().__init__()

    def elaborate(self, platform):
        """The accelerator between the two halves of the UART."""
        m = Module()
        m.submodules.accelerator = accelerator = Accelerator(self._config)
        m.submodules.receiver = receiver = UartReceiver(self._divisor)
        m.submodules.transmitter = transmitter = UartTransmitter(self._divisor)
        connect(m, receiver.o, accelerator.rx)
        connect(m, accelerator.tx, transmitter.i)
        m.d.comb += [receiver.rx.eq(self.rx), self.tx.eq(transmitter.tx)]
        return m


class Board(ABC):
    """One board: its facts, the files of a design for it, and the tools that make a bitstream of them.

    Attributes
    ----------
    name : str
        What it is called on the command line.
    summary : str
        What it is, in a line.
    chip : str
        The FPGA.
    family : Family
        Its family.
    toolchain : str
        Whose tools make its bitstream.
    resources : mapping of str to int
        What the FPGA has, by `nomul.gen.synth.family.KINDS`; at least "luts", "ffs" and "memories".
    clock_hz, baud : int
        Clock of the accelerator, and speed of its serial line, 0 if it has none.
    link : str
        How the host is connected, in words.
    preset : str
        Configuration that fits.
    bitstream : bool
        Whether `nomul build` makes it; otherwise `nomul generate` makes a project for the vendor's tool.
    programming : str
        Command that loads the bitstream ``TOP`` with the suffix of the family.
    """

    name: str
    summary: str
    chip: str
    family: Family
    toolchain: str
    resources: Mapping[str, int]
    clock_hz: int
    baud: int
    link: str
    preset: str
    bitstream: bool = True
    programming: str

    @property
    def divisor(self) -> int:
        """Clock cycles of a bit on the serial line."""
        return round(self.clock_hz / self.baud)

    def describe(self) -> dict:
        """Facts for the manifest."""
        return {"name": self.name, "summary": self.summary, "clock_hz": self.clock_hz, "baud": self.baud}

    def check(self, config: Config) -> None:
        """Raises `BoardError` if memories or array of `config` cannot fit; says what there is and what it takes."""
        array = array_luts(config, self.family.name)
        if array > self.resources["luts"]:
            raise BoardError(f"configuration {config.name!r}: its {config.lanes}×{config.columns} processing elements "
                             f"alone take some {array} {KINDS['luts']}, board {self.name} has "
                             f"{self.resources['luts']}: take fewer lanes, columns or operators")
        rams = self.family.block_rams
        needed = {"memories": {
            "weight_words": rams(config.weight_word_bits, config.weight_words),
            "activation_words": rams(config.activation_word_bits, config.activation_words),
            "parameter_words": rams(config.parameter_word_bits, config.parameter_words),
            "image_bytes": rams(config.activation_bits, config.image_bytes),
            "program_layers": rams(32, config.program_layers * DESCRIPTOR_WORDS),
        }}
        if self.resources.get("sprams"):
            del needed["memories"]["weight_words"]
            needed["sprams"] = {"weight_words": self.family.large_rams(config.weight_word_bits, config.weight_words)}
        for kind, fields in needed.items():
            total, available = sum(fields.values()), self.resources[kind]
            if total > available:
                largest = max(fields, key=fields.__getitem__)
                raise BoardError(f"configuration {config.name!r} needs {total} {KINDS[kind]}, board {self.name} has "
                                 f"{available}: lower {largest}, which takes {fields[largest]} of them")

    @abstractmethod
    def emit(self, config: Config, top: str) -> tuple[list[dict], dict[str, str]]:
        """The design for `config` on this board, with `top` as name of the top module and of the files.

        Returns
        -------
        list of dict
            The top module's ports, as ``{"name", "direction", "bits", "pins"}``.
        dict
            Name and text of every file: Verilog, constraints, build script.

        Raises
        ------
        BoardError
            If the configuration does not fit; says what there is and what it would take.
        """

    @abstractmethod
    def steps(self, top: str) -> list[Step]:
        """From the files of `emit` to ``TOP.json`` (netlist), ``TOP.report`` (of nextpnr) and the bitstream.

        Empty if the vendor's tool makes the bitstream.
        """

    def vendor_command(self, top: str) -> str:
        """The command of the vendor's tool that makes the bitstream, in the folder of the files of `emit`."""
        raise NotImplementedError(f"{self.name} needs no tool of a vendor")
