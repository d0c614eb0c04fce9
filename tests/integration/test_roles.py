"""Test the commands that run a single part of the service. The tests use the shared stack's settings."""

from collections.abc import Iterator

import httpx
import pytest

from tests.support.extra_processes import ExtraProcesses, extra_processes, free_port
from tests.support.running_stack import Stack

PROCESSES = 2


@pytest.fixture(scope="module")
def processes(stack: Stack) -> Iterator[ExtraProcesses]:
    with extra_processes(stack) as processes:
        yield processes


def output_of(processes: ExtraProcesses, *arguments: str, **settings: str) -> tuple[int, str]:
    process = processes.start("-m", "deployments.cli", *arguments, **settings)
    return process.wait(90), processes.output(process)


def test_several_api_processes_share_a_port(processes: ExtraProcesses) -> None:
    port = str(free_port())
    process = processes.start("-m", "deployments.cli", "api", "--port", port, "--processes", str(PROCESSES))
    try:
        processes.wait_for_output(process, "Application startup complete")
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False) as api:
            assert [item["name"] for item in api.get("/report-types").json()["items"]]
            request = {"report": "orders", "from": "2024-03-01", "to": "2024-03-02"}
            job = api.post("/exports", json=request).raise_for_status().json()
            # Both processes must find the job, even though only one of them accepted it.
            for _ in range(4 * PROCESSES):
                with httpx.Client(base_url=api.base_url, trust_env=False) as other:
                    assert other.get(f"/exports/{job['id']}").status_code == 200
    finally:
        process.terminate()
        process.wait(20)


def test_a_second_registration_changes_nothing(processes: ExtraProcesses) -> None:
    assert output_of(processes, "register")[0] == 0  # undoes any changes by other tests
    assert output_of(processes, "register") == (0, "No changes.\n")


def test_registration_reports_a_rejected_login(processes: ExtraProcesses) -> None:
    code, output = output_of(processes, "register", "--wait", "0", PREFECT_API_AUTH_STRING="admin:wrong")
    assert code == 1
    assert "the login was rejected" in output
    assert "Traceback" not in output


def test_registration_reports_an_unreachable_server(processes: ExtraProcesses) -> None:
    url = f"http://127.0.0.1:{free_port()}/api"
    code, output = output_of(processes, "register", "--wait", "0", PREFECT_API_URL=url)
    assert code == 1
    assert f"The Prefect server at {url} (PREFECT_API_URL) cannot be used" in output


def test_sweep_once_reports_what_it_removed(processes: ExtraProcesses) -> None:
    code, output = output_of(processes, "sweep-once")
    assert code == 0
    assert "Removed " in output.splitlines()[-1]
