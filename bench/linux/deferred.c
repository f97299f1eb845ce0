// SPDX-License-Identifier: MIT OR GPL-2.0
/* Work that is put off: workqueues, tasklets, timers. */
#include <linux/completion.h>
#include <linux/hrtimer.h>
#include <linux/interrupt.h>
#include <linux/jiffies.h>
#include <linux/slab.h>
#include <linux/timer.h>
#include <linux/workqueue.h>

#include "bench.h"

#define BATCH 2000
#define BATCHES 5

static void nothing(struct work_struct *work)
{
}

static DECLARE_WORK(single, nothing);
static DECLARE_DELAYED_WORK(delayed, nothing);

static int queue_flush(void)
{
	queue_work(system_wq, &single);
	flush_work(&single);
	return 0;
}

/* Many items at once; the figure is for one. */
static int work_batched(u64 *figure)
{
	struct workqueue_struct *queue = alloc_workqueue("bench", 0, 0);
	struct work_struct *items = kcalloc(BATCH, sizeof(*items), GFP_KERNEL);
	u64 start = 0;
	int error = -ENOMEM, batch, i;

	if (!queue || !items)
		goto out;
	for (i = 0; i < BATCH; i++)
		INIT_WORK(&items[i], nothing);
	for (batch = 0; batch <= BATCHES; batch++) {
		/* The first is there to warm up. */
		if (batch == 1)
			start = ticks();
		for (i = 0; i < BATCH; i++)
			queue_work(queue, &items[i]);
		flush_workqueue(queue);
	}
	*figure = (ticks() - start) / (BATCH * BATCHES);
	error = 0;
out:
	kfree(items);
	if (queue)
		destroy_workqueue(queue);
	return error;
}

/* Delayed work that is cancelled long before it is due. */
static int delayed_cancel(void)
{
	queue_delayed_work(system_wq, &delayed, 3600 * HZ);
	return cancel_delayed_work_sync(&delayed) ? 0 : -EINVAL;
}

/* Delayed work that is wanted at once after all. The worker may be done with it before it is waited for. */
static int delayed_flush(void)
{
	queue_delayed_work(system_wq, &delayed, 3600 * HZ);
	flush_delayed_work(&delayed);
	return delayed_work_pending(&delayed) ? -EINVAL : 0;
}

static DECLARE_COMPLETION(tasklet_ran);

static void complete_tasklet(struct tasklet_struct *tasklet)
{
	complete(&tasklet_ran);
}

static DECLARE_TASKLET(bench_tasklet, complete_tasklet);

static int tasklet_round_trip(void)
{
	tasklet_schedule(&bench_tasklet);
	wait_for_completion(&tasklet_ran);
	return 0;
}

static void never(struct timer_list *timer)
{
}

static DEFINE_TIMER(bench_timer, never);

static int timer_arm_cancel(void)
{
	mod_timer(&bench_timer, jiffies + HZ);
	return del_timer(&bench_timer) ? 0 : -EINVAL;
}

static enum hrtimer_restart never_again(struct hrtimer *timer)
{
	return HRTIMER_NORESTART;
}

static int hrtimer_arm_cancel(u64 *figure)
{
	struct hrtimer timer;
	u64 start = 0;
	int i;

	hrtimer_init_on_stack(&timer, CLOCK_MONOTONIC, HRTIMER_MODE_REL);
	timer.function = never_again;
	for (i = 0; i < WARM_UP + TURNS; i++) {
		if (i == WARM_UP)
			start = ticks();
		hrtimer_start(&timer, NSEC_PER_SEC, HRTIMER_MODE_REL);
		hrtimer_cancel(&timer);
	}
	*figure = (ticks() - start) / TURNS;
	destroy_hrtimer_on_stack(&timer);
	return 0;
}

const struct workload deferred_workloads[] = {
	{ .name = "queue_flush", .turn = queue_flush },
	{ .name = "work_batched", .measure = work_batched },
	{ .name = "delayed_cancel", .turn = delayed_cancel },
	{ .name = "delayed_flush", .turn = delayed_flush },
	{ .name = "tasklet_round_trip", .turn = tasklet_round_trip },
	{ .name = "timer_arm_cancel", .turn = timer_arm_cancel },
	{ .name = "hrtimer_arm_cancel", .measure = hrtimer_arm_cancel },
	{ }
};
