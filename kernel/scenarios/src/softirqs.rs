//! Softirqs.

use alloc::string::String;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};

use kthread::Builder;
use sched::{Attributes, Completion, CpuMask, Policy, WaitQueue};
use softirq::{BottomHalfGuard, Tasklet, Vector};
use sync::{IrqGuard, Once};
use time::HrTimer;

use crate::tools::{
    PATIENCE, ensure, go_anywhere, in_one_of_some_tries, join_all, random, spin_until, unplug_until,
};

/// What the scenarios' vector does. They have it to themselves: there are no disks.
static HANDLER: Once<()> = Once::new();
const OURS: Vector = Vector::Block;

/// Asked for and not yet done.
pub(crate) static WANTED: AtomicU64 = AtomicU64::new(0);
/// Who waits for that.
pub(crate) static SERVED_OURS: WaitQueue = WaitQueue::new();
static DONE: AtomicU64 = AtomicU64::new(0);
/// The handler raises its vector again, and takes its time.
static STORM: AtomicBool = AtomicBool::new(false);
/// For so long, in nanoseconds.
static ROUND: AtomicU64 = AtomicU64::new(0);
/// Whom the storm must not starve, by address, and what it has taken of that task's time.
static VICTIM: AtomicUsize = AtomicUsize::new(0);
static STOLEN: AtomicU64 = AtomicU64::new(0);
/// The handler was not where it should be.
static ASTRAY: AtomicU64 = AtomicU64::new(0);

pub(crate) fn open() {
    if HANDLER.set(()).is_ok() {
        softirq::open(OURS, handler);
    }
    for counter in [&WANTED, &DONE, &STOLEN, &ASTRAY, &WANTED_TO_RUN, &PASSED_OVER, &SWITCHES] {
        counter.store(0, SeqCst);
    }
    ROUND.store(30 * time::MICROSECOND, SeqCst);
}

/// How often the handler of a storm ended with a task that should run, and how often it was called once more before that did.
static WANTED_TO_RUN: AtomicU64 = AtomicU64::new(0);
static PASSED_OVER: AtomicU64 = AtomicU64::new(0);
/// The switches of task that this CPU had made when it last ended so, plus one.
static SWITCHES: AtomicU64 = AtomicU64::new(0);

/// The handler of a storm begins and ends.
fn note_round(begins: bool) {
    let should_run = machine::cpu::preempt_count() & machine::preempt::NO_RESCHED == 0;
    let switches = sched::counters(machine::cpu::id()).switches + 1;
    if begins {
        let passed_over = SWITCHES.swap(0, SeqCst) == switches && should_run;
        PASSED_OVER.fetch_add(passed_over.into(), SeqCst);
    } else if should_run {
        WANTED_TO_RUN.fetch_add(1, SeqCst);
        SWITCHES.store(switches, SeqCst);
    }
}

fn handler() {
    if STORM.load(SeqCst) {
        note_round(true);
    }
    let in_place = sync::in_serving_softirq() && !sync::in_hardirq() && machine::irq::enabled();
    if !in_place {
        ASTRAY.fetch_add(1, SeqCst);
    }
    DONE.fetch_add(WANTED.swap(0, SeqCst), SeqCst);
    SERVED_OURS.wake_all();
    if STORM.load(SeqCst) {
        steal(ROUND.load(SeqCst));
        softirq::raise(OURS);
        note_round(false);
    }
}

/// Uses the CPU for a while, and notes it if that was the victim's time.
fn steal(nanoseconds: u64) {
    let start = time::monotonic();
    spin_until(start + nanoseconds);
    if is_victims_time() {
        STOLEN.fetch_add(time::monotonic() - start, SeqCst);
    }
}

fn is_victims_time() -> bool {
    core::ptr::from_ref::<sched::Task>(&sched::current()).addr() == VICTIM.load(SeqCst)
}

pub(crate) fn raise_ours() {
    WANTED.fetch_add(1, SeqCst);
    softirq::raise(OURS);
}

