"""What goes over the AXI4-Streams of an accelerator: sections of its memories, and the results of runs."""

import numpy as np

from nomul.gen.spec.axi import SECTION, beats
from nomul.gen.spec.config import Config
from nomul.gen.spec.registers import RESULT_HEADER, Region, word_bytes

__all__ = ["record_bytes", "results", "section"]

#: Bytes of a section's header, where a beat has no more.
_HEADER_BYTES = sum(SECTION.values()) // 8


def section(region: Region, address: int, words: np.ndarray, config: Config, width: int) -> bytes:
    """A section of a packet for `s_axis_weights`.

    Parameters
    ----------
    region, address : Region, int
        Where its first word goes.
    words : np.ndarray
        uint8, shape (words, bytes a word): as they are on the link.
    config : Config
        The accelerator.
    width : int
        Bytes of a beat.
    """
    count, size = words.shape
    if size != word_bytes(region, config):
        raise ValueError(f"a word of {region.name} has {word_bytes(region, config)} bytes, not {size}")
    header = address | region << SECTION["address"] | count << SECTION["address"] + SECTION["region"]
    content = np.zeros((count, width * beats(region, config, width)), np.uint8)
    content[:, :size] = words
    return header.to_bytes(max(width, _HEADER_BYTES), "little") + content.tobytes()


def record_bytes(classes: int, width: int) -> int:
    """Bytes of a run's results in a packet of `m_axis_results`."""
    return -(-2 * (RESULT_HEADER + classes) // width) * width


def results(packet: bytes | np.ndarray, classes: int, width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Logits (int16, shape (runs, classes)), index of the largest, and cycles (int64, shape (runs,)) of a packet."""
    words = np.frombuffer(packet, "<u2").reshape(-1, record_bytes(classes, width) // 2)
    cycles = words[:, 0].astype(np.int64) | words[:, 1].astype(np.int64) << 16
    logits = words[:, RESULT_HEADER:RESULT_HEADER + classes].astype(np.int16)
    return logits, words[:, 2].astype(np.int64), cycles
