"""What a board answers: who it is, what a push did, and what its network says about images."""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

__all__ = ["BoardInfo", "ImageResult", "PushResult", "RunResult"]


@dataclass(frozen=True)
class BoardInfo:
    """What a board says about itself.

    Attributes
    ----------
    interface : int
        Version of hardware and program format.
    config_hash : str
        Of the configuration that its accelerator was generated from.
    network_hash : str or None
        NETWORK register: hash of the compiled network that it holds, None if none.
    frame_bytes : int
        Longest payload of a frame.
    frame_errors : int
        Frames that it has discarded since power-up.
    registers : dict of str to int
        The value of every register.
    """

    interface: int
    config_hash: str
    network_hash: str | None
    frame_bytes: int
    frame_errors: int
    registers: dict[str, int] = field(repr=False)


@dataclass(frozen=True)
class PushResult:
    """What a push did.

    Attributes
    ----------
    name, network_hash : str
        Of the compiled network that the board holds now.
    sent, total : int
        Bytes that the board did not hold yet and was sent, and all bytes of the network.
    """

    name: str
    network_hash: str
    sent: int
    total: int


class ImageResult(NamedTuple):
    """What a network says about an image.

    Attributes
    ----------
    logits : np.ndarray
        int16, shape (classes,).
    top : int
        Index of the largest logit.
    cycles : int
        Clock cycles of the run.
    """

    logits: np.ndarray
    top: int
    cycles: int


@dataclass(frozen=True, eq=False)
class RunResult:
    """What a network says about images.

    Attributes
    ----------
    logits : np.ndarray
        int16, shape (images, classes).
    top : np.ndarray
        int64, shape (images,): index of the largest logit, as the hardware found it.
    cycles : np.ndarray
        int64, shape (images,): clock cycles of each run.
    """

    logits: np.ndarray
    top: np.ndarray
    cycles: np.ndarray
