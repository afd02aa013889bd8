"""Books that only writes end their idle time are not idle for too long."""

from builders import policy

from pipeline.state.resting_books import RestEnd, Rests

BOOK = policy().book
REST = RestEnd(watched=(("balance/0x1",),), bounds={"height": 10})


def resting() -> Rests:
    rests = Rests()
    rests.keep_books((policy(),))
    return rests


def times_awake(rests: Rests) -> int:
    """Let a rest be ended by a write, and count how many times the book does not rest then."""
    rests.begin(policy(), REST)
    rests.note_writes({"balance/0x1"})
    assert rests.ended_by(BOOK)
    rests.stay_awake(BOOK)
    times = 0
    while rests.stays_awake(BOOK):
        times += 1
    return times


def test_a_book_stays_awake_twice_as_long_while_writes_alone_end_its_rests() -> None:
    rests = resting()
    assert [times_awake(rests) for _ in range(5)] == [8, 16, 32, 64, 64]


def test_a_rest_that_comes_to_a_bound_makes_it_short_again() -> None:
    rests = resting()
    assert [times_awake(rests) for _ in range(3)] == [8, 16, 32]
    rests.begin(policy(), REST)
    rests.note_measures({"height": 10})
    assert not rests.ended_by(BOOK)
    assert times_awake(rests) == 8


def test_so_does_the_end_of_every_rest() -> None:
    rests = resting()
    assert [times_awake(rests) for _ in range(2)] == [8, 16]
    rests.end_all()
    assert times_awake(rests) == 8
