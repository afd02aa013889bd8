"""List what an account already has before anything is opened (positions, loans, allowances, pending transactions) and what becomes of each."""

from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence

from pipeline.errors import UnreadableError
from pipeline.messages.chain_profile import VenueSpec
from pipeline.messages.policy import Policy
from pipeline.units import Address, RawAmount
from pipeline.venues.registry import spenders
from streams.human_numbers import amount_text, bps_text, short
from streams.node.contract_calls import Ask, ContractReader, method
from streams.node.venues.port import AccountStanding
from streams.node.venues.registry import find_account
from streams.node.venues.uniswap_v3.positions_of_owner import PoolFound, PositionsFound, find_positions
from streams.portfolio.words import words_of

_ALLOWANCE = method("tokens/ERC20", "allowance")
_ENDLESS = 2**128
_WAD = 10**18


# ------------------------------------------------------------------ positions
async def describe_positions(reader: ContractReader, policy: Policy) -> AsyncIterator[str]:
    """Name the positions of a book's owner in pools that the book does not name, with the lines that would add them.

    Raises: NodeError.
    """
    try:
        found = await find_positions(reader, policy.chain, policy.owner)
    except UnreadableError as error:
        yield f"book {policy.book}: which positions its owner has is not known: {error}"
        return
    for pool in found.pools.values():
        if pool.address not in policy.all_pools():
            yield f"book {policy.book}: {_unnamed(policy, found, pool)}"
    for text in found.unread:
        yield f"book {policy.book}: not read: {text}"


def _unnamed(policy: Policy, found: PositionsFound, pool: PoolFound) -> str:
    numbers = [str(number) for number, each in found.positions.items() if each.pool == pool.address]
    known = {token.address for token in policy.tokens}
    missing = [token for token in (pool.token0, pool.token1) if token.address not in known]
    tokens = "".join(
        f' and to `tokens` {{symbol: {token.symbol}, address: "{token.address}", decimals: {token.decimals}}}'
        for token in missing
    )
    return (
        f"its owner has NFT {', '.join(numbers)} in a pool of {pool.token0.symbol} and {pool.token1.symbol} that the book does not name, "
        f'so it does not count; add to `pools` "{pool.address}"{tokens}'
    )


# ------------------------------------------------------------------ lending accounts
async def describe_loans(
    reader: ContractReader, policy: Policy, known: VenueSpec | None
) -> AsyncIterator[str]:
    """Describe what a book's owner has and owes at hedging venues, and what the book does about it; `known` is the chain's own lending market.

    Raises: NodeError.
    """
    named = policy.chain.venues or ()
    here = {each.address for spec in named for each in spec.contracts}
    others = () if known is None or here & {each.address for each in known.contracts} else (known,)
    for spec in (*named, *others):
        try:
            account = await find_account(reader, spec, policy.owner)
        except UnreadableError as error:
            yield f"book {policy.book}: what its owner owes at {spec.name} is not known: {error}"
            continue
        if account is not None and account.is_there:
            what = f"its owner {standing_text(account)} at {spec.name}"
            yield f"book {policy.book}: {what}: {_what_becomes(policy, account, is_named=spec in named)}"


def standing_text(account: AccountStanding) -> str:
    """Describe what an account has and owes, in the venue's own unit of account. Rounds: down."""
    places = len(str(account.unit)) - 1
    has, owes = (amount_text(each, places, places=2) for each in (account.collateral, account.debt))
    if not account.debt:
        return f"has collateral of {has} and owes nothing"
    return f"owes {owes} against collateral of {has}, health factor {account.health_wad / _WAD:.4f},"


def _what_becomes(policy: Policy, account: AccountStanding, *, is_named: bool) -> str:
    if account.unfollowed is not None:
        return f"it does not count, for {account.unfollowed}"
    if not is_named:
        return f"it does not count until `chain.venues` has {venue_text(account.venue)}"
    if not policy.hedge or policy.hedge.venue != account.venue.name:
        return (
            "it counts, and the book leaves it alone; `hedge:` would adopt it, and close it with `ratio: 0%`"
        )
    if policy.hedge.ends:
        return "its hedge closes it, for `hedge.ratio` is 0%"
    wanted = "by `ratio: auto`" if policy.hedge.auto else f"as {bps_text(policy.hedge.ratio_bps)} of the base"
    return f"its hedge adopts it, {wanted}"


