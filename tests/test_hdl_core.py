"""The whole core, in Amaranth's own simulator: single layers against loops, networks against the NumPy reference."""

import numpy as np
import pytest

from nomul.cosim.random_network import random_network
from nomul.gen.spec.operators import Operator, encode, fold
from nomul.gen.spec.program import ADDRESS_BITS, Opcode, pack
from nomul.gen.spec.registers import Region, address_of, input_registers
from nomul.hdl.bus import read_waits
from nomul.hdl.core import Core
from nomul.hdl.fabric import Fabric
from nomul.hdl.sim import simulate
from nomul.sw import reference
from nomul.sw.compile import compile_network
from nomul.sw.cycles import predict

from .hardware import small_config


def pack_codes(codes, bits):
    """One memory word, the first code in the low bits."""
    return sum(int(code) << bits * n for n, code in enumerate(codes))


class Host:
    """Drives a HostBus from a test bench."""

    def __init__(self, ctx, bus):
        self.ctx, self.bus = ctx, bus

    async def write(self, region, address, *words):
        for n, word in enumerate(words):
            for port, value in (("region", region), ("address", address + n), ("write_data", word),
                                ("write_enable", 1)):
                self.ctx.set(getattr(self.bus, port), value)
            await self.ctx.tick()
        self.ctx.set(self.bus.write_enable, 0)

    async def read(self, region, address):
        for port, value in (("region", region), ("address", address), ("read_enable", 1)):
            self.ctx.set(getattr(self.bus, port), value)
        await self.ctx.tick()
        self.ctx.set(self.bus.read_enable, 0)
        for _ in read_waits(None):
            await self.ctx.tick()
        return self.ctx.get(self.bus.read_data)

    async def load(self, compiled):
        await self.write(Region.PROGRAM, 0, *(int(word) for word in compiled.program.reshape(-1)))
        for region, words in ((Region.WEIGHTS, compiled.weights), (Region.PARAMETERS, compiled.parameters)):
            await self.write(region, 0, *(int.from_bytes(word.tobytes(), "little") for word in words))
        for name, value in compiled.registers().items():
            await self.write(Region.REGISTERS, address_of(name), value)

    async def run(self, image):
        await self.write(Region.INPUT, 0)
        for n, code in enumerate(image):
            await self.write(Region.INPUT, n, code)
        await self.start()

    async def start(self):
        self.ctx.set(self.bus.start, 1)
        await self.ctx.tick()
        self.ctx.set(self.bus.start, 0)
        run = self.ctx.get(self.bus.run) + 1
        self.ctx.set(self.bus.run, run % 16)
        self.ctx.set(self.bus.result_run, run % 4)
        while self.ctx.get(self.bus.busy):
            await self.ctx.tick()


def run_core(config, network, images):
    """Logits, TOP and CYCLES of each image."""
    compiled = compile_network(network, config)
    dut = Core(config)
    answers = []

    async def bench(ctx):
        host = Host(ctx, dut.bus)
        await host.load(compiled)
        for image in images:
            await host.run(compiled.image_bytes(image))
            low, high, top, *logits = [await host.read(Region.RESULTS, n) for n in range(3 + compiled.classes)]
            assert top == await host.read(Region.REGISTERS, address_of("TOP"))
            assert low | high << 16 == await host.read(Region.REGISTERS, address_of("CYCLES"))
            answers.append((np.array(logits, np.uint16).astype(np.int16), top, low | high << 16))

    simulate(dut, bench, limit=2_000_000)
    return answers


