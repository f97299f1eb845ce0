//! Processes and threads come and go.

use core::sync::atomic::AtomicU32;

use runtime::process::{self, Fork, Strings};
use runtime::thread::{self, Stack, Thread};
use runtime::{Errno, Result};

use crate::{Workload, average};

pub(crate) const WORKLOADS: &[Workload] = &[
    Workload { name: "fork_exit_wait", measure: fork_exit_wait },
    Workload { name: "vfork_exec_wait", measure: vfork_exec_wait },
    Workload { name: "fork_exec_busybox", measure: fork_exec_busybox },
    Workload { name: "thread_create_join", measure: thread_create_join },
];

fn fork_exit_wait() -> Result<u64> {
    average(200, || match process::fork()? {
        Fork::Child => process::exit(0),
        Fork::Parent(pid) => ended_well(pid),
    })
}

/// A small static program, this one, started as `posix_spawn` does it.
fn vfork_exec_wait() -> Result<u64> {
    extern "C" fn execute(_: usize) {
        let mut arguments = Strings::<3>::new();
        let fits = arguments.push(c"measure") & arguments.push(c"exit");
        if fits {
            process::execute(c"/bin/measure", &arguments, &Strings::<1>::new());
        }
        process::exit(127)
    }
    let mut stack = Stack::new()?;
    average(200, || ended_well(thread::vfork(&mut stack, execute, 0)?))
}

/// A larger one with a C library, as a shell starts it.
fn fork_exec_busybox() -> Result<u64> {
    average(100, || match process::fork()? {
        Fork::Child => {
            let mut arguments = Strings::<2>::new();
            if arguments.push(c"true") {
                process::execute(c"/bin/true", &arguments, &Strings::<1>::new());
            }
            process::exit(127)
        }
        Fork::Parent(pid) => ended_well(pid),
    })
}

fn thread_create_join() -> Result<u64> {
    extern "C" fn nothing(_: usize) {}
    let mut stack = Stack::new()?;
    average(200, || {
        let number = AtomicU32::new(0);
        Thread::start(&mut stack, &number, nothing, 0).map(drop)
    })
}

/// Waits for a child, which is to end with status 0.
pub(crate) fn ended_well(pid: i32) -> Result<()> {
    let (_, status) = process::wait(Some(pid))?;
    if status.code() == 0 { Ok(()) } else { Err(Errno::ECHILD) }
}
