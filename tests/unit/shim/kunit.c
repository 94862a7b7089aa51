// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs the KUnit suites as a program of the host and prints TAP.
 *
 * usage: unit [name]...
 *
 * A case is called suite.case, or suite.case: row if it runs on a table. Only
 * cases whose name matches a given name, in part or as a shell pattern, are run.
 */
#include <fnmatch.h>
#include <kunit/test.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct kunit_suite *suites;
static unsigned int nr_run, nr_failed;
static char **wanted;
static char running[512];

void kunit_register(struct kunit_suite *suite)
{
	struct kunit_suite **at = &suites;

	while (*at && strcmp((*at)->name, suite->name) < 0)
		at = &(*at)->next;
	suite->next = *at;
	*at = suite;
}

void kunit_unmet(struct kunit *test, bool abort, const char *file, int line,
		 const char *fmt, ...)
{
	va_list args;

	printf("# %s:%d: ", file, line);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	printf("\n");

	test->failed = true;
	if (abort)
		longjmp(test->abort, 1);
}

static bool is_wanted(const char *name)
{
	char **pattern;

	for (pattern = wanted; *pattern; pattern++)
		if (strstr(name, *pattern) || !fnmatch(*pattern, name, 0))
			return true;
	return !*wanted;
}

static void run_one(const struct kunit_suite *suite, const struct kunit_case *which,
		    const void *param, const char *desc)
{
	struct kunit test = { .param_value = param };

	snprintf(running, sizeof(running), "%s.%s%s%s", suite->name, which->name,
		 param ? ": " : "", desc);
	if (!is_wanted(running))
		return;

	if (!setjmp(test.abort))
		which->run_case(&test);
	kunit_release(&test);

	nr_run++;
	nr_failed += test.failed;
	printf("%sok %u - %s\n", test.failed ? "not " : "", nr_run, running);
	fflush(stdout);
}

static void run_case(const struct kunit_suite *suite, const struct kunit_case *which)
{
	char desc[KUNIT_PARAM_DESC_SIZE] = "";
	const void *param;

	if (!which->generate_params) {
		run_one(suite, which, NULL, desc);
		return;
	}
	for (param = which->generate_params(NULL, desc); param;
	     param = which->generate_params(param, desc))
		run_one(suite, which, param, desc);
}

/* What the sanitizers ask for at their start: they are to end with SIGABRT. */
const char *__asan_default_options(void)
{
	return "abort_on_error=1";
}

const char *__ubsan_default_options(void)
{
	return "abort_on_error=1:print_stacktrace=1";
}

/* One has found something, said so, and lets nothing go on. */
static void on_abort(int signal)
{
	printf("not ok %u - %s\nBail out! A sanitizer has stopped it.\n", nr_run + 1, running);
	fflush(stdout);
	_exit(1);
}

int main(int argc, char **argv)
{
	const struct kunit_suite *suite;
	const struct kunit_case *which;

	wanted = argv + (argc > 0);
	signal(SIGABRT, on_abort);
	printf("TAP version 13\n");
	for (suite = suites; suite; suite = suite->next)
		for (which = suite->test_cases; which->run_case; which++)
			run_case(suite, which);

	printf("1..%u\n# %u passed, %u failed\n", nr_run, nr_run - nr_failed, nr_failed);
	if (!nr_run)
		fprintf(stderr, "unit: no case has such a name\n");
	return nr_failed || !nr_run;
}
