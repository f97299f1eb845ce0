//! `status`: the summary for people.

use core::fmt::{self, Write};

use errno::Result;
use fs::Credentials;
use kernfs::Text;
use process::{Pid, Process, Resource, Thread};
use sched::{CpuMask, TaskRef};

use super::subject::Subject;
use super::{name_of, state_of};

/// `status`
pub(super) fn status(subject: &Subject, task: &TaskRef, text: &mut Text) -> Result<()> {
    let thread = Thread::of(task);
    text.push(b"Name:\t")?;
    text.push_escaped(&name_of(task), b"\n")?;
    text.push(b"\n")?;
    who(subject, task, text)?;
    sizes(thread, text)?;
    signals(task, text)?;
    capabilities(&thread.credentials(), text)?;
    cpus(task, text)?;
    Ok(())
}

/// Identity: numbers, family, users, groups.
fn who(subject: &Subject, task: &TaskRef, text: &mut Text) -> Result<()> {
    let thread = Thread::of(task);
    let process = thread.process();
    let namespace = subject.namespace();
    let (letter, word) = state_of(task);
    if let Some(context) = thread.fs() {
        writeln!(text, "Umask:\t{:04o}", context.umask())?;
    }
    let parent = process::parent_of(process);
    let group = process.pid().number_in(namespace);
    writeln!(text, "State:\t{letter} ({word})\nTgid:\t{group}\nNgid:\t0")?;
    let parent = parent.map_or(0, |parent| parent.pid().number_in(namespace));
    let tracer = process::ptrace::tracer_of(task);
    let tracer = tracer.map_or(0, |tracer| tracer.pid().number_in(namespace));
    writeln!(text, "Pid:\t{}\nPPid:\t{parent}\nTracerPid:\t{tracer}", subject.number())?;

    let credentials = thread.credentials();
    let Credentials { uid, euid, suid, fsuid, gid, egid, sgid, fsgid, .. } = &*credentials;
    writeln!(text, "Uid:\t{uid}\t{euid}\t{suid}\t{fsuid}\nGid:\t{gid}\t{egid}\t{sgid}\t{fsgid}")?;
    writeln!(text, "FDSize:\t{}", thread.files().map_or(0, |files| files.capacity()))?;
    text.push(b"Groups:\t")?;
    for group in credentials.groups.iter() {
        write!(text, "{group} ")?;
    }
    // Linux has a space at the end in any case.
    text.push(if credentials.groups.is_empty() { b" \n" } else { b"\n" })?;

    let mut numbers = |name: &str, pid: Option<&Pid>| -> fmt::Result {
        text.write_str(name)?;
        match pid {
            Some(pid) => {
                pid.numbers_from(namespace).try_for_each(|number| write!(text, "\t{number}"))?
            }
            None => text.write_str("\t0")?,
        }
        text.write_str("\n")
    };
    numbers("NStgid:", Some(process.pid()))?;
    numbers("NSpid:", Some(&thread.pid()))?;
    numbers("NSpgid:", process::group_of(process).as_deref())?;
    let session = process::session_of(process);
    numbers("NSsid:", session.as_ref().map(|session| &**session.id()))?;
    Ok(())
}

/// User memory in KiB; nothing for a kernel thread.
fn sizes(thread: &Thread, text: &mut Text) -> Result<()> {
    let Some(mm) = thread.mm() else { return Ok(()) };
    let all = mm.statistics();
    let rows = [
        ("VmPeak:", all.peak_size),
        ("VmSize:", all.size),
        ("VmLck:", all.locked),
        ("VmPin:", 0),
        ("VmHWM:", all.peak_resident),
        ("VmRSS:", all.resident),
        ("RssAnon:", all.anonymous),
        ("RssFile:", all.file),
        ("RssShmem:", all.shared_memory),
        ("VmData:", all.data),
        ("VmStk:", all.stack),
        ("VmExe:", all.code),
        ("VmLib:", all.libraries),
        ("VmSwap:", 0),
    ];
    for (name, pages) in rows {
        writeln!(text, "{name}\t{:>8} kB", pages * memory::PAGE_SIZE / 1024)?;
    }
    writeln!(text, "CoreDumping:\t0\nTHP_enabled:\t{}", u8::from(!mm.refuses_large_pages()))?;
    Ok(())
}

fn signals(task: &TaskRef, text: &mut Text) -> Result<()> {
    let process: &Process = Thread::of(task).process();
    let signals = process::signal_status(task);
    let limit = process.limit(Resource::SignalsPending).soft;
    writeln!(text, "Threads:\t{}\nSigQ:\t{}/{limit}", process.thread_count(), signals.queued)?;
    for (name, set) in [
        ("SigPnd", signals.pending),
        ("ShdPnd", signals.shared_pending),
        ("SigBlk", signals.blocked),
        ("SigIgn", signals.ignored),
        ("SigCgt", signals.caught),
    ] {
        writeln!(text, "{name}:\t{:016x}", set.bits())?;
    }
    Ok(())
}

fn capabilities(credentials: &Credentials, text: &mut Text) -> Result<()> {
    for (name, set) in [
        ("CapInh", credentials.inheritable),
        ("CapPrm", credentials.permitted),
        ("CapEff", credentials.effective),
        ("CapBnd", credentials.bounding),
        ("CapAmb", credentials.ambient),
    ] {
        writeln!(text, "{name}:\t{:016x}", set.bits())?;
    }
    // There are no system-call filters.
    writeln!(
        text,
        "NoNewPrivs:\t{}\nSeccomp:\t0\nSeccomp_filters:\t0",
        u8::from(credentials.no_new_privileges)
    )?;
    Ok(())
}

/// Where it may run, where its memory may come from, and how often it was switched.
fn cpus(task: &TaskRef, text: &mut Text) -> Result<()> {
    let allowed = task.allowed();
    let shown = allowed.and(CpuMask::present());
    let digits = Hex { bits: shown.bits(), count: machine::cpu::count() };
    writeln!(text, "Cpus_allowed:\t{digits}\nCpus_allowed_list:\t{shown}")?;
    let nodes = machine::memory::nodes();
    let last = nodes - 1;
    let list = Nodes { last };
    let digits = Hex { bits: (1 << nodes) - 1, count: machine::MAX_CPUS };
    writeln!(text, "Mems_allowed:\t{digits}\nMems_allowed_list:\t{list}")?;
    let times = task.times();
    writeln!(text, "voluntary_ctxt_switches:\t{}", times.voluntary)?;
    writeln!(text, "nonvoluntary_ctxt_switches:\t{}", times.involuntary)?;
    Ok(())
}

/// A bit mask as Linux prints one: with the hexadecimal digits that so many bits take. Of CPUs these are the machine's,
/// of nodes all that the kernel was made for.
struct Hex {
    bits: u64,
    count: usize,
}

impl fmt::Display for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:0width$x}", self.bits, width = self.count.div_ceil(4))
    }
}

/// All nodes as a list.
struct Nodes {
    last: usize,
}

impl fmt::Display for Nodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.last == 0 { f.write_str("0") } else { write!(f, "0-{}", self.last) }
    }
}
