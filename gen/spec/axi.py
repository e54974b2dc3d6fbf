"""What the AXI form of the accelerator and its driver agree on: registers on AXI4-Lite, and what the streams carry.

**Registers.** AXI4-Lite, 32 bits of data, 4 KiB. At byte ``4 · n`` lies register n of `nomul.gen.spec.registers`, at
`AXI_BASE` lie those of `AXI_REGISTERS`, at `WORD_BASE` the memory word that was read last. Any other address is
answered with SLVERR, a read with the value 0; so is a write whose strobes are not all 1, and neither is carried out.
Writes to read-only registers are ignored. Every access is answered, whatever the streams and the core are doing.

**Images** (`s_axis_data`). A packet has any number of images, one right behind the other, IMAGE_BYTES each: the bytes
that `Region.INPUT` has. The last byte of an image starts its run, whose number is the next modulo `RUN_NUMBERS`. TLAST
comes with the last byte of a packet's last image. The stream waits while the results of `RUNS_KEPT` runs lie there.

**Results** (`m_axis_results`). Of each run, in order, the words of `Region.RESULTS`: cycles (4 bytes), index of the
largest result (2), RESULT_COUNT results (2 each), and zeros up to a whole beat. TLAST comes with the end of the results
whose image ended a packet. So a packet of images is answered by a packet of results.

**Memories** (`s_axis_weights`). A packet has any number of sections, one right behind the other. A section is a header
of 8 bytes (one beat, if that is wider) with the fields `SECTION` from bit 0 on, and `words` words of a region, each in
as many whole beats as it needs, low beat first. TLAST comes with the last beat of a section. The regions are those of
`SECTION_REGIONS`. Words for WEIGHT_STREAM have no address: STREAM_WORDS of them are for each run, in order. They wait
until it has been started, and the next run waits for the last one's words. All other words but those of REGISTERS wait
while the accelerator is busy.

**Errors.** A packet that breaks a rule sets a bit of ERRORS, and what is left of it, up to TLAST, is dropped; what came
before is carried out. With HALT both incoming streams take and drop everything, and no results come out: the host sets
it while it resets its DMAs. A run that waits for weights ends when no network is loaded any more.
"""

from enum import IntEnum

from nomul.gen.spec.config import Config
from nomul.gen.spec.registers import REGISTERS, Region, Register, word_bytes

__all__ = ["AXI_ADDRESS_BITS", "AXI_BASE", "AXI_REGISTERS", "ERROR_MEANINGS", "SECTION", "SECTION_REGIONS",
           "STREAM_BYTES", "WORD_BASE", "StreamError", "axi_address", "beats"]

#: Bits of a byte address on AXI4-Lite.
AXI_ADDRESS_BITS = 12
#: Byte addresses at which the registers of this file, and the memory word that was read last, begin.
AXI_BASE, WORD_BASE = 0x400, 0x800
#: Bytes of a beat that the streams may have.
STREAM_BYTES = (4, 8, 16)
#: Fields of a section's header, and their bits.
SECTION = {"address": 24, "region": 8, "words": 32}
#: Regions that a section may write.
SECTION_REGIONS = (Region.REGISTERS, Region.PROGRAM, Region.WEIGHTS, Region.PARAMETERS, Region.ACTIVATIONS,
                   Region.WEIGHT_STREAM)


class StreamError(IntEnum):
    """Bits of the ERRORS register."""

    IMAGE_LENGTH = 0
    NO_NETWORK = 1
    SECTION = 2
    SECTION_LENGTH = 3
    RESULT_COUNT = 4
    CHECK = 5


#: What each of them says.
ERROR_MEANINGS = {
    StreamError.IMAGE_LENGTH: "TLAST in the middle of an image, or none with its packet's last byte; or IMAGE_BYTES "
                              "is 0, or more than the image memory has",
    StreamError.NO_NETWORK: "an image, or words of WEIGHT_STREAM, while no network is loaded",
    StreamError.SECTION: "a section of no words, of a region that no section may write, or beyond its end",
    StreamError.SECTION_LENGTH: "TLAST in the middle of a section, or a beat without all its bytes",
    StreamError.RESULT_COUNT: "RESULT_COUNT is more than the result memory has: a run's results are left out",
    StreamError.CHECK: "CHECK_WHERE and CHECK_WORDS name words that cannot be read",
}


#: 32 bits each; the place gives the address.
AXI_REGISTERS = tuple(Register(*row) for row in (
    ("STREAM_BYTES", False, "bytes in a beat of the streams"),
    ("HALT", True, "1: drop whatever the streams bring, give up results; 0 at power-up"),
    ("IMAGE_BYTES", True, "bytes of an image on s_axis_data"),
    ("STREAM_WORDS", True, "with weight_stream: words for WEIGHT_STREAM that every run takes"),
    ("UNSENT", False, "runs that were started and whose results have not all been taken"),
    ("ERRORS", True, "errors of packets (bits of StreamError); writing 1 to a bit clears it"),
    ("CHECK_WHERE", True, "first word to read: address (24 bits), region (4)"),
    ("CHECK_WORDS", True, "how many words to read, which writing begins when nothing is at work; reads as words to go"),
    ("CHECKSUM", False, "CRC-32 of the bytes of the words that were read, as on the link"),
))


def axi_address(name: str) -> int:
    """Byte address of a register: of `REGISTERS` or of `AXI_REGISTERS`."""
    for base, table in ((0, REGISTERS), (AXI_BASE, AXI_REGISTERS)):
        names = [register.name for register in table]
        if name in names:
            return base + 4 * names.index(name)
    raise KeyError(name)


def beats(region: Region, config: Config, stream_bytes: int) -> int:
    """Beats that one word of `region` takes in a section."""
    return -(-word_bytes(region, config) // stream_bytes)
