"""The output of every layer as the accelerator computes it, compared with the golden model's.

The accelerator runs a whole program at a time, and a tensor's place is used again as soon as nobody reads it any more.
So here the program is run one descriptor at a time: each in turn is written to the program's first place, with an END
behind it. The activation memory keeps its content between two runs, and the tensor is read before the next one.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from nomul.cosim.differences import Difference, differing_bits, first_difference
from nomul.gen.spec.config import Config
from nomul.gen.spec.frames import RUN_NUMBERS, Operation
from nomul.gen.spec.registers import Region, word_bytes
from nomul.sw import golden
from nomul.sw.compiled import CompiledNetwork
from nomul.sw.driver.board import Board
from nomul.sw.driver.link import ByteLink
from nomul.sw.driver.runs import finish_request
from nomul.sw.driver.transport import Request
from nomul.sw.lower_window import Place, lanes_of
from nomul.sw.network import IntegerNetwork

__all__ = ["HardwareTrace", "TensorComparison", "TracingBoard", "trace_tensors"]

#: Images that the golden model computes at once; every tensor of them is in memory.
_BATCH = 16


class HardwareTrace(NamedTuple):
    """What the accelerator made of one image.

    Attributes
    ----------
    tensors : dict of str to np.ndarray
        The output of each layer in the program's order, shape (channels, height, width): uint8 codes, at last the
        logits, int16 of shape (classes, 1, 1).
    cycles : list of int
        Clock cycles of each descriptor's run, the fetch of its END included.
    """

    tensors: dict[str, np.ndarray]
    cycles: list[int]


class TracingBoard(Board):
    """A board that runs a network layer by layer; parameters as those of `Board`."""

    def trace(self, compiled: CompiledNetwork, codes: np.ndarray) -> Iterator[HardwareTrace]:
        """Pushes a network and runs images through it.

        Parameters
        ----------
        compiled : CompiledNetwork
            For the board's configuration.
        codes : np.ndarray
            uint8 input codes, shape (images, channels, height, width).

        Raises
        ------
        BoardError
            If the network is for another configuration, or does not arrive unchanged.
        LinkError
            If the board does not answer.
        """
        # A network with a hash of its own: nobody will take it for `compiled`.
        self.push(replace(compiled, program=compiled.program[[0, -1]]))
        run = self.registers()["RUN"]
        streamed = [words if layer["streamed"] else words[:0]
                    for layer, words in zip(compiled.descriptors()[:-1], compiled.step_weights(), strict=True)]
        for image in codes:
            *writes, start = self.start_requests(run + 1, compiled.image_bytes(image))
            for request in writes:
                self._transport.request(*request)
            trace = HardwareTrace({}, [])
            for name, following, descriptor, weights in zip(compiled.steps, [*compiled.steps[1:], ""],
                                                            compiled.program[:-1], streamed, strict=True):
                self.write(Region.PROGRAM, 0, descriptor.astype("<u4").tobytes())
                run += 1
                self._transport.request(*start)
                start = Request(Operation.START, bytes([(run + 1) % RUN_NUMBERS]))
                for [request] in self.stream_requests(run, weights):
                    self._transport.request(*request)
                answer = self._transport.request(*finish_request(run))
                trace.cycles.append(int.from_bytes(answer[:4], "little"))
                if name not in compiled.tensors:
                    trace.tensors[name] = np.frombuffer(answer, "<i2", offset=6).astype(np.int16)[:, None, None]
                elif name != following:     # a layer may take several descriptors
                    trace.tensors[name] = self._tensor(compiled.tensors[name], compiled.config)
            yield trace

    def _tensor(self, place: Place, config: Config) -> np.ndarray:
        """Codes of a tensor in the activation memory, uint8 of shape (channels, height, width)."""
        height, width = place["height"], place["width"]
        data = self.read(Region.ACTIVATIONS, place["base"], height * width * place["channel_words"])
        words = np.frombuffer(data, np.uint8).reshape(-1, word_bytes(Region.ACTIVATIONS, config))
        bits = np.unpackbits(words, axis=1, bitorder="little")[:, :config.activation_word_bits]
        codes = np.packbits(bits.reshape(-1, config.activation_bits), axis=1, bitorder="little")
        return codes.reshape(height, width, -1)[:, :, lanes_of(place["segments"], config.lanes)].transpose(2, 0, 1)


@dataclass(frozen=True)
class TensorComparison:
    """What a comparison of all tensors found.

    Attributes
    ----------
    images : int
        How many were run.
    tensors, values : int
        Compared, those of all images together.
    differing_bits : int
        Of all these values.
    differing_images : int
        Images with at least one differing bit.
    first : Difference or None
        In the first such image, in the first layer in order of execution.
    cycles : tuple of int
        Clock cycles of each descriptor, the fetch of an END included; the last image's, as they do not depend on data.
    """

    images: int
    tensors: int
    values: int
    differing_bits: int
    differing_images: int
    first: Difference | None
    cycles: tuple[int, ...]


def trace_tensors(link: ByteLink, compiled: CompiledNetwork, network: IntegerNetwork, codes: np.ndarray, *,
                  timeout: float = 1.0, progress: Callable[[int, int], None] | None = None) -> TensorComparison:
    """Compares every layer's output for images between golden model and accelerator.

    Parameters
    ----------
    link : ByteLink
        To the accelerator; it stays open.
    compiled : CompiledNetwork
        What the accelerator runs.
    network : IntegerNetwork
        What the golden model runs; its layers are those of `compiled`.
    codes : np.ndarray
        uint8 input codes, shape (images, channels, height, width), at least one image.
    timeout : float
        Seconds of silence that the slowest layer may take.
    progress : function of (images done, images), optional
        Called after each image.

    Raises
    ------
    BoardError
        If the network is for another configuration than the accelerator's, or does not arrive unchanged.
    LinkError
        If the accelerator does not answer.
    """
    values = bits = images = 0
    first = None
    cycles: list[int] = []
    traces = TracingBoard(link, timeout=timeout).trace(compiled, codes)
    for number, (expected, trace) in enumerate(zip(_golden_traces(network, codes), traces, strict=True)):
        wrong = 0
        for name in [layer.name for layer in network.layers]:
            right, found = expected[name], trace.tensors[name]
            values += right.size
            wrong += differing_bits(right, found)
            first = first or first_difference(number, name, right, found)
        bits += wrong
        images += wrong > 0
        cycles = trace.cycles
        if progress:
            progress(number + 1, len(codes))
    return TensorComparison(len(codes), len(codes) * len(network.layers), values, bits, images, first, tuple(cycles))


def _golden_traces(network: IntegerNetwork, codes: np.ndarray) -> Iterator[dict[str, np.ndarray]]:
    """Every tensor of each image, shape (channels, height, width)."""
    for start in range(0, len(codes), _BATCH):
        batch = golden.trace(network, codes[start:start + _BATCH])
        for index in range(len(batch["input"])):
            yield {name: tensor[index] for name, tensor in batch.items()}
