"""One's own pictures for a network: the bytes of a PNG file as input codes."""

from pathlib import Path

import numpy as np

from nomul.sw.network import NetworkError

__all__ = ["read_png"]


def read_png(path: str | Path, shape: tuple[int, int, int], bits: int) -> np.ndarray:
    """A picture as input codes, uint8 of the shape (channels, height, width).

    A pixel's byte is its code, as in the data sets of nomul; of codes with fewer bits, the nearest. A network of one
    channel gets the picture in grey, one of three channels in red, green and blue.

    Parameters
    ----------
    path : str or Path
        The file.
    shape : tuple
        What the network takes.
    bits : int
        Of a code.

    Raises
    ------
    NetworkError
        If the file is no picture, or one of another size, or the network takes no pictures.
    """
    from PIL import Image, UnidentifiedImageError

    channels, height, width = shape
    if channels not in (1, 3):
        raise NetworkError(f"{path} is a picture, but the network takes {channels} channels: give a .npy file")
    try:
        with Image.open(path, formats=["png"]) as image:
            pixels = np.asarray(image.convert("L" if channels == 1 else "RGB")).astype(int)
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError):
        raise NetworkError(f"{path} is no .png file, or truncated: make it again") from None
    if pixels.shape[:2] != (height, width):
        raise NetworkError(f"{path} has {pixels.shape[1]}×{pixels.shape[0]} pixels, but the network takes "
                           f"{width}×{height}: scale it first")
    codes = np.minimum(pixels + (1 << 8 - bits >> 1) >> 8 - bits, (1 << bits) - 1).astype(np.uint8)
    return codes.reshape(height, width, channels).transpose(2, 0, 1)
