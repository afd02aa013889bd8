"""A lever is an option or gives its reason against it; the first option is chosen."""

from builders import BASE, QUOTE
from desk import live

from pipeline.decide import levers
from pipeline.decide.levers import LEVERS, Option, Unfit, choose
from pipeline.decide.strategies import Target

OTHER = "0x" + "77" * 20
OUTSIDE = Target(base_share_bps=5_000, trigger="share_outside_band")
IDLE = Target(base_share_bps=5_000, trigger="out_of_range")


def test_a_rerange_moves_the_base_and_whatever_is_idle():
    book = live(base=BASE, quote=QUOTE)
    assert choose(OUTSIDE, BASE, book) == Option(lever="rerange", target=OUTSIDE)
    assert choose(OUTSIDE, OTHER, book) == Unfit(lever="rerange", reason="no_lever", item=f"token/{OTHER}")
    assert choose(IDLE, OTHER, book) == Option(lever="rerange", target=IDLE)


def test_the_first_that_fits_is_chosen(monkeypatch):
    fits = Option(lever="rerange", target=IDLE)
    both = {**LEVERS, "hedge": lambda *_: fits}
    monkeypatch.setattr(levers, "LEVERS", both)
    assert choose(OUTSIDE, OTHER, live()) == fits
    assert choose(OUTSIDE, BASE, live()) == Option(lever="rerange", target=OUTSIDE)
