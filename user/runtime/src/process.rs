//! Processes: making them, becoming another program, waiting, ending; and ending the machine.

use crate::error::{Result, check};
use crate::sys::{self, number};
use core::ffi::{CStr, c_char};

/// Which process [`fork`] returned in.
pub enum Fork {
    /// The new one.
    Child,
    /// The one that called; with the child's PID.
    Parent(i32),
}

/// Copies the process. These programs have one thread, so the child finds everything in order.
pub fn fork() -> Result<Fork> {
    // SAFETY: the child gets a copy of all memory; nothing is shared but open files.
    match check(unsafe { sys::call(number::FORK, [0; 6]) })? {
        0 => Ok(Fork::Child),
        pid => Ok(Fork::Parent(pid as i32)),
    }
}

/// Strings as `execve` wants them: pointers, and a null pointer at the end.
pub struct Strings<'a, const N: usize> {
    pointers: [*const c_char; N],
    length: usize,
    strings: core::marker::PhantomData<&'a CStr>,
}

impl<'a, const N: usize> Strings<'a, N> {
    /// No strings; room for `N - 1`.
    pub fn new() -> Self {
        Self { pointers: [core::ptr::null(); N], length: 0, strings: core::marker::PhantomData }
    }

    /// Adds a string, and says whether there was room.
    #[must_use]
    pub fn push(&mut self, string: &'a CStr) -> bool {
        let fits = self.length < N - 1;
        if fits {
            self.pointers[self.length] = string.as_ptr();
            self.length += 1;
        }
        fits
    }
}

impl<const N: usize> Default for Strings<'_, N> {
    fn default() -> Self {
        Self::new()
    }
}

/// Becomes another program; returns only on failure, with the error.
pub fn execute<const N: usize, const M: usize>(
    path: &CStr,
    arguments: &Strings<N>,
    environment: &Strings<M>,
) -> crate::Errno {
    let [path, arguments, environment] = [
        path.as_ptr() as usize,
        arguments.pointers.as_ptr() as usize,
        environment.pointers.as_ptr() as usize,
    ];
    // SAFETY: the kernel only reads the strings; on success this program is gone.
    let returned = unsafe { sys::call(number::EXECVE, [path, arguments, environment, 0, 0, 0]) };
    crate::Errno(-returned as i32)
}

/// How a process ended, as `wait4` tells it.
#[derive(Clone, Copy)]
pub struct Status(u32);

impl Status {
    /// The exit status, or 128 and the number of the signal that killed it, as shells count.
    pub fn code(self) -> u8 {
        match self.signal() {
            0 => (self.0 >> 8) as u8,
            signal => 128 + signal,
        }
    }

    /// The signal that killed the process, 0 if none did.
    pub fn signal(self) -> u8 {
        (self.0 & 0x7f) as u8
    }
}

/// Waits until any child (or the one given) has ended; returns its PID and how it ended.
pub fn wait(pid: Option<i32>) -> Result<(i32, Status)> {
    wait4(pid, 0)
}

/// Takes a child that has ended, if there is one.
pub fn try_wait() -> Result<Option<(i32, Status)>> {
    const WNOHANG: usize = 1;
    let (pid, status) = wait4(None, WNOHANG)?;
    Ok((pid != 0).then_some((pid, status)))
}

fn wait4(pid: Option<i32>, options: usize) -> Result<(i32, Status)> {
    let mut status = 0u32;
    let pid = pid.unwrap_or(-1) as usize;
    let address = &raw mut status as usize;
    // SAFETY: the kernel writes `status` only.
    let ended = check(unsafe { sys::call(number::WAIT4, [pid, address, options, 0, 0, 0]) })?;
    Ok((ended as i32, Status(status)))
}

/// Sends a signal.
pub fn kill(pid: i32, signal: i32) -> Result<()> {
    // SAFETY: signals change no memory of this process.
    check(unsafe { sys::call(number::KILL, [pid as usize, signal as usize, 0, 0, 0, 0]) }).map(drop)
}

/// This process's PID.
pub fn id() -> i32 {
    // SAFETY: no effect on memory.
    unsafe { sys::call(number::GETPID, [0; 6]) as i32 }
}

/// The parent's PID.
pub fn parent() -> i32 {
    // SAFETY: no effect on memory.
    unsafe { sys::call(number::GETPPID, [0; 6]) as i32 }
}

/// Starts a session, with this process as its leader and no controlling terminal.
pub fn new_session() -> Result<()> {
    // SAFETY: no effect on memory.
    check(unsafe { sys::call(number::SETSID, [0; 6]) }).map(drop)
}

/// Seconds since some time in the past.
pub fn seconds() -> u64 {
    const CLOCK_MONOTONIC: usize = 1;
    let mut time = [0u64; 2];
    // SAFETY: the kernel writes `time` only.
    unsafe {
        sys::call(number::CLOCK_GETTIME, [CLOCK_MONOTONIC, &raw mut time as usize, 0, 0, 0, 0]);
    }
    time[0]
}

/// Sleeps for so many milliseconds.
pub fn sleep(milliseconds: u64) {
    let time = [milliseconds / 1000, milliseconds % 1000 * 1_000_000];
    // SAFETY: the kernel only reads `time`.
    unsafe {
        sys::call(number::NANOSLEEP, [&raw const time as usize, 0, 0, 0, 0, 0]);
    }
}

/// Ends the process.
pub fn exit(status: i32) -> ! {
    loop {
        // SAFETY: nothing runs after it.
        unsafe {
            sys::call(number::EXIT_GROUP, [status as usize, 0, 0, 0, 0, 0]);
        }
    }
}

/// Powers the machine off; returns only on failure.
pub fn power_off() -> Result<()> {
    reboot(0x4321_fedc, None)
}

/// Ends the machine with a word for the kernel about how; returns only on failure.
pub fn restart_with(word: &CStr) -> Result<()> {
    reboot(0xa1b2_c3d4, Some(word))
}

fn reboot(command: usize, word: Option<&CStr>) -> Result<()> {
    const MAGIC: [usize; 2] = [0xfee1_dead, 672_274_793];
    let word = word.map_or(0, |word| word.as_ptr() as usize);
    // SAFETY: the kernel only reads the word.
    check(unsafe { sys::call(number::REBOOT, [MAGIC[0], MAGIC[1], command, word, 0, 0]) }).map(drop)
}

/// Writes bytes to an I/O port, which needs a kernel that lets root do so.
pub fn write_port(port: u16, bytes: &[u8]) -> Result<()> {
    // SAFETY: the call changes what this process may do, not its memory.
    check(unsafe { sys::call(number::IOPL, [3, 0, 0, 0, 0, 0]) })?;
    for &byte in bytes {
        // SAFETY: `iopl` has made the instruction legal, and it changes no memory.
        unsafe {
            core::arch::asm!("out dx, al", in("dx") port, in("al") byte, options(nomem, nostack));
        }
    }
    Ok(())
}
