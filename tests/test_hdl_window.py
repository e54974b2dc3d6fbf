import random

import pytest

from nomul.hdl.sim import simulate
from nomul.hdl.window import WindowWalker

from .hardware import descriptor, small_config

#: A map of 5 × 6 pixels of 3 words at address 20; 3 × 3 windows, stride 2, padding 1.
LAYER = {"stride_y": 2, "stride_x": 2, "padding_top": 1, "padding_left": 1, "input_base": 20 - 7 * 3, "pixel_step": 6,
         "row_step": 2 * 18 - 2 * 6, "output_width": 3, "output_pixels": 9}
CONFIG = small_config(activation_words=2**19)    # addresses of 19 bits
COMMANDS = ("move", "first", "restore", "save")


def walk(layer, commands):
    """`(y, x, address, last)` after each set of commands, after a `first`."""
    dut = WindowWalker(CONFIG)
    seen = []

    async def bench(ctx):
        ctx.set(dut.descriptor.as_value(), descriptor(**layer | {"input_base": layer["input_base"] % 2**20}))
        await ctx.tick()
        for step in ({"move", "first"}, *commands):
            for command in COMMANDS:
                ctx.set(getattr(dut, command), command in step)
            await ctx.tick()
            seen.append((ctx.get(dut.y), ctx.get(dut.x), ctx.get(dut.address), bool(ctx.get(dut.last))))

    simulate(dut, bench)
    return seen


def windows(layer):
    """The same for every pixel in order, from the coordinates."""
    seen = []
    for pixel in range(layer["output_pixels"]):
        row, column = divmod(pixel, layer["output_width"])
        next_row = (layer["output_width"] - 1) * layer["pixel_step"] + layer["row_step"]
        address = layer["input_base"] + row * next_row + column * layer["pixel_step"]
        seen.append((row * layer["stride_y"] - layer["padding_top"], column * layer["stride_x"] - layer["padding_left"],
                     address % 2**19, pixel == layer["output_pixels"] - 1))
    return seen


def test_a_padded_map_of_5_by_6_gives_the_hand_worked_windows():
    assert walk(LAYER, [{"move"}] * 8) == [
        (-1, -1, 2**19 - 1, False), (-1, 1, 5, False), (-1, 3, 11, False),
        (1, -1, 35, False), (1, 1, 41, False), (1, 3, 47, False),
        (3, -1, 71, False), (3, 1, 77, False), (3, 3, 83, True),
    ]


@pytest.mark.parametrize("layer", [
    LAYER,
    LAYER | {"output_width": 1, "output_pixels": 1},
    LAYER | {"output_width": 1, "output_pixels": 4},
    LAYER | {"stride_y": 15, "stride_x": 14, "padding_top": 15, "padding_left": 0, "pixel_step": 2**20 - 1,
             "row_step": 2**20 - 2},
    LAYER | {"stride_y": 1, "stride_x": 1, "output_width": 40, "output_pixels": 80, "input_base": 2**20 - 3},
])
def test_every_window_is_visited_in_raster_order_as_the_model_says(layer):
    expected = windows(layer)
    assert walk(layer, [{"move"}] * (layer["output_pixels"] - 1)) == expected
    model = WindowWalker.model(layer | {"input_base": layer["input_base"] % 2**20})
    assert [(y, x, address % 2**19) for y, x, address in model] == [w[:3] for w in expected]


def test_without_a_move_the_window_stays():
    assert walk(LAYER, [{"move"}, set(), {"first", "restore"}])[1:] == [windows(LAYER)[1]] * 3


def test_coordinates_reach_the_far_edge_of_the_largest_map():
    layer = {"stride_y": 1, "stride_x": 1, "padding_top": 0, "padding_left": 15, "input_base": 0, "pixel_step": 1,
             "row_step": 1, "output_width": 2047, "output_pixels": 2047}
    assert walk(layer, [{"move"}] * 2046)[-1] == (0, 2031, 2046, True)


@pytest.mark.parametrize("seed", range(4))
def test_commands_at_random_obey_their_order_of_precedence(seed):
    dice = random.Random(seed)
    pixel = saved = 0
    commands, expected = [{"save"}], [windows(LAYER)[0]] * 2
    while len(commands) < 300:
        step = {command for command in COMMANDS if dice.random() < {"first": 0.1, "move": 0.7}.get(command, 0.3)}
        following = pixel if "move" not in step else 0 if "first" in step else saved if "restore" in step else pixel + 1
        if following < LAYER["output_pixels"]:
            pixel = following
            saved = pixel if "save" in step else saved
            commands.append(step)
            expected.append(windows(LAYER)[pixel])
    assert walk(LAYER, commands) == expected
