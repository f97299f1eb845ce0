//! The system call itself, and the numbers of those that are used by name.

use core::arch::asm;

/// System-call numbers of x86-64.
#[allow(missing_docs)]
pub mod number {
    pub const READ: usize = 0;
    pub const WRITE: usize = 1;
    pub const OPEN: usize = 2;
    pub const CLOSE: usize = 3;
    pub const STAT: usize = 4;
    pub const MMAP: usize = 9;
    pub const MPROTECT: usize = 10;
    pub const MUNMAP: usize = 11;
    pub const RT_SIGACTION: usize = 13;
    pub const RT_SIGRETURN: usize = 15;
    pub const IOCTL: usize = 16;
    pub const PIPE: usize = 22;
    pub const MADVISE: usize = 28;
    pub const DUP2: usize = 33;
    pub const NANOSLEEP: usize = 35;
    pub const GETPID: usize = 39;
    pub const CLONE: usize = 56;
    pub const FORK: usize = 57;
    pub const EXECVE: usize = 59;
    pub const EXIT: usize = 60;
    pub const WAIT4: usize = 61;
    pub const KILL: usize = 62;
    pub const CHDIR: usize = 80;
    pub const MKDIR: usize = 83;
    pub const UNLINK: usize = 87;
    pub const SYMLINK: usize = 88;
    pub const SETPGID: usize = 109;
    pub const GETPPID: usize = 110;
    pub const SETSID: usize = 112;
    pub const IOPL: usize = 172;
    pub const MOUNT: usize = 165;
    pub const REBOOT: usize = 169;
    pub const SETPRIORITY: usize = 141;
    pub const SCHED_GETPARAM: usize = 143;
    pub const SCHED_SETSCHEDULER: usize = 144;
    pub const SCHED_GETSCHEDULER: usize = 145;
    pub const FUTEX: usize = 202;
    pub const GETDENTS64: usize = 217;
    pub const GETTIMEOFDAY: usize = 96;
    pub const TIME: usize = 201;
    pub const SCHED_SETAFFINITY: usize = 203;
    pub const CLOCK_SETTIME: usize = 227;
    pub const CLOCK_GETTIME: usize = 228;
    pub const CLOCK_GETRES: usize = 229;
    pub const GETCPU: usize = 309;
    pub const MEMBARRIER: usize = 324;
    pub const RSEQ: usize = 334;
    pub const EXIT_GROUP: usize = 231;
}

/// Makes any system call with six arguments and returns what the kernel put into `rax`.
///
/// # Safety
///
/// The caller answers for what the call does to the process: to its memory, its descriptors and its
/// threads.
pub unsafe fn call(number: usize, arguments: [usize; 6]) -> isize {
    let [a, b, c, d, e, f] = arguments;
    let returned: isize;
    // SAFETY: `syscall` itself changes rax, rcx and r11 only; the rest is the caller's promise.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number as isize => returned,
            in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d, in("r8") e, in("r9") f,
            lateout("rcx") _, lateout("r11") _,
            options(nostack),
        );
    }
    returned
}
