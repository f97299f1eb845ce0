//! Switching tasks.
//!
//! A switch happens with interrupts off from the choice of the next task to its first step. The run
//! queue's lock is released before the stacks are changed; that the left task is not run elsewhere
//! while its stack is still in use is what `on_cpu` is for.

use alloc::sync::Arc;
use core::sync::atomic::Ordering;

use machine::preempt::PREEMPT_UNIT;
use softirq::Vector;
use sync::Current;

use crate::current::{CURRENT, current};
use crate::runqueue::RUN_QUEUES;
use crate::state::{self, NOLOAD, OFF_QUEUE, UNINTERRUPTIBLE};
use crate::task::{Task, TaskRef};
use crate::{exit, sleep, space, tick, tracepoints, watch, worker};

/// Who ended a sleep with a deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woken {
    /// A waker or a signal.
    BySomebody,
    /// The deadline.
    ByTime,
}

/// Gives the CPU away. If the running task's state says that it sleeps, until it is woken; otherwise until its next turn.
/// Interrupts on, preemption on.
pub fn schedule() {
    schedule_as(&current());
}

/// As [`schedule`], for who has the running task at hand.
#[inline]
pub(crate) fn schedule_as(me: &Current<Task>) {
    sync::might_sleep();
    let is_worker = worker::goes_to_sleep(me);
    loop {
        machine::irq::mask();
        switch(me, true);
        machine::irq::enable();
        if machine::cpu::preempt_count() != 0 {
            break;
        }
    }
    if is_worker {
        worker::goes_on();
    }
}

/// As [`schedule`], but not beyond a time of the monotonic clock. The caller has set its state.
pub fn schedule_until(deadline: u64) -> Woken {
    if time::monotonic() >= deadline {
        current().state.set_running();
        return Woken::ByTime;
    }
    let me = current();
    let timer = sleep::timer_of(&me);
    timer.start(deadline);
    schedule();
    timer.cancel();
    if time::monotonic() >= deadline { Woken::ByTime } else { Woken::BySomebody }
}

/// [`schedule_until`] the deadline, or without one as long as it takes. For who has the running task at hand.
#[inline(always)]
pub(crate) fn schedule_within(me: &Current<Task>, deadline: Option<u64>) -> Woken {
    match deadline {
        None => {
            schedule_as(me);
            Woken::BySomebody
        }
        Some(deadline) => schedule_until(deadline),
    }
}

/// Lets others of the same class run first.
pub fn yield_now() {
    {
        let me = current();
        let mut queue = crate::runqueue::lock_of(&me);
        queue.yield_turn(&me);
    }
    schedule();
}

/// The last switch of a task that is dead. Interrupts off.
pub(crate) fn leave_for_ever() -> ! {
    switch(&current(), true);
    unreachable!("a dead task was run again")
}

/// Preemption: a reschedule is wanted and nothing forbids it. Interrupts are on.
fn preempt() {
    if !CURRENT.is_set() {
        return;
    }
    let me = current();
    loop {
        machine::irq::mask();
        switch(&me, false);
        machine::irq::enable();
        if machine::cpu::preempt_count() != 0 {
            return;
        }
    }
}

/// The end of an interrupt: preempts the interrupted task if that is wanted. Interrupts are off, and stay off.
pub(crate) fn preempt_from_interrupt() {
    if CURRENT.is_set() {
        let me = current();
        while machine::cpu::preempt_count() == 0 {
            switch(&me, false);
        }
    }
}

