# SPDX-License-Identifier: GPL-2.0-only
"""The example on-memory-event, with programs that are played by scripts."""

import os
import re
import subprocess

import pytest

from lab import PROJECT

SCRIPT = PROJECT / "packaging/examples/on-memory-event"
MIB = 1 << 20
PLAYED = {
    # Before 6.2 it has no -e, and a refusal is a success by its status.
    "redis-cli": """echo "$*" >>calls
        case $* in
        -*) echo "Unrecognized option or bad number of args for: '$1'" >&2; exit 1 ;;
        $REFUSED*) echo "NOAUTH Authentication required." ;;
        "info memory") printf "used_memory:%d\\r\\n" 419430400 ;;
        *) echo OK ;;
        esac""",
    "mariadb": 'echo "$*" >>calls; case $* in *SELECT*) echo 393216 ;; esac',
    "jcmd": """while case $1 in -J*) ;; *) false ;; esac; do shift; done
        echo "$*" >>calls
        case $2 in
        VM.flags) echo "-XX:CICompilerCount=2 -XX:MaxHeapSize=$MAXIMUM -XX:+UseZGC" ;;
        *) [ $4 -le $MAXIMUM ] || echo "SoftMaxHeapSize error: value violates its flag's constraint." ;;
        esac""",
    "pgrep": "echo $PPID",
    "systemctl": 'echo "$*" >>calls',
}


@pytest.fixture(name="on_event")
def fixture_on_event(tmp_path):
    """A function that runs the script for these programs; returns what they were told."""
    for name, text in PLAYED.items():
        (tmp_path / name).write_text(f"#!/bin/sh\ncd {tmp_path}\n{text}\n", encoding="ascii")
        (tmp_path / name).chmod(0o755)

    def run(programs, percent=50, event="taken", status=0, maximum=1 << 50, refused="nothing"):
        config = tmp_path / "config"
        config.write_text(f'programs="{programs}"\npercent={percent}\nfifos={tmp_path}/fifos\n',
                          encoding="ascii")
        (tmp_path / "calls").write_text("")
        result = subprocess.run(
            ["sh", SCRIPT, event], text=True, check=False, timeout=30, stderr=subprocess.PIPE,
            env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}",
                 "ON_MEMORY_EVENT_CONFIG": str(config), "MAXIMUM": str(maximum),
                 "REFUSED": refused})
        assert result.returncode == status, result.stderr
        return (tmp_path / "calls").read_text(encoding="ascii") if not status else result.stderr
    return run


def available_mib():
    """Return what programs of this machine could still use."""
    with open("/proc/meminfo", encoding="ascii") as lines:
        return int(re.search(r"MemAvailable: +(\d+)", lines.read()).group(1)) // 1024


@pytest.mark.parametrize("programs, expression, used, unit", [
    ("redis", r"^config set maxmemory (\d+)mb\nmemory purge$", 400, 1),
    ("mariadb", r"SET GLOBAL innodb_buffer_pool_size = (\d+) \* 1048576$", 384, 1),
    ("java", r"^\d+ VM.set_flag SoftMaxHeapSize (\d+)$", 5, MIB),
], ids=("redis", "mariadb", "java"))
def test_share(on_event, programs, expression, used, unit):
    """Half of what it has and of what is available."""
    before = available_mib()
    told = int(re.search(expression, on_event(programs), re.MULTILINE).group(1)) // unit
    least, most = sorted((before, available_mib()))
    assert 0.9 * (used + least) / 2 < told < 1.1 * (used + most) / 2


def test_one_that_is_down(on_event, tmp_path):
    """The others are resized all the same."""
    (tmp_path / "redis-cli").write_text("#!/bin/sh\nexit 1\n", encoding="ascii")
    assert "redis could not be resized" in on_event("redis mariadb", status=1)
    assert "innodb_buffer_pool_size = " in (tmp_path / "calls").read_text(encoding="ascii")


@pytest.mark.parametrize("refused", ["", "config", "memory"])
def test_redis_that_refuses(on_event, refused):
    """For want of a password, or a command that was renamed: redis-cli ends with success."""
    assert "redis could not be resized" in on_event("redis", status=1, refused=refused)


def test_java_gets_no_more_than_its_maximum(on_event):
    """More is refused by jcmd, which says so and succeeds: the smaller size would stay."""
    told = on_event("java", event="given", maximum=64 * MIB)
    assert told.endswith(f"VM.set_flag SoftMaxHeapSize {64 * MIB}\n")


def test_all_of_them(on_event):
    """One after the other; kubelet has no share."""
    told = on_event("redis kubelet mariadb", 40)
    assert re.search("maxmemory.*try-restart kubelet.*buffer_pool", told, re.DOTALL)


def test_program_without_a_recipe(on_event):
    """It is named."""
    assert 'there is no recipe for "oracle"' in on_event("oracle", status=2)


def test_services_are_told_by_the_protocol_of_systemd(on_event, tmp_path):
    """One byte for each FIFO, when memory is taken; one without a reader causes no wait."""
    folder = tmp_path / "fifos"
    folder.mkdir()
    for name in ("read", "not-read"):
        os.mkfifo(folder / name)
    reader = os.open(folder / "read", os.O_RDWR | os.O_NONBLOCK)
    try:
        on_event("pressure", event="given")
        with pytest.raises(BlockingIOError):
            os.read(reader, 10)
        on_event("pressure")
        assert os.read(reader, 10) == b"."
    finally:
        os.close(reader)
