// SPDX-License-Identifier: GPL-2.0-only
/*
 * fusehang - a file system whose server answers all but reads.
 *
 * It has one file, "file". A page of it that is read ahead stays locked, and on the kernel's
 * lists of pages in use, until this program ends: then the kernel gives each read an error.
 * With errors from the beginning such pages are not locked; they were never written to,
 * so that they cost the machine below nothing, however many they are.
 * Speaks the protocol of /dev/fuse itself; see linux/fuse.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define FILE_NODE	2
#define FILE_SIZE	(1ULL << 40)	/* bytes: more than anybody reads */
#define FOREVER		(1ULL << 32)	/* seconds for which the kernel need not ask again */
#define REQUEST_MAX	(FUSE_MIN_READ_BUFFER + (1 << 20))
#define MAX_PAGES	256		/* of a read */
#define MAX_READS	65535		/* that wait at the same time, by the protocol */

static const char help[] =
"Usage: fusehang [--errors] FOLDER\n"
"Mount a file system on FOLDER in which reads of FOLDER/file are never answered; serve it.\n"
"With --errors they are answered with an error.\n";

static int device;
static bool errors;

static void die(const char *what)
{
	fprintf(stderr, "fusehang: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void answer(const struct fuse_in_header *request, int error, const void *data, size_t size)
{
	const struct fuse_out_header head = {
		.len = sizeof(head) + size, .error = -error, .unique = request->unique,
	};
	const struct iovec pieces[] = { { (void *)&head, sizeof(head) }, { (void *)data, size } };

	/* Who asked may have gone. */
	if (writev(device, pieces, size ? 2 : 1) < 0 && errno != ENOENT)
		die("answer");
}

static struct fuse_attr attributes_of(uint64_t node)
{
	const int is_file = node == FILE_NODE;

	return (struct fuse_attr) {
		.ino = node, .nlink = 1, .size = is_file ? FILE_SIZE : 0,
		.mode = is_file ? S_IFREG | 0444 : S_IFDIR | 0555,
	};
}

static void start(const struct fuse_in_header *request, const struct fuse_init_in *in)
{
	const struct fuse_init_out out = {
		.major = FUSE_KERNEL_VERSION, .minor = FUSE_KERNEL_MINOR_VERSION,
		.max_readahead = in->max_readahead,
		.flags = in->flags & (FUSE_ASYNC_READ | FUSE_MAX_PAGES), .max_pages = MAX_PAGES,
		.max_background = MAX_READS, .congestion_threshold = MAX_READS,
		.max_write = FUSE_MIN_READ_BUFFER,
	};

	answer(request, 0, &out, sizeof(out));
}

static void look_up(const struct fuse_in_header *request, const char *name)
{
	const struct fuse_entry_out out = {
		.nodeid = FILE_NODE, .entry_valid = FOREVER, .attr_valid = FOREVER,
		.attr = attributes_of(FILE_NODE),
	};

	if (strcmp(name, "file"))
		answer(request, ENOENT, NULL, 0);
	else
		answer(request, 0, &out, sizeof(out));
}

static void tell_attributes(const struct fuse_in_header *request)
{
	const struct fuse_attr_out out = {
		.attr_valid = FOREVER, .attr = attributes_of(request->nodeid),
	};

	answer(request, 0, &out, sizeof(out));
}

static void serve(const struct fuse_in_header *request)
{
	const struct fuse_open_out opened = { .open_flags = FOPEN_KEEP_CACHE };

	switch (request->opcode) {
	case FUSE_INIT:
		return start(request, (const void *)(request + 1));
	case FUSE_LOOKUP:
		return look_up(request, (const void *)(request + 1));
	case FUSE_GETATTR:
		return tell_attributes(request);
	case FUSE_OPEN:
	case FUSE_OPENDIR:
		return answer(request, 0, &opened, sizeof(opened));
	case FUSE_READ:			/* what all this is for */
		if (errors)
			answer(request, EIO, NULL, 0);
		return;
	case FUSE_FORGET:		/* these want no answer */
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT:
		return;
	case FUSE_RELEASE:
	case FUSE_RELEASEDIR:
		return answer(request, 0, NULL, 0);
	default:
		return answer(request, ENOSYS, NULL, 0);
	}
}

int main(int argc, char **argv)
{
	static char request[REQUEST_MAX] __attribute__((aligned(8)));
	char options[64];

	errors = argc == 3 && !strcmp(argv[1], "--errors");
	if (argc != 2 + errors) {
		fputs(help, stderr);
		return 2;
	}
	device = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (device < 0)
		die("/dev/fuse");
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0", device);
	if (mount("fusehang", argv[argc - 1], "fuse", MS_NOSUID | MS_NODEV, options))
		die(argv[argc - 1]);

	/* A request may be called off before it is read. */
	do {
		while (read(device, request, sizeof(request)) > 0)
			serve((const void *)request);
	} while (errno == EINTR || errno == ENOENT);
	if (errno != ENODEV)	/* unmounted */
		die("read");
	return 0;
}
