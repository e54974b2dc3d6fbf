"""The first layer's taps folded into lanes: the hardware packs windows of the image, which the layer reads at once.

An image has few channels, so a tap fills few of the array's lanes. With C channels and a kernel of H × W, a window has
C·H·W taps: packed side by side they are the channels of a smaller map, and the layer's kernel becomes 1 × 1.
"""

from dataclasses import replace

from nomul.gen.spec.config import Config
from nomul.gen.spec.registers import input_registers
from nomul.gen.spec.widths import check_fields
from nomul.sw.lower_window import ONE_BY_ONE, address, place, window_fields
from nomul.sw.network import ArrayLayer, IntegerNetwork, Tensor

__all__ = ["fold_input", "image_windows"]


def fold_input(network: IntegerNetwork, config: Config) -> IntegerNetwork:
    """The network that reads windows of the image; itself where that needs no fewer words, or without `pack_windows`.

    Parameters
    ----------
    network : IntegerNetwork
        If its input is read by one layer only, and that is one of the array's, its input may become windows of channels
        in the order row, column, channel.
    """
    if not config.pack_windows:
        return network
    readers = [layer for layer in network.layers if "input" in layer.inputs]
    if len(readers) != 1 or not isinstance(first := readers[0], ArrayLayer) \
            or first.geometry.groups != 1 or first.geometry.dilation != (1, 1):
        return network
    image = network.input
    outputs, _, height, width = first.weight.shape
    channels = height * width * image.channels
    if -(-channels // config.lanes) >= height * width * -(-image.channels // config.lanes):
        return network
    by_tap = first.weight.reshape(outputs, first.terms, image.channels, height, width).transpose(0, 1, 3, 4, 2)
    folded = replace(first, weight=by_tap.reshape(outputs, -1, 1, 1).copy(), stride=1, padding=0)
    windows = Tensor(channels, first.output.height, first.output.width, image.zero_point, image.exponent)
    return replace(network, input=windows,
                   layers=tuple(folded if layer is first else layer for layer in network.layers))


def image_windows(network: IntegerNetwork, folded: IntegerNetwork, config: Config) -> dict[str, int]:
    """How the hardware packs the image: descriptor fields for a map whose words are bytes (`INPUT_FIELDS`).

    Parameters
    ----------
    network : IntegerNetwork
        It gives the image.
    folded : IntegerNetwork
        What `fold_input` made of it.

    Raises
    ------
    ProgramError
        For an image, kernel, stride or padding that the registers, or their bits in `config`, cannot hold.
    """
    image, kernel, geometry = network.input, (1, 1), ONE_BY_ONE
    if folded is not network:
        first = next(layer for layer in network.layers if isinstance(layer, ArrayLayer) and "input" in layer.inputs)
        kernel, geometry = first.weight.shape[2:], first.geometry
    # In a map whose words are bytes every channel is a lane.
    placed = place(image, 0, (image.channels,), lanes=1)
    windows = window_fields(image, placed, kernel, geometry, folded.input) | {
        "channel_words": image.channels, "tap_row_step": address((image.width - kernel[1]) * image.channels + 1)}
    input_registers(windows)
    check_fields(windows, config, image=True)
    return windows