def random_layer(config, operator, chance):
    """A random ARRAY layer written by hand: descriptor, integer weights, parameters; channels fill all words."""
    channel_words, groups = chance.integers(1, 3), chance.integers(1, 4)
    # Some groups of columns read other words than the first.
    together = chance.integers(1, groups + 1)
    pixel_words = channel_words * -(-groups // together)
    terms = chance.integers(1, 4)
    kernel_height, kernel_width = chance.integers(1, 4, 2)
    (stride_y, stride_x), (dilation_y, dilation_x) = chance.integers(1, 3, (2, 2))
    padding_top, padding_left = chance.integers(0, kernel_height), chance.integers(0, kernel_width)
    height, width = chance.integers(3, 6), chance.integers(3, 6)
    # Windows may reach beyond the map below and right: that is padding, too.
    output_height = (height + padding_top - kernel_height) // stride_y + 1
    output_width = (width + padding_left - kernel_width) // stride_x + 1
    weights = {
        Operator.L1: lambda size: chance.integers(0, 2**config.l1_weight_bits, size),
        Operator.SHIFT: lambda size: chance.choice([-1, 0, 1], size) << chance.integers(
            0, config.shift_exponents, size),
        Operator.SIGN: lambda size: chance.choice([-1, 1] if config.unified else [-1, 0, 1], size),
    }[operator]((groups * config.columns, terms, kernel_height, kernel_width, channel_words * config.lanes))
    layer = {name: int(value) for name, value in {
        "opcode": Opcode.ARRAY, "operator": operator, "stride_y": stride_y, "stride_x": stride_x,
        "dilation_y": dilation_y, "dilation_x": dilation_x,
        "padding_top": padding_top, "padding_left": padding_left,
        "kernel_height": kernel_height, "kernel_width": kernel_width,
        "pad_code": chance.integers(0, 2**config.activation_bits),
        "input_height": height, "input_width": width, "channel_words": channel_words,
        "input_base": -(padding_top * width + padding_left) * pixel_words % 2**ADDRESS_BITS,
        "tap_step": (dilation_x * pixel_words - channel_words + 1) % 2**ADDRESS_BITS,
        "tap_row_step": ((dilation_y * width - (kernel_width - 1) * dilation_x) * pixel_words - channel_words + 1)
        % 2**ADDRESS_BITS,
        "pixel_step": stride_x * pixel_words,
        "row_step": (stride_y * width - (output_width - 1) * stride_x) * pixel_words % 2**ADDRESS_BITS,
        "output_width": output_width, "output_pixels": output_height * output_width, "output_base": 160,
        "output_pixel_step": -(-groups * config.columns // config.lanes), "groups": groups,
        "channels": groups * config.columns, "together": together,
        "tiles": terms * kernel_height * kernel_width * channel_words, "terms": terms,
        "block": chance.integers(1, config.block_pixels + 1),
        "shift": chance.integers(8, 20), "zero_point": chance.integers(0, 2**config.activation_bits),
        "lower": 0, "upper": 2**config.activation_bits - 1,
    }.items()}
    biases = chance.integers(-1000, 1000, len(weights))
    multipliers = chance.integers(1 - 2**8, 2**8, len(weights))
    return layer, weights, biases, multipliers


def array_layer_by_hand(layer, operator, weights, biases, multipliers, memory):
    """Output codes, shape (pixels, channels), of loops over the definition."""
    lanes = memory.shape[1]
    height, width, words = layer["input_height"], layer["input_width"], layer["channel_words"]
    parts = -(-layer["groups"] // layer["together"])
    image = memory[:height * width * words * parts].reshape(height, width, parts, words * lanes)
    part = np.arange(layer["groups"]).repeat(len(weights) // layer["groups"]) // layer["together"]
    outputs = []
    for pixel in range(layer["output_pixels"]):
        top = pixel // layer["output_width"] * layer["stride_y"] - layer["padding_top"]
        left = pixel % layer["output_width"] * layer["stride_x"] - layer["padding_left"]
        sums = biases.astype(object)
        for term, row, column in np.ndindex(weights.shape[1:4]):
            y, x = top + row * layer["dilation_y"], left + column * layer["dilation_x"]
            inside = 0 <= y < height and 0 <= x < width
            taps = image[y, x][part] if inside else np.full((len(weights), words * lanes), layer["pad_code"])
            tap_weights = weights[:, term, row, column]
            leaves = -abs(taps - tap_weights) if operator is Operator.L1 else taps * tap_weights
            sums = sums + leaves.sum(axis=1)
        half = 1 << layer["shift"] - 1
        outputs.append([min(max(((int(total) * int(multiplier) + half) >> layer["shift"]) + layer["zero_point"],
                                layer["lower"]), layer["upper"])
                        for total, multiplier in zip(sums, multipliers, strict=True)])
    return np.array(outputs)


CONFIGS = {
    "square": {},
    "more lanes": {"lanes": 8, "columns": 2, "requantizers": 2},
    "more columns": {"lanes": 2, "columns": 8, "block_pixels": 5, "requantizers": 3},
    "unified": {"unified": True},
    "minimum": {"l1_minimum": True, "leaf_register": False, "tree_levels_per_register": 0},
    "narrow": {"activation_bits": 4, "l1_weight_bits": 3, "shift_exponents": 4, "accumulator_bits": 20,
               "tree_levels_per_register": 0},
    "blocks of a pixel": {"block_pixels": 1},
}


@pytest.mark.parametrize("operator", Operator)
@pytest.mark.parametrize("shape", CONFIGS)
def test_array_layers_give_what_loops_over_the_definition_give(shape, operator):
    config = small_config(weight_words=4096, activation_words=1024, **CONFIGS[shape])
    chance = np.random.default_rng([list(CONFIGS).index(shape), operator])
    dut = Core(config)
    expected, found = [], []

    async def bench(ctx):
        host = Host(ctx, dut.bus)
        await host.write(Region.REGISTERS, address_of("NETWORK_LOW"), 1)
        for _ in range(3):
            layer, weights, biases, multipliers = random_layer(config, operator, chance)
            memory = chance.integers(0, 2**config.activation_bits, (160, config.lanes))
            await host.write(Region.PROGRAM, 0, *pack(**layer), *pack(opcode=Opcode.END))
            await host.write(Region.ACTIVATIONS, 0, *(pack_codes(word, config.activation_bits) for word in memory))
            tiles = encode(operator, weights, config).reshape(
                layer["groups"], config.columns, layer["tiles"], config.lanes).swapaxes(1, 2)
            await host.write(Region.WEIGHTS, 0, *(pack_codes(word, config.weight_bits)
                                                  for word in tiles.reshape(-1, config.lanes)))
            stored = (biases + fold(operator, weights, config)) % 2**config.accumulator_bits
            await host.write(Region.PARAMETERS, 0, *(
                int(bias) | (abs(int(m)) | (int(m) < 0) << 16) << config.accumulator_bits
                for bias, m in zip(stored, multipliers, strict=True)))
            await host.start()
            codes = array_layer_by_hand(layer, operator, weights, biases, multipliers, memory)
            expected.append(codes.tolist())
            step, base = layer["output_pixel_step"], layer["output_base"]
            words = [await host.read(Region.ACTIVATIONS, base + n) for n in range(len(codes) * step)]
            lanes = [word >> config.activation_bits * lane & (1 << config.activation_bits) - 1
                     for word in words for lane in range(config.lanes)]
            found.append(np.array(lanes).reshape(len(codes), -1)[:, :codes.shape[1]].tolist())

    simulate(dut, bench, limit=200_000)
    assert found == expected


@pytest.mark.parametrize("shape", CONFIGS)
@pytest.mark.parametrize(("seed", "late"), [(0, False), (1, True)])
def test_core_computes_what_the_reference_computes(shape, seed, late, monkeypatch):
    """Also with a register behind the memories, which is filled while nothing waits for it."""
    monkeypatch.setattr(Fabric, "late_memories", late)
    config = small_config(weight_words=4096, parameter_words=256, activation_words=512, program_layers=32,
                          **CONFIGS[shape])
    network = random_network(seed, config)
    codes = np.random.default_rng(seed).integers(
        0, 2**config.activation_bits, (2, network.input.channels, network.input.height, network.input.width))
    expected = reference.trace(network, codes.astype(np.uint8))
    answers = run_core(config, network, codes.astype(np.uint8))
    for n, (logits, top, cycles) in enumerate(answers):
        np.testing.assert_array_equal(logits, expected[network.layers[-1].name][n].reshape(-1))
        assert top == int(np.argmax(logits))
        assert cycles == sum(layer.total for layer in predict(compile_network(network, config)))


@pytest.mark.parametrize("shape", CONFIGS)
def test_every_layer_takes_the_cycles_that_are_predicted(shape):
    config = small_config(weight_words=4096, parameter_words=256, activation_words=512, program_layers=32,
                          **CONFIGS[shape] | {"block_pixels": 3})
    compiled = compile_network(random_network(7, config), config)
    dut = Core(config)
    cycles = []

    async def bench(ctx):
        host = Host(ctx, dut.bus)
        await host.write(Region.REGISTERS, address_of("NETWORK_LOW"), 1)
        for layers in range(len(compiled.program)):     # that many, and then the end
            words = [word for descriptor in compiled.program[:layers].tolist() for word in descriptor]
            await host.write(Region.PROGRAM, 0, *words, *pack(opcode=Opcode.END))
            await host.start()
            cycles.append([await host.read(Region.REGISTERS, address_of(f"CYCLES{kind}"))
                           for kind in ("", "_BUSY", "_WEIGHTS", "_ACCUMULATORS", "_DRAIN")])

    simulate(dut, bench, limit=200_000)
    found = np.diff(cycles, axis=0).tolist()
    assert len(found) >= 2
    assert found == [[layer.total, layer.busy, layer.weights, layer.accumulators, layer.drain]
                     for layer in predict(compiled)[:-1]]


@pytest.mark.parametrize("gap", [0, 1, 2])
def test_a_run_waits_until_even_an_image_of_one_byte_is_packed(gap):
    config = small_config()
    dut, seen = Core(config), []
    ones = dict.fromkeys(("kernel_height", "kernel_width", "stride_y", "stride_x", "input_height", "input_width",
                          "tap_step", "tap_row_step", "pixel_step", "row_step", "output_width", "output_pixels",
                          "groups", "output_pixel_step", "output_row_step"), 1)
    copy = pack(opcode=Opcode.VECTOR, upper=255, output_base=5, **ones)

    async def bench(ctx):
        host = Host(ctx, dut.bus)
        windows = ones | dict.fromkeys(("padding_top", "padding_left", "pad_code", "input_base"), 0)
        for register, value in input_registers(windows | {"channel_words": 1}).items():
            await host.write(Region.REGISTERS, address_of(register), value)
        await host.write(Region.REGISTERS, address_of("NETWORK_LOW"), 1)
        await host.write(Region.PROGRAM, 0, *copy, *pack(opcode=Opcode.END))
        for code in (77, 88):
            await host.write(Region.INPUT, 0, code)
            for _ in range(gap):
                await ctx.tick()
            await host.start()
            seen.append(await host.read(Region.ACTIVATIONS, 5) & 0xFF)

    simulate(dut, bench)
    assert seen == [77, 88]
