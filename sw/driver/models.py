"""From what a person has, a file or a network and images, to what a board takes."""

from pathlib import Path

import numpy as np

from nomul.gen.presets import load_config, preset_names
from nomul.gen.spec.config import Config
from nomul.sw import container
from nomul.sw.compile import compile_network
from nomul.sw.compiled import CompiledNetwork
from nomul.sw.driver.memory import BoardError
from nomul.sw.network import IntegerNetwork

__all__ = ["compiled_for", "encoded", "find_config", "load_model"]


def load_model(path: str | Path) -> CompiledNetwork | IntegerNetwork:
    """A program or a network from its file.

    Raises
    ------
    ContainerError
        If the file cannot be read, or is of another kind.
    """
    kind = container.load(path).kind
    return IntegerNetwork.load(path) if kind in ("network", "checkpoint", "training") else CompiledNetwork.load(path)


def find_config(config_hash: str, config: Config | None = None) -> Config:
    """The configuration that has a hash: `config`, or a preset.

    Raises
    ------
    BoardError
        If it is neither.
    """
    if config is not None:
        if config.hash != config_hash:
            raise BoardError(f"the board has the configuration {config_hash}, not {config.name} ({config.hash}): give "
                             "the one that its accelerator was generated from, or program the board with this one")
        return config
    for preset in map(load_config, preset_names()):
        if preset.hash == config_hash:
            return preset
    raise BoardError(f"the board has the configuration {config_hash}, which is none of the presets "
                     f"{', '.join(preset_names())}: give the file that its accelerator was generated from (--config)")


def compiled_for(model: CompiledNetwork | IntegerNetwork | str | Path, config_hash: str,
                 config: Config | None = None) -> CompiledNetwork:
    """The program of a model for the configuration that a board has.

    Parameters
    ----------
    model : CompiledNetwork, IntegerNetwork, str or Path
        The network, or its file.
    config_hash : str
        The board's.
    config : Config, optional
        For a board whose configuration is no preset.

    Raises
    ------
    BoardError
        If the model is a program for another configuration, or is none and the board's configuration is not known.
    CompileError
        If the network does not fit.
    ContainerError
        If the file cannot be read, or is of another kind.
    TypeError
        If the model is something else.
    """
    if isinstance(model, str | Path):
        model = load_model(model)
    if isinstance(model, IntegerNetwork):
        return compile_network(model, find_config(config_hash, config))
    if not isinstance(model, CompiledNetwork):
        raise TypeError(f"a board takes a CompiledNetwork, an IntegerNetwork or the path of a file of either, "
                        f"not {type(model).__name__}")
    if model.config_hash != config_hash:
        raise BoardError(f"{model.name} is compiled for configuration {model.config.name} "
                         f"({model.config_hash}), the board has {config_hash}: compile it for the board's "
                         "configuration, or program the board with this one")
    return model


def encoded(images: np.ndarray, compiled: CompiledNetwork) -> np.ndarray:
    """Input codes, uint8 (images, channels, height, width), of codes or of real values in floats.

    Raises
    ------
    BoardError
        If the array is of another shape or type.
    """
    images = np.asarray(images)
    if images.ndim != 4 or images.shape[1:] != compiled.input.shape:
        raise BoardError(f"images must have the shape (images, channels, height, width), not {images.shape}; "
                         f"{compiled.name} takes (images, {', '.join(map(str, compiled.input.shape))})")
    if images.dtype == np.uint8:
        return images
    if images.dtype.kind != "f":
        raise BoardError(f"images must be codes of type uint8, or real values as floats, not {images.dtype}")
    return IntegerNetwork("", compiled.config.activation_bits, compiled.input, (), {}).encode_images(images)
