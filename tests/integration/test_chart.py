"""Test the Helm chart and the job template for Prefect's Kubernetes work pool. No cluster is needed."""

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from prefect.utilities.templating import apply_values

from deployments import cli
from tests.support.helm_chart import CHART, RenderError, render

# The oldest version that the chart allows, and a recent one.
KUBERNETES_VERSIONS = ("1.27", "1.37")
OTHER_KINDS = {"ScaledObject", "ServiceMonitor", "PodMonitor"}
SETTINGS = {"REPORTS_STORAGE_URL": "s3://files/exports", "REPORTS_PUBLIC_URL": "https://exports.example.com"}
JOB_TEMPLATE: dict[str, Any] = json.loads((CHART.parent / "kubernetes/job-template.json").read_text())

Manifests = list[dict[str, Any]]


@pytest.fixture(scope="module")
def default() -> Manifests:
    return render({"settings": SETTINGS})


@pytest.fixture(scope="module")
def everything() -> Manifests:
    """Render the chart with its optional parts."""
    ingress = {"enabled": True, "host": "exports.example.com", "className": "nginx", "tlsSecret": "tls"}
    account = {"annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::123456789012:role/exports"}}
    peers = [{"namespaceSelector": {"matchLabels": {"name": "ingress"}}}]
    return render(
        {
            "image": {"tag": "2", "pullSecrets": ["pull"]},
            "settings": SETTINGS | {"REPORTS_STATEMENT_SECONDS": 600, "REPORTS_LOG_FORMAT": None},
            "secretSettings": {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None},
            "secretFiles": {"REPORTS_WEBHOOK_SECRET_FILE": None},
            "serviceAccount": account,
            "api": {"autoscaling": {"enabled": False}, "ingress": ingress},
            "worker": {"autoscaling": {"enabled": False}, "graceSeconds": 700, "replicas": 5},
            "monitoring": {"enabled": True},
            "networkPolicy": {"apiFrom": peers, "metricsFrom": peers, "blockedNetworks": []},
        }
    )


def validate(manifest: dict[str, Any]) -> None:
    import kubernetes_validate

    for version in KUBERNETES_VERSIONS:
        kubernetes_validate.validate(manifest, version, strict=True)


def find(manifests: Manifests, kind: str, role: str) -> dict[str, Any]:
    (manifest,) = [item for item in manifests if item["kind"] == kind and role in item["metadata"]["name"]]
    return manifest


def pod(manifests: Manifests, role: str) -> dict[str, Any]:
    kind = "Job" if role == "register" else "Deployment"
    return dict(find(manifests, kind, role)["spec"]["template"]["spec"])


def secret_references(container: dict[str, Any]) -> dict[str, dict[str, str]]:
    return {
        item["name"]: item["valueFrom"]["secretKeyRef"] for item in container["env"] if "valueFrom" in item
    }


def environment(container: dict[str, Any]) -> dict[str, str]:
    return {item["name"]: item.get("value", "") for item in container["env"]}


@pytest.mark.parametrize("values", ["default", "everything"])
def test_manifests_follow_the_schemas_of_kubernetes(values: str, request: pytest.FixtureRequest) -> None:
    manifests = request.getfixturevalue(values)
    standard = [item for item in manifests if item["kind"] not in OTHER_KINDS]
    assert len(standard) >= 10
    for manifest in standard:
        validate(manifest)


def test_an_invalid_manifest_is_noticed(default: Manifests) -> None:
    import kubernetes_validate

    deployment = find(default, "Deployment", "api")
    misspelled = {**deployment, "spec": {**deployment["spec"], "replica": 2}}
    with pytest.raises(kubernetes_validate.ValidationError, match="replica"):
        validate(misspelled)


def test_names_are_unique(everything: Manifests) -> None:
    names = [(item["kind"], item["metadata"]["name"]) for item in everything]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("role", ["api", "worker", "register"])
def test_the_command_of_every_role_exists(default: Manifests, role: str) -> None:
    (container,) = pod(default, role)["containers"]
    parser, _ = cli._build_parser()
    assert parser.parse_args(container["args"]).command == role


@pytest.mark.parametrize("role", ["api", "worker", "register"])
def test_pods_have_no_privileges_and_no_token(default: Manifests, role: str) -> None:
    spec = pod(default, role)
    assert spec["securityContext"]["runAsNonRoot"]
    assert not spec["automountServiceAccountToken"]
    (container,) = spec["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["resources"]["limits"]["memory"]


def test_secrets_are_only_referenced(default: Manifests) -> None:
    assert "Secret" not in {item["kind"] for item in default}
    (container,) = pod(default, "api")["containers"]
    references = {
        item["name"]: item["valueFrom"]["secretKeyRef"] for item in container["env"] if "valueFrom" in item
    }
    assert references["REPORTS_DATABASE_URL"] == {"name": "report-exports", "key": "database-url"}
    assert {"AWS_SECRET_ACCESS_KEY", "PREFECT_API_AUTH_STRING"} <= set(references)
    assert environment(container)["REPORTS_KEYS_FILE"] == "/run/secrets/report-exports/keys"


def test_settings_can_be_omitted(everything: Manifests) -> None:
    (container,) = pod(everything, "worker")["containers"]
    names = set(environment(container))
    assert not names & {"AWS_ACCESS_KEY_ID", "REPORTS_LOG_FORMAT", "REPORTS_WEBHOOK_SECRET_FILE"}
    assert environment(container)["REPORTS_STATEMENT_SECONDS"] == "600"


def test_workers_may_finish_their_exports(default: Manifests) -> None:
    spec = pod(default, "worker")
    parser, _ = cli._build_parser()
    grace = parser.parse_args(spec["containers"][0]["args"]).grace
    assert 3600 < grace < spec["terminationGracePeriodSeconds"]


def test_a_grace_period_that_is_too_short_is_rejected() -> None:
    with pytest.raises(RenderError, match=r"graceSeconds is 3900, and an export may take 7200 s"):
        render({"settings": SETTINGS | {"REPORTS_STATEMENT_SECONDS": 7200}})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "REPORTS_STORAGE_URL"),
        ({"settings": {**SETTINGS, "REPORTS_STORAGE_URL": "file:///tmp"}}, "/settings/REPORTS_STORAGE_URL"),
        ({"settings": SETTINGS, "workers": {}}, "workers"),
        ({"settings": SETTINGS, "worker": {"limit": 0}}, "/worker/limit"),
        ({"settings": SETTINGS, "api": {"ingress": {"enabled": True}}}, "api.ingress.host"),
    ],
)
def test_wrong_values_are_named(values: dict[str, Any], message: str) -> None:
    with pytest.raises(RenderError, match=message):
        render(values)


