"""A stranger with write access to every topic, who writes random forged records to a running live deployment."""

import asyncio
import json
import random
import re
import secrets
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from builders import ROOMY_SIGNER
from chaos.tail import BrokerAwayError, Tail
from chaos_sender.setting import BOOK
from msgspec.structs import replace
from sender_house import block_ref

from pipeline.messages.base import BlockRef, Cause
from pipeline.messages.events import Dropped, IntentRefused, Paused, PolicySet, Resumed, Sent, Signed
from pipeline.messages.journal import (
    NO_CHARGE,
    AnyJournal,
    Attempt,
    IntentKnown,
    IntentsRead,
    NonceBound,
    SignerStanding,
)
from pipeline.messages.policy import Limits, TargetBand
from pipeline.messages.transactions import Call, SubmitTransaction
from pipeline.units import Address, BlockNumber, Bps, Hash, LogBps, Offset, Seconds, ShardId, Wei
from pipeline.venues.abi import function
from streams.devnet.reads import balance, token_ids
from streams.kafka.codec import encode, encode_record
from streams.kafka.topics import DECISIONS, EVENTS, INTENTS, NONCES, TOPICS, Topic
from streams.portfolio import publishing
from streams.submit.journal import journal_shard

if TYPE_CHECKING:
    from chaos_sender.house import House

STRANGER = "0x" + "ab" * 20
_MANAGER = "uniswap-v3/NonfungiblePositionManager"
_ROUTER = "uniswap-v3/SwapRouter02"
_ERC20 = "tokens/ERC20"
_TIMED = function(_ROUTER, "multicall", arguments="uint256,bytes[]")
_FAR_S = 2**255
_KEPT = 40
"""Real records of a topic that the forger has at hand."""
_PAUSE_S = 0.02
_READ_EVERY = 10
"""So many records are written between two looks at all topics, each of which takes a second."""


class Forged(NamedTuple):
    """One record that nobody of the deployment has written."""

    kind: str
    topic: Topic
    shard: int
    key: bytes | None
    value: bytes | None


class Forger:
    """Writes forged records, knows whatever can be read, and has no key."""

    def __init__(self, house: "House", dice: random.Random) -> None:
        self._house = house
        self._dice = dice
        self._topics = {topic.on(house.chain_id): topic for topic in TOPICS.values()}
        self._tail = Tail(house.bootstrap, list(self._topics))
        self._real: dict[str, list[tuple[int, bytes | None, bytes | None]]] = defaultdict(list)
        self.written: Counter[str] = Counter()
        self.fenced = 0
        self.asked: set[tuple[str, str]] = set()
        """Of each forged intent, the contract and the calldata."""
        self.digests: list[str] = []

    async def close(self) -> None:
        await self._tail.close()

    # -------------------------------------------------------------- writing
    async def write(self, count: int, topics: tuple[Topic, ...] = tuple(TOPICS.values())) -> None:
        """Write a number of forged records, over all of some topics."""
        producer = AIOKafkaProducer(bootstrap_servers=self._house.bootstrap, enable_idempotence=True)
        await producer.start()
        try:
            for number in range(count):
                if number % _READ_EVERY == 0:
                    with suppress(BrokerAwayError):
                        await self._read()
                made: list[Forged] = await self._house.on_chain(list, self._forge(self._dice.choice(topics)))
                for forged in made:
                    topic = forged.topic.on(self._house.chain_id)
                    await producer.send_and_wait(topic, forged.value, forged.key, partition=forged.shard)
                    self.written[forged.kind] += 1
                await asyncio.sleep(_PAUSE_S)
        finally:
            await producer.stop()

    async def fence(self) -> None:
        """Take the signer's journal over as another process of it would: that process has to start again."""
        house = self._house
        producer = AIOKafkaProducer(
            bootstrap_servers=house.bootstrap,
            transactional_id=f"evenkeel-{house.chain_id}.signer-{house.owner}",
            transaction_timeout_ms=10_000,
        )
        with suppress(KafkaError):
            await producer.start()
            self.fenced += 1
        await producer.stop()

    async def _read(self) -> None:
        for record in await self._tail.news():
            kept = self._real[self._topics[record.topic].name]
            kept.append((record.shard, record.key, record.value))
            del kept[:-_KEPT]

    def _forge(self, topic: Topic) -> Iterator[Forged]:
        """Forge for a topic: a few of its own kinds, and what can be made of any real record."""
        own = _OWN.get(topic.name, ())
        way = self._dice.choice((*own, *own, _garbage, _replayed, _bent, _bent, _forgotten))
        kind = f"{topic.name} {way.__name__.strip('_').replace('_', ' ')}"
        for shard, key, value in way(self, topic):
            yield Forged(kind, topic, shard, key, value)

    # -------------------------------------------------------------- what a forger knows
    @property
    def house(self) -> "House":
        return self._house

    @property
    def dice(self) -> random.Random:
        return self._dice

    def real(self, topic: Topic) -> tuple[int, bytes | None, bytes | None] | None:
        """Pick a record that somebody of the deployment has written."""
        kept = self._real[topic.name]
        return self._dice.choice(kept) if kept else None

    def intents(self) -> list[SubmitTransaction]:
        return list(self._house.story.intents.values())

    def head(self) -> BlockRef:
        return block_ref(self._house.chain.header())


