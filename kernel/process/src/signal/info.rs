//! What a signal carries: `siginfo_t`.

use super::number::Signal;

/// The size of `siginfo_t`.
pub const INFO_SIZE: usize = 128;

/// Sent by `kill`.
pub const SI_USER: i32 = 0;
/// Sent by the kernel.
pub const SI_KERNEL: i32 = 0x80;
/// Sent by `sigqueue`.
pub const SI_QUEUE: i32 = -1;
/// A POSIX timer has expired.
pub const SI_TIMER: i32 = -2;
/// A message has come to an empty POSIX message queue.
pub const SI_MESGQ: i32 = -3;
/// Sent by `tkill` or `tgkill`.
pub const SI_TKILL: i32 = -6;
/// SIGSEGV: nothing is mapped at the address.
pub const SEGV_MAPERR: i32 = 1;
/// SIGSEGV: what is mapped does not allow the access.
pub const SEGV_ACCERR: i32 = 2;
/// SIGBUS: a wrong alignment.
pub const BUS_ADRALN: i32 = 1;
/// SIGBUS: an address that does not exist, such as one beyond the end of a mapped file.
pub const BUS_ADRERR: i32 = 2;
/// SIGILL: not an instruction.
pub const ILL_ILLOPN: i32 = 2;
/// SIGFPE: integer division by zero.
pub const FPE_INTDIV: i32 = 1;
/// SIGFPE: a floating-point operation with no better name.
pub const FPE_FLTUNK: i32 = 14;
/// SIGTRAP: a breakpoint.
pub const TRAP_BRKPT: i32 = 1;
/// SIGTRAP: a single step.
pub const TRAP_TRACE: i32 = 2;
/// `si_code`: a watched address was accessed.
pub const TRAP_HWBKPT: i32 = 4;

/// SIGCHLD: the child has exited.
pub const CLD_EXITED: i32 = 1;
/// SIGCHLD: a signal has ended the child.
pub const CLD_KILLED: i32 = 2;
/// SIGCHLD: a signal that writes a core file has ended the child.
pub const CLD_DUMPED: i32 = 3;
/// SIGCHLD: a traced child has stopped.
pub const CLD_TRAPPED: i32 = 4;
/// SIGCHLD: the child has stopped.
pub const CLD_STOPPED: i32 = 5;
/// SIGCHLD: the stopped child goes on.
pub const CLD_CONTINUED: i32 = 6;

/// `si_code` and `si_status` of a child that ended with an exit code.
pub(crate) const fn end_of(code: u32) -> (i32, i32) {
    match code & 0x7f {
        0 => (CLD_EXITED, (code >> 8 & 0xff) as i32),
        signal if code & 0x80 != 0 => (CLD_DUMPED, signal as i32),
        signal => (CLD_KILLED, signal as i32),
    }
}

/// The part of `siginfo_t` that depends on who sent it. Process numbers are as the receiver sees
/// them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Details {
    /// Nothing: from the kernel.
    None,
    /// Who sent it.
    Sender {
        /// The sender's process number.
        pid: u32,
        /// The sender's real user.
        uid: u32,
    },
    /// Who sent it, and a value.
    Value {
        /// The sender's process number.
        pid: u32,
        /// The sender's real user.
        uid: u32,
        /// `sigval`.
        value: u64,
    },
    /// A timer.
    Timer {
        /// The timer's number.
        id: u32,
        /// How many expirations were not told of one by one.
        overrun: i32,
        /// `sigval`.
        value: u64,
    },
    /// A child.
    Child {
        /// The child's process number.
        pid: u32,
        /// The child's real user.
        uid: u32,
        /// Its exit status, or the signal that stopped, continued or ended it.
        status: i32,
        /// User time in clock ticks.
        utime: u64,
        /// System time in clock ticks.
        stime: u64,
    },
    /// A fault.
    Fault {
        /// The address.
        address: usize,
    },
    /// A file descriptor.
    Poll {
        /// The events.
        band: u64,
        /// The descriptor.
        fd: i32,
    },
    /// What a process gave to `rt_sigqueueinfo`, passed on as it is.
    Raw {
        /// Bytes 16 and up.
        bytes: [u8; RAW_SIZE],
    },
}

const RAW_SIZE: usize = 32;

/// A signal and what it carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SigInfo {
    /// The signal.
    pub signal: Signal,
    /// `si_errno`.
    pub errno: i32,
    /// `si_code`: one of the constants of this module.
    pub code: i32,
    /// The rest.
    pub details: Details,
}

