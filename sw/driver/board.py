"""A board with an accelerator: load a network onto it, run images through it."""

import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

from nomul.gen.spec.config import INTERFACE_VERSION
from nomul.gen.spec.frames import Status
from nomul.gen.spec.registers import MAGIC, Region, address_of
from nomul.sw.coded_weights import coded_stream
from nomul.sw.compiled import CompiledNetwork
from nomul.sw.driver.link import ByteLink
from nomul.sw.driver.memory import SUBJECT_BYTES, BoardError, Section, write_request
from nomul.sw.driver.records import BoardInfo, RunResult
from nomul.sw.driver.runs import ImageRuns
from nomul.sw.driver.transport import RefusedError, Transport

__all__ = ["Board", "BoardError", "BoardInfo", "RunResult", "open_board"]

Progress = Callable[[int, int], None]

#: Bytes of one CHECKSUM request: few enough that its answer comes well within the timeout.
_CHECKSUM_BYTES = 1 << 15


class Board(ImageRuns):
    """A board at the other end of a link; a context manager that closes the link.

    Parameters
    ----------
    link : ByteLink
        To the board; nothing is sent before the first call.
    timeout : float
        Seconds of silence after which something is taken for lost; must exceed the longest run of a network.
    window : int
        Requests under way at a time, 1 to 4.
    """

    def __init__(self, link: ByteLink, *, timeout: float = 1.0, window: int = 4):
        super().__init__(Transport(link, timeout=timeout, window=window))
        self._link = link
        self._network: CompiledNetwork | None = None

    def __enter__(self) -> "Board":
        return self

    def __exit__(self, *_: object) -> None:
        self._link.close()

    def info(self) -> BoardInfo:
        """Asks the board who it is.

        Raises
        ------
        BoardError
            If it is no nomul accelerator, or one that this driver cannot drive.
        LinkError
            If it does not answer.
        """
        value = self.registers()
        if value["MAGIC"] != MAGIC:
            raise BoardError(f"the board is no nomul accelerator: its first register is {value['MAGIC']:#010x}, "
                             f"not {MAGIC:#010x}")
        if value["INTERFACE"] != INTERFACE_VERSION:
            raise BoardError(f"the board has interface version {value['INTERFACE']}, this nomul {INTERFACE_VERSION}: "
                             "generate and program the accelerator again with this nomul")
        network = value["NETWORK_HIGH"] << 32 | value["NETWORK_LOW"]
        return BoardInfo(
            interface=value["INTERFACE"], config_hash=f"{value['CONFIG_HIGH']:08x}{value['CONFIG_LOW']:08x}",
            network_hash=f"{network:016x}" if network else None,
            frame_bytes=self._transport.frame_bytes, frame_errors=value["FRAME_ERRORS"])

    def push(self, compiled: CompiledNetwork, progress: Progress | None = None) -> None:
        """Loads a network and checks every byte of it; until that is done the board counts as holding none.

        Parameters
        ----------
        compiled : CompiledNetwork
            The network; must be compiled for the board's configuration.
        progress : function of (bytes done, bytes in all), optional
            Called as bytes are written.

        Raises
        ------
        BoardError
            If the network is for another configuration (then nothing is written), or does not arrive unchanged.
        LinkError
            If the board does not answer.
        """
        self._check_configuration(compiled)
        self._network = None
        registers = compiled.registers()
        network = b"".join(registers.pop(name).to_bytes(4, "little") for name in ("NETWORK_LOW", "NETWORK_HIGH"))
        self.write(Region.REGISTERS, address_of("NETWORK_LOW"), bytes(8))

        sections = [section for section in (
            Section(Region.PROGRAM, 0, np.ascontiguousarray(compiled.program, "<u4").tobytes()),
            Section(Region.WEIGHTS, 0, compiled.weights.tobytes()),
            Section(Region.PARAMETERS, 0, compiled.parameters.tobytes()),
            *(Section(Region.REGISTERS, address_of(name), value.to_bytes(4, "little"))
              for name, value in registers.items()),
        ) if section.content]
        sent = [_shorter(section, compiled) for section in sections]
        total, done = sum(len(section.content) for section in sent), 0
        pieces = [piece for section in sent for piece in self.pieces(section, self.room(SUBJECT_BYTES))]
        for piece, _ in zip(pieces, self._transport.exchange(map(write_request, pieces)), strict=True):
            done += len(piece.content)
            if progress:
                progress(done, total)

        pieces = [piece for section in sections for piece in self.pieces(section, _CHECKSUM_BYTES)]
        requests = ([self.checksum_request(piece)] for piece in pieces)
        for piece, [answer] in zip(pieces, self._transport.exchange(requests), strict=True):
            if int.from_bytes(answer, "little") != zlib.crc32(piece.content):
                raise BoardError(f"{piece.region.name} of the board does not hold what was written from word "
                                 f"{piece.address} on: its memory is damaged, or another program writes to it")
        self.write(Region.REGISTERS, address_of("NETWORK_LOW"), network)
        self._network = compiled

    def use(self, compiled: CompiledNetwork) -> None:
        """Says which network the board holds already, instead of `push`.

        Raises
        ------
        BoardError
            If the board holds another network, or none.
        LinkError
            If the board does not answer.
        """
        self._check_configuration(compiled)
        self._check_network(compiled)
        self._network = compiled

    def run(self, images: np.ndarray, progress: Progress | None = None) -> RunResult:
        """Runs images through the network; each is on its way while the one before is at work.

        Parameters
        ----------
        images : np.ndarray
            uint8 codes, shape (images, channels, height, width).
        progress : function of (images done, images in all), optional
            Called after each image.

        Raises
        ------
        BoardError
            If no network was pushed, or the board holds another one by now.
        LinkError
            If the board does not answer.
        """
        network = self._network
        if network is None:
            raise BoardError("no network to run: push one first")
        if images.ndim != 4:
            raise BoardError(f"images must have the shape (images, channels, height, width), not {images.shape}")
        self._check_network(network)
        if len(network.stream):
            self._restart(network)
        logits = np.zeros((len(images), network.classes), np.int16)
        top, cycles = np.zeros(len(images), np.int64), np.zeros(len(images), np.int64)
        try:
            for n, answer in enumerate(self.finished((network.image_bytes(image) for image in images), network.stream)):
                if len(answer) != 6 + 2 * network.classes:
                    raise BoardError(f"the board answered FINISH with {len(answer)} bytes instead of "
                                     f"{6 + 2 * network.classes}: push the network again")
                cycles[n], top[n] = int.from_bytes(answer[:4], "little"), int.from_bytes(answer[4:6], "little")
                logits[n] = np.frombuffer(answer, "<i2", offset=6)
                if progress:
                    progress(n + 1, len(images))
        except RefusedError as refusal:
            if refusal.status not in (Status.NO_NETWORK, Status.BAD_RUN):
                raise
            raise BoardError("the board holds no network any more (was it switched off?): push it again") from None
        return RunResult(logits, top, cycles)

    def cycles(self) -> dict[str, int]:
        """What the clock cycles of the last run went into, under the names of `nomul.sw.cycles.LayerCycles`.

        And "input": those before it in which the accelerator waited for the image and nothing else.

        Raises
        ------
        LinkError
            If the board does not answer.
        """
        value = self.registers()
        spent = {name: value[f"CYCLES_{name.upper()}"] for name in ("busy", "weights", "accumulators", "drain")}
        return spent | {"fetch": value["CYCLES"] - sum(spent.values()), "total": value["CYCLES"],
                        "input": value["CYCLES_INPUT"]}

    def _restart(self, compiled: CompiledNetwork) -> None:
        """Ends runs that still wait for weights, and drops weights that came for them."""
        network = compiled.registers()
        self.write(Region.REGISTERS, address_of("NETWORK_LOW"), bytes(8))
        self.read(Region.PROGRAM, 0, 1)     # which waits for the end of all runs
        self.write(Region.REGISTERS, address_of("NETWORK_LOW"),
                   b"".join(network[name].to_bytes(4, "little") for name in ("NETWORK_LOW", "NETWORK_HIGH")))

    def _check_configuration(self, compiled: CompiledNetwork) -> None:
        info = self.info()
        if info.config_hash != compiled.config_hash:
            raise BoardError(f"{compiled.name} is compiled for configuration {compiled.config.name} "
                             f"({compiled.config_hash}), the board has {info.config_hash}: compile it for the board's "
                             "configuration, or program the board with this one")
        if 7 + 2 * compiled.classes > info.frame_bytes:
            raise BoardError(f"the answer with {compiled.classes} results is longer than a frame of the board "
                             f"({info.frame_bytes} bytes): generate it with a larger frame_bytes")
        self._config = compiled.config

    def _check_network(self, compiled: CompiledNetwork) -> None:
        registers, held = compiled.registers(), self.info().network_hash
        wanted = f"{registers['NETWORK_HIGH']:08x}{registers['NETWORK_LOW']:08x}"
        if held != wanted:
            raise BoardError(f"the board holds {f'network {held}' if held else 'no network'}, not {compiled.name} "
                             f"({wanted}): push it first")


def _shorter(section: Section, compiled: CompiledNetwork) -> Section:
    """The section as it is sent: weights coded, if the board decodes them and that saves bytes."""
    if section.region is not Region.WEIGHTS or not compiled.config.weight_decoder:
        return section
    coded = coded_stream(compiled)
    return Section(Region.CODED_WEIGHTS, 0, coded) if len(coded) < len(section.content) else section


def open_board(port: str, baud: int = 1_000_000, **options: Any) -> Board:
    """The board at a serial port; `options` are those of `Board`.

    Raises
    ------
    LinkError
        If the port cannot be opened.
    """
    # Here, because other links need no pyserial.
    from nomul.sw.driver.serial_port import SerialLink

    return Board(SerialLink(port, baud), **options)
