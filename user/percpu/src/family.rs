//! Who is registered, of those that a registered thread makes.

use core::ffi::CStr;
use core::sync::atomic::{AtomicI32, AtomicU32, Ordering::Relaxed};

use runtime::process::{self, Fork, Strings};
use runtime::thread::{Stack, Thread};
use runtime::{Errno, Result};

use crate::sequence::Area;
use crate::{Outcome, barrier};

const EBUSY: Result<()> = Err(Errno(16));

/// In a program that a registered one has executed: 0 if nothing is left of that.
pub(crate) fn after_exec() -> i32 {
    let area = Area::new();
    i32::from(area.register().is_err() || !barrier::is_unregistered())
}

pub(crate) fn registrations() -> Outcome {
    let area = Area::new();
    area.register().map_err(|_| "cannot register")?;
    let child = in_child(|| i32::from(area.register() != EBUSY));
    if child != Some(0) {
        return Err("a child is not registered");
    }
    static ANSWER: AtomicI32 = AtomicI32::new(-1);
    extern "C" fn register(_: usize) {
        let area = Area::new();
        ANSWER.store(i32::from(area.register().and(area.unregister()).is_err()), Relaxed);
    }
    let (mut stack, number) = (Stack::new().map_err(|_| "no stack")?, AtomicU32::new(0));
    drop(Thread::start(&mut stack, &number, register, 0).map_err(|_| "no thread")?);
    if ANSWER.load(Relaxed) != 0 {
        return Err("a thread is registered from the start");
    }
    if barrier::register().is_err() || in_child(|| i32::from(barrier::is_unregistered())) != Some(0)
    {
        return Err("a child has not registered for barriers");
    }
    if in_child(execute) != Some(0) {
        return Err("a program is registered from the start");
    }
    area.unregister().map_err(|_| "cannot unregister")
}

fn in_child(body: impl FnOnce() -> i32) -> Option<u8> {
    match process::fork().ok()? {
        Fork::Child => process::exit(body()),
        Fork::Parent(child) => {
            let (_, status) = process::wait(Some(child)).ok()?;
            (status.signal() == 0).then(|| status.code())
        }
    }
}

fn execute() -> i32 {
    const PROGRAM: &CStr = c"/proc/self/exe";
    let mut arguments = Strings::<4>::new();
    let fits = arguments.push(PROGRAM) && arguments.push(c"after-exec");
    if fits {
        process::execute(PROGRAM, &arguments, &Strings::<2>::new());
    }
    127
}
