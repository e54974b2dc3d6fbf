"""Several initiators on one host bus, word by word."""

from collections.abc import Sequence

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from nomul.gen.spec.config import Config
from nomul.hdl.bus import HostBus

__all__ = ["BusArbiter", "BusClient"]


class BusClient(wiring.Signature):
    """One word access after the other to the memory map; the client is the initiator.

    Members
    -------
    request : Out(1), write : Out(1), region : Out(4), address : Out(24), data : Out(data_bits)
        A read or write, which `HostBus` allows at this time. It may change or go as long as it is not `taken`.
    taken : In(1)
        It takes place in this cycle. The word that a read found is there as many cycles later as `HostBus` says.
    """

    def __init__(self, data_bits: int):
        super().__init__({
            "request": Out(1), "write": Out(1), "region": Out(4), "address": Out(24), "data": Out(data_bits),
            "taken": In(1),
        })


class BusArbiter(wiring.Component):
    """Gives each cycle to one client that asks: to the next one in turn behind the last one.

    A write for which the core is not ready costs its client a turn, and nobody else waits for it.

    Parameters
    ----------
    config : Config
        Gives the bus's width.
    data_bits : sequence of int
        Width of each client's words.

    Members
    -------
    clients_0, clients_1, ... : In(BusClient)
        The clients.
    granted : Out(len(data_bits))
        Whose turn it is; at most one bit is 1.
    region, address, write_enable, write_data, read_enable : Out, ready : In(1)
        As in `HostBus`.
    """

    def __init__(self, config: Config, data_bits: Sequence[int]):
        self._data_bits = data_bits
        bus = HostBus(config)
        super().__init__({
            **{f"clients_{n}": In(BusClient(bits)) for n, bits in enumerate(data_bits)},
            "granted": Out(len(data_bits)),
            **{name: bus.members[name] for name in ("region", "address", "write_enable", "write_data", "read_enable",
                                                    "ready")},
        })

    def elaborate(self, platform):
        m = Module()
        clients = [getattr(self, f"clients_{n}") for n in range(len(self._data_bits))]
        requests = Cat(client.request for client in clients)
        # Clients behind the last one first, then those from the beginning on.
        behind = Signal.like(self.granted)
        later = requests & behind
        wanted = Signal.like(self.granted)
        with m.If(later.any()):
            m.d.comb += wanted.eq(later)
        with m.Else():
            m.d.comb += wanted.eq(requests)
        m.d.comb += self.granted.eq(wanted & -wanted)       # the lowest bit that is 1
        with m.If(wanted.any()):
            m.d.sync += behind.eq(~(self.granted | (self.granted - 1)))
        for n, client in enumerate(clients):
            with m.If(self.granted[n]):
                m.d.comb += [
                    self.region.eq(client.region), self.address.eq(client.address), self.write_data.eq(client.data),
                    self.write_enable.eq(client.write), self.read_enable.eq(~client.write),
                    client.taken.eq(~client.write | self.ready),
                ]
        return m
