"""A board, however it is reached: its words, its registers, who it is."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from typing import Self

import numpy as np

from nomul.gen.spec.config import INTERFACE_VERSION, Config
from nomul.gen.spec.registers import MAGIC, REGISTERS, Region, Status, address_of
from nomul.sw.driver.memory import BoardError, Section
from nomul.sw.driver.records import BoardInfo

__all__ = ["BoardAccess", "config_of", "network_of"]


class BoardAccess(ABC):
    """The words of an accelerator; a context manager that closes the connection.

    A subclass says how words are read, written and summed up, and how images are run. `nomul.sw.driver.memory` and
    `nomul.sw.driver.runs` do so by frames over a line of bytes.

    Attributes
    ----------
    port : str
        What the board was opened as, for messages.
    baud : int or None
        Rate of its serial line, if it has one.
    config : Config or None
        What the board's accelerator was generated from, once that is known; may be set to help with one that is no
        preset.
    """

    port: str = ""
    baud: int | None = None
    config: Config | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    @abstractmethod
    def frame_bytes(self) -> int:
        """Longest answer, with its status byte."""

    @abstractmethod
    def read(self, region: Region, address: int, words: int) -> bytes:
        """Words of a region, little-endian."""

    @abstractmethod
    def write(self, region: Region, address: int, data: bytes) -> None:
        """Writes whole words from `address` on; returns when the board has them."""

    @abstractmethod
    def send(self, sections: Iterable[Section]) -> Iterator[int]:
        """Writes sections; yields again and again how many bytes the board has taken in all."""

    @abstractmethod
    def checksums(self, sections: Iterable[Section]) -> Iterator[int]:
        """CRC-32 (the one of zlib), found by the board, of what lies where each section should."""

    @abstractmethod
    def finished(self, contents: Iterable[bytes], stream: np.ndarray) -> Iterator[bytes]:
        """Runs images, each given as `CompiledNetwork.image_bytes` does; what FINISH answers for each, in order.

        `stream` (`CompiledNetwork.stream`) is sent for each run. The next images are taken from `contents` while one
        is at work.
        """

    @abstractmethod
    def close(self) -> None:
        """Ends the connection; the board keeps what it holds."""

    def registers(self) -> dict[str, int]:
        """The value of every register.

        Raises
        ------
        LinkError
            If the board does not answer.
        """
        content = self.read(Region.REGISTERS, 0, len(REGISTERS))
        return {register.name: int.from_bytes(content[4 * n:4 * n + 4], "little")
                for n, register in enumerate(REGISTERS)}

    def identity(self) -> dict[str, int]:
        """The registers that say who the board is and what it holds, in one request.

        Raises
        ------
        BoardError
            If it is no nomul accelerator, or one that this driver cannot drive.
        LinkError
            If it does not answer.
        """
        names = [register.name for register in REGISTERS[:address_of("INPUT_MAP") + 1]]
        content = self.read(Region.REGISTERS, 0, len(names))
        value = {name: int.from_bytes(content[4 * n:4 * n + 4], "little") for n, name in enumerate(names)}
        if value["MAGIC"] != MAGIC:
            raise BoardError(f"the board is no nomul accelerator: its first register is {value['MAGIC']:#010x}, "
                             f"not {MAGIC:#010x}; load a bitstream that `nomul build` made")
        if value["INTERFACE"] != INTERFACE_VERSION:
            raise BoardError(f"the board has interface version {value['INTERFACE']}, this nomul {INTERFACE_VERSION}: "
                             "generate and program the accelerator again with this nomul")
        return value

    def info(self) -> BoardInfo:
        """Asks the board who it is; raises as `identity` does."""
        self.identity()
        value = self.registers()
        return BoardInfo(
            interface=value["INTERFACE"], config_hash=config_of(value), network_hash=network_of(value),
            frame_bytes=self.frame_bytes, frame_errors=value["FRAME_ERRORS"], registers=value)

    def cycles(self) -> dict[str, int]:
        """What the clock cycles of the last run went into, under the names of `nomul.sw.cycles.LayerCycles`.

        And "input": those before it in which the accelerator waited for the image and nothing else. An accelerator
        without `counters` knows nothing but "total".

        Raises
        ------
        LinkError
            If the board does not answer.
        """
        value = self.registers()
        if not value["STATUS"] >> Status.COUNTERS & 1:
            return {"total": value["CYCLES"]}
        spent = {name: value[f"CYCLES_{name.upper()}"] for name in ("busy", "weights", "accumulators", "drain")}
        return spent | {"fetch": value["CYCLES"] - sum(spent.values()), "total": value["CYCLES"],
                        "input": value["CYCLES_INPUT"]}


def config_of(registers: Mapping[str, int]) -> str:
    """The configuration hash that a board's registers tell."""
    return f"{registers['CONFIG_HIGH']:08x}{registers['CONFIG_LOW']:08x}"


def network_of(registers: Mapping[str, int]) -> str | None:
    """The hash of the network that a board's registers tell; None if it holds none."""
    network = registers["NETWORK_HIGH"] << 32 | registers["NETWORK_LOW"]
    # Every network has an image: without one, the board lost its power when only NETWORK was still to be written.
    return f"{network:016x}" if network and registers["INPUT_MAP"] else None
