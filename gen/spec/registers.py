"""Memory map of the accelerator as the host sees it: regions of words, and the registers in one of them."""

from enum import IntEnum
from typing import NamedTuple

from nomul.gen.spec.config import Config
from nomul.gen.spec.program import DESCRIPTOR_WORDS

__all__ = ["MAGIC", "REGISTERS", "Region", "Register", "Status", "address_of", "depth", "word_bytes"]

MAGIC = int.from_bytes(b"nmul", "little")


class Region(IntEnum):
    """A memory that the host reads or writes word by word; addresses count words."""

    REGISTERS = 0
    PROGRAM = 1
    WEIGHTS = 2
    PARAMETERS = 3
    ACTIVATIONS = 4
    RESULTS = 5
    #: Write only, one byte a word: activation codes of the image in the order y, x, channel. The hardware packs them
    #: into activation words from address 0, filling unused lanes with INPUT_ZERO. Byte 0 starts a new image.
    INPUT = 6


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
        Region.RESULTS: config.result_words,
        Region.INPUT: min(config.activation_words * config.lanes, 1 << 24),
    }[region]


class Status(IntEnum):
    """Bits of the STATUS register."""

    BUSY = 0
    LOADED = 1


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
    ("STATUS", False, "bit 0: running; bit 1: a network is loaded (NETWORK is not 0)"),
    ("NETWORK_LOW", True, "hash of the loaded network, low half; NETWORK = 0 means that none is loaded"),
    ("NETWORK_HIGH", True, "hash of the loaded network, high half"),
    ("INPUT_CHANNELS", True, "channels of the input image"),
    ("INPUT_ZERO", True, "zero point of the input, written to unused lanes"),
    ("RESULT_COUNT", True, "results that the answer to RUN carries"),
    ("CYCLES", False, "clock cycles of the last run"),
    ("TOP", False, "index of the largest result of the last run"),
    ("FRAME_ERRORS", False, "frames discarded since power-up"),
))


def address_of(name: str) -> int:
    """Word address of a register in `Region.REGISTERS`."""
    return [register.name for register in REGISTERS].index(name)