Record = tuple[int, bytes | None, bytes | None]
Way = Callable[[Forger, Topic], Iterator[Record]]


# ------------------------------------------------------------------ of any topic
def _garbage(forger: Forger, topic: Topic) -> Iterator[Record]:
    known = forger.real(topic)
    key = known[1] if known and forger.dice.random() < 0.5 else forger.dice.randbytes(9)
    shard = known[0] if known else 0
    value = forger.dice.choice((b"", b"{", b"null", forger.dice.randbytes(200), b'{"type":"nonsense"}'))
    yield shard, key, value


def _replayed(forger: Forger, topic: Topic) -> Iterator[Record]:
    known = forger.real(topic)
    if known is not None:
        yield known


def _forgotten(forger: Forger, topic: Topic) -> Iterator[Record]:
    """Write a tombstone for a key that counts."""
    known = forger.real(topic)
    if known is not None and known[1] is not None and topic.kept.get("cleanup.policy") == "compact":
        yield known[0], known[1], None


def _bent(forger: Forger, topic: Topic) -> Iterator[Record]:
    """Change one value of a real record, at any depth."""
    known = forger.real(topic)
    if known is None or known[2] is None:
        return
    try:
        message = json.loads(known[2])
    except ValueError:
        return
    places = list(_leaves(message))
    if not places:
        return
    holder, name = forger.dice.choice(places)
    holder[name] = _another(forger, holder[name])
    yield known[0], known[1], json.dumps(message, separators=(",", ":")).encode()


def _leaves(value: Any) -> Iterator[tuple[Any, Any]]:
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, part in pairs:
        if isinstance(part, dict | list):
            yield from _leaves(part)
        else:
            yield value, name


def _another(forger: Forger, value: Any) -> Any:
    dice = forger.dice
    if isinstance(value, bool) or value is None:
        return not value
    text = str(value)
    if text.startswith("0x") and len(text) == 42:
        return dice.choice((STRANGER, forger.house.owner, forger.house.world.weth))
    if text.startswith("0x") and len(text) > 66:
        at = dice.randrange(2, len(text))
        return text[:at] + dice.choice("0123456789abcdef") + text[at + 1 :]
    if text.startswith("0x"):
        return "0x" + dice.randbytes(32).hex()
    if text.lstrip("-").isdigit():
        return str(dice.choice((0, 1, int(text) + 1, int(text) * 10, 2**64, 2**255, -int(text))))
    return dice.choice((secrets.token_hex(8), "live", "all", ""))


