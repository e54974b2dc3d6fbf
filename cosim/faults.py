"""What a line and a supply do to a board: flipped, lost and doubled bytes, a reset or an unplugged cable in between."""

import math
import random
from dataclasses import dataclass
from typing import Self

from nomul.gen.spec.errors import NomulError
from nomul.sw.driver.link import ByteLink

__all__ = ["Damage", "Faults", "FaultsError", "FaultyLink"]

#: Bytes that a cut loses at most.
_LONGEST_CUT = 40


class FaultsError(NomulError):
    """Faults that there cannot be."""


@dataclass(frozen=True, kw_only=True)
class Faults:
    """Seeded faults; none by default.

    Attributes
    ----------
    flips, drops, doubles, cuts : float
        Probability, for each byte in either direction, that one of its bits is flipped, that it is lost, that it
        comes twice, that it and up to 39 after it are lost. Their sum must be less than 1.
    reset_after, disconnect_after : int, optional
        The board loses its power for a moment, or its cable for good, when it has been sent so many bytes.
    seed : int
        The same seed gives the same faults at the same bytes of either direction.

    Raises
    ------
    FaultsError
        For probabilities or numbers of bytes that there cannot be.
    """

    flips: float = 0.0
    drops: float = 0.0
    doubles: float = 0.0
    cuts: float = 0.0
    reset_after: int | None = None
    disconnect_after: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        rates = (self.flips, self.drops, self.doubles, self.cuts)
        if not all(0 <= rate < 1 for rate in rates) or sum(rates) >= 1:
            raise FaultsError(f"probabilities of faults must be from 0 to less than 1, together, too, not "
                              f"{', '.join(map(str, rates))}")
        for what, count in (("reset", self.reset_after), ("disconnect", self.disconnect_after)):
            if count is not None and count < 0:
                raise FaultsError(f"a {what} must come after 0 bytes or more, not {count}")

    @classmethod
    def noise(cls, rate: float, seed: int = 0) -> Self:
        """Flips, drops and doubles, each with this probability."""
        return cls(flips=rate, drops=rate, doubles=rate, seed=seed)


class Damage:
    """Does to the bytes of one direction what `Faults` says.

    Parameters
    ----------
    faults : Faults
        What happens, and how often.
    direction : str
        Makes the two directions of a line differ.

    Attributes
    ----------
    count : int
        Faults so far.
    """

    def __init__(self, faults: Faults, direction: str):
        self._dice = random.Random(f"{faults.seed} {direction}")
        self._weights = (faults.flips, faults.drops, faults.doubles, faults.cuts)
        self._rate = sum(self._weights)
        self._clean = self._distance()      # bytes before the next fault
        self._cut = 0                       # bytes still to be lost
        self.count = 0

    def _distance(self) -> int:
        return int(math.log(1 - self._dice.random()) / math.log(1 - self._rate)) if self._rate else 1 << 62

    def __call__(self, data: bytes) -> bytes:
        """The bytes that arrive."""
        lost = min(self._cut, len(data))
        self._cut -= lost
        data = data[lost:]
        if self._clean >= len(data):
            self._clean -= len(data)
            return data
        result = bytearray()
        while self._clean < len(data):
            result += data[:self._clean]
            byte, data = data[self._clean], data[self._clean + 1:]
            self.count += 1
            kind, = self._dice.choices(range(len(self._weights)), self._weights)
            if kind == 0:
                result.append(byte ^ 1 << self._dice.randrange(8))
            elif kind == 2:
                result += bytes([byte, byte])
            elif kind == 3:
                lost = self._dice.randrange(_LONGEST_CUT)
                self._cut = max(0, lost - len(data))
                data = data[lost:]
            self._clean = self._distance()
        self._clean -= len(data)
        return bytes(result + data)


class FaultyLink:
    """A `ByteLink` that damages what another one carries.

    Parameters
    ----------
    link : ByteLink
        The other one.
    faults : Faults
        Only the probabilities count.
    """

    def __init__(self, link: ByteLink, faults: Faults):
        self._link = link
        self._there, self._back = Damage(faults, "there"), Damage(faults, "back")

    @property
    def faults(self) -> int:
        """How many there have been."""
        return self._there.count + self._back.count

    def write(self, data: bytes) -> None:
        """Sends what is left of `data`."""
        self._link.write(self._there(data))

    def read(self, timeout: float) -> bytes:
        """What is left of what has arrived; may be nothing, though something has."""
        return self._back(self._link.read(timeout))

    def close(self) -> None:
        """Closes the other link."""
        self._link.close()