def venue_text(spec: VenueSpec) -> str:
    """Write a venue in the form of a portfolio's `chain.venues`."""
    places = ", ".join(f'{each.role}: "{each.address}"' for each in spec.contracts)
    return f"{{name: {spec.name}, kind: {spec.kind}, {places}}}"


# ------------------------------------------------------------------ allowances
async def describe_allowances(reader: ContractReader, policy: Policy) -> list[str]:
    """Describe in one line which allowances for a book's tokens exist, and whether its policy lets them stand.

    What is more than may stand the next plan takes back. Raises: NodeError.
    """
    if policy.mode == "watch":
        return []
    tokens = dict.fromkeys((policy.base, policy.quote, policy.collateral_token))
    found = [(token, *taker) for token in tokens for taker in _spenders(policy)]
    told = await reader.ask([Ask(token, _ALLOWANCE, (policy.owner, taker)) for token, _, taker in found])
    takers: dict[str, list[str]] = defaultdict(list)
    for (token, name, _), answer in zip(found, told, strict=True):
        if not isinstance(answer, UnreadableError) and answer[0]:
            what = f"{_amount(policy, token, answer[0])}{_bound(policy, token, answer[0])}"
            takers[what].append(name)
    taken: dict[str, list[str]] = defaultdict(list)
    for what, names in takers.items():
        taken[" and ".join(names)].append(what)
    parts = [f"lets {names} take {' and '.join(amounts)}" for names, amounts in taken.items()]
    owner = words_of(policy)["owner"][0]
    return [f"book {policy.book}: {owner} already {', and '.join(parts)}"] if parts else []


def _spenders(policy: Policy) -> list[tuple[str, Address]]:
    """List the contracts that take a book's tokens where it acts and where it is hedged, by role."""
    return [
        (f"the {_role(each.role)}{of}", each.address)
        for spec, of in _acting(policy)
        for each in sorted(spec.contracts, key=lambda each: each.role, reverse=True)
        if each.address in spenders(policy)
    ]


def _acting(policy: Policy) -> Iterator[tuple[VenueSpec, str]]:
    """List the venues at which a book acts, with the name of a further one."""
    here = policy.acting_venue()
    hedged = policy.hedge.venue if policy.hedge else here
    for spec in policy.chain.all_venues():
        if spec.name == here:
            yield spec, ""
        elif spec.name == hedged:
            yield spec, f" of {spec.name}"


def _role(role: str) -> str:
    return role.replace("_", " ")


def _bound(policy: Policy, token: Address, raw: int) -> str:
    """Return whether a policy with standing allowances allows this one."""
    bound = policy.standing(token)
    if not bound:
        return ""
    within = "within" if raw <= bound else "more than"
    return f" ({within} the {_amount(policy, token, bound)} that its policy lets stand)"


def _amount(policy: Policy, token: Address, raw: RawAmount | int) -> str:
    """Format a token's amount for people; an amount above any possible balance is shown as unlimited."""
    symbol = next((each.symbol for each in policy.tokens if each.address == token), token)
    return (
        f"any amount of {symbol}"
        if raw >= _ENDLESS
        else f"{amount_text(raw, policy.decimals(token))} {symbol}"
    )


# ------------------------------------------------------------------ transactions
def describe_pending(account: Address, nonces: Sequence[int]) -> list[str]:
    """Describe in one line which of an account's transactions are pending."""
    if not nonces:
        return []
    which = f"nonce {nonces[0]}" if len(nonces) == 1 else f"nonces {nonces[0]} to {nonces[-1]}"
    says = (
        f"{short(account)} has {len(nonces)} of its own transactions waiting to be mined, {which}: what they will do is not counted, "
        "and a plan's transactions wait behind them; `evenkeel submit --cancel-all` takes them back"
    )
    return [says]
