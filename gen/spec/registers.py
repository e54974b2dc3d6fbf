"""Memory map of the accelerator as the host sees it: regions of words, and the registers in one of them."""

from enum import IntEnum
from typing import NamedTuple

from nomul.gen.spec.config import Config
from nomul.gen.spec.program import DESCRIPTOR_WORDS, join

__all__ = ["INPUT_FIELDS", "MAGIC", "REGISTERS", "RESULT_HEADER", "RUN_BIT", "Region", "Register", "Status",
           "address_of", "depth", "input_registers", "most_results", "word_bytes"]

MAGIC = int.from_bytes(b"nmul", "little")


class Region(IntEnum):
    """A memory that the host reads or writes word by word; addresses count words."""

    REGISTERS = 0
    PROGRAM = 1
    WEIGHTS = 2
    PARAMETERS = 3
    ACTIVATIONS = 4
    #: Read only, of the last run: its cycles in two words, the index of the largest result, and the results.
    RESULTS = 5
    #: Write only, one byte a word: activation codes of the image in the order y, x, channel. Byte 0 starts a new one.
    #: Address bits from `RUN_BIT` on are the number of the run that it is for.
    #: The hardware packs its windows, which the INPUT registers describe, into activation words from address 0: the
    #: taps of a window in the order row, column, channel, lanes beyond them filled with the pad code.
    INPUT = 6
    #: Write only, one byte a word, with `weight_decoder`: the weights of all layers, coded as `nomul.sw.huffman` does.
    #: Byte 0 begins the stream, whose words go to WEIGHTS from word 0; a byte whose address is not the next is ignored.
    CODED_WEIGHTS = 7
    #: Write only, with `weight_stream`: words for the weight memory's ring, which begins at the register STREAM_BASE,
    #: in the order in which a run, which must have been started, uses them. The address counts the run's words modulo
    #: 2^`RUN_BIT`, and has the run's number above. A word whose address is not the next is ignored.
    WEIGHT_STREAM = 8


#: Where in an address of `Region.INPUT` and `Region.WEIGHT_STREAM` the run's number begins.
RUN_BIT = 20
#: Words of `Region.RESULTS` before the results.
RESULT_HEADER = 3


def word_bytes(region: Region, config: Config) -> int:
    """Bytes that one word of `region` takes on the link (little-endian, unused high bits 0)."""
    bits = {
        Region.REGISTERS: 32,
        Region.PROGRAM: 32,
        Region.WEIGHTS: config.weight_word_bits,
        Region.PARAMETERS: config.parameter_word_bits,
        Region.ACTIVATIONS: config.activation_word_bits,
        Region.RESULTS: 16,
        Region.INPUT: 8,
        Region.CODED_WEIGHTS: 8,
        Region.WEIGHT_STREAM: config.weight_word_bits,
    }[region]
    return -(-bits // 8)


def depth(region: Region, config: Config) -> int:
    """Words of `region`; accesses to others are refused."""
    return {
        Region.REGISTERS: len(REGISTERS),
        Region.PROGRAM: config.program_layers * DESCRIPTOR_WORDS,
        Region.WEIGHTS: config.weight_words,
        Region.PARAMETERS: config.parameter_words,
        Region.ACTIVATIONS: config.activation_words,
        Region.RESULTS: config.result_words + RESULT_HEADER,
        Region.INPUT: config.image_bytes,
        Region.CODED_WEIGHTS: 1 << 24 if config.weight_decoder else 0,
        Region.WEIGHT_STREAM: 1 << RUN_BIT if config.weight_stream else 0,
    }[region]


def most_results(config: Config) -> int:
    """The largest RESULT_COUNT: as many results there are, and fit into the answer to FINISH."""
    return min(config.result_words, (config.frame_bytes - 1) // 2 - RESULT_HEADER)


class Status(IntEnum):
    """Bits of the STATUS register."""

    BUSY = 0
    LOADED = 1
    COUNTERS = 2


class Register(NamedTuple):
    """One 32-bit register; its address is its place in `REGISTERS`."""

    name: str
    writable: bool
    meaning: str


REGISTERS = tuple(Register(*row) for row in (
    ("MAGIC", False, "the letters nmul"),
    ("INTERFACE", False, "interface version"),
    ("CONFIG_LOW", False, "configuration hash, low half"),
    ("CONFIG_HIGH", False, "configuration hash, high half"),
    ("STATUS", False,
     "bit 0: a run is started or at work; bit 1: a network is loaded (NETWORK is not 0); bit 2: CYCLES_... count"),
    ("NETWORK_LOW", True, "hash of the loaded network, low half; NETWORK = 0 means that none is loaded"),
    ("NETWORK_HIGH", True, "hash of the loaded network, high half"),
    ("INPUT_MAP", True, "of the image: height (11 bits), width (11), channels less one (10)"),
    ("INPUT_WINDOW", True,
     "of windows: height, width, both less one (6 bits), stride across, padding above, left (4), its code (8)"),
    ("INPUT_BASE", True, "byte of the image at which the first window begins, modulo 2^20; stride down (4 bits)"),
    ("INPUT_TAP_ROW_STEP", True, "bytes from the end of a window's row to its next row, modulo 2^20"),
    ("INPUT_PIXEL_STEP", True, "bytes to the next window, modulo 2^20"),
    ("INPUT_ROW_STEP", True, "bytes from the last window of a row to the first of the next, modulo 2^20"),
    ("INPUT_OUTPUT", True, "windows in a row (11 bits), windows (20), both less one"),
    ("RESULT_COUNT", True, "results that the answer to FINISH carries"),
    ("STREAM_BASE", True, "with weight_stream: the first word of the weight memory's ring"),
    ("RUN", False, "number of the run that was started last"),
    ("CYCLES", False, "clock cycles of the last run"),
    ("CYCLES_BUSY", False, "of them, those in which the array or the vector engine got a word"),
    ("CYCLES_WEIGHTS", False, "in which the array waited for weights"),
    ("CYCLES_ACCUMULATORS", False, "in which it waited for accumulators, which outputs still occupied"),
    ("CYCLES_DRAIN", False, "in which an engine finished its last outputs"),
    ("CYCLES_INPUT", False, "clock cycles before the last run in which it waited for its image and nothing else"),
    ("TOP", False, "index of the largest result of the last run"),
    ("FRAME_ERRORS", False, "frames discarded since power-up, modulo 2^16"),
))


#: The INPUT registers are parts of a layer's descriptor, for a map whose words are the image's bytes: the fields of
#: each, from bit 0.
INPUT_FIELDS = {
    "INPUT_MAP": ("input_height", "input_width", "channel_words"),
    "INPUT_WINDOW": ("kernel_height", "kernel_width", "stride_x", "padding_top", "padding_left", "pad_code"),
    "INPUT_BASE": ("input_base", "stride_y"),
    "INPUT_TAP_ROW_STEP": ("tap_row_step",), "INPUT_PIXEL_STEP": ("pixel_step",),
    "INPUT_ROW_STEP": ("row_step",), "INPUT_OUTPUT": ("output_width", "output_pixels"),
}


def input_registers(windows: dict[str, int]) -> dict[str, int]:
    """The INPUT registers for these descriptor fields.

    Raises
    ------
    ProgramError
        For a value that does not fit; names the field and its range.
    """
    return {register: join(names, {name: windows[name] for name in names}) for register, names in INPUT_FIELDS.items()}


def address_of(name: str) -> int:
    """Word address of a register in `Region.REGISTERS`."""
    return [register.name for register in REGISTERS].index(name)