/// One choice, and a switch if it falls on another task. `voluntary`: a task that has set its state to asleep does
/// sleep; a preempted one stays runnable, whatever its state says, so that it can finish what it began. Interrupts are off, and stay off.
fn switch(me: &Current<Task>, voluntary: bool) {
    let shared = RUN_QUEUES.this();
    let mut queue = shared.queue.lock_irqs_off();
    machine::cpu::clear_need_resched();
    queue.charge(me);
    let mut runnable = true;
    let mut slept_as = state::RUNNING;
    if voluntary {
        let state = me.state.load();
        if state != state::RUNNING {
            if me.signal_wakes(state) {
                me.state.set_running();
            } else if me.state.exchange(state, state | OFF_QUEUE).is_ok() {
                let counts_as_load = state & (UNINTERRUPTIBLE | NOLOAD) == UNINTERRUPTIBLE;
                queue.stop_for_sleep(shared, me, counts_as_load);
                runnable = false;
                slept_as = state;
            }
            // Otherwise a waker came first and has set it running.
        }
    }
    if let Some(next) = queue.choose(shared, me, runnable) {
        next.on_cpu.store(true, Ordering::Relaxed);
        shared.switches.store(shared.switches.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        me.account.switched(voluntary && !runnable, queue.clock);
        drop(queue);
        tracepoints::switch(me, &next, voluntary, slept_as);
        if me.is_idle() {
            tick::resume();
            watch::leave_idle();
        }
        space::switch_to(&next, shared);
        let previous = CURRENT.switch(next, Task::context);
        // Another CPU, perhaps, and later: nothing from above is true any more.
        finish(previous);
    }
}

/// The first thing that happens on the new stack: the task left behind is let go.
fn finish(previous: Option<TaskRef>) {
    let Some(previous) = previous else { return };
    let is_dead = previous.state.load() & state::DEAD != 0;
    // Release: whoever runs the task next, or takes it apart, sees all that was done on its stack.
    previous.on_cpu.store(false, Ordering::Release);
    if is_dead {
        exit::bury(previous);
    }
}

/// Where every task begins.
pub(crate) fn first_steps() -> ! {
    finish(CURRENT.arrived());
    machine::irq::enable();
    sync::preempt_point();
    let start = current().take_start();
    if let Some(start) = start {
        start();
    }
    exit::exit_current()
}

/// Starts the scheduler on the boot CPU: what runs now becomes its idle task, with preemption off. Once.
pub fn start_on_boot_cpu() {
    sync::set_reschedule_hook(preempt);
    sync::lockdep::set_context_hook(crate::task::name_running);
    let task = Arc::new(Task::idle(0, machine::thread::Context::boot()));
    install_idle(&task);
    CURRENT.adopt(task);
    trace::set_running_hook(tracepoints::running);
    softirq::init();
    softirq::open(Vector::Sched, crate::balance::rebalance);
    time::prepare(0).expect("there is memory for the boot CPU's timers");
    let now = time::sched_clock();
    let shared = RUN_QUEUES.of(0);
    let mut queue = shared.queue.lock_irq();
    queue.clock = now;
    queue.idle_since = now.max(1);
    drop(queue);
    shared.idle.store(true, Ordering::Relaxed);
    crate::affinity::set_online(0, true);
    crate::affinity::set_active(0, true);
    tick::prepare(0);
}

/// Starts the scheduler on another CPU, from its idle context. Interrupts off, preemption off.
pub fn start_on_this_cpu() {
    let cpu = machine::cpu::id();
    let shared = RUN_QUEUES.of(cpu);
    if !CURRENT.is_set() {
        let task = shared.idle_task.get().expect("a CPU is started with its idle task").clone();
        CURRENT.adopt(task);
    }
    let now = time::sched_clock();
    let mut queue = shared.queue.lock_irq();
    queue.clock = now;
    queue.idle_since = now.max(1);
    drop(queue);
    shared.idle.store(true, Ordering::Relaxed);
    tick::prepare(cpu);
}

/// Makes a task a CPU's idle task.
pub(crate) fn install_idle(task: &TaskRef) {
    let fresh = RUN_QUEUES.of(task.cpu()).idle_task.set(task.clone()).is_ok();
    assert!(fresh, "CPU {} has an idle task already", task.cpu());
}

/// From the idle loop, which runs with preemption off, with interrupts on: runs whatever there is to run.
pub(crate) fn schedule_from_idle() {
    machine::cpu::preempt_sub(PREEMPT_UNIT);
    machine::irq::mask();
    switch(&current(), false);
    machine::irq::enable();
    machine::cpu::preempt_add(PREEMPT_UNIT);
}
