// SPDX-License-Identifier: GPL-2.0-only
/*
 * count - a plugin of QEMU that counts the instructions which the guest executes.
 *
 * Usage: -plugin count.so,sum=PATH
 * Keeps the sum over all processors in the first eight bytes of that file, a few milliseconds
 * late. Each round of a string instruction counts as one.
 *
 * Debian's QEMU has the interface for plugins, but no package has its header: what is used of
 * it is declared here (version 4, as in QEMU 9.2 and newer).
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define API_VERSION	4
#define ADD_U64		0	/* the inline operation */
#define INTERVAL_US	2000

#define EXPORT		__attribute__((visibility("default")))

struct translation_block;
struct scoreboard;

struct counter {
	struct scoreboard *board;
	size_t offset;
};

struct scoreboard *qemu_plugin_scoreboard_new(size_t element_size);
size_t qemu_plugin_tb_n_insns(const struct translation_block *block);
uint64_t qemu_plugin_u64_sum(struct counter counter);
void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id,
					   void (*translated)(uint64_t, struct translation_block *));
void qemu_plugin_register_vcpu_tb_exec_inline_per_vcpu(struct translation_block *block, int op,
						       struct counter counter, uint64_t operand);

EXPORT int qemu_plugin_version = API_VERSION;
EXPORT int qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv);

static struct counter executed;

static void translated(uint64_t id, struct translation_block *block)
{
	(void)id;
	qemu_plugin_register_vcpu_tb_exec_inline_per_vcpu(block, ADD_U64, executed,
							  qemu_plugin_tb_n_insns(block));
}

static void *publish(void *file)
{
	volatile uint64_t *sum = file;

	for (;;) {
		*sum = qemu_plugin_u64_sum(executed);
		usleep(INTERVAL_US);
	}
	return NULL;
}

static void *mapped(const char *path)
{
	const int file = open(path, O_RDWR | O_CREAT, 0600);
	void *memory;

	if (file < 0 || ftruncate(file, sizeof(uint64_t)))
		return MAP_FAILED;
	memory = mmap(NULL, sizeof(uint64_t), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	close(file);
	return memory;
}

int qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv)
{
	pthread_t thread;
	void *file;

	(void)info;
	if (argc != 1 || strncmp(argv[0], "sum=", 4)) {
		fputs("count: needs sum=PATH\n", stderr);
		return 1;
	}
	file = mapped(argv[0] + 4);
	if (file == MAP_FAILED) {
		perror(argv[0]);
		return 1;
	}

	executed.board = qemu_plugin_scoreboard_new(sizeof(uint64_t));
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	return pthread_create(&thread, NULL, publish, file);
}
