"""A compiled network: program, weights and parameters for one configuration, as they lie in the accelerator."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from nomul.gen.spec.config import Config
from nomul.gen.spec.errors import NomulError
from nomul.gen.spec.operators import Operator
from nomul.gen.spec.program import Destination, Mode, Opcode, unpack, used_columns
from nomul.gen.spec.registers import input_registers
from nomul.sw import container
from nomul.sw.geometry import pair_text
from nomul.sw.lower_window import Place
from nomul.sw.network import Tensor

__all__ = ["CompiledNetwork", "CompiledNetworkError", "weight_words"]


class CompiledNetworkError(NomulError):
    """A program file that this nomul cannot use, or images that do not fit."""


@dataclass(frozen=True, eq=False)
class CompiledNetwork:
    """What is pushed to a board, and what a person or a test needs to understand it.

    Attributes
    ----------
    name : str
        The network's.
    config : Config
        The accelerator for which it is compiled.
    network_hash : str
        Hash of the integer network.
    program : np.ndarray
        uint32, shape (layers + 1, DESCRIPTOR_WORDS); the last descriptor is END.
    steps : list of str
        For each descriptor but END, the layer that it works on.
    weights, parameters : np.ndarray
        uint8, shape (words, bytes a word), little-endian, as `nomul.gen.spec.registers` says.
    stream : np.ndarray
        Weights that are sent during each run because they do not fit, in order; as `weights`, 0 words if all do.
    input : Tensor
        The image.
    windows : dict
        How the hardware packs it: fields of `nomul.gen.spec.registers.INPUT_FIELDS`.
    classes : int
        Number of logits.
    tensors : dict
        Where each activation tensor lies: name → `nomul.sw.lower_window.Place`; "input", then the layers in order of
        the program. The last layer's outputs are the results instead.
    metadata : dict
        The network's.
    """

    name: str
    config: Config
    network_hash: str
    program: np.ndarray
    steps: list[str]
    weights: np.ndarray
    stream: np.ndarray
    parameters: np.ndarray
    input: Tensor
    windows: dict[str, int]
    classes: int
    tensors: dict[str, Place]
    metadata: dict[str, Any]

    @property
    def config_hash(self) -> str:
        """Hash that the hardware must answer with."""
        return self.config.hash

    @property
    def activation_bits(self) -> int:
        """Width of an input code."""
        return self.config.activation_bits

    @property
    def weight_stream_bytes(self) -> int:
        """Bytes that are pushed for weights and parameters, or sent for each image."""
        return self.weights.size + self.stream.size + self.parameters.size

    def descriptors(self) -> list[dict[str, int]]:
        """The fields of every descriptor, END included."""
        return [unpack(words) for words in self.program.tolist()]

    def step_weights(self) -> list[np.ndarray]:
        """The weight words of each descriptor but END, from the weight memory or the stream: uint8 (words, bytes)."""
        words, streamed = [], 0
        for layer in self.descriptors()[:-1]:
            count = weight_words(layer, self.config) if layer["opcode"] == Opcode.ARRAY else 0
            source, start = (self.stream, streamed) if layer["streamed"] else (self.weights, layer["weight_base"])
            words.append(source[start:start + count])
            streamed += count if layer["streamed"] else 0
        return words

    def registers(self) -> dict[str, int]:
        """Values of the registers that describe the loaded network; NETWORK is this program's hash."""
        number = int(self.hash, 16)
        stream = {"STREAM_BASE": len(self.weights)} if self.config.weight_stream else {}
        return {**input_registers(self.windows), **stream, "RESULT_COUNT": self.classes,
                "NETWORK_LOW": number & 0xFFFFFFFF, "NETWORK_HIGH": number >> 32}

    def image_bytes(self, codes: np.ndarray) -> bytes:
        """Bytes for `Region.INPUT`: the codes (uint8, shape (C, H, W)) in the order y, x, channel."""
        if codes.shape != self.input.shape or codes.dtype != np.uint8:
            raise CompiledNetworkError(f"{self.name}: an image must be uint8 codes of shape {self.input.shape}, "
                                       f"not {codes.dtype} {codes.shape}")
        return codes.transpose(1, 2, 0).tobytes()

    def summary(self) -> list[dict[str, Any]]:
        """One row a descriptor for a table: layer, operation, kernel, stride, groups, tiles, words, addresses."""
        return [_row(name, layer, self.config)
                for name, layer in zip([*self.steps, ""], self.descriptors(), strict=True)]

    # Files. -------------------------------------------------------------------------------------------------

    @cached_property
    def hash(self) -> str:
        """Sixteen hexadecimal digits over everything in the program; the same as of its file."""
        return container.content_hash("program", *self._content())

    def save(self, path: str | Path) -> str:
        """Writes the program; returns its hash."""
        return container.save(path, "program", *self._content())

    @classmethod
    def load(cls, path: str | Path) -> "CompiledNetwork":
        """Reads a program.

        Raises
        ------
        ContainerError, CompiledNetworkError
            If the file is no program, damaged, or compiled by another version of nomul.
        """
        content = container.load(path, "program")
        header = content.header
        with container.rebuilding(path, "program"):
            return cls._rebuild(path, header, content.tensors)

    @classmethod
    def _rebuild(cls, path: str | Path, header: dict[str, Any], arrays: dict[str, np.ndarray]) -> "CompiledNetwork":
        config = Config.from_dict(header["config"], source=str(path))
        if config.hash != header["config_hash"]:
            raise CompiledNetworkError(f"{str(path)!r} is for another version of the accelerator (its configuration's "
                                       f"hash was {header['config_hash']}, now it is {config.hash}): "
                                       f"compile the network again")
        tensors = {place.pop("name"): place for place in header["tensors"]}
        return cls(header["name"], config, header["network_hash"], arrays["program"], header["steps"],
                   arrays["weights"], arrays["stream"], arrays["parameters"], Tensor(**header["input"]),
                   header["windows"], header["classes"], tensors, header["metadata"])

    def _content(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        header = {"name": self.name, "config": self.config.to_dict(), "config_hash": self.config_hash,
                  "network_hash": self.network_hash, "input": vars(self.input), "windows": self.windows,
                  "steps": self.steps,
                  "classes": self.classes,
                  # A list, because the order counts and a file's header is sorted by keys.
                  "tensors": [{"name": name, **place} for name, place in self.tensors.items()],
                  "metadata": self.metadata}
        return header, {"program": self.program, "weights": self.weights, "stream": self.stream,
                        "parameters": self.parameters}


def weight_words(layer: dict[str, int], config: Config) -> int:
    """Weight words of an ARRAY layer's descriptor."""
    return layer["tiles"] * sum(used_columns(layer["channels"], group, config.columns)
                                for group in range(layer["groups"]))


def _row(name: str, layer: dict[str, int], config: Config) -> dict[str, Any]:
    opcode = Opcode(layer["opcode"])
    if opcode is Opcode.END:
        return {"layer": name, "operation": "end"}
    row = {"layer": name, "kernel": f"{layer['kernel_height']}×{layer['kernel_width']}",
           "stride": pair_text((layer["stride_y"], layer["stride_x"])),
           "input": layer["input_base"], "output": layer["output_base"], "pixels": layer["output_pixels"],
           "groups": layer["groups"], "shift": layer["shift"], "range": f"{layer['lower']} to {layer['upper']}"}
    if opcode is Opcode.VECTOR:
        return row | {"operation": Mode(layer["mode"]).name.lower()}
    if layer["destination"] == Destination.RESULTS:
        row["output"] = "results"
    return row | {"operation": Operator(layer["operator"]).key, "tiles": layer["tiles"],
                  "weights": "stream" if layer["streamed"] else layer["weight_base"],
                  "weight words": weight_words(layer, config), "parameters": layer["parameter_base"]}
