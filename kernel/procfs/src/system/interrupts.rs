//! How often each CPU was interrupted, and why.

use core::fmt::Write;

use errno::Result;
use kernfs::Text;
use machine::irq::{Counts, counts};

/// A row: its label, which counter, and what it says behind the numbers.
type Row = (&'static str, fn(&Counts) -> u64, &'static str);

const ROWS: [Row; 6] = [
    ("4", |counts| counts.console, "IO-APIC   4-edge      ttyS0"),
    ("NMI", |counts| counts.nmi, "Non-maskable interrupts"),
    ("LOC", |counts| counts.timer, "Local timer interrupts"),
    ("RES", |counts| counts.reschedule, "Rescheduling interrupts"),
    ("CAL", |counts| counts.call_function, "Function call interrupts"),
    ("TLB", |counts| counts.tlb, "TLB shootdowns"),
];

/// `interrupts`
pub(super) fn interrupts(text: &mut Text) -> Result<()> {
    let online = sched::online();
    text.push(b"    ")?;
    for cpu in online.iter() {
        write!(text, "       CPU{cpu:<2}")?;
    }
    text.push(b"\n")?;
    for (label, counter, meaning) in ROWS {
        write!(text, "{label:>3}:")?;
        for cpu in online.iter() {
            write!(text, " {:>10}", counter(&counts(cpu)))?;
        }
        writeln!(text, "   {meaning}")?;
    }
    Ok(())
}
