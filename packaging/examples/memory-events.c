// SPDX-License-Identifier: GPL-2.0-only
/*
 * memory-events - an example of a program that makes room for Dynamic Memory.
 *
 * It has a cache, as a database has one, and keeps it at a share of the memory that the guest
 * could use. Each time the host has taken or given more than the administrator's step
 * (event_step_kb), it is woken and makes its cache smaller or larger.
 *
 *	cc -O2 -o memory-events memory-events.c
 *	echo 65536 > /sys/bus/vmbus/devices/.../dynamic_memory/event_step_kb
 *	./memory-events 25
 *
 * What to take over into a program of your own is wait_for_event(): the file is read, then
 * poll() waits for POLLPRI, then the file is read again from its start.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define EVENTS	"/sys/bus/vmbus/devices/*/dynamic_memory/events"
#define CHUNK	(1UL << 20)

static const char help[] =
"Usage: memory-events PERCENT\n"
"Keep a cache of PERCENT (1 to 90) of the memory that the guest could use, and follow the host\n"
"when it takes or gives memory. Set event_step_kb, in the same directory, first: without it there are no events.\n";

static void die(const char *what)
{
	fprintf(stderr, "memory-events: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* The file of the one device, or the end of the program. */
static int open_events(void)
{
	glob_t found;
	int fd;

	if (glob(EVENTS, 0, NULL, &found)) {
		fprintf(stderr, "memory-events: there is no " EVENTS ".\n"
			"Is this a guest with Dynamic Memory, and the driver hv_balloon loaded?\n");
		exit(1);
	}

	fd = open(found.gl_pathv[0], O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		die(found.gl_pathv[0]);
	globfree(&found);
	return fd;
}

/* poll() reports a change of a sysfs file only after a read of it. Return: its value. */
static unsigned long long read_value(int fd)
{
	char text[32] = "";

	if (pread(fd, text, sizeof(text) - 1, 0) < 0)
		die("the driver is gone");
	return strtoull(text, NULL, 10);
}

static unsigned long long wait_for_event(int fd)
{
	struct pollfd poller = { .fd = fd, .events = POLLPRI };

	if (poll(&poller, 1, -1) < 0)
		die("poll");
	return read_value(fd);
}

/* Bytes that programs could still use, as the kernel estimates it. */
static unsigned long available(void)
{
	FILE *file = fopen("/proc/meminfo", "re");
	unsigned long kib = 0;
	char line[128];

	if (!file)
		die("/proc/meminfo");
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "MemAvailable: %lu kB", &kib) == 1)
			break;
	fclose(file);
	return kib << 10;
}

/* What a real program has to do here: drop entries, or allow for more of them. */
static char *resize(char *cache, unsigned long *size, unsigned long target)
{
	target = target / CHUNK * CHUNK + CHUNK;
	cache = mremap(cache, *size, target, MREMAP_MAYMOVE);
	if (cache == MAP_FAILED)
		die("cannot make the cache another size");
	if (target > *size)
		memset(cache + *size, 1, target - *size);
	*size = target;
	return cache;
}

int main(int argc, char **argv)
{
	const int percent = argc == 2 ? atoi(argv[1]) : 0;
	unsigned long long event;
	unsigned long size = CHUNK;
	char *cache;
	int fd;

	if (percent < 1 || percent > 90) {
		fputs(help, stderr);
		return 2;
	}

	fd = open_events();
	cache = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (cache == MAP_FAILED)
		die("no memory");

	for (event = read_value(fd); ; event = wait_for_event(fd)) {
		const unsigned long target = (size + available()) / 100 * percent;

		printf("event %llu: cache of %lu MiB\n", event, target / CHUNK);
		fflush(stdout);
		cache = resize(cache, &size, target);
	}
}
