"""The weights that the array works with, and behind them those that come next."""

from amaranth.hdl import Module, Signal, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from nomul.gen.spec.config import Config

__all__ = ["WeightTile", "tile_layout"]


def tile_layout(config: Config) -> data.ArrayLayout:
    """The weight codes of all processing elements: `columns` columns of `lanes` weights."""
    return data.ArrayLayout(data.ArrayLayout(unsigned(config.weight_bits), config.lanes), config.columns)


class WeightTile(wiring.Component):
    """Two sets of weight registers: *shadow* is loaded column by column while *active* is in use.

    `load` and `swap` take effect at the next clock edge, and may come together: the active registers get the shadow
    as it was, the loaded column belongs to the tile after. A swap leaves the shadow as it is.

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
        # No reset: a tile is loaded before it is used.
        shadow = Signal(tile_layout(self._config), reset_less=True)
        active = Signal(tile_layout(self._config), reset_less=True)
        # One enable a column: an index by a signal would compute a bit position, with a multiplication.
        for column in range(self._config.columns):
            with m.If(self.load & (self.load_column == column)):
                m.d.sync += shadow[column].eq(self.load_word)
        with m.If(self.swap):
            m.d.sync += active.eq(shadow)
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
        active, history = list(shadow), []
        for load, swap in commands:
            active = list(shadow) if swap else active
            if load:
                shadow[load[0]] = load[1]
            history.append(active)
        return history
