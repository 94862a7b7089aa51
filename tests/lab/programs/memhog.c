// SPDX-License-Identifier: GPL-2.0-only
/*
 * memhog - a program with a known demand for memory.
 *
 * It touches memory, fills each page with a pattern that depends on the page, holds it, and
 * checks on demand that every page still has its pattern: memory that a balloon driver took
 * away from under a program, or gave out twice, does not. See the help text below.
 */
#define _GNU_SOURCE		/* readahead(), vmsplice() */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/uio.h>
#include <unistd.h>

#define PAGE_SIZE	4096UL
#define PAGES_PER_MIB	(1024 * 1024 / PAGE_SIZE)
#define WORDS_PER_PAGE	(PAGE_SIZE / sizeof(uint64_t))
#define MAX_MIB		(256UL * 1024)	/* reserved address space, not memory */
#define BLOCK_PAGES	512UL		/* 2 MiB */
#define PIPE_PAGES	256UL		/* of each pipe: more would take memory in large pieces */

static const char help[] =
"Usage: memhog [OPTION]... MIB\n"
"Touch MIB mebibytes of memory, hold them, and check that they keep their contents.\n"
"\n"
"  -q, --quick        write and check only the first word of each page\n"
"  -s, --small-pages  ask for 4 KiB pages only\n"
"  -H, --huge-pages   ask for huge pages\n"
"  -M, --shared       memory as programs share it: the kernel has it as pages of a file\n"
"  -c, --charge       let what is touched count as committed, as malloc() does\n"
"  -l, --lock         lock what is touched, so that the kernel cannot take it away\n"
"  -r, --run=PAGES    give that many back at a time when thinned (default 1)\n"
"  -e, --each=N       keep each Nth of these when thinned (default 2)\n"
"  -f, --file=FILE    for each 2 MiB, have the kernel read a page of FILE ahead\n"
"  -a, --ahead=PAGES  read so many ahead, for each page\n"
"  -p, --pin          keep the page where it is for which a page was, or would be, read ahead:\n"
"                     it lies in a pipe\n"
"  -S, --seed=N       start of the pattern (default 1)\n"
"  -h, --help         show this text\n"
"\n"
"Commands on standard input, one per line, each answered by one line:\n"
"  grow MIB     touch that much more\n"
"  leave KIB    touch more until only that much of the machine's memory is free\n"
"  shrink MIB   give the last MIB back\n"
"  thin         give pages, or runs of pages, back: by default every second one\n"
"  drop         of what was read ahead give the first half of each piece back\n"
"  verify       check the pattern of all pages (SIGUSR1 does the same)\n"
"  quit         check the pattern and end\n"
"At the end of the input the memory is held until SIGTERM.\n"
"\n"
"Exit status: 0 if all patterns were right, 1 if not, 2 on an error.\n";

struct hog {
	uint64_t *memory;
	size_t pages;		/* touched, from the start of memory */
	size_t thinned;		/* of these, so many have all but each Nth run given back */
	size_t run;		/* pages */
	size_t each;		/* N */
	size_t words;		/* written per page */
	uint64_t seed;
	int drop;		/* the advice that gives pages back */
	int file;		/* to be read ahead, or -1 */
	size_t ahead;		/* pages to be read ahead each time, */
	size_t piece;		/* for so many that are touched */
	bool charge;		/* what is touched becomes writable, and so charged, before */
	bool pin;		/* pages lie in pipes, */
	int pipe;		/* of which this has room; -1 if there is none yet */
	bool corrupt;		/* a check has failed */
};

static volatile sig_atomic_t verify_wanted;
static volatile sig_atomic_t end_wanted;

static void on_signal(int number)
{
	if (number == SIGUSR1)
		verify_wanted = 1;
	else
		end_wanted = 1;
}

static void die(const char *what)
{
	fprintf(stderr, "memhog: %s: %s\n", what, strerror(errno));
	exit(2);
}

static uint64_t *page_at(const struct hog *hog, size_t page)
{
	return hog->memory + page * WORDS_PER_PAGE;
}

static bool is_held(const struct hog *hog, size_t page)
{
	return page >= hog->thinned || page / hog->run % hog->each == 0;
}

static size_t held_mib(const struct hog *hog)
{
	return (hog->pages - hog->thinned + hog->thinned / hog->each) / PAGES_PER_MIB;
}

/* The pattern differs between pages and between words of a page. */
static uint64_t pattern(const struct hog *hog, size_t page, size_t word)
{
	return (hog->seed + page * WORDS_PER_PAGE + word) * 0x9e3779b97f4a7c15ULL;
}

static void fill_page(const struct hog *hog, size_t page)
{
	for (size_t word = 0; word < hog->words; word++)
		page_at(hog, page)[word] = pattern(hog, page, word);
}

static bool page_is_right(const struct hog *hog, size_t page)
{
	for (size_t word = 0; word < hog->words; word++)
		if (page_at(hog, page)[word] != pattern(hog, page, word))
			return false;
	return true;
}

