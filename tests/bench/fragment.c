// SPDX-License-Identifier: GPL-2.0-only
/*
 * fragment - leave memory as a guest has it after hours of work, in a minute.
 *
 * Usage: fragment SEED MIB FOLDER
 * Maps and unmaps memory of random sizes and makes and removes files of random sizes in FOLDER
 * (a tmpfs, whose inodes are kernel memory that cannot move), MIB mebibytes at most at a time.
 * In the end it gives half of it back, page by page, at random; then it prints a line, and keeps
 * the rest until it is killed.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE		4096UL
#define SLOTS		8192
#define ROUNDS		60000
#define MOST_PAGES	512	/* of a mapping */
#define FILE_PAGES	4	/* of a file, at most */

struct slot {
	unsigned char *memory;
	size_t pages;
	bool file;
};

static struct slot slots[SLOTS];
static const char *folder;
static size_t held, limit;	/* pages */
static uint64_t state;

static uint64_t draw(uint64_t below)
{
	state = state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (state >> 33) % below;
}

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void name_of(char *name, size_t size, size_t number)
{
	snprintf(name, size, "%s/%zu", folder, number);
}

static void give(size_t number)
{
	struct slot *slot = &slots[number];
	char name[256];

	if (slot->file) {
		name_of(name, sizeof(name), number);
		if (unlink(name))
			die(name);
	} else if (slot->memory && munmap(slot->memory, slot->pages * PAGE)) {
		die("munmap");
	}
	held -= slot->pages;
	memset(slot, 0, sizeof(*slot));
}

static void make_file(size_t number)
{
	static const unsigned char data[FILE_PAGES * PAGE] = { 1 };
	const size_t size = slots[number].pages * PAGE;
	char name[256];
	int file;

	name_of(name, sizeof(name), number);
	file = open(name, O_WRONLY | O_CREAT, 0600);
	if (file < 0 || write(file, data, size) != (ssize_t)size)
		die(name);
	close(file);
}

static void take(size_t number)
{
	struct slot *slot = &slots[number];

	slot->file = draw(3) == 0;
	/* Many small ones, few large ones. */
	slot->pages = 1 + draw(slot->file ? FILE_PAGES : 1 + draw(MOST_PAGES));
	held += slot->pages;
	if (slot->file) {
		make_file(number);
		return;
	}
	slot->memory = mmap(NULL, slot->pages * PAGE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (slot->memory == MAP_FAILED)
		die("mmap");
	memset(slot->memory, 1, slot->pages * PAGE);
}

static void thin(struct slot *slot)
{
	for (size_t page = 0; slot->memory && page < slot->pages; page++)
		if (draw(2) && madvise(slot->memory + page * PAGE, PAGE, MADV_DONTNEED))
			die("madvise");
}

int main(int argc, char **argv)
{
	if (argc != 4) {
		fputs("Usage: fragment SEED MIB FOLDER\n", stderr);
		return 2;
	}
	state = strtoull(argv[1], NULL, 0);
	limit = strtoull(argv[2], NULL, 0) * 256;
	folder = argv[3];

	for (size_t round = 0; round < ROUNDS; round++) {
		const size_t number = draw(SLOTS);

		give(number);
		take(number);
		while (held > limit)
			give(draw(SLOTS));
	}
	for (size_t number = 0; number < SLOTS; number++)
		thin(&slots[number]);
	printf("fragmented with seed %s\n", argv[1]);
	fflush(stdout);
	pause();
	return 0;
}
