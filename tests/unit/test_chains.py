"""The chains' files: their contents, what is refused in one, and that every value has a source."""

import re
from pathlib import Path

import pytest
from eth_utils.address import is_checksum_address, to_checksum_address

from contracts_abi import chains
from contracts_abi.chains import ChainFileError, known_chains, parse_chain_file, read_chain_file
from pipeline.units import Address
from streams.chain_numbers import numbers_of
from streams.node.chain_code import pool_address
from streams.portfolio.chain_file import lending_in

FILES = sorted(Path(chains.__file__).parent.glob("*.toml"))
BASE = next(path for path in FILES if path.stem == "base").read_text()


def test_the_chains_are_those_where_people_provide_liquidity():
    assert {number: chain.name for number, chain in known_chains().items()} == {
        1: "Ethereum",
        10: "Optimism",
        56: "BNB Smart Chain",
        137: "Polygon",
        8453: "Base",
        42_161: "Arbitrum One",
    }
    assert len(FILES) == len(known_chains())


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_address_is_written_with_its_checksum_and_kept_in_lower_case(path):
    addresses = re.findall(r'"(0x[0-9a-fA-F]{40})"', path.read_text())
    assert len(addresses) >= 4
    assert all(is_checksum_address(address) for address in addresses)
    chain = read_chain_file(path)
    kept = {*chain.contracts.places().values(), *chain.stable_tokens.values()}
    kept |= {chain.sequencer.uptime_feed} if chain.sequencer else set()
    kept |= set(chain.aave_v3.places().values()) if chain.aave_v3 else set()
    kept |= {feed.address for feed in chain.feeds.pairs.values()} if chain.feeds else set()
    assert kept == {address.lower() for address in addresses}


@pytest.mark.parametrize(
    ("chain_id", "token", "fee_pips", "pool"),
    [
        (1, "0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48", 500, "0x88e6A0c2dDD26FEEb64F039a2c41296FcB3f5640"),
        (56, "0x55d398326f99059fF775485246999027B3197955", 100, "0x47a90A2d92A8367A91EfA1906bFc8c1E05bf10c4"),
        (8453, "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913", 500, "0xd0b53D9277642d899DF5C87A3966A349A798F224"),
        (42_161, "0xaf88d065e77c8cC2239327C5EDb3A432268e5831", 500, "0xC6962004f452bE9203591991D15f6b388e09E8D0"),
    ],
)  # fmt: skip
def test_a_well_known_pool_lies_where_factory_and_init_code_hash_say(chain_id, token, fee_pips, pool):
    """Four public pools: a wrong digit in the factory, the wrapped coin or the hash leads elsewhere."""
    at = known_chains()[chain_id].contracts
    assert at.pool_init_code_hash is not None
    tokens = (Address(at.wrapped_native), Address(token.lower()))
    derived = pool_address(Address(at.factory), at.pool_init_code_hash, tokens, fee_pips)
    assert to_checksum_address(derived) == pool


def test_all_chains_have_the_pools_of_one_bytecode():
    assert len({chain.contracts.pool_init_code_hash for chain in known_chains().values()}) == 1


def test_seconds_are_rounded_up_where_a_chain_makes_several_blocks_in_one():
    assert {number: chain.blocks.time_s for number, chain in known_chains().items()} == {
        1: 12,
        10: 2,
        56: 1,
        137: 2,
        8453: 2,
        42_161: 1,
    }
    assert known_chains()[42_161].blocks.time_ms == 250
    assert numbers_of(42_161).block_s == 1


def test_a_chain_that_is_not_known_counts_as_ethereum():
    assert numbers_of(5) == numbers_of(1)


def test_where_one_sequencer_orders_the_blocks_there_is_a_feed_that_says_whether_it_is_up():
    fed = {number for number, chain in known_chains().items() if chain.sequencer}
    assert fed == {10, 8453, 42_161}
    assert {chain.sequencer.grace_s for chain in known_chains().values() if chain.sequencer} == {3_600}


