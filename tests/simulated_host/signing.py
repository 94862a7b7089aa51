# SPDX-License-Identifier: GPL-2.0-only
"""Signed modules, for a guest whose firmware has Secure Boot on.

Debian's firmware for tests comes with a key that it knows, and with the private part of that.
"""

import os
import subprocess
from pathlib import Path

from lab import packages

PASSWORD = "snakeoil"
OWNER, OTHER = "owner", "other"     # whose key it is: the machine knows the first
FILES = "usr/share/OVMF"
Key = tuple[Path, Path]     # with its certificate


def firmware() -> tuple[Path, Path]:
    """Return the code of the firmware, and the variables with which it starts."""
    folder = packages.bundle("firmware") / FILES
    return folder / "OVMF_CODE_4M.fd", folder / "OVMF_VARS_4M.snakeoil.fd"


def add_signed(files: dict[str, Path], sim: str, driver: str, headers: Path, folder: Path) -> None:
    """Sign `sim`, without which there is no host, and add the driver signed by each key."""
    keys = {OWNER: _owner(), OTHER: new_key(folder)}
    files[sim] = sign(keys[OWNER], files[sim], headers, folder / "sim")
    for name, key in keys.items():
        files[name] = sign(key, files[driver], headers, folder / name)


def _owner():
    folder = packages.bundle("firmware") / "usr/share/ovmf"
    return folder / "PkKek-1-snakeoil.key", folder / "PkKek-1-snakeoil.pem"


def new_key(folder: Path) -> Key:
    """Make a key as DKMS does, which no machine knows; return it and its certificate."""
    key = folder / "other.key", folder / "other.der"
    subprocess.run(["openssl", "req", "-new", "-x509", "-newkey", "rsa:2048", "-nodes",
                    "-subj", "/CN=other", "-days", "36500", "-outform", "DER",
                    "-keyout", key[0], "-out", key[1]], check=True, capture_output=True)
    return key


def sign(key: Key, module: Path, headers: Path, folder: Path) -> Path:
    """Sign a copy of a module with the tool of its kernel; return the copy."""
    folder.mkdir()
    target = folder / module.name
    subprocess.run([headers / "scripts/sign-file", "sha256", *key, module, target], check=True,
                   env={**os.environ, "KBUILD_SIGN_PIN": PASSWORD})
    return target
