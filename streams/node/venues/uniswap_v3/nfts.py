"""Read NFTs of a position manager at one block, each with the pool position behind it."""

from collections.abc import Sequence

import msgspec
from eth_utils.crypto import keccak

from pipeline.errors import UnreadableError
from pipeline.units import Address, GrowthX128, Liquidity, RawAmount, Tick, TokenId
from pipeline.venues.uniswap_v3.forms.entries import NftPosition, PoolPosition
from streams.node.contract_calls import Ask, ContractReader, Told, method

_MANAGER = "uniswap-v3/NonfungiblePositionManager"
_NFTS = method(_MANAGER, "balanceOf")
_NFT_OF_OWNER = method(_MANAGER, "tokenOfOwnerByIndex")
_NFT_OWNER = method(_MANAGER, "ownerOf")
_NFT_POSITION = method(_MANAGER, "positions")
_POOL_OF = method("uniswap-v3/UniswapV3Factory", "getPool")
_POOL_POSITION = method("uniswap-v3/UniswapV3Pool", "positions")


class PositionRead(msgspec.Struct, frozen=True):
    """An NFT, with the pool position that it uses."""

    position: NftPosition
    pool_position: PoolPosition


async def read_owner(reader: ContractReader, manager: Address, owner: Address) -> tuple[TokenId, ...]:
    """List every NFT of an owner. Raises: UnreadableError."""
    ((count,),) = await reader.need([Ask(manager, _NFTS, (owner,))])
    found = await reader.need([Ask(manager, _NFT_OF_OWNER, (owner, index)) for index in range(count)])
    return tuple(TokenId(token_id) for (token_id,) in found)


async def read_positions(
    reader: ContractReader, manager: Address, factory: Address, token_ids: Sequence[TokenId]
) -> list[PositionRead | UnreadableError]:
    """Read NFTs together: the manager's fields, then their pools, then the pools' fields."""
    told = await reader.ask(
        [Ask(manager, ask, (token_id,)) for token_id in token_ids for ask in (_NFT_POSITION, _NFT_OWNER)]
    )
    found = [_both(*told[at : at + 2]) for at in range(0, len(told), 2)]
    pools = await reader.ask([_pool_question(factory, each) for each in found if isinstance(each, tuple)])
    whole = _joined(found, pools)
    kept = await reader.ask(
        [_kept_question(manager, each) for each in whole if isinstance(each, NftPosition)]
    )
    rest = iter(kept)
    return [each if isinstance(each, UnreadableError) else _position_read(each, next(rest)) for each in whole]


def _both(position: Told, owner: Told) -> Told:
    if isinstance(position, UnreadableError):
        return position
    return owner if isinstance(owner, UnreadableError) else (*position, *owner)


def _pool_question(factory: Address, found: Sequence[object]) -> Ask:
    _nonce, _operator, token0, token1, fee_pips, *_ = found
    return Ask(factory, _POOL_OF, (token0, token1, fee_pips))


def _joined(found: Sequence[Told], pools: Sequence[Told]) -> list[NftPosition | UnreadableError]:
    rest = iter(pools)
    return [each if isinstance(each, UnreadableError) else _nft(each, next(rest)) for each in found]


def _nft(found: Sequence[object], pool: Told) -> NftPosition | UnreadableError:
    if isinstance(pool, UnreadableError):
        return pool
    *_key, lower, upper, liquidity, inside0_x128, inside1_x128, owed0, owed1, owner = found
    return NftPosition(
        owner=Address(str(owner).lower()),
        pool=Address(pool[0].lower()),
        tick_lower=Tick(_int(lower)),
        tick_upper=Tick(_int(upper)),
        liquidity=Liquidity(_int(liquidity)),
        inside0_last_x128=GrowthX128(_int(inside0_x128)),
        inside1_last_x128=GrowthX128(_int(inside1_x128)),
        owed0=RawAmount(_int(owed0)),
        owed1=RawAmount(_int(owed1)),
    )


def _int(value: object) -> int:
    assert isinstance(value, int)
    return value


def _kept_question(manager: Address, position: NftPosition) -> Ask:
    """Ask the pool for the manager's position under the packed hash of owner, lower and upper tick."""
    ticks = b"".join(t.to_bytes(3, "big", signed=True) for t in (position.tick_lower, position.tick_upper))
    key = keccak(bytes.fromhex(manager[2:]) + ticks)
    return Ask(position.pool, _POOL_POSITION, (key,))


def _position_read(position: NftPosition, kept: Told) -> PositionRead | UnreadableError:
    if isinstance(kept, UnreadableError):
        return kept
    liquidity, inside0_x128, inside1_x128, owed0, owed1 = kept
    return PositionRead(
        position=position,
        pool_position=PoolPosition(
            liquidity=Liquidity(liquidity),
            inside0_last_x128=GrowthX128(inside0_x128),
            inside1_last_x128=GrowthX128(inside1_x128),
            owed0=RawAmount(owed0),
            owed1=RawAmount(owed1),
        ),
    )
