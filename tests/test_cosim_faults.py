import random

import pytest

from nomul.cosim.faults import Damage, Faults, FaultsError, FaultyLink

DATA = random.Random(0).randbytes(200_000)


def test_without_faults_nothing_changes():
    damage = Damage(Faults(), "there")
    assert damage(DATA) == DATA
    assert damage.count == 0


@pytest.mark.parametrize("kind", ["flips", "drops", "doubles"])
def test_faults_are_as_frequent_as_asked_for(kind):
    damage = Damage(Faults(**{kind: 0.01}), "there")
    result = damage(DATA)
    assert 1800 < damage.count < 2200       # of a binomial distribution with 2000 ± 45
    assert len(result) - len(DATA) == {"flips": 0, "drops": -damage.count, "doubles": damage.count}[kind]
    if kind == "flips":
        different = [before ^ after for before, after in zip(DATA, result, strict=True) if before != after]
        assert len(different) == damage.count
        assert {bits.bit_count() for bits in different} == {1}


def test_cut_loses_a_stretch():
    damage = Damage(Faults(cuts=0.001), "there")
    result = damage(DATA)
    assert 10 * damage.count < len(DATA) - len(result) < 30 * damage.count


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_same_seed_damages_the_same_bytes_however_they_are_cut(size):
    whole = Damage(Faults(flips=0.003, drops=0.003, doubles=0.003, cuts=0.003, seed=5), "there")
    parts = Damage(Faults(flips=0.003, drops=0.003, doubles=0.003, cuts=0.003, seed=5), "there")
    data = DATA[:20_000]
    assert whole(data) == b"".join(parts(data[n:n + size]) for n in range(0, len(data), size))
    assert whole.count == parts.count > 0


def test_directions_and_seeds_differ():
    results = {Damage(Faults.noise(0.01, seed), way)(DATA) for seed in range(3) for way in ("there", "back")}
    assert len(results) == 6


def test_link_counts_the_faults_of_both_directions():
    class Echo:
        held = b""

        def write(self, data):
            self.held = data

        def read(self, timeout):
            return self.held

    link = FaultyLink(Echo(), Faults.noise(0.001))
    link.write(DATA)
    there = link.faults
    assert link.read(0) != DATA
    assert link.faults > there > 0


@pytest.mark.parametrize(("fields", "message"), [
    ({"flips": -0.1}, "from 0 to less than 1"), ({"drops": 1.0}, "from 0 to less than 1"),
    ({"flips": 0.5, "drops": 0.5}, "together"),
    ({"reset_after": -1}, "a reset must come after 0 bytes or more, not -1"),
    ({"disconnect_after": -5}, "a disconnect must come after 0 bytes or more, not -5")])
def test_impossible_faults_are_refused(fields, message):
    with pytest.raises(FaultsError, match=message):
        Faults(**fields)
