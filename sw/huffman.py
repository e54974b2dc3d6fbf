"""Canonical Huffman codes of at most 15 bits for weights: the definition of the coded weight stream.

A section is the codes of one layer under one table: see `encode` for its bytes. Canonical codes are given by the number
of codes of each length and the symbols in order, so that a decoder needs no tree: it counts, a bit at a time.
"""

import numpy as np

from nomul.gen.spec.errors import NomulError

__all__ = ["MAX_LENGTH", "MAX_WEIGHTS", "HuffmanError", "code_lengths", "coded_bytes", "decode", "encode", "entropy"]

#: Bits of the longest code.
MAX_LENGTH = 15
#: Weights of a section, whose number takes 3 bytes.
MAX_WEIGHTS = (1 << 24) - 1

_COUNT_BYTES, _SYMBOL_BYTES, _SYMBOL_LIMIT = 3, 2, 512


class HuffmanError(NomulError):
    """Weights that cannot be coded, or a stream that is none."""


def entropy(weights: np.ndarray) -> float:
    """Bits a weight that no code for single weights can go below; 0 for none."""
    if not weights.size:
        return 0.0
    _, frequencies = np.unique(weights, return_counts=True)
    share = frequencies / weights.size
    return float(abs(-(share * np.log2(share)).sum()))


def code_lengths(frequencies: np.ndarray, limit: int = MAX_LENGTH) -> np.ndarray:
    """Lengths of the prefix code with the fewest bits among those whose codes have at most `limit` bits.

    Package-merge: Larmore and Hirschberg, "A fast algorithm for optimal length-limited Huffman codes", JACM 1990.
    A code of length l is paid for with l coins of the values 1/2 to 1/2^l, and whoever buys worth n − 1 for n symbols,
    cheapest coins first, has bought the best code.

    Parameters
    ----------
    frequencies : np.ndarray
        How often each symbol occurs, shape (symbols,), at least 1 each.
    limit : int
        Bits of the longest code allowed.

    Returns
    -------
    np.ndarray
        int64 of the same shape. A symbol alone has a code of 1 bit.

    Raises
    ------
    HuffmanError
        If `limit` bits are too few for so many symbols.
    """
    symbols = len(frequencies)
    if symbols > 1 << limit:
        raise HuffmanError(f"{symbols} symbols have no codes of at most {limit} bits")
    if symbols == 1:
        return np.ones(1, np.int64)
    coins = [(int(frequency), np.eye(1, symbols, symbol, dtype=np.int64)[0])
             for symbol, frequency in enumerate(frequencies)]
    packages: list[tuple[int, np.ndarray]] = []
    for _ in range(limit):
        row = sorted(coins + packages, key=lambda coin: coin[0])
        packages = [(a[0] + b[0], a[1] + b[1]) for a, b in zip(row[::2], row[1::2], strict=False)]
    return sum((held for _, held in packages[:symbols - 1]), np.zeros(symbols, np.int64))


def coded_bytes(weights: np.ndarray) -> int:
    """How long `encode` makes a section, without making it."""
    _, frequencies = np.unique(weights, return_counts=True)
    bits = int((frequencies * code_lengths(frequencies)).sum()) if frequencies.size else 0
    return _COUNT_BYTES + 2 * MAX_LENGTH + _SYMBOL_BYTES * frequencies.size + -(-bits // 8)


def encode(weights: np.ndarray) -> bytes:
    """One section.

    The number of weights (3 bytes), the number of codes of each length from 1 to 15 (2 bytes each), the symbols by
    rising length and value (2 bytes each), all little-endian; then the weights' codes, each from its highest bit on, in
    bytes that fill from bit 0; unused bits of the last byte are 0.

    Parameters
    ----------
    weights : np.ndarray
        Weight codes in the order of the stream, 0 to 511, any shape.

    Raises
    ------
    HuffmanError
        For weights out of range, and for more than `MAX_WEIGHTS`.
    """
    flat = weights.reshape(-1).astype(np.int64)
    if flat.size > MAX_WEIGHTS:
        raise HuffmanError(f"a section holds at most {MAX_WEIGHTS} weights, not {flat.size}")
    if flat.size and not 0 <= flat.min() <= flat.max() < _SYMBOL_LIMIT:
        raise HuffmanError(f"weight codes must be 0 to {_SYMBOL_LIMIT - 1}, not {flat.min()} to {flat.max()}")
    symbols, places, frequencies = np.unique(flat, return_inverse=True, return_counts=True)
    lengths = code_lengths(frequencies) if symbols.size else np.zeros(0, np.int64)
    order = np.argsort(lengths, kind="stable")
    counts = np.bincount(lengths, minlength=MAX_LENGTH + 1)[1:]
    table = (flat.size.to_bytes(_COUNT_BYTES, "little") + counts.astype("<u2").tobytes()
             + symbols[order].astype("<u2").tobytes())
    codes, code, last = np.zeros(symbols.size, np.int64), 0, 0
    for place in order:
        code <<= int(lengths[place]) - last
        codes[place], last = code, int(lengths[place])
        code += 1
    length = lengths[places]
    ends = np.repeat(np.cumsum(length), length)
    below = ends - 1 - np.arange(ends.size)         # bits of the same code that follow
    bits = np.repeat(codes[places], length) >> below & 1
    return table + np.packbits(bits.astype(np.uint8), bitorder="little").tobytes()


def decode(stream: bytes) -> list[np.ndarray]:
    """The weights of every section, bit by bit as the hardware decodes them; each int64 of shape (weights,).

    Raises
    ------
    HuffmanError
        If the stream ends within a section, or has bits that are no code.
    """
    sections: list[np.ndarray] = []
    at = 0

    def take(size: int) -> bytes:
        nonlocal at
        if at + size > len(stream):
            raise HuffmanError(f"the coded weights end within section {len(sections)}")
        at += size
        return stream[at - size:at]

    while at < len(stream):
        size = int.from_bytes(take(_COUNT_BYTES), "little")
        counts = np.frombuffer(take(2 * MAX_LENGTH), "<u2").tolist()
        symbols = np.frombuffer(take(_SYMBOL_BYTES * sum(counts)), "<u2").tolist()
        weights, byte, left = np.zeros(size, np.int64), 0, 0
        for n in range(size):
            code = first = index = 0
            for count in counts:
                if not left:
                    byte, left = take(1)[0], 8
                code, byte, left = code << 1 | byte & 1, byte >> 1, left - 1
                if 0 <= code - first < count:
                    break
                index, first = index + count, first + count << 1
            else:
                raise HuffmanError(f"weight {n} of section {len(sections)} has no code")
            weights[n] = symbols[index + code - first]
        sections.append(weights)
    return sections
