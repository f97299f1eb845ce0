//! How often each CPU was interrupted, and why, and how often it served which softirqs.

use core::fmt::Write;

use errno::Result;
use kernfs::Text;
use machine::InterruptCounts;
use machine::irq::counts;
use sched::CpuMask;
use softirq::Vector;

/// A row: its label, which counter, and what it says behind the numbers.
type Row = (&'static str, fn(&InterruptCounts) -> u64, &'static str);

const ROWS: [Row; 6] = [
    ("4", |counts| counts.console, " IO-APIC   4-edge      ttyS0"),
    ("NMI", |counts| counts.nmi, " Non-maskable interrupts"),
    ("LOC", |counts| counts.timer, " Local timer interrupts"),
    ("RES", |counts| counts.reschedule, " Rescheduling interrupts"),
    ("CAL", |counts| counts.call_function, " Function call interrupts"),
    ("TLB", |counts| counts.tlb, " TLB shootdowns"),
];

/// The number of the interrupt line that is the console's, and how many lines `/proc/stat` shows.
const CONSOLE_LINE: usize = 4;
const LINES: usize = 16;

/// The names of the CPUs above their columns, of eleven characters each.
fn heading(text: &mut Text, cpus: CpuMask) -> Result<()> {
    for cpu in cpus.iter() {
        write!(text, "CPU{cpu:<8}")?;
    }
    text.push(b"\n")
}

/// `interrupts`
pub(super) fn interrupts(text: &mut Text) -> Result<()> {
    let online = sched::online();
    write!(text, "{:11}", "")?;
    heading(text, online)?;
    for (label, counter, meaning) in ROWS {
        write!(text, "{label:>3}: ")?;
        for cpu in online.iter() {
            write!(text, "{:>10} ", counter(&counts(cpu)))?;
        }
        writeln!(text, " {meaning}")?;
    }
    Ok(())
}

/// `softirqs`
pub(super) fn softirqs(text: &mut Text) -> Result<()> {
    let present = CpuMask::present();
    write!(text, "{:20}", "")?;
    heading(text, present)?;
    for vector in Vector::ALL {
        write!(text, "{:>12}:", vector.name())?;
        for cpu in present.iter() {
            write!(text, " {:>10}", softirq::count(cpu, vector))?;
        }
        text.push(b"\n")?;
    }
    Ok(())
}

/// The line of `stat` with all interrupts, and those of each line.
pub(super) fn totals(text: &mut Text) -> Result<()> {
    let sum = |counter: &dyn Fn(&InterruptCounts) -> u64| -> u64 {
        CpuMask::present().iter().map(|cpu| counter(&counts(cpu))).sum()
    };
    let console = sum(&|counts| counts.console);
    let all = ROWS.iter().map(|(_, counter, _)| sum(counter)).sum::<u64>();
    write!(text, "intr {all}")?;
    for line in 0..LINES {
        write!(text, " {}", if line == CONSOLE_LINE { console } else { 0 })?;
    }
    text.push(b"\n")
}

/// The line of `stat` with all softirqs, and those of each vector: each is counted once, so that the sum is theirs.
pub(super) fn softirq_totals(text: &mut Text) -> Result<()> {
    let served = Vector::ALL.map(|vector| -> u64 {
        CpuMask::present().iter().map(|cpu| softirq::count(cpu, vector)).sum()
    });
    write!(text, "softirq {}", served.iter().sum::<u64>())?;
    for count in served {
        write!(text, " {count}")?;
    }
    text.push(b"\n")
}
