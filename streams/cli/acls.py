"""`topics acls`: print the broker's ACLs that each role needs."""

import json
import shlex
from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated

import typer

from pipeline.errors import SettingsError
from pipeline.units import Address, ChainId
from streams.cli.chain_checks import named_address
from streams.cli.console import AsJson, print_json, run, say, settings_for
from streams.kafka.roles import ROLES, Acl, Resource, Role
from streams.kafka.roles import acls as acls_of
from streams.settings import Settings
from streams.yaml_positions import did_you_mean

_OPTION_OF: dict[Resource, str] = {
    "topic": "--topic",
    "group": "--group",
    "transactional-id": "--transactional-id",
}


def acls(
    roles: Annotated[
        list[str] | None,
        typer.Argument(metavar="[ROLE]...", help=f"{', '.join(ROLES)}; all if none is named."),
    ] = None,
    *,
    principal: Annotated[
        str | None,
        typer.Option(help="The principal, as the broker names it; by default User:evenkeel-ROLE."),
    ] = None,
    signer: Annotated[
        str | None,
        typer.Option(
            help="For the role submit: the signer's account or ENS name, which is part of its transactional ids."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Print the kafka-acls commands that allow each role its work, and nothing else."""
    settings = settings_for("topics")
    account = None if signer is None else run(_account(settings, signer))
    wanted = _roles(roles)
    if not roles and account is None:
        say("without --signer there is nothing for role submit")
        wanted = [role for role in wanted if role != "submit"]
    for role in wanted:
        found = acls_of(role, settings.chain, signer=account)
        who = principal or f"User:evenkeel-{role}"
        if as_json:
            _print_objects(role, who, found)
        else:
            _print_commands(role, settings.broker or "HOST:PORT", who, found, settings.chain)


def _roles(named: Sequence[str] | None) -> list[Role]:
    for name in named or ():
        if name not in ROLES:
            raise SettingsError(f"there is no role {name}{did_you_mean(name, list(ROLES))}")
    return [role for role in ROLES if not named or role in named]


async def _account(settings: Settings, text: str) -> Address:
    try:
        return await named_address(settings, text)
    except ValueError as error:
        raise SettingsError(f"--signer: {error}") from None


def _print_objects(role: Role, principal: str, found: Iterable[Acl]) -> None:
    for acl in found:
        print_json(json.dumps({"role": role, "principal": principal, **acl._asdict()}))


def _print_commands(role: Role, broker: str, principal: str, found: Iterable[Acl], chain_id: ChainId) -> None:
    typer.echo(f"# {role}, on chain {chain_id}")
    for resource, pattern, name, operations in _by_resource(found):
        words = ["kafka-acls.sh", "--bootstrap-server", broker, "--command-config", "admin.properties"]
        words += ["--add", "--allow-principal", principal]
        words += [word for operation in operations for word in ("--operation", operation)]
        words += [_OPTION_OF[resource], name, "--resource-pattern-type", pattern]
        typer.echo(shlex.join(words))


def _by_resource(found: Iterable[Acl]) -> Iterator[tuple[Resource, str, str, list[str]]]:
    operations: dict[tuple[Resource, str, str], list[str]] = {}
    for acl in found:
        operations.setdefault((acl.resource, acl.pattern, acl.name), []).append(acl.operation)
    for (resource, pattern, name), allowed in operations.items():
        yield resource, pattern, name, allowed
