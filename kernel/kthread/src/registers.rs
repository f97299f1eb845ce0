//! A CPU's registers in the log, in Linux's lines for x86-64.
//!
//! ```text
//!   RIP: 0010:crash::spin_unpreempted+0x2a/0x40
//!   Code: 48 89 e5 ... <f3> 90 eb fc ...
//!   RSP: 0018:ffffc90000047d98 EFLAGS: 00000202
//!   RAX: 0000000000000001 RBX: ffff888003a1c000 RCX: 0000000000000000
//!   ...
//!   FS:  00000000004e3c78(0000) GS:ffffffff8042a000(0000) knlGS:0000000000000000
//!   CS:  0010 DS: 0000 ES: 0000 CR0: 0000000080050033
//!   CR2: 00007ffc1c0b1ff8 CR3: 0000000003b0a000 CR4: 00000000003506f0
//! ```

use core::fmt::{self, Write};

use log::Level;
use machine::{CpuRegisters, UserRegisters};

use crate::backtrace;

/// How many bytes of code are shown before the instruction, and from it on.
const CODE_BEFORE: usize = 42;
/// See [`CODE_BEFORE`].
const CODE_FROM: usize = 22;

/// How much is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Detail {
    /// What an interrupt saves.
    General,
    /// That, and the registers of the processor itself.
    All,
}

/// The places of the general registers in the order in which they are shown, three a line.
const GENERAL: [(&str, usize); 15] = [
    ("RAX", 10),
    ("RBX", 5),
    ("RCX", 11),
    ("RDX", 12),
    ("RSI", 13),
    ("RDI", 14),
    ("RBP", 4),
    ("R08", 9),
    ("R09", 8),
    ("R10", 7),
    ("R11", 6),
    ("R12", 3),
    ("R13", 2),
    ("R14", 1),
    ("R15", 0),
];

/// Writes the lines. Any context.
pub(crate) fn print(level: Level, registers: &CpuRegisters, detail: Detail) {
    write(registers, detail, &mut |line| log::log!(level, "{line}"));
}

fn write(registers: &CpuRegisters, detail: Detail, line: &mut dyn FnMut(fmt::Arguments<'_>)) {
    let words = &registers.0;
    let word = |place: usize| words[place];
    let code_segment = word(UserRegisters::CODE_SEGMENT);
    line(format_args!("RIP: {code_segment:04x}:{}", Instruction(registers)));
    line(format_args!("Code: {}", Code(registers)));
    let (stack_segment, stack) =
        (word(UserRegisters::STACK_SEGMENT), word(UserRegisters::STACK_POINTER));
    let flags = word(UserRegisters::FLAGS);
    match word(UserRegisters::SYSTEM_CALL) {
        u64::MAX => {
            line(format_args!("RSP: {stack_segment:04x}:{stack:016x} EFLAGS: {flags:08x}"));
        }
        call => line(format_args!(
            "RSP: {stack_segment:04x}:{stack:016x} EFLAGS: {flags:08x} ORIG_RAX: {call:016x}"
        )),
    }
    for three in GENERAL.chunks_exact(3) {
        let [(a, i), (b, j), (c, k)] = [three[0], three[1], three[2]];
        line(format_args!("{a}: {:016x} {b}: {:016x} {c}: {:016x}", word(i), word(j), word(k)));
    }
    if detail == Detail::General {
        return;
    }
    let [ds, es, fs, gs] = [0, 1, 2, 3].map(|i| word(CpuRegisters::DATA_SEGMENT + i));
    let [cr0, cr2, cr3, cr4] = [0, 1, 2, 3].map(|i| word(CpuRegisters::CONTROL + i));
    line(format_args!(
        "FS:  {:016x}({fs:04x}) GS:{:016x}({gs:04x}) knlGS:{:016x}",
        word(UserRegisters::THREAD_POINTER),
        word(UserRegisters::GS_BASE),
        word(CpuRegisters::OTHER_GS_BASE)
    ));
    line(format_args!("CS:  {code_segment:04x} DS: {ds:04x} ES: {es:04x} CR0: {cr0:016x}"));
    line(format_args!("CR2: {cr2:016x} CR3: {cr3:016x} CR4: {cr4:016x}"));
}

/// Where it was: a function of the kernel, or an address.
pub(crate) struct Instruction<'a>(pub(crate) &'a CpuRegisters);

impl fmt::Display for Instruction<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = self.0.instruction();
        match backtrace::symbol_of(address).filter(|_| !self.0.in_user()) {
            Some(symbol) => write!(f, "{}+{:#x}/{:#x}", symbol.name, symbol.offset, symbol.size),
            None => write!(f, "{address:#x}"),
        }
    }
}

/// The bytes around the instruction, the first of which is in angles.
struct Code<'a>(&'a CpuRegisters);

impl fmt::Display for Code<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.0.instruction();
        let first = at.wrapping_sub(CODE_BEFORE);
        // A program's code belongs to its address space, which need not be there.
        if self.0.in_user() || machine::backtrace::code(at).is_none() {
            return write!(f, "Unable to access opcode bytes at {first:#x}.");
        }
        for place in 0..CODE_BEFORE + CODE_FROM {
            if place > 0 {
                f.write_char(' ')?;
            }
            match machine::backtrace::code(first.wrapping_add(place)) {
                Some(byte) if place == CODE_BEFORE => write!(f, "<{byte:02x}>")?,
                Some(byte) => write!(f, "{byte:02x}")?,
                None => f.write_str("??")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(registers: &CpuRegisters, detail: Detail) -> Vec<String> {
        let mut lines = Vec::new();
        write(registers, detail, &mut |line| lines.push(line.to_string()));
        lines
    }

    #[test]
    fn d2_registers_are_shown_as_on_linux() {
        let mut registers = CpuRegisters(core::array::from_fn(|place| place as u64));
        registers.0[UserRegisters::CODE_SEGMENT] = 0x33;
        registers.0[UserRegisters::SYSTEM_CALL] = u64::MAX;
        let expected = "\
            RIP: 0033:0x10\n\
            Code: Unable to access opcode bytes at 0xffffffffffffffe6.\n\
            RSP: 0014:0000000000000013 EFLAGS: 00000012\n\
            RAX: 000000000000000a RBX: 0000000000000005 RCX: 000000000000000b\n\
            RDX: 000000000000000c RSI: 000000000000000d RDI: 000000000000000e\n\
            RBP: 0000000000000004 R08: 0000000000000009 R09: 0000000000000008\n\
            R10: 0000000000000007 R11: 0000000000000006 R12: 0000000000000003\n\
            R13: 0000000000000002 R14: 0000000000000001 R15: 0000000000000000";
        assert_eq!(lines(&registers, Detail::General).join("\n"), expected);
        let rest = "\
            FS:  0000000000000015(0019) GS:0000000000000016(001a) knlGS:000000000000001b\n\
            CS:  0033 DS: 0017 ES: 0018 CR0: 000000000000001c\n\
            CR2: 000000000000001d CR3: 000000000000001e CR4: 000000000000001f";
        assert_eq!(lines(&registers, Detail::All)[8..].join("\n"), rest);
        registers.0[UserRegisters::SYSTEM_CALL] = 39;
        let stack = &lines(&registers, Detail::General)[2];
        assert!(stack.ends_with(" EFLAGS: 00000012 ORIG_RAX: 0000000000000027"), "{stack}");
    }
}
