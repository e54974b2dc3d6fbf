"""What a board answers: who it is, and what its network says about images."""

from dataclasses import dataclass

import numpy as np

__all__ = ["BoardInfo", "RunResult"]


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
    """

    interface: int
    config_hash: str
    network_hash: str | None
    frame_bytes: int
    frame_errors: int


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
