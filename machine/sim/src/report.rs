//! What is said of a run that failed: where each CPU was, and where each task sleeps.
//!
//! A stack that is not running is asked by going on on it: the code that left it comes back from
//! its switch, sees that it is asked, captures a backtrace and goes back to the asker.

use core::cell::Cell;
use core::fmt::{self, Write};
use std::backtrace::Backtrace;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::arch;
use crate::machine::{Machine, State};

/// Tasks whose place is told.
const MOST_TASKS: usize = 24;
/// Functions that are named of each.
const MOST_FUNCTIONS: usize = 8;

/// A question to a stack.
#[derive(Default)]
pub(crate) struct Inquiry {
    open: Cell<bool>,
    asker: Cell<usize>,
    answer: Cell<Option<Backtrace>>,
}

/// To be called wherever code comes back on a stack that it had left.
#[inline]
pub(crate) fn answer_if_asked(machine: &Machine) {
    if machine.inquiry.open.get() {
        answer(machine);
    }
}

#[cold]
fn answer(machine: &Machine) {
    machine.inquiry.answer.set(Some(Backtrace::force_capture()));
    let mut nobody_returns_here = 0;
    // SAFETY: the asker left its stack in `ask`, and waits there.
    unsafe { arch::switch_stacks(&raw mut nobody_returns_here, machine.inquiry.asker.get()) };
}

/// Which functions the code is in that left its stack at `stack_pointer`, innermost first.
fn ask(machine: &Machine, stack_pointer: usize) -> String {
    let inquiry = &machine.inquiry;
    inquiry.open.set(true);
    // SAFETY: the stack was left at this place, and nobody goes on on it again: the run has ended.
    unsafe { arch::switch_stacks(inquiry.asker.as_ptr(), stack_pointer) };
    inquiry.open.set(false);
    let Some(backtrace) = inquiry.answer.take() else { return String::new() };
    let frames = kernel_frames(&backtrace);
    let names = frames.iter().filter(|(name, _)| !name.starts_with("machine_sim::"));
    names.take(MOST_FUNCTIONS).map(|(name, _)| format!(" < {name}")).collect()
}

/// What each CPU was doing, and where the run ended.
pub(crate) fn state(machine: &Machine, backtrace: &Backtrace) -> String {
    // Writing to a string does not fail.
    let mut text = String::new();
    let _ = write_state(machine, &mut text);
    let place: String = kernel_frames(backtrace).into_iter().map(|(_, lines)| lines).collect();
    text + "where the run ended:\n" + &place
}

fn write_state(machine: &Machine, text: &mut String) -> fmt::Result {
    writeln!(text, "time {} ns, {} points", machine.clock.get(), machine.points.get())?;
    for (id, cpu) in machine.cpus().iter().enumerate() {
        let mark = if id == machine.this() { '*' } else { ' ' };
        let interrupts = if cpu.interrupts.get() { "on" } else { "off" };
        writeln!(
            text,
            "{mark}cpu{id} {:?} task {}, interrupts {interrupts}, preemption word {:#x}, \
             pending {:#x}, spins {}",
            cpu.state.get(),
            cpu.task.get(),
            cpu.preempt.get(),
            cpu.pending.get(),
            cpu.relaxed.get()
        )?;
    }
    if let Some(panic) = &*machine.last_panic.borrow() {
        writeln!(text, "last panic: {panic}")?;
    }
    if let Some(reporter) = machine.hooks.reporter.get() {
        // What the kernel looks at may be locked by a context that will not go on: `relax` panics.
        let told = catch_unwind(AssertUnwindSafe(|| reporter(text)));
        if told.is_err() {
            writeln!(text, "  (what follows could not be looked at)")?;
        }
    }
    Ok(())
}

/// Where the other CPUs and the sleeping tasks are.
pub(crate) fn whereabouts(machine: &Machine) -> String {
    let mut text = String::new();
    for (id, cpu) in machine.cpus().iter().enumerate() {
        if id != machine.this() && cpu.state.get() != State::Stopped {
            text += &format!("cpu{id}{}\n", ask(machine, cpu.stack_pointer.get()));
        }
    }
    let mut sleepers = machine.stacks.sleepers();
    sleepers.sort_unstable();
    let more = sleepers.len().saturating_sub(MOST_TASKS);
    for (task, stack_pointer) in sleepers.into_iter().take(MOST_TASKS) {
        text += &format!("task {task}{}\n", ask(machine, stack_pointer));
    }
    if more > 0 {
        text += &format!("(and {more} tasks more)\n");
    }
    text
}

/// The kernel's functions in a backtrace, innermost first, each with its lines: without the end of
/// the run and the panic machinery above them, and the beginning of the run below them.
fn kernel_frames(backtrace: &Backtrace) -> Vec<(String, String)> {
    const ABOVE: [&str; 7] = [
        "machine_sim::run::",
        "machine_sim::report::",
        "machine_sim::sim::fail",
        "std::backtrace",
        "std::panicking::",
        "__rustc::",
        "core::panicking::",
    ];
    const BELOW: [&str; 2] = ["machine_sim::run::boot", "machine_sim::thread::begin"];
    let text = backtrace.to_string();
    // A frame is a line with its number and name, then perhaps a line with its place.
    let mut frames: Vec<(String, String)> = Vec::new();
    for line in text.lines() {
        match line.trim_start().split_once(": ") {
            Some((number, name)) if number.parse::<u32>().is_ok() => {
                frames.push((name.to_string(), format!("{line}\n")));
            }
            _ => {
                if let Some((_, lines)) = frames.last_mut() {
                    lines.push_str(line);
                    lines.push('\n');
                }
            }
        }
    }
    let end = frames.iter().position(|(name, _)| BELOW.contains(&&**name));
    frames.truncate(end.unwrap_or(frames.len()));
    // What handled a panic lies above the machinery that raised it.
    let machinery = |(name, _): &(String, String)| ABOVE.iter().any(|part| name.starts_with(part));
    let start = frames.iter().rposition(machinery).map_or(0, |last| last + 1);
    frames.drain(..start);
    // Calls through closures and boxes say nothing.
    frames.retain(|(name, _)| {
        !name.starts_with("core::ops::function::") && !name.starts_with("<alloc::boxed::Box<")
    });
    frames
}
