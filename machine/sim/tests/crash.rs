//! Errors in kernel code end in the kernel's hands, or end the run with a word about them.

mod common;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

use common::*;
use contract::{Oops, OopsKind};
use machine_sim::sim::{self, Config, Limits, Outcome};
use machine_sim::thread::{Context, Stack, switch};
use machine_sim::{boot, cpu, irq};

#[test]
fn a_panic_without_a_kernel_fails_the_run() {
    let failure = fails(1, 1, || panic!("broken {}", 7));
    assert!(failure.message.contains("broken 7"), "{failure}");
    assert!(failure.message.contains("crash.rs"), "{failure}");
    assert!(failure.report.contains("a_panic_without_a_kernel"), "{failure}");
}

/// Tests run side by side, and more than one may fail.
#[test]
fn r02_a_run_fails_while_another_test_does() {
    /// Says so at the end, whichever way that comes.
    struct Over<'a>(&'a AtomicBool);
    impl Drop for Over<'_> {
        fn drop(&mut self) {
            self.0.store(true, SeqCst);
        }
    }
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(SeqCst) {
                let _ = std::panic::catch_unwind(|| panic!("outside"));
            }
        });
        let _over = Over(&over);
        for _ in 0..50 {
            let failure = fails(1, 1, || panic!("inside"));
            assert!(failure.message.contains("inside"), "{failure}");
        }
    });
}

/// A kernel thread panics again and again, each time on a new stack; the boot context lives on.
#[test]
fn a_kernel_thread_that_panics_can_die_alone() {
    static DIED: AtomicU64 = AtomicU64::new(0);
    static CONTEXTS: AtomicU64 = AtomicU64::new(0);
    struct Held;
    impl Drop for Held {
        fn drop(&mut self) {
            sim::fail("the stack was unwound");
        }
    }
    fn thread() -> ! {
        let _held = Held;
        cpu::preempt_add(2);
        panic!("thread {}", DIED.load(SeqCst))
    }
    fn dies(oops: &Oops<'_>) -> ! {
        assert_eq!(oops.kind, OopsKind::Panic);
        assert!(oops.message.to_string().contains(&format!("thread {}", DIED.load(SeqCst))));
        assert_eq!(cpu::preempt_count() & 0xff, 3, "what the thread held is still held");
        assert!(!std::thread::panicking());
        cpu::preempt_sub(2);
        DIED.fetch_add(1, SeqCst);
        let pair = CONTEXTS.load(SeqCst) as *const (Context, Context);
        // SAFETY: the pair is alive.
        let (boot, thread) = unsafe { &*pair };
        switch(thread, boot);
        unreachable!()
    }
    passes(1, 1, || {
        boot::install(&UPCALLS);
        ON_OOPS.store(dies as *const () as usize, SeqCst);
        let mut boot = Context::boot();
        for round in 1..=10 {
            let thread = Context::new(Stack::new(0).unwrap(), thread);
            let pair = (boot, thread);
            CONTEXTS.store(core::ptr::from_ref(&pair) as u64, SeqCst);
            switch(&pair.0, &pair.1);
            assert_eq!(DIED.load(SeqCst), round);
            boot = pair.0;
            drop(pair.1);
        }
        assert_eq!(sim::live().stacks, 0);
        assert_eq!(sim::live().contexts, 1);
        sim::pass()
    });
}

#[test]
fn panics_inside_the_handling_of_panics_end() {
    fn again(_: &Oops<'_>) -> ! {
        panic!("and again")
    }
    let failure = fails(1, 1, || {
        boot::install(&UPCALLS);
        ON_OOPS.store(again as *const () as usize, SeqCst);
        panic!("first")
    });
    assert!(failure.message.contains("and again"), "{failure}");
}

#[expect(unconditional_recursion, reason = "that is the test")]
fn dive(depth: u64) -> u64 {
    let room = [depth; 64];
    std::hint::black_box(&room);
    dive(depth + 1) + room[7]
}

#[test]
fn a_stack_that_runs_over_is_named() {
    let failure = fails(1, 2, || {
        boot::install(&UPCALLS);
        start_others(|| {
            dive(0);
            idle()
        });
        idle()
    });
    assert!(failure.message.contains("StackOverflow"), "{failure}");
    assert!(failure.message.contains("a kernel stack ran over"), "{failure}");
    assert!(failure.report.contains("*cpu1"), "{failure}");
}

#[test]
fn a_bad_access_is_named() {
    let failure = fails(1, 1, || {
        boot::install(&UPCALLS);
        let nowhere = std::hint::black_box(0x1234_5000usize) as *const u8;
        // SAFETY: none; that is the test.
        let _ = std::hint::black_box(unsafe { nowhere.read_volatile() });
    });
    assert!(failure.message.contains("PageFault"), "{failure}");
}

#[test]
fn a_loop_that_the_simulator_cannot_see_is_ended_by_the_host() {
    let limits = Limits { host_milliseconds: 200, ..Limits::default() };
    let config = Config { limits, ..Config::default() };
    let outcome = sim::run(&config, || {
        sim::event("on the way", 0);
        loop {
            std::hint::spin_loop();
        }
    });
    let Outcome::Failed(failure) = outcome else { panic!("{outcome:?}") };
    assert!(failure.message.contains("takes too long"), "{failure}");
    assert!(failure.trace_tail.contains("on the way"), "{failure}");
}

#[test]
fn a_run_that_only_passes_points_is_ended() {
    let limits = Limits { points: 100_000, ..Limits::default() };
    let outcome = sim::run(&Config { limits, ..Config::default() }, || {
        loop {
            irq::point();
        }
    });
    let Outcome::Failed(failure) = outcome else { panic!("{outcome:?}") };
    assert!(failure.message.contains("no end in sight"), "{failure}");
}

#[test]
fn a_report_gets_as_far_as_the_locks_let_it() {
    let failure = fails(1, 2, || {
        sim::set_reporter(|out| {
            writeln!(out, "before the lock").unwrap();
            cpu::relax();
            writeln!(out, "behind the lock").unwrap();
        });
        sim::fail("on purpose")
    });
    assert_eq!(failure.message, "on purpose");
    assert!(failure.report.contains("before the lock\n  (what follows could not"), "{failure}");
    assert!(!failure.report.contains("behind the lock"), "{failure}");
    assert!(failure.report.contains("where the run ended"), "{failure}");
}

#[test]
fn exit_statuses_are_verdicts() {
    passes(1, 1, || machine_sim::power::exit(0));
    let failure = fails(1, 1, || machine_sim::power::exit(3));
    assert!(failure.message.contains("status 3"), "{failure}");
}
