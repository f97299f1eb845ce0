//! Who goes on, and which interrupt is taken: every decision of a run is made here.
//!
//! The fast half of a point counts down and moves the clock. When the count is used up, [`decide`]
//! asks the strategy. A CPU that loses the host thread does so inside `decide` (or a halt, or a
//! spin), and comes back there.

use contract::preempt::{HARDIRQ_MASK, HARDIRQ_UNIT, NMI_UNIT};
use contract::{CpuId, InterruptCounts};

use crate::arch;
use crate::irq::Vector;
use crate::machine::{Cpu, Machine, NEVER, State};
use crate::report;
use crate::sim;
use crate::trace::Event;

/// The most points that a CPU waits before it goes on, if it can.
const LONGEST_WAIT: u64 = 20_000;

/// A place where an interrupt or another CPU may come in between.
#[inline]
pub(crate) fn point(machine: &Machine) {
    if !machine.active.get() {
        return;
    }
    machine.clock.set(machine.clock.get() + machine.strategy.step);
    match machine.gap.get() {
        0 => decide(machine),
        left => machine.gap.set(left - 1),
    }
}

#[cold]
#[inline(never)]
fn decide(machine: &Machine) {
    begin_gap(machine);
    let (chance, longest) = machine.strategy.hold_up;
    if chance != 0 && machine.schedule.chance(chance) {
        machine.clock.set(machine.clock.get() + machine.schedule.below(longest));
    }
    fire_timers(machine);
    let others = others(machine);
    if others != 0 {
        let (this, points) = (machine.this(), machine.points.get());
        let turn = || machine.strategy.turn(&machine.schedule, this, others, points);
        if let Some(next) = starving(machine, others).or_else(turn) {
            give_way(machine, next);
        }
    }
    take_interrupts(machine, machine.strategy.promptness);
}

/// Draws the distance to the next decision, and checks the limits.
fn begin_gap(machine: &Machine) {
    let passed = machine.drawn.get() - machine.gap.get() + 1;
    let points = machine.points.get() + passed;
    machine.points.set(points);
    let gap = machine.strategy.gap(&machine.schedule);
    machine.drawn.set(gap);
    machine.gap.set(gap);
    if points > machine.limits.points {
        sim::fail(&format!("no end in sight after {points} points"));
    }
    if machine.clock.get() > machine.limits.nanoseconds {
        sim::fail(&format!(
            "no end in sight after {} virtual seconds",
            machine.clock.get() / 1_000_000_000
        ));
    }
}

/// Interrupts have just been enabled: most often one that waits is taken at once, as on hardware.
#[inline]
pub(crate) fn interrupts_on(machine: &Machine) {
    if machine.cpu().pending.get() != 0 {
        take_interrupts(machine, machine.strategy.promptness);
    }
    point(machine);
}

/// An interrupt comes in at a CPU.
pub(crate) fn raise(machine: &Machine, id: CpuId, vector: Vector) {
    let cpu = &machine.cpus()[id];
    if cpu.state.get() == State::Stopped {
        return;
    }
    if cpu.state.get() == State::Halted && cpu.pending.get() == 0 {
        cpu.waits_since.set(machine.points.get());
    }
    cpu.pending.set(cpu.pending.get() | vector as u32);
    cut_gap(machine);
}

/// A non-maskable interrupt comes in at a CPU.
pub(crate) fn raise_nmi(machine: &Machine, id: CpuId) {
    let cpu = &machine.cpus()[id];
    if cpu.state.get() == State::Stopped {
        return;
    }
    if !cpu.runnable() {
        cpu.waits_since.set(machine.points.get());
    }
    cpu.nmi.set(true);
    cut_gap(machine);
}

fn cut_gap(machine: &Machine) {
    // A long quiet stretch must not hold back an interrupt for longer than this strategy allows.
    let cut = machine.gap.get().saturating_sub(machine.strategy.patience);
    machine.gap.set(machine.gap.get() - cut);
    machine.drawn.set(machine.drawn.get() - cut);
}

/// Timers whose time has come send their interrupt.
fn fire_timers(machine: &Machine) {
    let now = machine.clock.get();
    for (id, cpu) in machine.cpus().iter().enumerate() {
        if cpu.deadline.get() <= now {
            cpu.deadline.set(NEVER);
            raise(machine, id, Vector::Timer);
        }
    }
}