static void release(const struct hog *hog, size_t page, size_t count)
{
	if (madvise(page_at(hog, page), count * PAGE_SIZE, hog->drop))
		die("madvise");
}

/* The kernel does not wait until the page is read; nor do we. */
static void read_ahead(const struct hog *hog, size_t piece)
{
	const size_t size = hog->ahead * PAGE_SIZE;

	if (readahead(hog->file, piece * size, size))
		die("readahead");
}

static void drop(const struct hog *hog)
{
	const size_t size = hog->ahead * PAGE_SIZE, half = hog->ahead / 2 * PAGE_SIZE;

	for (size_t piece = 0; piece < hog->pages / hog->piece; piece++)
		if (posix_fadvise(hog->file, piece * size, half, POSIX_FADV_DONTNEED))
			die("fadvise");
	printf("dropped %zu pages\n", hog->pages / hog->piece * (hog->ahead / 2));
}

/* Both ends stay open, without a reader. */
static int open_pipe(void)
{
	int ends[2];

	if (pipe(ends) || fcntl(ends[1], F_SETPIPE_SZ, PIPE_PAGES * PAGE_SIZE) < 0)
		die("pipe");
	return ends[1];
}

static bool pin_in_pipe(const struct hog *hog, size_t page)
{
	const struct iovec piece = { page_at(hog, page), PAGE_SIZE };

	return hog->pipe >= 0 &&
	       vmsplice(hog->pipe, &piece, 1, SPLICE_F_NONBLOCK) == (ssize_t)PAGE_SIZE;
}

static void pin(struct hog *hog, size_t page)
{
	if (pin_in_pipe(hog, page))
		return;
	if (hog->pipe >= 0 && errno != EAGAIN)
		die("vmsplice");
	hog->pipe = open_pipe();
	if (!pin_in_pipe(hog, page))
		die("vmsplice");
}

static void take(struct hog *hog)
{
	const size_t page = hog->pages++;

	fill_page(hog, page);
	if (page % hog->piece)
		return;
	if (hog->file >= 0)
		read_ahead(hog, page / hog->piece);
	if (hog->pin)
		pin(hog, page);
}

/* The kernel charges private memory when it becomes writable. */
static void charge(const struct hog *hog, size_t pages)
{
	if (mprotect(page_at(hog, hog->pages), pages * PAGE_SIZE, PROT_READ | PROT_WRITE))
		die("mprotect");
}

static void advance(struct hog *hog, size_t pages)
{
	if (hog->charge && pages)
		charge(hog, pages);
	for (size_t end = hog->pages + pages; hog->pages < end; )
		take(hog);
}

static void grow(struct hog *hog, size_t pages)
{
	if (pages > MAX_MIB * PAGES_PER_MIB - hog->pages) {
		printf("error: more than %lu MiB\n", MAX_MIB);
		return;
	}
	advance(hog, pages);
	printf("holding %zu MiB\n", held_mib(hog));
}

/* Advice is a wish: a kernel without huge pages has only small ones. */
static void advise(const struct hog *hog, size_t first_page, int advice)
{
	if (madvise(page_at(hog, first_page), (MAX_MIB << 20) - first_page * PAGE_SIZE, advice) &&
	    errno != EINVAL)
		die("madvise");
}

static size_t free_kib(void)
{
	struct sysinfo info;

	if (sysinfo(&info))
		die("sysinfo");
	return info.freeram * info.mem_unit / 1024;
}

/* In small pages, and half of the way each time: the page tables cost memory too. */
static void leave(struct hog *hog, size_t kib)
{
	advise(hog, hog->pages, MADV_NOHUGEPAGE);
	for (size_t left; (left = free_kib()) > kib; )
		advance(hog, (left - kib) / 8 + 1);
	printf("holding %zu MiB, %zu KiB are free\n", held_mib(hog), free_kib());
}

static void shrink(struct hog *hog, size_t pages)
{
	if (pages > hog->pages)
		pages = hog->pages;
	hog->pages -= pages;
	release(hog, hog->pages, pages);
	if (hog->thinned > hog->pages)
		hog->thinned = hog->pages;
	printf("holding %zu MiB\n", held_mib(hog));
}

static void thin(struct hog *hog)
{
	for (size_t page = hog->run; page < hog->pages; page += hog->each * hog->run)
		release(hog, page, (hog->each - 1) * hog->run);
	hog->thinned = hog->pages;
	printf("holding %zu MiB\n", held_mib(hog));
}

static void verify(struct hog *hog)
{
	size_t wrong = 0;

	for (size_t page = 0; page < hog->pages; page++)
		if (is_held(hog, page) && !page_is_right(hog, page))
			wrong++;
	hog->corrupt |= wrong > 0;
	printf("verified %zu MiB, %zu pages wrong\n", held_mib(hog), wrong);
}

