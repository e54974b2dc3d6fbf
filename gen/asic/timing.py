"""Static timing: the longest path through a netlist, and how long each cell takes on the way."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import inf

from nomul.gen.asic.cells import Arc, Pin
from nomul.gen.asic.library import Library
from nomul.gen.asic.netlist import Instance, Netlist

__all__ = ["CLOCK_SLEW", "WIRE", "Timing", "loads", "time"]

#: Capacitance of a wire, fF a pin that it leads to: about 20 µm in the middle layers of a 0.13 µm process.
WIRE = 3.0
#: Transition time of the ideal clock, ns.
CLOCK_SLEW = 0.05
#: Capacitance of a block's input, fF, and transition time of its outputs, ns.
_BLOCK_PIN, _BLOCK_SLEW = 10.0, 0.1

_IDEAL = -1         # the clock of the flip-flops at the inputs: a net of no netlist
_Edges = dict[bool, float]      # by whether the net rises
_Edge = tuple[int, bool]        # a net, and whether it rises


@dataclass(frozen=True)
class Timing:
    """What static timing finds.

    Attributes
    ----------
    delay : float
        Shortest clock period, ns: from the clock's edge through the longest path to a flip-flop that must see it in
        time (setup), or to an output.
    slews : dict of int to float
        Transition time of each net, ns, mean of rise and fall.
    delays : dict of (str, str, str) to float
        Time through an instance from a pin to a pin, ns, mean of rise and fall.
    launch : dict of int to float
        When the nets of inputs and flip-flops switch after the clock's edge, ns, mean of rise and fall.
    path : list of (int, float)
        The longest path: its nets, and when each switches after the clock's edge, ns.
    """

    delay: float
    slews: dict[int, float]
    delays: dict[tuple[str, str, str], float]
    launch: dict[int, float]
    path: list[tuple[int, float]]


def loads(netlist: Netlist) -> Mapping[int, float]:
    """Capacitance of each net, fF: the pins that listen to it, and `WIRE` for each of them."""
    result: dict[int, float] = defaultdict(float)
    for instance in netlist.instances:
        for pin, net in instance.inputs():
            result[net] += pin.capacitance + WIRE
    for net in netlist.early:
        result[net] += _BLOCK_PIN + WIRE
    return result


def time(netlist: Netlist, library: Library) -> Timing:
    """Times a netlist with the library's tables of delay and slew (NLDM); the clock is ideal.

    Of several edges that reach a net, the latest arrival and the slowest slew go on. Inputs come from flip-flops that
    are not part of the design: the library's smallest, loaded with the input's net.

    Parameters
    ----------
    netlist : Netlist
        The design.
    library : Library
        Its cells.
    """
    load = loads(netlist)
    arrival: dict[int, _Edges] = defaultdict(dict)
    slew: dict[int, _Edges] = defaultdict(dict)
    delays: dict[tuple[str, str, str], float] = {}
    before: dict[_Edge, _Edge] = {}

    def reach(edge: _Edge, at: float, transition: float, source: _Edge) -> None:
        net, rises = edge
        if at > arrival[net].get(rises, -inf):
            arrival[net][rises], before[edge] = at, source
        slew[net][rises] = max(transition, slew[net].get(rises, 0.0))

    def through(pin: Pin, arc: Arc, source: int, target: int) -> list[float]:
        """Takes the edges of a net through an arc; the delays it took."""
        taken = []
        for source_rises, rises in arc.edges:
            if source_rises in arrival[source] and rises in arc.slew:
                transition = slew[source][source_rises]
                taken.append(arc.delay[rises](transition, load[target]))
                reach((target, rises), arrival[source][source_rises] + taken[-1],
                      max(arc.slew[rises](transition, load[target]), 0.0), (source, source_rises))
        return taken

    for net in (_IDEAL, netlist.clock):
        if net is not None:
            arrival[net], slew[net] = {True: 0.0, False: 0.0}, {True: CLOCK_SLEW, False: CLOCK_SLEW}
    starts = {net for nets in netlist.inputs.values() for net in nets}
    flop = _launching(library)
    for net in starts:
        if flop:
            through(*flop, _IDEAL, net)
        else:
            arrival[net], slew[net] = dict(arrival[_IDEAL]), dict(slew[_IDEAL])
    for register in netlist.registers:
        for pin, net in register.outputs():
            starts.add(net)
            for arc in pin.arcs:
                if arc.kind == "rising_edge":
                    through(pin, arc, register.nets[arc.source], net)
    for net, access in netlist.late.items():
        starts.add(net)
        for rises in (True, False):
            reach((net, rises), access, _BLOCK_SLEW, (_IDEAL, True))
    launch = {net: _mean(arrival[net].values()) for net in starts}
    for instance in netlist.logic:
        for pin, net in instance.outputs():
            taken: dict[str, list[float]] = defaultdict(list)
            for arc in pin.arcs:
                if arc.kind == "combinational":
                    taken[arc.source] += through(pin, arc, instance.nets[arc.source], net)
            delays.update({(instance.name, source, pin.name): _mean(times) for source, times in taken.items()})
    ends = [(at, (net, rises)) for nets in netlist.outputs.values() for net in nets
            for rises, at in arrival[net].items()]
    ends += [end for register in netlist.registers for end in _setups(register, arrival, slew)]
    ends += [(at + setup, (net, rises)) for net, setup in netlist.early.items() for rises, at in arrival[net].items()]
    delay, edge = max(ends, default=(0.0, None))
    path: list[tuple[int, float]] = []
    while edge in before:
        path.append((edge[0], arrival[edge[0]][edge[1]]))
        edge = before[edge]
    return Timing(delay, {net: _mean(edges.values()) for net, edges in slew.items()}, delays, launch, path[::-1])


def _launching(library: Library) -> tuple[Pin, Arc] | None:
    """Output of the library's smallest flip-flop, and its arc from the clock."""
    flops = sorted((cell for cell in library.cells.values() if cell.register), key=lambda cell: cell.area)
    return next(((pin, arc) for cell in flops for pin in cell.outputs for arc in pin.arcs
                 if arc.kind == "rising_edge"), None)


def _setups(instance: Instance, arrival: Mapping[int, _Edges],
            slew: Mapping[int, _Edges]) -> list[tuple[float, _Edge]]:
    """When the clock may come at the earliest, for each edge of a flip-flop's data."""
    return [(at + arc.delay[rises](slew[net][rises], CLOCK_SLEW), (net, rises))
            for pin, net in instance.inputs() for arc in pin.arcs if arc.kind == "setup_rising"
            for rises, at in arrival[net].items() if rises in arc.delay]


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return sum(found) / len(found) if found else 0.0
