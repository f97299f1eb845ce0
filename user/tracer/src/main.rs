//! A debugger in small: it traces children of its own in every way that `strace` and `gdb` do.
//!
//! It prints one line for each thing that works, and panics at the first that does not.

mod calls;

use calls::{Event, Registers, fork, go_on, peek_user, poke_user, stop_me, wait};
use libc::{
    PTRACE_ATTACH, PTRACE_CONT, PTRACE_DETACH, PTRACE_O_TRACEEXIT, PTRACE_O_TRACEFORK,
    PTRACE_O_TRACESYSGOOD, PTRACE_SINGLESTEP, PTRACE_SYSCALL, SIGSTOP, SIGTRAP, SIGUSR1,
};
use std::hint::black_box;
use std::io::{Write, pipe};
use std::mem::offset_of;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

/// What a child writes to and its tracer watches.
static WATCHED: AtomicU64 = AtomicU64::new(0);

fn main() {
    system_calls();
    breakpoint();
    steps();
    watched_address();
    memory();
    clones_and_ends();
    attach();
    interrupted_call();
    signals_as_a_file();
}

/// A function that a child calls and its tracer stops at.
#[inline(never)]
extern "C" fn landmark(value: u64) -> u64 {
    black_box(value) + 1
}

/// Each call stops twice, and its result can be made another.
fn system_calls() {
    let child = fork(|| {
        stop_me();
        // SAFETY: the calls have no effect on memory.
        let changed = unsafe { libc::syscall(libc::SYS_getppid) };
        i32::from(changed != 4711)
    });
    assert_eq!(wait(child), Event::Stopped(SIGSTOP));
    calls::set_options(child, PTRACE_O_TRACESYSGOOD);
    let mut calls = Vec::new();
    loop {
        go_on(PTRACE_SYSCALL, child, 0);
        match wait(child) {
            Event::Stopped(signal) if signal == SIGTRAP | 0x80 => {}
            Event::Exited(status) => break assert_eq!(status, 0),
            other => panic!("{other:?}"),
        }
        let mut registers = Registers::of(child);
        match calls::syscall_stop(child) {
            1 => calls.push(registers.0.orig_rax as i64),
            2 if calls.last() == Some(&libc::SYS_getppid) => {
                registers.0.rax = 4711;
                registers.set(child);
            }
            _ => {}
        }
    }
    assert!(calls.contains(&libc::SYS_getppid), "{calls:?}");
    assert_eq!(calls.last(), Some(&libc::SYS_exit_group));
    println!("system calls are stopped at and changed");
}

/// Code is overwritten, and put back.
fn breakpoint() {
    let child = fork(|| {
        stop_me();
        i32::from(landmark(41) != 42)
    });
    assert_eq!(wait(child), Event::Stopped(SIGSTOP));
    let address = landmark as *const () as usize;
    let code = calls::peek(child, address);
    calls::poke(child, address, code & !0xff | 0xcc);
    go_on(PTRACE_CONT, child, 0);
    assert_eq!(wait(child), Event::Stopped(SIGTRAP));
    let mut registers = Registers::of(child);
    assert_eq!(registers.0.rip as usize, address + 1);
    assert_eq!(registers.0.rdi, 41, "the argument");
    registers.0.rip = address as u64;
    registers.set(child);
    calls::poke(child, address, code);
    go_on(PTRACE_CONT, child, 0);
    assert_eq!(wait(child), Event::Exited(0));
    println!("a breakpoint is hit");
}

/// One instruction at a time, over a system call as well.
fn steps() {
    let child = fork(|| {
        stop_me();
        i32::from(landmark(1) != 2)
    });
    assert_eq!(wait(child), Event::Stopped(SIGSTOP));
    let mut seen = false;
    for _ in 0..10_000 {
        go_on(PTRACE_SINGLESTEP, child, 0);
        assert_eq!(wait(child), Event::Stopped(SIGTRAP));
        let registers = Registers::of(child);
        assert_eq!(registers.0.eflags & 0x100, 0, "the flag is the debugger's affair");
        seen = registers.0.rip as usize == landmark as *const () as usize;
        if seen {
            break;
        }
    }
    assert!(seen, "the steps do not lead to the function");
    go_on(PTRACE_CONT, child, 0);
    assert_eq!(wait(child), Event::Exited(0));
    println!("single steps");
}

/// A write to a watched address stops the writer, and nobody else.
fn watched_address() {
    const WRITES_OF_EIGHT: u64 = 1 | 0b1001 << 16;
    let debug = offset_of!(libc::user, u_debugreg);
    let child = fork(|| {
        stop_me();
        WATCHED.store(5, Relaxed);
        0
    });
    assert_eq!(wait(child), Event::Stopped(SIGSTOP));
    poke_user(child, debug, WATCHED.as_ptr() as u64);
    poke_user(child, debug + 7 * 8, WRITES_OF_EIGHT);
    assert_eq!(peek_user(child, debug + 7 * 8), WRITES_OF_EIGHT);
    go_on(PTRACE_CONT, child, 0);
    WATCHED.store(6, Relaxed);
    assert_eq!(wait(child), Event::Stopped(SIGTRAP));
    assert_eq!(peek_user(child, debug + 6 * 8) & 0xf, 1);
    assert_eq!(calls::peek(child, WATCHED.as_ptr() as usize), 5);
    go_on(PTRACE_CONT, child, 0);
    assert_eq!(wait(child), Event::Exited(0));
    println!("a watched address");
}

