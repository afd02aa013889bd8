"""A portfolio file that names a lending market: its contracts, and books with and without a hedge there."""

from pathlib import Path

import pytest
from builders import BASE, MANAGER, OWNER, POOL, QUOTE
from msgspec.structs import replace

from pipeline.errors import SettingsError
from pipeline.messages.hedge import AutoRatio, Hedge, LawBand
from pipeline.venues.aave_v3.act.hedge import AaveHedge
from pipeline.venues.aave_v3.forms import aave_account, aave_market
from pipeline.venues.registry import venue_named
from streams.cli.portfolios import refuse_other_collateral
from streams.portfolio import load_portfolio
from streams.portfolio.hedges import notes_on_hedge
from streams.portfolio.words import differences

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


def test_a_book_beside_a_market_may_act_though_it_is_not_hedged_there() -> None:
    """The owner's account counts; what its plans move is in the wallet and in ranges."""
    (book,) = load_portfolio(FILE.replace("mode: watch", "mode: dry-run"), "p.yaml")
    assert (book.mode, not book.hedge) == ("dry-run", True)
    assert aave_account(LENDING, OWNER) in [*venue_named(book.chain, "lending").named_items(book)]


def test_a_market_without_its_oracle_is_refused() -> None:
    with pytest.raises(SettingsError, match="missing: where the oracle of venue lending stands"):
        load_portfolio(FILE.replace(f', oracle: "{LENDING[:-1]}c"', ""), "p.yaml")


# ------------------------------------------------------------------ a hedge
def hedged(hedge: str) -> str:
    return FILE.replace("mode: watch", f"mode: dry-run\n    hedge: {{venue: lending, {hedge}}}")


def test_a_book_that_is_hedged_at_the_market_may_act() -> None:
    (book,) = load_portfolio(hedged("ratio: 80%, keep: 1.5, floor: 1.15, largest_debt: 2"), "p.yaml")
    assert book.hedge == Hedge(
        venue="lending",
        ratio_bps=8_000,
        kept_base=15 * 10**17,
        floor_bps=11_500,
        largest_debt=2 * 10**18,
    )
    assert book.policy_version != load_portfolio(hedged("ratio: 80%"), "p.yaml")[0].policy_version


def test_a_ratio_and_a_band_may_be_left_to_their_laws() -> None:
    laws = "ratio: auto, horizon: 30d, alpha: 0.5%, band: {law: {risk_aversion: 2.5, step_cost: 12.5}}"
    (book,) = load_portfolio(hedged(laws), "p.yaml")
    assert book.hedge == Hedge(
        venue="lending",
        ratio_bps=0,
        auto=AutoRatio(horizon_s=30 * 86_400, alpha_bps=50),
        band=LawBand(risk_aversion_permille=2_500, step_cost=12_500_000),
    )
    assert not book.hedge.ends
    (by_number,) = load_portfolio(hedged("ratio: 65%"), "p.yaml")
    assert {
        "hedge.ratio 65% -> auto",
        "hedge.horizon unset -> 30d",
        "hedge.alpha unset -> 0.5%",
        "hedge.volatility unset -> 80%",
        "hedge.band.act 5% -> unset",
        "hedge.band.law.risk_aversion unset -> 2.5",
        "hedge.band.law.step_cost unset -> 12.5 USDC",
    } <= set(differences(by_number, book))


def test_an_automatic_ratio_without_a_price_history_is_said_to_go_by_the_files_volatility() -> None:
    (book,) = load_portfolio(hedged("ratio: auto, volatility: 95%"), "p.yaml")
    (note,) = notes_on_hedge(book)
    assert note.startswith("hedged: hedge.ratio auto always goes by hedge.volatility, 95%")
    (kept,) = load_portfolio(
        hedged("ratio: auto").replace("mode: dry-run", "mode: dry-run\n    price_history: {}"), "p.yaml"
    )
    assert not list(notes_on_hedge(kept))


