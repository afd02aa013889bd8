"""Faults of a node as a watcher sees them."""

import asyncio

from chaos.ground import HouseError
from chaos.house import House
from chaos.proxy import Forgets, Lags, Nulls, Refuses, Trouble, Waits

_CALL_TIMEOUT_S = 10.0
"""So long a watcher waits for an answer."""


async def nulls(house: House) -> None:
    await _for_a_while(house, Nulls())


async def lags(house: House) -> None:
    await _for_a_while(house, Lags(house.dice.randrange(1, 9), house.dice, house.proxy))


async def fails(house: House) -> None:
    await _for_a_while(house, Refuses(house.dice))


async def forgets(house: House) -> None:
    await _for_a_while(house, Forgets(house.dice))


async def stalls(house: House) -> None:
    await _for_a_while(house, Waits(), at_least_s=_CALL_TIMEOUT_S + 1)


async def _for_a_while(house: House, trouble: Trouble, *, at_least_s: float = 3.0) -> None:
    lasts_s = at_least_s + house.dice.uniform(0, 2 if house.hurried else 15)
    with house.proxy.troubled(trouble):
        await asyncio.sleep(lasts_s)
        while not trouble.met and lasts_s < 60:
            await asyncio.sleep(1)
            lasts_s += 1
    if not trouble.met:
        raise HouseError(f"{type(trouble).__name__} met no question")
