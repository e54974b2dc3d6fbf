"""A link that damages what it carries."""

from nomul.cosim import faults


class FaultyLink(faults.FaultyLink):
    """Passes bytes to and from another link; each is, with probability `rate`, flipped, dropped, doubled or the
    beginning of a cut. While `rate` is set to 0, nothing happens."""

    def __init__(self, link, rate, seed):
        super().__init__(link, faults.Faults(flips=rate / 4, drops=rate / 4, doubles=rate / 4, cuts=rate / 4,
                                             seed=seed))
        self.rate = rate

    def write(self, data):
        super().write(data) if self.rate else self._link.write(data)

    def read(self, timeout):
        return super().read(timeout) if self.rate else self._link.read(timeout)
