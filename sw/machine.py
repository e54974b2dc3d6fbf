"""A plain model of the accelerator's core: runs a program on memory images exactly as `nomul.gen.spec.program` says.

It follows the hardware's arithmetic rather than the contract's: leaves and folded biases, accumulators modulo their
width, addresses by steps modulo 2^20. So it tells a mistake in the compiler from one in the hardware.
"""

import numpy as np

from nomul.gen.spec.config import Config
from nomul.gen.spec.operators import Operator, decode
from nomul.gen.spec.program import ADDRESS_BITS, MULTIPLIER_BITS, Destination, Mode, Opcode, used_columns
from nomul.sw.compiled import CompiledNetwork

__all__ = ["Machine"]


class Machine:
    """Memories and engines of one configuration.

    Parameters
    ----------
    config : Config
        The accelerator.

    Attributes
    ----------
    activations : np.ndarray
        uint8, shape (activation_words, lanes).
    results : np.ndarray
        int16, shape (result_words,).
    top : int
        Index of the largest result of the last run.
    """

    def __init__(self, config: Config):
        self._config = config
        self.activations = np.zeros((config.activation_words, config.lanes), np.uint8)
        self.results = np.zeros(config.result_words, np.int16)
        self.top = 0

    def load(self, compiled: CompiledNetwork) -> None:
        """Takes program, weights and parameters out of their words."""
        if compiled.config_hash != self._config.hash:
            raise ValueError(f"the network is compiled for {compiled.config_hash}, this machine is {self._config.hash}")
        self._compiled = compiled
        self._program = compiled.descriptors()
        self._weight_codes, self._stream_codes = self._codes(compiled.weights), self._codes(compiled.stream)
        words = np.zeros((len(compiled.parameters), 8), np.uint8)
        words[:, :compiled.parameters.shape[1]] = compiled.parameters
        numbers = words.view("<u8")[:, 0].astype(np.int64)
        self._bias = self._wrap(numbers)
        magnitude = numbers >> self._config.accumulator_bits & ((1 << MULTIPLIER_BITS) - 1)
        negative = numbers >> (self._config.accumulator_bits + MULTIPLIER_BITS) & 1
        self._multiplier = np.where(negative, -magnitude, magnitude)

    def _codes(self, words: np.ndarray) -> np.ndarray:
        bits = np.unpackbits(words, axis=1, bitorder="little")[:, :self._config.weight_word_bits]
        codes = bits.reshape(len(bits), self._config.lanes, self._config.weight_bits).astype(np.int64)
        return (codes << np.arange(self._config.weight_bits)).sum(axis=2)

    def run(self, image_codes: np.ndarray) -> tuple[np.ndarray, int]:
        """Logits (int16, shape (classes,)) and index of the largest, of one image (uint8, shape (C, H, W))."""
        self._store_image(image_codes)
        for layer in self._layers():
            self._step(layer)
        return self.results[:self._compiled.classes].copy(), self.top

    def trace(self, image_codes: np.ndarray) -> dict[str, np.ndarray]:
        """Every activation tensor right after it was made, unused lanes included: uint8, shape (words·lanes, H, W)."""
        self._store_image(image_codes)
        tensors = {"input": self._tensor("input")}
        for name, layer in zip(self._compiled.steps, self._layers(), strict=True):
            self._step(layer)
            if name in self._compiled.tensors:
                tensors[name] = self._tensor(name)
        return tensors

    def _layers(self) -> list[dict[str, int]]:
        opcodes = [layer["opcode"] for layer in self._program]
        return self._program[:opcodes.index(Opcode.END)]

    def _tensor(self, name: str) -> np.ndarray:
        where = self._compiled.tensors[name]
        words = where["height"] * where["width"] * where["channel_words"]
        codes = self.activations[where["base"]:where["base"] + words].reshape(where["height"], where["width"], -1)
        return codes.transpose(2, 0, 1).copy()

    def _store_image(self, image_codes: np.ndarray) -> None:
        image = np.frombuffer(self._compiled.image_bytes(image_codes), np.uint8)
        self._streamed = 0      # words of the stream that have been used
        windows, lanes = self._compiled.windows, self._config.lanes
        y, x, addresses = self._windows(windows)
        taps, step = [], 0
        for row in range(windows["kernel_height"]):
            for column in range(windows["kernel_width"]):
                inside = _inside(windows, y + row, x + column)
                for _ in range(windows["channel_words"]):
                    codes = np.full(len(y), windows["pad_code"], np.uint8)
                    codes[inside] = image[(addresses[inside] + step) % (1 << ADDRESS_BITS)]
                    taps.append(codes)
                    step += 1
            step += windows["tap_row_step"] - 1
        padded = np.full((len(y), -(-len(taps) // lanes) * lanes), windows["pad_code"], np.uint8)
        padded[:, :len(taps)] = np.transpose(taps)
        words = padded.reshape(-1, lanes)
        self.activations[:len(words)] = words

    def _step(self, layer: dict[str, int]) -> None:
        (self._array if layer["opcode"] == Opcode.ARRAY else self._vector)(layer)

    # Windows. -----------------------------------------------------------------------------------------------

    @staticmethod
    def _windows(layer: dict[str, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """y, x and address of each output pixel's first tap."""
        rows, columns = np.divmod(np.arange(layer["output_pixels"]), layer["output_width"])
        steps = np.where(columns == layer["output_width"] - 1, layer["row_step"], layer["pixel_step"])
        addresses = layer["input_base"] + np.concatenate([[0], np.cumsum(steps)[:-1]])
        return (rows * layer["stride_y"] - layer["padding_top"], columns * layer["stride_x"] - layer["padding_left"],
                addresses)

    def _read(self, layer: dict[str, int], y: np.ndarray, x: np.ndarray, addresses: np.ndarray) -> np.ndarray:
        """One word a pixel, int64, shape (pixels, lanes)."""
        inside = _inside(layer, y, x)
        words = np.full((len(y), self._config.lanes), layer["pad_code"], np.int64)
        words[inside] = self.activations[addresses[inside] % (1 << ADDRESS_BITS)]
        return words

    # Array layers. ------------------------------------------------------------------------------------------

    def _array(self, layer: dict[str, int]) -> None:
        columns = self._config.columns
        y, x, addresses = self._windows(layer)
        memory, weight_address = ((self._stream_codes, self._streamed) if layer["streamed"]
                                  else (self._weight_codes, layer["weight_base"]))
        for group in range(layer["groups"]):
            # Columns without a channel have sums, too, which do not count.
            acc = np.zeros((layer["output_pixels"], columns), np.int64)
            used = used_columns(layer["channels"], group, columns)
            for tile in range(layer["tiles"]):
                if tile % (layer["tiles"] // layer["terms"]) == 0:
                    step, row = group // layer["together"] * layer["channel_words"], 0
                column = tile // layer["channel_words"] % layer["kernel_width"]
                taps = self._read(layer, y + row * layer["dilation_y"], x + column * layer["dilation_x"],
                                  addresses + step)
                codes = memory[weight_address:weight_address + used]
                acc[:, :used] = self._wrap(acc[:, :used] + self._leaf_sums(layer, taps, codes))
                weight_address += used
                tap_end = (tile + 1) % layer["channel_words"] == 0
                row_end = tap_end and column == layer["kernel_width"] - 1
                step += layer["tap_row_step"] if row_end else layer["tap_step"] if tap_end else 1
                row += row_end
            first = layer["parameter_base"] + group * columns
            outputs = self._requantize(layer, acc, slice(first, first + columns))
            store = self._store_results if layer["destination"] == Destination.RESULTS else self._store_codes
            store(layer, group, outputs)
        if layer["streamed"]:
            self._streamed = weight_address
        if layer["destination"] == Destination.RESULTS:
            self.top = int(np.argmax(self.results[:layer["channels"]]))

    def _leaf_sums(self, layer: dict[str, int], taps: np.ndarray, codes: np.ndarray) -> np.ndarray:
        """What each column adds for each pixel, shape (pixels, columns)."""
        operator = Operator(layer["operator"])
        weights = decode(operator, codes, self._config)
        top = (1 << self._config.activation_bits) - 1
        x = taps[:, None, :]
        # The lanes whose complements L1 columns subtract: all, or lane n by column n.
        counting = taps[:, :len(codes), None] if layer["own_lane"] else x
        complements = (top - counting).sum(axis=2)
        if operator is Operator.L1:
            if self._config.l1_minimum:
                return 2 * np.minimum(top - x, top - weights).sum(axis=2) + counting.sum(axis=2)
            return 2 * np.minimum(top - x + weights, top).sum(axis=2) - complements
        if operator is Operator.SIGN and self._config.unified:
            return 2 * np.where(weights > 0, top, top - x).sum(axis=2) - complements
        if operator is Operator.SHIFT:
            top = (1 << self._config.activation_bits + self._config.shift_exponents - 1) - 1
        products = x * np.abs(weights)
        return np.where(weights < 0, top - products, products).sum(axis=2)

    def _wrap(self, values: np.ndarray) -> np.ndarray:
        """Two's complement of `accumulator_bits`."""
        above = 64 - self._config.accumulator_bits
        return values << above >> above

    def _requantize(self, layer: dict[str, int], acc: np.ndarray, parameters: slice) -> np.ndarray:
        product = self._wrap(acc + self._bias[parameters]) * self._multiplier[parameters]
        rounded = (product + (1 << layer["shift"] - 1)) >> layer["shift"]
        return np.clip(rounded + layer["zero_point"], layer["lower"], layer["upper"])

    def _store_codes(self, layer: dict[str, int], group: int, outputs: np.ndarray) -> None:
        pixels = layer["output_base"] + np.arange(layer["output_pixels"]) * layer["output_pixel_step"]
        first, lanes = group * self._config.columns, self._config.lanes
        for channel in range(first, -(-(first + self._config.columns) // lanes) * lanes):   # to the end of a word
            word, lane = divmod(channel, lanes)
            inside = channel < first + self._config.columns
            if word < layer["output_pixel_step"]:
                self.activations[pixels + word, lane] = outputs[:, channel - first] if inside else layer["zero_point"]

    def _store_results(self, layer: dict[str, int], group: int, outputs: np.ndarray) -> None:
        first = group * self._config.columns
        count = min(self._config.columns, layer["channels"] - first)
        self.results[first:first + count] = outputs[0, :count]

    # Vector layers. -----------------------------------------------------------------------------------------

    def _vector(self, layer: dict[str, int]) -> None:
        y, x, addresses = self._windows(layer)
        pixels = np.arange(layer["output_pixels"])
        rows, columns = np.divmod(pixels, layer["output_width"])
        map_row = (layer["output_width"] - 1) * layer["output_pixel_step"] + layer["output_row_step"]
        targets = layer["output_base"] + rows * map_row + columns * layer["output_pixel_step"]
        for word in range(layer["groups"]):
            taps, step = [], word
            for row in range(layer["kernel_height"]):
                for column in range(layer["kernel_width"]):
                    taps.append(self._read(layer, y + row, x + column, addresses + step))
                    last = column == layer["kernel_width"] - 1
                    step += layer["tap_row_step"] if last else layer["tap_step"]
            if layer["mode"] == Mode.MAX:
                outputs = np.max(taps, axis=0)
            else:
                total = layer["offset"] + (np.sum(taps, axis=0) << layer["left_shift"])
                if layer["two_operands"]:
                    second = self.activations[layer["second_base"] + pixels * layer["channel_words"] + word]
                    total = total + (second.astype(np.int64) << layer["second_left_shift"])
                outputs = np.clip(total >> layer["shift"], layer["lower"], layer["upper"])
            self.activations[(targets + word) % (1 << ADDRESS_BITS)] = outputs


def _inside(layer: dict[str, int], y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Whether taps at these coordinates lie in the layer's input map."""
    return (y >= 0) & (y < layer["input_height"]) & (x >= 0) & (x < layer["input_width"])
