//! The system calls of a debugger.

use libc::{c_int, c_uint, c_void, pid_t};
use std::mem::{MaybeUninit, size_of};
use std::os::unix::fs::FileExt;

/// What happened to a tracee.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// It has stopped with a signal.
    Stopped(c_int),
    /// It has stopped for an event.
    Told(c_int),
    /// It has ended.
    Exited(c_int),
    /// A signal has ended it.
    Killed(c_int),
}

/// Makes a child that runs `body` and exits with what that returns.
pub(crate) fn fork(body: impl FnOnce() -> i32) -> pid_t {
    // SAFETY: the only thread of this process, and the child's, goes on as it is.
    match unsafe { libc::fork() } {
        -1 => panic!("no child"),
        // SAFETY: ends the process without what its parent has yet to write.
        0 => unsafe { libc::_exit(body()) },
        pid => pid,
    }
}

/// The running process wants to be traced by its parent, and stops.
pub(crate) fn stop_me() {
    // SAFETY: numbers only.
    unsafe {
        assert_eq!(libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0), 0);
        libc::raise(libc::SIGSTOP);
    }
}

fn status_of(pid: pid_t) -> c_int {
    let mut status = 0;
    // SAFETY: the status is written only.
    let waited = unsafe { libc::waitpid(pid, &raw mut status, libc::__WALL) };
    assert_eq!(waited, pid, "nothing to wait for");
    status
}

/// Waits for a tracee's next event.
pub(crate) fn wait(pid: pid_t) -> Event {
    let status = status_of(pid);
    if libc::WIFEXITED(status) {
        Event::Exited(libc::WEXITSTATUS(status))
    } else if libc::WIFSIGNALED(status) {
        Event::Killed(libc::WTERMSIG(status))
    } else if status >> 16 != 0 {
        Event::Told(status >> 16)
    } else {
        Event::Stopped(libc::WSTOPSIG(status))
    }
}

/// The exit status of a child that nobody traces for us.
pub(crate) fn wait_untraced(pid: pid_t) -> c_int {
    let mut status = 0;
    loop {
        // SAFETY: the status is written only.
        if unsafe { libc::waitpid(pid, &raw mut status, 0) } == pid {
            return libc::WEXITSTATUS(status);
        }
    }
}

/// Waits for something to read, for an hour at most, by a call that is begun anew with what is left of that.
pub(crate) fn wait_for_input(file: c_int) -> c_int {
    const HOUR: c_int = 3_600_000;
    let mut entry = libc::pollfd { fd: file, events: libc::POLLIN, revents: 0 };
    // SAFETY: one entry, which is there.
    unsafe { libc::poll(&raw mut entry, 1, HOUR) }
}

/// Whether a process sleeps in the kernel.
pub(crate) fn sleeps(pid: pid_t) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("its status");
    status.contains("State:\tS")
}

fn request(request: c_uint, pid: pid_t, address: usize, data: usize) -> i64 {
    // SAFETY: each caller hands over what the request wants.
    let result = unsafe { libc::ptrace(request, pid, address, data) };
    assert!(result >= 0, "request {request:#x}: {}", std::io::Error::last_os_error());
    result
}

/// Lets a tracee go on in some way, with a signal or without (0).
pub(crate) fn go_on(how: c_uint, pid: pid_t, signal: c_int) {
    request(how, pid, 0, signal as usize);
}

/// What the tracer wants.
pub(crate) fn set_options(pid: pid_t, options: c_int) {
    request(libc::PTRACE_SETOPTIONS, pid, 0, options as usize);
}

/// The message of an event.
pub(crate) fn message(pid: pid_t) -> u64 {
    let mut message = 0u64;
    request(libc::PTRACE_GETEVENTMSG, pid, 0, &raw mut message as usize);
    message
}

/// Which stop of a system call it is: 1 before, 2 after.
pub(crate) fn syscall_stop(pid: pid_t) -> u8 {
    const PTRACE_GET_SYSCALL_INFO: c_uint = 0x420e;
    let mut bytes = [0u8; 88];
    request(PTRACE_GET_SYSCALL_INFO, pid, bytes.len(), bytes.as_mut_ptr() as usize);
    bytes[0]
}

