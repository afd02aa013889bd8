import copy
import re
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from contracts_abi import chains
from pipeline.errors import SettingsError, UnreadableError
from pipeline.messages.chain_profile import ChainProfile
from pipeline.messages.policy import Policy, TargetBand
from pipeline.messages.prices import FeedPrice, MeanPath, Par, PoolPath, PriceHistory, PriceRing, Reference
from pipeline.messages.sequencer import SequencerFeed
from pipeline.state.tables import Tables
from pipeline.units import Address, Bps, Seconds
from pipeline.venues.registry import spenders, venues
from pipeline.venues.uniswap_v3.act.drafts import MINT_GAS
from streams.chain_numbers import numbers_of
from streams.cli.example import example_portfolio
from streams.human_numbers import bps_text, short
from streams.portfolio import load_portfolio, names_in, version_of
from streams.portfolio.names import moved
from streams.portfolio.sections import LimitsSection, RerangeSection
from streams.portfolio.words import differences

WETH = "0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2"
USDC = "0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48"
POOL = "0x88e6A0c2dDD26FEEb64F039a2c41296FcB3f5640"
OWNER = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
OTHER_OWNER = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
OTHER_POOL = "0x8ad599c3A0ff1De082011EFDDc58f1908eb6e6D8"

HEAD = """\
chain:
  id: 1
books:
"""
BOOK = f"""\
  - book: eth
    owner: {OWNER}
    base: WETH
    quote: USDC
    tokens:
      - {{symbol: WETH, address: {WETH}, decimals: 18}}
      - {{symbol: USDC, address: {USDC}, decimals: 6}}
    pools: [{POOL}]
    reference_pool: {POOL}
    strategy:
      name: target_band
      target_share: 50%
      band: 10%
    mode: dry-run
"""
FILE = HEAD + BOOK


def load(text: str, devnet: ChainProfile | None = None) -> tuple[Policy, ...]:
    return load_portfolio(text, "p.yaml", devnet=devnet)


def second(book: str = "second", owner: str = OTHER_OWNER) -> str:
    return BOOK.replace("book: eth", f"book: {book}").replace(OWNER, owner)


def line_of(text: str, part: str) -> int:
    return next(i for i, line in enumerate(text.splitlines(), 1) if part in line)


# ------------------------------------------------------------------ a right file
def test_a_file_becomes_a_policy_in_the_units_of_the_pipeline():
    (policy,) = load(FILE)
    assert policy.book == "eth"
    assert policy.owner == OWNER.lower()
    assert policy.accounts == (OWNER.lower(),)
    assert (policy.base, policy.quote) == (WETH.lower(), USDC.lower())
    assert policy.pools == (POOL.lower(),)
    assert policy.publishes == (POOL.lower(),)
    assert policy.strategy == TargetBand(target_share_bps=5_000, band_bps=1_000)
    assert policy.chain.factory == "0x1f98431c8ad98523631ae4a59f267346ea31f984"
    assert policy.mode == "dry-run"


@pytest.mark.parametrize(
    ("written", "field", "read"),
    [
        ("band: 7.5%", "band_bps", 750),
        ("band: 750 bps", "band_bps", 750),
        ("band: 750bps", "band_bps", 750),
        ("band: 0.01%", "band_bps", 1),
    ],
)
def test_shares_are_read_with_their_unit(written, field, read):
    text = FILE.replace("band: 10%", f"{written}\n      hysteresis: 0%")
    assert getattr(load(text)[0].strategy, field) == read


@pytest.mark.parametrize(
    ("written", "read"), [("90s", 90), ("1h30m", 5_400), ("2d", 172_800), ("1w", 604_800), ("1h 1s", 3_601)]
)
def test_durations_are_read_with_their_units(written, read):
    (policy,) = load(FILE.replace("band: 10%", f"band: 10%\n      cooldown: {written}"))
    assert policy.strategy.cooldown_s == read


def test_an_address_without_quotes_is_no_number():
    (policy,) = load(FILE.replace(OWNER, "0x0000000000000000000000000000000000000005"))
    assert policy.owner == "0x0000000000000000000000000000000000000005"


def test_tokens_go_by_symbol_or_address():
    assert load(FILE.replace("base: WETH", f"base: {WETH}")) == load(FILE)


def test_the_mode_is_dry_run_unless_told():
    (policy,) = load(FILE.replace("    mode: dry-run\n", ""))
    assert policy.mode == "dry-run"


def test_a_chain_with_deeper_reorgs_keeps_more_blocks():
    assert load(FILE)[0].chain.final_depth_blocks == 65
    assert load(FILE.replace("id: 1", "id: 137"))[0].chain.final_depth_blocks == 200
    assert load(FILE.replace("id: 1", "id: 137\n  final_depth_blocks: 12"))[0].chain.final_depth_blocks == 12


def test_contracts_of_an_unknown_chain_are_named_in_the_file_or_known_from_the_devnet():
    named = f"id: 31337\n  factory: {WETH}\n  position_manager: {USDC}\n  wrapped_native: {POOL}"
    by_hand = load(FILE.replace("id: 1", named))[0].chain
    devnet = ChainProfile(
        chain_id=31337, factory=WETH.lower(), position_manager=USDC.lower(), wrapped_native=POOL.lower()
    )
    assert by_hand == load(FILE.replace("id: 1", "id: 31337"), devnet)[0].chain == devnet


# ------------------------------------------------------------------ publishers and versions
def test_each_pool_is_published_by_the_first_book_that_names_it():
    extra = second().replace(f"pools: [{POOL}]", f"pools: [{POOL}, {OTHER_POOL}]")
    first, other = load(FILE + extra)
    assert first.publishes == (POOL.lower(),)
    assert other.publishes == (OTHER_POOL.lower(),)


def test_a_reference_pool_is_published_too():
    (policy,) = load(FILE.replace(f"reference_pool: {POOL}", f"reference_pool: {OTHER_POOL}"))
    assert policy.publishes == (POOL.lower(), OTHER_POOL.lower())


def test_the_version_depends_on_everything_but_itself():
    (policy,) = load(FILE)
    assert len(policy.policy_version) == 64
    assert policy.policy_version == version_of(msgspec.structs.replace(policy, policy_version="other"))
    versions = {policy.policy_version}
    for change in (
        {"mode": "watch"},
        {"publishes": ()},
        {"strategy": TargetBand(band_bps=999)},
        {"chain": msgspec.structs.replace(policy.chain, max_quarantined=9)},
    ):
        versions.add(version_of(msgspec.structs.replace(policy, **change)))
    assert len(versions) == 5


def test_the_version_does_not_depend_on_how_the_file_is_written():
    written_otherwise = FILE.replace(OWNER, f'"{OWNER.lower()}"  # a comment').replace(
        "band: 10%", "band: 1000 bps"
    )
    assert load(written_otherwise) == load(FILE)


