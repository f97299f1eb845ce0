//! Restartable sequences: `rseq`, and what a registered thread is owed before it goes to user mode.
//!
//! See `docs/rseq.md` for the whole.

use errno::{Errno, Result};
use machine::UserRegisters;
use machine::user::{USER_END, UserContext};
use process::Thread;
use process::signal::{self, Action, SigInfo, Signal};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use crate::user::UserPtr;

/// `RSEQ_FLAG_UNREGISTER`
const UNREGISTER: u32 = 1 << 0;
/// What `cpu_id` says of a thread that is not registered.
const UNINITIALIZED: u32 = u32::MAX;

/// `struct rseq`, on a multiple of its size.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct Area {
    cpu_id_start: u32,
    cpu_id: u32,
    /// The descriptor of the sequence that the thread is in, or has been in; or null.
    sequence: usize,
    flags: u32,
    padding: [u32; 3],
}

const AREA_SIZE: usize = size_of::<Area>();
const SEQUENCE_OFFSET: usize = core::mem::offset_of!(Area, sequence);
const FLAGS_OFFSET: usize = core::mem::offset_of!(Area, flags);

/// `struct rseq_cs`
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct Sequence {
    version: u32,
    flags: u32,
    start: usize,
    length: usize,
    abort: usize,
}

/// `rseq`.
pub(crate) fn rseq(area: usize, length: u32, flags: u32, signature: u32) -> Result<usize> {
    let me = sched::current_ref();
    let own = Thread::of(&me).rseq();
    let right_length = length as usize == AREA_SIZE;
    let registered = own.registration();
    if flags & UNREGISTER != 0 {
        let same = registered.filter(|&(its, _)| its == area && right_length);
        let Some((_, its)) = same.filter(|_| flags == UNREGISTER) else {
            return Err(Errno::EINVAL);
        };
        if its != signature {
            return Err(Errno::EPERM);
        }
        write_cpu(area, 0, UNINITIALIZED)?;
        own.unregister(&me);
        return Ok(0);
    }
    if flags != 0 {
        return Err(Errno::EINVAL);
    }
    if let Some((its, its_signature)) = registered {
        return Err(match () {
            () if its != area || !right_length => Errno::EINVAL,
            () if its_signature != signature => Errno::EPERM,
            () => Errno::EBUSY,
        });
    }
    if !area.is_multiple_of(AREA_SIZE) || !right_length {
        return Err(Errno::EINVAL);
    }
    if area == 0 || area > USER_END - AREA_SIZE {
        return Err(Errno::EFAULT);
    }
    own.register(&me, area, signature);
    Ok(0)
}

/// Brings the area of the running thread, which is registered, up to date, and starts its sequence over if it is in one. If that cannot
/// be, the thread is told by SIGSEGV. May sleep.
#[cold]
pub(crate) fn bring_up_to_date(context: &mut UserContext) {
    let me = sched::current_ref();
    let own = Thread::of(&me).rseq();
    let Some((area, signature)) = own.registration() else { return };
    // Before the accesses: what they do to the task is seen in the next round.
    own.refresh(&me);
    let cpu = me.cpu() as u32;
    let done = leave_sequence(context, area, signature).and_then(|()| write_cpu(area, cpu, cpu));
    if done.is_err() {
        refuse();
    }
}

/// Before a signal's handler is entered: the frame is to say that the sequence starts over.
#[inline]
pub(crate) fn before_handler(thread: &Thread, context: &mut UserContext) {
    if let Some((area, signature)) = thread.rseq().registration()
        && leave_sequence(context, area, signature).is_err()
    {
        refuse();
    }
}

/// The thread cannot go on, nor could a handler: it would be entered by the same way.
fn refuse() {
    // SIGSEGV's action may always be chosen.
    let _ = signal::set_action(Signal::SIGSEGV, Some(Action::DEFAULT));
    signal::force_signal(SigInfo::kernel(Signal::SIGSEGV));
}

fn write_cpu(area: usize, start: u32, cpu: u32) -> Result<()> {
    UserPtr::new(area).write(&[start, cpu])
}

/// If the thread is in its sequence it goes on at the end that is for that.
fn leave_sequence(context: &mut UserContext, area: usize, signature: u32) -> Result<()> {
    let place = UserPtr::<usize>::new(area + SEQUENCE_OFFSET);
    let descriptor = place.read()?;
    if descriptor == 0 {
        return Ok(());
    }
    let sequence = read_sequence(descriptor, signature)?;
    let instruction = context.instruction_pointer();
    if instruction.wrapping_sub(sequence.start) < sequence.length {
        let flags: u32 = UserPtr::new(area + FLAGS_OFFSET).read()?;
        if flags | sequence.flags != 0 {
            return Err(Errno::EINVAL);
        }
        place.write(&0)?;
        let mut registers = context.registers();
        registers.0[UserRegisters::INSTRUCTION_POINTER] = sequence.abort as u64;
        context.set_registers(&registers);
        return Ok(());
    }
    place.write(&0)
}

fn read_sequence(descriptor: usize, signature: u32) -> Result<Sequence> {
    if descriptor >= USER_END {
        return Err(Errno::EINVAL);
    }
    let sequence: Sequence = UserPtr::new(descriptor).read()?;
    let Sequence { version, start, length, abort, .. } = sequence;
    let end = start.checked_add(length).ok_or(Errno::EINVAL)?;
    let is_user = start < USER_END && end < USER_END && abort < USER_END;
    if version != 0 || !is_user || abort.wrapping_sub(start) < length {
        return Err(Errno::EINVAL);
    }
    let before: u32 = UserPtr::new(abort.wrapping_sub(size_of::<u32>())).read()?;
    if before != signature { Err(Errno::EINVAL) } else { Ok(sequence) }
}
