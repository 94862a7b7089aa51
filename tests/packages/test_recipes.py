# SPDX-License-Identifier: GPL-2.0-only
"""Each recipe of docs/recipes.md in a whole Debian 13, with and without it.

The guest has 1 GiB and no swap. Its host asks for 64 MiB every few seconds, then gives it all
back and adds 256 MiB. What is in docs/recipes.md of this is what these cases print.
"""

import re
import time
from dataclasses import dataclass

import pytest

from lab import PROJECT, memory
from lab.memory import MIB
from simulated_host import wire
from simulated_host.keeper import agreed, loaded_again
from simulated_host.memory_blocks import BLOCK, NewBlocks
from simulated_host.sysfs import FILES

from . import system

STEP, ROUNDS = 64, 12   # MiB that the host asks for at once, and how often
PAUSE = 4               # seconds from one to the next
ADDED = 2               # memory blocks
FLOOR = "floor_mib=256"     # else it rises with what is added
SLOW = 300              # seconds for a Java program in an emulated machine
RULE = "61-memory-events.rules"
CONFIG = "/etc/default/on-memory-event"
# What a service has that is no cache of files, in MiB.
USED = "awk '/^(anon|shmem) / {{ bytes += $2 }} END {{ print int(bytes / 1048576) }}'" \
    " /sys/fs/cgroup$(systemctl show -P ControlGroup {})/memory.stat"


@dataclass
class Program:
    """A program with a cache, and how it is made to have one."""

    name: str       # in the configuration of on-memory-event; "" if it has no part there
    unit: str
    plain: str      # starts it without the recipe
    recipe: str     # and with what the recipe wants besides
    fill: str
    limit: str      # prints how large its cache may be, in MiB
    patience: int = 1   # how much longer it takes to become smaller
    percent: int = 50   # its share


REDIS = Program(
    "redis", "redis-server", "systemctl start redis-server",
    "systemctl start redis-server; redis-cli config set maxmemory-policy allkeys-lru",
    """redis-cli config set save ''; redis-cli config set maxmemory 420mb
    for part in 0 1 2 3 4 5 6 7; do
        redis-cli eval "for i = 1, 5000 do
            redis.call('set', ARGV[1] .. i, string.rep('x', 9500)) end" 0 "$part:"
    done""",
    "echo $(($(redis-cli config get maxmemory | tail -n 1) >> 20))")

PSQL = "runuser -u postgres -- psql -qAt -c"
POSTGRES_START = """
cat >/etc/postgresql/17/main/conf.d/lab.conf <<END
autovacuum = off
shared_buffers = {}
effective_cache_size = 512MB
END
systemctl start postgresql@17-main
"""
POSTGRES = Program(
    "", "postgresql@17-main", POSTGRES_START.format("384MB"), POSTGRES_START.format("64MB"),
    f"""cd /
    {PSQL} "CREATE EXTENSION IF NOT EXISTS pg_prewarm"
    {PSQL} "CREATE UNLOGGED TABLE IF NOT EXISTS t AS
        SELECT g, repeat(md5(g::text), 28) FROM generate_series(1, 380000) g"
    {PSQL} CHECKPOINT
    {PSQL} "SELECT pg_prewarm('t', 'read'), pg_prewarm('t')" """,
    f"cd /; {PSQL} 'SELECT setting::int / 128 FROM pg_settings WHERE name = '\"'shared_buffers'\"")

MARIADB_START = """
cat >/etc/mysql/mariadb.conf.d/99-lab.cnf <<END
[mariadbd]
innodb_buffer_pool_size = 256M
innodb_doublewrite = 0
innodb_flush_log_at_trx_commit = 0
END
systemctl start mariadb
"""
MARIADB = Program(
    "mariadb", "mariadb", MARIADB_START, MARIADB_START,
    """mariadb -e "CREATE DATABASE IF NOT EXISTS d; USE d;
        CREATE TABLE IF NOT EXISTS t (a INT PRIMARY KEY, b TEXT) ENGINE=InnoDB;
        REPLACE INTO t SELECT seq, REPEAT(MD5(seq), 110) FROM seq_1_to_64000;
        SELECT SUM(LENGTH(b)) FROM t" """,
    "mariadb -BNe 'SELECT @@innodb_buffer_pool_size DIV 1048576'", patience=2, percent=40)