# ------------------------------------------------------------------ wrong files: each says where and what
WRONG = [
    # (replace, by, part of the line that is named, field, what it says)
    ("owner:", "ownr:", "ownr:", "books[0].ownr", "unknown field; did you mean owner?"),
    ("    owner: " + OWNER + "\n", "", "- book: eth", "books[0].owner", "missing: the account that holds"),
    (
        "    reference_pool: " + POOL + "\n",
        "",
        "- book: eth",
        "books[0].reference_pool",
        "missing: the pool of base",
    ),
    (
        "band: 10%",
        "band: 110%",
        "band: 110%",
        "books[0].strategy.band",
        "110% is not above 0% and up to 100%",
    ),
    ("band: 10%", "band: 0%", "band: 0%", "books[0].strategy.band", "0% is not above"),
    ("band: 10%", "band: 60%", "band: 60%", "books[0].strategy.band", "nothing would ever be proposed"),
    (
        "band: 10%",
        "band: 10",
        "band: 10",
        "books[0].strategy.band",
        "write it with its unit, as 5% or 500 bps",
    ),
    ("band: 10%", "band: 0.001%", "band:", "books[0].strategy.band", "finer than a basis point"),
    ("band: 10%", "band: -1%", "band:", "books[0].strategy.band", "-1% is not above 0%"),
    (
        "target_share: 50%",
        "target_share: 101%",
        "101%",
        "books[0].strategy.target_share",
        "not between 0% and 100%",
    ),
    ("band: 10%", "band: 1%", "strategy:", "books[0].strategy.hysteresis", "2% is not below the band of 1%"),
    (
        "band: 10%",
        "cooldown: 0s",
        "cooldown",
        "books[0].strategy.cooldown",
        "at every block; only mode: watch",
    ),
    ("band: 10%", "cooldown: 60", "cooldown", "books[0].strategy.cooldown", "write it with its unit, as 90s"),
    ("band: 10%", "cooldown: 400d", "cooldown", "books[0].strategy.cooldown", "longer than a year"),
    ("band: 10%", "bnd: 10%", "bnd", "books[0].strategy.bnd", "did you mean band?"),
    ("target_band", "target_bnd", "target_bnd", "books[0].strategy.name", "must be 'target_band'"),
    ("quote: USDC", "quote: USDT", "USDT", "books[0].quote", "none of the book's tokens; did you mean USDC?"),
    ("quote: USDC", "quote: WETH", "quote: WETH", "books[0].quote", "must be another token than base"),
    ("base: WETH", "base:", "base:", "books[0].base", "must be a word"),
    ("decimals: 6", "decimals: six", "six", "books[0].tokens[1].decimals", "must be a whole number"),
    ("decimals: 6", "decimals: 60", "60", "books[0].tokens[1].decimals", "must be at most 36"),
    (
        "symbol: USDC",
        "symbol: WETH",
        "symbol: WETH, address: 0xA0",
        "books[0].tokens[1].symbol",
        "named twice",
    ),
    (f"pools: [{POOL}]", f"pools: [{POOL}, {POOL}]", "pools: [", "books[0].pools[1]", "named twice"),
    (f"pools: [{POOL}]", "pools: []", "pools: []", "books[0].pools", "must name at least 1"),
    (f"pools: [{POOL}]", f"pools: {POOL}", "    pools:", "books[0].pools", "must be a list"),
    (
        f"pools: [{POOL}]",
        f"pools: [{WETH}]",
        "    pools:",
        "books[0].pools[0]",
        "is the book's token WETH, not a pool",
    ),
    (OWNER, OWNER[:-1], "owner:", "books[0].owner", "is not an address: it must be 0x and 40 hex digits"),
    (OWNER, OWNER.replace("aad88", "aaD88"), "owner:", "books[0].owner", "has a wrong checksum"),
    (OWNER, "0x" + "0" * 40, "owner:", "books[0].owner", "is the zero address"),
    (
        "mode: dry-run",
        "mode: live",
        "mode: live",
        "books[0].mode",
        "live only where chain.live_on says 1 once more",
    ),
    ("mode: dry-run", "mode: paper", "mode: paper", "books[0].mode", "must be 'watch', 'dry-run' or 'live'"),
    ("book: eth", "book: Eth Book", "book: Eth", "books[0].book", "must be of a-z, 0-9, _ and -"),
    ("id: 1", "id: 5", "chain:", "chain.factory", "missing: no deployment is known for chain 5"),
    ("id: 1", "id: one", "id: one", "chain.id", "must be a whole number"),
    ("id: 1", "id: 1\n  id: 2", "id: 2", "chain.id", "given twice"),
    ("mode: dry-run", "mode: dry-run\n   signer", "", "", "no YAML"),
]


@pytest.mark.parametrize(("part", "by", "line", "field", "says"), WRONG)
def test_a_wrong_file_is_refused_with_file_line_and_field(part, by, line, field, says):
    text = FILE.replace(part, by, 1)
    assert text != FILE
    with pytest.raises(SettingsError) as caught:
        load(text)
    message = str(caught.value)
    assert says in message
    if field:
        said = next(one for one in message.splitlines() if says in one)
        assert said.startswith(f"p.yaml:{line_of(text, line)}:"), said
        assert f": {field}: " in said


# ------------------------------------------------------------------ a book of more than two assets
WBTC = "0x2260FAC5E5542a773Aa44fBCfeDf7C193bc2C599"
WBTC_POOL = "0xCBCdF9626bC03E24f779434178A73a0B4bad62eD"
THREE = FILE.replace(
    "    pools:",
    f"""\
    assets:
      - token: WBTC
        target_share: 20%
        price_path: [{WBTC_POOL}, {POOL}]
    pools:""",
).replace("decimals: 6}\n", f"decimals: 6}}\n      - {{symbol: WBTC, address: {WBTC}, decimals: 8}}\n")


def test_an_asset_has_a_price_path_and_a_target_and_its_pools_are_followed():
    (book,) = load(THREE)
    (asset,) = book.known_assets()
    assert (asset.token, asset.target_share_bps) == (WBTC.lower(), 2_000)
    assert asset.price_path == (WBTC_POOL.lower(), POOL.lower())
    assert book.all_pools() == (POOL.lower(), WBTC_POOL.lower()) == book.publishes


def test_a_book_without_assets_has_the_version_that_it_had():
    (book,) = load(FILE)
    assert book.assets is msgspec.UNSET
    assert load(FILE.replace("    pools:", "    assets: []\n    pools:"))[0] == book


