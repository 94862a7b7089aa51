# SPDX-License-Identifier: GPL-2.0-only
"""Messages that no host should send. The driver rejects them, counts them, and goes on."""

import random
import struct

import pytest

from . import wire

# Hot-add offers memory that is there, so that a whole one adds nothing either.
GOOD = {
    "version response": wire.version_response(True),
    "capabilities response": wire.capabilities_response(True),
    "balloon request": wire.balloon(0),
    "unballoon request": wire.unballoon([(1, 1)]),
    "hot-add request": wire.hot_add(1 << 15, 512),
    "hot-add request with region": wire.hot_add(1 << 15, 512, (1 << 15, 512)),
    "information message": wire.info_max_pages(1 << 20),
}

# For the size in the header of messages of 16 to 32 bytes.
LIES = [0, 7, 8, 15, 33, 4096, 65535]


def declaring(data, size):
    """Return a message with another size in its header."""
    kind, _, number = wire.HEADER.unpack_from(data)
    return wire.HEADER.pack(kind, size, number) + data[wire.HEADER.size:]


def drain(host):
    """Read and drop all answers that are on their way."""
    while not host.silent(0.5):
        pass


def assert_alive(guest):
    """The driver still does its work."""
    drain(guest.host)
    ranges, _ = guest.host.inflate(512)
    assert wire.total(ranges) == 512
    guest.host.deflate(ranges)


@pytest.mark.parametrize("data", GOOD.values(), ids=GOOD)
def test_truncated_at_every_byte(running, data):
    """Each is rejected, or is a message without ranges whose header declares some."""
    before = running.status()
    for length in range(1, len(data)):
        running.host.send(data[:length])
    assert_alive(running)
    after = running.status()
    seen = {name: after[name] - before[name] for name in
            ("messages_rejected", "messages_with_wrong_size", "pages_hot_added", "foreign_ranges")}
    # VMBus pads to 8 bytes, so the last few are the whole message again, with zeros.
    whole = len(data) - 1 - (len(data) - 1) // 8 * 8
    assert seen["messages_rejected"] + seen["messages_with_wrong_size"] == len(data) - 1 - whole
    # One that ends before its number of ranges has none.
    without = 4 if data == GOOD["unballoon request"] else 0
    assert seen["messages_with_wrong_size"] == without
    assert seen["pages_hot_added"] == 0


@pytest.mark.parametrize("size", LIES)
def test_declared_size_is_a_lie(running, size):
    """More than arrived, or less than the type needs: what arrived decides, and it is counted."""
    running.host.send(declaring(wire.balloon(512), size))
    more, ranges = wire.ranges_of(running.host.expect(wire.BALLOON_RESPONSE))
    assert (more, wire.total(ranges)) == (0, 512)
    running.host.send(declaring(wire.unballoon(ranges), size))
    running.host.expect(wire.UNBALLOON_RESPONSE)
    running.host.send(declaring(wire.info_max_pages(9000), size))
    running.wait_for("pages_max", 9000)
    seen = running.status()
    assert (seen["pages_ballooned"], seen["foreign_ranges"]) == (0, 0)
    assert (seen["messages_rejected"], seen["messages_with_wrong_size"]) == (0, 3)


@pytest.mark.parametrize("size", LIES)
def test_agreement_with_sizes_that_lie(guest, size):
    """A host that fills in the size in another way has the driver all the same."""
    guest.load("pressure_report_delay=3600")
    guest.offer()
    guest.host.expect(wire.VERSION_REQUEST)
    guest.host.send(declaring(wire.version_response(True), size))
    guest.host.expect(wire.CAPABILITIES_REPORT)
    guest.host.send(declaring(wire.capabilities_response(True), size))
    guest.wait_for("state", "running")
    assert guest.status()["messages_with_wrong_size"] == 2
    assert_alive(guest)


@pytest.mark.parametrize("region", [None, (1 << 15, 512)], ids=["range", "region"])
@pytest.mark.parametrize("size", [0, 15, 17, 23, 25, 4096])
def test_offer_must_declare_its_size(running, size, region):
    """It tells the two forms apart, so a wrong one is no guess at what the host means."""
    running.host.send(declaring(wire.hot_add(1 << 15, 512, region), size))
    assert running.host.expect(wire.HOT_ADD_RESPONSE).words("<II") == (0, 0)
    seen = running.status()
    assert (seen["messages_rejected"], seen["messages_with_wrong_size"]) == (1, 0)
    assert seen["hot_add_requests"] == 0


@pytest.mark.parametrize("count", [2, 511, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1])
def test_more_ranges_than_bytes(running, count):
    """The host is answered, no range is looked at."""
    running.host.send(wire.message(wire.UNBALLOON_REQUEST,
                                   struct.pack("<II", 0, count) + wire.pages(1, 1)))
    running.host.expect(wire.UNBALLOON_RESPONSE)
    assert running.status()["messages_rejected"] == 1
    assert running.status()["foreign_ranges"] == 0


