# SPDX-License-Identifier: GPL-2.0-only
"""Debian packages, downloaded and unpacked into the cache, never installed.

A private apt configuration with an empty package status is used, so that the machine's own
package selection neither matters nor changes. Mirrors and proxies are the machine's own.
"""

import re
import subprocess
import sys
import urllib.parse
from dataclasses import dataclass
from pathlib import Path

from . import LabError, cache

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")

# The suites that are looked at for a release; names ending in -security have their own mirror.
RELEASES = {
    "bookworm": ("bookworm", "bookworm-updates", "bookworm-security", "bookworm-backports"),
    "trixie": ("trixie", "trixie-updates", "trixie-security", "trixie-backports"),
}


@dataclass(frozen=True)
class Bundle:
    """Packages that are unpacked together."""

    release: str
    packages: tuple  # what to ask apt for
    keep: str  # regular expression: which packages of the resolved closure are wanted
    target: str = ""  # suite to prefer (apt-get -t); empty: the release's newest


KERNEL = ("linux-image-amd64", "linux-headers-amd64")
CLOUD = ("linux-image-cloud-amd64", "linux-headers-cloud-amd64")
# From 7.3 on an image is in several packages.
KERNEL_KEEP = r"linux-(image|binary|modules|base|headers|kbuild)-\d"
BACKPORTS = "bookworm-backports"
BUNDLES = {
    "kernel-6.1": Bundle("bookworm", KERNEL, KERNEL_KEEP),
    "kernel-6.12": Bundle("bookworm", KERNEL, KERNEL_KEEP, BACKPORTS),
    # Those that "make matrix" builds and boots beside these; see tests/matrix.
    "matrix-6.1-cloud": Bundle("bookworm", CLOUD, KERNEL_KEEP),
    "matrix-6.12-deb13": Bundle("trixie", KERNEL, KERNEL_KEEP),
    "matrix-6.12-deb13-cloud": Bundle("trixie", CLOUD, KERNEL_KEEP),
    "matrix-7.3": Bundle("trixie", KERNEL, KERNEL_KEEP, "trixie-backports"),
    "matrix-7.3-cloud": Bundle("trixie", CLOUD, KERNEL_KEEP, "trixie-backports"),
    "source-6.1": Bundle("bookworm", ("linux-source-6.1",), r"linux-source-"),
    "source-6.12": Bundle("bookworm", ("linux-source-6.12",), r"linux-source-", BACKPORTS),
    "qemu": Bundle("bookworm", ("qemu-system-x86",), r"lib|zlib|qemu-system-|seabios", BACKPORTS),
    "firmware": Bundle("bookworm", ("ovmf",), r"ovmf"),
    # Unpacked only: installed, it would run on the machine.
    "dkms-bookworm": Bundle("bookworm", ("dkms",), r"dkms$"),
    "dkms-trixie": Bundle("trixie", ("dkms",), r"dkms$"),
    # Debian 12 has none. With its C library: it runs by the loader of that release.
    "cbmc": Bundle("trixie", ("cbmc",), r"cbmc|minisat|zlib1g|lib(c6|gcc-s1|stdc\+\+6|gmp10)$"),
    "prometheus": Bundle("bookworm", ("prometheus",), r"prometheus$"),
    "guest": Bundle("bookworm", ("busybox-static", "udev", "kmod", "kexec-tools", "makedumpfile"),
                    r"(?!libperl)lib|zlib|busybox|udev|kmod|kexec-tools|makedumpfile"),
}


@dataclass(frozen=True)
class Package:
    """One package of a resolved closure."""

    name: str
    version: str
    size: int


def bundle(name: str) -> Path:
    """Return the folder that holds the unpacked bundle.

    It is downloaded if it is not there, and again if its definition has got another package.
    """
    return cache.folder_once(cache.root() / "bundles" / name, lambda folder: _fill(name, folder),
                             lambda folder: _has_all(folder, BUNDLES[name]))


def _has_all(folder, spec):
    """Tell whether the folder has each package of the bundle that is kept by its own name."""
    if not folder.is_dir():
        return False
    lines = (folder / "PACKAGES").read_text(encoding="ascii").splitlines()
    names = {line.split()[0] for line in lines}
    return names >= {name for name in spec.packages if re.match(spec.keep, name)}