WRONG_ASSETS = [
    (
        "token: WBTC",
        "token: WBTX",
        "assets[0].token",
        "WBTX is none of the book's tokens; did you mean WBTC?",
    ),
    ("token: WBTC", "token: WETH", "assets[0].token", "WETH is base already"),
    ("token: WBTC", "token: USDC", "assets[0].token", "USDC is quote already"),
    (f"[{WBTC_POOL}, {POOL}]", "[]", "assets[0].price_path", "must name at least 1"),
    (f"[{WBTC_POOL}, {POOL}]", f"[{POOL}, {POOL}]", "assets[0].price_path", "names a pool twice"),
    (f"[{WBTC_POOL},", f"[{WBTC},", "assets[0].price_path[0]", "is the book's token WBTC, not a pool"),
    ("target_share: 20%", "target_share: 60%", "assets[0].target_share", "all targets together are 110%"),
    ("target_share: 20%", "target_share: 120%", "assets[0].target_share", "120% is not between 0% and 100%"),
    (
        "    pools:",
        f"      - {{token: WBTC, price_path: [{WBTC_POOL}]}}\n    pools:",
        "assets[1].token",
        "WBTC is an asset already",
    ),
]


@pytest.mark.parametrize(("part", "by", "field", "says"), WRONG_ASSETS)
def test_a_wrong_asset_is_refused_with_its_field(part, by, field, says):
    text = THREE.replace(part, by, 1)
    assert text != THREE
    with pytest.raises(SettingsError) as caught:
        load(text)
    assert any(f": books[0].{field}: " in line and says in line for line in str(caught.value).splitlines())


def test_a_changed_asset_is_told():
    (before,), (after,) = load(THREE), load(THREE.replace("20%", "25%"))
    (said,) = differences(before, after)
    assert said.startswith("assets ")
    assert " 20% " in said.partition(" -> ")[0]
    assert " 25% " in said.partition(" -> ")[2]


# ------------------------------------------------------------------ prices by their source
def referring(reference: str) -> str:
    return FILE.replace("    pools:", f"    references: [{reference}]\n    pools:")


def test_a_reference_is_a_price_of_the_base_and_its_pools_are_followed():
    (book,) = load(referring(f"{{mean: ['{POOL}'], window: 30m}}, {{pools: ['{OTHER_POOL}'], within: 2%}}"))
    mean = MeanPath(pools=(Address(POOL.lower()),), window_s=Seconds(1_800))
    spot = PoolPath(pools=(Address(OTHER_POOL.lower()),))
    assert book.references == (Reference(price=mean), Reference(price=spot, within_bps=Bps(200)))
    assert book.all_pools() == (POOL.lower(), OTHER_POOL.lower()) == book.publishes
    assert book.price_rings() == (PriceRing(Address(POOL.lower()), Seconds(180), 24),)


def test_a_book_without_references_has_the_version_that_it_had():
    (book,) = load(FILE)
    assert book.references is msgspec.UNSET
    assert load(FILE.replace("    pools:", "    references: []\n    pools:"))[0] == book
    (said,) = differences(book, load(referring("{par: USDC, within: 3%}"))[0])
    assert said == f"references unset -> par with {short(USDC.lower())} within 3%"


def test_an_asset_may_be_valued_at_par_and_have_references():
    path = f"price_path: [{WBTC_POOL}, {POOL}]"
    named = f"price: {{par: WETH}}\n        references: [{{mean: [{WBTC_POOL}, {POOL}], window: 1h}}]"
    (asset,) = load(THREE.replace(path, named))[0].known_assets()
    assert asset.spot == Par(unit=Address(WETH.lower()))
    assert [type(each.price) for each in asset.references] == [MeanPath]


def test_a_feed_counts_in_the_quote_unless_it_says_otherwise():
    (book,) = load(referring(f"{{feed: '{OTHER_OWNER}', max_age: 66m, within: 2%}}"))
    feed = FeedPrice(feed=Address(OTHER_OWNER.lower()), unit=Address(USDC.lower()), max_age_s=Seconds(3_960))
    assert book.references == (Reference(price=feed, within_bps=Bps(200)),)
    assert book.feeds() == (feed,)
    named = f"price: {{feed: '{OTHER_OWNER}', max_age: 1d, counts_in: WETH}}"
    (asset,) = load(THREE.replace(f"price_path: [{WBTC_POOL}, {POOL}]", named))[0].known_assets()
    assert asset.spot == replace(feed, unit=Address(WETH.lower()), max_age_s=Seconds(86_400))


def test_a_feed_of_the_chains_file_is_relied_on_for_its_heartbeat_and_a_tenth():
    known = chains.known_chains()[1].feeds
    assert known is not None
    feed = known.pairs["ETH / USD"]
    (book,) = load(referring(f"{{feed: '{feed.address}'}}"))
    (said,) = book.feeds()
    assert (said.feed, said.max_age_s) == (feed.address, 3_960) == (feed.address, feed.max_age_s)
    (book,) = load(referring(f"{{feed: '{feed.address}', max_age: 2h}}"))
    assert book.feeds()[0].max_age_s == 7_200
    elsewhere = referring(f"{{feed: '{feed.address}'}}").replace("id: 1\n", "id: 10\n", 1)
    with pytest.raises(SettingsError, match=r"references\[0\]\.max_age: missing"):
        load(elsewhere)


WRONG_PRICES = [
    (f"{{feed: '{OWNER}'}}", "references[0].max_age", "missing: how old the feed's answer may be"),
    (f"{{feed: '{OWNER}', max_age: 8d}}", "references[0].max_age", "8d is not above 0s and up to 7d"),
    (
        f"{{feed: '{OWNER}', max_age: 1h, counts_in: WETH}}",
        "references[0].counts_in",
        "WETH is not the quote",
    ),
    ("{par: USDC, max_age: 1h}", "references[0].max_age", "is of a feed only"),
    ("{}", "references[0]", "must have one of pools, mean, par, feed"),
    (
        f"{{par: USDC, pools: ['{POOL}']}}",
        "references[0]",
        "must have one of pools, mean, par, feed, not pools and par",
    ),
    ("{par: WETH}", "references[0].par", "WETH is not the quote"),
    (f"{{mean: ['{POOL}']}}", "references[0].window", "missing: over which time the mean is taken"),
    (f"{{mean: ['{POOL}'], window: 5s}}", "references[0].window", "5s is not within 24s to 30d"),
    (f"{{pools: ['{POOL}'], window: 5m}}", "references[0].window", "is of a mean only"),
    (f"{{pools: ['{POOL}', '{POOL}']}}", "references[0].pools", "names a pool twice"),
    (f"{{pools: ['{USDC}']}}", "references[0].pools[0]", "is the book's token USDC, not a pool"),
    ("{par: USDC, within: 0%}", "references[0].within", "0% is not above 0% and up to 20%"),
    ("{par: USDC, within: 30%}", "references[0].within", "30% is not above 0%"),
    ("{pools: []}", "references[0].pools", "must name at least 1"),
]


@pytest.mark.parametrize(("reference", "field", "says"), WRONG_PRICES)
def test_a_wrong_reference_is_refused_with_its_field(reference, field, says):
    with pytest.raises(SettingsError) as caught:
        load(referring(reference))
    assert any(f": books[0].{field}: " in line and says in line for line in str(caught.value).splitlines())


