"""Descriptors: packing has no gaps, no overlaps, and no value that is silently cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nomul.gen.spec.program import DESCRIPTOR_WORDS, FIELDS, ProgramError, pack, unpack


def limits(field) -> tuple[int, int]:
    return (-2 ** (field.bits - 1), 2 ** (field.bits - 1) - 1) if field.signed else (0, 2**field.bits - 1)


descriptors = st.fixed_dictionaries({field.name: st.integers(*limits(field)) for field in FIELDS})


@given(descriptors)
def test_unpack_is_the_inverse_of_pack(values):
    words = pack(**values)
    assert len(words) == DESCRIPTOR_WORDS
    assert all(0 <= word < 2**32 for word in words)
    assert unpack(words) == values


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.name)
def test_each_field_has_bits_of_its_own(field):
    for value in limits(field):
        assert {name: read for name, read in unpack(pack(**{field.name: value})).items() if read} \
            == ({field.name: value} if value else {})


def test_first_word_is_laid_out_as_worked_out_by_hand():
    # opcode 2 bits, operator 2, mode 1, destination 1, two_operands 1, stride_y 4, stride_x 4, ...
    words = pack(opcode=1, operator=2, destination=1, stride_y=3, stride_x=1, kernel_height=1)
    assert words[0] == 1 | 2 << 2 | 1 << 5 | 3 << 7 | 1 << 11
    # Of what is stored as one less, 0 is all ones, and 1 is 0.
    ones = {field.name: 1 for field in FIELDS if field.less_one}
    assert {"kernel_width", "tiles", "block"} < set(ones)
    assert pack(**ones) == [0] * DESCRIPTOR_WORDS
    assert sum(word.bit_count() for word in pack()) == sum(field.bits for field in FIELDS if field.less_one)


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.name)
def test_value_outside_a_field_is_refused_with_its_range(field):
    low, high = limits(field)
    for value in (low - 1, high + 1):
        with pytest.raises(ProgramError) as caught:
            pack(**{field.name: value})
        assert f"descriptor field {field.name} " in str(caught.value)
        assert f"must be {low} to {high}, not {value}" in str(caught.value)


def test_unknown_field_is_refused():
    with pytest.raises(ProgramError, match=r"^a descriptor has no field 'kernel'$"):
        pack(kernel=3)


def test_record_of_another_length_is_refused():
    with pytest.raises(ProgramError, match=rf"^a descriptor has {DESCRIPTOR_WORDS} words, not 3$"):
        unpack([0, 0, 0])


def test_field_names_are_unique():
    assert len({field.name for field in FIELDS}) == len(FIELDS)
