"""The shop's chance: the same numbers for ever."""

from __future__ import annotations

import pytest

from examples.shop.rng import Dice


def test_a_seed_and_a_path_give_the_same_numbers_on_every_machine_and_version():
    assert Dice(7, "sales", 3).integers("size", 8, 1000).tolist() == GOLDEN


def test_one_number_is_the_first_of_its_sequence():
    dice = Dice(7, "anywhere")
    assert [dice.one(label, 10**9) for label in "abc"] == [dice.integers(label, 5, 10**9)[0] for label in "abc"]


def test_every_seed_path_and_label_has_numbers_of_its_own():
    places = [Dice(1, "a"), Dice(2, "a"), Dice(1, "b"), Dice(1, "a", 0), Dice(1, "a", "0")]
    assert len({tuple(dice.integers("x", 4, 1 << 32).tolist()) for dice in places}) == len(places)


def test_numbers_are_spread_evenly_over_their_range():
    counts = [0] * 10
    for number in Dice(1, "even").integers("x", 10_000, 10).tolist():
        counts[number] += 1
    assert min(counts) > 900
    assert max(counts) < 1100


def test_distinct_numbers_are_distinct_sorted_and_within_bounds():
    numbers = Dice(5, "places").distinct("place", 90, 100)
    assert numbers == sorted(set(numbers))
    assert len(numbers) == 90
    assert 0 <= numbers[0] <= numbers[-1] < 100


def test_more_distinct_numbers_than_there_are_cannot_be_drawn():
    with pytest.raises(ValueError, match="cannot draw 3 different numbers below 2"):
        Dice(5).distinct("place", 3, 2)


GOLDEN = [570, 907, 711, 901, 909, 481, 771, 191]