/// Waits until something holds; a second is more than any softirq has to wait.
pub(crate) fn wait_for(what: &str, condition: impl Fn() -> bool) {
    let deadline = time::monotonic() + time::SECOND + PATIENCE;
    while !condition() {
        assert!(time::monotonic() < deadline, "it never came to pass: {what}");
        sched::sleep_for(20_000);
    }
}

/// Waits until nothing has been going on for a while, and all threads `ksoftirqd/N` sleep.
fn wait_for_rest() {
    sched::sleep_for(time::MILLISECOND);
    wait_for("a rest from softirqs", || {
        let mut all_sleep = true;
        process::for_each_task(|task| {
            let is_awake = task.state() & sched::state::OFF_QUEUE == 0;
            all_sleep &= !(is_awake && task.comm().as_bytes().starts_with(b"ksoftirqd/"));
        });
        all_sleep
    });
}

pub(crate) fn raised_from_everywhere() {
    // A host that stops the CPU in a softirq has ksoftirqd woken, which then serves what comes.
    in_one_of_some_tries(served_from_everywhere);
}

fn served_from_everywhere() -> Result<(), String> {
    open();
    let before: u64 = served();
    // In a task that could be preempted: at once, if ksoftirqd is asleep.
    wait_for_rest();
    raise_ours();
    ensure!(DONE.load(SeqCst) == 1, "it was not served where it was raised");
    // With interrupts off: by ksoftirqd, or by an interrupt after that.
    {
        let _irqs_off = IrqGuard::new();
        raise_ours();
        ensure!(DONE.load(SeqCst) == 1, "it was served with interrupts off");
    }
    wait_for("raised with interrupts off", || DONE.load(SeqCst) == 2);
    // In an interrupt: at its end, before the task that was interrupted goes on.
    let timer = HrTimer::new(raise_ours);
    timer.start(time::monotonic() + 10_000);
    wait_for("raised in an interrupt", || DONE.load(SeqCst) == 3);
    // With softirqs off: at the end of the outermost section, whoever raised it.
    wait_for_rest();
    {
        let _outer = BottomHalfGuard::new();
        timer.start(time::monotonic());
        {
            let _inner = BottomHalfGuard::new();
            raise_ours();
            let until = time::monotonic() + 100_000;
            spin_until(until);
        }
        assert_eq!(DONE.load(SeqCst), 3, "it was served with softirqs off");
    }
    ensure!(DONE.load(SeqCst) >= 4, "it was not served when the section ended");
    wait_for("raised with softirqs off", || DONE.load(SeqCst) == 5);
    timer.cancel_sync();
    assert_eq!(
        ASTRAY.load(SeqCst),
        0,
        "a handler ran outside of a softirq, or with interrupts off"
    );
    assert!(served() - before >= 4, "what was served was not counted");
    Ok(())
}

fn served() -> u64 {
    (0..machine::cpu::count()).map(|cpu| softirq::count(cpu, OURS)).sum()
}

pub(crate) fn softirqs_off_excludes_handlers() {
    // Not atomic on purpose: the section is what keeps the two apart.
    let (low, high) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let (low_there, high_there) = (low.clone(), high.clone());
    let add = move || {
        let value = low_there.load(SeqCst);
        machine::cpu::relax();
        low_there.store(value + 1, SeqCst);
        high_there.store(value + 1, SeqCst);
    };
    let runs = Arc::new(AtomicU64::new(0));
    let (counted, body) = (runs.clone(), add.clone());
    let tasklet = Arc::new(Tasklet::new(move || {
        body();
        counted.fetch_add(1, SeqCst);
    }));
    let theirs = tasklet.clone();
    let timer = HrTimer::new(move || {
        theirs.schedule();
    });
    let sections = 20;
    let thread = Builder::new(format_args!("sections"))
        .cpu(0)
        .run(move |_| {
            for _ in 0..sections {
                timer.start(time::monotonic() + random(5_000));
                let section = BottomHalfGuard::new();
                add();
                (0..random(10)).for_each(|_| machine::cpu::relax());
                drop(section);
            }
            timer.cancel_sync();
            0
        })
        .expect("a thread can be made");
    join_all([thread].into_iter().collect());
    tasklet.kill();
    assert_eq!(low.load(SeqCst), sections + runs.load(SeqCst), "a softirq came into the section");
}

