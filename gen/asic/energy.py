"""Energy from activity: what charging the nets takes, what the cells take for themselves, and the clock."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from nomul.gen.asic.activity import Activity
from nomul.gen.asic.cells import Pin, Power
from nomul.gen.asic.functions import function
from nomul.gen.asic.library import Library
from nomul.gen.asic.netlist import Instance, Netlist
from nomul.gen.asic.timing import CLOCK_SLEW, Timing, loads

__all__ = ["Energy", "energy"]

#: The clock rises and falls in every cycle.
_CLOCK_TOGGLES = 2.0


@dataclass(frozen=True)
class Energy:
    """Energy a cycle, fJ, by where it goes, and leakage.

    Attributes
    ----------
    nets : float
        Charging all nets but the clock: C·V²/2 each time that one switches; C are its pins and wires.
    cells : float
        Inside the cells, as the library's tables of internal power say.
    clock : float
        Charging the flip-flops' clock pins, and what these take inside; no clock tree.
    leakage : float
        Power that the cells take without switching, nW; not part of the energies.
    """

    nets: float
    cells: float
    clock: float
    leakage: float

    @property
    def total(self) -> float:
        """Energy a cycle without leakage, fJ."""
        return self.nets + self.cells + self.clock


def energy(netlist: Netlist, library: Library, timing: Timing, activity: Activity) -> Energy:
    """Energy of a simulated design.

    Internal power of an output depends on the input that switched it: the inputs share its toggles in proportion to
    theirs. Where it depends on the cell's state (`when`), each state counts as often as it was seen at the ends of
    cycles, with the clock high as often as low.

    Parameters
    ----------
    netlist, library, timing, activity
        The design, its cells, its slews, and how often its nets switch.
    """
    load = loads(netlist)
    half = library.voltage ** 2 / 2
    toggles = defaultdict(float, activity.toggles)
    if netlist.clock is not None:
        toggles[netlist.clock] = _CLOCK_TOGGLES
    nets = sum(half * load[net] * count for net, count in toggles.items() if net != netlist.clock)
    cells = clock = 0.0
    for instance in netlist.instances:
        inside = _Inside(instance, timing, toggles, activity)
        cells += sum(inside.output(pin, net, load[net]) for pin, net in instance.outputs())
        for pin, net in instance.inputs():
            if net == netlist.clock:
                clock += inside.input(pin, net)
            else:
                cells += inside.input(pin, net)
    if netlist.clock is not None:
        clock += half * load[netlist.clock] * _CLOCK_TOGGLES
    return Energy(nets, cells, clock, sum(instance.cell.leakage for instance in netlist.instances))


class _Inside:
    """What the pins of one instance take inside it, fJ a cycle."""

    def __init__(self, instance: Instance, timing: Timing, toggles: Mapping[int, float], activity: Activity):
        self.nets, self.toggles, self.activity = instance.nets, toggles, activity
        self.slews = {pin: timing.slews.get(net, CLOCK_SLEW) for pin, net in instance.nets.items()}

    def input(self, pin: Pin, net: int) -> float:
        return self.toggles[net] * sum(share * power.energy(self.slews[pin.name], 0.0)
                                       for power, share in self._shares(pin.powers) if share)

    def output(self, pin: Pin, net: int, load: float) -> float:
        weighted = energies = 0.0
        sources = {power.source for power in pin.powers if self.toggles[net]}
        for source in sources & self.nets.keys():
            share = self.toggles[self.nets[source]]
            powers = tuple(power for power in pin.powers if power.source == source)
            weighted += share
            energies += share * sum(part * power.energy(self.slews[source], load)
                                    for power, part in self._shares(powers))
        return self.toggles[net] * energies / weighted if weighted else 0.0

    def _shares(self, powers: tuple[Power, ...]) -> list[tuple[Power, float]]:
        """Each table, and how often it holds; those without a condition take what is left."""
        seen = [self._seen(power.when) if power.when else 0.0 for power in powers]
        left = max(1.0 - sum(seen), 0.0)
        return [(power, share if power.when else left) for power, share in zip(powers, seen, strict=True)]

    def _seen(self, when: str) -> float:
        """The share of cycles at whose end the cell is in a state."""
        mask = self.activity.mask
        count = 0
        for clock in (np.zeros_like(mask), ~np.zeros_like(mask)):
            pins = {pin: self.activity.states.get(net, clock) for pin, net in self.nets.items()}
            count += int(np.bitwise_count(function(when)(pins) & mask).sum())
        return count / (2 * self.activity.transitions)
