import numpy as np

from nomul.sw.memory_plan import Buffer, plan


def test_chain_alternates_between_two_places():
    chain = [Buffer("a", 10, 0, 1), Buffer("b", 20, 1, 2), Buffer("c", 10, 2, 3), Buffer("d", 5, 3, 4)]
    assert plan(chain) == {"a": 0, "b": 10, "c": 0, "d": 10}


def test_buffer_that_lives_on_is_not_overwritten():
    residual = [Buffer("a", 8, 0, 1), Buffer("b", 8, 1, 3), Buffer("c", 8, 2, 3), Buffer("d", 8, 3, 4)]
    assert plan(residual) == {"a": 0, "b": 8, "c": 0, "d": 16}


def test_gap_between_living_buffers_is_used_if_it_is_large_enough():
    buffers = [Buffer("a", 4, 0, 9), Buffer("b", 6, 0, 1), Buffer("c", 4, 0, 9), Buffer("large", 7, 2, 9),
               Buffer("small", 6, 2, 9)]
    assert plan(buffers) == {"a": 0, "b": 4, "c": 10, "large": 14, "small": 4}


def test_living_buffers_never_overlap():
    chance = np.random.default_rng(0)
    for _ in range(100):
        steps = np.sort(chance.integers(0, 12, (12, 2)), axis=1)
        buffers = [Buffer(str(n), int(chance.integers(1, 20)), int(first), int(last))
                   for n, (first, last) in enumerate(steps)]
        bases = plan(buffers)
        for step in range(12):
            living = sorted((bases[b.name], b.words) for b in buffers if b.first <= step <= b.last)
            assert all(base + words <= following for (base, words), (following, _)
                       in zip(living, living[1:], strict=False))


def test_a_sum_takes_the_place_of_an_operand_that_nobody_reads_after_it():
    buffers = [Buffer("a", 8, 0, 3), Buffer("b", 8, 1, 2), Buffer("sum", 8, 2, 3, ("a", "b")), Buffer("c", 8, 3, 4)]
    assert plan(buffers) == {"a": 0, "b": 8, "sum": 8, "c": 16}


def test_a_sum_takes_no_place_that_somebody_needs_before_its_end():
    # The place of b is the only one that would do, but "late" lies there from step 3 on, known before the sum.
    buffers = [Buffer("a", 8, 0, 9), Buffer("b", 8, 0, 2), Buffer("late", 8, 3, 4), Buffer("sum", 8, 2, 4, ("a", "b"))]
    assert plan(buffers) == {"a": 0, "b": 8, "late": 8, "sum": 16}
    buffers = [Buffer("a", 8, 0, 9), Buffer("b", 4, 0, 2), Buffer("sum", 8, 2, 4, ("a", "b"))]
    assert plan(buffers)["sum"] == 12