/// Of CPU 0's time, so much goes to a fair thread in the storm, in hundredths. It begins the storm, and looks around all the time.
fn share_in_a_storm(
    begin: impl FnOnce() + Send + 'static,
    mut look: impl FnMut() + Send + 'static,
) -> u64 {
    const SPAN: u64 = 300 * time::MILLISECOND;
    STOLEN.store(0, SeqCst);
    STORM.store(true, SeqCst);
    let thread = Builder::new(format_args!("victim"))
        .bound_to(CpuMask::of(0))
        .run(move |_| {
            let me = sched::current();
            VICTIM.store(core::ptr::from_ref::<sched::Task>(&me).addr(), SeqCst);
            begin();
            let start = time::monotonic();
            let (ran, stolen) = (me.times().run, STOLEN.load(SeqCst));
            while time::monotonic() < start + SPAN {
                machine::cpu::relax();
                look();
            }
            let took = time::monotonic() - start;
            let kept = me.times().run - ran - (STOLEN.load(SeqCst) - stolen);
            VICTIM.store(0, SeqCst);
            (kept * 100 / took) as i32
        })
        .expect("a thread can be made");
    let kthread::Exit::Returned(share) = thread.join() else { panic!("the victim died") };
    STORM.store(false, SeqCst);
    u64::from(share.unsigned_abs())
}

pub(crate) fn a_storm_leaves_tasks_their_share() {
    in_one_of_some_tries(share_beside_each_storm);
}

fn share_beside_each_storm() -> Result<(), String> {
    open();
    let share = share_in_a_storm(|| softirq::raise(OURS), || {});
    // ksoftirqd/0 is a task like the other one: half for each.
    wait_for("the end of the storm", || !softirq::is_pending(0));
    ensure!((35..=65).contains(&share), "beside a storm of softirqs a task got {share} %");
    let slot: Arc<Once<Tasklet>> = Arc::new(Once::new());
    let again = Arc::downgrade(&slot);
    let fresh = slot.set(Tasklet::new(move || {
        steal(30 * time::MICROSECOND);
        if STORM.load(SeqCst)
            && let Some(slot) = again.upgrade()
            && let Some(tasklet) = slot.get()
        {
            tasklet.schedule();
        }
    }));
    assert!(fresh.is_ok());
    let ours = slot.clone();
    let share = share_in_a_storm(
        move || {
            ours.get().map(Tasklet::schedule);
        },
        || {},
    );
    slot.get().map(Tasklet::kill);
    // Each tick's interrupt gives tasklets ten rounds more.
    ensure!((25..=65).contains(&share), "beside a storm of tasklets a task got {share} %");
    Ok(())
}

/// A timer interrupt each half millisecond comes into a storm. It leaves the storm to ksoftirqd; only a tasklet is served at once.
pub(crate) fn interrupts_come_into_a_storm() {
    in_one_of_some_tries(share_beside_interrupts);
}

fn share_beside_interrupts() -> Result<(), String> {
    const PERIOD: u64 = 500 * time::MICROSECOND;
    open();
    // What came above the victim, and is to be served before the victim goes on.
    let owed = Arc::new(AtomicBool::new(false));
    let paid = owed.clone();
    let tasklet = Tasklet::new(move || paid.store(false, SeqCst));
    let slot: Arc<Once<HrTimer>> = Arc::new(Once::new());
    let (again, owes) = (Arc::downgrade(&slot), owed.clone());
    let fresh = slot.set(HrTimer::new(move || {
        // Not each time: with a tasklet it serves whatever is pending.
        if is_victims_time() && !sync::in_serving_softirq() && random(10) == 0 {
            owes.store(true, SeqCst);
            tasklet.schedule();
        }
        if STORM.load(SeqCst)
            && let Some(slot) = again.upgrade()
            && let Some(timer) = slot.get()
        {
            timer.start(time::monotonic() + PERIOD);
        }
    }));
    assert!(fresh.is_ok());
    let (timer, mut late) = (slot.clone(), 0);
    let share = share_in_a_storm(
        move || {
            if let Some(timer) = timer.get() {
                timer.start(time::monotonic() + PERIOD);
            }
            softirq::raise(OURS);
        },
        move || {
            late += u32::from(owed.load(SeqCst));
            assert_eq!(late, 0, "an interrupt left its tasklet to ksoftirqd");
        },
    );
    slot.get().map(HrTimer::cancel_sync);
    wait_for("the end of the storm", || !softirq::is_pending(0));
    let (wanted, passed_over) = (WANTED_TO_RUN.load(SeqCst), PASSED_OVER.load(SeqCst));
    ensure!((35..=65).contains(&share), "beside a storm with interrupts a task got {share} %");
    ensure!(
        passed_over <= 3 + wanted / 4,
        "served on {passed_over} times of {wanted} with a task waiting"
    );
    Ok(())
}

