"""`doctor`: check everything that a run depends on, and report each result."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from pipeline.errors import PASSING_TROUBLE, EvenkeelError, SettingsError
from pipeline.messages.policy import Policy
from pipeline.messages.views import PoolTerms
from pipeline.state.policies import policies
from pipeline.units import PoolId
from pipeline.venues.registry import pool_terms
from streams.cli.chain_checks import asking, refuse_what_the_chain_refuses
from streams.cli.chain_row import chain_row
from streams.cli.console import print_table, run, settings_for
from streams.cli.holdings import staleness, state_of
from streams.cli.node_abilities import try_node
from streams.cli.node_row import node_row
from streams.cli.portfolios import DEFAULT_FILE, read_portfolio
from streams.cli.prices_row import prices_row
from streams.cli.processes import process_rows
from streams.cli.submitting import signer_file_for
from streams.cli.wider_limits import wider_than_signers
from streams.devnet.artifacts import anvil_here
from streams.devnet.cache import DEFAULT_CACHE
from streams.kafka.readers import reading
from streams.kafka.topics import TOPICS, check_topics
from streams.policy_rollout import policies_in_force
from streams.present_books import BookNow, ShardNow, books_of, shards_now
from streams.redaction import redact
from streams.settings import Settings
from streams.submit.signer_file import SignerFile

Check = Callable[[Settings], Awaitable[str]]

_WITHOUT_BROKER = frozenset({"node", "chain", "portfolio"})
"""The checks that ask the broker nothing."""
_NOT_LOOKED_AT = ("unclear", "not looked at: the broker does not answer")


def doctor(
    *,
    signer: Annotated[
        list[Path] | None,
        typer.Option(help="A signer's file, to compare its limits with those of the books in force."),
    ] = None,
) -> None:
    """Check broker, topics, books, processes, node and portfolio. Exits with 1 if one of them is not as it must be."""
    settings = settings_for("doctor")
    signers = [signer_file_for(settings, file) for file in signer or ()]
    rows = run(_examine(settings, signers))
    print_table("doctor", ["part", "state", "~says"], rows)
    if any(state == "WRONG" for _, state, _ in rows):
        raise typer.Exit(1)


async def _examine(settings: Settings, signers: Sequence[SignerFile]) -> list[tuple[str, str, str]]:
    state = _State(signers)
    checks: dict[str, Check] = {
        "topics": _topics,
        "shards": state.shards,
        "books": state.books,
        **({"signers": state.signers} if signers else {}),
        "prices": state.prices,
        "tokens": state.tokens,
        "transfers": _transfers,
        "contracts": _contracts,
        "allowances": _allowances,
        "node": node_row,
        "chain": lambda asked: chain_row(asked, DEFAULT_FILE),
        "methods": _methods,
        "dry-runs": _dry_runs,
        "portfolio": _portfolio,
    }
    broker = await _answer(_broker, settings)
    answers = broker[0] == "well"  # or each would wait for it anew, and say the same
    rows = [
        (name, *(await _answer(check, settings) if answers or name in _WITHOUT_BROKER else _NOT_LOOKED_AT))
        for name, check in checks.items()
    ]
    processes = await process_rows(settings, state.modes()) if answers else [("processes", *_NOT_LOOKED_AT)]
    return [("broker", *broker), *rows, *processes]


async def _answer(check: Check, settings: Settings) -> tuple[str, str]:
    try:
        return "well", await check(settings)
    except PASSING_TROUBLE as error:
        return "unclear", redact(str(error)).replace("\n", "; ")
    except EvenkeelError as error:
        return "WRONG", redact(str(error)).replace("\n", "; ")


async def _broker(settings: Settings) -> str:
    kafka = settings.kafka
    async with reading(kafka):
        said = f"{kafka.bootstrap} answers, {kafka.protocol}"
        return f"{said}, {kafka.login.mechanism}, {kafka.who}" if kafka.login else said


async def _topics(settings: Settings) -> str:
    await check_topics(settings.kafka, settings.chain, settings.partitions)
    return f"{len(TOPICS)} topics of {settings.partitions} shards each"


class _State:
    """The shards' committed state, loaded once for all that look at it."""

    def __init__(self, signers: Sequence[SignerFile]) -> None:
        self._signers = signers
        self._shards: list[ShardNow] | None = None
        self._books: list[BookNow] = []

    async def _load(self, settings: Settings) -> list[ShardNow]:
        if self._shards is None:
            async with reading(settings.kafka) as reader:
                shards = await shards_now(reader, settings.chain, settings.partitions)
                self._books = await books_of(reader, settings.chain, shards)
            self._shards = shards
        return self._shards

    async def shards(self, settings: Settings) -> str:
        """Return whether every shard with books decides, and on the present."""
        kept = [each for each in await self._load(settings) if policies(each.shard.tables)]
        for each in kept:
            wrong = [*([f"halted: {each.halted}"] if each.halted else []), *staleness(each)]
            if wrong:
                raise SettingsError(f"shard {each.shard.id}: {'; '.join(wrong)}")
        heads = ", ".join(
            f"{each.shard.id} at block {each.head.number if each.head else '-'}" for each in kept
        )
        return heads or "none has a book"

    async def books(self, settings: Settings) -> str:
        """Describe what each book in force does, and refuse where one is not known, paused, in quarantine or left alone."""
        await self._load(settings)
        stopped = [
            f"{book.policy.book}: {'; '.join(state_of(book))}" for book in self._books if state_of(book)
        ]
        if stopped:
            raise SettingsError("; ".join(stopped))
        modes = ", ".join(f"{book.policy.book} ({book.policy.mode})" for book in self._books)
        return f"in force: {modes or 'none'}"

    async def signers(self, settings: Settings) -> str:
        """Hold the limits of each live book against its signers' files, which act in their own pools."""
        await self._load(settings)
        pairs = [
            (book.policy, file)
            for book in self._books
            for file in self._signers
            if book.policy.mode == "live" and file.names_pool(book.policy.reference_pool)
        ]
        wrong = [says for policy, file in pairs for says in wider_than_signers(policy, file)]
        if wrong:
            raise SettingsError("; ".join(wrong))
        books = ", ".join(sorted({policy.book for policy, _ in pairs}))
        return f"allow what is planned by {books}" if books else "no live book is in their pools"

    def modes(self) -> set[str]:
        """Return the modes of the books in force, as far as they were looked at."""
        return {book.policy.mode for book in self._books}

    async def prices(self, settings: Settings) -> str:
        """Describe the reference prices of the books in force, with age and distance from spot."""
        await self._load(settings)
        return prices_row(self._books)

    async def tokens(self, settings: Settings) -> str:
        """Compare what policies say of tokens with what was read of their pools: a typing error there scales money."""
        pools = {
            pool: terms
            for each in await self._load(settings)
            for book in self._books
            for pool in book.policy.all_pools()
            if (terms := pool_terms(each.shard.tables, book.policy, pool)) is not None
        }
        wrong = {
            says
            for book in self._books
            for address, pool in pools.items()
            for says in _contradictions(book.policy, address, pool)
        }
        if wrong:
            raise SettingsError("; ".join(sorted(wrong)))
        return f"decimals as in the {len(pools)} pools seen so far"


