// SPDX-License-Identifier: GPL-2.0-only
/*
 * A program whose text and data lie in the page cache: maps a file and touches each
 * page of it, again and again. Prints a line for each round.
 *
 * usage: maploop FILE MIB
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE	4096UL

int main(int argc, char **argv)
{
	volatile const unsigned char *map;
	unsigned long size, at, sum = 0;
	int file;

	if (argc != 3) {
		fprintf(stderr, "usage: maploop FILE MIB\n");
		return 2;
	}

	size = strtoul(argv[2], NULL, 0) << 20;
	file = open(argv[1], O_RDONLY);
	if (file < 0) {
		perror(argv[1]);
		return 1;
	}

	map = mmap(NULL, size, PROT_READ, MAP_SHARED, file, 0);
	if (map == MAP_FAILED) {
		perror("mmap");
		return 1;
	}

	for (;;) {
		for (at = 0; at < size; at += PAGE)
			sum += map[at];
		printf("round %lu\n", sum);
		fflush(stdout);
		usleep(100000);
	}
}