impl SigInfo {
    /// From the kernel, with nothing to say.
    pub const fn kernel(signal: Signal) -> Self {
        Self { signal, errno: 0, code: SI_KERNEL, details: Details::None }
    }

    /// A fault at an address, with its code.
    pub const fn fault(signal: Signal, code: i32, address: usize) -> Self {
        Self { signal, errno: 0, code, details: Details::Fault { address } }
    }

    /// What stands for a signal whose sending could not be queued.
    pub const fn lost(signal: Signal) -> Self {
        Self { signal, errno: 0, code: SI_USER, details: Details::Sender { pid: 0, uid: 0 } }
    }

    /// Whether a process sent it, and not the kernel.
    pub const fn is_from_user(&self) -> bool {
        self.code <= 0
    }

    /// As user space sees it.
    pub fn to_bytes(&self) -> [u8; INFO_SIZE] {
        let mut out = [0; INFO_SIZE];
        put(&mut out, 0, &(self.signal.number() as i32).to_ne_bytes());
        put(&mut out, 4, &self.errno.to_ne_bytes());
        put(&mut out, 8, &self.code.to_ne_bytes());
        match self.details {
            Details::None => {}
            Details::Sender { pid, uid } => {
                put(&mut out, 16, &pid.to_ne_bytes());
                put(&mut out, 20, &uid.to_ne_bytes());
            }
            Details::Value { pid, uid, value } => {
                put(&mut out, 16, &pid.to_ne_bytes());
                put(&mut out, 20, &uid.to_ne_bytes());
                put(&mut out, 24, &value.to_ne_bytes());
            }
            Details::Timer { id, overrun, value } => {
                put(&mut out, 16, &id.to_ne_bytes());
                put(&mut out, 20, &overrun.to_ne_bytes());
                put(&mut out, 24, &value.to_ne_bytes());
            }
            Details::Child { pid, uid, status, utime, stime } => {
                put(&mut out, 16, &pid.to_ne_bytes());
                put(&mut out, 20, &uid.to_ne_bytes());
                put(&mut out, 24, &status.to_ne_bytes());
                put(&mut out, 32, &utime.to_ne_bytes());
                put(&mut out, 40, &stime.to_ne_bytes());
            }
            Details::Fault { address } => put(&mut out, 16, &(address as u64).to_ne_bytes()),
            Details::Poll { band, fd } => {
                put(&mut out, 16, &band.to_ne_bytes());
                put(&mut out, 24, &fd.to_ne_bytes());
            }
            Details::Raw { bytes } => put(&mut out, 16, &bytes),
        }
        out
    }

    /// What a process gave to `rt_sigqueueinfo` for `signal`.
    pub fn from_bytes(signal: Signal, bytes: &[u8; INFO_SIZE]) -> Self {
        let word = |at: usize| {
            let mut word = [0; 4];
            word.copy_from_slice(&bytes[at..at + 4]);
            i32::from_ne_bytes(word)
        };
        let mut raw = [0; RAW_SIZE];
        raw.copy_from_slice(&bytes[16..16 + RAW_SIZE]);
        Self { signal, errno: word(4), code: word(8), details: Details::Raw { bytes: raw } }
    }
}

fn put(out: &mut [u8; INFO_SIZE], at: usize, bytes: &[u8]) {
    out[at..at + bytes.len()].copy_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn children_are_where_user_space_looks() {
        let info = SigInfo {
            signal: Signal::SIGCHLD,
            errno: 0,
            code: CLD_EXITED,
            details: Details::Child { pid: 7, uid: 8, status: 9, utime: 10, stime: 11 },
        };
        let bytes = info.to_bytes();
        assert_eq!(bytes[0], 17);
        assert_eq!(bytes[8], 1);
        assert_eq!([bytes[16], bytes[20], bytes[24], bytes[32], bytes[40]], [7, 8, 9, 10, 11]);
    }

    #[test]
    fn a_users_own_info_comes_through() {
        let mut bytes = [0; INFO_SIZE];
        bytes[8..12].copy_from_slice(&SI_QUEUE.to_ne_bytes());
        bytes[16..24].copy_from_slice(&[1, 2, 3, 4, 5, 6, 7, 8]);
        let info = SigInfo::from_bytes(Signal::SIGUSR1, &bytes);
        assert!(info.is_from_user());
        let mut expected = bytes;
        expected[0] = 10;
        assert_eq!(info.to_bytes(), expected);
    }
}