@pytest.mark.parametrize(
    ("hedge", "says"),
    [
        ("ratio: automatic", "'automatic' is not a share"),
        ("ratio: auto, horizon: 1h", "hedge.horizon: must be between 1 day and 2 years"),
        ("ratio: auto, alpha: 0%", "hedge.alpha: must be above 0% and at most 50%"),
        ("ratio: auto, alpha: 51%", "hedge.alpha: must be above 0% and at most 50%"),
        ("ratio: auto, volatility: 0%", "hedge.volatility: must be between 1% and 1,000%"),
        ("ratio: 65%, alpha: 1%", "hedge.alpha: counts with `ratio: auto` only"),
        ("band: {act: 4%, law: {step_cost: 5}}", "hedge.band.act: follows from band.law: leave it out"),
        ("band: {law: {step_cost: 0}}", "hedge.band.law.step_cost"),
        ("band: {law: {step_cost: 0.0000001}}", "is less than the quote's smallest unit"),
        ("band: {law: {}}", "hedge.band.law.step_cost: missing"),
        ("band: {act: 2%, back: 2%}", "hedge.band.back: must be below band.act"),
        ("ratio: 101%", "hedge.ratio: must be 100% at most"),
        ("act: 1", "hedge.act: must be above 1"),
        ("warn: 1.1", "hedge.warn: must not be below act"),
        ("floor: 1, gap: 10%", r"hedge.act: a step may end at floor \* \(1 \+ gap\)"),
        ("ratios: 1%", "hedge.ratios: unknown field"),
        (
            "collateral: WETH",
            "hedge.collateral: WETH is what is borrowed",
        ),
        (
            "collateral: DAI",
            "hedge.collateral: DAI is none of the book's tokens",
        ),
    ],
)
def test_a_hedge_that_could_not_live_is_refused(hedge: str, says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        load_portfolio(hedged(hedge), "p.yaml")


def test_the_quote_may_be_named_as_collateral_which_says_what_is_said_without() -> None:
    (plain,) = load_portfolio(hedged("ratio: 65%"), "p.yaml")
    assert plain.collateral_token == QUOTE.lower()
    for name in ("USDC", f'"{QUOTE}"'):
        (named,) = load_portfolio(hedged(f"ratio: 65%, collateral: {name}"), "p.yaml")
        assert named == plain


DAI = "0x" + "dd" * 20
AT_PAR = "    quote_equivalents: [DAI]\n"
LIKE_BASE = "    assets: [{token: DAI, price: {par: WETH}}]\n"


def with_third(hedge: str, priced: str) -> str:
    return hedged(hedge).replace(
        "    pools:", f'      - {{symbol: DAI, address: "{DAI}", decimals: 18}}\n{priced}    pools:'
    )


@pytest.mark.parametrize("priced", [AT_PAR, LIKE_BASE])
def test_another_token_that_the_book_prices_may_be_the_collateral(priced: str) -> None:
    (plain,), (book,) = (
        load_portfolio(with_third(of, priced), "p.yaml") for of in ("ratio: 65%", "collateral: DAI")
    )
    assert book.hedge
    assert book.hedge.collateral == book.collateral_token == DAI
    assert book.policy_version != plain.policy_version
    assert "hedge.collateral 0x0000…00c0 -> 0xdddd…dddd" in set(differences(plain, book))
    (note,) = notes_on_hedge(book)
    assert note.startswith("hedged: no plan sells hedge.collateral DAI")
    assert "the USDC in the wallet" in note
    assert not list(notes_on_hedge(plain))


@pytest.mark.parametrize(
    ("hedge", "priced", "says"),
    [
        (
            "collateral: DAI",
            "",
            "hedge.collateral: DAI has no price in the book: name it in quote_equivalents",
        ),
        (
            "collateral: DAI, ratio: auto",
            LIKE_BASE,
            "hedge.ratio: auto takes the collateral's price in USDC as constant",
        ),
    ],
)
def test_a_collateral_that_cannot_be_valued_or_foreseen_is_refused(
    hedge: str, priced: str, says: str
) -> None:
    with pytest.raises(SettingsError, match=says):
        load_portfolio(with_third(hedge, priced), "p.yaml")
    load_portfolio(with_third(hedge, AT_PAR), "p.yaml")


def test_apply_names_the_line_of_a_collateral_that_a_live_hedge_cannot_change_to(tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    file.write_text(with_third("collateral: DAI", AT_PAR))
    (was,), (wanted,) = (
        load_portfolio(with_third(of, AT_PAR), "p.yaml") for of in ("ratio: 65%", "collateral: DAI")
    )
    in_force = {was.book: replace(was, mode="live")}
    refuse_other_collateral(file, (was,), in_force)
    with pytest.raises(
        SettingsError, match=r"p\.yaml:\d+:\d+: books\[0\]\.hedge\.collateral: is 0x.*c0 in what is in force"
    ):
        refuse_other_collateral(file, (wanted,), in_force)


def test_a_venue_that_takes_the_quote_alone_is_named_by_the_field(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AaveHedge, "takes_any_collateral", False)
    load_portfolio(with_third("collateral: USDC", AT_PAR), "p.yaml")
    with pytest.raises(
        SettingsError, match=r"hedge\.collateral: must be the quote: lending takes no other token"
    ):
        load_portfolio(with_third("collateral: DAI", AT_PAR), "p.yaml")


@pytest.mark.parametrize(
    ("venue", "says"),
    [("nowhere", "is not a venue of the chain"), ("uniswap_v3", "no book is hedged at a venue of this kind")],
)
def test_a_hedge_needs_a_venue_that_hedges(venue: str, says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        load_portfolio(hedged("ratio: 80%").replace("{venue: lending,", f"{{venue: {venue},"), "p.yaml")
