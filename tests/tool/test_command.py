# SPDX-License-Identifier: GPL-2.0-only
"""The command as a program: arguments, watching, what is installed with it."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import time

import pytest

from lab import PROJECT

from .tree import DEVICE, GROUP, MIB, Tree

MAN = PROJECT / "tools/hvballoon.8"
COMPLETION = PROJECT / "tools/hvballoon.bash-completion"
OPTIONS = ("--json", "--interval", "--count", "--monitoring", "--bundle", "--output", "--help",
           "--version", "--dry-run", "--module")


def output(*words, **options):
    """Run a program; return all that it printed."""
    return subprocess.run([str(word) for word in words], text=True, check=False, timeout=60,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options).stdout


@pytest.mark.parametrize("words, status", [
    (["status"], 2), (["status", "--json"], 2), (["doctor"], 2), (["doctor", "--json"], 2),
    (["doctor", "--monitoring"], 3), (["watch", "--count=1"], 2), (["metrics"], 2),
], ids=lambda words: " ".join(words) if isinstance(words, list) else str(words))
def test_no_room_for_the_output(folder, tree, words, status):
    """What was not printed is no good news. Busybox' awk does not notice."""
    with open("/dev/full", "w", encoding="ascii") as full:
        result = subprocess.run([folder / "tools/hvballoon", *words], check=False, stdout=full,
                                env={**os.environ, "HVBALLOON_ROOT": str(tree.root)},
                                stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=30)
    assert result.returncode == status


# Arguments


@pytest.mark.parametrize("arguments", [
    ["statsu"], ["--jsno"], ["status", "watch"], ["watch", "-n"], ["watch", "-n", "0"],
    ["watch", "--interval=-1"], ["watch", "--interval", "1.5"], ["watch", "--count=many"],
    ["watch", "-n", "86401"], ["watch", "-n", "99999999999999999999"], ["status", "--count=2"],
    ["doctor", "-n", "2"], [""], ["watch", "--interval="], ["metrics", "--json"],
    ["status", "--output=/dev/null"], ["metrics", "-o"], ["metrics", "--output="],
    ["takeover", "release"], ["takeover", "--json"], ["release", "--json"], ["status", "--dry-run"],
    ["release", "--module", "/x"], ["takeover", "--module"], ["doctor", "--module=/x"],
    ["takeover", "--count=2"],
    ["status", "--bundle=/x"], ["doctor", "--bundle"], ["doctor", "--bundle=/x", "--json"],
], ids=lambda arguments: " ".join(arguments) or "empty")
def test_bad_arguments(command, arguments):
    """One line on the error output, status 2, nothing else."""
    result = command.run(*arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert re.fullmatch(r"hvballoon: .+\n", result.stderr)


@pytest.mark.parametrize("arguments", [
    ["doctor", "--monitoring", "--json"], ["status", "--monitoring"], ["--monitoring"],
    ["doctor", "--monitoring", "--nosuch"],
], ids=" ".join)
def test_bad_arguments_of_a_plugin(command, arguments):
    """Monitoring takes 2 for critical: what makes no sense is unknown, 3."""
    result = command.run(*arguments)
    assert (result.returncode, result.stdout) == (3, "")
    assert re.fullmatch(r"hvballoon: .+\n", result.stderr)


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help(command, option):
    """It names each command and each option."""
    result = command.run(option)
    assert (result.returncode, result.stderr) == (0, "")
    for word in ("status", "watch", "doctor", "metrics", "takeover", "release", *OPTIONS):
        assert word in result.stdout


@pytest.mark.parametrize("option", ["-V", "--version"])
def test_version(command, option):
    """It has the version of the driver."""
    source = (PROJECT / "hv_balloon.c").read_text(encoding="utf-8")
    version = re.search(r'MODULE_VERSION\("(.*)"\)', source).group(1)
    assert command.run(option).stdout == f"hvballoon {version}\n"


# Watching


def test_watch_prints_lines(command, tree):
    """Not on a terminal: a heading, then a line each time, without any control character."""
    tree.figures(max_kb=0)
    lines = command.run("watch", "-n", "1", "-c", "2").stdout.splitlines()
    assert len(lines) == 3 and lines[0].split()[1:4] == ["assigned", "ballooned", "hot-added"]
    assert lines[1].split()[1:4] == ["1176", "324", "512"]
    assert "\x1b" not in "".join(lines)


def test_watch_for_programs(command):
    """An object a line."""
    lines = command.run("watch", "-c", "2", "-n", "1", "--json").stdout.splitlines()
    first, second = map(json.loads, lines)
    assert first["ballooned_kb"] == second["ballooned_kb"] == 324 * MIB
    assert second["time"] > first["time"]


def test_watch_without_a_driver(command, tree):
    """It says so, and goes on: the driver may come."""
    Tree.unload(tree)
    result = command.run("watch", "--count=1")
    assert result.returncode == 0
    assert "no driver of Dynamic Memory runs" in result.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_watch_ends_at_once(command, number):
    """A signal ends it well, also in the middle of a long wait, and leaves no process."""
    # A job in the background of a script ignores it, and so would what we start.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with subprocess.Popen([*command.words, "watch", "--interval=600"], text=True,
                          env=command.environment(), stdout=subprocess.PIPE,
                          start_new_session=True) as watch:
        try:
            assert "assigned" in watch.stdout.readline() and watch.stdout.readline()
            time.sleep(0.5)
            watch.send_signal(number)
            assert watch.wait(timeout=30) == 0
            assert not _left(watch.pid)
        finally:
            watch.kill()


