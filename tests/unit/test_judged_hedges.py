"""The campaign's check of a hedge uses the chain at the end, and the signer's file at every block."""

from types import SimpleNamespace

import pytest
from chaos_sender import legs
from chaos_sender.hedged import LEAST_HEALTH, MOST_WETH
from hedged_play import ETHER

from pipeline.hedge.port import HedgePosition

RIGHT = {7: (0, 0, 1e59), 8: (MOST_WETH * ETHER, 5, LEAST_HEALTH), 9: (3, 5, 2.0)}
"""By block: owed, secured, health. Nothing is owed first, then as much as may be, in the end 3."""


def judged(monkeypatch: pytest.MonkeyPatch, standings: dict[int, tuple[int, int, float]]) -> list[str]:
    book = SimpleNamespace(hedging=lambda: None, standing=lambda _, block: standings[block])
    chain = SimpleNamespace(header=lambda: SimpleNamespace(number=9))
    monkeypatch.setattr(legs, "book_of", lambda _: book)
    monkeypatch.setattr(legs, "position_of", lambda *_: HedgePosition(size=3, collateral=5, health_bps=None))
    return legs.wrong_of_hedge(SimpleNamespace(chain=chain, twin=None), 7)


def test_what_the_chain_says_within_the_file_is_right(monkeypatch):
    assert judged(monkeypatch, RIGHT) == []


@pytest.mark.parametrize(
    ("block", "standing", "word"),
    [
        (9, (4, 5, 2.0), "the shard knows 3 owed and 5 secured, not 4 and 5"),
        (9, (3, 6, 2.0), "the shard knows 3 owed and 5 secured, not 3 and 6"),
        (8, (MOST_WETH * ETHER + 1, 5, 2.0), "beyond the signer's file"),
        (8, (1, 5, LEAST_HEALTH - 0.0001), "beyond the signer's file"),
    ],
)
def test_any_other_debt_collateral_or_health_is_wrong(monkeypatch, block, standing, word):
    (wrong,) = judged(monkeypatch, RIGHT | {block: standing})
    assert word in wrong
