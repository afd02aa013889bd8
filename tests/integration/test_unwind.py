"""`unwind` on a real broker: what it shows before it acts, what it appends, and how `apply` treats the book afterwards."""

import re
from collections.abc import Callable
from decimal import ROUND_DOWN, Decimal
from pathlib import Path

import pytest
from builders import BASE, OWNER, QUOTE, STRANGER
from cli_desk import MANAGER, PARTITIONS, Desk, Kept, live_portfolio
from msgspec.structs import replace
from worlds.lending.chain import KEEPS, LENDING, LendingDesk, hedge_only

from pipeline.messages.events import PolicySet
from pipeline.messages.policy import Policy
from pipeline.units import RawAmount
from streams.cli.unwinding import print_unwinding
from streams.ended_hedges import unwound
from streams.kafka.topics import shard_of
from streams.look.fold_once import book_in_memory

pytestmark = pytest.mark.kafka

UNIT = 10**18
STANDING = replace(KEEPS, standing_quote=RawAmount(9 * UNIT))


def last_policy(desk: Desk, book: str) -> Policy:
    """Take the newest policy of a book from its shard's log."""
    events = desk.log(shard_of(book, PARTITIONS))
    return [e.policy for e in events if isinstance(e, PolicySet) and e.policy.book == book][-1]


def appended(desk: Desk) -> int:
    return sum(len(desk.log(shard)) for shard in range(PARTITIONS))


@pytest.fixture
def on_toy_chain(desk: Desk) -> tuple[LendingDesk, Kept]:
    """A hedged book that has reached its target, and its log on the broker."""
    world = LendingDesk(hedge_only(action=STANDING))
    settle(world)
    assert world.chain.debt[BASE] > UNIT
    return world, Kept(desk, world.watcher)


def settle(world: LendingDesk, blocks: int = 20) -> None:
    for _ in range(blocks):
        world.block()


def test_it_says_what_it_takes_and_does_nothing_unless_told(desk, on_toy_chain):
    world, _ = on_toy_chain
    before = appended(desk)
    asked = desk.run("unwind", "alpha")
    assert asked.code == 1
    assert "nothing is done unless somebody at a terminal says so, or --yes" in asked.err
    owed, secured = world.chain.debt[BASE], world.chain.collateral[QUOTE]
    assert "ending the hedge, at the prices of now" in asked.out
    row = asked.out.splitlines()[-1]
    assert f"{owed / UNIT:.4f}"[:5] in row
    shown = Decimal(secured).scaleb(-6).quantize(Decimal("0.01"), ROUND_DOWN)
    assert f"{shown:,}" in row
    assert " units" in row, "no node is named: gas has no price here"
    assert appended(desk) == before


def test_what_it_appends_ends_the_hedge_and_leaves_nothing(desk, on_toy_chain):
    world, kept = on_toy_chain
    had = last_policy(desk, "alpha")
    done = desk.run("unwind", "book/alpha", "--yes")
    assert done.code == 0, done.err
    ending = last_policy(desk, "alpha")
    assert ending.hedge.unwound
    assert ending.hedge.ratio_bps == had.hedge.ratio_bps
    assert ending.policy_version != had.policy_version
    assert f"alpha: {ending.policy_version}" in done.err, "a signer acts for the versions that its file names"

    world.set_policy(ending)
    settle(world)
    assert world.chain.debt[BASE] == world.chain.collateral[QUOTE] == 0
    market = {key: amount for key, amount in world.chain.allowances.items() if key[2] == LENDING}
    assert not any(market.values()), "what the policy lets stand is taken back from the market too"

    kept.append()
    kept.commit()
    before = appended(desk)
    again = desk.run("unwind", "alpha", "--yes")
    assert again.code == 0
    assert "alpha: its hedge is ended already, nothing is appended" in again.err
    assert "it owes nothing and nothing secures it" in again.err
    assert appended(desk) == before


def test_a_wallet_that_does_not_suffice_is_said_to_take_several_plans(capsys):
    world = LendingDesk(hedge_only(action=STANDING))
    settle(world)
    chain = world.chain
    chain.mine(0)
    chain.move(QUOTE, OWNER, STRANGER, chain.balances[OWNER, QUOTE] - UNIT)
    chain.move(BASE, OWNER, STRANGER, chain.balances[OWNER, BASE])
    world.watcher.tell()
    world.take()
    book = book_in_memory(world.shard)
    print_unwinding(book, unwound(book.policy), None)
    assert re.search(
        r"alpha: one plan leaves 2\.8\d+ WETH owed: others follow, hedge\.pace", capsys.readouterr().err
    )


# ------------------------------------------------------------------ the file
@pytest.fixture
def write(desk: Desk) -> Callable[[str], Path]:
    """Write a portfolio of one live book with a hedge at a ratio."""

    def wrote(hedge: str) -> Path:
        file = live_portfolio(desk)
        market = (
            f"{{name: lending, kind: aave_v3, pool: '{LENDING}', configurator: '{LENDING[:-1]}2', "
            f"oracle: '{LENDING[:-1]}3'}}"
        )
        text = file.read_text().replace(
            f"router: '{MANAGER}', ", f"router: '{MANAGER}', venues: [{market}], "
        )
        file.write_text(f"{text}    hedge: {{venue: lending, {hedge}}}\n")
        return file

    return wrote


def test_a_later_apply_leaves_it_ended_until_told_otherwise(desk, write):
    write("ratio: 65%")
    assert desk.run("apply", "--live").code == 0
    assert desk.run("unwind", "one", "--yes").code == 0
    ending = last_policy(desk, "one")
    assert ending.hedge.unwound

    same = desk.run("apply", "--live")
    assert "as it is" in same.out
    assert "one: its hedge stays ended, as `evenkeel unwind` left it" in same.err
    write("ratio: 70%")
    other = desk.run("apply", "--live")
    assert "hedge.ratio 65% -> 70%" in other.out
    assert last_policy(desk, "one").hedge.unwound

    again = desk.run("apply", "--live", "--hedge-again")
    assert "hedge.unwound yes -> no" in again.out
    assert "stays ended" not in again.err
    assert not last_policy(desk, "one").hedge.ends


def test_a_file_that_hedges_nothing_says_the_same_by_itself(desk, write):
    write("ratio: 65%")
    desk.run("apply", "--live")
    desk.run("unwind", "one", "--yes")
    write("ratio: 0%")
    applied = desk.run("apply", "--live")
    assert "hedge.unwound yes -> no" in applied.out
    assert last_policy(desk, "one").hedge.ends
    assert "stays ended" not in applied.err
    write("ratio: 65%")
    desk.run("apply", "--live")
    assert not last_policy(desk, "one").hedge.ends, "the file itself takes it on again"


@pytest.mark.parametrize(
    ("hedge", "mode", "says"),
    [(None, "live", "is not hedged"), ("ratio: 65%", "watch", "is only watched")],
)
def test_a_book_without_anything_to_end_is_refused(desk, write, hedge, mode, says):
    file = live_portfolio(desk) if hedge is None else write(hedge)
    file.write_text(file.read_text().replace("mode: live", f"mode: {mode}"))
    assert desk.run("apply", "--live").code == 0
    before = appended(desk)
    refused = desk.run("unwind", "one", "--yes")
    assert refused.code == 1
    assert says in refused.err
    assert "there is no book two" in desk.run("unwind", "two", "--yes").err
    assert appended(desk) == before
