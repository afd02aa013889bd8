"""docs/deploy: units and manifests, as far as they can be checked without a machine that runs them.

What Kubernetes' own schemas say is asked where the package `kubernetes-validate` is installed; the other tests need nothing.
"""

import configparser
import os
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from streams.cli.commands import app
from streams.private_file import guard_place, owned_text, private_text
from streams.process import CONFIGURATION, HALTED
from streams.settings import Settings, variable_of

ROOT = Path(__file__).parents[2]
UNITS = sorted((ROOT / "docs/deploy/systemd").glob("*.service"))
FOLDERS = sorted(path for path in (ROOT / "docs/deploy/kubernetes").iterdir() if path.is_dir())
KNOWN = {variable_of(field) for field in Settings.model_fields}
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
KUBERNETES = "1.34"
STOPS_WITHIN_S = 10
"""Every process, after SIGTERM."""


def unit(path: Path) -> configparser.ConfigParser:
    read = configparser.ConfigParser(interpolation=None, delimiters=("=",), comment_prefixes=("#",))
    read.optionxform = str  # type: ignore[assignment,method-assign]
    read.read_string(path.read_text())
    return read


def documents(folder: Path) -> list[dict[str, Any]]:
    """The objects of a folder, but for its kustomization."""
    files = [path for path in sorted(folder.glob("*.yaml")) if path.name != "kustomization.yaml"]
    return [each for path in files for each in yaml.safe_load_all(path.read_text())]


def of_kind(kind: str, *folders: Path) -> list[dict[str, Any]]:
    return [each for folder in folders or FOLDERS for each in documents(folder) if each["kind"] == kind]


SETS = {each["metadata"]["name"]: each for each in of_kind("StatefulSet")}


def pod(name: str) -> dict[str, Any]:
    return SETS[name]["spec"]["template"]["spec"]


def containers(name: str) -> list[dict[str, Any]]:
    return [*pod(name)["initContainers"], *pod(name)["containers"]]


def exists(words: list[str]) -> bool:
    """Assert that a command line is one of ours, with existing options."""
    found = get_command(app)
    names = [word for word in words if not word.startswith(("-", "/"))]
    for word in names:
        found = found.get_command(None, word) if hasattr(found, "get_command") else None
    options = {option for param in getattr(found, "params", ()) for option in param.opts}
    return found is not None and {word for word in words if word.startswith("-")} <= options


# ------------------------------------------------------------------ systemd
def test_there_is_a_unit_for_each_program_and_a_worker_may_be_several():
    assert [path.name for path in UNITS] == [
        "evenkeel-rehearse.service",
        "evenkeel-submit.service",
        "evenkeel-watch.service",
        "evenkeel-work@.service",
    ]


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_a_unit_runs_a_command_that_exists_under_settings_that_exist(path):
    service = unit(path)["Service"]
    program, *words = service["ExecStart"].split()
    assert program == "/opt/evenkeel/bin/evenkeel"
    assert exists(words)
    assert path.stem.removeprefix("evenkeel-").removesuffix("@") == words[0]
    named = {word.partition("=")[0] for word in service["Environment"].split()}
    assert {"EVENKEEL_INSTANCE", "EVENKEEL_FOLDER"} <= named <= KNOWN
    assert ("EVENKEEL_INSTANCE=work-%i" in service["Environment"]) is (words[0] == "work")


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_a_unit_is_started_again_but_for_what_no_start_mends_and_but_for_the_signer(path):
    service = unit(path)["Service"]
    if "submit" in path.name:
        assert service["Restart"] == "no"
        assert "RestartPreventExitStatus" not in service
    else:
        assert service["Restart"] == "on-failure"
        assert service["RestartPreventExitStatus"] == f"{HALTED} {CONFIGURATION}"
        assert unit(path)["Unit"]["StartLimitIntervalSec"] == "0"
    assert service["SuccessExitStatus"] == "143"  # told to stop while it starts
    assert int(service["TimeoutStopSec"]) > STOPS_WITHIN_S


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_a_unit_can_do_little_harm_and_the_signer_has_a_user_of_its_own(path):
    service = unit(path)["Service"]
    yes = {
        "NoNewPrivileges",
        "ProtectHome",
        "PrivateTmp",
        "PrivateDevices",
        "RestrictSUIDSGID",
        "LockPersonality",
    }
    assert {service[name] for name in yes} == {"yes"}
    assert (service["ProtectSystem"], service["CapabilityBoundingSet"], service["LimitCORE"]) == (
        "strict",
        "",
        "0",
    )
    assert re.fullmatch(r"\dG", service["MemoryMax"])
    user = "evenkeel-signer" if "submit" in path.name else "evenkeel"
    assert service["User"] == user
    assert service["EnvironmentFile"] == f"/etc/{user}/environment"
    assert ("ReadWritePaths" in service) is (user == "evenkeel-signer")


