"""Start the parts of the stack in order, and stop them when a signal arrives."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

from deployments.stack import data_dir
from deployments.stack.child_process import ChildFailed, Program
from deployments.stack.messages import banner, greeting
from deployments.stack.parts import (
    database_roles,
    object_storage,
    postgres,
    prefect_index,
    prefect_server,
    sample_data,
)
from deployments.stack.plan import Options, Plan, make_plan
from deployments.stack.readiness import Readiness
from deployments.stack.report_files import ReportFiles
from deployments.stack.supervisor import Supervisor
from deployments.stack.terminal import Terminal

RELOAD_POLL_SECONDS = 0.5


class Stack:
    def __init__(self, plan: Plan, terminal: Terminal) -> None:
        self._plan = plan
        self._terminal = terminal
        self._supervisor = Supervisor(plan, terminal, self._write_stack_file)

    @property
    def is_ready(self) -> bool:
        return self._supervisor.is_ready

    async def run(self) -> None:
        """Run the stack until cancelled.

        Raises an ExceptionGroup of ChildFailed if a part fails during startup.
        """
        files = ReportFiles(self._plan.environment["REPORTS_CATALOG"].split(","))
        async with asyncio.TaskGroup() as parts:
            await self._start(parts)
            self._supervisor.is_ready = True
            self._write_stack_file()
            self._terminal.say(banner(self._plan))
            if self._plan.options.reload:
                parts.create_task(self._reload_reports(files))

    async def _reload_reports(self, files: ReportFiles) -> None:
        while True:
            await asyncio.sleep(RELOAD_POLL_SECONDS)
            if files.have_changed():
                self._terminal.say("The reports have changed. Restarting the API and the worker ...")
                await self._supervisor.restart("api", "worker")

    async def stop(self) -> None:
        self._plan.stack_file.unlink(missing_ok=True)
        await self._supervisor.stop()
        if self._plan.storage:
            object_storage.remove_sockets(self._plan.storage)

    async def _start(self, parts: asyncio.TaskGroup) -> None:
        async with asyncio.TaskGroup() as stores:
            stores.create_task(self._start_database(parts))
            stores.create_task(self._start_storage(parts))
        async with asyncio.TaskGroup() as services:
            services.create_task(self._start_prefect(parts))
            services.create_task(self._register_and_start_worker(parts))
            services.create_task(self._start_api(parts))

    async def _start_storage(self, parts: asyncio.TaskGroup) -> None:
        if self._plan.storage:
            server = object_storage.server(self._plan.storage, self._plan.environment)
            await self._supervisor.start(server, parts)

    async def _start_database(self, parts: asyncio.TaskGroup) -> None:
        if (cluster := self._plan.cluster) is None:
            return
        if folders := postgres.grant_access(cluster):
            self._terminal.say(
                f"PostgreSQL cannot run as root, so it runs as {cluster.account}. To give that account"
                f" access, these folders were made accessible (o+x): {', '.join(map(str, folders))}"
            )
        if initdb := postgres.initdb(cluster, self._plan.environment):
            await self._supervisor.run(initdb)
            postgres.publish(cluster)
        await self._supervisor.start(postgres.server(cluster, self._plan.environment), parts)
        await database_roles.prepare_databases(cluster)

    async def _start_prefect(self, parts: asyncio.TaskGroup) -> None:
        if self._plan.cluster and self._plan.prefect_port:
            server = prefect_server.server(
                self._plan.cluster, self._plan.prefect_port, self._plan.prefect_home, self._plan.environment
            )
            await self._supervisor.start(server, parts)
            url = self._plan.cluster.url(database_roles.PREFECT_DATABASE)
            await asyncio.to_thread(prefect_index.create, url)

    async def _register_and_start_worker(self, parts: asyncio.TaskGroup) -> None:
        await self._supervisor.run(prefect_server.registration(self._plan.environment))
        await self._supervisor.start(prefect_server.worker(self._plan.environment), parts)

    async def _start_api(self, parts: asyncio.TaskGroup) -> None:
        await self._load_sample_data()  # the API cannot check the reports until their tables exist
        await self._supervisor.start(api(self._plan, self._terminal), parts)

    async def _load_sample_data(self) -> None:
        if (url := self._plan.connections.admin_database_url) is None:
            return
        with self._terminal.part("Sample data"):
            loaded = await asyncio.to_thread(sample_data.load, url, self._plan.options.sample_responses)
        if not loaded:
            self._terminal.say("  Keeping the existing sample data.")

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
    options += ["--http", "api.web.http_protocol:LimitedHttp"]
    options += ["--app-dir", str(installed)]  # the current folder may contain a different `api` package
    return Program(
        role="api",
        title="API",
        command=[sys.executable, "-P", "-m", "uvicorn", "--factory", "api.server:create_app", *options],
        environment=plan.environment,
        is_ready=Readiness(plan.connections.api_url, terminal, plan.options.strict),
    )


def up(
    options: Options, inherited: Mapping[str, str], terminal: Terminal, notes: tuple[str, ...] = ()
) -> int:
    """Print the notes, run the stack until a signal stops it, and return the exit code.

    The exit code is 0 after a clean stop, 1 if a part failed, and 128 + n if signal n arrived during startup.
    """
    os.umask(0o077)  # only this user may read the stack's files
    with data_dir.claim(options.data_dir), _temporary_folder() as temporary:
        data_dir.clean_up(options.data_dir)
        plan = make_plan(options, inherited, Path(temporary))
        terminal.say(greeting(plan))
        for note in notes:
            terminal.warn(note)
        try:
            return asyncio.run(_run_until_stopped(plan, terminal))
        finally:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # ignore a second Ctrl-C from now on


def _temporary_folder() -> TemporaryDirectory[str]:
    """Create a folder for temporary files.

    It is not in the data directory, because the paths of sockets could then be too long. The system's folder
    for temporary files is not used directly, because Prefect's subfolder there belongs to the first user who
    ran Prefect on the machine.
    """
    return TemporaryDirectory(prefix="report-exports-", ignore_cleanup_errors=True)


async def _run_until_stopped(plan: Plan, terminal: Terminal) -> int:
    stack = Stack(plan, terminal)
    running = asyncio.ensure_future(stack.run())
    received = _cancel_on_signals(running)
    try:
        await running
        return 0
    except asyncio.CancelledError:
        return 0 if stack.is_ready else 128 + received[0]
    except ExceptionGroup as failures:
        for message in dict.fromkeys(map(str, _failed_parts(failures))):
            terminal.fail(message)
        return 1
    finally:
        terminal.say("Stopping ...")
        await stack.stop()


def _failed_parts(failures: ExceptionGroup[Exception]) -> Iterator[ChildFailed]:
    """Yield all ChildFailed exceptions, including those in nested groups. Raise any other exception."""
    for failure in failures.exceptions:
        if isinstance(failure, ExceptionGroup):
            yield from _failed_parts(failure)
        elif isinstance(failure, ChildFailed):
            yield failure
        else:
            raise failure


def _cancel_on_signals(running: asyncio.Future[None]) -> list[int]:
    """Cancel `running` when the first signal arrives.

    Returns a list to which the number of each received signal is appended.
    """
    received: list[int] = []

    def cancel(number: int) -> None:
        if not received:
            running.cancel()
        received.append(number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, cancel, number)
    return received