/// Another program's memory without a stop, and by the file.
fn memory() {
    let child = fork(|| {
        WATCHED.store(0x0123_4567_89ab_cdef, Relaxed);
        stop_me();
        i32::from(WATCHED.load(Relaxed) != 7)
    });
    assert_eq!(wait(child), Event::Stopped(SIGSTOP));
    let address = WATCHED.as_ptr() as usize;
    assert_eq!(calls::read_remote(child, address), 0x0123_4567_89ab_cdef);
    calls::write_memory_file(child, address, 7);
    let status = std::fs::read_to_string(format!("/proc/{child}/status")).expect("its status");
    assert!(status.contains(&format!("TracerPid:\t{}\n", std::process::id())), "{status}");
    assert!(status.contains("State:\tt (tracing stop)"), "{status}");
    go_on(PTRACE_CONT, child, 0);
    assert_eq!(wait(child), Event::Exited(0));
    println!("memory by process_vm_readv and /proc/PID/mem");
}

/// The child of a tracee is traced from its first step; the end is told before it comes.
fn clones_and_ends() {
    let child = fork(|| {
        stop_me();
        let grandchild = fork(|| 3);
        i32::from(calls::wait_untraced(grandchild) != 3)
    });
    assert_eq!(wait(child), Event::Stopped(SIGSTOP));
    calls::set_options(child, PTRACE_O_TRACEFORK | PTRACE_O_TRACEEXIT);
    go_on(PTRACE_CONT, child, 0);
    assert_eq!(wait(child), Event::Told(libc::PTRACE_EVENT_FORK));
    let grandchild = calls::message(child) as i32;
    assert_eq!(wait(grandchild), Event::Stopped(SIGSTOP));
    go_on(PTRACE_CONT, child, 0);
    go_on(PTRACE_CONT, grandchild, 0);
    assert_eq!(wait(grandchild), Event::Told(libc::PTRACE_EVENT_EXIT));
    assert_eq!(calls::message(grandchild), 3 << 8);
    go_on(PTRACE_CONT, grandchild, 0);
    assert_eq!(wait(grandchild), Event::Exited(3));
    // Its parent hears of it after its tracer, by a signal that stops it.
    loop {
        match wait(child) {
            Event::Stopped(signal) => go_on(PTRACE_CONT, child, signal),
            Event::Told(_) => go_on(PTRACE_CONT, child, 0),
            end => break assert_eq!(end, Event::Exited(0)),
        }
    }
    println!("forks and ends");
}

/// A program that nobody has asked is attached to, and let go with a signal.
fn attach() {
    let child = fork(|| {
        loop {
            // SAFETY: nothing but waiting.
            unsafe { libc::pause() };
        }
    });
    go_on(PTRACE_ATTACH, child, 0);
    assert_eq!(wait(child), Event::Stopped(SIGSTOP));
    go_on(PTRACE_DETACH, child, SIGUSR1);
    assert_eq!(wait(child), Event::Killed(SIGUSR1));
    println!("attached, and detached with a signal");
}

/// A program that waits for something is attached to: the rest of its call is a call that its tracer sees.
fn interrupted_call() {
    let (reader, mut writer) = pipe().expect("a pipe");
    let child = fork(|| i32::from(calls::wait_for_input(reader.as_raw_fd()) != 1));
    while !calls::sleeps(child) {
        thread::sleep(Duration::from_millis(1));
    }
    go_on(PTRACE_ATTACH, child, 0);
    assert_eq!(wait(child), Event::Stopped(SIGSTOP));
    calls::set_options(child, PTRACE_O_TRACESYSGOOD);
    for expected in [-i64::from(libc::ENOSYS), 1] {
        go_on(PTRACE_SYSCALL, child, 0);
        assert_eq!(wait(child), Event::Stopped(SIGTRAP | 0x80));
        let registers = Registers::of(child);
        assert_eq!(registers.0.orig_rax as i64, libc::SYS_restart_syscall);
        assert_eq!(registers.0.rax as i64, expected);
        writer.write_all(b"x").expect("there is room");
    }
    go_on(PTRACE_CONT, child, 0);
    assert_eq!(wait(child), Event::Exited(0));
    println!("a call that goes on");
}

/// Signals are read from a descriptor, in the order of their numbers.
fn signals_as_a_file() {
    let file = calls::signal_file(&[SIGUSR1, libc::SIGCHLD]);
    let child = fork(|| 9);
    // SAFETY: a signal that is blocked.
    unsafe { libc::raise(SIGUSR1) };
    assert_eq!(calls::read_signal(file).ssi_signo, SIGUSR1 as u32);
    let ended = calls::read_signal(file);
    assert_eq!((ended.ssi_signo, ended.ssi_pid), (libc::SIGCHLD as u32, child as u32));
    assert_eq!((ended.ssi_code, ended.ssi_status), (libc::CLD_EXITED, 9));
    assert_eq!(wait(child), Event::Exited(9));
    println!("signals as a file");
}
