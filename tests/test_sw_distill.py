import math

import pytest
import torch
from torch import nn
from torch.nn import functional

from nomul.sw.distill import Distillation, FeatureMatch, soft_label_loss
from nomul.sw.geometry import LayerError
from nomul.sw.layers import L1Conv2d


def network(convolution):
    return nn.Sequential(convolution(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(),
                         convolution(4, 4, 3, stride=2), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(36, 3))


def batch():
    generator = torch.Generator().manual_seed(0)
    return torch.rand(16, 1, 8, 8, generator=generator), torch.randint(3, (16,), generator=generator)


def pair(**options):
    torch.manual_seed(0)
    return Distillation(network(L1Conv2d), network(nn.Conv2d), **options)


def test_soft_labels_cost_what_their_definition_says():
    student, teacher = torch.randn(5, 3).double(), torch.randn(5, 3).double()
    total = 0.0
    for ours, theirs in zip((student / 3).softmax(1).tolist(), (teacher / 3).softmax(1).tolist(), strict=True):
        total += sum(t * math.log(t / s) for s, t in zip(ours, theirs, strict=True))
    assert soft_label_loss(student, teacher, 3.0).item() == pytest.approx(9 * total / 5)
    assert soft_label_loss(student, student, 3.0).item() == pytest.approx(0, abs=1e-12)


def test_features_go_through_kernels_maps_and_normalization():
    match = FeatureMatch(3, student_taps=9, teacher_taps=16).double()
    student, teacher = -torch.rand(4, 3, 5, 5).double() * 20, torch.randn(4, 3, 5, 5).double() * 3

    def mapped(features, linear):
        channels = torch.einsum("oi,nihw->nohw", linear.weight[:, :, 0, 0], features)
        mean, variance = channels.mean((0, 2, 3), keepdim=True), channels.var((0, 2, 3), keepdim=True, correction=0)
        return (channels - mean) / (variance + 1e-5).sqrt()

    expected = (mapped((student / 9).exp(), match.student_map) - mapped((teacher / 4).exp(), match.teacher_map))
    torch.testing.assert_close(match(student, teacher), expected.square().mean())


def test_large_features_stay_finite():
    match = FeatureMatch(2, 9, 9)
    loss = match(torch.full((2, 2, 3, 3), -1e4), torch.full((2, 2, 3, 3), 1e4) * torch.randn(2, 2, 3, 3))
    assert torch.isfinite(loss)


def test_the_students_loss_weighs_its_three_parts():
    images, labels = batch()
    both = pair(alpha=0.3, beta=2.0, temperature=2.0)
    loss = both(images, labels)
    student, teacher = both.student(images), both.teacher(images)
    features = sum(match(both.student[index](x), both.teacher[index](y)) for match, index, x, y in zip(
        both.matches, (0, 3), (images, both.student[:3](images)), (images, both.teacher[:3](images)), strict=True))
    expected = (2 * features + 0.3 * soft_label_loss(student, teacher, 2.0)
                + 0.7 * functional.cross_entropy(student, labels))
    torch.testing.assert_close(loss.student, expected)
    torch.testing.assert_close(loss.teacher, functional.cross_entropy(teacher, labels))
    torch.testing.assert_close(loss.student_logits, student)


def test_no_gradient_of_the_students_loss_reaches_the_teacher():
    both = pair()
    loss = both(*batch())
    loss.student.backward()
    assert all(parameter.grad is None for parameter in both.teacher.parameters())
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in (
        both.student[0].weight, both.student[3].weight, both.matches[0].student_map.weight,
        both.matches[0].teacher_map.weight))
    loss.teacher.backward()
    assert both.teacher[0].weight.grad.any()


def test_both_networks_train_together():
    both = pair()
    images, labels = batch()
    optimizer = torch.optim.Adam(both.parameters(), lr=0.02)
    losses = []
    for _ in range(40):
        loss = both(images, labels)
        optimizer.zero_grad()
        (loss.student + loss.teacher).backward()
        optimizer.step()
        losses.append((loss.student.item(), loss.teacher.item()))
    assert losses[-1][0] < 0.5 * losses[0][0]
    assert losses[-1][1] < 0.2 * losses[0][1]


def test_pairs_may_be_named():
    assert pair().pairs == [("0", "0"), ("3", "3")]
    assert len(pair(pairs=[("3", "3")]).matches) == 1


def test_convolutions_that_the_student_keeps_are_not_compared():
    student, teacher = network(L1Conv2d), network(nn.Conv2d)
    student[0] = nn.Conv2d(1, 4, 3, padding=1)
    assert Distillation(student, teacher).pairs == [("3", "3")]
    student.append(nn.Conv2d(1, 1, 1))
    with pytest.raises(LayerError, match="the student has 1 L1Conv2d and 2 Conv2d and the teacher 2 Conv2d: say with"):
        Distillation(student, teacher)


@pytest.mark.parametrize(("teacher", "pairs", "message"), [
    (nn.Conv2d(1, 4, 3), None, "the student has 2 L1Conv2d and the teacher 1 Conv2d: say with pairs"),
    (network(nn.Conv2d), [("0", "9")], r"pair \('0', '9'\): .*has no attribute"),
    (network(nn.Conv2d), [("1", "1")], r"pair \('1', '1'\): must be an L1Conv2d and a Conv2d with equally many"),
])
def test_layers_that_do_not_pair_up_are_refused(teacher, pairs, message):
    with pytest.raises(LayerError, match=message):
        Distillation(network(L1Conv2d), teacher, pairs)