# ------------------------------------------------------------------ Kubernetes
@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_folder_applies_all_of_its_files_in_the_version_of_this_release(folder):
    named = yaml.safe_load((folder / "kustomization.yaml").read_text())
    assert {*named["resources"]} == {path.name for path in folder.glob("*.yaml")} - {"kustomization.yaml"}
    assert [(each["name"], each["newTag"]) for each in named["images"]] == [("evenkeel", VERSION)]
    (spaces,) = of_kind("Namespace", folder)
    assert named["namespace"] == spaces["metadata"]["name"]
    (shared,) = named["configMapGenerator"]
    settings = {literal.partition("=")[0] for literal in shared["literals"]}
    assert {"EVENKEEL_BROKER", "EVENKEEL_CHAIN_ID", "EVENKEEL_PARTITIONS"} <= settings <= KNOWN


def test_both_folders_speak_to_one_deployment():
    one, other = (yaml.safe_load((folder / "kustomization.yaml").read_text()) for folder in FOLDERS)
    assert one["configMapGenerator"] == other["configMapGenerator"]
    assert one["namespace"] != other["namespace"]


def test_what_runs_is_a_watcher_with_a_standby_workers_and_the_signer_apart():
    counts = {name: each["spec"]["replicas"] for name, each in SETS.items()}
    assert counts == {"watch": 2, "work": 2, "rehearse": 1, "submit": 1}
    assert [
        each["metadata"]["name"] for each in of_kind("StatefulSet", ROOT / "docs/deploy/kubernetes/signer")
    ] == ["submit"]


@pytest.mark.parametrize("name", SETS)
def test_a_set_finds_its_own_pods_alone_and_has_an_account_of_its_own(name):
    spec = SETS[name]["spec"]
    assert spec["selector"]["matchLabels"] == spec["template"]["metadata"]["labels"]
    assert spec["selector"]["matchLabels"] == {"app.kubernetes.io/component": name}
    accounts = {each["metadata"]["name"]: each for each in of_kind("ServiceAccount")}
    assert pod(name)["serviceAccountName"] == f"evenkeel-{name}"
    assert accounts[f"evenkeel-{name}"]["automountServiceAccountToken"] is False
    assert pod(name)["automountServiceAccountToken"] is False
    assert pod(name)["terminationGracePeriodSeconds"] > STOPS_WITHIN_S


@pytest.mark.parametrize("name", SETS)
def test_a_container_runs_a_command_that_exists_under_settings_that_exist(name):
    (container,) = pod(name)["containers"]
    assert container["args"][0] == name
    assert exists(container["args"])
    env = {each["name"]: each for each in container["env"]}
    assert {"EVENKEEL_INSTANCE", "EVENKEEL_KAFKA_USER", "EVENKEEL_KAFKA_PASSWORD_FILE"} <= env.keys() <= KNOWN
    assert env["EVENKEEL_INSTANCE"]["valueFrom"] == {"fieldRef": {"fieldPath": "metadata.name"}}
    assert env["EVENKEEL_KAFKA_USER"]["value"] == f"evenkeel-{name}"
    assert ("EVENKEEL_RPC_URL" in env) is (name != "work")
    assert container["envFrom"] == [{"configMapRef": {"name": "evenkeel"}}]


@pytest.mark.parametrize("name", SETS)
def test_a_container_can_do_little_harm(name):
    volumes = {volume["name"] for volume in pod(name)["volumes"]}
    for container in containers(name):
        secured = {**pod(name)["securityContext"], **container["securityContext"]}
        assert secured["readOnlyRootFilesystem"] is True
        assert secured["allowPrivilegeEscalation"] is False
        assert secured["capabilities"]["drop"] == ["ALL"]
        assert secured["seccompProfile"] == {"type": "RuntimeDefault"}
        assert container["resources"]["limits"]["memory"]
        assert {mount["name"] for mount in container["volumeMounts"]} <= volumes
        gives_files = (name, container["name"]) == ("submit", "files")
        assert secured["runAsUser"] == (0 if gives_files else 10_001)
        assert gives_files or secured["runAsNonRoot"] is True
        assert secured["capabilities"].get("add", []) == (["CHOWN", "DAC_OVERRIDE"] if gives_files else [])


