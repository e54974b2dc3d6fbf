"""The weights that the array works with, and behind them those that come next."""

from amaranth.hdl import Module, Signal, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from nomul.gen.spec.config import Config
from nomul.hdl.constants import held
from nomul.hdl.fabric import fabric_of

__all__ = ["WeightTile", "tile_layout"]


def tile_layout(config: Config) -> data.ArrayLayout:
    """The weight codes of all processing elements: `columns` columns of `lanes` weights."""
    return data.ArrayLayout(data.ArrayLayout(unsigned(config.weight_bits), config.lanes), config.columns)


class WeightTile(wiring.Component):
    """Two sets of weight registers: *shadow* is loaded column by column while *active* is in use.

    `load` and `swap` take effect in the cycle after the next (each group of columns has them, and the word, in
    registers of its own), and may come together: the active registers get the shadow as it was, the loaded column
    belongs to the tile after. A swap leaves the shadow as it is.

    Parameters
    ----------
    config : Config
        Gives lanes, columns and the width of a weight.

    Members
    -------
    load : In(1)
        Write `load_word` to `load_column` of the shadow.
    load_column : In(range(columns))
        Column to write.
    load_word : In(weight_word_bits)
        The column's weights, lane 0 in the low bits.
    swap : In(1)
        Copy all of the shadow to the active registers.
    weights : Out(tile_layout(config))
        The active registers.
    """

    def __init__(self, config: Config):
        self._config = config
        super().__init__({
            "load": In(1), "load_column": In(range(config.columns)), "load_word": In(config.weight_word_bits),
            "swap": In(1), "weights": Out(tile_layout(config)),
        })

    def elaborate(self, platform):
        m = Module()
        config, fabric = self._config, fabric_of(platform)
        # No reset: a tile is loaded before it is used.
        shadow = Signal(tile_layout(config), reset_less=True)
        active = Signal(tile_layout(config), reset_less=True)
        groups = fabric.close_groups(config.columns, fabric.close_columns)
        words = fabric.copies(m, "word", self.load_word, len(groups), enable=self.load)
        swaps = fabric.copies(m, "swap", self.swap, len(groups))
        for group, word, swap in zip(groups, words, swaps, strict=True):
            # One enable a column: an index by a signal would compute a bit position, with a multiplication.
            for column in group:
                load = held(m, self.load & (self.load_column == column), f"load{column}")
                with m.If(load):
                    m.d.sync += shadow[column].eq(word)
                with m.If(swap):
                    m.d.sync += active[column].eq(shadow[column])
        m.d.comb += self.weights.eq(active)
        return m

    def model(self, commands: list[tuple[tuple[int, list[int]] | None, bool]]) -> list[list[list[int]]]:
        """The active weights after each cycle, from zero.

        Parameters
        ----------
        commands : list of (load, swap)
            One per cycle; load is None or (column, weights of the lanes).
        """
        shadow = [[0] * self._config.lanes for _ in range(self._config.columns)]
        active, history = list(shadow), [list(shadow)]
        for load, swap in commands[:-1]:
            active = list(shadow) if swap else active
            if load:
                shadow[load[0]] = load[1]
            history.append(active)
        return history
