// SPDX-License-Identifier: GPL-2.0-only
/*
 * pollfile - wait until a file of sysfs changes.
 *
 * A file of sysfs is ready to be read at any time; poll() says POLLPRI once the kernel has told
 * that the value is another one since it was read.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char help[] =
"Usage: pollfile FILE SECONDS\n"
"Print the value of FILE; wait with poll() until the kernel says that it changed; print it again.\n"
"Ends with 1 if it does not change for SECONDS.\n";

static void die(const char *what)
{
	fprintf(stderr, "pollfile: %s: %s\n", what, strerror(errno));
	exit(2);
}

static void print_value(int fd)
{
	char value[4096];
	ssize_t size = pread(fd, value, sizeof(value), 0);

	if (size < 0)
		die("read");
	fwrite(value, 1, size, stdout);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	struct pollfd poller = { .events = POLLPRI };
	int ready;

	if (argc != 3 || atoi(argv[2]) <= 0) {
		fputs(help, stderr);
		return 2;
	}

	poller.fd = open(argv[1], O_RDONLY);
	if (poller.fd < 0)
		die(argv[1]);

	print_value(poller.fd);
	ready = poll(&poller, 1, atoi(argv[2]) * 1000);
	if (ready < 0)
		die("poll");
	if (!ready)
		return 1;
	print_value(poller.fd);
	return 0;
}