def test_nobody_reaches_a_pod_and_only_who_asks_the_chain_reaches_nodes():
    for folder in FOLDERS:
        policies = [each["spec"] for each in of_kind("NetworkPolicy", folder)]
        for_all = [each for each in policies if each["podSelector"] == {}]
        assert {kind for each in for_all for kind in each["policyTypes"]} == {"Ingress", "Egress"}
        assert not any("ingress" in each for each in policies)
    main = {each["metadata"]["name"]: each["spec"] for each in of_kind("NetworkPolicy", FOLDERS[0])}
    assert FOLDERS[0].name == "evenkeel"
    (named,) = main["nodes"]["podSelector"]["matchExpressions"]
    assert (named["operator"], named["values"]) == ("In", ["watch", "rehearse"])
    everywhere = [rule for rule in main["names-and-broker"]["egress"] if "to" not in rule]
    assert (everywhere, main["nothing-by-default"].get("egress")) == ([], None)


def script_of(name: str) -> str:
    (first,) = pod(name)["initContainers"]
    *shell, script = first["command"]
    assert shell == ["sh", "-c"]
    return script


def run_script(script: str, tmp_path: Path, secret: dict[str, str]) -> Path:
    """Run what prepares a pod's files on folders as a pod has them: a secret that others may read, an open empty folder."""
    given, own = tmp_path / "secret", tmp_path / "own"
    given.mkdir(mode=0o755)
    own.mkdir()
    own.chmod(0o777)
    for name, text in secret.items():
        (given / name).write_text(text)
    here = script.replace("/secret", str(given)).replace("/own", str(own))
    here = here.replace("10001:10001", f"{os.geteuid()}:{os.getegid()}")
    subprocess.run(["sh", "-c", here], check=True)
    return own


@pytest.mark.parametrize("name", ["watch", "work", "rehearse"])
def test_the_brokers_password_becomes_the_processes_own(name, tmp_path):
    own = run_script(script_of(name), tmp_path, {"password": "a long one"})
    assert private_text(own / "password") == "a long one"


def test_the_signers_files_become_its_own_and_lie_where_it_accepts_them(tmp_path):
    tmp_path.chmod(0o755)
    files = {"signer.yaml": "chain: 1", "password": "secret"}
    own = run_script(script_of("submit"), tmp_path, files)
    assert owned_text(own / "signer" / "signer.yaml") == "chain: 1"
    assert private_text(own / "signer" / "password") == "secret"
    guard_place(own / "signer" / "signer.yaml")
    (own / "signer" / "signer.yaml.stop").touch()


def test_the_manifests_are_of_kubernetes_own_form():
    asked = pytest.importorskip(
        "kubernetes_validate", reason="kubernetes-validate is not installed: no schemas"
    )
    found = [each for folder in FOLDERS for each in documents(folder)]
    assert len(found) > 12
    for each in found:
        asked.validate(each, KUBERNETES, strict=True)


def test_the_shares_of_a_nodes_budget_are_a_whole_at_most():
    """Of what runs side by side: a standby asks nothing while the watcher does."""
    share = variable_of("rpc_share")
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    defaults = {
        name: int(re.search(r":-(\d+)}", str(service["environment"][share]))[1])  # type: ignore[index]
        for name, service in services.items()
        if share in service.get("environment", {})
    }
    assert defaults == {"watch": 60, "standby": 60, "rehearse": 20, "submit": 20}
    of_units = [
        int(found[1])
        for path in UNITS
        if (found := re.search(rf"{share}=(\d+)", unit(path)["Service"]["Environment"]))
    ]
    of_pods = [
        int(each["value"])
        for name in SETS
        for container in containers(name)
        for each in container.get("env", [])
        if each["name"] == share
    ]
    for shares in (of_units, of_pods):
        assert sorted(shares) == [20, 20, 60]
