// SPDX-License-Identifier: MIT OR GPL-2.0
/* From one thread to another, and from one CPU to another. */
#include <linux/completion.h>
#include <linux/cpumask.h>
#include <linux/err.h>
#include <linux/sched.h>

#include "bench.h"

/* What two threads that wake each other share. */
struct rally {
	struct completion ping, pong, done;
	/* When the ping went out, and the sum of how long it took to arrive. */
	u64 sent, latency;
	u64 figure;
};

static void init_rally(struct rally *rally)
{
	init_completion(&rally->ping);
	init_completion(&rally->pong);
	init_completion(&rally->done);
	rally->latency = 0;
}

static int answer(void *argument)
{
	struct rally *rally = argument;
	int i;

	for (i = 0; i < WARM_UP + TURNS; i++) {
		wait_for_completion(&rally->ping);
		if (i >= WARM_UP)
			rally->latency += ticks() - rally->sent;
		complete(&rally->pong);
	}
	return 0;
}

static int answer_first(void *argument)
{
	sched_set_fifo(current);
	return answer(argument);
}

static int ask(void *argument)
{
	struct rally *rally = argument;
	u64 start = 0;
	int i;

	for (i = 0; i < WARM_UP + TURNS; i++) {
		if (i == WARM_UP)
			start = ticks();
		rally->sent = ticks();
		complete(&rally->ping);
		wait_for_completion(&rally->pong);
	}
	rally->figure = (ticks() - start) / TURNS;
	complete(&rally->done);
	return 0;
}

static int play(struct rally *rally, int (*partner)(void *), unsigned int cpu)
{
	struct task_struct *thread;

	init_rally(rally);
	thread = run_on(cpu, partner, rally);
	if (IS_ERR(thread))
		return PTR_ERR(thread);
	thread = run_on(0, ask, rally);
	if (IS_ERR(thread))
		return PTR_ERR(thread);
	wait_for_completion(&rally->done);
	return 0;
}

static int completion_ping_pong(u64 *figure)
{
	static struct rally rally;
	int error = play(&rally, answer, 0);

	*figure = rally.figure;
	return error;
}

static int completion_ping_pong_two_cpus(u64 *figure)
{
	static struct rally rally;
	int error = play(&rally, answer, 1);

	*figure = rally.figure;
	return error;
}

/* From the wake-up of a real-time thread to its first instruction. */
static int wake_to_run(u64 *figure)
{
	static struct rally rally;
	int error = play(&rally, answer_first, 0);

	*figure = rally.latency / TURNS;
	return error;
}

/* The same rally, where one side is a task with a user address space: the one that loads this module. */
static int user_kthread_user(u64 *figure)
{
	static struct rally rally;
	struct task_struct *thread;
	int error = set_cpus_allowed_ptr(current, cpumask_of(0));

	if (error)
		return error;
	init_rally(&rally);
	thread = run_on(0, answer, &rally);
	if (IS_ERR(thread))
		return PTR_ERR(thread);
	ask(&rally);
	*figure = rally.figure;
	return set_cpus_allowed_ptr(current, cpu_possible_mask);
}

/* A running task moves to the other CPU; it takes the stopper's help. */
static int migrate_running(void)
{
	return set_cpus_allowed_ptr(current, cpumask_of(1 - raw_smp_processor_id()));
}

static int migrate(u64 *figure)
{
	u64 start = 0;
	int error, i;

	error = set_cpus_allowed_ptr(current, cpumask_of(0));
	for (i = 0; i < WARM_UP + TURNS && !error; i++) {
		if (i == WARM_UP)
			start = ticks();
		error = migrate_running();
	}
	*figure = (ticks() - start) / TURNS;
	set_cpus_allowed_ptr(current, cpu_possible_mask);
	return error;
}

static int yield_to_nobody(void)
{
	yield();
	return 0;
}

const struct workload switch_workloads[] = {
	{ .name = "yield_to_nobody", .turn = yield_to_nobody },
	{ .name = "completion_ping_pong", .measure = completion_ping_pong },
	{ .name = "completion_two_cpus", .measure = completion_ping_pong_two_cpus, .cpus = 2 },
	{ .name = "wake_to_run", .measure = wake_to_run },
	{ .name = "user_kthread_user", .measure = user_kthread_user },
	{ .name = "migrate_running", .measure = migrate, .cpus = 2 },
	{ }
};
