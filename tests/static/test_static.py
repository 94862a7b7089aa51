# SPDX-License-Identifier: GPL-2.0-only
"""What can be said of the driver without running it: warnings, style, descriptions."""

import os
import re
import shutil
import subprocess
from concurrent import futures

import pytest

from lab import HV_BALLOON, NAMES, PROJECT, LabError, features, kernels, real_guest

from . import calls

SOURCES = sorted(path for pattern in ("*.c", "lib/*.c") for path in PROJECT.glob(pattern)
                 if not path.name.endswith(".mod.c"))
HEADERS = sorted([*PROJECT.glob("*.h"), *PROJECT.glob("lib/*.h")])
PARAMETERS = {"hot_add", "pressure_report_delay", "floor_mib", "max_range_mib", "accounting",
              "reclaim", "demand", "oom_wait", "takeover"}


def run(*command, **options):
    """Run a command; return its status and all that it printed."""
    return subprocess.run([str(word) for word in command], text=True, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)


@pytest.fixture(scope="session", params=kernels.VERSIONS)
def build(request, tmp_path_factory):
    """A build of the driver from scratch, with all warnings on: its folder and its log."""
    folder = tmp_path_factory.mktemp("build")
    assert run("make", "-C", PROJECT, "install-source", f"SOURCE={folder}").returncode == 0
    headers = kernels.kernel(request.param).headers
    return folder, run("make", f"-j{os.cpu_count()}", "--output-sync", "-C", folder,
                       f"KDIR={headers}", "W=1", "C=2", "both")


def test_builds_without_a_warning(build):
    """W=1, gcc and modpost against the symbols of the stock kernel, and sparse; both modules."""
    _, result = build
    assert result.returncode == 0, result.stdout
    # Type information needs the uncompressed kernel, which no package has.
    complaints = [line for line in result.stdout.splitlines()
                  if re.search(r"\b(warning|error)\b", line, re.IGNORECASE)]
    assert not complaints, "\n".join(complaints)


def test_sparse_read_every_file(build):
    """kbuild goes on without sparse if it does not like its version: count what it read."""
    _, result = build
    read = set(re.findall(r"CHECK\s+\S*/(\w+\.c)", result.stdout))
    assert read == {path.name for path in SOURCES}


def test_modinfo_describes_every_parameter(build):
    """An administrator finds each parameter, with its type, and who we are."""
    folder, _ = build
    for name in NAMES:
        text = run("/sbin/modinfo", folder / f"{name}.ko").stdout
        assert set(re.findall(r"^parm:\s+(\w+):.*\(\w+\)$", text, re.MULTILINE)) == PARAMETERS
        for field in ("version", "description", "license", "author"):
            assert re.search(rf"^{field}:\s+\S", text, re.MULTILINE), field
        # By it udev loads a driver: one of the two only.
        assert bool(re.search(r"^alias:", text, re.MULTILINE)) == (name == HV_BALLOON)


def test_features_that_the_driver_is_built_for(build):
    """Those of the kernel's release; its headers and its source agree."""
    folder, _ = build
    release = run("/sbin/modinfo", "-F", "vermagic", folder / "hv_balloon.ko").stdout
    assert features.of_build(folder) == features.expected(release) is not None


@pytest.mark.parametrize("version", ("6.1", "6.12"))
def test_features_are_those_of_the_code(version):
    """What compat.h makes of two of them, by the code behind the declarations."""
    source = kernels.source(version)
    found = features.of_tree(source)
    assert found == features.EXPECTED[version]
    setup = source / "mm" / ("mm_init.c" if version == "6.12" else "page_alloc.c")
    hotplug = (source / "mm/memory_hotplug.c").read_text(encoding="utf-8")
    starts_offline = "__SetPageOffline(page)" in setup.read_text(encoding="utf-8")
    clears_it = "__ClearPageOffline(page)" in hotplug
    assert starts_offline == clears_it == ("OFFLINE_HOTPLUG" in found)
    is_condition = re.search(r"!mhp_supports_memmap_on_memory\(size\)\) \{\s+ret = -EINVAL",
                             hotplug)
    assert bool(is_condition) == ("MEMMAP_WISH" not in found)


