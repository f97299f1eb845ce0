//! A kernel that is just enough for processes: PID 1 runs the test, PID 2 waits for ever.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use contract::{Frame, NodeId, Upcalls};
use errno::Errno;
use machine::sim::{self, Config, Outcome};
use machine::user::UserContext;
use process::signal::{self, Delivery};
use process::{CloneArgs, CloneFlags, KernelThread, WaitFor, WaitOptions, Waited, kernel_clone};
use sched::{Sleep, TaskFlags, WaitQueue};

/// Runs a test as PID 1 of a fresh kernel, over some seeds. Afterwards every task, number and
/// process must be gone.
pub fn over_seeds(seeds: u64, cpus: usize, test: fn()) {
    for seed in 0..seeds {
        let config = Config { cpus, seed, ..Config::default() };
        if let Outcome::Failed(failure) = sim::run(&config, || boot(test)) {
            panic!("seed {seed}: {}\n{}\n{}", failure.message, failure.report, failure.trace_tail);
        }
    }
}

/// As [`over_seeds`], with one CPU and one seed: for what does not depend on the order of events.
pub fn once(test: fn()) {
    over_seeds(1, 1, test);
}

static UPCALLS: Upcalls = Upcalls {
    timer: time::interrupt,
    reschedule: sched::reschedule_interrupt,
    call_function: || (),
    console_input: || (),
    interrupt_exit: sched::interrupt_exit,
    user_fault: |_, _| false,
    allocate_frame: |node: Option<NodeId>| memory::allocate_frame(node),
    free_frame: |frame: Frame| memory::free_frame(frame),
    oops: sim::fail_oops,
    nmi: |_, _| (),
};

fn boot(test: fn()) {
    machine::boot::install(&UPCALLS);
    memory::init();
    sched::start_on_boot_cpu();
    for cpu in 1..machine::cpu::count() {
        let idle = sched::new_idle(cpu, || {
            sched::start_on_this_cpu();
            sched::idle_loop()
        });
        machine::cpu::start(cpu, idle.unwrap().context()).unwrap();
        sched::set_online(cpu, true);
        sched::set_active(cpu, true);
    }
    process::init();
    sim::set_task_number(|| sched::current().pid().into());
    sim::set_reporter(|out| {
        process::for_each_task(|task| {
            let _ = writeln!(out, "  {task:?} state {:#x}", task.state());
        });
    });
    machine::irq::enable();
    let first = process::kernel_thread(KernelThread {
        name: b"init",
        node: None,
        flags: CloneFlags::FS,
        function: move || {
            // As after `execve`: signals are for it.
            sched::current().remove_flags(TaskFlags::KTHREAD);
            process::setsid().unwrap();
            test();
            assert_nothing_is_left();
            sim::pass()
        },
    });
    assert_eq!(first.unwrap().pid(), 1);
    let second = process::kernel_thread(KernelThread {
        name: b"kthreadd",
        node: None,
        flags: CloneFlags::FS | CloneFlags::FILES,
        function: || {
            process::ignore_signals(&sched::current());
            let _ = WaitQueue::new().wait_map::<()>(Sleep::Idle, None, || None);
            0
        },
    });
    assert_eq!(second.unwrap().pid(), 2);
    sched::idle_loop()
}

/// Only PID 1 and PID 2 are there, and soon no other task's memory.
fn assert_nothing_is_left() {
    assert_eq!(process::live_pids(), 2, "numbers in use");
    assert_eq!(process::task_count(), 2, "tasks");
    let contexts = 2 + machine::cpu::count();
    let started = time::monotonic();
    while sim::live().contexts > contexts {
        assert!(time::monotonic() - started < time::SECOND, "{} contexts", sim::live().contexts);
        sched::sleep_for(time::MILLISECOND);
    }
}

/// What a user task does about its signals on the way to user mode: none has a handler here unless
/// a test counts it. Returns the exit code if the task is to end.
pub fn take_signals(handled: &AtomicU32) -> Option<u32> {
    take_signals_of(&mut registers(), handled)
}

/// The registers of a program that nobody looks at.
pub fn registers() -> UserContext {
    UserContext::new(0, 0).unwrap()
}

/// As [`take_signals`], with the program's registers.
pub fn take_signals_of(context: &mut UserContext, handled: &AtomicU32) -> Option<u32> {
    loop {
        match signal::next_delivery(context) {
            Delivery::None => {
                signal::restore_saved_mask();
                return None;
            }
            Delivery::Handler { action, info, saved_mask } => {
                signal::handler_entered(info.signal, &action);
                handled.fetch_or(1 << info.signal.number(), Ordering::SeqCst);
                signal::set_mask(saved_mask);
            }
            Delivery::Terminate { code } => return Some(code),
        }
    }
}

/// What a user program does that waits for signals, until one ends it or `over` says so.
pub fn linger(handled: &AtomicU32, over: impl Fn() -> bool) -> u32 {
    loop {
        if let Some(code) = take_signals(handled) {
            return code;
        }
        if over() {
            return 0;
        }
        let _ = sched::sleep_interruptible(time::monotonic() + time::MILLISECOND);
    }
}

/// Lingers for ever.
pub fn linger_until_killed() -> u32 {
    linger(&AtomicU32::new(0), || false)
}

/// Makes a child process that runs `body`.
pub fn fork(body: impl FnOnce() -> u32 + Send + 'static) -> u32 {
    clone_with(CloneFlags::empty(), body)
}

/// Makes a child with flags.
pub fn clone_with(flags: CloneFlags, body: impl FnOnce() -> u32 + Send + 'static) -> u32 {
    let args = CloneArgs { flags, ..CloneArgs::FORK };
    let body = Arc::new(Mutex::new(Some(body)));
    loop {
        let body = body.clone();
        let start = move || {
            let body = body.lock().unwrap().take();
            body.map_or(0, |body| body())
        };
        match kernel_clone(&args, start, |_| Ok(()), &mut registers()) {
            Ok(number) => return number,
            // A signal comes first, as on the way back to user mode; then the call is made again.
            Err(Errno::ERESTARTNOINTR) => {
                if let Some(code) = take_signals(&AtomicU32::new(0)) {
                    process::do_exit(code);
                }
            }
            Err(error) => panic!("no child: {error}"),
        }
    }
}

/// The flags of a thread.
pub const THREAD: CloneFlags = CloneFlags::VM.union(CloneFlags::SIGHAND).union(CloneFlags::THREAD);

/// Waits for any child's end.
pub fn wait_for_end() -> Waited {
    wait_for(WaitOptions::EXITED)
}

/// Waits for an event of any child.
pub fn wait_for(options: WaitOptions) -> Waited {
    process::wait_for_child(&WaitFor::Any, options).unwrap().unwrap()
}

/// A flag that tasks raise for each other.
#[derive(Clone, Default)]
pub struct Flag(Arc<(AtomicU32, WaitQueue)>);

impl Flag {
    pub fn raise(&self) {
        self.0.0.fetch_add(1, Ordering::SeqCst);
        self.0.1.wake_all();
    }

    pub fn is_up(&self) -> bool {
        self.count() != 0
    }

    pub fn count(&self) -> u32 {
        self.0.0.load(Ordering::SeqCst)
    }

    pub fn wait(&self) {
        self.wait_for(1);
    }

    pub fn wait_for(&self, count: u32) {
        self.0.1.wait(|| self.count() >= count);
    }
}