JCMD = "jcmd -J-Dsun.tools.attach.attachTimeout=240000 -J-XX:TieredStopAtLevel=1 -J-XX:+UseSerialGC"
JAVA_START = """
systemd-run --quiet --collect --unit=java-server -p StandardOutput=truncate:/run/java-server \
    java -Xmx512m {} -cp /lab/java Server
"""
JAVA = Program(
    "java", "java-server", JAVA_START.format("-XX:+UseG1GC"),
    JAVA_START.format("-XX:+UseZGC -XX:ZUncommitDelay=5"),
    "until grep -q ready /run/java-server; do sleep 1; done",
    f"{JCMD} $(pgrep -x java) VM.flags | grep -o 'SoftMaxHeapSize=[0-9]*' |"
    " awk -F= '{ print int($2 / 1048576) }'", patience=3)


@pytest.fixture(name="debian", scope="module")
def fixture_debian(tmp_path_factory):
    """The guest, whose driver has agreed with the host; no program runs."""
    examples = PROJECT / "packaging/examples"
    files = {name: examples / name for name in (RULE, "memory-event@.service", "on-memory-event")}
    files["java"] = system.java(tmp_path_factory.mktemp("java"))
    with system.booted(files) as guest:
        guest.blocks, guest.added, guest.kept = NewBlocks(), 0, []
        agreed(guest, FLOOR)
        yield guest
        assert not guest.warnings(), "\n".join(guest.warnings())


def follow(guest, programs, percent=50):
    """Do what docs/recipes.md says, with a step for a small guest; or undo it."""
    if programs:
        guest.run(f"""set -e
            cp /lab/*/memory-event@.service /etc/systemd/system
            cp /lab/on-memory-event/on-memory-event /usr/local/bin
            chmod 755 /usr/local/bin/on-memory-event
            sed s/262144/{STEP * 1024}/ /lab/{RULE}/{RULE} >/etc/udev/rules.d/{RULE}
            printf 'programs="{programs}"\\npercent={percent}\\n' >{CONFIG}
            systemctl daemon-reload; udevadm control --reload
            udevadm trigger --action=add --subsystem-match=vmbus; udevadm settle""")
        assert int(guest.run(f"cat {FILES}/event_step_kb")) == STEP * 1024
    else:
        guest.run(f"rm -f /etc/udev/rules.d/{RULE}; udevadm control --reload;"
                  f" echo 0 >{FILES}/event_step_kb")


def failed_units(guest):
    """Return what went wrong with units of systemd."""
    return guest.run("systemctl --failed --no-legend --plain;"
                     " journalctl -u 'memory-event@*' -p warning -q --no-pager -o cat 2>/dev/null || true")


def wait_followed(guest, pause):
    """Wait until the programs have done what the last event asks of them."""
    guest.run("udevadm settle; until [ -z \"$(systemctl list-units --plain --no-legend"
              " --state=activating 'memory-event@*')\" ]; do sleep 1; done", SLOW)
    time.sleep(pause)


def take(guest, pause):
    """Let the host ask again and again; return what it got."""
    ranges = []
    for _ in range(ROUNDS):
        more, _ = guest.host.inflate(STEP * MIB)
        ranges += more
        wait_followed(guest, pause)
    return ranges


def give(guest, ranges, pause):
    """Let the host give all back, and more."""
    guest.host.deflate(ranges)
    assert guest.host.add(guest.blocks.row(ADDED), ADDED * BLOCK) == (ADDED * BLOCK, wire.DONE)
    guest.added += ADDED * BLOCK
    wait_followed(guest, 3 * pause)


def begin_alike(guest):
    """Let the host take what it has added before, so that each cycle begins with 1 GiB."""
    more, _ = guest.host.inflate(guest.added - wire.total(guest.kept))
    guest.kept += more
    assert wire.total(guest.kept) == guest.added


def cycle(guest, program, recipe):
    """Run the program through a cycle of the host; return its figures in MiB."""
    used, patience = USED.format(program.unit), program.patience * PAUSE
    kills = memory.oom_kills(guest)
    begin_alike(guest)
    follow(guest, program.name if recipe else "", program.percent)
    guest.run(program.recipe if recipe else program.plain, SLOW)
    guest.run(program.fill, 2 * SLOW)
    figures = {"at first": int(guest.run(used))}
    ranges = take(guest, patience)
    figures |= {"host got": wire.total(ranges) // MIB, "then": int(guest.run(used)),
                "limit": int(guest.run(program.limit, SLOW))}
    give(guest, ranges, patience)
    figures |= {"limit with more": int(guest.run(program.limit, SLOW)), "failed": failed_units(guest)}
    follow(guest, "")
    guest.run(f"systemctl stop {program.unit}", 120)
    assert memory.oom_kills(guest) == kills, "the kernel has killed a program"
    return figures


