//! A kernel that is just enough for tasks with user memory.

use std::sync::Arc;

use contract::{Access, Fault, Frame, NodeId, PAGE_SIZE, Upcalls};
use machine::sim::{self, Config, Outcome};
use sched::{Attributes, Comm, Completion, CpuMask, NewTask, Slot, Task, TaskFlags, TaskRef};
use vm::{MapFlags, MapRequest, MapSource, Mm, Prot};

pub const PAGE: usize = PAGE_SIZE;

/// Runs a test in a task of a fresh kernel, over some seeds. Afterwards every frame must be back.
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
    user_fault,
    allocate_frame: |node: Option<NodeId>| memory::allocate_frame(node),
    free_frame: |frame: Frame| memory::free_frame(frame),
    oops: sim::fail_oops,
    nmi: |_, _| (),
};

/// What a task of these tests has for a process.
struct Process {
    mm: Arc<Mm>,
}

fn user_fault(address: usize, access: Access) -> bool {
    let mm = sched::current().attached::<Process>(Slot::Process).map(|it| it.mm.clone());
    mm.is_some_and(|mm| mm.handle_fault(address, access).is_ok())
}

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
    spawn(None, CpuMask::present(), move || {
        // The first use of everything leaves something behind (run queues, caches): not a leak.
        test();
        let before = used();
        test();
        assert_eq!(used(), before, "memory in use before and after");
        sim::pass();
    });
    sched::idle_loop()
}

/// Bytes in use.
pub fn used() -> usize {
    let statistics = memory::statistics();
    statistics.total - statistics.free
}

fn spawn(mm: Option<Arc<Mm>>, allowed: CpuMask, body: impl FnOnce() + Send + 'static) -> TaskRef {
    let task = Task::new(NewTask {
        pid: 1,
        comm: Comm::new(b"test"),
        node: None,
        flags: TaskFlags::empty(),
        attributes: Attributes::NORMAL,
        allowed,
        made_at: time::monotonic(),
        start: Box::new(body),
    })
    .unwrap();
    if let Some(mm) = mm {
        task.set_address_space(Some(mm.address_space().clone()));
        task.attach(Slot::Process, Process { mm });
    }
    sched::wake_up_new_task(&task);
    task
}

/// Runs `body` in a task that has the address space, and waits until the task is gone.
pub fn in_user(mm: &Arc<Mm>, body: impl FnOnce() + Send + 'static) {
    together(mm, vec![Box::new(body)]);
}

/// What a user task does.
pub type Body = Box<dyn FnOnce() + Send>;

/// Runs bodies in tasks of one address space, at the same time.
pub fn together(mm: &Arc<Mm>, bodies: Vec<Body>) {
    let tasks: Vec<_> = bodies.into_iter().map(|body| start(mm, body)).collect();
    tasks.into_iter().for_each(Running::join);
}

/// A task that was started.
pub struct Running {
    task: TaskRef,
    done: Arc<Completion>,
}

/// Starts a task in an address space.
pub fn start(mm: &Arc<Mm>, body: Body) -> Running {
    start_on(CpuMask::present(), mm, body)
}

fn start_on(allowed: CpuMask, mm: &Arc<Mm>, body: Body) -> Running {
    let done = Arc::new(Completion::new());
    let finished = done.clone();
    let task = spawn(Some(mm.clone()), allowed, move || {
        body();
        sched::use_address_space(None);
        finished.complete();
    });
    Running { task, done }
}

impl Running {
    /// Waits until the task has ended and its CPU has let go of it.
    pub fn join(self) {
        self.done.wait();
        while Arc::strong_count(&self.task) > 1 {
            sched::yield_now();
            machine::cpu::relax();
        }
    }
}

/// Stores a byte as the running task's program.
pub fn store(address: usize, byte: u8) -> Result<(), Fault> {
    machine::user::copy_to(address, &[byte])
}

/// Loads a byte as the running task's program.
pub fn load(address: usize) -> Result<u8, Fault> {
    let mut byte = [0];
    machine::user::copy_from(address, &mut byte)?;
    Ok(byte[0])
}

/// A private anonymous mapping.
pub fn anonymous(pages: usize) -> MapRequest {
    MapRequest {
        address: 0,
        length: pages * PAGE,
        prot: Prot::READ | Prot::WRITE,
        flags: MapFlags::PRIVATE | MapFlags::ANONYMOUS,
        source: MapSource::Anonymous,
    }
}

/// Makes CPUs let go of the address spaces that they borrow: each runs a task with the same other
/// one.
pub fn borrow_another() {
    let other = Mm::new().unwrap();
    for cpu in 0..machine::cpu::count() {
        start_on(CpuMask::of(cpu), &other, Box::new(|| ())).join();
    }
}
