"""Dockerfile and docker-compose.yml, as far as they can be checked without a container engine."""

import re
import signal
import subprocess
from fnmatch import fnmatch
from pathlib import Path

import pytest
import yaml
from typer.main import get_command

from streams.cli.commands import app
from streams.process import CONFIGURATION, HALTED
from streams.settings import Settings, variable_of

ROOT = Path(__file__).parents[2]


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def every(pattern: str, text: str) -> list[str]:
    return re.findall(pattern, text, re.MULTILINE)


COMPOSE = yaml.safe_load(read("docker-compose.yml"))
DOCKERFILE = read("Dockerfile").replace("\\\n", " ")
IGNORED = read(".dockerignore").split("\n")
KNOWN = {variable_of(field) for field in Settings.model_fields}
BUILT = [name for name, service in COMPOSE["services"].items() if "build" in service]
FORK = "anvil-fork"
OURS = [name for name in BUILT if name != FORK]
RUNS = {"watch": "watch", "standby": "watch", "work": "work", "rehearse": "rehearse", "submit": "submit"}
OPTIONAL = {"standby", "rehearse", "submit", FORK, "console"}
OUTSIDE = {"WORKERS", "FORK_URL", "WATCH_SHARE", "REHEARSE_SHARE", "SUBMIT_SHARE"}
"""Asked by docker-compose.yml alone: no setting of a program."""


def of_cli(command: list[str]) -> bool:
    """Return whether a command line is a command, and not only a group."""
    found = get_command(app)
    for word in command:
        found = found.get_command(None, word) if hasattr(found, "get_command") else None
    return found is not None and not hasattr(found, "get_command")


def test_the_watcher_and_a_worker_are_there_and_the_others_by_profile():
    assert set(OURS) == set(RUNS)
    for name in OURS:
        assert COMPOSE["services"][name]["command"][0] == RUNS[name]
    for name, service in COMPOSE["services"].items():
        assert service.get("profiles", []) == ([name] if name in OPTIONAL else [])
    assert "--live" in COMPOSE["services"]["submit"]["command"]


def test_each_process_of_a_kind_has_a_name_of_its_own():
    """Workers are copies of one service: a name in the file would be all of theirs."""
    named = [
        service["environment"].get("EVENKEEL_INSTANCE") for service in map(COMPOSE["services"].get, OURS)
    ]
    assert sorted(filter(None, named)) == ["rehearse-1", "submit-1", "watch-1", "watch-2"]
    work = COMPOSE["services"]["work"]
    assert work["deploy"] == {"replicas": "${WORKERS:-1}"}
    assert "EVENKEEL_INSTANCE" not in work["environment"]
    assert not {"container_name", "hostname"} & work.keys()


def test_a_fork_is_the_images_anvil_and_nobody_else_reaches_it():
    fork = COMPOSE["services"][FORK]
    assert fork["entrypoint"] == ["anvil"]
    assert fork["ports"] == ["127.0.0.1:8545:8545"]


def test_the_console_reads_only_and_is_seen_on_this_machine_alone():
    console = COMPOSE["services"]["console"]
    assert console["environment"]["KAFKA_CLUSTERS_0_READONLY"] == "true"
    assert console["environment"]["KAFKA_CLUSTERS_0_BOOTSTRAPSERVERS"] == "kafka:9092"
    assert [port.rpartition(":")[0] for port in console["ports"]] == ["127.0.0.1:8080"]


def test_no_service_fills_the_disk_or_the_memory():
    for name, service in COMPOSE["services"].items():
        options = service["logging"]["options"]
        assert options.keys() == {"max-size", "max-file"}, name
        assert re.fullmatch(r"\d+g", service["mem_limit"]), name


def test_what_fails_is_started_again_but_for_a_signer():
    for name in OURS:
        assert COMPOSE["services"][name]["restart"] == ("no" if name == "submit" else "on-failure")
    assert 'ENTRYPOINT ["docker-serve.sh"]' in DOCKERFILE