def _left(session):
    """Return the processes of a session that still run; what has ended waits for init only."""
    lines = output("ps", "-s", session, "-o", "stat=,args=").splitlines()
    return [line for line in lines if not line.startswith("Z")]


def test_watch_ends_with_its_reader(command):
    """As in: hvballoon watch | head -n 1."""
    with subprocess.Popen([*command.words, "watch", "--interval=1"], text=True,
                          env=command.environment(), stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as watch:
        watch.stdout.readline()
        watch.stdout.close()
        assert watch.wait(timeout=10) == 0
        assert watch.stderr.read() == ""


class Terminal:
    """The command on a terminal of 80 columns."""

    def __init__(self, command, *arguments):
        self.pid, self._file = pty.fork()
        if not self.pid:
            os.execvpe(command.words[0], [*command.words, *arguments], command.environment())
        output("stty", "rows", "24", "columns", "80", stdin=self._file)
        self.text = ""

    def read_until(self, pattern):
        """Read until that is there; return the text up to its end."""
        deadline = time.monotonic() + 60
        while not (found := re.search(pattern, self.text, re.DOTALL)):
            assert time.monotonic() < deadline, self.text
            if select.select([self._file], [], [], 1)[0]:
                self.text += self._more()
        before, self.text = self.text[:found.end()], self.text[found.end():]
        return before

    def press(self, key):
        """Press a key."""
        os.write(self._file, key)

    def end(self):
        """Wait for the end of the program; return its status and the rest of what it wrote."""
        while more := self._more():
            self.text += more
        os.close(self._file)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1]), self.text

    def _more(self):
        try:
            return os.read(self._file, 65536).decode()
        except OSError:  # it is not open any more
            return ""


def test_watch_on_a_terminal(command, tree):
    """A table that is drawn anew in place; Ctrl-C gives the terminal back as it was."""
    terminal = Terminal(command, "watch", "-n", "1")
    first = terminal.read_until("Ctrl-C ends")
    assert first.startswith("\x1b[?25l\x1b[2J\x1b[H") and "   324 MiB" in first
    tree.figures(ballooned_kb=100 * MIB)
    second = terminal.read_until("   100 MiB.*Ctrl-C ends")
    assert "\x1b[H" in second and "\x1b[2J" not in second
    lines = [re.sub(r"\x1b\[[^A-Za-z]*[A-Za-z]", "", line) for line in second.splitlines()]
    assert max(map(len, lines)) <= 80 and len(lines) <= 24 * 2
    terminal.press(b"\x03")
    status, rest = terminal.end()
    assert status == 0 and rest.endswith("\x1b[?25h\r\n")
    assert not _left(terminal.pid)


