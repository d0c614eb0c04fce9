"""The whole stack on one machine, each part a child process of its own."""

import asyncio
import ipaddress
import json
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlencode

from api.routes.examples import ARTICLE
from deployments.stack import data_dir
from deployments.stack.child_process import ChildFailed, Program
from deployments.stack.environment import ui_url
from deployments.stack.parts import database_roles, object_storage, postgres, prefect_server, sample_data
from deployments.stack.plan import Options, Plan, plan, reached_at
from deployments.stack.ports import API_PORT, PREFECT_PORT
from deployments.stack.readiness import Readiness
from deployments.stack.supervisor import Supervisor
from deployments.stack.terminal import Terminal


class Stack:
    def __init__(self, plan: Plan, terminal: Terminal) -> None:
        self._plan = plan
        self._terminal = terminal
        self._supervisor = Supervisor(plan, terminal, self._write_stack_file)

    @property
    def is_ready(self) -> bool:
        return self._supervisor.settled

    async def run(self) -> None:
        """Until it is cancelled, or a part fails while the stack starts."""
        async with asyncio.TaskGroup() as parts:
            await self._start(parts)
            self._supervisor.settled = True
            self._write_stack_file()
            self._terminal.say(banner(self._plan))

    async def stop(self) -> None:
        self._plan.stack_file.unlink(missing_ok=True)
        await self._supervisor.stop()
        if self._plan.storage:
            object_storage.remove_sockets(self._plan.storage)

    async def _start(self, parts: asyncio.TaskGroup) -> None:
        async with asyncio.TaskGroup() as kept_data:
            kept_data.create_task(self._start_database(parts))
            kept_data.create_task(self._start_storage(parts))
        async with asyncio.TaskGroup() as rest:
            rest.create_task(self._start_prefect(parts))
            rest.create_task(self._register_and_start_worker(parts))
            rest.create_task(self._start_api(parts))

    async def _start_storage(self, parts: asyncio.TaskGroup) -> None:
        if self._plan.storage:
            server = object_storage.server(self._plan.storage, self._plan.environment)
            await self._supervisor.start(server, parts)

    async def _start_database(self, parts: asyncio.TaskGroup) -> None:
        if (cluster := self._plan.cluster) is None:
            return
        if passable := postgres.open_the_way(cluster):
            self._terminal.say(
                f"PostgreSQL does not run as root; its account {cluster.account} may now pass through (o+x): "
                + ", ".join(map(str, passable))
            )
        if first_time := postgres.initdb(cluster, self._plan.environment):
            await self._supervisor.run(first_time)
            postgres.keep(cluster)
        await self._supervisor.start(postgres.server(cluster, self._plan.environment), parts)
        await database_roles.prepare_databases(cluster)

    async def _start_prefect(self, parts: asyncio.TaskGroup) -> None:
        if self._plan.cluster and self._plan.prefect_port:
            server = prefect_server.server(
                self._plan.cluster, self._plan.prefect_port, self._plan.prefect_home, self._plan.environment
            )
            await self._supervisor.start(server, parts)

    async def _register_and_start_worker(self, parts: asyncio.TaskGroup) -> None:
        await self._supervisor.run(prefect_server.registration(self._plan.environment))
        await self._supervisor.start(prefect_server.worker(self._plan.environment), parts)

    async def _start_api(self, parts: asyncio.TaskGroup) -> None:
        await self._load_sample_data()  # first, because the API checks the reports against the tables
        await self._supervisor.start(api(self._plan, self._terminal), parts)

    async def _load_sample_data(self) -> None:
        if not self._plan.own_database:
            return
        wanted = self._plan.options.sample_responses
        with self._terminal.part("Sample data"):
            url = self._plan.connections.admin_database_url or ""
            loaded = await asyncio.to_thread(sample_data.load, url, wanted)
        if not loaded:
            self._terminal.say("  The sample data of an earlier start are kept.")

    def _write_stack_file(self) -> None:
        if not self.is_ready:
            return
        new = self._plan.stack_file.with_suffix(".new")
        new.unlink(missing_ok=True)
        new.touch(mode=0o600)
        content = {**asdict(self._plan.connections), "pids": self._supervisor.pids}
        new.write_text(json.dumps(content, indent=1) + "\n")
        new.replace(self._plan.stack_file)


