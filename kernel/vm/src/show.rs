//! `/proc/PID/maps`, `smaps` and `numa_maps` as text.

use core::fmt::{self, Write};

use contract::PAGE_SIZE;

use crate::flags::VmFlags;
use crate::layout::Layout;
use crate::mm::Mm;
use crate::usage::Usage;
use crate::vma::Vma;

/// The column at which names start.
const NAME_COLUMN: usize = 73;

impl Mm {
    /// Writes `/proc/PID/maps`. May sleep.
    ///
    /// # Errors
    /// Those of the writer, or no memory.
    pub fn write_maps(&self, out: &mut dyn Write) -> fmt::Result {
        let layout = self.layout();
        self.mappings().map_err(|_| fmt::Error)?.iter().try_for_each(|vma| head(vma, &layout, out))
    }

    /// Writes `/proc/PID/smaps`. May sleep.
    ///
    /// # Errors
    /// As for [`write_maps`](Self::write_maps).
    pub fn write_smaps(&self, out: &mut dyn Write) -> fmt::Result {
        let layout = self.layout();
        for vma in &self.mappings().map_err(|_| fmt::Error)? {
            head(vma, &layout, out)?;
            details(vma, &self.usage(vma), out)?;
            writeln!(out, "THPeligible:    {}", u8::from(self.may_have_large(vma)))?;
            flags(vma, out)?;
        }
        Ok(())
    }

    /// Writes `/proc/PID/numa_maps`. May sleep.
    ///
    /// # Errors
    /// As for [`write_maps`](Self::write_maps).
    pub fn write_numa_maps(&self, out: &mut dyn Write) -> fmt::Result {
        let layout = self.layout();
        for vma in &self.mappings().map_err(|_| fmt::Error)? {
            write!(out, "{:08x} default", vma.range.start)?;
            match (vma.backing(), vma.label(&layout)) {
                (Some(backing), _) => {
                    out.write_str(" file=")?;
                    backing.path(out)?;
                }
                (None, Some("[heap]")) => out.write_str(" heap")?,
                (None, Some("[stack]")) => out.write_str(" stack")?,
                _ => {}
            }
            let usage = self.usage(vma);
            if usage.anonymous > 0 {
                write!(out, " anon={}", usage.anonymous)?;
            }
            if usage.resident > usage.anonymous {
                write!(out, " mapped={}", usage.resident)?;
            }
            for (node, pages) in usage.per_node.iter().enumerate().filter(|&(_, &pages)| pages > 0)
            {
                write!(out, " N{node}={pages}")?;
            }
            writeln!(out, " kernelpagesize_kB={}", PAGE_SIZE / 1024)?;
        }
        Ok(())
    }
}

/// The line of a mapping in `maps`, which also heads its part of `smaps`.
fn head(vma: &Vma, layout: &Layout, out: &mut dyn Write) -> fmt::Result {
    let mut line = Counting { out, written: 0 };
    let (major, minor) = vma.backing().map_or((0, 0), |backing| backing.device());
    let inode = vma.backing().map_or(0, |backing| backing.inode());
    let letter = |flag, letter| if vma.flags.contains(flag) { letter } else { '-' };
    write!(
        line,
        "{:08x}-{:08x} {}{}{}{} {:08x} {major:02x}:{minor:02x} {inode} ",
        vma.range.start,
        vma.range.end,
        letter(VmFlags::READ, 'r'),
        letter(VmFlags::WRITE, 'w'),
        letter(VmFlags::EXEC, 'x'),
        if vma.is_shared() { 's' } else { 'p' },
        vma.offset(),
    )?;
    let label = vma.label(layout);
    if vma.backing().is_some() || label.is_some() {
        let padding = NAME_COLUMN.saturating_sub(line.written);
        write!(line, "{:padding$}", "")?;
    }
    match (vma.backing(), label) {
        (Some(backing), _) => backing.path(&mut line)?,
        (None, Some(label)) => line.write_str(label)?,
        (None, None) => {}
    }
    line.write_char('\n')
}

fn details(vma: &Vma, usage: &Usage, out: &mut dyn Write) -> fmt::Result {
    let kib = PAGE_SIZE / 1024;
    let locked = if vma.flags.contains(VmFlags::LOCKED) { usage.resident } else { 0 };
    // Which pages of files were stored into is not looked up: the program's own count as dirty, the
    // others as clean.
    let own_shared = usage.shared.min(usage.anonymous);
    let rows = [
        ("Size", vma.pages() * kib),
        ("KernelPageSize", kib),
        ("MMUPageSize", kib),
        ("Rss", usage.resident * kib),
        ("Pss", usage.proportional * kib / PAGE_SIZE),
        ("Shared_Clean", (usage.shared - own_shared) * kib),
        ("Shared_Dirty", own_shared * kib),
        (
            "Private_Clean",
            (usage.resident - usage.shared).saturating_sub(usage.anonymous - own_shared) * kib,
        ),
        ("Private_Dirty", (usage.anonymous - own_shared) * kib),
        ("Referenced", usage.resident * kib),
        ("Anonymous", usage.anonymous * kib),
        ("AnonHugePages", usage.large * kib),
        ("Swap", 0),
        ("Locked", locked * kib),
    ];
    for (name, value) in rows {
        let name = Colon(name);
        writeln!(out, "{name:<16}{value:>8} kB")?;
    }
    Ok(())
}

fn flags(vma: &Vma, out: &mut dyn Write) -> fmt::Result {
    out.write_str("VmFlags:")?;
    for (flag, letters) in [
        (VmFlags::READ, "rd"),
        (VmFlags::WRITE, "wr"),
        (VmFlags::EXEC, "ex"),
        (VmFlags::SHARED, "sh"),
        (VmFlags::MAY_WRITE, "mw"),
        (VmFlags::MAY_EXEC, "me"),
        (VmFlags::GROWS_DOWN, "gd"),
        (VmFlags::LOCKED, "lo"),
        (VmFlags::DONT_COPY, "dc"),
        (VmFlags::NO_RESERVE, "nr"),
        (VmFlags::WIPE_ON_FORK, "wf"),
        (VmFlags::DONT_DUMP, "dd"),
        (VmFlags::HUGE_PAGE, "hg"),
        (VmFlags::NO_HUGE_PAGE, "nh"),
    ] {
        if vma.flags.contains(flag) {
            write!(out, " {letters}")?;
        }
    }
    out.write_char('\n')
}

/// A name with a colon, padded as one.
struct Colon(&'static str);

impl fmt::Display for Colon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = f.width().unwrap_or(0).saturating_sub(self.0.len() + 1);
        write!(f, "{}:{:width$}", self.0, "")
    }
}

/// Counts what is written on.
struct Counting<'a> {
    out: &'a mut dyn Write,
    written: usize,
}

impl Write for Counting<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.written += text.len();
        self.out.write_str(text)
    }
}
