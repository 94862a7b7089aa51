# SPDX-License-Identifier: GPL-2.0-only
"""A guest that can hibernate refuses everything, politely, and says why once."""


def test_every_request_is_refused_with_an_answer(hibernating):
    """No pages for the host, no memory from it, and no silence."""
    for _ in range(3):
        assert hibernating.host.inflate(1000) == ([], 1)
        assert hibernating.host.add(1 << 18, 512) == (0, 1)
    hibernating.host.deflate([(1000, 10)])
    assert hibernating.status()["balloon_pages_refused"] == 3000
    assert hibernating.status()["hot_add_pages_added"] == 0
    assert hibernating.run("dmesg").count("can hibernate") == 1
