"""The link to an accelerator that is simulated in this process: no port, no thread, no clock on the wall."""

from nomul.cosim.verilated import VerilatedModel, build
from nomul.cosim.verilog_cache import cached_verilog
from nomul.gen.spec.config import Config
from nomul.gen.verilog import module_name
from nomul.hdl.accelerator import Accelerator

__all__ = ["SimulationLink", "accelerator_model"]

# Cycles of silence after which what has come out is handed over; an answer has shorter gaps.
_QUIET = 32


def accelerator_model(config: Config) -> VerilatedModel:
    """A new simulated accelerator of this configuration, just switched on."""
    top = module_name(config.name)
    return VerilatedModel(build(cached_verilog(lambda: Accelerator(config), f"Accelerator {config.hash}", top), top))


class SimulationLink:
    """A `ByteLink` to a simulated accelerator; time passes only while `read` waits, and is counted in cycles.

    So a run gives the same bytes, cycle counts and timeouts every time, however busy the machine is.

    Parameters
    ----------
    config : Config
        The accelerator.
    clock_hz : int
        How many cycles a second of timeout is, also an attribute. The default is about the speed of a simulation.
    model : VerilatedModel, optional
        Another form of the accelerator, as its netlist (`nomul.cosim.netlist`).
    """

    def __init__(self, config: Config, *, clock_hz: int = 1_000_000, model: VerilatedModel | None = None):
        self.model = accelerator_model(config) if model is None else model
        self.clock_hz = clock_hz
        self._pending = bytearray()

    def write(self, data: bytes) -> None:
        """Queues bytes for the accelerator, which takes them while `read` runs."""
        self._pending += data

    def read(self, timeout: float) -> bytes:
        """Runs the simulation until bytes have come out and a pause follows.

        Empty if nothing has moved in either direction for `timeout` simulated seconds.
        """
        moved = self.model.run_bytes(bytes(self._pending), quiet=_QUIET,
                                     patience=max(_QUIET, round(timeout * self.clock_hz)))
        del self._pending[:moved.accepted]
        return moved.output

    def close(self) -> None:
        """Forgets what is queued; the accelerator keeps its state for the next use of this link."""
        self._pending.clear()
