"""A link that damages what it carries."""

import random


class FaultyLink:
    """Passes bytes to and from another link; each is, with probability `rate`, flipped, dropped, doubled or the
    beginning of a cut. A write or read that is cut loses up to 40 bytes."""

    def __init__(self, link, rate, seed):
        self._link, self.rate, self._dice = link, rate, random.Random(seed)
        self.faults = 0

    def write(self, data):
        self._link.write(self._damage(data))

    def read(self, timeout):
        return self._damage(self._link.read(timeout))

    def close(self):
        self._link.close()

    def _damage(self, data):
        result, cut = bytearray(), 0
        for byte in data:
            if cut:
                cut -= 1
                continue
            if self._dice.random() >= self.rate:
                result.append(byte)
                continue
            self.faults += 1
            match self._dice.randrange(4):
                case 0:
                    result.append(byte ^ 1 << self._dice.randrange(8))
                case 1:
                    pass
                case 2:
                    result += bytes([byte, byte])
                case 3:
                    cut = self._dice.randrange(40)
        return bytes(result)