/// Takes a non-maskable interrupt if there is one, then pending interrupts if this CPU lets them in, each with a chance of
/// `chance` in 256.
fn take_interrupts(machine: &Machine, chance: u32) {
    take_nmi(machine);
    loop {
        // Re-read each time: a handler may switch tasks, and a task may come back on another CPU.
        let cpu = machine.cpu();
        let pending = cpu.pending.get();
        if pending == 0 || !cpu.interrupts.get() {
            return;
        }
        if !machine.schedule.chance(chance) {
            return;
        }
        deliver(machine, cpu, pending);
    }
}

/// Takes a non-maskable interrupt that has come in at this CPU.
fn take_nmi(machine: &Machine) {
    let cpu = machine.cpu();
    if !cpu.nmi.replace(false) {
        return;
    }
    machine.interrupts_taken.set(machine.interrupts_taken.get() + 1);
    machine.trace.record(machine, Event::Interrupt, "nmi", 0);
    let counts = cpu.counts.get();
    cpu.counts.set(InterruptCounts { nmi: counts.nmi + 1, ..counts });
    let Some(upcalls) = machine.upcalls() else { return };
    let interrupts = cpu.interrupts.replace(false);
    cpu.preempt.set(cpu.preempt.get() + NMI_UNIT);
    (upcalls.nmi)(&crate::backtrace::registers(0, arch::frame_pointer()));
    // The handler neither switches nor sleeps: it is still the same CPU.
    cpu.preempt.set(cpu.preempt.get() - NMI_UNIT);
    cpu.interrupts.set(interrupts);
}

/// One pending interrupt is taken on this CPU.
fn deliver(machine: &Machine, cpu: &Cpu, pending: u32) {
    let vector = Vector::of_bit(machine.schedule.bit_of(pending));
    cpu.pending.set(pending & !(vector as u32));
    cpu.relaxed.set(0);
    machine.interrupts_taken.set(machine.interrupts_taken.get() + 1);
    machine.trace.record(machine, Event::Interrupt, vector.name(), 0);

    let mut counts = cpu.counts.get();
    match vector {
        Vector::Timer => counts.timer += 1,
        Vector::Reschedule => counts.reschedule += 1,
        Vector::CallFunction => counts.call_function += 1,
        Vector::Console => counts.console += 1,
    }
    cpu.counts.set(counts);

    let Some(upcalls) = machine.upcalls() else {
        sim::fail(&format!(
            "{} interrupt before the kernel installed its entry points",
            vector.name()
        ));
    };
    cpu.interrupts.set(false);
    cpu.preempt.set(cpu.preempt.get() + HARDIRQ_UNIT);
    let handler = match vector {
        Vector::Timer => upcalls.timer,
        Vector::Reschedule => upcalls.reschedule,
        Vector::CallFunction => upcalls.call_function,
        Vector::Console => upcalls.console_input,
    };
    handler();
    cpu.preempt.set(cpu.preempt.get() - HARDIRQ_UNIT);
    if cpu.preempt.get() & HARDIRQ_MASK == 0 {
        (upcalls.interrupt_exit)();
    }
    // The return from the interrupt, on whichever CPU the interrupted task is by now.
    machine.cpu().interrupts.set(true);
}

/// One turn of a spin loop. The longer a CPU spins, the faster time passes; but an interrupt that
/// waits does not wait longer for that.
pub(crate) fn relax(machine: &Machine) {
    let cpu = machine.cpu();
    let turns = cpu.relaxed.get() + 1;
    cpu.relaxed.set(turns);
    if turns > machine.limits.spins {
        sim::fail(&format!("CPU {} spins for ever", machine.this()));
    }
    let now = machine.clock.get() + machine.strategy.step;
    if cpu.pending.get() != 0 && cpu.interrupts.get() {
        machine.clock.set(now);
    } else if others(machine) == 0 {
        // Nothing can happen before the next timer but that the spinning code finds its time has
        // come.
        let hurried = now + (16 << (turns / 8).min(16));
        machine.clock.set(hurried.min(next_deadline(machine).max(now)));
    } else {
        machine.clock.set(now + (turns * 16).min(1_000_000));
    }
    begin_gap(machine);
    fire_timers(machine);
    let others = others(machine);
    if others != 0 && (turns.is_multiple_of(8) || machine.schedule.chance(224)) {
        let leave = || machine.strategy.leave(&machine.schedule, machine.this(), others);
        give_way(machine, starving(machine, others).unwrap_or_else(leave));
    }
    take_interrupts(machine, machine.strategy.promptness);
}

