"""The campaign's second check of signatures allows a swap that waited during a price jump, and finds one that was never allowed."""

from types import SimpleNamespace

import pytest
from chaos_sender import allowed
from chaos_sender.allowed import Allowed

from pipeline.venues.uniswap_v3.calldata import write_purchase, write_swap

WETH, USDC, OWNER, ROUTER = ("0x" + f"{n:040x}" for n in (1, 2, 3, 4))
ETHER, X96 = 10**18, 2**96


@pytest.fixture
def faults(monkeypatch, tmp_path):
    """Judge a sale of an ether for so much at least, and the same bought for it at most, at prices by block; both are judged alike."""
    (tmp_path / "signer.yaml").write_text("max_loss: 10%\n")
    monkeypatch.setattr(allowed, "Tail", lambda *_: None)
    monkeypatch.setattr(allowed.NONCES.__class__, "on", lambda *_: "nonces")
    pool = SimpleNamespace(token0=WETH, token1=USDC, fee_pips=500, address="0xp")
    world = SimpleNamespace(router=ROUTER, pool=lambda _: pool)
    house = SimpleNamespace(
        world=world, owner=OWNER, pool="p", chain=None, bootstrap="", chain_id=1, first_block=0
    )

    def run(least: int, prices: dict[int, int]) -> list[str]:
        roots = {block: int((price * X96**2) ** 0.5) for block, price in prices.items()}
        monkeypatch.setattr(allowed, "read", lambda *_, block: (roots[block],))
        judge = Allowed(house, tmp_path / "signer.yaml")
        common = {"token_in": WETH, "token_out": USDC, "fee_pips": 500, "recipient": OWNER, "deadline_s": 1}
        sale, purchase = (
            write_swap(amount_in=ETHER, minimum_out=least * ETHER, limit_x96=X96, **common),
            write_purchase(amount_out=least * ETHER, most_in=ETHER, **common),
        )
        found, same = (
            list(judge._router(bytes.fromhex(data[2:]), list(prices))) for data in (sale, purchase)
        )
        assert found == same
        return found

    return run


def test_a_swap_is_held_against_the_prices_at_which_it_may_have_been_signed(faults):
    assert faults(3_000, {9: 3_000, 8: 3_000}) == []
    assert faults(2_620, {9: 3_000}) == [], "what the file allows and the slack of this judge"
    assert len(faults(2_600, {9: 3_000, 8: 3_000})) == 1
    assert faults(3_000, {9: 4_000, 8: 4_000, 7: 3_000}) == [], (
        "signed before the price jumped, mined after it"
    )
    assert len(faults(3_000, {9: 4_000, 8: 3_900, 7: 3_600})) == 1
