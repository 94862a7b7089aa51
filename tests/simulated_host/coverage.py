# SPDX-License-Identifier: GPL-2.0-only
"""What of the driver the scripts have reached: counters of the debug kernel (gcov)."""

import base64
import shutil
import subprocess
from pathlib import Path

from .simulator import Simulator

# The counters of each file; a module that was unloaded keeps them.
COLLECT = """
cd /sys/kernel/debug/gcov
mkdir -p /tmp/gcov
for file in $(find . -name '*.gcda'); do cat $file >/tmp/gcov/${file##*/}; done
tar -cz -C /tmp/gcov . | base64
"""


def save(guest: Simulator, driver: Path, folder: Path) -> None:
    """Put what a guest has counted into a folder of its own, with what is needed to read it.

    `driver` is the folder in which the driver was built.
    """
    folder.mkdir(parents=True, exist_ok=True)
    own = folder / f"guest-{len(list(folder.glob('guest-*'))):03}"
    own.mkdir()
    archive = guest.run(COLLECT, limit=120)
    subprocess.run(["tar", "-xz", "-C", own], input=base64.b64decode(archive), check=True)
    for notes in driver.glob("*.gcno"):
        shutil.copy(notes, own)
    own.joinpath("driver").symlink_to(driver)


def report(folder: Path) -> str:
    """Return a table: of each file the lines, how many were reached, and which were not."""
    tables: list[str | Path] = []
    for own in sorted(folder.glob("guest-*")):
        driver = (own / "driver").resolve()
        table = own / "lines.json"
        subprocess.run(["gcovr", "--root", driver, "--filter", f"{driver}/[a-z_]*\\.[ch]$",
                        "--json", table, own], check=True, stdout=subprocess.DEVNULL)
        tables += ["--add-tracefile", table]
    if not tables:
        return "no counters"
    return subprocess.run(["gcovr", "--root", driver, *tables], check=True, text=True,
                          stdout=subprocess.PIPE).stdout
