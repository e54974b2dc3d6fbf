"""A simulated AXI peripheral, with DMAs around it that a driver programs as if they were PYNQ's."""

from typing import Any

import numpy as np

from nomul.cosim.verilated import VerilatedModel, build
from nomul.cosim.verilog_cache import cached_verilog
from nomul.gen.spec.config import Config
from nomul.gen.verilog import module_name
from nomul.hdl.axi.accelerator import AxiTop

__all__ = ["SimulatedDma", "SimulatedPeripheral"]

#: Clock cycles between two looks of a host at a channel: what a read over AXI4-Lite takes a processor.
_POLL_CYCLES = 32
#: Clock cycles after which AXI4-Lite counts as hung.
_PATIENCE = 100_000


class SimulatedPeripheral:
    """The Verilated accelerator; time passes only while registers or channels are looked at, and is counted in cycles.

    It has the interface of `pynq.DefaultIP`: `read` and `write`.

    Parameters
    ----------
    config : Config
        The accelerator.
    width : int
        Bytes of a beat of its streams.

    Attributes
    ----------
    model : VerilatedModel
        The accelerator.
    data, weights : SimulatedDma
        Its DMAs.
    """

    def __init__(self, config: Config, width: int = 8):
        top, self._width = module_name(config.name), width
        verilog = cached_verilog(lambda: AxiTop(config, width), f"AxiTop {config.hash} {width}", top)
        self.model = VerilatedModel(build(verilog, top))
        self.model.set("aresetn", 0)
        self.model.tick(2)
        self.model.set("aresetn", 1)
        self.data = SimulatedDma(self, "s_axis_data", "m_axis_results")
        self.weights = SimulatedDma(self, "s_axis_weights", None)

    def now(self, clock_hz: float = 1e6) -> float:
        """Simulated seconds."""
        return self.model.cycles / clock_hz

    @staticmethod
    def allocate(shape: tuple[int], dtype: str) -> np.ndarray:
        """Memory for the DMAs, as `pynq.allocate` gives it; what nobody wrote is not 0."""
        return np.full(shape, 0xA5, dtype)

    def read(self, offset: int = 0) -> int:
        """A register; an address without one ends the program on a real board, and is an error here."""
        self._set(araddr=offset, arvalid=1, rready=1)
        self._until("arready", {"arvalid": 0})
        answer, value = self._until("rvalid", {"rready": 0}, "rresp", "rdata")
        if answer:
            raise RuntimeError(f"bus error: nothing can be read at {offset:#x}")
        return value

    def write(self, offset: int, value: int) -> None:
        """Writes a register; errors as `read`."""
        self._set(awaddr=offset, awvalid=1, wdata=value, wstrb=15, wvalid=1, bready=1)
        self._until("awready", {"awvalid": 0, "wvalid": 0})     # which are ready together
        answer, = self._until("bvalid", {"bready": 0}, "bresp")
        if answer:
            raise RuntimeError(f"bus error: nothing can be written at {offset:#x}")

    def advance(self, cycles: int) -> None:
        """Lets time pass, in which the DMAs work."""
        for _ in range(cycles):
            self._cycle()

    def _cycle(self) -> None:
        channels = [channel for channel in (self.data.sendchannel, self.data.recvchannel, self.weights.sendchannel)
                    if channel.moving]
        for channel in channels:
            channel.look()
        self.model.tick()
        for channel in channels:
            channel.move()

    def _set(self, **values: int) -> None:
        for name, value in values.items():
            self.model.set(f"s_axi_{name}", value)

    def _until(self, name: str, after: dict[str, int], *outputs: str) -> list[int]:
        """Waits for a handshake; the outputs that go with it."""
        for _ in range(_PATIENCE):
            happens = self.model.get(f"s_axi_{name}")
            found = [self.model.get(f"s_axi_{output}") for output in outputs]
            self._cycle()
            if happens:
                self._set(**after)
                return found
        raise RuntimeError(f"AXI4-Lite hangs: no {name} for {_PATIENCE} cycles")