# The code of the headers by which each feature is known, in 6.12, and what of it may change.
SIGNS = {
    "VOID_REMOVE": ("linux/hyperv.h", "void (*remove)(struct hv_device", "remove"),
    "NR_BALLOON_PAGES": ("linux/mmzone.h", "enum node_stat_item {", "item"),
    "CONFIG_BALLOON": ("linux/vm_event_item.h", "#ifdef CONFIG_MEMORY_BALLOON", "BALLOON"),
    "MEMMAP_WISH": ("linux/memory.h", "struct vmem_altmap *altmap;", "altmap;"),
    "OFFLINE_HOTPLUG": ("linux/memory_hotplug.h", "long __offline_isolated_pages(", "long"),
    "ACR_FLAGS": ("linux/gfp.h", "unsigned migratetype, gfp_t gfp_mask);", "migratetype"),
    "FREE_HIGHATOMIC": ("linux/mmzone.h", "long lowmem_reserve[", "lowmem_reserve["),
    "HEAT_TYPE": ("asm-generic/hyperv-tlfs.h", "u64 type:2;", "type"),
}


@pytest.fixture
def tree(tmp_path):
    """A copy of the headers of 6.12 that the probe reads, to be changed."""
    source = kernels.source("6.12")
    for name, _, _ in SIGNS.values():
        (tmp_path / "include" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source / "include" / name, tmp_path / "include" / name)
    assert features.of_tree(tmp_path) == features.EXPECTED["6.12"]
    return tmp_path


@pytest.mark.parametrize("feature", SIGNS)
def test_probe_fails_on_an_unknown_kernel(tree, feature):
    """Where code has changed that tells of a feature, there is no guess, and no build."""
    name, sign, word = SIGNS[feature]
    path = tree / "include" / name
    text = path.read_text(encoding="utf-8")
    assert text.count(sign) == 1
    path.write_text(text.replace(sign, sign.replace(word, f"new_{word}")), encoding="utf-8")
    with pytest.raises(LabError, match=rf"{name} does not tell whether this kernel has {feature}"):
        features.of_tree(tree)
    result = run("make", "-n", "-f", "Kbuild", "src=.", "obj=.", f"srctree={tree}", cwd=PROJECT)
    assert "hv_balloon does not know this kernel" in result.stdout


def test_probe_fails_where_code_says_both(tree):
    """As in a kernel that has the old name beside the new one."""
    path = tree / "include/linux/memory_hotplug.h"
    path.write_text(path.read_text(encoding="utf-8")
                    + "extern void __offline_isolated_pages(unsigned long start);\n",
                    encoding="utf-8")
    with pytest.raises(LabError, match="does not tell whether this kernel has OFFLINE_HOTPLUG"):
        features.of_tree(tree)


