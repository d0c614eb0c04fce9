import asyncio
import subprocess
import sys
from collections.abc import Callable

from deployments.stack import orphan_processes
from deployments.stack.child_process import Child, ChildFailed, Program
from deployments.stack.plan import Plan
from deployments.stack.terminal import Terminal

READY_WITHIN_SECONDS = 120.0
HEALTHY_AFTER_SECONDS = 10.0
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.2, 30.0
# Who needs others to end well goes first. The graces add up to less than the promised five seconds.
STOP_ORDER = ((("api", "worker"), 1.2), (("prefect", "storage"), 1.9), (("postgres",), 1.0))


class Supervisor:
    """Starts programs, restarts those that die, and leaves none behind."""

    def __init__(self, plan: Plan, terminal: Terminal, on_change: Callable[[], None]) -> None:
        self._logs = plan.options.data_dir / "logs"
        self._mark = plan.mark
        self._terminal = terminal
        self._on_change = on_change
        self._children: dict[str, Child] = {}
        self._last_will = _leave_a_last_will(plan)
        self.settled = False

    @property
    def pids(self) -> dict[str, int]:
        return {role: child.pid for role, child in self._children.items() if child.pid and _lasts(role)}

    async def start(self, program: Program, group: asyncio.TaskGroup) -> None:
        child = self._add(program)
        with self._terminal.part(program.title):
            await child.start()
            group.create_task(self._watch(child))
            await child.until_ready(READY_WITHIN_SECONDS)

    async def run(self, program: Program) -> None:
        """To its end, for work that is done once."""
        child = self._add(program)
        with self._terminal.part(program.title):
            await child.start()
            if await child.until_ended() != 0:
                raise ChildFailed(child.obituary())

    async def stop(self) -> None:
        for roles, grace_seconds in STOP_ORDER:
            stopping = [self._children.pop(role) for role in roles if role in self._children]
            await asyncio.gather(*(child.stop(grace_seconds) for child in stopping))
        orphan_processes.end_all(self._mark)
        self._last_will.kill()
        self._last_will.wait()

    def _add(self, program: Program) -> Child:
        child = self._children[program.role] = Child(program, self._logs / f"{program.role}.log")
        return child

    async def _watch(self, child: Child) -> None:
        pause = FIRST_PAUSE_SECONDS
        while True:
            await child.until_ended()
            if not self.settled:
                raise ChildFailed(child.obituary())
            self._terminal.warn(child.obituary())
            pause = FIRST_PAUSE_SECONDS if child.lived_seconds > HEALTHY_AFTER_SECONDS else 2 * pause
            await asyncio.sleep(min(pause, LONGEST_PAUSE_SECONDS))
            await self._restart(child)

    async def _restart(self, child: Child) -> None:
        await child.start()
        self._on_change()
        try:
            await child.until_ready(READY_WITHIN_SECONDS)
        except ChildFailed as failure:
            if child.exit_code is None:  # of its end the watch speaks
                self._terminal.warn(str(failure))
            return
        self._terminal.say(f"{child.program.title} runs again (process {child.pid}).")


def _lasts(role: str) -> bool:
    return any(role in roles for roles, _ in STOP_ORDER)


def _leave_a_last_will(plan: Plan) -> subprocess.Popen[bytes]:
    """A process that ends the stack's processes when this one is gone without having done so."""
    unmarked = {name: value for name, value in plan.environment.items() if name != orphan_processes.MARK}
    told = [plan.mark, str(plan.stack_file), str(plan.temporary)]
    return subprocess.Popen(  # noqa: S603 - our own module
        [sys.executable, "-P", "-m", "deployments.stack.orphan_processes", *told],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env=unmarked,
    )