def _fill(name, folder):
    spec = BUNDLES[name]
    # Apt itself refuses to share its state.
    with cache.lock(f"apt-{spec.release}"):
        environment = _private_apt(spec.release)
        packages = _resolve(spec, environment)
        total = sum(package.size for package in packages) / 1e6
        cache.say(f"{name}: downloading {len(packages)} packages, {total:.1f} MB")
        _download(packages, folder, environment)
    cache.say(f"{name}: unpacking")
    for archive in sorted(folder.glob("*.deb")):
        _run(["dpkg", "-x", str(archive), str(folder)])
        archive.unlink()
    listing = "".join(f"{package.name} {package.version}\n" for package in packages)
    (folder / "PACKAGES").write_text(listing, encoding="ascii")


def _resolve(spec, environment):
    """Let apt compute the closure of the bundle and return the wanted part of it."""
    command = ["apt-get", "install", "--print-uris", "-y", "-qq", "--no-install-recommends"]
    if spec.target:
        command += ["-t", spec.target]
    output = _run(command + list(spec.packages), environment)
    packages = [_parse_uri(line) for line in output.splitlines() if line.startswith("'")]
    return [package for package in packages if re.match(spec.keep, package.name)]


def _parse_uri(line):
    """Read one line of --print-uris: 'uri' name_version_arch.deb size hash."""
    _, filename, size = line.split()[:3]
    name, version, _ = urllib.parse.unquote(filename).split("_")
    return Package(name, version, int(size))


def _download(packages, folder, environment):
    names = [f"{package.name}={package.version}" for package in packages]
    command = ["apt-get", "download", "-q"] + names
    result = subprocess.run(command, cwd=folder, env=environment, stdout=sys.stderr, check=False)
    if result.returncode:
        raise LabError("the download of packages failed: is the Debian mirror reachable?")


def _private_apt(release):
    """Write the private apt configuration, bring its lists up to date, return the environment."""
    folder = cache.root() / "apt" / release
    for sub in ("state/lists/partial", "cache/archives/partial", "etc"):
        (folder / sub).mkdir(parents=True, exist_ok=True)
    (folder / "state/status").touch()
    (folder / "etc/sources.list").write_text(sources(release), encoding="ascii")
    config = folder / "apt.conf"
    config.write_text(_configuration(folder), encoding="utf-8")
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "APT_CONFIG": str(config),
                   "LC_ALL": "C.UTF-8", "HOME": str(folder)}
    cache.say(f"reading the package lists of Debian {release}")
    _run(["apt-get", "update", "-qq"], environment)
    return environment


def _configuration(folder):
    """Return an apt.conf that keeps the machine's way to the network and nothing else."""
    acquire = _run(["apt-config", "dump", "Acquire"])
    return acquire + f"""
Dir::State "{folder}/state";
Dir::State::status "{folder}/state/status";
Dir::Cache "{folder}/cache";
Dir::Etc::sourcelist "{folder}/etc/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::Etc::parts "/dev/null";
Dir::Etc::main "/dev/null";
APT::Architecture "amd64";
APT::Architectures {{ "amd64"; }};
APT::Sandbox::User "root";
Acquire::Languages "none";
"""


def sources(release: str) -> str:
    """Return a sources.list of the release's suites on the machine's own mirrors."""
    mirrors = _mirrors()
    lines = []
    for suite in RELEASES[release]:
        mirror = mirrors.get("security" if suite.endswith("-security") else "main")
        if mirror:
            lines.append(f"deb {_signed_by()}{mirror} {suite} main\n")
    return "".join(lines)


def _signed_by():
    return f"[signed-by={KEYRING}] " if KEYRING.exists() else ""


def _mirrors():
    """Read the Debian mirrors from the machine's apt sources: {"main": uri, "security": uri}."""
    try:
        output = _run(["apt-get", "indextargets", "--format", "$(RELEASE) $(REPO_URI)",
                       "Identifier: Packages"])
    except FileNotFoundError:
        raise LabError("apt is missing: the lab needs a Debian machine") from None
    mirrors = {}
    for line in output.splitlines():
        suite, uri = line.split()
        codename, _, part = suite.partition("-")
        if codename in RELEASES and part in ("", "security"):
            mirrors.setdefault(part or "main", uri)
    if "main" not in mirrors:
        raise LabError("the machine's apt sources name no Debian mirror for any of: "
                       + ", ".join(RELEASES))
    return mirrors


def _run(command, environment=None):
    result = subprocess.run(command, env=environment, check=False, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if result.returncode:
        raise LabError(f"{' '.join(command[:3])} failed:\n{result.stderr.strip()}")
    return result.stdout
