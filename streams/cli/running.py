"""`watch`, `work`, and `up`, which starts and restarts both, and signers for live books."""

import fcntl
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated

import typer

from contracts_abi.chains import ChainFile
from pipeline.errors import NodeError, SettingsError
from pipeline.units import ChainId, Seconds
from streams.cli.chain_code import check_contracts
from streams.cli.console import run, say, settings_for
from streams.cli.portfolios import DEFAULT_FILE, apply_file
from streams.cli.submitting import signer_file_for
from streams.heartbeat import beating
from streams.kafka.readers import reading
from streams.kafka.topics import ensure_topics
from streams.policy_rollout import policies_in_force
from streams.portfolio.chain_file import chain_file_for
from streams.settings import Settings, made, variable_of
from streams.supervise import Child, supervise

_LOG_FORMAT, _SHARE = variable_of("log_format"), variable_of("rpc_share")
_WEIGHTS = {"watch": 6, "rehearse": 2, "submit": 2}
"""How what `up` starts divides the nodes' budgets: the watcher asks at each block, the others now and then. A further signer takes as much as the first."""
_WHOLE_PERCENT = 100


def watch() -> None:
    """Follow the chain: append each block, and what the books need read, to their shards' logs."""
    settings = settings_for("watch", serving=True)
    from streams.node.head_hints import silence_s  # noqa: PLC0415
    from streams.watch.watcher import run_watch  # noqa: PLC0415 - takes its time

    chain = _chain_file(settings.chain)
    blocks = None if chain is None else chain.blocks

    async def checked_watch() -> None:
        await check_contracts(settings, DEFAULT_FILE)
        await run_watch(
            kafka=settings.kafka,
            chain_id=settings.chain,
            partitions=settings.partitions,
            rpc_urls=settings.rpc_urls,
            rpc_quorum=settings.quorum,
            rpc_limits=settings.rpc_limits,
            rpc_ws=settings.ws_url,
            silence_s=silence_s(None if blocks is None else blocks.time_ms),
            late_s=None if blocks is None or blocks.late_s is None else Seconds(blocks.late_s),
            instance=settings.instance,
            stands_by=True,
        )

    run(checked_watch())


def _chain_file(chain_id: ChainId) -> ChainFile | None:
    """Find what is known of the chain; a file that cannot be read keeps nobody from following."""
    try:
        return chain_file_for(chain_id, DEFAULT_FILE)
    except SettingsError as error:
        say(f"the age of the chain's newest block is not watched: {error}")
        return None


def work() -> None:
    """Fold the logs of the shards that Kafka assigns, and publish state and decisions."""
    settings = settings_for("work", serving=True)
    from streams.work.app import run_worker  # noqa: PLC0415 - Faust takes its time

    with _alone(settings, "work"):
        run_worker(
            settings.kafka,
            settings.chain,
            settings.partitions,
            instance=settings.instance,
            data_dir=made(settings.folder / "work"),
        )


def up(
    file: Annotated[Path | None, typer.Argument(help="A portfolio file to apply first.")] = None,
    *,
    live: Annotated[bool, typer.Option("--live", help="Yes, books of mode live may act.")] = False,
    signer: Annotated[
        list[Path] | None,
        typer.Option(help="A signer's file: also run `submit` with it, if a book is live. Needs --live."),
    ] = None,
) -> None:
    """Run everything: apply a portfolio, then run watcher, worker and dry-runs until Ctrl-C."""
    settings = settings_for("up", serving=True)
    with _alone(settings, "up"):
        run(_up(settings, file, signer or [], live=live))


async def _up(settings: Settings, file: Path | None, signers: Sequence[Path], *, live: bool) -> None:
    assert settings.rpc_urls, "asked for here: a missing one must not wait for the child"
    if signers and not live:
        raise SettingsError("--signer: nothing is sent without --live")
    signer_files = [signer_file_for(settings, signer) for signer in signers]
    await _ask_first(settings)
    await check_contracts(settings, file or DEFAULT_FILE)
    await ensure_topics(settings.kafka, settings.chain, settings.partitions)
    if file is not None:
        await apply_file(settings, file, live=live, signers=signer_files)
    children = _children(settings, signers if await _is_live(settings, signers) else ())
    say(f"runs {', '.join(child.name for child in children)}; Ctrl-C ends all")
    async with beating(settings.kafka, settings.chain, "up", settings.instance):
        await supervise(children)