@pytest.mark.parametrize(
    ("by", "field", "says"),
    [
        (f"price: {{mean: ['{POOL}'], window: 1h}}", "price.mean", "a mean is not a price of now"),
        ("references: []", "price_path", "one of price_path and price must value it"),
        ("price: {par: WBTC}", "price.par", "WBTC is not the quote or the base"),
    ],
)
def test_an_asset_is_valued_by_one_price_of_now(by, field, says):
    with pytest.raises(SettingsError) as caught:
        load(THREE.replace(f"price_path: [{WBTC_POOL}, {POOL}]", by))
    lines = str(caught.value).splitlines()
    assert any(f": books[0].assets[0].{field}: " in line and says in line for line in lines)


# ------------------------------------------------------------------ past prices of a book's pools
def kept(history: str) -> str:
    return FILE.replace("    pools:", f"    price_history: {history}\n    pools:")


def test_a_price_history_is_a_ring_per_pool():
    (book,) = load(kept("{every: 1m, span: 1d}"))
    assert book.price_rings() == (PriceRing(Address(POOL.lower()), Seconds(60), 1_440),)
    (book,) = load(kept("{}"))
    assert book.price_history == PriceHistory(every_s=300, slots=4_032)


def test_a_book_without_a_price_history_has_the_version_that_it_had():
    (book,) = load(FILE)
    assert book.price_history is msgspec.UNSET
    assert book.price_rings() == ()
    (said,) = differences(book, load(kept("{}"))[0])
    assert said == "price_history unset -> 4032 prices, one every 5m"


@pytest.mark.parametrize(
    ("history", "field", "says"),
    [
        ("{every: 0s}", "every", "0s is not an interval"),
        ("{every: 5m, span: 1h}", "span", "1h are 12 intervals of 5m; 24 to 10000 can be kept"),
        ("{every: 1s, span: 1d}", "span", "1d are 86400 intervals of 1s; 24 to 10000 can be kept"),
        ("{every: 5}", "every", "is not a duration"),
        ("{of: 5m}", "of", "unknown field; known: every, span"),
    ],
)
def test_a_wrong_price_history_is_refused_with_its_field(history, field, says):
    with pytest.raises(SettingsError) as caught:
        load(kept(history))
    assert f": books[0].price_history.{field}: " in str(caught.value)
    assert says in str(caught.value)


def test_a_place_has_its_column():
    with pytest.raises(SettingsError, match=r"^p\.yaml:16:13: books\[0\]\.strategy\.band: "):
        load(FILE.replace("band: 10%", "band: 110%"))


def test_every_problem_is_said_at_once_in_the_order_of_the_file():
    text = FILE.replace("decimals: 6", "decimals: x").replace("10%", "ten").replace("id: 1", "id: 0")
    with pytest.raises(SettingsError) as caught:
        load(text)
    places = [int(line.split(":")[1]) for line in str(caught.value).splitlines()]
    assert places == sorted(places)
    assert len(places) == 3


@pytest.mark.parametrize(
    ("more", "field"),
    [
        (second(owner=OWNER), "books[1].owner"),
        (second() + f"    accounts: [{OWNER}]\n", "books[1].accounts[0]"),
    ],
)
def test_an_account_belongs_to_one_book(more, field):
    with pytest.raises(SettingsError) as caught:
        load(FILE + more)
    assert f"{field}: {OWNER.lower()} is in book eth already" in str(caught.value)


def test_two_books_of_one_name_are_refused():
    with pytest.raises(SettingsError, match=r"p\.yaml:18:11: books\[1\]\.book: eth is named twice"):
        load(FILE + second("eth"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "chain: missing: the chain of the books"),
        ("- 1\n- 2\n", "must hold fields"),
        ("just words", "must hold fields"),
        ("chain: [\n", "no YAML"),
        ("books: &b [*b]\n", "contains itself"),
        ("a: b\n---\nc: d\n", "no YAML"),
        ("? [x]\n: y\n", "a field's name must be a word"),
        ("chain:\n  id: \x07\n", "p.yaml:2:7: no YAML: a character that no text may hold (U+0007)"),
        ("\n" + "[" * 400, "p.yaml:2:52: no YAML: more than 50 levels of values inside each other"),
    ],
)
def test_what_is_no_portfolio_is_refused(text, says):
    with pytest.raises(SettingsError, match=r"^p\.yaml") as caught:
        load(text)
    assert says in str(caught.value)