def test_probe_does_not_read_comments(tree):
    """They are reworded at any time."""
    for name, _, _ in SIGNS.values():
        path = tree / "include" / name
        text = re.sub(r"/\*.*?\*/", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
        path.write_text(text + "\n/* void __offline_isolated_pages(), acr_flags_t */\n",
                        encoding="utf-8")
    assert features.of_tree(tree) == features.EXPECTED["6.12"]


def test_checkpatch():
    """The style of the kernel; what is left out is in .checkpatch.conf, with reasons."""
    script = kernels.source("6.1") / "scripts/checkpatch.pl"
    result = run(script, "--terse", "--no-summary", "-f", *SOURCES, *HEADERS, cwd=PROJECT)
    assert result.stdout == "" and result.returncode == 0, result.stdout


def test_kernel_doc():
    """The comments of functions and structures name what is there."""
    script = kernels.source("6.1") / "scripts/kernel-doc"
    result = run(script, "-none", *SOURCES, *HEADERS)
    assert result.stdout == "" and result.returncode == 0, result.stdout


def test_coccinelle():
    """The kernel's semantic patches (make coccicheck) find nothing."""
    if not shutil.which("spatch"):
        pytest.skip("coccinelle is not installed: install-deps.sh --coccinelle")
    folder = kernels.source("6.1") / "scripts/coccinelle"
    # Of those that need a compiler for OCaml, none is about what we do.
    patches = [patch for patch in sorted(folder.glob("*/*.cocci"))
               if "script:ocaml" not in patch.read_text(encoding="utf-8")]
    assert len(patches) > 50
    with futures.ThreadPoolExecutor(os.cpu_count()) as threads:
        results = threads.map(lambda patch: run(
            "spatch", "-D", "report", "--no-show-diff", "--very-quiet", "--cocci-file", patch,
            *SOURCES, cwd=PROJECT), patches)
        found = [f"{patch.name}: {line}" for patch, result in zip(patches, results)
                 for line in result.stdout.splitlines() if ".c:" in line or result.returncode]
    assert not found, "\n".join(found)


def test_calls_go_one_way():
    """No file calls, over others or not, one that calls it: see docs/design.md."""
    graph = calls.calls()
    assert len(graph) > 20 and sum(map(len, graph.values())) > 50
    assert [sorted(circle) for circle in calls.circles(graph)] == []


def test_a_circle_is_found():
    """Of three files, and not what only hangs on it."""
    texts = {name: f"int hvb_{name}(void)\n{{\n\thvb_{called}();\n}}\n"
             for name, called in {"a": "b", "b": "c", "c": "a", "d": "a"}.items()}
    assert calls.circles(calls.calls(texts)) == [frozenset("abc")]


def test_drawing_of_the_calls():
    """That of docs/design.md is what `python3 -m static.calls` prints."""
    page = (PROJECT / "docs/design.md").read_text(encoding="utf-8")
    assert "\n".join(["```", *calls.drawing(calls.calls()), "```"]) in page


def test_drawing_shows_no_detour():
    """A call of what another file calls too is left out; the file that calls comes first."""
    texts = {name: "".join(f"int hvb_{name}(void)\n{{\n\thvb_{one}();\n}}\n" for one in called)
             for name, called in {"c": "d", "a": "bc", "b": "c", "d": "d"}.items()}
    assert calls.drawing(calls.calls(texts)) == [f"{'a':<17} -> b", f"{'b':<17} -> c",
                                                 f"{'c':<17} -> d"]


def _functions(path):
    """Yield the name and the length of each function of a file."""
    start, heading = 0, ""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line == "{":
            start = number
        elif line == "}" and start:
            yield heading, number - start - 1
            start = 0
        elif line and line[0] not in " \t{}":
            heading = line


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_shape(path):
    """Short files and functions, no conditional compilation, nothing that stops the kernel."""
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 600
    assert not re.search(r"^#\s*if", text, re.MULTILINE), "conditionals belong into compat.h"
    assert not re.search(r"\bBUG(_ON)?\(", text)
    assert not [(name, length) for name, length in _functions(path) if length > 60]


# A comment, the head of the function that follows it at once, and its body.
FUNCTION = re.compile(r"^/\*\*?\n((?: \*(?!/).*\n)+) \*/\n(\w[^;{}]*)\n\{\n((?:(?!\}).*\n)*)\}$",
                      re.MULTILINE)


def _locks_not_asserted(text):
    """Return each function and lock that its comment says to be held, and it does not check."""
    found = []
    for comment, head, body in FUNCTION.findall(text):
        context = comment.partition("Context:")[2].partition("Return:")[0]
        for lock in re.findall(r"(\w+->\w+) held\b", context):
            if f"lockdep_assert_held(&{lock});" not in body:
                found.append((re.search(r"(\w+)\(", head).group(1), lock))
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_locks_that_a_comment_says_to_be_held_are_asserted(path):
    """By lockdep_assert_held() in the function itself."""
    assert _locks_not_asserted(path.read_text(encoding="utf-8")) == []


def test_a_lock_that_is_not_asserted_is_found():
    """And one that is asserted is not."""
    text = ("/**\n * hvb_a() - do\n * @b: what\n *\n * Context: process, b->lock held; may"
            " sleep.\n * Return: 0.\n */\nint hvb_a(struct b *b)\n{\n%s\treturn 0;\n}\n")
    assert _locks_not_asserted(text % "") == [("hvb_a", "b->lock")]
    assert _locks_not_asserted(text % "\tlockdep_assert_held(&b->lock);\n") == []


SETS = re.compile(r"\bhvb_(?:regions|extents)_\w+\(")
BODY = re.compile(r"^\w[^;{}]*\b(hvb_\w+)\([^;{}]*\)\n\{\n((?:(?!\}).*\n)*)\}$", re.MULTILINE)


def _sets_without_lock(text):
    """Return each function that looks into the sets while it does not hold the map's lock."""
    found = []
    for name, body in BODY.findall(text):
        held = False
        for line in body.splitlines():
            if "spin_lock(&map->lock);" in line or "lockdep_assert_held(&map->lock);" in line:
                held = True
            elif "spin_unlock(&map->lock);" in line:
                held = False
            elif SETS.search(line) and not held:
                found.append(name)
    return found


def test_sets_are_looked_into_with_the_lock_of_the_map():
    """Those of the hotplug map: a task that offlines memory replaces their lists. Only the file
    that owns them calls their functions."""
    for path in (path for path in SOURCES if path.parent.name != "lib"):
        text = path.read_text(encoding="utf-8")
        if path.name == "hotplug_map.c":
            assert len(SETS.findall(text)) > 20
            assert _sets_without_lock(text) == []
        else:
            assert [name for name, body in BODY.findall(text) if SETS.search(body)] == []


def test_a_set_that_is_looked_into_without_the_lock_is_found():
    """Before it is taken, and after it was released."""
    text = ("bool hvb_a(struct b *map)\n{\n%s\treturn hvb_regions_knows(map);\n}\n")
    locked = "\tspin_lock(&map->lock);\n"
    assert _sets_without_lock(text % "") == ["hvb_a"]
    assert _sets_without_lock(text % locked) == []
    assert _sets_without_lock(text % f"{locked}\tspin_unlock(&map->lock);\n") == ["hvb_a"]


# A function that other files can call, without the tables of values.
GLOBAL = re.compile(r"^(?!static\b)(?:[a-z_]\w*[ *]+)+(hvb_\w+)\([^;{]*?\)\n\{", re.MULTILINE)


def _undescribed(text, is_pure=False):
    """Return each such function and what its comment lacks; pure ones run in any context."""
    found = []
    for match in GLOBAL.finditer(text):
        comment = text[:match.start()].rpartition("/**")[2] if text[:match.start()].endswith(
            " */\n") else ""
        wanted = {f"{match.group(1)}()", "" if is_pure else "Context:",
                  "" if match.group().startswith("void") else "Return:"}
        found += [(match.group(1), words) for words in sorted(wanted) if words not in comment]
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_functions_of_other_files_are_described(path):
    """By a comment with their context and what they return."""
    assert _undescribed(path.read_text(encoding="utf-8"), path.parent.name == "lib") == []


def test_a_function_without_a_description_is_found():
    """Without a comment, and with one that lacks a part."""
    text = ("int hvb_a(void)\n{\n}\n\n"
            "/**\n * hvb_b() - do\n *\n * Context: any.\n */\n%s hvb_b(void)\n{\n}\n")
    bare = [("hvb_a", words) for words in ("Context:", "Return:", "hvb_a()")]
    assert _undescribed(text % "void") == bare
    assert _undescribed(text % "int") == [*bare, ("hvb_b", "Return:")]


def _table(heading):
    """Return the names in the first column of the first table behind a heading of figures.md."""
    text = (PROJECT / "docs/figures.md").read_text(encoding="utf-8")
    section = text.split(f"\n## {heading}\n")[1].split("\n#")[0]
    return [name for row in re.findall(r"^\|( `[^|]*)\|", section, re.MULTILINE)
            for name in re.findall(r"`(\w+)`", row)]


def _in_sources(expression):
    """Return all that the expression finds in the driver."""
    return [found for path in (*SOURCES, *HEADERS)
            for found in re.findall(expression, path.read_text(encoding="utf-8"))]


def test_every_file_of_sysfs_is_described():
    """In the table and in Documentation/ABI, each once, and no other."""
    names = sorted(_in_sources(r"&dev_attr_(\w+)\.attr"))
    abi = PROJECT / "Documentation/ABI/testing/sysfs-bus-vmbus-hv-balloon"
    described = re.findall(r"^What:.*/(\w+)$", abi.read_text(encoding="utf-8"), re.MULTILINE)
    assert names and sorted(_table("sysfs")) == names and sorted(described) == names


def test_the_page_on_qemu_has_the_command_of_the_lab():
    """What it says is what each run on the real host starts."""
    page = (PROJECT / "docs/qemu.md").read_text(encoding="utf-8")
    for words in (f"-cpu {real_guest.CPU} ", f"slots=4,maxmem={real_guest.MAXMEM}", "-device vmbus-bridge",
                  "-global ICH9-LPC.disable_s4=1", "-device hv-balloon,id=dm,memdev=dm0"):
        assert words in page


@pytest.mark.parametrize("heading, expression", [
    ("debugfs", r'debugfs_create_file\("(\w+)"'),
    ("Trace events", r"(?:TRACE|DEFINE)_EVENT\((?:\w+, )?(balloon_\w+),"),
], ids=("debugfs", "trace"))
def test_every_file_for_a_look_inside_is_described(heading, expression):
    """In the table, each once, and no other."""
    names = sorted(_in_sources(expression))
    assert names and sorted(_table(heading)) == names