def test_all_chains_have_a_lending_market_of_three_contracts_and_name_where_that_is_from():
    markets = {number: chain.aave_v3 for number, chain in known_chains().items()}
    assert all(market is not None for market in markets.values())
    for number, market in markets.items():
        assert len(set(market.places().values())) == 3
        assert market.source.startswith("bgd-labs/aave-address-book, AaveV3")
        spec = lending_in(known_chains()[number])
        assert {each.role: each.address for each in spec.contracts} == market.places()
    # deployed by one account, one after the other; the oracle later, on each chain another
    assert len({markets[number].pool for number in (10, 137, 42_161)}) == 1
    assert len({market.oracle for market in markets.values()}) == len(markets)


WRONG = {
    "time_ms = 2_000": [
        ("", "blocks.time_ms: missing"),
        ("time_ms = 0", "blocks.time_ms: must be a whole number from 10 to 60,000, is 0"),
        ('time_ms = "2s"', 'blocks.time_ms: must be a whole number from 10 to 60,000, is "2s"'),
        ("time_ms = ", "no TOML: invalid value (at line "),
        ("time_ms = 2_000\ntime_s = 2", "blocks.time_s: unknown field"),
    ],
    'name = "Base"': [("", "name: missing"), ('name = "Base"\nfile = "x"', "file: unknown field"), ('nickname = "Base"', "nickname: unknown field")],
    "chain_id = 8453": [
        ("chain_id = -1", "chain_id: must be a whole number of at least 1, is -1"),
        (f"chain_id = {5_000 * '9'}", "no TOML: a number has too many digits"),
        (f"chain_id = {5_000 * '['}", "no TOML: "),  # too deep, or no value, as deep as Python may go
    ],
    '"0x33128a8fC17869897dcE68Ed026d694621f6FDfD"': [('"0x33"', 'contracts.factory: must be 0x and 40 hexadecimal digits, is "0x33"')],
    '["safe", "finalized"]': [('["latest"]', 'blocks.tags[0]: must be one of finalized, safe, is "latest"')],
    'paid = "fee"': [
        ('paid = "gas"', "data.book_fee_wei: must be above 0 where data.paid is fee, and only there"),
        ('paid = "gold"', 'data.paid: must be one of fee, gas, none, is "gold"'),
    ],
    "grace_s = 3_600": [("", "sequencer.grace_s: missing")],
    'oracle = "0x2Cc0Fc26eD4563A5ce5e8bdcfe1A2878676Ae156"': [("", "aave_v3.oracle: missing")],
    "[aave_v3]": [("[aave_v2]", "aave_v2: unknown field")],
    'USDC = "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913"': [
        ('USDC = "0x8"', "stable_tokens.USDC: 0x8 is not an address")
    ],
    'source = "developers.circle.com, USDC contract addresses"': [("", "stable_tokens.source: missing")],
    "intent_age_blocks = 30": [
        ("intent_age_blocks = 301", "transactions.intent_age_blocks: is more than transactions.max_age_blocks")
    ],
    'factory = "0x9570': [
        (f'factry = "0x{64 * "a"}"\nfactory = "0x9570', "contracts.code_hashes"),
        ('factory = "0x', "contracts.code_hashes"),
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("written", "instead", "says"),
    [(written, *each) for written, those in WRONG.items() for each in those],
    ids=lambda text: text[:30],
)
def test_what_is_wrong_in_a_file_is_named_with_file_and_field(written, instead, says):
    assert BASE.count(written) == 1
    with pytest.raises(ChainFileError) as refused:
        parse_chain_file(BASE.replace(written, instead), "mine.toml")
    assert str(refused.value).startswith(f"mine.toml: {says}")


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ChainFileError, match=r"cannot read .*none\.toml: No such file"):
        read_chain_file(tmp_path / "none.toml")


def test_a_file_may_begin_with_the_mark_that_some_editors_write(tmp_path):
    (tmp_path / "mine.toml").write_text(BASE, encoding="utf-8-sig")
    assert read_chain_file(tmp_path / "mine.toml").chain_id == 8453


def test_a_file_says_what_it_has_not():
    assert list(known_chains()[1].lacks()) == ["the code hash of wrapped_native, position_manager"]
    assert list(known_chains()[56].lacks()) == [
        "the code hash of wrapped_native, position_manager, router",
        "stable tokens",
    ]
    bare = re.sub(r"^(router|pool_init_code_hash) = .*$", "", BASE, flags=re.MULTILINE)
    assert list(parse_chain_file(bare, "x").lacks())[:2] == [
        "a router, which live books need",
        "the pools' init-code hash",
    ]