@pytest.mark.parametrize("body", [
    struct.pack("<II", 1, 2) + wire.pages(1, 1),
    struct.pack("<II", 1, 1) + wire.pages(2 ** 40 - 1, 2),
    struct.pack("<II", 1, 511) + wire.pages(0, 0) * 511,
    struct.pack("<II", 1, 0) + wire.pages(0, 0) * 1000,
], ids=["range count exceeds message", "past the last page frame", "511 ranges", "8016 bytes"])
def test_rejected_with_more_to_follow(running, body):
    """Only the last message of an operation is answered, whatever became of the others."""
    ranges, _ = running.host.inflate(512)
    running.host.send(wire.message(wire.UNBALLOON_REQUEST, body))
    running.wait_for("messages_rejected", 1)
    assert running.host.silent()
    running.host.deflate(ranges)
    assert running.host.silent()
    assert running.status()["pages_ballooned"] == 0


@pytest.mark.parametrize("kind", [0, 1, 3, 5, 7, 9, 11, 13, 14, 65535])
def test_types_that_no_host_sends(running, kind):
    """Rejected, and nothing is said."""
    running.host.send(wire.message(kind, bytes(24)))
    running.wait_for("messages_rejected", 1)
    assert running.host.silent()


@pytest.mark.parametrize("length", [4096, 4104, 8000, 12000])
def test_long_messages(running, length):
    """4096 bytes are allowed; what is longer is consumed and rejected."""
    count = (length - 16) // 8
    running.host.send(wire.message(wire.UNBALLOON_REQUEST, struct.pack("<II", 0, count)
                                   + wire.pages(0, 0) * count, size=min(length, 65535)))
    running.host.expect(wire.UNBALLOON_RESPONSE)
    assert running.status()["messages_rejected"] == (length > 4096)
    assert_alive(running)


def test_reserved_bits(running):
    """Ignored, as a newer host may give them a meaning, and counted."""
    running.host.send(wire.message(wire.BALLOON_REQUEST, struct.pack("<II", 0, 1)))
    running.host.send(wire.message(wire.UNBALLOON_REQUEST, struct.pack("<II", 2 ** 32 - 2, 0)))
    assert_alive(running)
    assert running.status()["messages_with_reserved_bits"] == 2


@pytest.mark.parametrize("body", [
    struct.pack("<II", 0, 8) + struct.pack("<II", 1, 0),
    struct.pack("<II", 0, 2 ** 32 - 1) + struct.pack("<II", 77, 2 ** 32 - 1),
    struct.pack("<II", 0, 0) + struct.pack("<II", 0, 8),
    struct.pack("<II", 0, 16) + struct.pack("<IIQ", 0, 4, 1),
    struct.pack("<II", 0, 16) + struct.pack("<IIQ", 0, 8, 2 ** 64 - 1),
], ids=["unknown", "unknown, huge", "no data", "odd data", "largest figure"])
def test_information_of_odd_sizes(running, body):
    """At worst it is rejected."""
    running.host.send(wire.message(wire.INFO, body))
    assert_alive(running)


def nowhere(data):
    """Move what a hot-add offers to 2 PiB and up, where no memory can be.

    A guest cannot know that memory which it is offered does not exist.
    """
    if len(data) < 16 or wire.HEADER.unpack_from(data)[0] != wire.HOT_ADD_REQUEST:
        return data
    return data[:12] + bytes([data[12] | 0x80]) + data[13:]


def garbage(generator):
    """A message of random bytes; three of four have a type that hosts send."""
    body = generator.randbytes(generator.choice((0, 4, 8, 16, 40, 400, 4088)))
    if generator.random() < 0.25:
        return generator.randbytes(8) + body
    size = generator.choice((None, None, None, generator.randrange(65536)))
    kind = generator.choice((2, 4, 8, 8, 8, 10, 12))
    return wire.message(kind, body, size)


def test_garbage(running, request):
    """Random messages from a printed seed. Requests for pages are left out: they are legal."""
    seed = request.config.getoption("--seed")
    if seed is None:
        seed = random.randrange(2 ** 32)
    print(f"seed {seed}")
    generator = random.Random(seed)
    count = int(request.config.getoption("--garbage"))
    before = running.status()
    for _ in range(count):
        running.host.send(nowhere(garbage(generator)))
    assert_alive(running)
    after = running.status()
    print(f"{after['messages_rejected']} of {count} messages rejected")
    assert all(after[figure] == before[figure] for figure in ("pages_ballooned", "pages_hot_added"))