def test_workers_scale_with_the_number_of_jobs(default: Manifests) -> None:
    scaled = find(default, "ScaledObject", "worker")["spec"]
    worker = find(default, "Deployment", "worker")
    assert scaled["scaleTargetRef"]["name"] == worker["metadata"]["name"]
    assert "replicas" not in worker["spec"]
    (trigger,) = scaled["triggers"]
    assert 'report_exports_jobs{status="queued",namespace="exports"}' in trigger["metadata"]["query"]
    # KEDA accepts only strings here.
    assert all(isinstance(value, str) for value in trigger["metadata"].values())
    assert (
        f"--limit={trigger['metadata']['threshold']}"
        in worker["spec"]["template"]["spec"]["containers"][0]["args"]
    )


def test_a_fixed_number_of_workers_needs_no_keda(everything: Manifests) -> None:
    assert "ScaledObject" not in {item["kind"] for item in everything}
    assert find(everything, "Deployment", "worker")["spec"]["replicas"] == 5


def test_objects_select_the_pods_of_their_role(everything: Manifests) -> None:
    for role in ("api", "worker"):
        labels = find(everything, "Deployment", role)["spec"]["template"]["metadata"]["labels"]
        policy = find(everything, "NetworkPolicy", role)["spec"]["podSelector"]["matchLabels"]
        budget = find(everything, "PodDisruptionBudget", role)["spec"]["selector"]["matchLabels"]
        assert policy.items() <= labels.items()
        assert budget == policy
    selector = find(everything, "Service", "api")["spec"]["selector"]
    assert selector == find(everything, "NetworkPolicy", "api")["spec"]["podSelector"]["matchLabels"]


def test_the_registration_job_changes_its_name_with_the_image(default: Manifests) -> None:
    same = render({"settings": SETTINGS})
    other = render({"settings": SETTINGS, "image": {"tag": "2"}})
    names = [find(item, "Job", "register")["metadata"]["name"] for item in (default, same, other)]
    assert names[0] == names[1] != names[2]


def render_job(**variables: Any) -> dict[str, Any]:
    properties = JOB_TEMPLATE["variables"]["properties"]
    defaults = {name: item["default"] for name, item in properties.items() if "default" in item}
    manifest = apply_values(JOB_TEMPLATE["job_configuration"]["job_manifest"], defaults | variables)
    # Prefect's worker adds these.
    manifest["metadata"].setdefault("labels", {})
    (container,) = manifest["spec"]["template"]["spec"]["containers"]
    container.setdefault("args", shlex.split("prefect flow-run execute"))
    return dict(manifest)


def test_the_job_of_a_kubernetes_work_pool_follows_the_schema() -> None:
    job = render_job(name="lively-otter", image="exports:2", labels={"team": "reports"}, max_seconds=7200)
    spec = job["spec"]["template"]["spec"]
    # Prefect's worker requires these two fields in a place where Kubernetes ignores them.
    assert {name: spec.pop(name) for name in ("parallelism", "completions")}
    validate(job)
    assert spec["containers"][0]["name"] == "prefect-job"  # Prefect's worker requires this name, too.
    assert job["spec"]["activeDeadlineSeconds"] == 7200
    assert spec["containers"][0]["image"] == "exports:2"
    assert spec["securityContext"]["runAsNonRoot"]
    assert "{{" not in json.dumps(job)


def test_the_job_template_uses_the_secret_of_the_chart(default: Manifests) -> None:
    (container,) = pod(default, "worker")["containers"]
    of_chart = set(secret_references(container))
    (container,) = render_job(name="a")["spec"]["template"]["spec"]["containers"]
    assert of_chart == set(secret_references(container))


def test_every_variable_of_the_job_template_is_used() -> None:
    used = json.dumps(JOB_TEMPLATE["job_configuration"])
    assert [name for name in JOB_TEMPLATE["variables"]["properties"] if f"{{{{ {name} }}}}" not in used] == []


def test_the_image_of_the_job_template_has_the_version_of_the_chart() -> None:
    chart = (Path(CHART) / "Chart.yaml").read_text()
    image = JOB_TEMPLATE["variables"]["properties"]["image"]["default"]
    assert f"appVersion: {image.partition(':')[2]}\n" in chart