/// Lets interrupts in and stops this CPU until one was taken.
pub(crate) fn halt(machine: &Machine) {
    // The others may go on before this CPU gets round to halting.
    point(machine);
    let cpu = machine.cpu();
    cpu.relaxed.set(0);
    cpu.interrupts.set(true);
    loop {
        fire_timers(machine);
        if cpu.pending.get() != 0 || cpu.nmi.get() {
            break;
        }
        cpu.state.set(State::Halted);
        match others(machine) {
            0 => sleep_till_next_event(machine),
            others => give_way(machine, pick(machine, others)),
        }
    }
    cpu.state.set(State::Running);
    take_nmi(machine);
    if cpu.pending.get() != 0 {
        deliver(machine, cpu, cpu.pending.get());
    }
}

/// All CPUs are halted: the clock jumps to the next timer.
fn sleep_till_next_event(machine: &Machine) {
    let deadline = next_deadline(machine);
    if deadline == NEVER {
        sim::fail(
            "deadlock: all CPUs are halted, no timer is armed, and no interrupt is on its way",
        );
    }
    let (chance, longest) = machine.strategy.lateness;
    let late = if chance != 0 && machine.schedule.chance(chance) {
        machine.schedule.below(longest)
    } else {
        0
    };
    machine.clock.set(machine.clock.get().max(deadline.saturating_add(late)));
    begin_gap(machine);
}

/// When the first timer fires.
fn next_deadline(machine: &Machine) -> u64 {
    machine.cpus().iter().map(|cpu| cpu.deadline.get()).min().unwrap_or(NEVER)
}

/// The other CPUs that would go on if they could, as a mask.
#[inline]
fn others(machine: &Machine) -> u32 {
    let this = machine.this();
    machine
        .cpus()
        .iter()
        .enumerate()
        .filter(|&(id, cpu)| id != this && cpu.runnable())
        .fold(0, |mask, (id, _)| mask | 1 << id)
}

/// One of `others` that has waited for too long. It goes on at once, and ahead of the others from
/// now on: whatever the strategy, no CPU stands still for ever.
fn starving(machine: &Machine, others: u32) -> Option<CpuId> {
    let now = machine.points.get();
    let waits_too_long = |&id: &CpuId| {
        others & (1 << id) != 0 && now - machine.cpus()[id].waits_since.get() > LONGEST_WAIT
    };
    let cpu = (0..machine.cpus().len()).find(waits_too_long)?;
    machine.strategy.promote(cpu);
    Some(cpu)
}

/// This CPU has nothing to do: which of `others` goes on?
fn pick(machine: &Machine, others: u32) -> CpuId {
    let choose = || machine.strategy.pick(&machine.schedule, others);
    starving(machine, others).unwrap_or_else(choose)
}

/// `next` goes on in place of this CPU. Returns when this CPU's turn comes again.
fn give_way(machine: &Machine, next: CpuId) {
    machine.trace.record(machine, Event::Cpu, "", next as u64);
    machine.cpu().waits_since.set(machine.points.get());
    let save = machine.cpu().stack_pointer.as_ptr();
    let load = machine.cpus()[next].stack_pointer.get();
    machine.set_this(next);
    // SAFETY: a CPU that does not have the host thread has stored its stack pointer here, or
    // `cpu::start` has stored a new context's; a stack in use by a CPU is not freed, as its context
    // cannot be dropped.
    unsafe { arch::switch_stacks(save, load) };
    report::answer_if_asked(machine);
}

/// This CPU leaves service. Returns when it is started again.
pub(crate) fn stop(machine: &Machine) {
    let cpu = machine.cpu();
    cpu.state.set(State::Stopped);
    cpu.pending.set(0);
    cpu.nmi.set(false);
    cpu.deadline.set(NEVER);
    match others(machine) {
        0 if machine.cpus().iter().any(|cpu| cpu.state.get() == State::Halted) => {
            // The halted CPUs wait for timers; one of them goes on when the first is due.
            while others(machine) == 0 {
                sleep_till_next_event(machine);
                fire_timers(machine);
            }
            give_way(machine, pick(machine, others(machine)));
        }
        0 => sim::fail("deadlock: the last running CPU has parked"),
        others => give_way(machine, pick(machine, others)),
    }
}
