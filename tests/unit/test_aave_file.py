"""A portfolio file that names a lending market: its contracts, and what a book on such a chain may not do yet."""

import pytest
from builders import BASE, MANAGER, OWNER, POOL, QUOTE

from pipeline.errors import SettingsError
from pipeline.venues.aave_v3.forms import aave_account, aave_market
from pipeline.venues.registry import venue_named
from streams.portfolio import load_portfolio

LENDING = "0x" + "aa" * 20
FILE = f"""\
chain:
  id: 31337
  wrapped_native: "{BASE}"
  position_manager: "{MANAGER}"
  factory: "{POOL}"
  router: "{POOL}"
  venues:
    - {{name: lending, kind: aave_v3, pool: "{LENDING}", configurator: "{LENDING[:-1]}b", oracle: "{LENDING[:-1]}c"}}
books:
  - book: hedged
    owner: "{OWNER}"
    base: WETH
    quote: USDC
    tokens:
      - {{symbol: WETH, address: "{BASE}", decimals: 18}}
      - {{symbol: USDC, address: "{QUOTE}", decimals: 6}}
    pools: ["{POOL}"]
    reference_pool: "{POOL}"
    strategy: {{name: target_band}}
    mode: watch
"""


def test_the_owners_account_is_followed_at_a_lending_market_of_the_chain() -> None:
    (book,) = load_portfolio(FILE, "p.yaml")
    items = [*venue_named(book.chain, "lending").named_items(book)]
    assert items == [aave_market(LENDING), aave_account(LENDING, OWNER)]


def test_a_book_with_an_account_where_nothing_acts_is_only_watched() -> None:
    with pytest.raises(
        SettingsError, match="the owner's account at venue lending counts, and nothing acts there"
    ):
        load_portfolio(FILE.replace("mode: watch", "mode: dry-run"), "p.yaml")


def test_a_market_without_its_oracle_is_refused() -> None:
    with pytest.raises(SettingsError, match="missing: where the oracle of venue lending stands"):
        load_portfolio(FILE.replace(f', oracle: "{LENDING[:-1]}c"', ""), "p.yaml")