static void execute(struct hog *hog, const char *line)
{
	size_t size;

	if (sscanf(line, "grow %zu", &size) == 1)
		grow(hog, size * PAGES_PER_MIB);
	else if (sscanf(line, "leave %zu", &size) == 1)
		leave(hog, size);
	else if (sscanf(line, "shrink %zu", &size) == 1)
		shrink(hog, size * PAGES_PER_MIB);
	else if (!strcmp(line, "thin\n"))
		thin(hog);
	else if (!strcmp(line, "drop\n"))
		drop(hog);
	else if (!strcmp(line, "verify\n"))
		verify(hog);
	else if (!strcmp(line, "quit\n"))
		end_wanted = 1;
	else
		printf("error: unknown command: %s", line);
}

/* Returns false at the end of the input; a signal interrupts the reading. */
static bool read_command(struct hog *hog)
{
	char line[64];

	if (fgets(line, sizeof(line), stdin)) {
		execute(hog, line);
		return true;
	}
	if (feof(stdin))
		return false;
	clearerr(stdin);
	return true;
}

static void serve(struct hog *hog)
{
	bool input = true;

	while (!end_wanted) {
		if (verify_wanted) {
			verify_wanted = 0;
			verify(hog);
		}
		if (input)
			input = read_command(hog);
		else
			pause();
	}
}

static void catch_signals(void)
{
	struct sigaction action = { .sa_handler = on_signal };	/* no SA_RESTART */

	sigaction(SIGUSR1, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
}

static void reserve(struct hog *hog, int advice, bool lock, bool shared)
{
	const int access = hog->charge ? PROT_NONE : PROT_READ | PROT_WRITE;
	const int charging = hog->charge ? 0 : MAP_NORESERVE;

	hog->memory = mmap(NULL, MAX_MIB << 20, access, MAP_ANONYMOUS | charging |
			   (shared ? MAP_SHARED : MAP_PRIVATE), -1, 0);
	if (hog->memory == MAP_FAILED)
		die("mmap");
	advise(hog, 0, advice);
	hog->drop = shared ? MADV_REMOVE : lock ? MADV_DONTNEED_LOCKED : MADV_DONTNEED;
	if (lock && mlockall(MCL_CURRENT | MCL_ONFAULT))
		die("mlockall");
}

static int open_file(const char *name)
{
	const int fd = open(name, O_RDONLY);

	if (fd < 0)
		die(name);
	return fd;
}

static size_t parse_arguments(struct hog *hog, int argc, char **argv)
{
	static const struct option options[] = {
		{ "quick", no_argument, NULL, 'q' },
		{ "small-pages", no_argument, NULL, 's' },
		{ "huge-pages", no_argument, NULL, 'H' },
		{ "shared", no_argument, NULL, 'M' },
		{ "charge", no_argument, NULL, 'c' },
		{ "lock", no_argument, NULL, 'l' },
		{ "run", required_argument, NULL, 'r' },
		{ "each", required_argument, NULL, 'e' },
		{ "seed", required_argument, NULL, 'S' },
		{ "file", required_argument, NULL, 'f' },
		{ "ahead", required_argument, NULL, 'a' },
		{ "pin", no_argument, NULL, 'p' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	int advice = MADV_NORMAL;
	bool lock = false, shared = false;
	size_t mib;
	int option;

	while ((option = getopt_long(argc, argv, "qsHMclr:e:S:f:a:ph", options, NULL)) != -1) {
		if (option == 'q')
			hog->words = 1;
		else if (option == 's')
			advice = MADV_NOHUGEPAGE;
		else if (option == 'H')
			advice = MADV_HUGEPAGE;
		else if (option == 'M')
			shared = true;
		else if (option == 'c')
			hog->charge = true;
		else if (option == 'l')
			lock = true;
		else if (option == 'r' && sscanf(optarg, "%zu", &hog->run) == 1 && hog->run)
			continue;
		else if (option == 'e' && sscanf(optarg, "%zu", &hog->each) == 1 && hog->each > 1)
			continue;
		else if (option == 'S')
			hog->seed = strtoull(optarg, NULL, 0);
		else if (option == 'a' && sscanf(optarg, "%zu", &hog->ahead) == 1 && hog->ahead)
			hog->piece = 1;
		else if (option == 'f')
			hog->file = open_file(optarg);
		else if (option == 'p')
			hog->pin = true;
		else {
			fputs(help, option == 'h' ? stdout : stderr);
			exit(option == 'h' ? 0 : 2);
		}
	}
	if (optind + 1 != argc || sscanf(argv[optind], "%zu", &mib) != 1) {
		fputs(help, stderr);
		exit(2);
	}
	reserve(hog, advice, lock, shared);
	return mib;
}

int main(int argc, char **argv)
{
	struct hog hog = {
		.words = WORDS_PER_PAGE, .seed = 1, .run = 1, .each = 2, .file = -1, .pipe = -1,
		.ahead = 1, .piece = BLOCK_PAGES,
	};
	size_t mib = parse_arguments(&hog, argc, argv);

	setlinebuf(stdout);
	catch_signals();
	grow(&hog, mib * PAGES_PER_MIB);
	serve(&hog);
	verify(&hog);
	return hog.corrupt;
}
