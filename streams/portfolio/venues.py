"""Find the further venues of a portfolio file, and the pools of a book that belong to each."""

from collections.abc import Iterable, Iterator

from pipeline.messages.chain_profile import UNISWAP_V3, ChainProfile, PoolsAt, VenueContract, VenueSpec
from pipeline.messages.policy import Policy
from pipeline.units import PoolId
from pipeline.venues.registry import KINDS, venue_named
from streams.portfolio.price_sources import pricing_pools
from streams.portfolio.sections import BookSection, ChainSection, Portfolio, VenueSection
from streams.yaml_positions import FieldPath, Problem, did_you_mean

_ADDRESS_CHARACTERS = 42


def venue_specs(section: ChainSection) -> tuple[VenueSpec, ...]:
    """List the venues of a file by name."""
    specs = (
        VenueSpec(
            name=venue.name,
            kind=venue.kind,
            contracts=tuple(
                VenueContract(role=role, address=address) for role, address in sorted(venue.contracts.items())
            ),
        )
        for venue in section.venues
    )
    return tuple(sorted(specs, key=lambda spec: spec.name))


def pools_at(book: BookSection) -> tuple[PoolsAt, ...]:
    """List which pools of a book are at which further venue, by its name."""
    named = (PoolsAt(venue=each.venue, pools=each.pools) for each in book.pools_at)
    return tuple(sorted(named, key=lambda each: each.venue))


# ------------------------------------------------------------------ what is wrong with them
def problems_in_venues(portfolio: Portfolio) -> Iterator[Problem]:
    """Find venues that cannot be followed, and pools that are at none or at two."""
    taken = {UNISWAP_V3}
    for i, venue in enumerate(portfolio.chain.venues):
        path: FieldPath = ("chain", "venues", i)
        if venue.name in taken:
            whose = "the chain's own" if venue.name == UNISWAP_V3 else "named twice"
            yield Problem((*path, "name"), f"{venue.name} is {whose}")
        taken.add(venue.name)
        yield from _contracts(venue, path)
    for i, book in enumerate(portfolio.books):
        yield from _pools(book, ("books", i), taken - {UNISWAP_V3})


def _contracts(venue: VenueSection, path: FieldPath) -> Iterator[Problem]:
    kind = KINDS.get(venue.kind)
    if kind is None:
        yield Problem(
            (*path, "kind"), f"{venue.kind} is not a kind of venue{did_you_mean(venue.kind, KINDS)}"
        )
        return
    for role in kind.contracts:
        if role not in venue.contracts:
            yield Problem((*path, role), f"missing: where the {role} of venue {venue.name} stands")
    roles = (*kind.contracts, *kind.to_act)
    for role in venue.contracts:
        if role not in roles:
            says = f"unknown field{did_you_mean(role, ('name', 'kind', *roles))}"
            yield Problem((*path, role, ""), says)


def _pools(book: BookSection, path: FieldPath, venues: set[str]) -> Iterator[Problem]:
    elsewhere: dict[PoolId, str] = {}
    of_book = set(_pools_of(book))
    for j, each in enumerate(book.pools_at):
        place: FieldPath = (*path, "pools_at", j)
        if each.venue not in venues:
            says = f"{each.venue} is none of chain.venues{did_you_mean(each.venue, venues)}"
            yield Problem((*place, "venue"), says)
        for k, pool in enumerate(each.pools):
            if pool not in of_book:
                yield Problem((*place, "pools", k), f"{pool} is none of the book's pools")
            if pool in elsewhere:
                says = f"{pool} lies at {elsewhere[pool]} already"
                yield Problem((*place, "pools", k), says)
            elsewhere.setdefault(pool, each.venue)
    for place, pool in _named_pools(book, path):
        if pool not in elsewhere and len(pool) != _ADDRESS_CHARACTERS:
            yield Problem(
                place, f"{pool} is not an address, and `pools_at` does not say at which venue it lies"
            )


def _pools_of(book: BookSection) -> Iterator[PoolId]:
    for _, pool in _named_pools(book, ()):
        yield pool


def _named_pools(book: BookSection, path: FieldPath) -> Iterator[tuple[FieldPath, PoolId]]:
    yield from (((*path, "pools", j), pool) for j, pool in enumerate(book.pools))
    yield (*path, "reference_pool"), book.reference_pool
    yield from pricing_pools(book, path)


def problems_in_acting(policy: Policy, path: FieldPath) -> Iterator[Problem]:
    """Find a book with positions where its plans cannot act: a book acts only at the venue of its reference pool."""
    if policy.mode == "watch":
        return
    here = policy.acting_venue()
    if venue_named(policy.chain, here).actions is None:
        yield Problem((*path, "mode"), f"only mode: watch: nothing acts at venue {here}")
    elsewhere = {venue for pool in policy.all_pools() if (venue := policy.venue_of(pool)) != here}
    for venue in sorted(elsewhere):
        says = f"only mode: watch: a book acts at the venue of its reference pool, {here}, and has pools at {venue}"
        yield Problem((*path, "mode"), says)


def problems_in_contracts(policy: Policy, chain: ChainSection) -> Iterator[Problem]:
    """Find contracts that a live book needs at the venue where it acts, and that the file does not name."""
    spec = policy.chain.venue(policy.acting_venue())
    if policy.mode != "live" or spec is None or spec.kind not in KINDS:
        return
    for role, what_for in KINDS[spec.kind].to_act.items():
        if not spec.has(role):
            says = f"missing: book {policy.book} is live, and {what_for}"
            yield Problem((*venue_path(chain, spec.name), role), says)


def venue_path(chain: ChainSection, name: str) -> FieldPath:
    """Return where the file has a venue's contracts: the first deployment's stand beside the chain's number."""
    places = {venue.name: i for i, venue in enumerate(chain.venues)}
    return ("chain", "venues", places[name]) if name in places else ("chain",)


def problems_in_deployments(chain: ChainProfile, sections: Iterable[VenueSection]) -> Iterator[Problem]:
    """Find contracts that two venues of one kind share: what lies there would be counted twice."""
    own, *_ = chain.all_venues()
    known = {(own.kind, each.role, each.address): own.name for each in own.contracts}
    for i, venue in enumerate(sections):
        for role, address in venue.contracts.items():
            other = known.setdefault((venue.kind, role, address), venue.name)
            if other != venue.name:
                yield Problem(
                    ("chain", "venues", i, role), f"{address} is the {role} of venue {other} already"
                )
