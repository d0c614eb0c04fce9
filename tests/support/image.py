"""Build and run the image of deployments/Dockerfile without Docker. This needs root.

Each stage is a copy-on-write view of this machine's file system, in a separate mount namespace. This
environment's Python replaces the Python of the base image. The network is not isolated.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = ROOT / "deployments" / "Dockerfile"
BASE_ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin",
    # The user of the image may not read the folder for which this Python was built. Python would then load
    # the libpython of the operating system, which may be an older version, and fail to import ssl.
    "LD_LIBRARY_PATH": "/usr/local/lib",
}
# Reuse the packages that pip has already downloaded.
BUILD_ENVIRONMENT = {"HOME": "/root", "PIP_NO_CACHE_DIR": "0"}
DEPENDENCIES = "/opt/dependencies"
ACCOUNT_FILES = ("passwd", "shadow", "group", "gshadow")
UNPRIVILEGED = ("--clear-groups", "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all")
LONGEST_STEP_SECONDS = 280

Instruction = tuple[str, str]


def read_stages(text: str) -> dict[str, list[Instruction]]:
    """Return the instructions of each stage, without its FROM, keyed by the stage's name. The last is ''."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    stages: dict[str, list[Instruction]] = {}
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        name, _, argument = line.partition(" ")
        if name == "FROM":
            steps = stages[argument.partition(" AS ")[2]] = []
        elif stages:
            steps.append((name, argument.strip()))
    return stages


@dataclass
class Stage:
    """A stage of the Dockerfile: its root file system, and the settings for its commands."""

    root: str
    environment: dict[str, str] = field(default_factory=lambda: dict(BASE_ENVIRONMENT))
    workdir: str = "/"
    user: str = "0"
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()

    def set_environment(self, text: str) -> None:
        for item in shlex.split(text):
            name, _, value = item.partition("=")
            self.environment[name] = re.sub(r"\$(\w+)", lambda match: self.environment[match[1]], value)


