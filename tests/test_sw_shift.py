import pytest
import torch

from nomul.sw.shift import power_of_two


@pytest.mark.parametrize(("weight", "level"), [
    (1.0, 1.0), (0.5, 0.5), (-0.25, -0.25),
    (0.75, 1.0),            # log2 = -0.415
    (0.70, 0.5),            # log2 = -0.515: the border is at 2^-0.5 = 0.7071
    (-0.36, -0.5),          # above 2^-1.5 = 0.3536
    (-0.35, -0.25),
    (3.0, 1.0), (-17.0, -1.0),                  # clamped
    (0.0079, 2.0**-7), (-0.0056, -(2.0**-7)),   # 2^-7.5 = 0.005524 is the smallest that is not 0
    (0.0055, 0.0), (-0.001, 0.0), (0.0, 0.0),
])
def test_weights_round_to_the_nearest_power_in_the_logarithm(weight, level):
    assert power_of_two(torch.tensor([weight]), -7, 0).item() == level


def test_every_level_is_its_own_value():
    levels = torch.tensor([sign * 2.0**p for sign in (-1, 1) for p in range(-7, 1)] + [0.0])
    assert torch.equal(power_of_two(levels, -7, 0), levels)


def test_other_ranges_are_clamped_at_their_own_ends():
    weight = torch.tensor([0.1, 0.6, 2.0, 5.0, 9.0])
    assert power_of_two(weight, -1, 2).tolist() == [0.0, 0.5, 2.0, 4.0, 4.0]


def test_the_gradient_is_the_identity_even_where_it_is_clamped():
    weight = torch.tensor([0.3, 5.0, -0.0001, 0.0], requires_grad=True)
    gradient = torch.tensor([1.0, -2.0, 3.0, -4.0])
    power_of_two(weight, -7, 0).backward(gradient)
    assert torch.equal(weight.grad, gradient)
