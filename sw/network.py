"""The integer network: what quantization makes, and what golden model and compiler take."""

from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, get_args

import numpy as np

from nomul.gen.spec.errors import NomulError
from nomul.gen.spec.operators import Operator
from nomul.sw import container, contract
from nomul.sw.array_layer import ArrayLayer
from nomul.sw.geometry import pair_text
from nomul.sw.tensor import NetworkError, Tensor
from nomul.sw.vector_layers import Add, AveragePool, Concat, MaxPool, Upsample

__all__ = ["LAYERS", "Add", "ArrayLayer", "AveragePool", "Concat", "IntegerNetwork", "Layer", "MaxPool",
           "NetworkError", "Tensor", "Upsample"]

Layer = ArrayLayer | MaxPool | AveragePool | Add | Concat | Upsample
#: Every layer there is, by its name in files and messages.
LAYERS: dict[str, type] = {layer.kind: layer for layer in get_args(Layer)}


@dataclass(frozen=True, eq=False)
class IntegerNetwork:
    """Layers in order of execution; each reads the network's input, called "input", or earlier layers by name.

    The last layer is an `ArrayLayer` with a map of one pixel; its outputs are the logits (signed 16 bit).

    Attributes
    ----------
    name : str
        What a person calls it.
    activation_bits : int
        Width A of all activation codes but the logits.
    input : Tensor
        The image.
    layers : tuple of Layer
        At least one.
    metadata : dict
        JSON-able notes, such as accuracies and where the network came from.
    """

    name: str
    activation_bits: int
    input: Tensor
    layers: tuple[Layer, ...]
    metadata: dict[str, Any]

    @property
    def tensors(self) -> dict[str, Tensor]:
        """Every tensor by name, in order: "input", then one a layer."""
        return {"input": self.input, **{layer.name: layer.output for layer in self.layers}}

    @property
    def classes(self) -> int:
        """Number of logits."""
        return self.layers[-1].output.channels

    @property
    def largest_code(self) -> int:
        """Largest activation code: 2^A - 1."""
        return (1 << self.activation_bits) - 1

    def check(self) -> None:
        """Raises `NetworkError`, naming layer and rule, unless the network follows the integer contract."""
        if not 2 <= self.activation_bits <= 8:
            raise NetworkError(f"network {self.name!r}: activation_bits must be 2 to 8, not {self.activation_bits}")
        _named("input", lambda: self.input.check(0, self.largest_code))
        if not self.layers or not isinstance(self.layers[-1], ArrayLayer):
            raise NetworkError(f"network {self.name!r}: the last layer must be an array layer, whose outputs are the "
                               f"logits")
        known = {"input": self.input}
        for layer in self.layers:
            if type(layer) not in LAYERS.values():
                raise NetworkError(f"layer {getattr(layer, 'name', '?')!r}: unsupported layer "
                                   f"{type(layer).__name__}; supported are {_supported()}")
            _named(layer.name, lambda layer=layer: self._check_layer(layer, known))  # type: ignore[misc]
            known[layer.name] = layer.output

    def _check_layer(self, layer: Layer, known: dict[str, Tensor]) -> None:
        if not layer.name or layer.name in known:
            raise NetworkError("a layer needs a name of its own")
        if missing := [name for name in layer.inputs if name not in known]:
            raise NetworkError(f"reads {missing[0]!r}, which no earlier layer makes; there are {', '.join(known)}")
        last = layer is self.layers[-1]
        layer.check([known[name] for name in layer.inputs],
                    *(contract.LOGIT_LOWER, contract.LOGIT_UPPER) if last else (0, self.largest_code))
        if last and (layer.output.height, layer.output.width, layer.output.zero_point) != (1, 1, 0):
            raise NetworkError("the last layer must have a 1×1 map and zero_point 0")

    def encode_images(self, images: np.ndarray) -> np.ndarray:
        """Input codes of real images, rounded half up and clipped.

        Parameters
        ----------
        images : float array, shape (N, C, H, W)
            Values in the units that the network was trained with.

        Returns
        -------
        np.ndarray
            uint8, same shape.

        Raises
        ------
        NetworkError
            If the images are not of the input's shape, or not finite.
        """
        if images.ndim != 4 or images.shape[1:] != self.input.shape:
            raise NetworkError(f"images must have the shape (number, {', '.join(map(str, self.input.shape))}), "
                               f"not {images.shape}")
        if not np.isfinite(images).all():
            raise NetworkError("images must be finite, and some values are NaN or infinite")
        codes = np.floor(np.ldexp(images.astype(np.float64), -self.input.exponent) + 0.5) + self.input.zero_point
        return np.clip(codes, 0, self.largest_code).astype(np.uint8)

    def summary(self) -> list[dict[str, Any]]:
        """One row a layer for a table: layer, kind, input, shape, weights, range, shift, exponent, zero_point."""
        return [_row(layer) for layer in self.layers]

    # Files. -------------------------------------------------------------------------------------------------

    @cached_property
    def hash(self) -> str:
        """Sixteen hexadecimal digits over everything in the network; the same as of its file."""
        return container.content_hash("network", *self._content())

    def save(self, path: str | Path) -> str:
        """Checks and writes the network; returns its hash."""
        self.check()
        return container.save(path, "network", *self._content())

    @classmethod
    def load(cls, path: str | Path) -> "IntegerNetwork":
        """Reads a network and checks it."""
        content = container.load(path, "network")
        header, layers = content.header, []
        with container.rebuilding(path, "network"):
            for record in header["layers"]:
                if record["kind"] not in LAYERS:
                    raise NetworkError(f"{str(path)!r}: layer {record['name']!r}: unsupported layer "
                                       f"{record['kind']!r}; supported are {_supported()}")
                layers.append(_layer_of(record, content.tensors))
            network = cls(header["name"], header["activation_bits"], Tensor(**header["input"]), tuple(layers),
                          header["metadata"])
        network.check()
        return network

    def _content(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        tensors: dict[str, np.ndarray] = {}
        header = {"name": self.name, "activation_bits": self.activation_bits, "input": vars(self.input),
                  "layers": [_record_of(layer, tensors) for layer in self.layers], "metadata": self.metadata}
        return header, tensors


def _named(name: str, check: Callable[[], None]) -> None:
    try:
        check()
    except NomulError as error:
        raise NetworkError(f"layer {name!r}: {error}") from None


def _supported() -> str:
    return ", ".join(f"{kind} ({layer.__name__})" for kind, layer in LAYERS.items())


def _record_of(layer: Layer, tensors: dict[str, np.ndarray]) -> dict[str, Any]:
    record: dict[str, Any] = {"kind": layer.kind}
    for field in fields(layer):
        value = getattr(layer, field.name)
        if isinstance(value, np.ndarray):
            tensors[f"{layer.name}.{field.name}"] = value
        elif isinstance(value, Operator):
            record[field.name] = value.key
        elif isinstance(value, Tensor):
            record[field.name] = vars(value)
        else:
            record[field.name] = list(value) if isinstance(value, tuple) else value
    return record


def _layer_of(record: dict[str, Any], tensors: dict[str, np.ndarray]) -> Layer:
    kind, values = LAYERS[record["kind"]], {}
    for field in fields(kind):
        if field.name not in record and field.default is not MISSING:
            continue    # a file from before there was this field
        value: Any = record[field.name] if field.name in record else tensors[f"{record['name']}.{field.name}"]
        if field.name == "operator":
            value = Operator.from_key(value)
        elif field.name == "output":
            value = Tensor(**value)
        values[field.name] = tuple(value) if isinstance(value, list) else value
    return kind(**values)


def _row(layer: Layer) -> dict[str, Any]:
    row: dict[str, Any] = {"layer": layer.name, "kind": layer.kind, "input": ", ".join(layer.inputs),
                           "output": "×".join(map(str, layer.output.shape)),
                           "zero point": layer.output.zero_point, "exponent": layer.output.exponent}
    if isinstance(layer, ArrayLayer):
        row |= {"kind": layer.operator.key, "weights": "×".join(map(str, layer.weight.shape)),
                "weight range": f"{layer.weight.min()} to {layer.weight.max()}", "stride": pair_text(layer.stride),
                "padding": pair_text(layer.padding), "groups": layer.groups, "shift": layer.shift}
    elif isinstance(layer, Add):
        row |= {"shift": layer.shift}
    elif isinstance(layer, MaxPool | AveragePool):
        row |= {"weights": "×".join(map(str, layer.kernel)), "stride": pair_text(layer.stride),
                "padding": pair_text(layer.padding)}
    if isinstance(layer, ArrayLayer | Add):
        row |= {"range": f"{layer.lower} to {layer.upper}"}
    return row
