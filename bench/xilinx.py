"""What the boards whose bitstream Vivado makes take of their chips, by Yosys: ``python bench/xilinx.py [BOARD ...]``.

Vivado counts otherwise, and packs better; there is no place and route here. Look-up tables include those that are
small memories, four for each of the cells RAM64M and RAM32M.
"""

import sys
from collections.abc import Sequence

from amaranth.back import rtlil

from nomul.boards import BOARDS
from nomul.boards.xilinx import XilinxBoard
from nomul.gen.presets import load_config
from nomul.gen.synth.synthesize import synthesize
from nomul.hdl.fabric import FabricPlatform

#: Look-up tables of a memory cell (AMD UG474, "Distributed RAM").
_MEMORY_LUTS = {"RAM32M": 4, "RAM64M": 4, "RAM32X1D": 2, "RAM64X1D": 2, "RAM128X1D": 4}


def main(names: Sequence[str]) -> None:
    """Synthesizes each board with its preset; all boards if none is named."""
    print("board, preset, look-up tables, flip-flops, block RAMs of 36 kbit, multiplier blocks")
    for board in BOARDS:
        if not isinstance(board, XilinxBoard) or (names and board.name not in names):
            continue
        config = load_config(board.preset)
        text = rtlil.convert(board.design(config), name=config.name, platform=FabricPlatform("xilinx"), emit_src=False)
        result = synthesize(text, config.name, "xilinx", rtlil=True)
        cells, has = result.cells, board.resources
        luts = result.resources.luts + sum(each * cells.get(name, 0) for name, each in _MEMORY_LUTS.items())
        memories = cells.get("RAMB36E1", 0) + cells.get("RAMB18E1", 0) / 2
        print(f"{board.name}, {config.name}, {luts} of {has['luts']}, {result.resources.ffs} of {has['ffs']}, "
              f"{memories:g} of {has['memories']}, {result.resources.dsps}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
