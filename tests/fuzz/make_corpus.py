# SPDX-License-Identifier: GPL-2.0-only
"""Write the inputs with which the fuzzers start: one file each, named by what it is.

Messages are those of the protocol; the rest is written as the harnesses read it.
"""

import argparse
import struct
import sys
from pathlib import Path

CORPUS = Path(__file__).resolve().parent / "corpus"
MIB = 256  # pages
LIMIT = 1 << 40  # page frames that a message can name
COUNT_MAX = (1 << 24) - 1
IDENTITY = 0x0a0b0c0d


# The codec: messages of a host.

def message(kind, body=b"", size=None):
    """Return a message: header and body; the declared size may be another than its own."""
    declared = 8 + len(body) if size is None else size
    return struct.pack("<HHI", kind, declared, IDENTITY) + body


def declaring(data, size):
    """Return a message with another size in its header."""
    return data[:2] + struct.pack("<H", size) + data[4:]


def page_range(start, count):
    """Return a range of page frames as it is sent."""
    return struct.pack("<Q", count << 40 | start)


def accept(kind, flags):
    """Return a version response (2) or a capabilities response (4)."""
    return message(kind, struct.pack("<Q", flags))


def unballoon(*ranges, more=False, count=None):
    """Return a request to take these ranges back."""
    number = len(ranges) if count is None else count
    return message(8, struct.pack("<II", more, number) + b"".join(ranges))


def hot_add(*ranges):
    """Return an offer of new memory: a range, and perhaps the region."""
    return message(10, b"".join(ranges))


def information(kind, data=b"", data_size=None):
    """Return an information message."""
    declared = len(data) if data_size is None else data_size
    return message(12, struct.pack("<IIII", 0, 16 + len(data), kind, declared) + data)


def codec():
    """Each message of a host in each of its forms, and one for each reason to reject one."""
    block = page_range(0x123456789a, 2 * MIB)
    yield "version-accepted", accept(2, 1)
    yield "version-refused", accept(2, 0)
    yield "capabilities-accepted", accept(4, 1)
    yield "capabilities-accepted-no-reports", accept(4, 5)
    yield "capabilities-reserved-bits", accept(4, 0xfff8)
    yield "balloon-request", message(6, struct.pack("<II", 512 * MIB, 0))
    yield "balloon-request-reserved-bits", message(6, struct.pack("<II", 512 * MIB, 1))
    yield "unballoon-nothing", unballoon()
    yield "unballoon-one-range", unballoon(block)
    yield "unballoon-two-ranges-more-to-follow", unballoon(block, page_range(0, 1), more=True)
    yield "unballoon-510-ranges", unballoon(*(page_range(MIB * i, i) for i in range(510)))
    yield "unballoon-last-page-frame", unballoon(page_range(LIMIT - 1, 1))
    yield "unballoon-behind-last-page-frame", unballoon(page_range(LIMIT - 1, 2))
    yield "unballoon-too-many-ranges", unballoon(block, count=2)
    yield "unballoon-2-to-the-29-ranges", unballoon(block, count=1 << 29)
    yield "hot-add", hot_add(page_range(1 << 20, 128 * MIB))
    yield "hot-add-with-region", hot_add(page_range(1 << 20, 128 * MIB),
                                         page_range(1 << 20, 1024 * MIB))
    yield "hot-add-most-pages", hot_add(page_range(LIMIT - COUNT_MAX, COUNT_MAX))
    yield "hot-add-half-a-region", hot_add(page_range(1 << 20, 128 * MIB), b"\0\0\0\0")
    yield "information-most-pages", information(0, struct.pack("<Q", 4096 * MIB))
    yield "information-most-pages-in-4-bytes", information(0, struct.pack("<Q", 1), 4)
    yield "information-unknown-type", information(1)
    yield "declared-size-too-large", message(6, bytes(8), 17)
    yield "declared-size-too-small", message(6, bytes(8), 15)
    yield "unballoon-no-size-declared", declaring(unballoon(block, page_range(0, 1)), 0)
    yield "hot-add-no-size-declared", declaring(hot_add(page_range(1 << 20, 128 * MIB)), 0)
    yield "information-too-much-declared", declaring(information(0, bytes(8)), 4096)
    yield "padded-to-8-bytes", message(6, bytes(8), 16) + bytes(8)
    yield "of-the-guest", message(7, bytes(8))
    yield "unknown-type", message(13, bytes(8))
    yield "half-a-header", message(6)[:4]
    yield "longer-than-a-message", message(6, bytes(4096), 16)


# The regions: what happens to them.

ADD, FILL, ONLINE, OFFLINE, DROP, SET_ADD, SET_REMOVE = range(7)
PLACES = {"at-0": 0, "at-1": 1, "over-2-to-the-32": 2, "up-to-2-to-the-40": 3}
BY_2_MIB = 4
BLOCK_STEPS = {4: 0, 6: 1, 8: 2, 64: 3}


def stage(*changes, place="at-0", step=0, block=4):
    """Return an input: where the memory lies, then changes of three bytes each."""
    start = PLACES[place] | step | BLOCK_STEPS[block] << 3
    return bytes([start]) + b"".join(bytes(change) for change in changes)


def add(block, first, length, steps=4):
    """Return the change that adds a block of which the host gives so many steps."""
    return ADD, block, first + steps * (length - 1)


