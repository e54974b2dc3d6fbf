# amaranth: UnusedElaboratable=no
import random

import numpy as np
import pytest
from amaranth.hdl import ClockDomain, Fragment, Module

from nomul.gen.guard import multiply_cells
from nomul.gen.spec.operators import Operator, decode, encode
from nomul.hdl.fabric import Fabric, FabricPlatform
from nomul.hdl.pe import KINDS, kind_of
from nomul.hdl.sim import simulate
from nomul.hdl.subarray import SubArray

from .hardware import small_config


class GateInAdder(Fabric):
    """The generic adders with the gates where ECP5 wants them."""

    merged = {"invert": 2, "saturate": 2, "select": 1}


def configuration(activation_bits, l1_weight_bits, shift_exponents, leaf_register=True):
    return small_config(activation_bits=activation_bits, l1_weight_bits=l1_weight_bits,
                        shift_exponents=shift_exponents, leaf_register=leaf_register,
                        tree_levels_per_register=int(leaf_register))


CONFIGS = [configuration(2, 2, 2), configuration(5, 3, 4), configuration(8, 8, 8), configuration(4, 4, 4, False)]


def codes_of(kind, config):
    if kind == "unified":
        return [*range(1 << config.activation_bits), 1 << config.activation_bits]
    if kind == "minimum":
        return [*range(1 << config.l1_weight_bits)]
    weights = {"l1": range(1 << config.l1_weight_bits), "sign": (-1, 0, 1),
               "shift": (0, *(s << p for p in range(config.shift_exponents) for s in (1, -1)))}[kind]
    return encode(Operator.from_key(kind), np.array(weights), config).tolist()


def sums_of(dut, words, fabric=None):
    """(sums, shared) of `words`, one entered per cycle; weights come with their activations."""
    seen = []
    top = (1 << len(dut.activations[0])) - 1

    async def bench(ctx):
        for x, weights in words + [words[-1]] * dut.latency:
            ctx.set(dut.activations, [top - each for each in x])
            ctx.set(dut.weights, weights)
            sums = ctx.get(dut.sums)
            seen.append(([sums[n] for n in range(len(weights))],
                         ctx.get(dut.shared) if hasattr(dut, "shared") else None))
            await ctx.tick()

    m = Module()
    m.domains.sync = ClockDomain()
    m.submodules.dut = dut
    platform = FabricPlatform("generic")
    if fabric is not None:
        platform.fabric = fabric
    simulate(Fragment.get(m, platform), bench)
    return seen[dut.latency:]


@pytest.mark.parametrize("fabric", [Fabric(), GateInAdder()], ids=["gate in register", "gate in adder"])
@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: f"A{config.activation_bits}")
@pytest.mark.parametrize("kind", KINDS)
def test_sub_array_is_its_model_and_the_model_is_the_definition(kind, config, fabric):
    dice, codes = random.Random(1), codes_of(kind, config)
    top = (1 << config.activation_bits) - 1
    words = [([x] * 4, [[code] * 4] * 4) for x in (0, top) for code in (codes[0], codes[-1])]
    words += [([dice.randint(0, top) for _ in range(4)], [dice.choices(codes, k=4) for _ in range(4)])
              for _ in range(40)]
    dut = SubArray(config, kind)
    seen = sums_of(dut, words, fabric)
    for (x, weights), (sums, shared) in zip(words, seen, strict=True):
        golden, complements = dut.model(x, weights)
        assert sums == golden
        assert shared == (complements if kind in ("l1", "minimum", "unified") else None)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: f"A{config.activation_bits}")
def test_l1_leaf_gives_the_distance(config):
    pe, top = kind_of("l1", config), (1 << config.activation_bits) - 1
    for x in range(top + 1):
        for w in range(1 << config.l1_weight_bits):
            assert 2 * pe.model(x, w) - (top - x + w) - top == -abs(x - w)
            assert kind_of("minimum", config).model(x, w) == top - max(x, w)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: f"A{config.activation_bits}")
@pytest.mark.parametrize("kind", ["sign", "shift"])
def test_sign_and_shift_leaves_are_products_but_for_all_ones_of_negative_weights(kind, config):
    pe = kind_of(kind, config)
    codes = codes_of(kind, config)
    weights = decode(Operator.from_key(kind), np.array(codes), config).tolist()
    assert min(weights) < 0 < max(weights)
    for x in range(1 << config.activation_bits):
        for code, weight in zip(codes, weights, strict=True):
            assert pe.model(x, code) - (weight < 0) * ((1 << pe.leaf_bits) - 1) == x * weight


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_unified_makes_any_weight_from_bit_planes(bits):
    """Two's complement by Horner's rule: ``acc = 2·acc + plane``, each plane a sum of ±x, one bit a cycle."""
    config = configuration(8, 8, 8)
    pe, dice = kind_of("unified", config), random.Random(2)
    for _ in range(50):
        x = dice.randrange(256)
        # Digits ±1 of weights 2^(bits-1) .. 1 make every odd number below 2^bits.
        weight = dice.randrange(1 - (1 << bits), 1 << bits, 2)
        planes = [(weight + (1 << bits) - 1) // 2 >> n & 1 for n in reversed(range(bits))]
        accumulator = 0
        for plane in planes:
            accumulator = 2 * accumulator + 2 * pe.model(x, plane << 8) - (255 - x) - 255
        assert accumulator == weight * x


def test_corners_worked_by_hand():
    config = configuration(8, 8, 8)
    l1, sign, shift = (kind_of(kind, config).model for kind in ("l1", "sign", "shift"))
    assert [l1(*pair) for pair in ((255, 0), (0, 255), (7, 7), (8, 7), (7, 8))] == [0, 255, 255, 254, 255]
    assert [sign(*pair) for pair in ((255, 0b01), (255, 0b00), (0, 0b00), (255, 0b11))] == [255, 0, 255, 0]
    minus = 0b01_000
    assert [shift(*pair) for pair in ((255, 7), (255, minus | 7), (0, minus | 7), (255, 0b10_000))] \
        == [32640, 127, 32767, 0]


def test_leaf_registers_hold_while_their_enable_is_low():
    config = configuration(4, 4, 4)
    for kind in KINDS:
        dut, seen = SubArray(config, kind), []

        async def bench(ctx, dut=dut, kind=kind, seen=seen):
            for enabled, x in ((1, 3), (0, 9), (1, 9), (1, 9), (1, 9)):
                ctx.set(dut.enables, (1 << dut.latency) - 2 + enabled)
                ctx.set(dut.activations, [15 - x] * 4)
                ctx.set(dut.weights, [[codes_of(kind, config)[0]] * 4] * 4)
                await ctx.tick()
                sums = ctx.get(dut.sums)
                seen.append(sums[0])

        simulate(dut, bench)
        pe = kind_of(kind, config)
        three, nine = (4 * pe.model(x, codes_of(kind, config)[0]) for x in (3, 9))
        assert seen[2:] == [three, three, nine]


def test_unknown_kind_is_refused():
    with pytest.raises(ValueError, match=r"^kind must be one of l1, minimum, sign, shift, unified, not 'mac'$"):
        kind_of("mac", CONFIGS[0])


@pytest.mark.parametrize("kind", KINDS)
def test_sub_arrays_have_no_multiplier(kind):
    for config in CONFIGS:
        assert multiply_cells(SubArray(config, kind)) == []
