"""Start the programs of a stack, restart them when they end, and stop them."""

import asyncio
import subprocess
import sys
from collections.abc import Callable

from deployments.stack import orphan_processes
from deployments.stack.child_process import Child, ChildFailed, Program
from deployments.stack.plan import Plan
from deployments.stack.terminal import Terminal

READY_TIMEOUT_SECONDS = 120.0
HEALTHY_AFTER_SECONDS = 10.0
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.2, 30.0
# Groups of roles that stop together, with their grace periods in seconds. A part stops before the parts that
# it uses. The sum of the periods is less than the five seconds that the documentation promises.
STOP_ORDER = ((("api", "worker"), 1.2), (("prefect", "storage"), 1.9), (("postgres",), 1.0))


class Supervisor:
    def __init__(self, plan: Plan, terminal: Terminal, on_change: Callable[[], None]) -> None:
        self._logs = plan.options.data_dir / "logs"
        self._mark = plan.mark
        self._terminal = terminal
        self._on_change = on_change
        self._children: dict[str, Child] = {}
        self._restarting: set[Child] = set()
        self._stopping = asyncio.Lock()  # held while programs stop, so that they do not restart too early
        self._watchdog = _start_watchdog(plan)
        self.is_ready = False

    @property
    def pids(self) -> dict[str, int]:
        """The process id for each role. Programs that run only once, such as initdb, are not included."""
        children = self._children.items()
        return {role: child.pid for role, child in children if child.pid and _keeps_running(role)}

    async def start(self, program: Program, group: asyncio.TaskGroup) -> None:
        """Start a program and wait until it is ready. A task in `group` restarts it whenever it exits."""
        child = self._add(program)
        with self._terminal.part(program.title):
            await child.start()
            group.create_task(self._watch(child))
            await child.wait_until_ready(READY_TIMEOUT_SECONDS)

    async def run(self, program: Program) -> None:
        """Run a program to completion. Raises ChildFailed if its exit code is not 0."""
        child = self._add(program)
        with self._terminal.part(program.title):
            await child.start()
            if await child.wait_for_end() != 0:
                raise ChildFailed(child.describe_end())

    async def restart(self, *roles: str) -> None:
        """Stop these programs. The tasks that watch them then start them again."""
        async with self._stopping:
            children = {role: self._children[role] for role in roles}
            self._restarting.update(children.values())
            await asyncio.gather(*(child.stop(_grace_seconds(role)) for role, child in children.items()))

    async def stop(self) -> None:
        for roles, grace_seconds in STOP_ORDER:
            stopping = [self._children.pop(role) for role in roles if role in self._children]
            await asyncio.gather(*(child.stop(grace_seconds) for child in stopping))
        orphan_processes.end_all(self._mark)
        self._watchdog.kill()
        self._watchdog.wait()

    def _add(self, program: Program) -> Child:
        child = self._children[program.role] = Child(program, self._logs / f"{program.role}.log")
        return child

    async def _watch(self, child: Child) -> None:
        pause = FIRST_PAUSE_SECONDS
        while True:
            await child.wait_for_end()
            if not self.is_ready:
                raise ChildFailed(child.describe_end())
            if child in self._restarting:
                async with self._stopping:
                    self._restarting.remove(child)
                await self._restart(child)
                continue
            self._terminal.warn(child.describe_end())
            pause = FIRST_PAUSE_SECONDS if child.age_seconds > HEALTHY_AFTER_SECONDS else 2 * pause
            await asyncio.sleep(min(pause, LONGEST_PAUSE_SECONDS))
            await self._restart(child)

    async def _restart(self, child: Child) -> None:
        await child.start()
        self._on_change()
        try:
            await child.wait_until_ready(READY_TIMEOUT_SECONDS)
        except ChildFailed as error:
            if child.exit_code is None:  # if it has exited, `_watch` reports that
                self._terminal.warn(str(error))
            return
        self._terminal.say(f"{child.program.title} restarted (process {child.pid}).")


def _keeps_running(role: str) -> bool:
    return any(role in roles for roles, _ in STOP_ORDER)


def _grace_seconds(role: str) -> float:
    return next(seconds for roles, seconds in STOP_ORDER if role in roles)


def _start_watchdog(plan: Plan) -> subprocess.Popen[bytes]:
    """Start a process that ends the stack if this process is killed."""
    unmarked = {name: value for name, value in plan.environment.items() if name != orphan_processes.MARK}
    arguments = [plan.mark, str(plan.stack_file), str(plan.temporary)]
    return subprocess.Popen(  # noqa: S603 - a module of this package
        [sys.executable, "-P", "-m", "deployments.stack.orphan_processes", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env=unmarked,
    )