def test_status_on_a_terminal(command):
    """No control characters where nothing moves."""
    status, text = Terminal(command, "status").end()
    assert status == 0 and "\x1b" not in text and "324 MiB" in text


# What comes with it


def test_manual_page():
    """Both programs that print it have nothing to complain, and each option is in it."""
    assert output("mandoc", "-T", "lint", "-W", "warning", MAN) == ""
    assert output("groff", "-mdoc", "-ww", "-z", "-T", "utf8", MAN) == ""
    printed = " ".join(re.sub(".\b", "", output("mandoc", "-T", "ascii", MAN)).split())
    for words in ('("hv_balloon" or "in-tree")', '("critical", "warning" or "unknown")'):
        assert words in printed
    text = MAN.read_text(encoding="utf-8")
    for option in OPTIONS:
        assert f"Fl -{option[2:]}" in text


def test_completion_of_files():
    """bash knows that they are some: it adds slashes, and quotes spaces."""
    script = f"compopt() {{ echo \"$*\"; }}; . {COMPLETION}; COMP_WORDS=(hvballoon metrics -o /proc/c); " \
             "COMP_CWORD=3; _hvballoon"
    assert "-o filenames" in output("bash", "--norc", "-c", script)


@pytest.mark.parametrize("words, expected", [
    (["s"], {"status"}),
    (["watch", "--i"], {"--interval"}),
    (["watch", "--interval", ""], set()),
    (["doctor", ""], {"--monitoring", "--bundle", "--json", "--help", "--version"}),
    (["status", ""], {"--json", "--help", "--version"}),
    (["metrics", "--o"], {"--output"}),
    (["metrics", ""], {"--output", "--help", "--version"}),
    (["metrics", "-o", "/proc/self/statu"], {"/proc/self/status"}),
    (["takeover", ""], {"--dry-run", "--module", "--help", "--version"}),
    (["release", "--"], {"--dry-run", "--help", "--version"}),
    (["takeover", "--module", "/proc/self/statu"], {"/proc/self/status"}),
    ([""], {"status", "watch", "doctor", "metrics", "takeover", "release", "--json", "--help",
            "--version"}),
], ids=lambda words: " ".join(words) if isinstance(words, list) else "")
def test_completion(words, expected):
    """bash offers what fits, and only that."""
    script = f". {COMPLETION}; COMP_WORDS=(hvballoon \"$@\"); COMP_CWORD=$#; _hvballoon; " \
             'printf "%s\\n" "${COMPREPLY[@]}"'
    assert set(output("bash", "--norc", "-c", script, "bash", *words).split()) == expected


def test_install(tmp_path, tree):
    """Installed, it finds its parts, also through a link; uninstall leaves nothing."""
    make = ("make", "-s", "-C", PROJECT, f"DESTDIR={tmp_path}")
    assert output(*make, "install-tools") == ""
    names = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert names == {"hvballoon", "hvballoon-pressure", "checks.sh", "bundle.sh", "print.awk",
                     "rules.awk", "metrics.awk", "takeover.sh", "hvballoon.8"}
    (tmp_path / "link").symlink_to("usr/bin/hvballoon")
    for program in ("usr/bin/hvballoon", "link"):
        text = output(tmp_path / program, "status", env={**os.environ,
                                                         "HVBALLOON_ROOT": str(tree.root)})
        assert "324 MiB" in text
    output(*make, "uninstall-tools")
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_parts_are_missing(command, folder):
    """Then it says which, and what to do."""
    (folder / "tools/checks.sh").unlink()
    result = command.run("status")
    assert result.returncode == 2 and "install hvballoon again" in result.stderr


def test_unreadable_device(command, tree):
    """A device without a class is not ours."""
    tree.write(f"sys/bus/vmbus/devices/{DEVICE}/class_id", "")
    tree.remove(GROUP)
    assert command.problems() == ["no-device"]
