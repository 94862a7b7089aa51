# SPDX-License-Identifier: GPL-2.0-only
"""The cache: every download and built image, outside the source tree."""

import contextlib
import fcntl
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path


def root() -> Path:
    """Return the cache folder; HV_BALLOON_CACHE and XDG_CACHE_HOME choose it."""
    own = os.environ.get("HV_BALLOON_CACHE")
    if own:
        return Path(own).resolve()
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return (Path(base) / "hv-balloon").resolve()


def say(text: str) -> None:
    """Tell the user what takes time, on stderr, so that stdout stays usable."""
    print(f"lab: {text}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def lock(name: str) -> Iterator[None]:
    """Hold a lock between processes that share the cache."""
    folder = root() / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / name, "w", encoding="ascii") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another run that prepares {name}")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def folder_once(path: Path, fill: Callable[[Path], None],
                good: Callable[[Path], bool] = Path.is_dir) -> Path:
    """Return the folder `path`; if it is not good, let fill(folder) make it, all or nothing."""
    if good(path):
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    with lock(path.name):
        if good(path):
            return path
        partial = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
        old = partial.with_name(partial.name + ".old")
        try:
            fill(partial)
            partial.chmod(0o755)
            if path.exists():
                path.rename(old)
            partial.rename(path)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
            shutil.rmtree(old, ignore_errors=True)
    return path