async def _ask_first(settings: Settings) -> None:
    """Ask the node which chain it follows before anything is written. Raises: SettingsError if it is another."""
    from streams.node.right_chain import require_chain  # noqa: PLC0415 - takes its time

    try:
        await require_chain(settings.rpc_urls[0], settings.chain)
    except NodeError as error:
        say(f"the node does not answer: {error}; what is begun waits for it")


async def _is_live(settings: Settings, signers: Sequence[Path]) -> bool:
    """Return whether a book in force may act, and say what is missing on either side."""
    async with reading(settings.kafka) as reader:
        in_force = await policies_in_force(reader, settings.chain)
    live = sorted(book for book, policy in in_force.items() if policy.mode == "live")
    if live and not signers:
        say(f"live: {', '.join(live)}; no --signer is named: run `evenkeel submit` where the key is")
    if signers and not live:
        say("no book in force is live: no signer is started")
    return bool(live)


def _children(settings: Settings, signers: Sequence[Path]) -> list[Child]:
    """List what is kept running; what asks the nodes has its share of their budgets."""
    shares = shares_of(settings, signers=len(signers))
    submits = [
        _child(settings, "submit", str(signer), "--live", share=shares["submit"]) for signer in signers
    ]
    own = [_child(settings, command, share=shares.get(command)) for command in ("watch", "work", "rehearse")]
    return [*own, *submits]


def shares_of(settings: Settings, *, signers: int) -> Mapping[str, int | None]:
    """Divide a process's share of the nodes' budgets among what it starts, in percent of the whole; without budgets there is nothing to divide.

    Rounds: down. Raises: SettingsError where a budget is too small for so many.
    """
    if not any(each.is_bounded for each in settings.whole_limits):
        return dict.fromkeys(_WEIGHTS)
    total = sum(_WEIGHTS.values()) + _WEIGHTS["submit"] * (signers - 1)
    shares = {role: settings.rpc_share * weight // total for role, weight in _WEIGHTS.items()}
    least = min(share for role, share in shares.items() if role != "submit" or signers)
    for most in (most for each in settings.whole_limits for most in (each.per_second, each.per_day)):
        if most is not None and most * least < _WHOLE_PERCENT:
            raise SettingsError(
                f"a budget of {most} questions cannot be divided among the {2 + signers} processes that ask a node: the "
                f"smallest share is {least} %, less than one question"
            )
    return shares


@contextmanager
def _alone(settings: Settings, program: str) -> Iterator[None]:
    """Let no second program of our name run in our folder: their workers would fence each other on and on.

    Raises: SettingsError.
    """
    with _lock(made(settings.folder) / f"{program}-{settings.instance}.lock") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SettingsError(
                f"`evenkeel {program}` runs already in {settings.folder} as {settings.instance}: "
                f"name a second one by {variable_of('instance')}"
            ) from None
        yield


def _lock(path: Path) -> IO[str]:
    try:
        return path.open("w")
    except OSError as error:
        raise SettingsError(f"cannot write {path}: {error.strerror}") from None


def _child(settings: Settings, *command: str, share: int | None = None) -> Child:
    """One of our own commands, which writes its log as we do although it writes into a pipe."""
    for_people = settings.log_format == "console" or (settings.log_format == "auto" and sys.stderr.isatty())
    return Child(
        name=" ".join(command[:2]),
        argv=[sys.executable, "-P", "-m", "streams.cli", *command],  # -P: not from the current folder
        env={
            _LOG_FORMAT: "console" if for_people else "json",
            **({} if share is None else {_SHARE: str(share)}),
        },
    )