@pytest.mark.parametrize(
    ("command", "ends_with", "code"),
    [
        ("watch", HALTED, 0),
        ("work", CONFIGURATION, 0),
        ("watch", 1, 1),
        ("work", 70, 70),
        ("apply", HALTED, HALTED),
        ("submit", HALTED, HALTED),
        ("watch", 0, 0),
    ],
)
def test_a_code_that_no_start_mends_leaves_the_container_ended(tmp_path, command, ends_with, code):
    program = tmp_path / "evenkeel"
    program.write_text(f"#!/bin/sh\nexit {ends_with}\n")
    program.chmod(0o755)
    path = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    done = subprocess.run(
        [ROOT / "docker-serve.sh", command], env=path, capture_output=True, text=True, check=False
    )
    assert done.returncode == code
    assert (f"ended with {ends_with}" in done.stderr) is (code != ends_with)


def test_a_container_that_is_stopped_tells_its_program_and_waits_for_it(tmp_path):
    program = tmp_path / "evenkeel"
    program.write_text(
        "#!/bin/sh\ntrap 'sleep 0.2; echo in order; exit 3' TERM\necho up\nwhile :; do sleep 0.05; done\n"
    )
    program.chmod(0o755)
    path = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    with subprocess.Popen(
        [ROOT / "docker-serve.sh", "watch"], env=path, stdout=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "up\n"
        running.terminate()
        assert running.stdout.readline() == "in order\n"
        assert running.wait(10) == 3


def test_a_stop_right_after_the_start_reaches_the_program(tmp_path):
    program = tmp_path / "evenkeel"
    program.write_text("#!/bin/sh\nkill -TERM $PPID\nexec sleep 100\n")
    program.chmod(0o755)
    slow = tmp_path / "slow.sh"  # the same script on a machine that stands still once the program runs
    lines = (ROOT / "docker-serve.sh").read_text().splitlines()
    begun = lines.index('evenkeel "$@" &')
    slow.write_text("\n".join([*lines[: begun + 1], "sleep 0.5", *lines[begun + 1 :]]))
    path = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    done = subprocess.run(["/bin/sh", slow, "watch"], env=path, timeout=60, check=False)
    assert done.returncode == 128 + signal.SIGTERM


def test_the_image_holds_the_anvil_that_dry_runs_need():
    building, _, leaving = DOCKERFILE.rpartition("\nFROM ")
    assert "anvil_program" in building
    assert "COPY --from=build /usr/local/bin/anvil /usr/local/bin/anvil" in leaving


@pytest.mark.parametrize("name", OURS)
def test_a_service_of_ours_runs_a_command_that_exists_on_settings_that_exist(name):
    service = COMPOSE["services"][name]
    assert of_cli([word for word in service["command"] if not word.startswith(("-", "/"))])
    assert service["environment"].keys() <= KNOWN
    assert {"EVENKEEL_BROKER", "EVENKEEL_CHAIN_ID", "EVENKEEL_PARTITIONS"} <= service["environment"].keys()
    test = service["healthcheck"]["test"]
    assert test[:2] == ["CMD", "evenkeel"]
    assert of_cli(test[2:])


@pytest.mark.parametrize("name", BUILT)
def test_a_service_of_ours_can_do_little_harm(name):
    service = COMPOSE["services"][name]
    assert service["user"].isdigit()
    assert service["user"] != "0"
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert name == FORK or "ports" not in service


def test_a_worker_does_not_know_the_node():
    asks = [name for name in OURS if "EVENKEEL_RPC_URL" in COMPOSE["services"][name]["environment"]]
    assert asks == ["watch", "standby", "rehearse", "submit"]


def test_images_are_pinned_and_nothing_is_published_beyond_this_machine():
    for name, service in COMPOSE["services"].items():
        _, colon, tag = service["image"].partition("@")[0].partition(":")
        assert colon, name
        assert re.fullmatch(r"v?\d+\.\d+\.\d+", tag), name
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:"), port


def test_the_broker_is_the_one_that_the_devnet_runs():
    pom = read("streams/devnet/pom.xml")
    kafka = re.search(r"<artifactId>kafka_[\d.]+</artifactId>\s*<version>([\d.]+)</version>", pom)
    assert kafka
    assert COMPOSE["services"]["kafka"]["image"].partition("@")[0] == f"apache/kafka:{kafka[1]}"


def test_the_broker_can_be_reached_where_it_says():
    broker = COMPOSE["services"]["kafka"]
    said = broker["environment"]
    listeners = dict(each.split("://") for each in said["KAFKA_LISTENERS"].split(","))
    advertised = dict(each.split("://") for each in said["KAFKA_ADVERTISED_LISTENERS"].split(","))
    protocols = dict(each.split(":") for each in said["KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"].split(","))
    assert listeners.keys() == protocols.keys()
    assert advertised.keys() == listeners.keys() - {said["KAFKA_CONTROLLER_LISTENER_NAMES"]}
    for name, address in advertised.items():
        assert address.partition(":")[2] == listeners[name].partition(":")[2]
    assert advertised[said["KAFKA_INTER_BROKER_LISTENER_NAME"]] == "kafka:9092"
    assert all(COMPOSE["services"][name]["environment"]["EVENKEEL_BROKER"] == "kafka:9092" for name in OURS)
    assert [f"{port.rpartition(':')[0]}" for port in broker["ports"]] == [advertised["OUTSIDE"]]
    assert said["KAFKA_LOG_DIRS"] in {volume.partition(":")[2] for volume in broker["volumes"]}


def test_every_service_waits_for_what_has_a_health_check():
    for name, service in COMPOSE["services"].items():
        for needed, how in service.get("depends_on", {}).items():
            assert how == {"condition": "service_healthy"}, name
            assert "healthcheck" in COMPOSE["services"][needed]


def test_what_the_file_asks_of_the_environment_is_in_the_example():
    asked = set(every(r"\$\{([A-Z_]+)", read("docker-compose.yml")))
    assert asked > OUTSIDE
    given = set(every(r"^([A-Z_]+)=", read(".env.example")))
    assert asked == given
    assert asked <= KNOWN | OUTSIDE
    assert ".env" in read(".gitignore").split("\n")


def test_what_is_set_of_nodes_comes_to_each_process_that_asks_one():
    of_nodes = {name for name in KNOWN if name.startswith("EVENKEEL_RPC_")}
    assert len(of_nodes) == 6
    for name in {*OURS} - {"work"}:
        environment = COMPOSE["services"][name]["environment"]
        assert of_nodes <= set(environment), name
        # without a value it is passed on where there is one, and left out else
        assert {each for each in of_nodes if environment[each] is not None} == {
            "EVENKEEL_RPC_URL",
            "EVENKEEL_RPC_SHARE",
        }


# ------------------------------------------------------------------ the image
def test_the_image_installs_by_hash_and_does_not_run_as_root():
    for line in every(r"pip install [^&\n]*", DOCKERFILE):
        assert "--require-hashes" in line or ("--no-index" in line and "--no-deps" in line), line
    assert every(r"^FROM ([^\s@]+)", DOCKERFILE) == ["python:3.11-slim"] * 2
    leaving = DOCKERFILE.rpartition("\nFROM ")[2]
    users = every(r"^USER (\S+)$", leaving)
    assert users == [COMPOSE["services"]["watch"]["user"]]
    assert leaving.index("USER ") < leaving.index("ENTRYPOINT")


def test_the_image_sets_only_settings_that_exist():
    assert set(every(r"EVENKEEL_[A-Z_]+", DOCKERFILE)) <= KNOWN


def test_what_the_image_copies_exists_and_is_let_in():
    copied = [word for line in every(r"^COPY (?!--from)(.*)$", DOCKERFILE) for word in line.split()[:-1]]
    assert {"pipeline", "streams", "contracts_abi", "requirements.lock"} <= set(copied)
    for name in copied:
        assert (ROOT / name).exists(), name
        assert f"!{name}" in IGNORED, name
    assert IGNORED[1] == "*"
    assert not any(fnmatch(".env", line.removeprefix("!")) for line in IGNORED if line.startswith("!"))
