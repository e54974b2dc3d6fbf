"""What a board must hold for a network, section by section."""

from collections.abc import Iterator
from itertools import groupby

import numpy as np

from nomul.gen.spec.config import Config
from nomul.gen.spec.registers import Region, address_of, word_bytes
from nomul.sw.compiled import CompiledNetwork
from nomul.sw.driver.memory import Section

__all__ = ["LARGE_PIECE", "cut", "network_sections"]

#: Bytes of the largest piece that a checksum is asked for: few enough that the answer comes well within the timeout.
LARGE_PIECE = 1 << 15


def network_sections(compiled: CompiledNetwork) -> list[Section]:
    """All that a board must hold for a network, but the NETWORK registers, which come last.

    The other registers come first: a board that was switched off meanwhile has lost them, and so tells.
    """
    registers = {address_of(name): value for name, value in compiled.registers().items()
                 if not name.startswith("NETWORK")}
    # Registers side by side make one section.
    runs = [[address for _, address in run]
            for _, run in groupby(enumerate(sorted(registers)), key=lambda place: place[1] - place[0])]
    return [section for section in (
        *(Section(Region.REGISTERS, run[0], b"".join(registers[address].to_bytes(4, "little") for address in run))
          for run in runs),
        Section(Region.PROGRAM, 0, np.ascontiguousarray(compiled.program, "<u4").tobytes()),
        Section(Region.WEIGHTS, 0, compiled.weights.tobytes()),
        Section(Region.PARAMETERS, 0, compiled.parameters.tobytes()),
    ) if section.content]


def cut(section: Section, room: int, config: Config) -> Iterator[Section]:
    """The section cut into pieces of whole words and at most `room` bytes."""
    size = word_bytes(section.region, config)
    room = max(room - room % size, size)
    for start in range(0, len(section.content), room):
        yield Section(section.region, section.address + start // size, section.content[start:start + room])
