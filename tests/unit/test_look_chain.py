"""The addresses of Uniswap V3 for `look`: from a portfolio's `chain:`, or the built-in ones."""

import pytest

from pipeline.errors import SettingsError
from pipeline.units import ChainId
from streams.look.deployment import find_chain

MAINNET, ODD = ChainId(1), ChainId(4242)
CONTRACTS = ", ".join(
    f"{role}: '0x{'ab' * 20}'" for role in ("factory", "position_manager", "wrapped_native")
)


def found(tmp_path, section: str, chain_id: ChainId):
    file = tmp_path / "p.yaml"
    file.write_text(f"chain: {{{section}}}\n")
    return find_chain(chain_id, file, tmp_path)


def test_a_portfolio_that_names_no_contracts_means_those_that_are_known(tmp_path):
    assert found(tmp_path, "id: 1", MAINNET) == find_chain(MAINNET, None, tmp_path)
    with pytest.raises(SettingsError, match="where Uniswap V3 stands on chain 4242 is not known"):
        found(tmp_path, "id: 4242", ODD)


def test_a_portfolio_that_names_contracts_means_those(tmp_path):
    there = found(tmp_path, f"id: 1, {CONTRACTS}", MAINNET)
    assert there.profile.factory == "0x" + "ab" * 20
    assert there != find_chain(MAINNET, None, tmp_path)
    with pytest.raises(SettingsError, match=r"chain\.wrapped_native: missing"):
        found(tmp_path, f"id: 1, {CONTRACTS.rpartition(',')[0]}", MAINNET)