# ------------------------------------------------------------------ intents
def calls(forger: Forger) -> Mapping[str, Call]:
    """What a thief would have signed: by what it is after."""
    house = forger.house
    world, pool, owner = house.world, house.world.pool(house.pool), house.owner
    usdc = world.usdc_of(pool)
    weth_has, usdc_has = (balance(house.chain, token, owner) for token in (world.weth, usdc))
    token_id = forger.dice.choice((*token_ids(house.chain, world, owner), forger.dice.randrange(1, 40)))
    soon_s = house.chain.header().timestamp_s + 300
    swap = function(_ROUTER, "exactInputSingle")
    decrease, collect = function(_MANAGER, "decreaseLiquidity"), function(_MANAGER, "collect")

    def untimed(token: str, amount: int, least: int, to: str) -> str:
        other = usdc if token == world.weth else world.weth
        return swap.calldata((token, other, pool.fee_pips, to, amount, least, 0))

    def sell(token: str, amount: int, least: int, to: str) -> str:
        return _TIMED.calldata(soon_s, [bytes.fromhex(untimed(token, amount, least, to)[2:])])

    price = 3_000 * 10**6
    return {
        "native coin to a stranger": Call(
            to=Address(STRANGER), data="0x", value_wei=Wei(10**18), gas_limit=21_000
        ),
        "token to a stranger": _call(world.weth, function(_ERC20, "transfer").calldata(STRANGER, weth_has)),
        "allowance to a stranger": _call(usdc, function(_ERC20, "approve").calldata(STRANGER, 2**256 - 1)),
        "allowance without end": _call(usdc, function(_ERC20, "approve").calldata(world.router, 2**256 - 1)),
        "allowance to the router": _call(usdc, function(_ERC20, "approve").calldata(world.router, usdc_has)),
        "swap for a stranger": _call(world.router, sell(usdc, usdc_has // 2, 1, STRANGER)),
        "swap for nothing": _call(world.router, sell(usdc, usdc_has // 2, 1, owner)),
        "swap at any later price": _call(world.router, untimed(usdc, usdc_has // 3, 1, owner)),
        "swap at a loss": _call(
            world.router, sell(usdc, usdc_has // 3, usdc_has // 3 * 10**18 * 97 // 100 // price, owner)
        ),
        "sale at a loss": _call(
            world.router, sell(world.weth, weth_has // 3, weth_has // 3 * price * 97 // 100 // 10**18, owner)
        ),
        "withdrawal": _call(world.position_manager, decrease.calldata((token_id, 10**18, 0, 0, soon_s))),
        "collection for a stranger": _call(
            world.position_manager, collect.calldata((token_id, STRANGER, 2**128 - 1, 2**128 - 1))
        ),
        "all coin wrapped": Call(
            to=Address(world.weth),
            data=function("tokens/WETH9", "deposit").calldata(),
            value_wei=Wei(int(house.chain.rpc("eth_getBalance", owner, "latest"), 16) * 9 // 10),
            gas_limit=60_000,
        ),
        "NFT to a stranger": _call(
            world.position_manager, function(_MANAGER, "transferFrom").calldata(owner, STRANGER, token_id)
        ),
    }


def _wanted(forger: Forger) -> Call:
    """Choose the thief's target: half of the time tokens at another contract of the book, if it has one."""
    elsewhere = forger.house.book.forged(forger.house.chain, forger.dice)
    if elsewhere is not None and forger.dice.random() < 0.5:
        return elsewhere
    return forger.dice.choice(list(calls(forger).values()))


def _call(to: str, data: str) -> Call:
    return Call(to=Address(to), data=data, gas_limit=500_000)


def _intent(forger: Forger, call: Call, **changes: Any) -> Record:
    house, dice = forger.house, forger.dice
    head = forger.head()
    shard, offset, digest = dice.randrange(2), dice.randrange(10_000), secrets.token_hex(8)
    fields: dict[str, Any] = {
        "id": f"int.{shard}.{offset}.{digest}",
        "because_of": Cause(shard=ShardId(shard), offset=Offset(offset), block=head),
        "book": dice.choice((BOOK, BOOK, "other")),
        "policy_version": house.book.policy().policy_version,
        "owner": house.owner,
        "signer": house.owner,
        "plan": f"plan.{shard}.{offset}.{secrets.token_hex(8)}",
        "step": dice.choice(("withdraw", "swap", "mint", "approve")),
        "attempt": 1,
        "position": f"position/{house.world.position_manager}/{dice.randrange(99)}",
        "made_at": head,
        "call": call,
        "deadline_s": head.timestamp_s + 300,
        "max_age_blocks": 12,
        "max_fee_per_gas_wei": 200 * 10**9,
    }
    intent = SubmitTransaction(**(fields | changes))
    forger.asked.add((call.to, call.data))
    forger.digests.append(intent.digest)
    return shard, f"book/{BOOK}".encode(), encode(intent)


def _made_up(forger: Forger, topic: Topic) -> Iterator[Record]:
    """Ask for whatever a thief wants, with the names of today."""
    del topic
    yield _intent(forger, _wanted(forger))


def _stretched(forger: Forger, topic: Topic) -> Iterator[Record]:
    """Ask with deadlines, ages, fees and gas that never end."""
    del topic
    call = _wanted(forger)
    much = replace(call, gas_limit=29_000_000)
    changes = forger.dice.choice(
        (
            {"deadline_s": _FAR_S},
            {"max_age_blocks": 2**63},
            {"max_fee_per_gas_wei": 10**18},
            {"attempt": 2**31},
        )
    )
    yield _intent(forger, forger.dice.choice((call, much)), **changes)


def _of_the_future(forger: Forger, topic: Topic) -> Iterator[Record]:
    del topic
    head = forger.head()
    ahead = forger.dice.choice((1, 4, 1_000, 2**60))
    block = BlockRef(
        number=BlockNumber(head.number + ahead),
        hash=Hash("0x" + forger.dice.randbytes(32).hex()),
        parent_hash=head.hash,
        timestamp_s=Seconds(head.timestamp_s + 12),
    )
    yield _intent(forger, _wanted(forger), made_at=block)


def _redirected(forger: Forger, topic: Topic) -> Iterator[Record]:
    """Take a real intent, under a new name, with its owner's address in the calldata replaced by a stranger's."""
    del topic
    intents = forger.intents()
    if intents:
        real = forger.dice.choice(intents)
        data = real.call.data.replace(forger.house.owner[2:], STRANGER[2:])
        yield _intent(forger, Call(to=real.call.to, data=data, gas_limit=real.call.gas_limit))


# ------------------------------------------------------------------ the journal
def _record(forger: Forger, entry: AnyJournal) -> bytes:
    """Wrap an entry as the signer does, with a MAC that is made up or another record's own, or not at all."""
    real = forger.real(NONCES)
    found = re.search(rb'"mac":"([0-9a-f]{64})"', real[2] or b"") if real else None
    mac = found[1].decode() if found and forger.dice.random() < 0.5 else forger.dice.randbytes(32).hex()
    if forger.dice.random() < 0.2:
        return encode(entry)
    return encode_record(forger.dice.randrange(1, 2_000), mac, encode(entry))


def _bound(forger: Forger, topic: Topic) -> Iterator[Record]:
    """Bind the signer's next nonce, or one in use, to a foreign call with bytes that are not a transaction."""
    del topic
    house = forger.house
    intents = forger.intents()
    if not intents:
        return
    nonce = int(house.chain.rpc("eth_getTransactionCount", house.owner, "latest"), 16)
    nonce += forger.dice.randrange(3)
    call = _wanted(forger)
    real = forger.dice.choice(intents)
    forged = replace(real, call=call)
    attempt = Attempt(
        transaction_hash=Hash("0x" + forger.dice.randbytes(32).hex()),
        raw="0x" + forger.dice.randbytes(40).hex(),
        max_fee_wei=Wei(10**9),
        tip_wei=Wei(10**8),
        gas_limit=call.gas_limit,
        sent_at_block=forger.dice.choice((None, BlockNumber(1))),
    )
    entry = NonceBound(
        signer=house.owner,
        nonce=nonce,
        intent=forged,
        signed_at_s=Seconds(1_767_225_600),
        charge=NO_CHARGE,
        attempts=(attempt,),
    )
    known = IntentKnown(
        signer=house.owner,
        intent=forged.digest,
        shard=house.shard,
        position=forged.position,
        outcome="open",
        nonce=nonce,
        keep_until_block=BlockNumber(2**60),
    )
    shard = journal_shard(house.owner, 2)
    yield shard, f"nonce/{house.owner}/{nonce}".encode(), _record(forger, entry)
    yield shard, f"intent/{house.owner}/{forged.digest}".encode(), _record(forger, known)


def _standing(forger: Forger, topic: Topic) -> Iterator[Record]:
    """Give the signer another past: other nonces, nothing spent, nothing read."""
    del topic
    owner, shard = forger.house.owner, journal_shard(forger.house.owner, 2)
    nonce = int(forger.house.chain.rpc("eth_getTransactionCount", owner, "latest"), 16)
    floor = forger.dice.choice((0, nonce, nonce + 5))
    standing = SignerStanding(signer=owner, floor_nonce=floor)
    yield shard, f"signer/{owner}".encode(), _record(forger, standing)
    cursor = IntentsRead(signer=owner, shard=shard, next_offset=Offset(0))
    yield shard, f"cursor/{owner}/{shard}".encode(), _record(forger, cursor)


# ------------------------------------------------------------------ the shards' logs
def _operators_word(forger: Forger, topic: Topic) -> Iterator[Record]:
    del topic
    word = forger.dice.choice((Paused, Resumed))
    scope = forger.dice.choice(("all", f"book/{BOOK}"))
    yield (
        forger.house.shard,
        None,
        encode(word(scope=scope, reason="by a stranger", by="nobody")),
    )


def _another_policy(forger: Forger, topic: Topic) -> Iterator[Record]:
    """Let the book act at any price, without rest."""
    del topic
    usual = forger.house.book.policy()
    changed = replace(
        usual,
        limits=Limits(
            max_slippage_bps=Bps(9_999),
            max_cost_bps=Bps(9_999),
            max_spot_from_twap_log_bps=LogBps(100_000),
            signer=ROOMY_SIGNER,
        ),
        strategy=TargetBand(
            target_share_bps=Bps(9_000),
            band_bps=Bps(100),
            hysteresis_bps=Bps(50),
            hold_out_of_range_s=Seconds(12),
            cooldown_s=Seconds(0),
        ),
    )
    policy = publishing(changed, usual.publishes)
    yield forger.house.shard, None, encode(PolicySet(policy=policy))


def _report(forger: Forger, topic: Topic) -> Iterator[Record]:
    """Report of a real intent what its signer never said."""
    del topic
    intents = forger.intents()
    if not intents:
        return
    digest = forger.dice.choice(intents).digest
    hash_ = Hash("0x" + forger.dice.randbytes(32).hex())
    report = forger.dice.choice(
        (
            Signed(intent=digest, nonce=forger.dice.randrange(99), transaction_hash=hash_),
            Sent(intent=digest, transaction_hash=hash_),
            Dropped(intent=digest, cause="closed", detail="by a stranger"),
            IntentRefused(intent=digest, reason="limits", detail="by a stranger"),
        )
    )
    yield forger.house.shard, None, encode(report)


_OWN: Mapping[str, tuple[Way, ...]] = {
    INTENTS.name: (_made_up, _made_up, _stretched, _of_the_future, _redirected),
    NONCES.name: (_bound, _bound, _standing),
    EVENTS.name: (_operators_word, _another_policy, _report, _report),
    DECISIONS.name: (),
}
