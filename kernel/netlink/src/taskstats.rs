//! `TASKSTATS`: what a task or a process has used (`struct taskstats`).

use alloc::vec::Vec;

use errno::{Errno, Result};
use fs::Capabilities;
use process::{Thread, Usage};
use sched::{Task, TaskFlags};

use crate::generic::Command;
use crate::message;

/// `TASKSTATS_CMD_GET`.
pub(crate) const GET: u8 = 1;
/// `TASKSTATS_CMD_NEW`: the answer.
const NEW: u8 = 2;
/// The family's version.
pub(crate) const FAMILY_VERSION: u8 = 1;
/// The version of the structure (Linux 6.1).
const VERSION: u16 = 13;
/// Its bytes.
const SIZE: usize = 416;

/// Of a question (`TASKSTATS_CMD_ATTR_*`).
const ASK_PID: u16 = 1;
const ASK_TGID: u16 = 2;
/// Of an answer (`TASKSTATS_TYPE_*`).
const PID: u16 = 1;
const TGID: u16 = 2;
const STATISTICS: u16 = 3;
const OF_PID: u16 = 4;
const OF_TGID: u16 = 5;

/// `AFORK` and `AXSIG` of `ac_flag`.
const FORKED_ONLY: u8 = 0x01;
const KILLED: u8 = 0x10;

/// Where the fields are that this kernel knows.
mod place {
    pub(super) const EXIT_CODE: usize = 4;
    pub(super) const FLAG: usize = 8;
    pub(super) const NICE: usize = 9;
    pub(super) const RUN_REAL: usize = 64;
    pub(super) const RUN_VIRTUAL: usize = 72;
    pub(super) const COMM: usize = 80;
    pub(super) const POLICY: usize = 112;
    pub(super) const UID: usize = 120;
    pub(super) const GID: usize = 124;
    pub(super) const PID: usize = 128;
    pub(super) const PPID: usize = 132;
    pub(super) const BEGAN_SHORT: usize = 136;
    pub(super) const ELAPSED: usize = 144;
    pub(super) const USER: usize = 152;
    pub(super) const SYSTEM: usize = 160;
    pub(super) const PEAK_RESIDENT: usize = 200;
    pub(super) const PEAK_SIZE: usize = 208;
    pub(super) const VOLUNTARY: usize = 272;
    pub(super) const INVOLUNTARY: usize = 280;
    pub(super) const USER_SCALED: usize = 288;
    pub(super) const SYSTEM_SCALED: usize = 296;
    pub(super) const BEGAN: usize = 344;
    pub(super) const TGID: usize = 368;
    pub(super) const PROCESS_ELAPSED: usize = 376;
}

/// The structure; what is not put in is 0.
struct Statistics([u8; SIZE]);

impl Statistics {
    fn new() -> Self {
        let mut new = Self([0; SIZE]);
        new.0[..2].copy_from_slice(&VERSION.to_ne_bytes());
        new
    }

    fn put32(&mut self, place: usize, value: u32) {
        self.0[place..place + 4].copy_from_slice(&value.to_ne_bytes());
    }

    fn put64(&mut self, place: usize, value: u64) {
        self.0[place..place + 8].copy_from_slice(&value.to_ne_bytes());
    }

    /// Times are in microseconds.
    fn put_time(&mut self, place: usize, nanoseconds: u64) {
        self.put64(place, nanoseconds / time::MICROSECOND);
    }

    fn put_usage(&mut self, usage: &Usage) {
        self.put_time(place::USER, usage.user);
        self.put_time(place::SYSTEM, usage.system);
        self.put64(place::VOLUNTARY, usage.voluntary);
        self.put64(place::INVOLUNTARY, usage.involuntary);
    }

