// SPDX-License-Identifier: MIT OR GPL-2.0
/*
 * The workloads of kernel/benchmarks, on Linux. Loading the module runs those whose name contains `only`; each
 * figure goes to the kernel's log as `bench NAME FIGURE`, in ticks of the processor's counter per turn.
 */
#include <linux/delay.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/string.h>

#include "bench.h"

static char *only = "";
module_param(only, charp, 0444);
MODULE_PARM_DESC(only, "run the workloads with this in their names");

void report(const char *name, u64 figure)
{
	pr_info("bench %s %llu\n", name, figure);
}

struct task_struct *run_on(unsigned int cpu, int (*function)(void *), void *argument)
{
	struct task_struct *thread = kthread_create(function, argument, "bench");

	if (!IS_ERR(thread)) {
		kthread_bind(thread, cpu);
		wake_up_process(thread);
	}
	return thread;
}

static int repeat(int (*turn)(void), u64 *figure)
{
	u64 start = 0;
	int error, i;

	for (i = 0; i < WARM_UP + TURNS; i++) {
		if (i == WARM_UP)
			start = ticks();
		error = turn();
		if (error)
			return error;
	}
	*figure = (ticks() - start) / TURNS;
	return 0;
}

static void run(const struct workload *workload)
{
	u64 figure = 0;
	int error;

	for (; workload->name; workload++) {
		if (!strstr(workload->name, only) || num_online_cpus() < workload->cpus)
			continue;
		/* Until what the one before has left to do in the background is done. */
		msleep(100);
		if (workload->turn)
			error = repeat(workload->turn, &figure);
		else
			error = workload->measure(&figure);
		if (error)
			pr_info("bench-error %s %d\n", workload->name, error);
		else
			report(workload->name, figure);
	}
}

static int __init bench_init(void)
{
	run(thread_workloads);
	run(switch_workloads);
	run(deferred_workloads);
	return 0;
}

static void __exit bench_exit(void)
{
}

module_init(bench_init);
module_exit(bench_exit);
MODULE_DESCRIPTION("Workloads of kernel threads and deferred work");
MODULE_LICENSE("Dual MIT/GPL");
