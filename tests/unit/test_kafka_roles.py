"""The ACLs of each role as data, and as the commands that `evenkeel topics acls` prints."""

import json
import shlex
import subprocess
import sys
from pathlib import Path

import forked
import pytest

from pipeline.errors import SettingsError
from pipeline.units import ChainId
from streams.kafka.roles import ROLES, acls, role_of
from streams.kafka.topics import TOPICS

ROOT = Path(__file__).parents[2]
SIGNER = "0x" + "51" * 20
CHAIN = ChainId(7)


def all_of(role):
    return acls(role, CHAIN, signer=SIGNER if role == "submit" else None)


@pytest.mark.parametrize("role", ROLES)
def test_a_role_is_allowed_nothing_outside_its_deployment(role):
    for acl in all_of(role):
        if acl.pattern == "prefixed":  # chain 7 is not chain 70
            assert acl.name in {"evenkeel-7.", "evenkeel-7.shard-"}
        else:
            assert acl.name.startswith("evenkeel-7.")


@pytest.mark.parametrize("role", ROLES)
def test_no_role_may_alter_delete_or_act_for_the_cluster(role):
    assert {acl.operation for acl in all_of(role)} <= {
        "Read",
        "Write",
        "Create",
        "Describe",
        "DescribeConfigs",
    }
    assert {acl.resource for acl in all_of(role)} <= {"topic", "group", "transactional-id"}


def test_no_topic_is_written_by_prefix():
    found = {
        acl.name
        for role in ROLES
        for acl in all_of(role)
        if (acl.resource, acl.operation) == ("topic", "Write")
    }
    assert found == {topic.on(CHAIN) for topic in TOPICS.values()}


def test_a_signer_must_be_named():
    with pytest.raises(SettingsError, match="role submit: name the signer's account"):
        acls("submit", CHAIN)


@pytest.mark.parametrize(
    ("command", "role"),
    [
        ("watch", "watch"),
        ("positions", "view"),
        ("intents list", "view"),
        ("intents close", "operate"),
        ("init", None),
    ],
)
def test_a_command_has_a_role(command, role):
    assert role_of(command) == role


# ------------------------------------------------------------------ the command
def run(tmp_path, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = {
        "EVENKEEL_CHAIN_ID": "7",
        "EVENKEEL_BROKER": "k.example:9093",
        "PYTHONPATH": str(ROOT),
        "PATH": "/usr/bin",
    }
    argv = [sys.executable, "-m", "streams.cli", "topics", "acls", *arguments]
    return forked.run(argv, cwd=tmp_path, env=env)


def test_the_commands_say_all_of_it(tmp_path):
    done = run(tmp_path, "--signer", SIGNER)
    assert done.returncode == 0, done.stderr
    said = set()
    for line in done.stdout.splitlines():
        if line.startswith("#"):
            continue
        words = shlex.split(line)
        assert words[:3] == ["kafka-acls.sh", "--bootstrap-server", "k.example:9093"]
        role = words[words.index("--allow-principal") + 1].removeprefix("User:evenkeel-")
        operations = [words[at + 1] for at, word in enumerate(words) if word == "--operation"]
        pattern = words[words.index("--resource-pattern-type") + 1]
        (resource,) = (kind for kind in ("topic", "group", "transactional-id") if f"--{kind}" in words)
        name = words[words.index(f"--{resource}") + 1]
        said |= {(role, resource, pattern, name, operation) for operation in operations}
    assert said == {(role, *acl) for role in ROLES for acl in all_of(role)}


def test_one_role_for_a_named_principal_as_json(tmp_path):
    done = run(tmp_path, "view", "--principal", "User:CN=me", "--json")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert {row["principal"] for row in rows} == {"User:CN=me"}
    assert {row["operation"] for row in rows} == {"Read", "Describe", "DescribeConfigs"}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["submit"], "role submit: name the signer's account"),
        (["submit", "--signer", "0x12"], "--signer: is not an address"),
        (["subnit"], "there is no role subnit; did you mean submit?"),
    ],
)
def test_what_cannot_be_printed_is_said(tmp_path, arguments, says):
    done = run(tmp_path, *arguments)
    assert done.returncode == 1
    assert says in done.stderr


def test_without_an_account_the_sender_is_left_out_and_that_is_said(tmp_path):
    done = run(tmp_path)
    assert "evenkeel-work" in done.stdout
    assert "evenkeel-submit" not in done.stdout
    assert "without --signer there is nothing for role submit" in done.stderr


# ------------------------------------------------------------------ the page
def row(role: str) -> str:
    def names(topics):
        if topics == tuple(TOPICS.values()):
            return "everything"
        return " ".join(f"`{topic.name.removesuffix('.v1')}`" for topic in topics) or "nothing"

    besides = ["creates topics"] if ROLES[role].creates else []
    prefix = f"evenkeel-{CHAIN}."
    for acl in all_of(role):
        name = acl.name.removeprefix(prefix).replace(SIGNER, "ADDRESS")
        if acl.resource == "group":
            besides.append(f"group `{name}`")
        elif acl.resource == "transactional-id" and acl.operation == "Write":
            several = acl.pattern == "prefixed"
            besides.append(f"transactional ids `{name}*`" if several else f"transactional id `{name}`")
    said = ", ".join(besides)
    return f"| `{role}` | {names(ROLES[role].reads)} | {names(ROLES[role].writes)} | {said}{' ' if said else ''}|"


def test_the_page_has_the_table():
    page = (ROOT / "docs" / "security.md").read_text()
    for role in ROLES:
        assert row(role) in page


def test_the_page_names_what_each_role_runs():
    page = (ROOT / "docs" / "security.md").read_text()
    for role, access in ROLES.items():
        (line,) = [line for line in page.splitlines() if line.startswith(f"| `{role}` | `evenkeel ")]
        for command in access.commands:
            assert f"{command}`" in line, (role, command)
