"""The accelerator as an AXI peripheral, with the port names that tools know."""

from amaranth.hdl import ClockDomain, Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from nomul.gen.spec.config import Config
from nomul.hdl.axi.host import AxiHost
from nomul.hdl.axi.lite import AxiLite, AxiLiteSubordinate
from nomul.hdl.axi.stream import AxiStream, StreamInput, StreamOutput
from nomul.hdl.core import Core

__all__ = ["AxiAccelerator", "AxiTop"]


def _buses(width: int) -> dict:
    return {
        "s_axi": In(AxiLite()), "s_axis_data": In(AxiStream(width)), "s_axis_weights": In(AxiStream(width)),
        "m_axis_results": Out(AxiStream(width)),
    }


class AxiAccelerator(wiring.Component):
    """The core behind AXI, in clock domain `sync`; `nomul.gen.spec.axi` says what goes over each bus.

    Parameters
    ----------
    config : Config
        Everything.
    width : int
        Bytes of a beat of the streams, one of `nomul.gen.spec.axi.STREAM_BYTES`.

    Members
    -------
    s_axi : In(AxiLite)
        Registers.
    s_axis_data, s_axis_weights : In(AxiStream(width))
        Packets of images, and of sections of the memories.
    m_axis_results : Out(AxiStream(width))
        Packets of results.

    Raises
    ------
    ValueError
        For another width.
    """

    def __init__(self, config: Config, width: int):
        self._config, self._width = config, width
        super().__init__(_buses(width))

    def elaborate(self, platform):
        m = Module()
        m.submodules.lite = lite = AxiLiteSubordinate()
        m.submodules.data = data = StreamInput(self._width)
        m.submodules.weights = weights = StreamInput(self._width)
        m.submodules.results = results = StreamOutput(self._width)
        m.submodules.host = host = AxiHost(self._config, self._width)
        m.submodules.core = core = Core(self._config)
        connect(m, flipped(self.s_axi), lite.bus)
        connect(m, flipped(self.s_axis_data), data.bus)
        connect(m, flipped(self.s_axis_weights), weights.bus)
        connect(m, lite.registers, host.access)
        connect(m, data.o, host.images)
        connect(m, weights.o, host.sections)
        connect(m, host.results, results.i)
        connect(m, results.bus, flipped(self.m_axis_results))
        connect(m, host.bus, core.bus)
        m.d.comb += results.clear.eq(host.halt)
        return m


class AxiTop(wiring.Component):
    """`AxiAccelerator` whose ports are called as Vivado and others expect: ``s_axi_awaddr``, ``s_axis_data_tvalid``.

    Parameters
    ----------
    config, width
        As of `AxiAccelerator`.

    Members
    -------
    aclk : In(1), aresetn : In(1)
        Clock, and reset, active low and synchronous to it.
    s_axi_..., s_axis_data_..., s_axis_weights_..., m_axis_results_...
        The buses.
    """

    def __init__(self, config: Config, width: int):
        self._config, self._width = config, width
        super().__init__({
            "aclk": In(1), "aresetn": In(1),
            **{"_".join(path): (In if member.flow is In else Out)(member.shape)
               for path, member in self._flat(wiring.Signature(_buses(width)).create())},
        })

    def elaborate(self, platform):
        m = Module()
        m.domains.sync = sync = ClockDomain("sync")
        m.submodules.accelerator = accelerator = AxiAccelerator(self._config, self._width)
        m.d.comb += [sync.clk.eq(self.aclk), sync.rst.eq(~self.aresetn)]
        for path, member in self._flat(accelerator):
            outer, inner = getattr(self, "_".join(path)), getattr(getattr(accelerator, path[0]), path[1])
            m.d.comb += inner.eq(outer) if member.flow is In else outer.eq(inner)
        return m

    @staticmethod
    def _flat(interface) -> list:
        return [(path, member) for path, member, _ in interface.signature.flatten(interface)]
