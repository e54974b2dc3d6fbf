"""PKKD: an L1 network learns from an ordinary one of the same architecture that is trained beside it (NeurIPS 2020).

Distances and products are distributed differently, so features are not compared as they are. Each branch goes through
a kernel, ``exp(-‖x - w‖₁ / s)`` for L1 layers and ``exp(x·w / s)`` for convolutions, and a 1×1 convolution that is
learned; the mean squared difference of the two is part of the student's loss.

The paper's widths s were not at hand: they follow the number of taps here, K for a distance and √K for a product, as
both sums grow so. The two kernels then grow with similarity alike. Both learned maps could make the difference 0 by
being 0; so each channel of theirs is normalized over the batch.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from nomul.sw.geometry import LayerError
from nomul.sw.l1_layers import L1Conv2d

__all__ = ["Distillation", "DistillationLoss", "FeatureMatch", "soft_label_loss"]

#: Kernels' arguments are cut off here: beyond, the exponential only says "very similar", or overflows.
_LARGEST_ARGUMENT = 5.0


class DistillationLoss(NamedTuple):
    """What `Distillation` returns.

    Attributes
    ----------
    student, teacher : Tensor ()
        To be minimized, by their sum: no gradient of the first reaches the teacher.
    student_logits : Tensor (N, classes)
        For the accuracy.
    """

    student: Tensor
    teacher: Tensor
    student_logits: Tensor


def soft_label_loss(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Hinton's: ``T²·KL(softmax(teacher / T) ‖ softmax(student / T))``, the mean over the batch; both are logits."""
    return temperature**2 * functional.kl_div(functional.log_softmax(student / temperature, 1),
                                              functional.log_softmax(teacher / temperature, 1),
                                              reduction="batchmean", log_target=True)


class FeatureMatch(nn.Module):
    """Difference between the features of an L1 layer and those of a convolution.

    Parameters
    ----------
    channels : int
        Outputs of either.
    student_taps, teacher_taps : int
        Terms of a sum: input channels of a group times the kernel's size.
    """

    def __init__(self, channels: int, student_taps: int, teacher_taps: int):
        super().__init__()
        self.student_width, self.teacher_width = float(student_taps), math.sqrt(teacher_taps)
        self.student_map = nn.Conv2d(channels, channels, 1, bias=False)
        self.teacher_map = nn.Conv2d(channels, channels, 1, bias=False)
        self.norm = nn.BatchNorm2d(channels, affine=False, track_running_stats=False)

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        """Mean squared difference of the two (N, O, OH, OW); the teacher gets no gradient."""
        ours = (student / self.student_width).exp()  # a distance's negative: the exponential is at most 1
        theirs = (teacher.detach() / self.teacher_width).clamp(max=_LARGEST_ARGUMENT).exp()
        return functional.mse_loss(self.norm(self.student_map(ours)), self.norm(self.teacher_map(theirs)))


class Distillation(nn.Module):
    """Student and teacher with the losses that train both in one step.

    The student's loss is ``beta·Σ feature differences + alpha·soft labels + (1 - alpha)·cross entropy``, the
    teacher's its own cross entropy. Give an optimizer all of this module's parameters, and keep only the student.

    Parameters
    ----------
    student, teacher : nn.Module
        (N, C, H, W) to logits.
    pairs : sequence of (str, str), optional
        Paths of an L1 layer of the student and the convolution of the teacher whose features it is to have. By
        default all `L1Conv2d`, each with the teacher's `Conv2d` at its place; where the student has a `Conv2d` itself,
        nothing is compared.
    alpha, beta, temperature : float
        As above; `temperature` softens both networks' logits.

    Raises
    ------
    LayerError
        If there are no pairs, or the networks' layers do not pair up.
    """

    def __init__(self, student: nn.Module, teacher: nn.Module, pairs: Sequence[tuple[str, str]] | None = None, *,
                 alpha: float = 0.5, beta: float = 1.0, temperature: float = 4.0):
        super().__init__()
        self.student, self.teacher = student, teacher
        self.alpha, self.beta, self.temperature = alpha, beta, temperature
        self.pairs = _in_order(student, teacher) if pairs is None else list(pairs)
        self.matches = nn.ModuleList(_match(student, teacher, pair) for pair in self.pairs)

    def forward(self, images: Tensor, labels: Tensor) -> DistillationLoss:
        """Runs both networks."""
        ours, student = _features(self.student, images, [pair[0] for pair in self.pairs])
        theirs, teacher = _features(self.teacher, images, [pair[1] for pair in self.pairs])
        features = torch.stack([match(*both) for match, *both in zip(self.matches, ours, theirs, strict=True)]).sum()
        soft = soft_label_loss(student, teacher.detach(), self.temperature)
        hard = functional.cross_entropy(student, labels)
        return DistillationLoss(self.beta * features + self.alpha * soft + (1 - self.alpha) * hard,
                                functional.cross_entropy(teacher, labels), student)


def _in_order(student: nn.Module, teacher: nn.Module) -> list[tuple[str, str]]:
    ours = {name: module for name, module in student.named_modules() if isinstance(module, L1Conv2d | nn.Conv2d)}
    theirs = [name for name, module in teacher.named_modules() if isinstance(module, nn.Conv2d)]
    distances = [name for name, module in ours.items() if isinstance(module, L1Conv2d)]
    if not distances or len(ours) != len(theirs):
        both = f" and {len(ours) - len(distances)} Conv2d" * (len(ours) > len(distances))
        raise LayerError(f"the student has {len(distances)} L1Conv2d{both} and the teacher {len(theirs)} Conv2d: say "
                         f"with pairs which belong together")
    return [pair for pair in zip(ours, theirs, strict=True) if pair[0] in distances]


def _match(student: nn.Module, teacher: nn.Module, pair: tuple[str, str]) -> FeatureMatch:
    try:
        ours, theirs = student.get_submodule(pair[0]), teacher.get_submodule(pair[1])
    except AttributeError as error:
        raise LayerError(f"pair {pair}: {error}") from None
    if not isinstance(ours, L1Conv2d) or not isinstance(theirs, nn.Conv2d) or ours.out_channels != theirs.out_channels:
        raise LayerError(f"pair {pair}: must be an L1Conv2d and a Conv2d with equally many outputs")
    return FeatureMatch(ours.out_channels, ours.weight[0].numel(), theirs.weight[0].numel())


def _features(model: nn.Module, images: Tensor, names: Sequence[str]) -> tuple[list[Tensor], Tensor]:
    """Outputs of the named layers, and of the model."""
    kept: dict[str, Tensor] = {}
    handles = [model.get_submodule(name).register_forward_hook(
        lambda module, inputs, output, name=name: kept.update({name: output})) for name in names]
    try:
        logits = model(images)
    finally:
        for handle in handles:
            handle.remove()
    return [kept[name] for name in names], logits
