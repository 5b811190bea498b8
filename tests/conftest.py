"""Fixtures for every room."""

from __future__ import annotations

import functools
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

# How long an example takes tells of the machine's load, not of the code.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

# A shell starts what it puts in the background with Ctrl-C ignored, and nohup with a terminal's end ignored. Whatever a
# test starts would ignore it, too.
if threading.current_thread() is threading.main_thread():
    for _number, _handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(_number) is signal.SIG_IGN:
            signal.signal(_number, _handler)

ROOT = Path(__file__).parent.parent
SHARED_DATA = ROOT.parent / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real data sets, configs and a zoo checkpoint's index, read in place."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"the real data is not at {SHARED_DATA}")
    return SHARED_DATA


@pytest.fixture(scope="session")
def until() -> Callable[..., Any]:
    """Asks again and again until the answer is true, and gives it; the test's own time limit is the only one.

    Fails at once where the process that is to bring it about has ended.
    """

    def wait(ask: Callable[[], Any], *, by: subprocess.Popen[Any] | None = None) -> Any:
        while not (answer := ask()):
            if by is not None and by.poll() is not None and not ask():
                pytest.fail(f"still {answer!r}, and the process has ended with {by.returncode}: {by.communicate()[0]}")
            time.sleep(0.02)
        return answer

    return wait


@pytest.fixture(scope="session")
def mounted() -> Callable[[Path, str], AbstractContextManager[None]]:
    """mounted(folder, "size=2m"): a context with a small file system of its own, in memory, at the folder."""

    @contextmanager
    def mount(folder: Path, options: str) -> Iterator[None]:
        if os.getuid() != 0:
            pytest.skip("mounting a file system takes root")
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder]
        done = subprocess.run(command, capture_output=True, check=False)
        if done.returncode:
            pytest.skip(f"mounting is not allowed here: {done.stderr.decode().strip()}")
        try:
            yield
        finally:
            subprocess.run(["umount", folder], check=True)

    return mount


@pytest.fixture(scope="session")
def fill() -> Callable[[Path], OSError]:
    """fill(file): writes it until its disk is full; gives the error that said so."""

    def write(path: Path) -> OSError:
        try:
            with path.open("wb", buffering=0) as stream:
                while True:
                    stream.write(bytes(1024))
        except OSError as error:
            return error

    return write


NAME_CHANGES = {"ctypes.dlsym"} | {f"os.{name}" for name in ("rename", "link", "symlink", "remove", "mkdir", "rmdir")}
"""What Python audits of the calls that change names on disk, and of the one that it has no function for."""


def _die_at(count: int) -> None:
    """From now on this process is killed at the call number `count`, from 0, that changes a name or opens to write."""
    passed = iter(range(count))

    def look(event: str, arguments: tuple[Any, ...]) -> None:
        opens = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        if (opens or event in NAME_CHANGES) and next(passed, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(look)


@pytest.fixture(scope="session")
def killed_at() -> Callable[[int, Callable[[], object]], bool]:
    """killed_at(3, work): does `work` in a forked process that is killed at the fourth call that changes a name.

    Gives whether it was killed; where it has fewer such calls, it has done its work.
    """

    def attempt(count: int, work: Callable[[], object]) -> bool:
        pid = os.fork()
        if pid == 0:
            try:
                _die_at(count)
                work()
                os._exit(0)
            finally:
                os._exit(1)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        assert code in (0, -signal.SIGKILL), f"it ended with {code}"
        return code != 0

    return attempt


@pytest.fixture(scope="session")
def load_script() -> Callable[[str], Any]:
    """load_script("matrix"): scripts/matrix.py as a module."""

    # Scripts import one another, as they lie in the folder of the one that is run.
    sys.path.append(str(ROOT / "scripts"))

    @functools.cache
    def load(name: str) -> Any:
        spec = importlib.util.spec_from_file_location(f"scripts_{name}", ROOT / "scripts" / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module  # where dataclasses look for the module of their annotations
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist, and the wheel that was made from it, as `make dist` builds them."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT]
    subprocess.run(command, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="session")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of a new environment with the wheel in it; what odtool needs, it finds where these tests do."""
    environment = tmp_path_factory.mktemp("environment")
    bare = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    virtualenv = [sys.executable, "-m", "virtualenv", "--no-periodic-update", "--python", sys.executable, environment]
    subprocess.run(virtualenv, check=True, capture_output=True, env=bare)
    python = environment / "bin" / "python"
    (wheel,) = built.glob("*.whl")
    install = [python, "-m", "pip", "install", "--no-index", "--no-deps", wheel]
    subprocess.run(install, check=True, capture_output=True, env=bare)
    ask = [python, "-c", "import odtool; print(odtool.__file__)"]
    done = subprocess.run(ask, check=True, capture_output=True, text=True, env=bare, cwd=environment)
    package = Path(done.stdout.strip()).parent
    assert package.is_relative_to(environment)
    # A path file adds the folders alone: path files in them, such as that of an editable odtool, are not read.
    libraries = dict.fromkeys(sysconfig.get_path(name) for name in ("purelib", "platlib"))
    (package.parent / "libraries.pth").write_text("".join(f"{folder}\n" for folder in libraries))
    return environment / "bin"


@pytest.fixture(scope="session")
def browser() -> str:
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    pytest.skip("no Chromium here: the page is not opened in a browser")


@pytest.fixture
def opened(browser: str, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """opened(file, *options): the file in a headless Chromium, its document on stdout, its log on stderr."""

    def run(file: Path, *options: str) -> subprocess.CompletedProcess[str]:
        command = [
            browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            "--disable-dev-shm-usage", "--hide-scrollbars", f"--user-data-dir={tmp_path / 'profile'}",
            "--window-size=1280,1200", "--enable-logging=stderr", "--dump-dom", *options, file.as_uri(),
        ]  # fmt: skip
        return subprocess.run(command, capture_output=True, text=True, check=True)

    return run


@pytest.fixture
def without_opencv(tmp_path: Path) -> dict[str, str]:
    """An environment whose cv2 fails as the build with windows does where X and GL are not installed."""
    package = tmp_path / "broken" / "cv2"
    package.mkdir(parents=True)
    cause = "libGL.so.1: cannot open shared object file: No such file or directory"
    (package / "__init__.py").write_text(f"raise ImportError({cause!r})\n")
    paths = [str(package.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
