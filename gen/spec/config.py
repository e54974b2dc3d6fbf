"""The one configuration: everything that describes a generated accelerator."""

import dataclasses
import hashlib
import json
import tomllib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from nomul.gen.spec.errors import NomulError

__all__ = ["OPERATORS", "Config", "ConfigError"]

OPERATORS = ("l1", "shift", "sign")

#: Raised whenever hardware or program format change, so that old artifacts are refused instead of misread.
INTERFACE_VERSION = 7


class ConfigError(NomulError):
    """A configuration that cannot be built."""


def _power_of_two(low: int, high: int) -> list[int]:
    return [1 << n for n in range(low.bit_length() - 1, high.bit_length())]


#: Allowed values of each integer field.
_ALLOWED: dict[str, list[int] | range] = {
    "lanes": _power_of_two(2, 64),
    "columns": _power_of_two(2, 64),
    "activation_bits": range(2, 9),
    "l1_weight_bits": range(2, 9),
    "shift_exponents": [2, 4, 8],
    "tree_levels_per_register": range(0, 7),
    "accumulator_bits": range(12, 41),
    "vector_bits": range(12, 38),
    "block_pixels": range(1, 257),
    "requantizers": range(1, 33),
    "program_layers": range(1, 1025),
    "weight_words": range(4, (1 << 20) + 1),
    "parameter_words": range(4, (1 << 16) + 1),
    "activation_words": range(4, (1 << 19) + 1),
    "image_bytes": range(1, (1 << 20) + 1),
    "map_side": range(1, 2048),
    "pixel_words": range(1, 1024),
    "result_words": range(1, 4097),
    "frame_bytes": _power_of_two(64, 4096),
}

#: Fields that are true or false.
_SWITCHES = ("unified", "l1_minimum", "depthwise_l1", "leaf_register", "weight_decoder", "weight_stream",
             "pack_windows", "vector_sums", "counters", "serial_crc")


