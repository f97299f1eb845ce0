//! The tick: 250 times a second on a busy CPU, never on an idle one.
//!
//! A CPU that goes idle stops its tick before it halts, unless real-time tasks are being held back and the tick has to let
//! them go on.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use machine::CpuId;
use sync::{Once, PerCpu, per_cpu};
use time::HrTimer;

use crate::current::{CURRENT, current};
use crate::runqueue::RUN_QUEUES;
use crate::task::Task;
use crate::wake::reschedule;
use crate::{balance, deadline, load};

/// The time between ticks, in nanoseconds.
pub const TICK: u64 = time::JIFFY;

struct Tick {
    timer: Once<HrTimer>,
    count: AtomicU64,
}

/// What else is done at each tick.
static HOOK: Once<fn(&Task)> = Once::new();

/// Says what is called at each tick of a CPU that is not idle, in the timer interrupt, with the task that runs. Its time on the CPU
/// has been brought up to date. Once.
pub fn set_tick_hook(hook: fn(&Task)) {
    let fresh = HOOK.set(hook).is_ok();
    assert!(fresh, "the tick hook is set once");
}

static TICKS: PerCpu<Tick> = per_cpu!(Tick { timer: Once::new(), count: AtomicU64::new(0) });

/// Gives this CPU its tick, stopped, and the timers of deadline tasks.
pub(crate) fn prepare(cpu: CpuId) {
    // A CPU that comes back has one already.
    let _ = TICKS.of(cpu).timer.set(HrTimer::new(tick));
    deadline::timers::prepare(cpu);
}

/// Lets the tick go on: the CPU has something to run. Interrupts off.
pub(crate) fn resume() {
    if let Some(timer) = TICKS.this().timer.get()
        && !timer.is_pending()
    {
        timer.start(time::monotonic() + TICK);
    }
}

/// Stops the tick: the CPU is about to halt. Interrupts off.
pub(crate) fn pause() {
    if RUN_QUEUES.this().queue.lock_irq().is_throttled() {
        resume();
    } else {
        stop();
    }
}

/// Stops the tick of a CPU that leaves. Interrupts off.
pub(crate) fn stop() {
    if let Some(timer) = TICKS.this().timer.get() {
        timer.cancel();
    }
}

/// One tick, in the timer interrupt.
fn tick() {
    if !CURRENT.is_set() {
        return;
    }
    let cpu = machine::cpu::id();
    let me = current();
    let tick = TICKS.this();
    let count = tick.count.load(Relaxed) + 1;
    tick.count.store(count, Relaxed);
    let in_user = me.is_in_user();
    if !me.is_idle() {
        me.account.tick(in_user, TICK);
    }
    let mut queue = RUN_QUEUES.of(cpu).queue.lock_irq();
    let switch = queue.tick(&me);
    if !me.is_idle() {
        let times = &mut queue.times;
        match (in_user, me.attributes().nice > 0) {
            (true, true) => times.nice += TICK,
            (true, false) => times.user += TICK,
            (false, _) if sync::in_serving_softirq() => times.softirq += TICK,
            (false, _) => times.system += TICK,
        }
    }
    let now = queue.clock;
    let throttled = queue.take_news_of_throttling();
    drop(queue);
    // Said once: what a program does so, it does every second.
    static SAID: AtomicBool = AtomicBool::new(false);
    if throttled && !SAID.swap(true, Relaxed) {
        log::warn!("sched: RT throttling activated");
    }
    if !me.is_idle()
        && let Some(hook) = HOOK.get()
    {
        hook(&me);
    }
    load::at_tick(now);
    klog::wake_readers();
    if switch {
        reschedule(cpu);
    }
    balance::at_tick(cpu, count);
    if let Some(timer) = tick.timer.get() {
        timer.start(time::from_sched_clock(now + TICK));
    }
}