def regions():
    """What hosts do, and what an administrator does to blocks."""
    full = [add(block, 0, 4) for block in range(3)]
    online = [(ONLINE, block, 0) for block in range(3)]
    yield "block-in-one-piece", stage(full[0], online[0])
    yield "block-grown-upwards", stage(add(1, 0, 1), *((FILL, i, 0) for i in (5, 6, 7)))
    yield "block-grown-downwards", stage(add(1, 3, 1), *((FILL, i, 0) for i in (6, 5, 4)))
    yield "block-with-two-gaps", stage(add(1, 1, 2), (ONLINE, 1, 0), step=BY_2_MIB)
    yield "three-blocks-joined", stage(full[0], full[2], full[1], *online)
    yield "middle-block-dropped", stage(*full, *online, (DROP, 1, 0))
    yield "middle-block-offline", stage(*full, *online, (OFFLINE, 1, 0))
    yield "gap-over-two-blocks-filled", stage(add(0, 0, 2), add(1, 2, 2), (FILL, 2, 3))
    yield "last-block", stage(add(7, 2, 6, 8), place="up-to-2-to-the-40", block=8)
    yield "over-2-to-the-32", stage(add(0, 1, 4, 6), (FILL, 0, 5), place="over-2-to-the-32",
                                    block=6)
    yield "one-block-of-all", stage((ADD, 0, 20), (FILL, 40, 0), (ONLINE, 0, 0), block=64)
    yield "set-comb-filled", stage(*((SET_ADD, i, 0) for i in range(0, 16, 2)),
                                   (SET_ADD, 0, 15), place="at-1")
    yield "set-made-a-comb", stage((SET_ADD, 0, 15), *((SET_REMOVE, i, 0) for i in range(1, 16, 2)))
    yield "set-holes-closed-from-both-sides", stage((SET_ADD, 0, 1), (SET_ADD, 6, 1),
                                                    (SET_ADD, 2, 0), (SET_ADD, 5, 0),
                                                    (SET_ADD, 3, 1))


# The arithmetic: figures, and blocks that are given.

def request(figures, place, *blocks):
    """Return an input: total, wish, available, wanted; place; first piece and length of blocks.

    The place has the size of pieces, where they lie, and what limits a range: see the harness.
    """
    return (struct.pack("<QQQQB", *figures, place)
            + b"".join(struct.pack("<HH", first, length - 1) for first, length in blocks))


def arithmetic():
    """Guests of common sizes; blocks as an allocator hands them out."""
    small = (1024 * MIB, 0, 600 * MIB, 100 * MIB)
    large = (65536 * MIB, 0, 60000 * MIB, 70000 * MIB)
    yield "nothing", request((0, 0, 0, 0), 0)
    yield "no-memory-left", request((1024 * MIB, 0, 100 * MIB, 1), 0)
    yield "wish-above-floor", request((4096 * MIB, 1024 * MIB, 2048 * MIB, 1024 * MIB), 0)
    for power, name in ((7, "128-mib"), (9, "512-mib"), (11, "2-gib"), (13, "8-gib")):
        total = MIB << power
        yield f"step-of-the-floor-at-{name}", request((total - 1, 0, total, total), 0)
    yield "more-than-can-be", request((2 ** 64 - 1,) * 4, 0)
    yield "pages-upwards", request(small, 0, *((i, 1) for i in range(8)))
    yield "pages-downwards", request(small, 0, *((i, 1) for i in reversed(range(8))))
    yield "2-mib-with-holes", request(small, 1, *((2 * i, 1) for i in (3, 0, 2, 1)))
    yield "2-mib-interleaved", request(small, 9, *((i, 2) for i in (0, 4, 2, 6)))
    yield "more-than-a-range-holds", request(large, 2, (0, 511), (511, 511), (1022, 10))
    yield "more-than-a-range-holds-downwards", request(large, 2, (511, 511), (0, 511))
    yield "largest-pieces-up-to-the-end", request(large, 7, (4080, 16), (4064, 16), (4000, 1))
    yield "over-the-end-of-a-memory-block", request(large, 0x11, (62, 2), (64, 2), (60, 2))
    yield "in-memory-blocks-of-4-mib", request(small, 0x30, *((i * 512, 512) for i in range(6)))
    yield "no-range-longer-than-2-mib", request(large, 0x51, *((i, 1) for i in range(6)))
    yield "no-range-longer-than-3-mib", request(large, 0x90, (0, 512), (768, 256), (512, 256))
    yield "600-ranges", request(large, 4, *((2 * i, 1) for i in range(600)))


def files():
    """Yield the path and the content of each input."""
    for harness in (codec, regions, arithmetic):
        for name, content in harness():
            yield CORPUS / harness.__name__ / name, content


def wrong() -> list[Path]:
    """Return the inputs in the folder that are not as they would be written."""
    expected = dict(files())
    there = {path: path.read_bytes() for path in CORPUS.glob("*/*")}
    return sorted(path for path in expected.keys() | there.keys()
                  if expected.get(path) != there.get(path))


def main():
    """Write the files, or compare them; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="only say which files are not so")
    if parser.parse_args().check:
        print(*wrong(), sep="\n")
        return bool(wrong())
    for path, content in files():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return 0


if __name__ == "__main__":
    sys.exit(main())