@pytest.mark.parametrize("program", (REDIS, POSTGRES, MARIADB, JAVA),
                         ids=("redis", "postgresql", "mariadb", "java"))
def test_through_a_cycle(debian, program):
    """With the recipe the program becomes smaller, and larger again; without it does not. With that
    of PostgreSQL the host gets more: it has been smaller from the start."""
    without, with_it = cycle(debian, program, False), cycle(debian, program, True)
    print(f"\n{program.unit}:\n  without {without}\n  with    {with_it}")
    assert with_it["failed"] == ""
    if program.name:
        assert without["limit"] == without["limit with more"]
        assert with_it["limit"] < min(with_it["limit with more"], without["limit"])
        assert with_it["then"] < without["then"] - STEP // 4
    else:
        assert with_it["host got"] > without["host got"] + STEP


KUBELET = """[Service]
ExecStart=/bin/sh -c 'sed -n "s/^MemTotal: *//p" /proc/meminfo >/run/capacity; sleep infinity'
"""


def capacity(guest):
    """Return the capacity that the stub of kubelet has read, in MiB."""
    return int(guest.run("cat /run/capacity").split()[0]) // 1024


@pytest.mark.parametrize("mode", ("keep", "shrink"))
@pytest.mark.parametrize("programs", ("", "kubelet"), ids=("without", "with"))
def test_kubernetes(debian, mode, programs):
    """What kubelet takes for the capacity of its node. Its stub reads that once, as kubelet does."""
    debian.host.deflate(debian.kept)
    debian.kept = []
    loaded_again(debian, f"{FLOOR} accounting={mode}")
    debian.run(f"cat >/etc/systemd/system/kubelet.service <<'END'\n{KUBELET}END")
    follow(debian, programs)
    debian.run("systemctl daemon-reload; systemctl restart kubelet; sleep 1")
    seen = [capacity(debian)]
    ranges, _ = debian.host.inflate(384 * MIB)
    taken = wire.total(ranges) // MIB
    time.sleep(PAUSE)
    seen.append(capacity(debian))
    give(debian, ranges, PAUSE)
    seen.append(capacity(debian))
    debian.run("systemctl stop kubelet")
    print(f"\nkubelet, accounting={mode}, {programs or 'no recipe'}: capacity {seen} MiB,"
          f" {taken} taken, {ADDED * BLOCK // MIB} added")
    assert failed_units(debian) == ""
    expected = [0, 0, 0]
    if programs:
        expected = [0, -taken if mode == "shrink" else 0, ADDED * BLOCK // MIB]
    assert [one - seen[0] for one in seen] == pytest.approx(expected, abs=8)


SERVICE = "systemd-logind"
DEBUG = f"/etc/systemd/system/{SERVICE}.service.d/debug.conf"


def commands(word):
    """Return the block of commands of docs/recipes.md that has that word."""
    text = (PROJECT / "docs/recipes.md").read_text(encoding="utf-8")
    block, = [one for one in re.findall(r"^```\n(.*?)^```$", text, re.M | re.S) if word in one]
    return block


def test_protocol_of_systemd(debian):
    """A service that speaks systemd's protocol of memory pressure gets an event when the host takes
    memory, and not without the recipe."""
    said = f"journalctl -u {SERVICE} -o cat --no-pager | grep 'Memory trimming took' || true"
    trimmed = []
    for programs in ("", "pressure"):
        debian.run(f"mkdir -p {DEBUG.rpartition('/')[0]};"
                   f" printf '[Service]\nEnvironment=SYSTEMD_LOG_LEVEL=debug\n' >{DEBUG}")
        debian.run(commands("MemoryPressureWatch").replace("NAME", SERVICE)
                   .replace("USER GROUP", "root root") if programs else
                   f"systemctl daemon-reload; systemctl restart {SERVICE}")
        follow(debian, programs)
        before = len(debian.run(said).splitlines())
        ranges, _ = debian.host.inflate(2 * STEP * MIB)
        time.sleep(2 * PAUSE)
        debian.host.deflate(ranges)
        trimmed.append(debian.run(said).splitlines()[before:])
        follow(debian, "")
    print(f"\n{SERVICE}: {trimmed}")
    assert not trimmed[0] and trimmed[1] and failed_units(debian) == ""
