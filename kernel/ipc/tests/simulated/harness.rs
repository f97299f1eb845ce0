//! A kernel that is just enough for processes that wait for each other: PID 1 runs the test, PID 2 waits for ever.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use contract::{Frame, NodeId, Upcalls};
use errno::Errno;
use machine::sim::{self, Config, Outcome};
use machine::user::UserContext;
use process::signal::{self, Delivery};
use process::{
    CloneArgs, CloneFlags, KernelThread, WaitFor, WaitOptions, kernel_clone, wait_for_child,
};
use sched::{Sleep, TaskFlags, WaitQueue};

/// Runs a test as PID 1 of a fresh kernel, over some seeds. Afterwards every task, number and object must be gone.
pub fn over_seeds(seeds: u64, cpus: usize, test: fn()) {
    for seed in 0..seeds {
        let config = Config { cpus, seed, ..Config::default() };
        if let Outcome::Failed(failure) = sim::run(&config, || boot(test)) {
            panic!("seed {seed}: {}\n{}\n{}", failure.message, failure.report, failure.trace_tail);
        }
    }
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

fn assert_nothing_is_left() {
    assert_eq!(process::live_pids(), 2, "numbers in use");
    assert_eq!(ipc::message::usage(), ipc::message::Usage::default(), "queues");
    assert_eq!(ipc::shared_memory::usage(), ipc::shared_memory::Usage::default(), "segments");
    let mine = process::Thread::of(&sched::current()).user();
    assert_eq!((ipc::posix::count(), mine.message_bytes()), (0, 0), "POSIX queues");
}

fn registers() -> UserContext {
    UserContext::new(0, 0).unwrap()
}

/// How many signals have been handled.
pub static HANDLED: AtomicU32 = AtomicU32::new(0);

/// What a program does about its signals when a call returns: it ends by SIGKILL, and handles others by doing nothing.
/// True: it is to end.
pub fn is_killed() -> bool {
    loop {
        match signal::next_delivery(&mut registers()) {
            Delivery::None => return false,
            Delivery::Handler { action, info, saved_mask } => {
                signal::handler_entered(info.signal, &action);
                signal::set_mask(saved_mask);
                HANDLED.fetch_add(1, Ordering::SeqCst);
            }
            Delivery::Terminate { .. } => return true,
        }
    }
}

/// Makes a child process that runs `body`.
pub fn fork(body: impl FnOnce() + Send + 'static) -> u32 {
    let body = Arc::new(Mutex::new(Some(body)));
    let start = move || {
        if let Some(body) = body.lock().unwrap().take() {
            body();
        }
        0
    };
    loop {
        let start = start.clone();
        match kernel_clone(&CloneArgs::FORK, start, |_| Ok(()), &mut registers()) {
            Ok(number) => return number,
            // A signal comes first, as on the way back to user mode; then the call is made again.
            Err(Errno::ERESTARTNOINTR) => assert!(!is_killed()),
            Err(error) => panic!("no child: {error}"),
        }
    }
}

/// Waits for so many children.
pub fn wait(children: usize) {
    for _ in 0..children {
        loop {
            match wait_for_child(&WaitFor::Any, WaitOptions::EXITED) {
                Ok(waited) => break drop(waited.unwrap()),
                Err(Errno::ERESTARTSYS) => assert!(!is_killed()),
                Err(error) => panic!("no child: {error}"),
            }
        }
    }
}

/// A random wait, or none.
pub fn dawdle() {
    match sim::random(3) {
        0 => {}
        1 => sched::yield_now(),
        _ => sched::sleep_for(sim::random(20_000)),
    }
}

/// Counts what children have done.
#[derive(Clone, Default)]
pub struct Count(Arc<AtomicU32>);

impl Count {
    pub fn add(&self, number: u32) {
        self.0.fetch_add(number, Ordering::SeqCst);
    }

    pub fn get(&self) -> u32 {
        self.0.load(Ordering::SeqCst)
    }
}