def api(plan: Plan, terminal: Terminal) -> Program:
    installed = Path(__file__).resolve().parents[2]
    options = ["--host", plan.options.host, "--port", str(plan.api_port), "--workers", "1"]
    options += ["--no-access-log", "--timeout-graceful-shutdown", "1"]
    options += ["--app-dir", str(installed)]  # or else the current folder, which may have an `api` of its own
    return Program(
        role="api",
        title="API",
        command=[sys.executable, "-P", "-m", "uvicorn", "--factory", "api.app:create_app", *options],
        environment=plan.environment,
        is_ready=Readiness(plan.connections.api_url, terminal),
    )


def greeting(plan: Plan) -> str:
    lines = [f"Report Exports, its data in {plan.options.data_dir}"]
    lines += list(_who_may_call(plan))
    for name, asked, default, got in (
        ("API", plan.options.port, API_PORT, plan.api_port),
        ("Prefect server", plan.options.prefect_port, PREFECT_PORT, plan.prefect_port),
    ):
        if asked is None and got not in (default, None):
            lines.append(f"Port {default} is taken; the {name} gets {got}.")
    return "\n".join(lines)


def _who_may_call(plan: Plan) -> Iterator[str]:
    if not plan.options.authenticated:
        yield "Runs without authentication: one caller, `local`, and loopback addresses only."
        return
    yield f"Every caller needs an API key or a token; the API listens on {plan.options.host}."
    if ipaddress.ip_address(plan.options.host).is_loopback:
        return
    public_url = plan.environment["REPORTS_PUBLIC_URL"]
    if public_url == plan.connections.api_url and plan.options.host != reached_at(plan.options.host):
        yield f"Links name {public_url}: set REPORTS_PUBLIC_URL to the address that other machines use."
    if plan.storage:
        yield "Links to files of the embedded storage work on this machine only: set REPORTS_STORAGE_URL."


def banner(plan: Plan) -> str:
    api = plan.connections.api_url
    example = f"""
Try it:
  curl -s -X POST {api}/reports/csv -H 'content-type: application/json' \\
    -d '{json.dumps(ARTICLE, separators=(",", ":"))}'
"""
    login = f"\n               Password: the contents of {plan.prefect_login}" if plan.prefect_login else ""
    return f"""
Ready.
  The page     {api}/{sample_page() if plan.own_database else ""}
  API docs     {api}/docs
  Prefect UI   {ui_url(plan.connections.prefect_api_url)}{login}
{example if plan.own_database else ""}
Ctrl-C stops it; jobs, files and rows are kept."""


def sample_page() -> str:
    """The page's query that shows the sample survey, in the week of the article."""
    shown = {name: ARTICLE[name] for name in ("surveyId", "from", "to")}
    return f"?{urlencode(shown)}"


def up(options: Options, inherited: Mapping[str, str], terminal: Terminal) -> int:
    """Return the exit code: 0 after a clean stop, 1 if a part failed, 128 + n for signal n before ready."""
    os.umask(0o077)  # everything the stack and its processes write is for this account only
    with data_dir.claim(options.data_dir), _temporary() as temporary:
        data_dir.clear(options.data_dir)
        decided = plan(options, inherited, Path(temporary))
        terminal.say(greeting(decided))
        try:
            return asyncio.run(_until_stopped(decided, terminal))
        finally:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C, when all has ended


def _temporary() -> TemporaryDirectory[str]:
    """Not in the data directory, whose path may be too long for the sockets that are made in it; not the
    common one either, where Prefect shares a folder with whichever user was first."""
    return TemporaryDirectory(prefix="report-exports-", ignore_cleanup_errors=True)


async def _until_stopped(decided: Plan, terminal: Terminal) -> int:
    stack = Stack(decided, terminal)
    running = asyncio.ensure_future(stack.run())
    received = _cancelled_by_signals(running)
    try:
        await running
        return 0
    except asyncio.CancelledError:
        return 0 if stack.is_ready else 128 + received[0]
    except ExceptionGroup as failures:
        for failure in dict.fromkeys(map(str, _parts(failures))):
            terminal.fail(failure)
        return 1
    finally:
        terminal.say("Stopping ...")
        await stack.stop()


def _parts(failures: ExceptionGroup[Exception]) -> Iterator[ChildFailed]:
    """Task groups nest what failed. Anything but a failed part is a fault of ours and stays an error."""
    for failure in failures.exceptions:
        if isinstance(failure, ExceptionGroup):
            yield from _parts(failure)
        elif isinstance(failure, ChildFailed):
            yield failure
        else:
            raise failure


def _cancelled_by_signals(running: asyncio.Future[None]) -> list[int]:
    received: list[int] = []

    def cancel(number: int) -> None:
        if not received:
            running.cancel()
        received.append(number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, cancel, number)
    return received
