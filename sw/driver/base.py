"""What can be done with a board, however it is reached: load a network onto it, run images through it."""

import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np

from nomul.gen.spec.frames import Status
from nomul.gen.spec.registers import Region, address_of
from nomul.gen.spec.registers import Status as StatusBit
from nomul.sw.coded_weights import coded_stream
from nomul.sw.compiled import CompiledNetwork
from nomul.sw.driver.access import BoardAccess, config_of, network_of
from nomul.sw.driver.memory import BoardError, Section
from nomul.sw.driver.models import compiled_for, encoded
from nomul.sw.driver.records import ImageResult, PushResult, RunResult
from nomul.sw.driver.sections import LARGE_PIECE, cut, network_sections
from nomul.sw.driver.transport import RefusedError
from nomul.sw.driver.update import Settled, not_held
from nomul.sw.network import IntegerNetwork

__all__ = ["BoardBase", "Model", "Progress"]

#: A program, or a network that is compiled for the board; or the path of a file of either.
Model = CompiledNetwork | IntegerNetwork | str | Path

Progress = Callable[[int, int], None]

_NOTHING_LOADED = Section(Region.REGISTERS, address_of("NETWORK_LOW"), bytes(8))


class BoardBase(BoardAccess):
    """A board that networks are pushed to and that runs images; see `BoardAccess` for what a subclass must add."""

    _network: CompiledNetwork | None = None

    def __repr__(self) -> str:
        held = self._network.name if self._network else "nothing pushed"
        return f"<{type(self).__name__} {self.port or 'in this process'}: {held}>"

    def compiled(self, model: Model) -> CompiledNetwork:
        """The program of a network for this board's configuration, which the board is asked for.

        Raises
        ------
        BoardError
            If it is a program for another configuration, or the board's configuration is not known.
        CompileError
            If the network does not fit.
        ContainerError
            If the file cannot be read, or is of another kind.
        LinkError
            If the board does not answer.
        """
        return self._identified(model)[0]

    def _identified(self, model: Model) -> tuple[CompiledNetwork, dict[str, int]]:
        """The program, and what `identity` said."""
        registers = self.identity()
        found = compiled_for(model, config_of(registers), self.config)
        if 7 + 2 * found.classes > self.frame_bytes:
            raise BoardError(f"the answer with {found.classes} results is longer than a frame of the board "
                             f"({self.frame_bytes} bytes): generate it with a larger frame_bytes")
        self.config = found.config
        return found, registers

    def push(self, model: Model, progress: Progress | None = None) -> PushResult:
        """Loads a network: writes what the board does not hold yet, and checks every byte by its checksum.

        From before the first byte is written until all is checked, the board counts as holding no network. So
        whenever this is interrupted, the board has the old network, none, or the new one. What had arrived by then
        is not sent again the next time.

        Parameters
        ----------
        model : Model
            The network; is compiled for the board's configuration if it is not yet.
        progress : function of (bytes done, bytes in all), optional
            Called with the bytes that the board is known to hold, as they become more.

        Returns
        -------
        PushResult
            How many bytes were sent, and what there is in all.

        Raises
        ------
        BoardError, CompileError, ContainerError
            As `compiled` does (then nothing is written), or if the network does not arrive unchanged.
        LinkError
            If the board does not answer.
        """
        compiled, registers = self._identified(model)
        self._network, held = None, network_of(registers)
        if registers["STATUS"] >> StatusBit.BUSY & 1:
            # A run that waits for weights which nobody sends any more; else the memories could not be asked about.
            held = None
            self._unload()
        sections = network_sections(compiled)
        total, done = sum(len(section.content) for section in sections), Settled(0, 0)
        coded = self._send_coded(compiled, sections)
        for done in self.update(sections, _NOTHING_LOADED):
            if progress:
                progress(done.held, total)
        sent = done.sent + coded
        if sent or held != compiled.hash:
            # A board that was switched off meanwhile lost its registers, which came first.
            registers_held = [section for section in sections if section.region is Region.REGISTERS]
            for section, differs in zip(registers_held, self._differ(registers_held), strict=True):
                if differs:
                    raise not_held(section)
            self.write(Region.REGISTERS, address_of("NETWORK_LOW"), _network_registers(compiled))
            self._check_network(compiled)
        self._network = compiled
        return PushResult(compiled.name, compiled.hash, sent, total)

    def use(self, model: Model) -> None:
        """Says which network the board holds already, instead of `push`; raises as `compiled` does, and further.

        Raises
        ------
        BoardError
            If the board holds another network, or none.
        """
        compiled = self.compiled(model)
        self._check_network(compiled)
        self._network = compiled

    def run(self, images: np.ndarray, progress: Progress | None = None) -> RunResult:
        """Runs images through the network; each is on its way while the one before is at work.

        Parameters
        ----------
        images : np.ndarray
            Shape (images, channels, height, width): uint8 codes, or real values as floats.
        progress : function of (images done, images in all), optional
            Called after each image.

        Raises
        ------
        BoardError
            If no network was pushed, or the board holds another one by now.
        LinkError
            If the board does not answer.
        """
        network = self.pushed()
        codes = encoded(images, network)
        logits = np.zeros((len(codes), network.classes), np.int16)
        top, cycles = np.zeros(len(codes), np.int64), np.zeros(len(codes), np.int64)
        for n, result in enumerate(self.stream(codes)):
            logits[n], top[n], cycles[n] = result
            if progress:
                progress(n + 1, len(codes))
        return RunResult(logits, top, cycles)

    def stream(self, codes: Iterable[np.ndarray]) -> Iterator[ImageResult]:
        """Runs images, uint8 codes of the shape (channels, height, width), as they come; raises as `run` does.

        Some more are taken from `codes` before the result of the first is there.
        """
        network = self.pushed()
        self._check_network(network)
        if len(network.stream):
            self._restart(network)
        try:
            for answer in self.finished((network.image_bytes(image) for image in codes), network.stream):
                if len(answer) != 6 + 2 * network.classes:
                    raise BoardError(f"the board answered FINISH with {len(answer)} bytes instead of "
                                     f"{6 + 2 * network.classes}: push the network again")
                yield ImageResult(np.frombuffer(answer, "<i2", offset=6), int.from_bytes(answer[4:6], "little"),
                                  int.from_bytes(answer[:4], "little"))
        except RefusedError as refusal:
            if refusal.status not in (Status.NO_NETWORK, Status.BAD_RUN):
                raise
            raise BoardError("the board holds no network any more (was it switched off?): push it again") from None

    def rates(self, result: RunResult) -> dict[str, float]:
        """Images a second that the clock ("array") and the line ("line") of the board that is simulated would allow.

        Empty for all others, which need only be timed.
        """
        return {}

    def pushed(self) -> CompiledNetwork:
        """The network that was pushed last; raises `BoardError` if there is none."""
        if self._network is None:
            raise BoardError("no network to run: push one first")
        return self._network

    def update(self, sections: Iterable[Section], first: Section) -> Iterator[Settled]:
        """Makes the board hold sections; see `nomul.sw.driver.update.MemoryUpdate`."""
        if self.config is None:
            raise BoardError("how long words are depends on the configuration: push a network first")
        held = sent = 0
        for section in sections:
            for piece in cut(section, LARGE_PIECE, self.config):
                size = len(piece.content)
                if any(self._differ([piece])):
                    for _ in self.send([piece] if sent else [first, piece]):
                        pass
                    if any(self._differ([piece])):
                        raise not_held(piece)
                    sent += size
                held += size
                yield Settled(held, sent)

    def _send_coded(self, compiled: CompiledNetwork, sections: Iterable[Section]) -> int:
        """Sends all weights coded, if the board decodes them and that saves bytes; how many bytes it took."""
        if not compiled.config.weight_decoder:
            return 0
        weights = [piece for section in sections if section.region is Region.WEIGHTS
                   for piece in cut(section, LARGE_PIECE, compiled.config)]
        different = sum(len(piece.content) for piece, differs in zip(weights, self._differ(weights), strict=True)
                        if differs)
        coded = coded_stream(compiled) if different else b""
        if len(coded) >= different:
            return 0
        for _ in self.send([_NOTHING_LOADED, Section(Region.CODED_WEIGHTS, 0, coded)]):
            pass
        return len(coded)

    def _differ(self, sections: Iterable[Section]) -> Iterator[bool]:
        """Whether the board holds something else than each section says."""
        sections = list(sections)
        for section, checksum in zip(sections, self.checksums(sections), strict=True):
            yield checksum != zlib.crc32(section.content)

    def _restart(self, compiled: CompiledNetwork) -> None:
        """Ends runs that still wait for weights, and drops weights that came for them."""
        self._unload()
        self.read(Region.PROGRAM, 0, 1)     # which waits for the end of all runs
        self.write(Region.REGISTERS, address_of("NETWORK_LOW"), _network_registers(compiled))

    def _unload(self) -> None:
        self.write(*_NOTHING_LOADED)

    def _check_network(self, compiled: CompiledNetwork) -> None:
        registers = self.identity()
        held = network_of(registers)
        # A board that lost its power just before NETWORK was written holds another INPUT_MAP, or none.
        if held != compiled.hash or registers["INPUT_MAP"] != compiled.registers()["INPUT_MAP"]:
            other = f"network {held}" if held and held != compiled.hash else "no network"
            raise BoardError(f"the board holds {other}, not {compiled.name} ({compiled.hash}): push it first")


def _network_registers(compiled: CompiledNetwork) -> bytes:
    registers = compiled.registers()
    return b"".join(registers[name].to_bytes(4, "little") for name in ("NETWORK_LOW", "NETWORK_HIGH"))