pub(crate) fn pending_against_hotplug() {
    open();
    let over = Arc::new(AtomicBool::new(false));
    let unplugger = unplug_until(&over);
    for turn in 1..=12 {
        go_anywhere();
        if random(2) == 0 {
            raise_ours();
        } else {
            let _irqs_off = IrqGuard::new();
            raise_ours();
        }
        wait_for("raised on a CPU that may go", || DONE.load(SeqCst) == turn);
    }
    over.store(true, SeqCst);
    join_all([unplugger].into_iter().collect());
}

/// A handler that takes half a millisecond and raises its vector again: whoever raised it first does not serve ten rounds of that.
pub(crate) fn long_rounds_are_few() {
    in_one_of_some_tries(few_long_rounds);
}

fn few_long_rounds() -> Result<(), String> {
    open();
    wait_for_rest();
    ROUND.store(500 * time::MICROSECOND, SeqCst);
    STOLEN.store(0, SeqCst);
    STORM.store(true, SeqCst);
    let thread = Builder::new(format_args!("victim")).bound_to(CpuMask::of(0)).run(|_| {
        VICTIM.store(core::ptr::from_ref::<sched::Task>(&sched::current()).addr(), SeqCst);
        softirq::raise(OURS);
        VICTIM.store(0, SeqCst);
        STORM.store(false, SeqCst);
        0
    });
    join_all([thread.expect("a thread can be made")].into());
    wait_for("the end of the storm", || !softirq::is_pending(0));
    let stolen = STOLEN.load(SeqCst);
    ensure!(stolen <= 4_500 * time::MICROSECOND, "softirqs took {stolen} ns of a task's time");
    Ok(())
}

/// Who is woken in a section with softirqs off, and is more urgent, has the CPU when the section ends, and not some time.
pub(crate) fn the_end_of_a_section_makes_way() {
    const URGENT: Attributes =
        Attributes { policy: Policy::Fifo, priority: 50, ..Attributes::NORMAL };
    let go = Arc::new(Completion::new());
    let ran = Arc::new(AtomicU64::new(0));
    let (told, counted) = (go.clone(), ran.clone());
    const TURNS: u64 = 8;
    let urgent = Builder::new(format_args!("urgent"))
        .bound_to(CpuMask::of(0))
        .attributes(URGENT)
        .run(move |_| {
            for _ in 0..TURNS {
                told.wait();
                counted.fetch_add(1, SeqCst);
            }
            0
        })
        .expect("a thread can be made");
    let thread = Builder::new(format_args!("sections"))
        .bound_to(CpuMask::of(0))
        .run(move |_| {
            for turn in 0..TURNS {
                // The other one has the CPU until it waits.
                sched::sleep_for(10_000);
                let section = BottomHalfGuard::new();
                go.complete();
                (0..random(8)).for_each(|_| machine::cpu::relax());
                assert_eq!(ran.load(SeqCst), turn, "a section was preempted");
                drop(section);
                assert_eq!(ran.load(SeqCst), turn + 1, "the end of a section did not make way");
            }
            0
        })
        .expect("a thread can be made");
    join_all([urgent, thread].into());
}
