"""`init`, `check` and `apply`: write a portfolio file, check it, and append its policies to the log."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from pipeline.errors import SettingsError, TopicError
from pipeline.messages.events import PolicySet
from pipeline.messages.policy import Policy
from pipeline.units import BookId, ChainId
from streams.cli.chain_checks import refuse_what_the_chain_refuses, resolve_names
from streams.cli.console import print_table, run, say, settings_for
from streams.cli.example import example_portfolio
from streams.cli.unfinished_plans import refuse_to_leave
from streams.cli.wanted_books import print_policies
from streams.cli.wider_limits import wider_than_signers
from streams.ended_hedges import say_unwound, still_unwound, with_other_collateral
from streams.kafka.readers import reading
from streams.kafka.topics import ensure_topics
from streams.policy_rollout import RolloutStep, append, appending, policies_in_force, steps_to
from streams.portfolio import load_portfolio, names_in
from streams.portfolio.hedges import notes_on_hedge
from streams.portfolio.names import moved
from streams.portfolio.words import address_text, differences
from streams.run_folder import devnet_in, read_text
from streams.settings import Settings
from streams.submit.signer_file import SignerFile, load_signer_file
from streams.yaml_positions import Problem, read_yaml

DEFAULT_FILE = Path("portfolio.yaml")

File = Annotated[Path, typer.Argument(help="The portfolio file.")]


def init(
    file: File = DEFAULT_FILE,
    *,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
) -> None:
    """Write a commented example portfolio: for the devnet if one is up, else for Ethereum."""
    settings = settings_for("init")
    if file.exists() and not force:
        raise SettingsError(f"{file} exists; --force writes over it")
    devnet = devnet_in(settings.folder)
    file.write_text(example_portfolio(devnet), encoding="utf-8")
    where = "the devnet" if devnet else "Ethereum: put your own owner in"
    say(f"wrote {file}, for {where}. Next: evenkeel apply {file}")


def check(
    file: File = DEFAULT_FILE,
    *,
    signer: Annotated[
        Path | None, typer.Option(help="A signer's file, to name the books' limits that contradict it.")
    ] = None,
) -> None:
    """Validate a portfolio file: show its errors, or what it asks for. Needs no broker, and asks a node if one is set."""
    settings = settings_for("check")
    signers = [] if signer is None else [load_signer_file(signer)]
    policies = run(_checked(settings, file))
    print_policies(policies, settings.partitions)
    _say_notes(policies)
    say_versions(policies, signers)


def _say_notes(policies: Iterable[Policy]) -> None:
    for policy in policies:
        for note in notes_on_hedge(policy):
            say(note)


async def _checked(settings: Settings, file: Path) -> tuple[Policy, ...]:
    policies = await read_portfolio(settings, file)
    await _ask_the_chain(settings, file, policies)
    from streams.cli.book_sizes import sizes_now  # noqa: PLC0415 - takes its time

    for said in await sizes_now(settings, policies):
        say(said)
    return policies


def apply(
    file: File = DEFAULT_FILE,
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would change, and append nothing.")
    ] = False,
    prune: Annotated[bool, typer.Option("--prune", help="Remove books that are not in the file.")] = False,
    live: Annotated[bool, typer.Option("--live", help="Yes, books of mode live may act.")] = False,
    leave_plans: Annotated[
        bool,
        typer.Option(
            "--leave-plans", help="Abandon open plans in the middle; their tokens stay where they are."
        ),
    ] = False,
    moved_names: Annotated[
        bool,
        typer.Option(
            "--moved-names", help="Yes, accept names that resolve to other addresses than when applied."
        ),
    ] = False,
    hedge_again: Annotated[
        bool, typer.Option("--hedge-again", help="Yes, start hedges again that `unwind` has ended.")
    ] = False,
) -> None:
    """Put a portfolio file in force: append each changed policy to its book's log."""
    settings = settings_for("apply")
    run(
        apply_file(
            settings,
            file,
            dry_run=dry_run,
            prune=prune,
            live=live,
            leave_plans=leave_plans,
            moved_names=moved_names,
            hedge_again=hedge_again,
        )
    )


async def apply_file(
    settings: Settings,
    file: Path,
    *,
    dry_run: bool = False,
    prune: bool = False,
    live: bool = False,
    leave_plans: bool = False,
    signers: Sequence[SignerFile] = (),
    moved_names: bool = False,
    hedge_again: bool = False,
) -> list[RolloutStep]:
    """Compare a file with what is in force, print the difference, and append it."""
    wanted = await read_portfolio(settings, file)
    acting = [policy.book for policy in wanted if policy.mode == "live"]
    if acting and not (live or dry_run):
        raise SettingsError(f"{file}: {', '.join(acting)} would act: say --live as well")
    chain_id = wanted[0].chain.chain_id
    await _ask_the_chain(settings, file, wanted)
    if not dry_run:
        await ensure_topics(settings.kafka, chain_id, settings.partitions)
    in_force = await _in_force(settings, chain_id, may_be_new=dry_run)
    if not (moved_names or dry_run):
        _refuse_moved_names(file, wanted, in_force)
    refuse_other_collateral(file, wanted, in_force)
    if not hedge_again:
        wanted = tuple(still_unwound(policy, in_force) for policy in wanted)
    steps = steps_to(wanted, in_force, settings.partitions, prune=prune)
    if not dry_run and steps:
        async with reading(settings.kafka) as reader:
            await refuse_to_leave(reader, chain_id, file, steps, in_force, leave_plans=leave_plans)
        async with appending(settings.kafka) as producer:
            for step in steps:
                await append(producer, chain_id, step.shard, step.event)
    _print_steps(steps, wanted, in_force, dry_run=dry_run, prune=prune)
    for says in say_unwound(wanted):
        say(says)
    _say_notes(wanted)
    say_versions(wanted, signers)
    return steps


