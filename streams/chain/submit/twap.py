"""A pool's time-weighted price at a head, as the pool itself tells it."""

from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError
from eth_utils.crypto import keccak

from pipeline.errors import CallRevertedError, OutOfRangeError
from pipeline.math.ticks import sqrt_price_at_tick
from pipeline.units import Hash, Seconds, SqrtPriceX96, Tick
from streams.chain.submit.limits import PricedPool
from streams.chain.submit.node import SenderNode
from streams.chain.submit.verdict import Refusal

_OBSERVE = keccak(text="observe(uint32[])")[:4]


async def mean_sqrt_price_x96(
    node: SenderNode, pool: PricedPool, at: Hash, window_s: Seconds
) -> SqrtPriceX96:
    """Average a pool's tick over a window up to a block and take its price; what happens in that block has no weight.

    Rounds: the tick towards minus infinity.
    Raises: Refusal where the pool's observations do not reach back so far.
    Source: v3-periphery OracleLibrary.consult
    """
    data = _OBSERVE + encode(("uint32[]",), ([window_s, 0],))
    try:
        answer = await node.call(pool.address, data, at)
        cumulatives, _ = decode(("int56[]", "uint160[]"), answer)
        then, now = cumulatives
        return sqrt_price_at_tick(Tick((now - then) // window_s))
    except CallRevertedError as error:
        raise Refusal("market", f"pool {pool.address} has no price over {window_s} s: {error}") from None
    except (DecodingError, OutOfRangeError, ValueError) as error:
        raise Refusal("market", f"pool {pool.address} tells no price: {error}") from None
