"""A simulated board whose accelerator is an AXI peripheral: what `nomul.sw.driver.open` opens as "virtual:pynq-z2"."""

import numpy as np

from nomul.boards import Board
from nomul.cosim.axi_dma import SimulatedPeripheral
from nomul.gen.spec.config import Config
from nomul.sw.driver.axi_board import AxiBoard
from nomul.sw.driver.dma import Peripheral
from nomul.sw.driver.records import RunResult

__all__ = ["VirtualPeripheral"]


class VirtualPeripheral(AxiBoard):
    """The peripheral with simulated DMAs around it, in this process; seconds are counted in its cycles.

    Parameters
    ----------
    config : Config
        The accelerator.
    board : Board
        Which board it is on.
    """

    def __init__(self, config: Config, board: Board):
        core = SimulatedPeripheral(config)
        super().__init__(Peripheral(core, core.data, core.weights, core.allocate, core.now))
        self.config, self._board = config, board

    def rates(self, result: RunResult) -> dict[str, float]:
        """See `BoardBase.rates`: an image's bytes are taken one a cycle."""
        shape = self.pushed().input.shape
        return {"array": self._board.clock_hz / float(np.mean(result.cycles)),
                "line": self._board.clock_hz / int(np.prod(shape))} if len(result.cycles) else {}
