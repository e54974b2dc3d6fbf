"""Differential fuzzing: random networks on simulated hardware, against the golden model and the NumPy reference."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from nomul.cosim.differences import first_difference
from nomul.cosim.link import SimulationLink
from nomul.cosim.random_layer import Bounds
from nomul.cosim.random_network import random_codes, random_network
from nomul.cosim.shrink import shrink
from nomul.cosim.trace import trace_tensors
from nomul.gen.spec.config import Config
from nomul.sw import golden, reference
from nomul.sw.compile import CompileError, compile_network
from nomul.sw.compiled import CompiledNetwork
from nomul.sw.cycles import predict
from nomul.sw.driver.board import Board, BoardError
from nomul.sw.driver.link import LinkError
from nomul.sw.network import IntegerNetwork

__all__ = ["Checker", "Counts", "Failure", "fuzz"]

#: Images of a network; `_images` says which.
_IMAGES = 4
#: What cycles are predicted and counted for.
_CYCLES = ("busy", "weights", "accumulators", "drain", "fetch", "total")


@dataclass
class Counts:
    """What was compared on one configuration.

    Attributes
    ----------
    networks, layers, values, cycles : int
        Networks; their layers; values of all layers' outputs for all images; clock cycles of the runs that gave them.
    """

    networks: int = 0
    layers: int = 0
    values: int = 0
    cycles: int = 0


@dataclass(frozen=True, eq=False)
class Failure:
    """A network on which hardware, golden model, reference and predicted cycles do not agree.

    Attributes
    ----------
    seed : int
        Of the random network.
    config : Config
        The accelerator.
    reason : str
        What differs, of the random network.
    network : IntegerNetwork
        The small one that it was shrunk to.
    codes : np.ndarray
        uint8 images for which it fails.
    small_reason : str
        What differs then.
    """

    seed: int
    config: Config
    reason: str
    network: IntegerNetwork
    codes: np.ndarray
    small_reason: str


@dataclass
class Checker:
    """One configuration's simulated accelerator, on which one network after the other is checked.

    Attributes
    ----------
    config : Config
        The accelerator.
    counts : Counts
        Of all checks so far.
    """

    config: Config
    counts: Counts = field(default_factory=Counts)

    def __post_init__(self) -> None:
        self._link = SimulationLink(self.config)

    def difference(self, network: IntegerNetwork, codes: np.ndarray) -> str | None:
        """The first thing that does not agree, in words.

        Parameters
        ----------
        network : IntegerNetwork
            Any valid one.
        codes : np.ndarray
            uint8 input codes, shape (images, channels, height, width).

        Raises
        ------
        CompileError
            If the configuration cannot run the network.
        """
        expected = golden.trace(network, codes)
        for name, values in reference.trace(network, codes).items():
            for image, (ours, others) in enumerate(zip(expected[name], values, strict=True)):
                if first := first_difference(image, name, ours, others):
                    return f"golden model and reference differ ({first}, as the reference has it)"
        compiled = compile_network(network, self.config)
        try:
            return self._hardware_difference(network, compiled, codes, expected[network.layers[-1].name][:, :, 0, 0])
        except (LinkError, BoardError) as error:
            self._link = SimulationLink(self.config)    # the old one may be in any state
            return f"the accelerator does not answer as agreed: {error}"

    def _hardware_difference(self, network: IntegerNetwork, compiled: CompiledNetwork, codes: np.ndarray,
                             logits: np.ndarray) -> str | None:
        layers = predict(compiled)
        spent = {name: sum(getattr(layer, name) for layer in layers) for name in _CYCLES}
        *layer_cycles, end = [layer.total for layer in layers]
        cycles = spent["total"]
        timeout = (100_000 + 2 * cycles) / self._link.clock_hz
        traced = trace_tensors(self._link, compiled, network, codes, timeout=timeout)
        self.counts.networks += 1
        self.counts.layers += len(network.layers)
        self.counts.values += traced.values
        self.counts.cycles += cycles * len(codes)
        if traced.first:
            return str(traced.first)
        # Weights that are sent meanwhile may come late; what else takes time is the same.
        exact = not len(compiled.stream)
        for name, predicted, counted in zip(compiled.steps, layer_cycles, traced.cycles, strict=True):
            if counted < predicted + end or exact and counted > predicted + end:
                return f"layer {name}: {predicted + end} cycles predicted, {counted} counted"
        board = Board(self._link, timeout=timeout)
        board.push(compiled)
        result = board.run(codes)
        if (result.logits != logits).any():
            return f"the whole program gives the logits {result.logits.tolist()}, golden {logits.tolist()}"
        if (result.top != logits.argmax(axis=1)).any():
            return f"TOP is {result.top.tolist()} for the logits {logits.tolist()}"
        if (result.cycles < cycles).any() or exact and (result.cycles > cycles).any():
            return f"{cycles} cycles predicted, {result.cycles.tolist()} counted"
        activity = {name: count for name, count in board.cycles().items() if name in spent}
        expected = {name: spent[name] for name in activity}        # without counters there is but the total
        if activity.get("busy", spent["busy"]) != spent["busy"] or exact and activity != expected:
            return f"cycles predicted {spent}, counted {activity}"
        return None

    def fails(self, network: IntegerNetwork, codes: np.ndarray) -> bool:
        """Whether anything does not agree; False for a network that the configuration cannot run."""
        try:
            return self.difference(network, codes) is not None
        except CompileError:
            return False


def fuzz(configs: Sequence[Config], networks: int, seed: int,
         progress: Callable[[int, int], None] | None = None) -> tuple[list[Counts], Failure | None]:
    """Checks random networks, each with its own seed, on the configurations in turn; stops at the first failure.

    Parameters
    ----------
    configs : sequence of Config
        Network n runs on ``configs[n % len(configs)]``.
    networks : int
        How many.
    seed : int
        Of the first network; the others' follow.
    progress : function of (networks done, networks), optional
        Called after each.

    Returns
    -------
    tuple of list of Counts and Failure or None
        What was compared on each configuration, and the failure, shrunk.
    """
    checkers: dict[int, Checker] = {}
    failure = None
    for number in range(networks):
        place = number % len(configs)
        config = configs[place]
        if place not in checkers:
            checkers[place] = Checker(config)
        checker = checkers[place]
        network = random_network(seed + number, config, Bounds.wide(config))
        codes = _images(seed + number, network)
        if reason := checker.difference(network, codes):
            counts = replace(checker.counts)
            small, codes = shrink(network, codes, checker.fails)
            failure = Failure(seed + number, config, reason, small, codes, checker.difference(small, codes) or reason)
            checker.counts = counts
            break
        if progress:
            progress(number + 1, networks)
    return [checkers[place].counts if place in checkers else Counts() for place in range(len(configs))], failure


def _images(seed: int, network: IntegerNetwork) -> np.ndarray:
    """One of extremes, one all 0, one all largest, and others in between; uint8, shape (_IMAGES, C, H, W)."""
    codes = random_codes(seed, network, _IMAGES)
    codes[1], codes[2] = 0, network.largest_code
    return codes
