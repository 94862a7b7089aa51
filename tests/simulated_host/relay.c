// SPDX-License-Identifier: GPL-2.0-only
/*
 * Connects the simulated host in the kernel (/dev/hvb_sim) with the script that
 * plays the host, outside of the guest, over a virtio-serial port.
 *
 * Each way a frame is a 32-bit word and what it announces, little-endian:
 *	script to relay:  LENGTH, bytes	a message for the driver; answered
 *			  PAUSE		read no more messages of the driver
 *			  RESUME	read them again
 *	relay to script:  LENGTH, bytes	a message of the driver
 *			  ANSWER + errno	what became of a message for it
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MESSAGE_MAX	65536
#define PAUSE		0xffff0001u
#define RESUME		0xffff0002u
#define ANSWER		0x80000000u

/* The port allocates a buffer for each write: one page, also where slub_debug adds to it. */
#define PIECE		2048

static uint8_t message[MESSAGE_MAX];

static void fail(const char *what)
{
	fprintf(stderr, "relay: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void get(int from, void *data, size_t size)
{
	uint8_t *bytes = data;

	while (size) {
		ssize_t got = read(from, bytes, size);

		if (got <= 0) {
			/* No script is connected at the moment. */
			if (got == 0 || errno == EAGAIN || errno == EINTR) {
				usleep(10000);
				continue;
			}
			fail("read from the script");
		}
		bytes += got;
		size -= got;
	}
}

static void put(int to, const void *data, size_t size)
{
	const uint8_t *bytes = data;

	while (size) {
		ssize_t put = write(to, bytes, size < PIECE ? size : PIECE);

		if (put < 0) {
			if (errno != EAGAIN && errno != EINTR)
				fail("write to the script");
			usleep(1000);
			continue;
		}
		bytes += put;
		size -= put;
	}
}

static void put_word(int to, uint32_t word)
{
	put(to, &word, sizeof(word));
}

static void from_driver(int sim, int script)
{
	ssize_t size = read(sim, message, sizeof(message));

	if (size < 0)
		return;
	put_word(script, size);
	put(script, message, size);
}

/* Return: whether to read messages of the driver from now on. */
static int from_script(int script, int sim, int reading)
{
	uint32_t word;

	get(script, &word, sizeof(word));
	if (word == PAUSE || word == RESUME)
		return word == RESUME;
	if (word > sizeof(message)) {
		errno = EMSGSIZE;
		fail("frame of the script");
	}

	get(script, message, word);
	put_word(script, ANSWER | (write(sim, message, word) < 0 ? errno : 0));
	return reading;
}

int main(int argc, char **argv)
{
	int sim, script, reading = 1;

	if (argc != 3) {
		fprintf(stderr, "usage: relay /dev/hvb_sim PORT\n");
		return 2;
	}

	sim = open(argv[1], O_RDWR | O_NONBLOCK);
	if (sim < 0)
		fail(argv[1]);
	script = open(argv[2], O_RDWR);
	if (script < 0)
		fail(argv[2]);

	for (;;) {
		struct pollfd ready[2] = {
			{ .fd = script, .events = POLLIN },
			{ .fd = reading ? sim : -1, .events = POLLIN },
		};

		if (poll(ready, 2, 1000) < 0 && errno != EINTR)
			fail("poll");
		/* While no script is connected, reading finds the end of a file. */
		if (ready[0].revents & POLLHUP)
			usleep(10000);
		else if (ready[0].revents & POLLIN)
			reading = from_script(script, sim, reading);
		if (reading && ready[1].revents & POLLIN)
			from_driver(sim, script);
	}
}
