"""The search finds the same answer as trying every number, for any first guess, in few evaluations."""

from hypothesis import given
from hypothesis import strategies as st

from pipeline.math.search import first_where


@given(st.integers(-50, 50), st.integers(0, 60), st.integers(-60, 120), st.integers(-200, 200))
def test_it_finds_the_first(low: int, width: int, first: int, guess: int) -> None:
    high = low + width
    asked = []

    def holds(number: int) -> bool:
        assert low <= number <= high
        asked.append(number)
        return number >= first

    found = first_where(holds, low, high, guess)
    assert found == next((n for n in range(low, high + 1) if n >= first), high + 1)
    assert len(asked) == len(set(asked))


def test_a_good_guess_saves_questions() -> None:
    def questions(guess: int) -> int:
        asked = []

        def holds(number: int) -> bool:
            asked.append(number)
            return number >= 10**24

        assert first_where(holds, 0, 10**30, guess) == 10**24
        return len(asked)

    assert questions(10**24) <= 3
    assert questions(10**24 + 100) < 15
    assert questions(0) < 150


def test_nothing_to_look_at() -> None:
    assert first_where(lambda _: True, 5, 4, 5) == 5