async def _transfers(settings: Settings) -> str:
    """Try the tokens of the books in force: what takes a fee or rebases cannot be kept."""
    async with reading(settings.kafka) as reader:
        books = await policies_in_force(reader, settings.chain)
    wrong = [fault async for fault in _faults(settings, books.values())]
    if wrong:
        raise SettingsError("; ".join(wrong))
    return "no token of a book in force takes a fee on transfers or rebases"


async def _contracts(settings: Settings) -> str:
    """Try the calls of a plan on the contracts of each book in force that acts, or is tried."""
    async with reading(settings.kafka) as reader:
        books = [
            book
            for book in (await policies_in_force(reader, settings.chain)).values()
            if book.mode != "watch"
        ]
    wrong: list[str] = []
    async with asking(settings, settings.chain) as asked:
        for policy in books:
            faults = await asked.wrong_contracts(policy)
            wrong += [f"book {policy.book}: {fault.field}: {fault.says}" for fault in faults]
            hedge = await asked.wrong_hedge(policy)
            wrong += [f"book {policy.book}: hedge.{fault.field}: {fault.says}" for fault in hedge]
    if wrong:
        raise SettingsError("; ".join(wrong))
    return f"do what a plan asks of them, for {len(books)} books"


async def _allowances(settings: Settings) -> str:
    """Describe what spenders may take of the owners of books in force. In the middle of a plan that is as it must be."""
    async with reading(settings.kafka) as reader:
        books = await policies_in_force(reader, settings.chain)
    async with asking(settings, settings.chain) as asked:
        found = [says for policy in books.values() for says in await asked.allowances(policy)]
    return "; ".join(found) or "nobody may take anything of a book in force"


async def _faults(settings: Settings, books: Iterable[Policy]) -> AsyncIterator[str]:
    async with asking(settings, settings.chain) as asked:
        for policy in books:
            for token in policy.tokens:
                fault = await asked.fault(policy, token.address)
                if fault is not None:
                    yield f"book {policy.book}: {token.symbol}: {fault}"


def _contradictions(policy: Policy, address: PoolId, pool: PoolTerms) -> Iterator[str]:
    on_chain = dict(zip(pool.tokens, pool.decimals, strict=True))
    if address == policy.reference_pool and {policy.base, policy.quote} != set(on_chain):
        yield f"book {policy.book}: reference_pool {address} is not one of base and quote"
    for token in policy.tokens:
        decimals = on_chain.get(token.address, token.decimals)
        if token.decimals != decimals:
            yield f"book {policy.book}: {token.symbol} has {decimals} decimals, not {token.decimals}"


async def _methods(settings: Settings) -> str:
    """Try each question that the books in force need answered."""
    async with reading(settings.kafka) as reader:
        books = await policies_in_force(reader, settings.chain)
    program = anvil_here(cache=settings.cache or DEFAULT_CACHE)
    return await try_node(settings.rpc_urls[0], list(books.values()), anvil_here=program is not None)


async def _dry_runs(settings: Settings) -> str:
    """Look for what `rehearse` forks the chain with, if a book in force wants it."""
    async with reading(settings.kafka) as reader:
        books = await policies_in_force(reader, settings.chain)
    wanted = sorted(book for book, policy in books.items() if policy.mode == "dry-run")
    program = anvil_here(cache=settings.cache or DEFAULT_CACHE)
    if program is None and wanted:
        raise SettingsError(
            f"no anvil here to fork the chain with, for {', '.join(wanted)}: put it on the PATH"
        )
    return "no book wants any" if program is None else f"forks by {program.name}"


async def _portfolio(settings: Settings) -> str:
    policies = await _read_portfolio(settings)
    if policies is None:
        return f"no {DEFAULT_FILE} here"
    asked = await refuse_what_the_chain_refuses(settings, DEFAULT_FILE, policies)
    return f"{DEFAULT_FILE} has {len(policies)} books; {asked.partition(chr(10))[0]}"  # allowances have their row


async def _read_portfolio(settings: Settings) -> tuple[Policy, ...] | None:
    return (await read_portfolio(settings, DEFAULT_FILE)) if DEFAULT_FILE.exists() else None
