"""`inventory` and `positions` on a real broker: numbers of the committed state, and the reasons why they may be out of date."""

import re

import pytest
from builders import MANAGER as TOY_MANAGER
from builders import OWNER, STRANGER
from builders import POOL as TOY_POOL
from cli_desk import a_book
from msgspec.structs import replace

from pipeline.messages.arrivals import Departure
from pipeline.messages.entries import Halted, Pause, Quarantine, Route
from streams.cli import holdings
from streams.human_numbers import bps_text

pytestmark = pytest.mark.kafka


def test_inventory_is_computed_from_the_state_as_committed(kept, desk):
    (shown,) = desk.run("inventory", "--json").objects
    stock = kept.stock
    assert stock.value_quote > 0
    assert shown["value_quote"] == str(stock.value_quote)
    assert shown["base_share_bps"] == str(stock.base_share_bps)
    assert shown["block"] == str(kept.shard.tables.head.number)
    assert (shown["marks"], shown["records_behind"], shown["mode"]) == ([], "0", "dry-run")
    assert int(shown["age_s"]) < 60
    facts = {
        shown["tokens"][shown[role]]["symbol"]: shown["tokens"][shown[role]]["decimals"]
        for role in ("base", "quote")
    }
    assert facts == {"WETH": "18", "USDC": "6"}
    text = desk.run("inventory").out
    for part in (bps_text(stock.base_share_bps), "50% ±3%", "USDC", "WETH", "well"):
        assert part in text, part


def test_what_is_on_the_log_and_not_in_the_state_is_told_beside_the_numbers(kept, desk, monkeypatch):
    kept.watcher.block()
    kept.append()
    behind = len(kept.unread)
    assert behind
    (shown,) = desk.run("inventory", "--json").objects
    assert shown["records_behind"] == str(behind)
    monkeypatch.setattr(holdings, "_SLOW_S", -1)
    assert f"{behind} records behind for" in desk.run("inventory").out
    assert "is `evenkeel work` running?" in desk.run("positions").out
    doctor = desk.run("doctor")
    assert doctor.code == 1
    assert "records behind" in doctor.out
    kept.commit()
    assert desk.run("inventory", "--json").objects[0]["records_behind"] == "0"


def test_a_log_that_stands_still_is_told(kept, desk, monkeypatch):
    assert "no new block" not in desk.run("inventory").out
    monkeypatch.setattr(holdings, "STALE_S", -1)
    assert "no new block for" in desk.run("inventory").out


@pytest.mark.parametrize(
    ("entries", "says"),
    [
        ({"pause/all": Pause(reason="a look", by="me@here")}, "paused (all) by me@here: a look"),
        ({"pause/book/alpha": Pause(reason="why", by="me")}, "paused (book/alpha) by me: why"),
        ({"halted": Halted(reason="a reorg of 70")}, "is halted: a reorg of 70"),
        (
            {f"quarantine/pool/{TOY_POOL}": Quarantine(reason="not the curve's", at_block=7)},
            f"in quarantine: pool/{TOY_POOL}: not the curve's",
        ),
    ],
)
def test_what_stops_a_book_stands_beside_its_numbers_and_the_doctor_is_not_well(kept, desk, entries, says):
    kept.commit(**entries)
    for command in ("inventory", "doctor"):
        assert says in desk.run(command).out, command
    (shown,) = desk.run("inventory", "--json").objects
    assert any(says in mark for mark in shown["marks"])
    assert desk.run("doctor").code == 1


def test_an_nft_that_left_stands_below_the_inventory(kept, desk):
    item, at = f"position/{TOY_MANAGER}/7", kept.shard.tables.head
    left = Departure(book="alpha", to=STRANGER, transaction_hash="0xab", value_quote=12_345_678, block=at)
    kept.commit(**{f"departure/{item}": left, "departure/position/m/8": replace(left, book="other")})
    said = " ".join(desk.run("inventory").err.split())
    assert f"alpha: NFT 7, worth 12.3456 USDC, has left for {STRANGER} at block {at.number} (" in said
    assert said.endswith(") by transaction 0xab")
    (shown,) = desk.run("inventory", "--json").objects
    assert [(each["item"], each["value_quote"]) for each in shown["left"]] == [(item, "12345678")]


def test_an_inventory_that_is_not_known_is_no_number(kept, desk):
    kept.commit(**{f"route/pool/{TOY_POOL}": Route(observed_at_block=None)})
    (shown,) = desk.run("inventory", "--json").objects
    assert "value_quote" not in shown
    assert shown["marks"] == [f"not read yet: pool/{TOY_POOL}"]
    assert "?" in desk.run("inventory").out
    assert "its positions are not known" in desk.run("positions").err


def test_a_book_that_no_worker_has_taken_up_is_shown_as_that(desk):
    desk.portfolio(a_book("one", 1))
    desk.run("apply")
    assert "its shard has not taken it up yet: is `evenkeel work` running?" in desk.run("inventory").out


def test_positions_are_of_the_same_head_as_the_inventory_and_show_prices(kept, desk):
    shown = desk.run("positions", "--json").objects
    assert {each["block"] for each in shown} == {desk.run("inventory", "--json").objects[0]["block"]}
    parts = ("principal0", "fees0")
    total = sum(int(each[part]) for each in shown for part in parts)
    (base,) = [h for h in kept.stock.holdings if h.token == kept.book.base]
    assert total == base.principal + base.fees
    assert len({each["token_id"] for each in shown}) == len(shown) > 0
    text = desk.run("positions").out
    for part in ("WETH/USDC 0.05%", "ticks -300..200", "in range", " + "):
        assert part in text, part


def test_an_emptied_position_is_not_shown_once_nothing_is_owed(kept, desk):
    chain = kept.watcher.chain
    before = {each["token_id"] for each in desk.run("positions", "--json").objects}
    gone = next(n for n, nft in chain.nfts.items() if nft.owner == OWNER and nft.liquidity)
    chain.mine(0)
    chain.decrease(gone, chain.nfts[gone].liquidity)
    chain.collect(gone)
    kept.watcher.tell()
    kept.append()
    kept.commit()
    assert {each["token_id"] for each in desk.run("positions", "--json").objects} == before - {str(gone)}


def test_an_unknown_book_is_an_error_that_names_those_there_are(kept, desk):
    for command in ("inventory", "positions"):
        done = desk.run(command, "--book", "alhpa")
        assert done.code == 1
        assert "there is no book alhpa; did you mean alpha?" in done.err


@pytest.mark.parametrize("columns", ["80", "120"])
@pytest.mark.parametrize("command", ["inventory", "positions", "doctor"])
def test_nothing_of_a_screen_is_cut_off(kept, desk, monkeypatch, command, columns):
    whole = desk.run(command).out
    monkeypatch.setenv("COLUMNS", columns)
    narrow = desk.run(command).out
    assert max(map(len, narrow.splitlines())) <= int(columns)
    assert "…" not in narrow or "…" in whole
    lost = set(re.findall(r"[\w.,%±]+", whole)) - set(re.findall(r"[\w.,%±]+", narrow)) - _moving(whole)
    assert not lost


def _moving(text: str) -> set[str]:
    """Find the ages, which differ from one look to the next."""
    return set(re.findall(r"\d+[smhd]\w*", text))


def test_without_books_it_says_what_to_do(desk):
    desk.create_topics()
    assert "there are no books yet: `evenkeel init`" in desk.run("positions").err
