/* SPDX-License-Identifier: MIT OR GPL-2.0 */
/* What the workloads share. Each is the twin of the one with the same name in kernel/benchmarks. */
#ifndef HEDDLE_BENCH_H
#define HEDDLE_BENCH_H

#include <linux/kthread.h>
#include <linux/timex.h>
#include <linux/types.h>

/* Turns before the clock starts, and turns that it sees. */
#define WARM_UP 20
#define TURNS 200

/*
 * Time is read from the processor's counter: where QEMU counts instructions it is that count, and elsewhere
 * it runs at the host's rate, which the host knows better than the guest.
 */
static inline u64 ticks(void)
{
	return get_cycles();
}

struct workload {
	const char *name;
	/* Goes the path once, and says 0 or a negative errno. Or: */
	int (*turn)(void);
	/* does all turns by itself, gives the ticks of one, and says the same. */
	int (*measure)(u64 *figure);
	/* Needs so many CPUs; 0 is 1. */
	unsigned int cpus;
};

/* Lists that end with a workload without a name. */
extern const struct workload thread_workloads[];
extern const struct workload switch_workloads[];
extern const struct workload deferred_workloads[];

/* A further figure of a workload that has more than one. */
void report(const char *name, u64 figure);

/* Makes a thread that may run on one CPU only, and wakes it. */
struct task_struct *run_on(unsigned int cpu, int (*function)(void *), void *argument);

/* A thread's function that sleeps until the thread is asked to stop. */
int sleep_until_stopped(void *unused);

#endif