class _Channel:
    """What both directions of a DMA have in common, as `pynq.lib.dma` has it; registers as in AMD PG021."""

    def __init__(self, peripheral: SimulatedPeripheral, stream: str):
        self._peripheral, self._stream = peripheral, stream
        self._ports = {part: f"{stream}_t{part}" for part in ("data", "keep", "last", "valid", "ready")}
        self._width = peripheral._width
        self.running, self.error, self.moving = True, False, False
        self._done = False      # a transfer has ended since the channel was started
        self._happens = False

    @property
    def idle(self) -> bool:
        """No transfer is under way; as with the real one, not before the first."""
        self._peripheral.advance(_POLL_CYCLES if self.moving else 1)
        return self._done and not self.moving

    def start(self) -> None:
        """After a reset."""
        self.running, self._done = True, False

    def transfer(self, array: Any, start: int = 0, nbytes: int = 0) -> None:
        """Begins a transfer; refuses what the real one refuses."""
        if not self.running:
            raise RuntimeError("DMA channel not started")
        if self.moving:
            raise RuntimeError("DMA channel not idle")
        if not 0 < nbytes <= array.nbytes - start:
            raise ValueError(f"a transfer of {nbytes} bytes is beyond the array of {array.nbytes}")
        self._array, self._place, self._end, self.moving = array, start, start + nbytes, True
        self.transferred = 0
        self._offer()

    def wait(self) -> None:
        """Lets time pass until the transfer has ended."""
        while self.moving:
            self._peripheral.advance(_POLL_CYCLES)

    def reset(self) -> None:
        """Gives up a transfer."""
        self.running = self.moving = self._done = False

    def _offer(self) -> None:
        raise NotImplementedError

    def look(self) -> None:
        """Sees whether a beat goes over at the coming clock edge."""
        model = self._peripheral.model
        self._happens = bool(model.get(self._ports["valid"]) and model.get(self._ports["ready"]))

    def _set(self, **values: int) -> None:
        for part, value in values.items():
            self._peripheral.model.set(self._ports[part], value)

    def _finish(self) -> None:
        self.moving, self._done = False, True


class _SendChannel(_Channel):
    """From memory to a stream: beats as the bytes come, TLAST with the last one."""

    def _offer(self) -> None:
        part = bytes(self._array[self._place:min(self._place + self._width, self._end)])
        self._set(data=int.from_bytes(part, "little"), keep=(1 << len(part)) - 1,
                  last=int(self._place + self._width >= self._end), valid=1)

    def move(self) -> None:
        """Behind the clock edge."""
        if not self._happens:
            return
        self._place += self._width
        if self._place >= self._end:
            self._set(valid=0)
            self._finish()
        else:
            self._offer()

    def reset(self) -> None:
        """Gives up a transfer."""
        super().reset()
        self._set(valid=0)


class _ReceiveChannel(_Channel):
    """From a stream to memory, until TLAST."""

    def _offer(self) -> None:
        self._set(ready=1)

    def look(self) -> None:
        """Keeps the beat, too."""
        super().look()
        model = self._peripheral.model
        self._beat, self._last = model.get(self._ports["data"]), model.get(self._ports["last"])

    def move(self) -> None:
        """Behind the clock edge; more than there is room for is the DMA's internal error."""
        if not self._happens:
            return
        if self._place + self._width > self._end:
            self.error, self.moving = True, False
        else:
            beat = self._beat.to_bytes(self._width, "little")
            self._array[self._place:self._place + self._width] = np.frombuffer(beat, np.uint8)
            self._place += self._width
            self.transferred += self._width
            if self._last:
                self._finish()
        if not self.moving:
            self._set(ready=0)

    def reset(self) -> None:
        """Gives up a transfer."""
        super().reset()
        self.error = False
        self._set(ready=0)


class SimulatedDma:
    """An AXI DMA of which `nomul.sw.driver.dma` uses two channels and the reset bit; `mmio` is itself.

    Parameters
    ----------
    peripheral : SimulatedPeripheral
        What it serves.
    to, from_ : str, str or None
        The streams.
    """

    def __init__(self, peripheral: SimulatedPeripheral, to: str, from_: str | None):
        self.sendchannel = _SendChannel(peripheral, to)
        if from_:
            self.recvchannel = _ReceiveChannel(peripheral, from_)
        self.mmio = self

    def read(self, offset: int = 0) -> int:
        """The control register: the reset has ended."""
        return 0

    def write(self, offset: int, value: int) -> None:
        """Of the control register, the reset bit; both channels are reset."""
        if offset == 0 and value & 4:
            for channel in filter(None, (self.sendchannel, getattr(self, "recvchannel", None))):
                channel.reset()
