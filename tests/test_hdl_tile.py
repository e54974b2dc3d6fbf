import random

from nomul.gen.guard import multiply_cells
from nomul.hdl.sim import simulate
from nomul.hdl.tile import WeightTile

from .hardware import small_config


def run(config, commands):
    """The active weights after each cycle; a command is (load, swap) as in the model."""
    dut, seen = WeightTile(config), []

    async def bench(ctx):
        for load, swap in commands:
            column, weights = load or (0, [])
            ctx.set(dut.load, load is not None)
            ctx.set(dut.load_column, column)
            ctx.set(dut.load_word, sum(weight << config.weight_bits * n for n, weight in enumerate(weights)))
            ctx.set(dut.swap, swap)
            await ctx.tick()
            active = ctx.get(dut.weights)
            seen.append([[active[c][n] for n in range(config.lanes)] for c in range(config.columns)])

    simulate(dut, bench)
    assert seen == dut.model(commands)
    return seen


def test_a_tile_becomes_active_as_a_whole_and_stays():
    config = small_config(lanes=2, columns=2)
    seen = run(config, [((0, [1, 2]), False), ((1, [3, 4]), False), (None, True), ((0, [9, 9]), False),
                        (None, False)])
    assert seen == [[[0, 0], [0, 0]]] * 3 + [[[1, 2], [3, 4]]] * 2


def test_a_load_during_the_swap_belongs_to_the_next_tile():
    config = small_config(lanes=2, columns=2)
    seen = run(config, [((0, [1, 2]), False), ((1, [3, 4]), False), ((0, [5, 6]), True), ((1, [7, 8]), False),
                        (None, True), (None, False)])
    assert seen[3:] == [[[1, 2], [3, 4]]] * 2 + [[[5, 6], [7, 8]]]


def test_random_loads_and_swaps_follow_the_model():
    dice = random.Random(5)
    for lanes, columns, bits in ((2, 4, 3), (8, 2, 8)):
        config = small_config(lanes=lanes, columns=columns, operators=("l1",), l1_weight_bits=bits)
        commands = []
        for _ in range(150):
            word = [dice.randrange(1 << bits) for _ in range(lanes)]
            load = (dice.randrange(columns), word) if dice.random() < 0.7 else None
            commands.append((load, dice.random() < 0.2))
        assert len({str(active) for active in run(config, commands)}) > 10


def test_tile_has_no_multiplier():
    assert multiply_cells(WeightTile(small_config(operators=("l1",), l1_weight_bits=7))) == []
