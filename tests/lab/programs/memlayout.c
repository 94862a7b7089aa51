// SPDX-License-Identifier: GPL-2.0-only
/*
 * memlayout - what the memory of this machine is used for, by physical address.
 *
 * Looks at each page of each memory block and prints a line per piece:
 *	ADDRESS IN_USE FREE BALLOONED
 * with the address in MiB and the rest in pages. Ballooned pages are those that a driver has
 * marked as offline. Needs root, for /proc/kpageflags.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOCKS		"/sys/devices/system/memory"
#define PAGES_PER_MIB	256
#define PIECE_MIB	4
#define PIECE_PAGES	(PIECE_MIB * PAGES_PER_MIB)
#define MAX_BLOCKS	4096

/* Bits of /proc/kpageflags, see Documentation/admin-guide/mm/pagemap.rst */
#define KPF_BUDDY	(1ULL << 10)
#define KPF_NOPAGE	(1ULL << 20)
#define KPF_OFFLINE	(1ULL << 23)

static const char help[] =
"Usage: memlayout\n"
"Print what memory is used for, one line per piece of 4 MiB of each online memory block:\n"
"address in MiB, then pages in use, free, and ballooned (marked offline by a driver).\n";

static void die(const char *what)
{
	fprintf(stderr, "memlayout: %s: %s\n", what, strerror(errno));
	exit(1);
}

static unsigned long block_pages(void)
{
	unsigned long bytes;
	FILE *file = fopen(BLOCKS "/block_size_bytes", "r");

	if (!file || fscanf(file, "%lx", &bytes) != 1)
		die(BLOCKS "/block_size_bytes");
	fclose(file);
	return bytes / 4096;
}

static bool is_online(const char *block)
{
	char path[300], state[16] = "";
	FILE *file;

	snprintf(path, sizeof(path), BLOCKS "/%s/state", block);
	file = fopen(path, "r");
	if (!file)
		return false;
	if (fscanf(file, "%15s", state) != 1)
		state[0] = 0;
	fclose(file);
	return !strcmp(state, "online");
}

static int compare(const void *a, const void *b)
{
	unsigned long left = *(const unsigned long *)a, right = *(const unsigned long *)b;

	return (left > right) - (left < right);
}

static size_t online_blocks(unsigned long *numbers)
{
	DIR *folder = opendir(BLOCKS);
	struct dirent *entry;
	size_t count = 0;

	if (!folder)
		die(BLOCKS);
	while ((entry = readdir(folder)) && count < MAX_BLOCKS)
		if (sscanf(entry->d_name, "memory%lu", &numbers[count]) == 1 &&
		    is_online(entry->d_name))
			count++;
	closedir(folder);
	qsort(numbers, count, sizeof(*numbers), compare);
	return count;
}

static void print_piece(int flags_file, unsigned long pfn)
{
	unsigned long in_use = 0, free_pages = 0, ballooned = 0;
	uint64_t flags[PIECE_PAGES];
	ssize_t bytes = pread(flags_file, flags, sizeof(flags), pfn * sizeof(*flags));

	if (bytes < 0)
		die("/proc/kpageflags");
	for (size_t i = 0; i < bytes / sizeof(*flags); i++) {
		if (flags[i] & KPF_OFFLINE)
			ballooned++;
		else if (flags[i] & KPF_BUDDY)
			free_pages++;
		else if (!(flags[i] & KPF_NOPAGE))
			in_use++;
	}
	printf("%lu %lu %lu %lu\n", pfn / PAGES_PER_MIB, in_use, free_pages, ballooned);
}

int main(int argc, char **argv)
{
	unsigned long numbers[MAX_BLOCKS], pages = block_pages();
	int flags_file;
	size_t count;

	if (argc > 1) {
		fputs(help, strcmp(argv[1], "--help") ? stderr : stdout);
		return strcmp(argv[1], "--help") ? 2 : 0;
	}
	flags_file = open("/proc/kpageflags", O_RDONLY);
	if (flags_file < 0)
		die("/proc/kpageflags");
	count = online_blocks(numbers);
	for (size_t i = 0; i < count; i++)
		for (unsigned long pfn = numbers[i] * pages; pfn < (numbers[i] + 1) * pages;
		     pfn += PIECE_PAGES)
			print_piece(flags_file, pfn);
	return 0;
}
