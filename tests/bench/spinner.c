// SPDX-License-Identifier: GPL-2.0-only
/*
 * spinner - a busy program, and what is taken from it.
 *
 * Streams through memory in small steps and reads the clock after each. Two readings far apart
 * mean that something else had the processor. At SIGTERM it prints the longest such
 * time in nanoseconds, and how much it has got through, in KiB per second.
 */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define STEP	4096	/* bytes; some microseconds */
#define STEPS	4096	/* then from the start: 16 MiB are in no cache */

static volatile sig_atomic_t end_wanted;
static unsigned char memory[STEPS][STEP];

static void on_signal(int number)
{
	(void)number;
	end_wanted = 1;
}

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000ULL + time.tv_nsec;
}

int main(void)
{
	uint64_t start, last, longest = 0, steps = 0;

	signal(SIGTERM, on_signal);
	memset(memory, 1, sizeof(memory));
	start = last = now();
	while (!end_wanted) {
		uint64_t time;

		memset(memory[steps % STEPS], (int)steps, STEP);
		steps++;
		time = now();
		if (time - last > longest)
			longest = time - last;
		last = time;
	}
	printf("%ju %ju\n", (uintmax_t)longest,
	       (uintmax_t)(steps * STEP / 1024 * 1000 / ((last - start) / 1000000 + 1)));
	return 0;
}