class Image:
    """The image. `keeper` is the id of a process that keeps the mount namespace open."""

    def __init__(self, keeper: int, folder: str, installs_dependencies: bool) -> None:
        self._keeper, self._folder = keeper, folder
        self._installs_dependencies = installs_dependencies
        self._stages: dict[str, Stage] = {}

    def build(self) -> None:
        for name, steps in read_stages(DOCKERFILE.read_text()).items():
            self._stages[name] = stage = Stage(self._open_root(name or "final"))
            for instruction, argument in steps:
                self._follow(stage, instruction, argument)
        self._close_root(self.final.root)

    @property
    def final(self) -> Stage:
        return self._stages[""]

    def path(self, inside: str) -> Path:
        """Return the path through which this process can access a path of the image."""
        return Path(f"/proc/{self._keeper}/root{self.final.root}{inside}")

    def command(self, *arguments: str, environment: Mapping[str, str]) -> list[str]:
        """Return a command that starts a container. Without arguments, the container uses those of CMD."""
        stage = self.final
        return self._as_user(*stage.entrypoint, *(arguments or stage.command), environment=environment)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return _finish(*self.command(*arguments, environment={}))

    def run_program(self, *command: str) -> subprocess.CompletedProcess[str]:
        return _finish(*self._as_user(*command, environment={}))

    def _as_user(self, *command: str, environment: Mapping[str, str]) -> list[str]:
        """Return a command that runs as the user of the image, without privileges."""
        stage = self.final
        user = ("setpriv", f"--reuid={stage.user}", f"--regid={stage.user}", *UNPRIVILEGED)
        return self._inside(stage, stage.environment | dict(environment), *user, *command)

    def _inside(self, stage: Stage, environment: Mapping[str, str], *command: str) -> list[str]:
        variables = [f"{name}={value}" for name, value in environment.items()]
        enter = ("nsenter", f"--mount=/proc/{self._keeper}/ns/mnt", "chroot", stage.root)
        return [*enter, "env", "-i", f"--chdir={stage.workdir}", *variables, *command]

    def _follow(self, stage: Stage, instruction: str, argument: str) -> None:
        if instruction == "RUN" and "--require-hashes" in argument and not self._installs_dependencies:
            self._share_dependencies(stage)
        elif instruction == "RUN":
            _run(*self._inside(stage, stage.environment | BUILD_ENVIRONMENT, "sh", "-c", argument))
        elif instruction == "COPY":
            self._copy(stage, argument)
        elif instruction == "ENV":
            stage.set_environment(argument)
        elif instruction in ("ENTRYPOINT", "CMD"):
            setattr(stage, {"CMD": "command"}.get(instruction, "entrypoint"), tuple(json.loads(argument)))
        elif instruction in ("USER", "WORKDIR"):
            setattr(stage, instruction.lower(), argument)
        elif instruction not in ("EXPOSE", "HEALTHCHECK"):
            raise NotImplementedError(instruction)

    def _share_dependencies(self, stage: Stage) -> None:
        """Let the image import the dependencies of this environment, instead of installing them."""
        (site_packages,) = Path(self._view(stage.root)).glob("opt/*/lib/python*/site-packages")
        (site_packages / "dependencies.pth").write_text(DEPENDENCIES)

    def _copy(self, stage: Stage, argument: str) -> None:
        *sources, target = argument.split()
        origin = ROOT
        if sources[0].startswith("--from="):
            origin = Path(self._view(self._stages[sources.pop(0).removeprefix("--from=")].root))
        for source in sources:
            place = Path(self._view(stage.root) + target)
            place = place / Path(source).name if target.endswith("/") else place
            place.parent.mkdir(parents=True, exist_ok=True)
            copied = origin / source.lstrip("/")
            if copied.is_dir():
                ignored = shutil.ignore_patterns("__pycache__") if origin is ROOT else None
                shutil.copytree(copied, place, symlinks=True, dirs_exist_ok=True, ignore=ignored)
            else:
                shutil.copy(copied, place)

    def _view(self, root: str) -> str:
        return f"/proc/{self._keeper}/root{root}"

    def _open_root(self, name: str) -> str:
        folder = f"{self._folder}/{name}"
        root = f"{folder}/root"
        layers = f"lowerdir=/,upperdir={folder}/upper,workdir={folder}/work"
        self._mount(f"mkdir -p {root} {folder}/upper {folder}/work")
        self._mount(f"mount -t overlay overlay -o {layers} {root}")
        self._mount(f"mount --bind {sys.base_prefix} {root}/usr/local")
        if not self._installs_dependencies:
            self._mount(f"mkdir -p {root}{DEPENDENCIES}")
            self._mount(f"mount --bind -o ro {sysconfig.get_path('purelib')} {root}{DEPENDENCIES}")
        self._mount(f"mount --bind /dev {root}/dev")
        self._mount(f"mount -t proc proc {root}/proc")
        self._remove_accounts(root)
        return root

    def _remove_accounts(self, root: str) -> None:
        """Remove the accounts of this machine, because the user of the image may be one of them."""
        for name in ACCOUNT_FILES:
            file = Path(f"{self._view(root)}/etc/{name}")
            lines = file.read_text().splitlines(keepends=True)
            file.write_text("".join(line for line in lines if line.startswith("root:")))

    def _close_root(self, root: str) -> None:
        """Make the file system read-only, with an empty /tmp, and hide what is not part of the image."""
        for mounted in (root, f"{root}/usr/local"):
            self._mount(f"mount -o remount,ro,bind {mounted}")
        for folder in sorted({str(ROOT), sys.prefix, "/root"}, key=len, reverse=True):  # inner folders first
            self._mount(f"mount -t tmpfs -o ro tmpfs {root}{folder}")
        self._mount(f"mount -t tmpfs -o mode=1777 tmpfs {root}/tmp")  # noqa: S108 - a folder of the image

    def _mount(self, command: str) -> None:
        _run("nsenter", f"--mount=/proc/{self._keeper}/ns/mnt", *command.split())


def _run(*command: str) -> None:
    finished = _finish(*command)
    assert finished.returncode == 0, f"{shlex.join(command)}\n{finished.stdout}{finished.stderr}"


def _finish(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - our own commands, and those of our Dockerfile
        command, capture_output=True, text=True, timeout=LONGEST_STEP_SECONDS
    )


@contextmanager
def built_image(installs_dependencies: bool) -> Iterator[Image]:
    """Build the image and yield it. The caller must end all containers before leaving the `with` block.

    Installing the locked dependencies takes more than a minute. Without them, the image uses the installed
    packages of this environment.
    """
    private = ("unshare", "--mount", "--propagation", "private", "sleep", "infinity")
    with TemporaryDirectory(prefix="image-") as folder, subprocess.Popen(private) as keeper:  # noqa: S603
        try:
            _wait_for_namespace(keeper.pid)
            _run("nsenter", f"--mount=/proc/{keeper.pid}/ns/mnt", "mount", "-t", "tmpfs", "tmpfs", folder)
            image = Image(keeper.pid, folder, installs_dependencies)
            image.build()
            yield image
        finally:
            keeper.kill()


def _wait_for_namespace(pid: int) -> None:
    deadline = time.monotonic() + 10
    while os.readlink(f"/proc/{pid}/ns/mnt") == os.readlink("/proc/self/ns/mnt"):
        assert time.monotonic() < deadline
        time.sleep(0.01)
