// SPDX-License-Identifier: MIT OR GPL-2.0
/* The lives of threads. */
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "bench.h"

#define MANY 1000

int sleep_until_stopped(void *unused)
{
	for (;;) {
		set_current_state(TASK_INTERRUPTIBLE);
		if (kthread_should_stop())
			break;
		schedule();
	}
	__set_current_state(TASK_RUNNING);
	return 0;
}

static int create_wake_stop(void)
{
	struct task_struct *thread = kthread_run(sleep_until_stopped, NULL, "bench");

	if (IS_ERR(thread))
		return PTR_ERR(thread);
	kthread_stop(thread);
	return 0;
}

static int create_stop_unwoken(void)
{
	struct task_struct *thread = kthread_create(sleep_until_stopped, NULL, "bench");

	if (IS_ERR(thread))
		return PTR_ERR(thread);
	return kthread_stop(thread) == -EINTR ? 0 : -EINVAL;
}

/* A thousand threads alive and asleep at once: the ticks to make one, the bytes it takes, the ticks to stop it. */
static int thousand_threads(u64 *figure)
{
	struct task_struct **threads = kcalloc(MANY, sizeof(*threads), GFP_KERNEL);
	unsigned long before, after;
	int made, error = 0;
	u64 start;

	if (!threads)
		return -ENOMEM;
	before = global_zone_page_state(NR_FREE_PAGES);
	start = ticks();
	for (made = 0; made < MANY; made++) {
		threads[made] = kthread_run(sleep_until_stopped, NULL, "bench/%d", made);
		if (IS_ERR(threads[made])) {
			error = PTR_ERR(threads[made]);
			break;
		}
	}
	*figure = (ticks() - start) / MANY;
	/* Until all of them sleep. */
	msleep(20);
	after = global_zone_page_state(NR_FREE_PAGES);
	if (!error)
		report("thousand_threads_bytes", (before - after) * PAGE_SIZE / MANY);
	start = ticks();
	while (made > 0)
		kthread_stop(threads[--made]);
	if (!error)
		report("thousand_threads_stop", (ticks() - start) / MANY);
	kfree(threads);
	return error;
}

/* A thread is asked to park, does, is let go on, and says that it is back. */
static DECLARE_COMPLETION(back);

static int park_until_stopped(void *unused)
{
	/* A thread that is asked to park before its function runs does not come here to do so. */
	complete(&back);
	while (!kthread_should_stop()) {
		if (kthread_should_park()) {
			kthread_parkme();
			complete(&back);
		}
		set_current_state(TASK_INTERRUPTIBLE);
		if (!kthread_should_stop() && !kthread_should_park())
			schedule();
		__set_current_state(TASK_RUNNING);
	}
	return 0;
}

static int park_unpark(u64 *figure)
{
	struct task_struct *thread = run_on(0, park_until_stopped, NULL);
	u64 start = 0;
	int error = 0, i;

	if (IS_ERR(thread))
		return PTR_ERR(thread);
	wait_for_completion(&back);
	for (i = 0; i < WARM_UP + TURNS && !error; i++) {
		if (i == WARM_UP)
			start = ticks();
		error = kthread_park(thread);
		if (!error) {
			kthread_unpark(thread);
			wait_for_completion(&back);
		}
	}
	*figure = (ticks() - start) / TURNS;
	kthread_stop(thread);
	return error;
}

const struct workload thread_workloads[] = {
	{ .name = "create_wake_stop", .turn = create_wake_stop },
	{ .name = "create_stop_unwoken", .turn = create_stop_unwoken },
	{ .name = "thousand_threads", .measure = thousand_threads },
	{ .name = "park_unpark", .measure = park_unpark },
	{ }
};