def test_a_few_lines_of_aliases_do_not_become_billions_of_values():
    lines = ["v0: &v0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"v{at}: &v{at} [{', '.join([f'*v{at - 1}'] * 9)}]" for at in range(1, 10)]
    with pytest.raises(SettingsError, match=r"^p\.yaml:1: aliases repeat more than 200,000 values$"):
        load("\n".join(lines))


def test_books_may_share_what_an_alias_names():
    shared = FILE.replace("strategy:", "strategy: &strategy", 1)
    head, _, tail = second("eth2").partition("    strategy:")
    rest = tail.split("\n    mode:")[-1]
    text = f"{shared}{head}    strategy: *strategy\n    mode:{rest}"
    assert text.count("*strategy") == 1
    first, other = load(text)
    assert other.strategy == first.strategy


def test_a_private_key_where_an_address_belongs_is_not_repeated():
    key = "0x" + "5a" * 32
    with pytest.raises(SettingsError) as caught:
        load(FILE.replace(OWNER, key))
    assert "5a5a5a5a" not in str(caught.value)


def test_watching_needs_no_cooldown():
    text = FILE.replace("band: 10%", "cooldown: 0s").replace("mode: dry-run", "mode: watch")
    assert load(text)[0].strategy.cooldown_s == 0


# ------------------------------------------------------------------ the example
def test_the_example_is_right_as_it_is_written():
    (policy,) = load(example_portfolio(None))
    assert policy.chain.chain_id == 1
    assert policy.pools == (POOL.lower(),)
    assert policy.strategy == TargetBand()


def test_what_the_example_shows_of_limits_and_actions_are_the_defaults_in_their_units():
    """Uncommented it says the same, and of what follows from the pool's fee what its own 0.05% makes of it."""
    text = example_portfolio(None)
    shown = re.sub(r"^    # (limits:|rerange:|signer:|  \w+: )", r"    \1", text, flags=re.MULTILINE)
    (plain,), (told,) = load(text), load(shown)
    assert told.limits == msgspec.structs.replace(
        plain.limits, max_slippage_bps=15, max_spot_from_twap_log_bps=50
    )
    assert (plain.limits.slippage_bps(500), plain.limits.spot_log_bps(500)) == (15, 50)
    assert plain.limits.max_notional_quote == 100_000 * 10**6
    assert plain.limits.max_daily_notional_quote == 500_000 * 10**6
    assert (told.action, told.signer) == (plain.action, plain.owner)
    for section in (LimitsSection, RerangeSection):
        for field in section.model_fields:
            assert f"{field}:" in text, field


# ------------------------------------------------------------------ limits
BOUNDED = "limits: {max_notional: 1000, max_daily_notional: 5000}"
UNBOUNDED = FILE.replace("id: 1\n", "id: 1\n  live_on: 1\n").replace("mode: dry-run", "mode: live")
LIVE = UNBOUNDED.replace("    mode: live", f"    {BOUNDED}\n    mode: live")
ABSURD = [
    # (what the book says, its field, what is wrong with it)
    ("limits: {max_slippage: 0%}", "limits.max_slippage", "0% is not above 0% and up to 5%"),
    ("limits: {max_slippage: 6%}", "limits.max_slippage", "6% is not above 0% and up to 5%"),
    ("limits: {swap_tolerance: 0%}", "limits.swap_tolerance", "0% is not above 0% and up to 1%"),
    ("limits: {swap_tolerance: 2%}", "limits.swap_tolerance", "2% is not above 0% and up to 1%"),
    (
        "limits: {signer: {swap_tolerance: 0%}}",
        "limits.signer.swap_tolerance",
        "0% is not above 0% and up to 1%",
    ),
    ("limits: {max_daily_cost: 0%}", "limits.max_daily_cost", "0% is not above 0% and up to 10%"),
    ("limits: {max_daily_cost: 11%}", "limits.max_daily_cost", "11% is not above 0% and up to 10%"),
    ("limits: {max_daily_gas: 2%}", "limits.max_daily_gas", "2% is more than max_daily_cost, 1%"),
    ("limits: {max_actions_per_day: 0}", "limits.max_actions_per_day", "at least 1"),
    ("limits: {max_cost: 0%}", "limits.max_cost", "0% is not above 0% and up to 10%"),
    ("limits: {max_cost: 101%}", "limits.max_cost", "101% is not above 0% and up to 10%"),
    ("limits: {twap_window: 0s}", "limits.twap_window", "shorter than 24 s, it can be bought"),
    ("limits: {twap_window: 2d}", "limits.twap_window", "2d is longer than a day"),
    ("limits: {max_spot_from_twap: 0%}", "limits.max_spot_from_twap", "must be at least 0.01%"),
    ("limits: {max_spot_from_twap: 99.99%}", "limits.max_spot_from_twap", "must be at most 20%"),
    ("limits: {deadline: 0s}", "limits.deadline", "0s is less than 2 blocks of 12 s"),
    ("limits: {deadline: 23s}", "limits.deadline", "23s is less than 2 blocks of 12 s"),
    ("limits: {deadline: 10d}", "limits.deadline", "longer than a day"),
    ("limits: {max_age_blocks: 0}", "limits.max_age_blocks", "at least 1"),
    ("limits: {max_age_blocks: 5000}", "limits.max_age_blocks", "at most 100"),
    ("limits: {max_actions_per_day: 0}", "limits.max_actions_per_day", "at least 1"),
    ("limits: {max_fee_gwei: 0}", "limits.max_fee_gwei", "at least 1"),
    ("limits: {max_notional: 0}", "limits.max_notional", "greater than 0"),
    ("limits: {max_notional: 0.00001}", "limits.max_notional", "is dust: nothing would ever move"),
    ("limits: {max_daily_notional: 0.00001}", "limits.max_daily_notional", "is dust"),
    (
        "limits: {max_notional: 500, max_daily_notional: 499}",
        "limits.max_daily_notional",
        "499 a day is less than max_notional, 500",
    ),
    (
        "limits: {signer: {max_gas_limit: 999}}",
        "limits.signer.max_gas_limit",
        f"999 is less than the {MINT_GAS} of a mint: no plan would ever come to its end",
    ),
    ("rerange: {half_width: 0.004%}", "rerange.half_width", "must be at least 0.01%"),
    ("rerange: {half_width: 600}", "rerange.half_width", "write it with its unit, as 6% or 50 bps"),
    ("rerange: {stall_after: 0s}", "rerange.stall_after", "0s is less than 2 blocks of 12 s"),
    ("rerange: {stall_after: 40d}", "rerange.stall_after", "longer than a day"),
    ("rerange: {reserve_base: -1}", "rerange.reserve_base", "at least 0"),
    ("rerange: {on_stall: panic}", "rerange.on_stall", "must be 'wait', 'mint_as_is' or 'hold_and_alert'"),
]


@pytest.mark.parametrize("file", [FILE, LIVE], ids=["dry-run", "live"])
@pytest.mark.parametrize(("says", "field", "wrong"), ABSURD)
def test_an_absurd_limit_is_refused_with_line_and_field(file, says, field, wrong):
    if says.startswith("limits: {"):  # beside what a live book must name anyway
        inner = says.removeprefix("limits: {").removesuffix("}")
        usual = ("max_notional: 1000", "max_daily_notional: 5000")
        missing = [each for each in usual if each.partition(":")[0] not in re.findall(r"\w+", inner)]
        says = f"limits: {{{', '.join([inner, *missing])}}}"
    text = file.replace(f"    {BOUNDED}\n", "") if says.startswith("limits: {") else file
    text = text.replace("    mode:", f"    {says}\n    mode:")
    with pytest.raises(SettingsError) as caught:
        load(text)
    (line,) = str(caught.value).splitlines()
    assert line.startswith(f"p.yaml:{line_of(text, says)}:")
    assert f": books[0].{field}: " in line
    assert wrong in line


def test_a_gas_limit_that_lets_a_mint_pass_is_allowed_and_posting_data_counts():
    def stated(gas: int, chain_id: int = 1) -> Policy:
        says = f"limits: {{signer: {{max_gas_limit: {gas}}}}}\n    mode: dry-run"
        return load(FILE.replace("id: 1", f"id: {chain_id}").replace("mode: dry-run", says))[0]

    assert stated(MINT_GAS).limits.signer.max_gas_limit == MINT_GAS
    least = MINT_GAS + numbers_of(42161).data_gas
    assert least > MINT_GAS
    assert stated(least, 42161).limits.signer.max_gas_limit == least
    with pytest.raises(SettingsError, match=f"less than the {least} of a mint"):
        stated(least - 1, 42161)


def test_a_book_that_only_watches_may_say_what_it_likes():
    text = FILE.replace("    mode: dry-run", "    limits: {deadline: 0s, max_slippage: 0%}\n    mode: watch")
    assert load(text)[0].mode == "watch"


def test_blocks_are_shorter_elsewhere():
    text = FILE.replace("id: 1", "id: 137").replace("    mode:", "    limits: {deadline: 4s}\n    mode:")
    assert load(text)[0].limits.deadline_s == 4


# ------------------------------------------------------------------ who signs for whom
@pytest.mark.parametrize("mode", ["live", "dry-run", "watch"])
def test_a_book_whose_owner_does_not_sign_may_not_be_live(mode):
    text = LIVE.replace("mode: live", f"signer: {OTHER_OWNER}\n    mode: {mode}")
    if mode != "live":
        assert load(text)[0].signer == OTHER_OWNER.lower()
        return
    with pytest.raises(SettingsError) as caught:
        load(text)
    (line,) = str(caught.value).splitlines()
    assert line.startswith(f"p.yaml:{line_of(text, 'signer')}:")
    assert f"books[0].signer: {OTHER_OWNER.lower()} is not the owner" in line
    assert "Safe" in line


def test_an_owner_who_signs_may_be_named_once_more():
    (policy,) = load(LIVE.replace("mode: live", f"signer: {OWNER}\n    mode: live"))
    assert (policy.signer, policy.mode) == (OWNER.lower(), "live")


# ------------------------------------------------------------------ what acting needs
def test_a_live_book_needs_a_router():
    named = f"id: 31337\n  live_on: 31337\n  factory: {OTHER_POOL}\n  position_manager: {OTHER_OWNER}\n  wrapped_native: {WETH}"
    text = LIVE.replace("id: 1\n  live_on: 1", named)
    with pytest.raises(
        SettingsError, match=r"chain\.router: missing: book eth is live, and swaps go through it"
    ):
        load(text)
    assert load(text.replace("mode: live", "mode: dry-run"))
    assert load(text.replace(named, f"{named}\n  router: {OTHER_OWNER}"))


def test_a_live_book_has_the_wrapped_native_token():
    text = LIVE.replace("id: 1\n", f"id: 1\n  wrapped_native: {OTHER_POOL}\n")
    with pytest.raises(SettingsError) as caught:
        load(text)
    (line,) = str(caught.value).splitlines()
    assert line.startswith(f"p.yaml:{line_of(text, 'mode:')}:")
    assert "books[0].mode: live only where base or quote is the wrapped native token" in line
    assert load(text.replace("mode: live", "mode: dry-run"))


# ------------------------------------------------------------------ real money
@pytest.mark.parametrize(
    ("field", "others"),
    [("max_notional", "max_daily_notional: 5000"), ("max_daily_notional", "max_notional: 1000")],
)
def test_a_live_book_must_say_what_it_may_move(field, others):
    text = LIVE.replace(BOUNDED, f"limits: {{{others}}}")
    with pytest.raises(SettingsError) as caught:
        load(text)
    (line,) = str(caught.value).splitlines()
    assert line.startswith(f"p.yaml:{line_of(text, 'limits')}:")
    assert f"books[0].limits.{field}: missing: mode live needs it" in line
    assert load(text.replace("mode: live", "mode: dry-run"))


def test_what_is_not_named_is_meant_for_real_money():
    (policy,) = load(LIVE)
    limits = policy.limits
    assert (limits.max_actions_per_day, limits.max_daily_cost_bps, limits.max_daily_gas_bps) == (6, 100, 50)
    by_fee = {
        fee: (limits.slippage_bps(fee), limits.spot_log_bps(fee)) for fee in (100, 500, 3_000, 10_000, 7)
    }
    assert by_fee == {100: (5, 20), 500: (15, 50), 3_000: (50, 100), 10_000: (100, 200), 7: (100, 200)}
    named = LIVE.replace("{max_notional", "{max_slippage: 0.3%, max_spot_from_twap: 0.7%, max_notional")
    assert (load(named)[0].limits.slippage_bps(500), load(named)[0].limits.spot_log_bps(500)) == (30, 70)


@pytest.mark.parametrize("chain_id", [1, 10, 56, 137, 8453, 42_161])
def test_what_differs_from_chain_to_chain_is_the_chains(chain_id):
    (policy,) = load(FILE.replace("id: 1\n", f"id: {chain_id}\n"))
    chain = numbers_of(chain_id)
    assert policy.chain.final_depth_blocks == chain.final_depth_blocks
    assert policy.limits.max_age_blocks == chain.intent_age_blocks
    assert (policy.chain.data_fee_wei, policy.chain.data_gas) == (chain.data_fee_wei, chain.data_gas)
    assert (chain.data_fee == "fee") == (chain.data_fee_wei > 0)
    assert (chain.data_fee == "gas") == (chain.data_gas > 0)


def test_a_chain_may_be_described_by_a_file_of_ones_own(tmp_path):
    """Its numbers and contracts are those of the file, but for what the portfolio names itself."""
    text = (Path(chains.__file__).parent / "arbitrum.toml").read_text()
    file = tmp_path / "mine.toml"
    file.write_text(text.replace("final_depth = 240", "final_depth = 77").replace("= 42161", "= 5"))
    written = FILE.replace("id: 1\n", f"id: 5\n  profile: {file}\n")
    (policy,) = load(written)
    usual = numbers_of(42_161)
    assert policy.chain.final_depth_blocks == 77
    assert policy.chain.wrapped_native == chains.known_chains()[42_161].contracts.wrapped_native
    assert (policy.chain.data_gas, policy.limits.max_age_blocks) == (usual.data_gas, usual.intent_age_blocks)
    (named,) = load(
        written.replace("profile:", f"factory: {OTHER_POOL}\n  final_depth_blocks: 9\n  profile:")
    )
    assert (named.chain.factory, named.chain.final_depth_blocks) == (OTHER_POOL.lower(), 9)
    with pytest.raises(SettingsError, match=r"chain\.profile: .*mine\.toml is of chain 5, not of chain 6"):
        load(written.replace("id: 5", "id: 6"))
    with pytest.raises(
        SettingsError, match=r"p\.yaml:3:12: chain\.profile: cannot read none\.toml: No such file"
    ):
        load(written.replace(str(file), "none.toml"))


@pytest.mark.parametrize("chain_id", [1, 10, 56, 137, 8453, 42_161])
def test_a_book_goes_by_its_chains_uptime_feed_unless_the_file_names_another(chain_id):
    text = FILE.replace("id: 1\n", f"id: {chain_id}\n")
    (usual,) = load(text)
    known = chains.known_chains()[chain_id].sequencer
    if known is None:
        assert usual.chain.sequencer is msgspec.UNSET
        assert "sequencer" not in msgspec.to_builtins(usual)["chain"], "its version is what it was"
    else:
        assert usual.chain.sequencer == SequencerFeed(feed=known.uptime_feed, grace_s=3_600)
    (named,) = load(text.replace("\nbooks:", f'\n  sequencer: {{uptime_feed: "{OTHER_POOL}"}}\nbooks:'))
    assert named.chain.sequencer == SequencerFeed(feed=OTHER_POOL.lower(), grace_s=3_600)
    assert OTHER_POOL.lower() in named.all_addresses()
    (said,) = [each for each in differences(usual, named) if each.startswith("chain.sequencer")]
    assert said.endswith("grace 1h")


def test_a_grace_period_may_be_named_alone_where_a_feed_is_known():
    text = FILE.replace("id: 1\n", "id: 8453\n  sequencer: {grace: 90m}\n")
    assert load(text)[0].chain.sequencer.grace_s == 5_400
    for chain_id, grace, says in (
        (1, "90m", "chain.sequencer.grace: no uptime feed is known for chain 1"),
        (8453, "0s", "chain.sequencer.grace: "),
        (8453, "25h", "chain.sequencer.grace: "),
    ):
        with pytest.raises(SettingsError, match=re.escape(says)):
            load(text.replace("8453", str(chain_id)).replace("90m", grace))


@pytest.mark.parametrize("mode", ["dry-run", "live"])
def test_a_live_on_of_another_chain_is_named_once_whatever_the_mode(mode):
    text = FILE.replace("id: 1\n", "id: 1\n  live_on: 137\n").replace("mode: dry-run", f"mode: {mode}")
    with pytest.raises(SettingsError) as refused:
        load_portfolio(text, "p.yaml")
    named = [line for line in str(refused.value).splitlines() if "live" in line and "max_" not in line]
    assert named == ["p.yaml:3:12: chain.live_on: 137 is not chain.id, 1: no book of this file could be live"]


def test_a_difference_is_in_the_files_own_words():
    (before,) = load_portfolio(FILE, "p.yaml")[:1]
    after = msgspec.structs.replace(
        before,
        mode="watch",
        strategy=msgspec.structs.replace(before.strategy, band_bps=1_250, cooldown_s=5_400),
        limits=msgspec.structs.replace(
            before.limits,
            max_notional_quote=2_500_000_000,
            max_slippage_bps=25,
            max_fee_per_gas_wei=35 * 10**9,
        ),
    )
    assert list(differences(before, before)) == []
    said = list(differences(before, after))
    assert "mode dry-run -> watch" in said
    assert f"strategy.band {bps_text(before.strategy.band_bps)} -> 12.5%" in said
    assert any(line.startswith("strategy.cooldown ") and line.endswith(" -> 1h30m") for line in said)
    assert any(line.startswith("limits.max_notional ") and line.endswith(" -> 2500 USDC") for line in said)
    assert any(line.startswith("limits.max_slippage ") and line.endswith(" -> 0.25%") for line in said)
    assert any(line.startswith("limits.max_fee_gwei ") and line.endswith(" -> 35") for line in said)


def _leaves(value, path=()):
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _leaves(item, (*path, name))
    elif path != ("policy_version",) and path[-1] not in {"book", "type", "names"}:
        yield path


def _changed(value):
    match value:
        case None:
            return "0x" + "5" * 40
        case bool() | str():
            return "0x" + "6" * 40
        case int():
            return value + 7
    return [*value, *value] or ["0x" + "7" * 40]


_WHOLE = msgspec.to_builtins(load_portfolio(FILE, "p.yaml")[0])


@pytest.mark.parametrize("path", list(_leaves(_WHOLE)), ids=".".join)
def test_no_change_of_a_policy_is_left_unsaid(path):
    before = msgspec.convert(_WHOLE, Policy)
    changed = copy.deepcopy(_WHOLE)
    place = changed
    for name in path[:-1]:
        place = place[name]
    enums = {"mode": "live", "on_stall": "wait", "large_swaps": "refuse"}
    numbers = {
        "max_slippage_bps",
        "max_spot_from_twap_log_bps",
        "max_notional_quote",
        "max_daily_notional_quote",
    }
    place[path[-1]] = enums.get(path[-1]) or (7 if path[-1] in numbers else _changed(place[path[-1]]))
    assert list(differences(before, msgspec.convert(changed, Policy)))


# ------------------------------------------------------------------ names in place of addresses
NAMED = FILE.replace(f"owner: {OWNER}", "owner: treasury.eth").replace(f"[{POOL}]", "[pool.example.eth]")
KNOWN = {"treasury.eth": OWNER.lower(), "pool.example.eth": POOL.lower()}


def test_a_file_with_names_becomes_the_policy_of_their_addresses():
    (plain,), (named,) = load(FILE), load_portfolio(NAMED, "p.yaml", names=KNOWN)
    assert {each.name: each.address for each in named.names} == KNOWN
    assert msgspec.structs.replace(named, names=msgspec.UNSET, policy_version=plain.policy_version) == plain
    assert named.policy_version != plain.policy_version


@pytest.mark.parametrize(
    ("was", "becomes", "field"),
    [
        (f"owner: {OWNER}", "owner: a.eth", "books[0].owner"),
        ("mode: dry-run", "accounts: [a.eth]", "books[0].accounts[0]"),
        ("mode: dry-run", "signer: a.eth", "books[0].signer"),
        (f"[{POOL}]", "[a.eth]", "books[0].pools[0]"),
        (f"reference_pool: {POOL}", "reference_pool: a.eth", "books[0].reference_pool"),
        (f"address: {USDC}", "address: a.eth", "books[0].tokens[1].address"),
        ("id: 1", "id: 1\n  factory: a.eth", "chain.factory"),
    ],
)
def test_a_name_may_stand_wherever_an_address_may_and_is_refused_there(was, becomes, field):
    text = FILE.replace(was, becomes)
    assert names_in(text, "p.yaml") == (1, {"a.eth"})
    for names, says in (
        ({}, "a.eth is a name: a node must be named to resolve it (EVENKEEL_RPC_URL)"),
        ({"a.eth": UnreadableError("does not resolve: why")}, "a.eth does not resolve: why"),
    ):
        with pytest.raises(SettingsError) as refused:
            load_portfolio(text, "p.yaml", names=names)
        line = line_of(text, "a.eth")
        assert re.fullmatch(rf"p\.yaml:{line}:\d+: {re.escape(f'{field}: {says}')}", str(refused.value))
    (policy,) = load_portfolio(text, "p.yaml", names={"a.eth": "0x" + "5" * 40})
    assert [(each.name, each.address) for each in policy.names] == [("a.eth", "0x" + "5" * 40)]


def test_a_symbol_with_a_dot_is_no_name():
    text = FILE.replace("USDC,", "USDC.e,").replace("quote: USDC", "quote: USDC.e")
    assert names_in(text, "p.yaml") == (1, frozenset())
    assert load(text)[0].quote == USDC.lower()


def test_two_names_of_one_account_are_one_account():
    text = FILE.replace("mode: dry-run", "mode: watch") + second().replace(OTHER_OWNER, "b.eth")
    text = text.replace(OWNER, "a.eth")
    with pytest.raises(SettingsError, match=r"books\[1\]\.owner: .* is in book eth already"):
        load_portfolio(text, "p.yaml", names={"a.eth": OWNER.lower(), "b.eth": OWNER.lower()})
    names_in(text, "p.yaml")


def test_a_name_is_shown_beside_its_address_in_each_difference():
    (plain,), (named,) = load(FILE), load_portfolio(NAMED, "p.yaml", names=KNOWN)
    owner, pool = short(OWNER.lower()), short(POOL.lower())
    assert f"owner {owner} -> {owner} (treasury.eth)" in list(differences(plain, named))
    (after,) = load_portfolio(NAMED, "p.yaml", names=KNOWN | {"pool.example.eth": OTHER_POOL.lower()})
    said = f"pools {pool} (pool.example.eth) -> {short(OTHER_POOL.lower())} (pool.example.eth)"
    assert said in list(differences(named, after))
    assert [(was.address, now.address) for was, now in moved(named, after)] == [
        (POOL.lower(), OTHER_POOL.lower())
    ]
    assert list(moved(plain, after)) == []


# ------------------------------------------------------------------ further venues
FORK_FACTORY, FORK_MANAGER = f"0x{0xFAC:040x}", f"0x{0xABC:040x}"
SINGLETON_POOL = f"0x{0xDEF:064x}"
FORKED = FILE.replace(
    "  id: 1\n",
    f"""\
  id: 1
  venues:
    - name: fork
      kind: uniswap_v3
      factory: "{FORK_FACTORY}"
      position_manager: "{FORK_MANAGER}"
""",
).replace(
    f"    pools: [{POOL}]\n",
    f"""\
    pools: [{POOL}, {OTHER_POOL}]
    pools_at:
      - {{venue: fork, pools: [{OTHER_POOL}]}}
""",
)
FORKED = FORKED.replace("mode: dry-run", "mode: watch")


def test_a_pool_lies_at_the_venue_that_the_book_names_and_else_at_the_chains_own():
    (book,) = load(FORKED)
    assert book.pools_of("uniswap_v3") == (POOL.lower(),)
    assert book.pools_of("fork") == (OTHER_POOL.lower(),)
    own, fork = book.chain.all_venues()
    assert own.contract("factory") == book.chain.factory
    assert (fork.name, fork.kind, fork.contract("position_manager")) == ("fork", "uniswap_v3", FORK_MANAGER)
    assert {FORK_FACTORY, FORK_MANAGER} <= book.all_addresses()


def test_a_book_that_is_live_at_a_further_venue_needs_the_contracts_of_that_one():
    text = LIVE.replace("  id: 1\n", FORKED[FORKED.index("  id: 1") : FORKED.index("books:")])
    at_the_fork = f"    pools_at:\n      - {{venue: fork, pools: [{POOL}]}}\n    reference_pool:"
    text = text.replace("    reference_pool:", at_the_fork, 1)
    with pytest.raises(
        SettingsError, match=r"chain\.venues\[0\]\.router: missing: book eth is live, and swaps go through it"
    ):
        load(text)
    assert load(text.replace("mode: live", "mode: dry-run"))[0].acting_venue() == "fork"
    router = f"0x{0xA0:040x}"
    (book,) = load(text.replace("      factory:", f'      router: "{router}"\n      factory:'))
    assert spenders(book) == (FORK_MANAGER, router)
    assert not book.carries_plans_of(load(LIVE)[0])


def test_while_a_router_is_added_book_by_book_a_venue_is_one():
    """Two books of a shard, the second not yet applied: the venue's contracts are followed once."""
    (old,) = load(FORKED)
    (new,) = load(FORKED.replace("      factory:", f'      router: "{OTHER_OWNER}"\n      factory:'))
    tables = Tables({f"policy/{each.book}": each for each in (old, msgspec.structs.replace(new, book="b"))})
    assert [venue.name for venue in venues(tables)] == ["uniswap_v3", "fork", "wallet"]


def test_a_book_without_further_venues_has_the_version_that_it_had():
    (book,) = load(FILE)
    assert (book.chain.venues, book.pools_at) == (msgspec.UNSET, msgspec.UNSET)
    empty = FILE.replace("  id: 1\n", "  id: 1\n  venues: []\n").replace(
        "    pools:", "    pools_at: []\n    pools:"
    )
    assert load(empty) == (book,)


def test_a_changed_venue_is_told():
    (before,), (after,) = load(FORKED), load(FORKED.replace(FORK_MANAGER, f"0x{0xABD:040x}"))
    (said,) = differences(before, after)
    assert said.startswith("chain.venues fork of kind uniswap_v3 with factory ")
    (before,) = load(FILE.replace("mode: dry-run", "mode: watch"))
    told = [each.split(" ")[0] for each in differences(before, load(FORKED)[0])]
    assert told == ["pools", "pools_at", "chain.venues", "pools"]


OF_VENUES, OF_BOOK = "chain.venues[0].", "books[0]."
WRONG_VENUES = [
    ("name: fork", "name: uniswap_v3", OF_VENUES + "name", "uniswap_v3 is the chain's own"),
    (
        "kind: uniswap_v3",
        "kind: uniswap_v2",
        OF_VENUES + "kind",
        "not a kind of venue; did you mean uniswap_v3?",
    ),
    (
        "      factory:",
        "      factry:",
        OF_VENUES + "factory",
        "missing: where the factory of venue fork stands",
    ),
    ("      factory:", "      factry:", OF_VENUES + "factry", "unknown field; did you mean factory?"),
    (FORK_FACTORY, "0x12", OF_VENUES + "factory", "is not an address"),
    (
        FORK_MANAGER,
        "0xC36442b4a4522E871399CD717aBDD847Ab11FE88",
        OF_VENUES + "position_manager",
        "is the position_manager of venue uniswap_v3 already",
    ),
    ("venue: fork", "venue: forc", OF_BOOK + "pools_at[0].venue", "none of chain.venues; did you mean fork?"),
    (
        f"pools: [{OTHER_POOL}]",
        f"pools: [{WETH}]",
        OF_BOOK + "pools_at[0].pools[0]",
        "none of the book's pools",
    ),
    (f"pools: [{OTHER_POOL}]", "pools: []", OF_BOOK + "pools_at[0].pools", "must name at least 1"),
    (
        f"pools: [{OTHER_POOL}]}}",
        f"pools: [{OTHER_POOL}]}}\n      - {{venue: fork, pools: [{OTHER_POOL}]}}",
        OF_BOOK + "pools_at[1].pools[0]",
        "lies at fork already",
    ),
    (
        "mode: watch",
        "mode: dry-run",
        OF_BOOK + "mode",
        "only mode: watch: a book acts at the venue of its reference pool, uniswap_v3, and has pools at fork",
    ),
    (
        f"pools: [{POOL},",
        f"pools: [{POOL}, {SINGLETON_POOL},",
        OF_BOOK + "pools[1]",
        "is not an address, and `pools_at` does not say at which venue it lies",
    ),
]


@pytest.mark.parametrize(("part", "by", "field", "says"), WRONG_VENUES)
def test_a_wrong_venue_is_refused_with_its_field(part, by, field, says):
    text = FORKED.replace(part, by, 1)
    assert text != FORKED
    with pytest.raises(SettingsError) as caught:
        load(text)
    assert any(f": {field}: " in line and says in line for line in str(caught.value).splitlines()), (
        caught.value
    )