/// The general registers.
pub(crate) struct Registers(pub libc::user_regs_struct);

impl Registers {
    /// A stopped tracee's.
    pub(crate) fn of(pid: pid_t) -> Self {
        let mut registers = MaybeUninit::<libc::user_regs_struct>::zeroed();
        request(libc::PTRACE_GETREGS, pid, 0, registers.as_mut_ptr() as usize);
        // SAFETY: numbers, all of them written.
        Self(unsafe { registers.assume_init() })
    }

    /// Makes them a stopped tracee's.
    pub(crate) fn set(&self, pid: pid_t) {
        request(libc::PTRACE_SETREGS, pid, 0, &raw const self.0 as usize);
    }
}

/// A word by the kernel's own call: the library's returns it, and -1 may be one.
fn peek_with(kind: c_uint, pid: pid_t, address: usize) -> u64 {
    let mut word = 0u64;
    // SAFETY: the word is written only.
    let result =
        unsafe { libc::syscall(libc::SYS_ptrace, i64::from(kind), pid, address, &raw mut word) };
    assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
    word
}

/// A word of memory.
pub(crate) fn peek(pid: pid_t, address: usize) -> u64 {
    peek_with(libc::PTRACE_PEEKDATA, pid, address)
}

/// Changes a word of memory.
pub(crate) fn poke(pid: pid_t, address: usize, word: u64) {
    request(libc::PTRACE_POKEDATA, pid, address, word as usize);
}

/// A word of the user area.
pub(crate) fn peek_user(pid: pid_t, offset: usize) -> u64 {
    peek_with(libc::PTRACE_PEEKUSER, pid, offset)
}

/// Changes a word of the user area.
pub(crate) fn poke_user(pid: pid_t, offset: usize, word: u64) {
    request(libc::PTRACE_POKEUSER, pid, offset, word as usize);
}

/// A word of another program's memory, by `process_vm_readv`.
pub(crate) fn read_remote(pid: pid_t, address: usize) -> u64 {
    let mut word = 0u64;
    let local = libc::iovec { iov_base: (&raw mut word).cast(), iov_len: 8 };
    let remote = libc::iovec { iov_base: address as *mut c_void, iov_len: 8 };
    // SAFETY: the word is written only.
    let read = unsafe { libc::process_vm_readv(pid, &raw const local, 1, &raw const remote, 1, 0) };
    assert_eq!(read, 8, "{}", std::io::Error::last_os_error());
    word
}

/// Writes a word by `/proc/PID/mem`.
pub(crate) fn write_memory_file(pid: pid_t, address: usize, word: u64) {
    let file = std::fs::OpenOptions::new().write(true).open(format!("/proc/{pid}/mem"));
    file.and_then(|file| file.write_all_at(&word.to_ne_bytes(), address as u64))
        .expect("memory can be written to");
}

/// Blocks signals and opens a file that gives them.
pub(crate) fn signal_file(signals: &[c_int]) -> c_int {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: the set is made before it is used.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        for &signal in signals {
            libc::sigaddset(set.as_mut_ptr(), signal);
        }
        libc::sigprocmask(libc::SIG_BLOCK, set.as_ptr(), std::ptr::null_mut());
        let file = libc::signalfd(-1, set.as_ptr(), 0);
        assert!(file >= 0, "{}", std::io::Error::last_os_error());
        file
    }
}

/// Waits for a signal.
pub(crate) fn read_signal(file: c_int) -> libc::signalfd_siginfo {
    let mut info = MaybeUninit::<libc::signalfd_siginfo>::zeroed();
    let size = size_of::<libc::signalfd_siginfo>();
    // SAFETY: as many bytes as there are; numbers may be anything.
    unsafe {
        assert_eq!(libc::read(file, info.as_mut_ptr().cast(), size), size as isize);
        info.assume_init()
    }
}
