"""An AXI peripheral on the chip that this runs on: what `nomul.sw.driver.open` opens as "pynq:FILE.bit"."""

from typing import Any

from nomul.gen.spec.config import Config
from nomul.sw.driver.axi_board import AxiBoard
from nomul.sw.driver.dma import Peripheral
from nomul.sw.driver.link import LinkError

__all__ = ["INSTANCES", "open_pynq"]

#: Names, in the block design, of the accelerator, the DMA of images and results, and the DMA of the memories.
INSTANCES = ("nomul", "dma_data", "dma_weights")


def open_pynq(name: str, *, config: Config | None = None, **options: Any) -> AxiBoard:
    """Loads a bitstream into the programmable logic, and gives the board in it.

    Parameters
    ----------
    name : str
        The bitstream, with its ``.hwh`` file beside it.
    config : Config, optional
        What the accelerator was generated from, if it is no preset.
    options
        Those of `AxiBoard`.

    Raises
    ------
    LinkError
        If this is no PYNQ system, the file cannot be loaded, or there is no accelerator in it.
    """
    try:
        import pynq
    except ImportError:
        raise LinkError(f"cannot open 'pynq:{name}': Python has no package pynq here; run this on the board itself, "
                        "under its PYNQ image") from None
    try:
        overlay = pynq.Overlay(name)
    except (OSError, RuntimeError, ValueError) as error:
        raise LinkError(f"cannot load {name!r} into the programmable logic: {error}") from None
    missing = [instance for instance in INSTANCES if instance not in overlay.ip_dict]
    if missing:
        raise LinkError(f"{name!r} has no {missing[0]!r} in its block design: make it with `nomul generate "
                        "--board pynq-z2` and Vivado, and copy the .hwh file with it")
    core, data, weights = (getattr(overlay, instance) for instance in INSTANCES)
    board = AxiBoard(Peripheral(core, data, weights, pynq.allocate), **options)
    board.config = config
    return board
