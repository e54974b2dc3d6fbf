"""AdderQuant (NeurIPS 2022): L1 layers in few bits, with a step of their own for each group of output channels.

An output channel's weights decide how wide a range the distances need, so channels of similar range share a step. The
layer's input is rounded once for each group. This is the paper's arithmetic, simulated in floats that hold its integers
exactly; the accelerator has one step a tensor, see `nomul.sw.quantize`.

The paper's own code returns after the first group, so that more than one group gives wrong results; here every group
has its channels.
"""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from nomul.sw.geometry import LayerError
from nomul.sw.l1 import l1_conv2d
from nomul.sw.l1_layers import L1Conv2d, L1Linear

__all__ = ["AdderQuantLayer", "activation_range", "adder_quant_", "channel_groups"]

_QUANTILE = 0.9997
_SMALLEST_RANGE = 1e-3


def activation_range(x: Tensor) -> float:
    """A bound that all but about 0.06 % of the magnitudes of `x` keep; at least 0.001.

    The authors' code applies its quantile of 0.9997 twice, which this repeats.
    """
    magnitudes = x.detach().abs().flatten()
    index = int((round(len(magnitudes) * _QUANTILE) - 1) * _QUANTILE)
    return max(float(magnitudes.kthvalue(max(index, 0) + 1).values), _SMALLEST_RANGE)


def channel_groups(weight: Tensor, groups: int, seed: int = 0) -> Tensor:
    """Group of each output channel (int64, shape (O,)): k-means over the channels' largest magnitudes.

    Parameters
    ----------
    weight : Tensor (O, ...)
        Of the layer.
    groups : int
        How many; fewer if fewer channels differ. No group is empty.
    seed : int
        Of the start (k-means++).
    """
    from sklearn.cluster import KMeans

    largest = weight.detach().abs().flatten(1).amax(1).double().numpy()
    number = min(groups, len(np.unique(largest)))
    means = KMeans(number, n_init=10, max_iter=300, tol=1e-4, random_state=seed)
    return torch.from_numpy(means.fit_predict(largest[:, None]).astype(np.int64))


class AdderQuantLayer(nn.Module):
    """An L1 layer in integers of `bits` bits, a step for each group of output channels.

    With s the group's range, activations are codes 0 to ``2^bits - 1`` on the step ``s / (2^bits - 1)``, weights signed
    codes on twice that step: so ``|x - w|`` is that step times ``|a - 2·w|`` of the codes. Where the weights reach
    beyond the activations' range, s is the latter, and what they lose by being clamped is a constant of the channel.

    Parameters
    ----------
    layer : L1Conv2d or L1Linear
        Trained; of one group.
    largest : float
        The activations' range (`activation_range`). Activations are not negative.
    bits : int
        2 to 8, of activations and weights.
    groups : int
        Of output channels, at least 1.
    seed : int
        See `channel_groups`.

    Raises
    ------
    LayerError
        For bits, groups or a range that there is not; for a convolution in groups.
    """

    group: Tensor
    codes: Tensor
    step: Tensor
    bias: Tensor

    def __init__(self, layer: L1Conv2d | L1Linear, largest: float, bits: int = 4, groups: int = 4, seed: int = 0):
        super().__init__()
        if bits not in range(2, 9) or groups < 1 or not largest > 0:
            raise LayerError(f"AdderQuant takes 2 to 8 bits, at least 1 group and a range above 0, not {bits}, "
                             f"{groups} and {largest:g}")
        if isinstance(layer, L1Conv2d) and layer.groups != 1:
            raise LayerError(f"AdderQuant takes convolutions of one group, not of {layer.groups}")
        weight = layer.weight.detach().double()     # codes between two others are many: a range's end is one
        self.bits, self.linear = bits, isinstance(layer, L1Linear)
        self.window = (layer.stride, layer.padding, layer.dilation) if isinstance(layer, L1Conv2d) else (1, 0, 1)
        if self.linear:
            weight = weight[:, :, None, None]
        group = channel_groups(weight, groups, seed)
        reach = torch.stack([weight[group == number].abs().amax() for number in range(int(group.max()) + 1)])
        step = reach.clamp(_SMALLEST_RANGE, largest) / (2**bits - 1)
        bound = reach.clamp(max=largest)[group][:, None, None, None]
        codes = (weight.clamp(-bound, bound) / (2 * step[group][:, None, None, None])).round()
        self.register_buffer("group", group)
        lost = (weight.abs() - bound).clamp(min=0).flatten(1).sum(1)
        self.register_buffer("codes", codes.clamp(-2**(bits - 1), 2**(bits - 1) - 1).to(layer.weight.dtype))
        self.register_buffer("step", step.to(layer.weight.dtype))
        self.register_buffer("bias", -lost.to(layer.weight.dtype))

    def forward(self, x: Tensor) -> Tensor:
        """As the layer's: (N, C, H, W) to (N, O, OH, OW), or (N, I) to (N, O)."""
        if self.linear:
            x = x[:, :, None, None]
        outputs = [self._group_sums(x, number) for number in range(len(self.step))]
        # Group by group; then back to the channels' own order.
        order = torch.cat([channels for channels, _ in outputs]).argsort()
        result = torch.cat([sums for _, sums in outputs], 1)[:, order] + self.bias[:, None, None]
        return result.flatten(1) if self.linear else result

    def _group_sums(self, x: Tensor, number: int) -> tuple[Tensor, Tensor]:
        """The channels of a group, and their sums."""
        channels, step = torch.nonzero(self.group == number)[:, 0], self.step[number]
        codes = (x / step).round().clamp(0, 2**self.bits - 1)
        return channels, step * l1_conv2d(codes, 2 * self.codes[channels], *self.window)

    def extra_repr(self) -> str:
        """Shape, bits and groups, for `print(model)`."""
        return f"{tuple(self.codes.shape)}, bits={self.bits}, groups={len(self.step)}"


