"""What a board must be sent so that it holds a network: only where its checksums say that it holds something else."""

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby

import numpy as np

from nomul.gen.spec.config import Config
from nomul.gen.spec.registers import Region, address_of, word_bytes
from nomul.sw.coded_weights import coded_stream
from nomul.sw.compiled import CompiledNetwork
from nomul.sw.driver.memory import Section

__all__ = ["LARGE_PIECE", "changed", "cut", "network_sections", "shorter"]

#: Bytes of the largest piece that a checksum is asked for: few enough that the answer comes well within the timeout.
LARGE_PIECE = 1 << 15
#: Bytes of the pieces that are asked about at first, and of those that are sent. A checksum costs some 30 bytes on the
#: line, 17 of them towards the board, and each further level of questions the time until they are answered.
_FIRST_PIECE, _SMALL_PIECE = 1 << 12, 1 << 9


def network_sections(compiled: CompiledNetwork) -> list[Section]:
    """All that a board must hold for a network, but the NETWORK registers, which come last."""
    registers = {address_of(name): value for name, value in compiled.registers().items()
                 if not name.startswith("NETWORK")}
    # Registers side by side make one section.
    runs = [[address for _, address in run]
            for _, run in groupby(enumerate(sorted(registers)), key=lambda place: place[1] - place[0])]
    return [section for section in (
        Section(Region.PROGRAM, 0, np.ascontiguousarray(compiled.program, "<u4").tobytes()),
        Section(Region.WEIGHTS, 0, compiled.weights.tobytes()),
        Section(Region.PARAMETERS, 0, compiled.parameters.tobytes()),
        *(Section(Region.REGISTERS, run[0], b"".join(registers[address].to_bytes(4, "little") for address in run))
          for run in runs),
    ) if section.content]


def cut(section: Section, room: int, config: Config) -> Iterator[Section]:
    """The section cut into pieces of whole words and at most `room` bytes."""
    size = word_bytes(section.region, config)
    room = max(room - room % size, size)
    for start in range(0, len(section.content), room):
        yield Section(section.region, section.address + start // size, section.content[start:start + room])


def changed(sections: Iterable[Section], config: Config,
            differ: Callable[[list[Section]], Iterable[bool]]) -> list[Section]:
    """The parts of sections that a board does not hold, in order.

    Parameters
    ----------
    sections : iterable of Section
        What it should hold.
    config : Config
        The board's.
    differ : function of sections
        Tells of each whether the board holds something else there.
    """
    sections = list(sections)
    pieces = [list(cut(section, _FIRST_PIECE, config)) for section in sections]
    asked = [piece for several in pieces for piece in several]
    different = {piece for piece, differs in zip(asked, differ(asked), strict=True) if differs}
    found: list[Section] = []
    doubtful: list[Section] = []
    for several in pieces:
        # Where all is new, asking more would only cost time.
        new = len(several) > 1 and different.issuperset(several)
        for piece in several:
            if piece in different:
                (found if new or len(piece.content) <= _SMALL_PIECE else doubtful).append(piece)
    asked = [part for piece in doubtful for part in cut(piece, _SMALL_PIECE, config)]
    if asked:
        found += [part for part, differs in zip(asked, differ(asked), strict=True) if differs]
    return _joined(sorted(found), config)


def _joined(pieces: Iterable[Section], config: Config) -> list[Section]:
    """Neighbours as one section, so that they fill frames."""
    result: list[Section] = []
    for piece in pieces:
        if result and result[-1].region == piece.region:
            region, address, content = result[-1]
            if address + len(content) // word_bytes(region, config) == piece.address:
                result[-1] = Section(region, address, content + piece.content)
                continue
        result.append(piece)
    return result


def shorter(pieces: list[Section], compiled: CompiledNetwork) -> list[Section]:
    """The pieces as they are sent: all weights coded, if the board decodes them and that saves bytes."""
    weights = sum(len(piece.content) for piece in pieces if piece.region is Region.WEIGHTS)
    if not compiled.config.weight_decoder or not weights:
        return pieces
    coded = coded_stream(compiled)
    if len(coded) >= weights:
        return pieces
    return [Section(Region.CODED_WEIGHTS, 0, coded), *(piece for piece in pieces if piece.region is not Region.WEIGHTS)]
