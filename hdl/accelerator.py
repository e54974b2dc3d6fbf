"""The accelerator: core and framed link, with one byte stream in and one out."""

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from nomul.gen.spec.config import Config
from nomul.hdl.core import Core
from nomul.hdl.link import HostLink

__all__ = ["Accelerator"]


class Accelerator(wiring.Component):
    """What `nomul generate` emits: a UART, a FIFO or a simulator carries the two byte streams.

    Parameters
    ----------
    config : Config
        Everything.

    Members
    -------
    rx : In(stream of 8 bits)
        Bytes from the host: frames of `nomul.gen.spec.frames`.
    tx : Out(stream of 8 bits)
        Bytes to the host.
    """

    rx: In(stream.Signature(8))
    tx: Out(stream.Signature(8))

    def __init__(self, config: Config):
        self._config = config
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        m.submodules.link = link = HostLink(self._config)
        m.submodules.core = core = Core(self._config)
        connect(m, link.bus, core.bus)
        connect(m, flipped(self.rx), link.rx)
        connect(m, link.tx, flipped(self.tx))
        return m
