"""The fast simulation: a Verilated design in this process, whole batches of clock cycles a call."""

import ctypes
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from nomul.cosim.verilate import build

__all__ = ["Moved", "Port", "VerilatedModel", "build"]


class Port(NamedTuple):
    """One port of the design."""

    name: str
    bits: int
    output: bool


class Moved(NamedTuple):
    """What a batch of byte traffic did: bytes that the design took, bytes that it sent, clock cycles."""

    accepted: int
    output: bytes
    cycles: int


class VerilatedModel:
    """One instance of a design, all registers at their initial values.

    Outputs always show the state after the last edge and the inputs at that time; a changed input shows after
    `eval`, `tick` or the next batch.

    Parameters
    ----------
    library : path
        What `build` returned.
    """

    def __init__(self, library: str | Path):
        self._library = ctypes.CDLL(str(library))
        self._library.model_new.restype = ctypes.c_void_p
        self._library.model_port.restype = ctypes.c_char_p
        self._library.model_cycles.restype = ctypes.c_uint64
        self._model = ctypes.c_void_p(self._library.model_new())
        self.ports: dict[str, Port] = {}
        self._index: dict[str, int] = {}
        bits, output = ctypes.c_uint32(), ctypes.c_uint32()
        for index in range(self._library.model_ports(self._model)):
            text = self._library.model_port(self._model, index, ctypes.byref(bits), ctypes.byref(output))
            name = text.decode()
            self.ports[name] = Port(name, bits.value, bool(output.value))
            self._index[name] = index

    def __del__(self) -> None:
        if getattr(self, "_model", None):
            self._library.model_delete(self._model)

    def _port(self, name: str, *, settable: bool = False) -> tuple[int, int]:
        """Index and number of 32-bit words of a port."""
        if name not in self.ports or (settable and self.ports[name].output):
            names = ", ".join(port.name for port in self.ports.values() if not (settable and port.output))
            raise KeyError(f"the design has no {'input' if settable else 'port'} {name!r}; it has {names}")
        return self._index[name], -(-self.ports[name].bits // 32)

    @property
    def cycles(self) -> int:
        """Clock cycles since the beginning."""
        return self._library.model_cycles(self._model)

    def set(self, name: str, value: int) -> None:
        """Sets an input; bits beyond its width are cut off, so negative numbers are two's complement."""
        index, words = self._port(name, settable=True)
        data = (int(value) & ((1 << 32 * words) - 1)).to_bytes(4 * words, "little")
        self._library.model_set(self._model, index, data)

    def get(self, name: str) -> int:
        """Value of a port, unsigned."""
        index, words = self._port(name)
        data = ctypes.create_string_buffer(4 * words)
        self._library.model_get(self._model, index, data)
        return int.from_bytes(data.raw, "little")

    def eval(self) -> None:
        """Lets the outputs follow the inputs, without a clock edge."""
        self._library.model_eval(self._model)

    def tick(self, cycles: int = 1) -> None:
        """Runs clock cycles with the inputs as they are."""
        self._library.model_tick(self._model, ctypes.c_uint64(cycles))

    def run(self, inputs: Mapping[str, ArrayLike], outputs: Iterable[str]) -> dict[str, np.ndarray]:
        """One batch: in each cycle new inputs, and the outputs as the clock edge of that cycle sees them.

        Parameters
        ----------
        inputs : mapping from port name to array
            Shape (cycles,), or, for ports of more than 64 bits, (cycles, words) of 32-bit words, low first.
        outputs : port names

        Returns
        -------
        dict
            For each output an array uint64 (cycles,), or uint32 (cycles, words) for more than 64 bits.

        Raises
        ------
        ValueError
            If the arrays differ in length or have not the words of their port.
        """
        sources = {name: self._port(name, settable=True) for name in inputs}
        targets = {name: self._port(name) for name in outputs}
        columns = []
        for name, (_, words) in sources.items():
            array = np.asarray(inputs[name])
            if array.ndim == 1 and words <= 2:
                array = array.astype(np.int64 if array.dtype.kind == "i" else np.uint64).view(np.uint32)
                array = array.reshape(-1, 2)[:, :words]
            if array.ndim != 2 or array.shape[1] != words:
                raise ValueError(f"input {name!r} must be an array of shape (cycles, {words}) of 32-bit "
                                 f"words, not {array.shape}")
            columns.append(array.astype(np.uint32))
        if len({len(column) for column in columns}) != 1:
            raise ValueError(f"the inputs must be equally long, not {[len(column) for column in columns]}")
        stimulus = np.ascontiguousarray(np.hstack(columns))
        cycles = len(stimulus)
        result = np.empty((cycles, sum(words for _, words in targets.values())), np.uint32)
        self._library.model_run(
            self._model, ctypes.c_uint64(cycles),
            len(sources), (ctypes.c_int * len(sources))(*(index for index, _ in sources.values())),
            stimulus.ctypes.data_as(ctypes.c_void_p),
            len(targets), (ctypes.c_int * len(targets))(*(index for index, _ in targets.values())),
            result.ctypes.data_as(ctypes.c_void_p))
        answer: dict[str, np.ndarray] = {}
        column = 0
        for name, (_, words) in targets.items():
            part = result[:, column:column + words]
            column += words
            answer[name] = part
            if words <= 2:
                wide = np.zeros((cycles, 2), np.uint32)
                wide[:, :words] = part
                answer[name] = wide.view(np.uint64).reshape(cycles)
        return answer

    def run_bytes(self, data: bytes = b"", *, quiet: int, patience: int | None = None,
                  capacity: int = 1 << 16, max_cycles: int = 1 << 40,
                  streams: tuple[str, str] = ("rx", "tx")) -> Moved:
        """One batch of byte traffic: `data` goes into one stream as fast as the design takes it, every byte
        of the other is taken at once.

        Parameters
        ----------
        data : bytes
            For the design; what it does not accept must come again with the next call.
        quiet : int
            The batch ends when no byte has moved, in or out, for so many cycles.
        patience : int, optional
            The same while no byte has come out yet; by default `quiet`.
        capacity : int
            It also ends when so many bytes have come out,
        max_cycles : int
            or after so many cycles.
        streams : pair of str
            The design's streams, in and out, as prefixes of ``__payload``, ``__valid`` and ``__ready``.
        """
        ports = [f"{prefix}__{part}" for prefix in streams for part in ("payload", "valid", "ready")]
        return self._traffic(self._library.model_run_bytes, ports, [], data,
                             [capacity, quiet, quiet if patience is None else patience, max_cycles])

    def run_serial(self, data: bytes = b"", *, divisor: int, quiet: int, patience: int | None = None,
                   capacity: int = 1 << 16, max_cycles: int = 1 << 40,
                   pins: tuple[str, str] = ("rx", "tx")) -> Moved:
        """`run_bytes` over a serial line (8N1) with `divisor` clock cycles a bit, at the design's `pins`.

        A byte that is half-way when a call returns goes on in the next one.
        """
        return self._traffic(self._library.model_run_serial, list(pins), [ctypes.c_uint32(divisor)], data,
                             [capacity, quiet, quiet if patience is None else patience, max_cycles])

    def _traffic(self, function: Callable, ports: list[str], extra: list, data: bytes,
                 limits: list[int]) -> Moved:
        before = self.cycles
        indices = [self._port(name)[0] for name in ports]
        accepted, produced = ctypes.c_uint64(), ctypes.c_uint64()
        capacity, *ends = map(ctypes.c_uint64, limits)
        output = ctypes.create_string_buffer(capacity.value)
        function(self._model, (ctypes.c_int * len(indices))(*indices), *extra,
                 bytes(data), ctypes.c_uint64(len(data)), ctypes.byref(accepted),
                 output, capacity, ctypes.byref(produced), *ends)
        return Moved(accepted.value, ctypes.string_at(output, produced.value), self.cycles - before)