    fn of_task(task: &Task) -> Self {
        let thread = Thread::of(task);
        let process = thread.process();
        let (usage, attributes, who) =
            (Usage::of_task(task), task.attributes(), thread.credentials());
        let now = time::monotonic();
        let mut it = Self::new();
        if thread.is_leader() {
            it.put32(place::EXIT_CODE, thread.exit_code());
        }
        let flags = [(TaskFlags::FORKNOEXEC, FORKED_ONLY), (TaskFlags::SIGNALED, KILLED)];
        let has = |(flag, bit): (TaskFlags, u8)| if task.flags().contains(flag) { bit } else { 0 };
        it.0[place::FLAG] = flags.map(has).into_iter().sum();
        it.0[place::NICE] = attributes.nice as u8;
        it.0[place::POLICY] = attributes.policy.number() as u8;
        let comm = task.comm();
        it.0[place::COMM..][..comm.as_bytes().len()].copy_from_slice(comm.as_bytes());
        it.put32(place::UID, who.uid);
        it.put32(place::GID, who.gid);
        let namespace = process::current_pid_namespace();
        it.put32(place::PID, thread.pid().number_in(&namespace));
        it.put32(place::TGID, process.pid().number_in(&namespace));
        let parent = process::parent_of(process);
        it.put32(place::PPID, parent.map_or(0, |parent| parent.pid().number_in(&namespace)));
        let began = time::realtime().saturating_sub(now.saturating_sub(thread.start_time()));
        it.put64(place::BEGAN, began / time::SECOND);
        it.put32(place::BEGAN_SHORT, u32::try_from(began / time::SECOND).unwrap_or(u32::MAX));
        it.put_time(place::ELAPSED, now.saturating_sub(thread.start_time()));
        it.put_time(place::PROCESS_ELAPSED, now.saturating_sub(process.start_time()));
        it.put_usage(&usage);
        it.put_time(place::USER_SCALED, usage.user);
        it.put_time(place::SYSTEM_SCALED, usage.system);
        it.put64(place::RUN_REAL, usage.total());
        it.put64(place::RUN_VIRTUAL, usage.total());
        if let Some(mm) = thread.mm() {
            let memory = mm.statistics();
            let kilobytes = |pages: usize| (pages * memory::PAGE_SIZE / 1024) as u64;
            it.put64(place::PEAK_RESIDENT, kilobytes(memory.peak_resident));
            it.put64(place::PEAK_SIZE, kilobytes(memory.peak_size));
        }
        it
    }

    /// Of a process there are its threads' times, ended ones' too, and how long there has been one.
    fn of_process(task: &Task) -> Self {
        let process = Thread::of(task).process();
        let mut it = Self::new();
        it.put_usage(&process.usage());
        it.put_time(place::ELAPSED, time::monotonic().saturating_sub(process.start_time()));
        it
    }
}

/// Whether the command is one, and its sender may give it.
///
/// # Errors
/// EOPNOTSUPP, EPERM.
pub(crate) fn check(command: &Command<'_>) -> Result<()> {
    if command.number != GET {
        return Err(Errno::EOPNOTSUPP);
    }
    command.credentials.require(Capabilities::NET_ADMIN)
}

/// Tells what a task or a process has used.
///
/// # Errors
/// As [`check`]. EINVAL: it says of neither, or wants to hear of ends. ESRCH: there is none. ENOMEM.
pub(crate) fn answer(command: &Command<'_>) -> Result<Vec<u8>> {
    check(command)?;
    let asked = |kind| message::attribute(command.attributes, kind);
    let (number, whole, own, of) = if let Some(number) = asked(ASK_PID) {
        (number, OF_PID, PID, Statistics::of_task as fn(&Task) -> Statistics)
    } else if let Some(number) = asked(ASK_TGID) {
        (number, OF_TGID, TGID, Statistics::of_process as fn(&Task) -> Statistics)
    } else {
        return Err(Errno::EINVAL);
    };
    let number = message::number(number, 0).ok_or(Errno::EINVAL)?;
    let statistics = of(&*process::find_task(number).ok_or(Errno::ESRCH)?);
    let mut builder = command.answer(NEW, FAMILY_VERSION)?;
    builder.nest(whole, |builder| {
        builder.attribute(own, &number.to_ne_bytes());
        builder.attribute(STATISTICS, &statistics.0);
    });
    Ok(builder.finish())
}