def adder_quant_(model: nn.Module, calibration_images: Tensor, bits: int = 4, groups: int = 4, *, batch: int = 100,
                 seed: int = 0) -> nn.Module:
    """Replaces every L1 layer of a trained model, in place, and returns the model in evaluation mode.

    Parameters
    ----------
    model : nn.Module
        Whose L1 layers' inputs are not negative, as after a ReLU.
    calibration_images : Tensor (N, C, H, W)
        They choose the activations' ranges: the largest of all batches'.
    bits, groups, seed : int
        See `AdderQuantLayer`.
    batch : int
        Images at a time.

    Raises
    ------
    LayerError
        If there is no L1 layer, or one that cannot be replaced; names it. The model is then unchanged.
    """
    layers = {name: module for name, module in model.named_modules() if isinstance(module, L1Conv2d | L1Linear)}
    if not layers or "" in layers:
        raise LayerError("the model has no L1 layer to replace in place; put a single layer into nn.Sequential")
    ranges = dict.fromkeys(layers, 0.0)
    for name, x in _inputs(model.eval(), layers, calibration_images, batch):
        if x.min() < 0:
            raise LayerError(f"layer {name!r}: AdderQuant takes inputs that are not negative; put a ReLU before it")
        ranges[name] = max(ranges[name], activation_range(x))
    made = {}
    for name, layer in layers.items():
        try:
            made[name] = AdderQuantLayer(layer, ranges[name], bits, groups, seed)
        except LayerError as error:
            raise LayerError(f"layer {name!r}: {error}") from None
    for name, replacement in made.items():
        model.set_submodule(name, replacement)
    return model


def _inputs(model: nn.Module, layers: dict[str, L1Conv2d | L1Linear], images: Tensor,
            batch: int) -> Iterator[tuple[str, Tensor]]:
    """Each layer's input for each batch of images."""
    seen: list[tuple[str, Tensor]] = []
    hooks = [layer.register_forward_pre_hook(lambda _, inputs, name=name: seen.append((name, inputs[0])))
             for name, layer in layers.items()]
    try:
        with torch.no_grad():
            for some in images.split(batch):
                model(some)
                yield from seen
                seen.clear()
    finally:
        for hook in hooks:
            hook.remove()