async def _ask_the_chain(settings: Settings, file: Path, policies: tuple[Policy, ...]) -> None:
    """Refuse what a node knows better, where one is named. Raises: SettingsError."""
    told = await refuse_what_the_chain_refuses(settings, file, policies)
    if settings.rpc_url:
        say(told)


async def read_portfolio(settings: Settings, file: Path) -> tuple[Policy, ...]:
    """Read a portfolio file, its names resolved by the node; on the devnet its addresses are known.

    Raises: SettingsError, NodeError where names cannot be asked for.
    """
    devnet = devnet_in(settings.folder)
    text = read_text(file)
    names = await resolve_names(settings, *names_in(text, str(file)))
    profile = devnet.world.profile() if devnet else None
    policies = load_portfolio(text, str(file), devnet=profile, names=names)
    chain_id = policies[0].chain.chain_id
    if settings.chain_id is not None and settings.chain_id != chain_id:
        says = f"{chain_id}, but this deployment is on chain {settings.chain_id} (EVENKEEL_CHAIN_ID)"
        raise read_yaml(text, str(file)).refuse([Problem(("chain", "id"), says)])
    return policies


def _refuse_moved_names(file: Path, wanted: Iterable[Policy], in_force: Mapping[BookId, Policy]) -> None:
    """Refuse names that stand for another address than when they were applied. Raises: SettingsError by line and field."""
    document = read_yaml(read_text(file), str(file))
    problems = [
        Problem(
            path,
            f"{now.name} stands for {now.address} now, and stood for {was.address} when book {policy.book} was applied: "
            "--moved-names applies it, or write the address",
        )
        for policy in wanted
        if policy.book in in_force
        for was, now in moved(in_force[policy.book], policy)
        for path in document.paths_of(now.name)
    ]
    if problems:
        raise document.refuse(dict.fromkeys(problems))


def refuse_other_collateral(file: Path, wanted: Sequence[Policy], in_force: Mapping[BookId, Policy]) -> None:
    """Refuse to secure a live hedge by another token. Raises: SettingsError by line and field."""
    found = with_other_collateral(wanted, in_force)
    problems = [Problem(("books", place, "hedge", "collateral"), says) for place, says in found]
    if problems:
        raise read_yaml(read_text(file), str(file)).refuse(problems)


async def _in_force(settings: Settings, chain_id: ChainId, *, may_be_new: bool) -> dict[BookId, Policy]:
    async with reading(settings.kafka) as reader:
        try:
            return await policies_in_force(reader, chain_id)
        except TopicError:
            if may_be_new:
                return {}
            raise


def _print_steps(
    steps: list[RolloutStep],
    wanted: tuple[Policy, ...],
    in_force: dict[BookId, Policy],
    *,
    dry_run: bool,
    prune: bool,
) -> None:
    said: list[tuple[str, ...]] = [
        (_book(step), str(step.shard), str(step.does), _changes(step, in_force), _version(step))
        for step in steps
    ]
    touched = {row[0] for row in said}
    said += [(p.book, "", "as it is", "", p.policy_version[:12]) for p in wanted if p.book not in touched]
    title = "would change (nothing was appended)" if dry_run else "applied"
    print_table(title, ["book", ">shard", "what", "~changes", "version"], said)
    left_over = sorted(set(in_force) - {policy.book for policy in wanted})
    if left_over and not prune:
        say(f"still in force, not in the file: {', '.join(left_over)} (--prune removes them)")


def _book(step: RolloutStep) -> str:
    return step.event.policy.book if isinstance(step.event, PolicySet) else step.event.book


def _version(step: RolloutStep) -> str:
    return step.event.policy.policy_version[:12] if isinstance(step.event, PolicySet) else ""


def _changes(step: RolloutStep, in_force: Mapping[BookId, Policy]) -> str:
    if not isinstance(step.event, PolicySet):
        return ""
    before, after = in_force.get(step.event.policy.book), step.event.policy
    if before is None:
        pools = "a pool" if len(after.pools) == 1 else f"{len(after.pools)} pools"
        return f"{after.mode}, {pools}, owner {address_text(after, after.owner)}"
    return "; ".join(differences(before, after)) or "its version only: it was applied by another release"


def say_versions(policies: Iterable[Policy], signers: Sequence[SignerFile] = ()) -> None:
    """Say each acting book's whole version, as a signer's file pins it, and which of its limits are wider than the signers'.

    Each signer acts in its own pools; where no file is known, in what a file usually allows.
    """
    acting = [policy for policy in policies if policy.mode == "live"]
    if acting:
        say("for the signer's file, which acts for these versions alone:\npolicies:")
    for policy in acting:
        say(f"  {policy.book}: {policy.policy_version}")
    for policy in acting:
        own: list[SignerFile | None] = [file for file in signers if file.names_pool(policy.reference_pool)]
        for file in own or [None]:
            for wider in wider_than_signers(policy, file):
                say(wider)