@dataclass(frozen=True, kw_only=True)
class Config:
    """A generated accelerator, fully described.

    Attributes
    ----------
    name : str
        What a person calls it; not part of the hash.
    lanes, columns : int
        The array has `lanes × columns` processing elements: activations read per cycle, output channels per pass.
    operators : tuple of str
        What the processing elements can do, of "l1", "shift" and "sign", in that order.
    activation_bits : int
        Width A of an activation code (unsigned), 2 to 8.
    l1_weight_bits : int
        Width of an L1 weight code (unsigned, on the activations' step), 2 to `activation_bits`.
    shift_exponents : int
        Number of exponents of a shift weight: ±2^0 .. ±2^(shift_exponents-1).
    unified : bool
        Whether one kind of processing element does both L1 and SIGN, for a cell more than L1 alone. A SIGN weight is 1
        or -1 then, never 0, and weight codes take `activation_bits` + 1 bits.
    l1_minimum : bool
        Whether L1 processing elements compare and select instead of adding and saturating: smaller on an ASIC, larger
        on an FPGA. Not for unified ones.
    depthwise_l1 : bool
        Whether each column can leave all lanes but its own out of an L1 sum, so that depthwise L1 layers are read once
        instead of twice. Needs L1 and as many lanes as columns.
    leaf_register : bool
        Whether a register follows the processing elements. It costs nothing on an FPGA; an ASIC is smaller without.
    tree_levels_per_register : int
        Adder tree levels between two pipeline registers; 1 is fully pipelined, 0 has no register in the tree.
    accumulator_bits : int
        Width of the signed accumulators; the compiler proves that a network fits.
    vector_bits : int
        Width of the signed sums of pooling and residual adds; the compiler proves that a network fits.
    block_pixels : int
        Output pixels for which a weight tile stays in the array, at most; the compiler chooses for each layer.
    requantizers : int
        Rows of serial multipliers (each row has one per column) that take turns in the drain.
    program_layers : int
        Layer descriptors that the program memory holds.
    weight_words : int
        Depth of the weight memory; a word has the `lanes` weights of one column.
    parameter_words : int
        Depth of the parameter memory; a word has bias and multiplier of one output channel.
    activation_words : int
        Depth of the activation memory; a word has `lanes` activations of one pixel.
    image_bytes : int
        Depth of the image memory; a byte has one code of the input image.
    map_side : int
        Rows and columns of the largest map, the image included; kernels, strides, dilations and paddings are no larger.
    pixel_words : int
        Activation words of a pixel, at most. Counters and registers are only as wide as sizes and limits ask for.
    result_words : int
        Network outputs (16-bit logits) that the result memory holds.
    frame_bytes : int
        Longest frame payload of the link, in bytes.
    weight_decoder : bool
        Whether the accelerator decodes entropy-coded weights, so that a network is pushed with fewer bytes.
    weight_stream : bool
        Whether weights that do not fit into the weight memory are sent by the host while the network runs.
    pack_windows : bool
        Whether the first layer's windows are packed side by side into words. Without, pixels are, so that an image of
        few channels leaves lanes empty in that layer.
    vector_sums : bool
        Whether the vector engine adds, as residual sums need. Without, it compares (max pooling) and copies, and every
        average pool is a layer of the array.
    counters : bool
        Whether the hardware counts what the clock cycles of a run go into, besides how many there are.
    serial_crc : bool
        Whether the link's CRC units take a bit a cycle, and streams pass no registers that cut long paths: smaller,
        enough for a serial line and a slow clock; a byte takes 9 cycles.

    Raises
    ------
    ConfigError
        For a value that is not allowed, or values that do not fit together.
    """

    name: str
    lanes: int
    columns: int
    operators: tuple[str, ...]
    activation_bits: int = 8
    l1_weight_bits: int = 8
    shift_exponents: int = 8
    unified: bool = False
    l1_minimum: bool = False
    depthwise_l1: bool = False
    leaf_register: bool = True
    tree_levels_per_register: int = 1
    accumulator_bits: int = 24
    vector_bits: int = 24
    block_pixels: int = 64
    requantizers: int = 1
    program_layers: int = 32
    weight_words: int = 4096
    parameter_words: int = 512
    activation_words: int = 2048
    image_bytes: int = 1024
    map_side: int = 2047
    pixel_words: int = 1023
    result_words: int = 64
    frame_bytes: int = 1024
    weight_decoder: bool = False
    weight_stream: bool = False
    pack_windows: bool = True
    vector_sums: bool = True
    counters: bool = True
    serial_crc: bool = False

    def __post_init__(self) -> None:
        for key, allowed in _ALLOWED.items():
            value = getattr(self, key)
            if type(value) is not int or value not in allowed:
                shown = f"{allowed.start} to {allowed.stop - 1}" if isinstance(allowed, range) else \
                    f"one of {', '.join(map(str, allowed))}"
                raise ConfigError(f"configuration {self.name!r}: {key} must be {shown}, not {value!r}")
        for key in _SWITCHES:
            if type(getattr(self, key)) is not bool:
                raise ConfigError(f"configuration {self.name!r}: {key} must be true or false, "
                                  f"not {getattr(self, key)!r}")
        object.__setattr__(self, "operators", tuple(self.operators))
        if not self.operators or any(op not in OPERATORS for op in self.operators) \
                or len(set(self.operators)) != len(self.operators):
            raise ConfigError(f"configuration {self.name!r}: operators must be a choice of "
                              f"{', '.join(OPERATORS)}, each at most once, not {list(self.operators)!r}")
        object.__setattr__(self, "operators", tuple(op for op in OPERATORS if op in self.operators))
        if self.unified and not {"l1", "sign"} <= set(self.operators):
            raise ConfigError(f"configuration {self.name!r}: unified processing elements are for the operators l1 and "
                              f"sign together, and operators are {', '.join(self.operators)}; leave out unified")
        if self.unified and self.l1_minimum:
            raise ConfigError(f"configuration {self.name!r}: unified processing elements add and saturate; leave out "
                              "unified or l1_minimum")
        if self.depthwise_l1 and ("l1" not in self.operators or self.lanes != self.columns):
            raise ConfigError(f"configuration {self.name!r}: depthwise_l1 needs the operator l1 and as many lanes as "
                              f"columns, not {', '.join(self.operators)} and {self.lanes}×{self.columns}; leave it out")
        if self.l1_weight_bits > self.activation_bits:
            raise ConfigError(f"configuration {self.name!r}: l1_weight_bits must not exceed activation_bits "
                              f"({self.activation_bits}), not {self.l1_weight_bits}")
        if self.result_words < self.columns:
            raise ConfigError(f"configuration {self.name!r}: result_words must be at least columns "
                              f"({self.columns}), not {self.result_words}")

        widest = -(-max(self.weight_word_bits, self.parameter_word_bits, self.activation_word_bits) // 8)
        if self.frame_bytes < widest + 4:
            raise ConfigError(f"configuration {self.name!r}: frame_bytes must hold an address (4 bytes) and the widest "
                              f"memory word ({widest} bytes), so at least {widest + 4}, not {self.frame_bytes}")

    # Derived widths. ----------------------------------------------------------------------------------------

    @property
    def exponent_bits(self) -> int:
        """Bits of a shift weight's exponent field."""
        return (self.shift_exponents - 1).bit_length()

    def operator_weight_bits(self, operator: str) -> int:
        """Bits of one weight code of `operator`."""
        if self.unified and operator != "shift":
            return self.activation_bits + 1
        return {"l1": self.l1_weight_bits, "shift": self.exponent_bits + 2, "sign": 2}[operator]

    @property
    def weight_bits(self) -> int:
        """Bits of one weight in the weight memory: the widest operator's."""
        return max(self.operator_weight_bits(op) for op in self.operators)

    @property
    def weight_word_bits(self) -> int:
        """Bits of a weight memory word (the `lanes` weights of one column)."""
        return self.lanes * self.weight_bits

    @property
    def activation_word_bits(self) -> int:
        """Bits of an activation memory word."""
        return self.lanes * self.activation_bits

    @property
    def parameter_word_bits(self) -> int:
        """Bits of a parameter memory word: bias, multiplier's magnitude (16), multiplier's sign (1)."""
        return self.accumulator_bits + 17

    @cached_property
    def hash(self) -> str:
        """Sixteen hexadecimal digits that the hardware can be asked for; `name` does not count."""
        fields = {key: value for key, value in self.to_dict().items() if key != "name"}
        text = json.dumps({"interface": INTERFACE_VERSION, **fields}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    # Files. -------------------------------------------------------------------------------------------------

    def to_dict(self) -> dict:
        """All fields as JSON-able values."""
        return {**dataclasses.asdict(self), "operators": list(self.operators)}

    @classmethod
    def from_dict(cls, values: dict, *, source: str = "configuration") -> "Config":
        """Builds a configuration from field values; unknown and missing fields are errors that name `source`."""
        known = {field.name: field for field in dataclasses.fields(cls)}
        if unknown := sorted(set(values) - set(known)):
            raise ConfigError(f"{source}: unknown field {unknown[0]!r}; the fields are {', '.join(known)}")
        required = [key for key, field in known.items() if field.default is dataclasses.MISSING]
        if missing := [key for key in required if key not in values]:
            raise ConfigError(f"{source}: field {missing[0]!r} is missing; {', '.join(required)} are required")
        if not isinstance(values["operators"], (list, tuple)):
            raise ConfigError(f"{source}: operators must be a list such as [\"l1\", \"shift\"], "
                              f"not {values['operators']!r}")
        return cls(**values)

    def to_toml(self) -> str:
        """The configuration as TOML text that `from_toml` reads back."""
        lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in self.to_dict().items()]
        return "\n".join(lines).replace("\x7f", "\\u007f") + "\n"  # JSON allows the character, TOML does not

    @classmethod
    def from_toml(cls, path: str | Path) -> "Config":
        """Reads a configuration file."""
        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"cannot read configuration {str(path)!r}: "
                              f"{getattr(error, 'strerror', None) or error}") from None
        try:
            values = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"{path}: not TOML: {error}") from None
        return cls.from_dict(values, source=str(path))
