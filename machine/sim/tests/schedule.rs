//! What decides the order of things: seeds, interrupts, time.

mod common;

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use common::*;
use contract::Ipi;
use machine_sim::{boot, cpu, irq, sim, time};

/// CPUs at work: counting, interrupting each other, setting timers.
fn busy() {
    static DONE: AtomicU64 = AtomicU64::new(0);
    fn work() {
        irq::enable();
        for turn in 0..50 {
            irq::point();
            if turn % 10 == 3 {
                irq::send((cpu::id() + 1) % cpu::count(), Ipi::Reschedule);
            }
            if turn % 10 == 5 {
                let _ = irq::disable();
                time::set_timer(Some(time::now() + 10_000));
                cpu::wait_for_interrupt();
            }
        }
        DONE.fetch_add(1, SeqCst);
    }
    fn other() -> ! {
        work();
        idle()
    }
    boot::install(&UPCALLS);
    start_others(other);
    work();
    while DONE.load(SeqCst) < cpu::count() as u64 {
        cpu::relax();
    }
}

#[test]
fn a_seed_is_a_run() {
    let mut different = HashSet::new();
    for seed in 0..40 {
        let first = passes(seed, 3, busy);
        assert_eq!(first, passes(seed, 3, busy), "seed {seed}");
        different.insert(first.trace_hash);
    }
    assert!(different.len() > 38, "{} different runs of 40", different.len());
}

/// Two CPUs add to a counter in two steps with a point in between.
fn lost_update() {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    static DONE: AtomicU64 = AtomicU64::new(0);
    fn add() {
        for _ in 0..10 {
            irq::point();
        }
        let value = COUNTER.load(SeqCst);
        irq::point();
        COUNTER.store(value + 1, SeqCst);
        DONE.fetch_add(1, SeqCst);
    }
    fn other() -> ! {
        add();
        idle()
    }
    boot::install(&UPCALLS);
    start_others(other);
    add();
    while DONE.load(SeqCst) < 2 {
        cpu::relax();
    }
    if COUNTER.load(SeqCst) != 2 {
        sim::fail("an update was lost");
    }
}

#[test]
fn a_race_of_two_steps_is_found() {
    let lost = (0..200)
        .filter(|&seed| matches!(run(seed, 2, lost_update), sim::Outcome::Failed(_)))
        .count();
    assert!((5..195).contains(&lost), "{lost} of 200 seeds lose an update");
}

#[test]
fn a_deadlock_is_told_from_a_wait() {
    let failure = fails(1, 2, || {
        boot::install(&UPCALLS);
        start_others(idle);
        sim::event("the last thing", 7);
        idle()
    });
    assert!(failure.message.starts_with("deadlock"), "{failure}");
    assert!(failure.trace_tail.contains("the last thing 7"), "{failure}");
    assert!(failure.report.contains("cpu1 Halted"), "{failure}");
    assert!(failure.report.contains(" < schedule::common::idle"), "{failure}");

    // With a timer, two hours of waiting take no time.
    passes(1, 2, || {
        boot::install(&UPCALLS);
        start_others(idle);
        let _ = irq::disable();
        time::set_timer(Some(3_000_000_000_000));
        cpu::wait_for_interrupt();
        assert!(irq::enabled());
        assert!(time::now() >= 3_000_000_000_000);
        assert_eq!(TIMERS.load(SeqCst), 1);
    });
}

#[test]
fn a_cpu_alone_that_spins_is_found() {
    let failure = fails(1, 1, || {
        loop {
            cpu::relax();
        }
    });
    assert!(failure.message.contains("spins for ever"), "{failure}");
}

#[test]
fn a_spinning_cpu_does_not_keep_the_others_from_going_on() {
    for seed in 0..50 {
        passes(seed, 4, || {
            static GO: AtomicU64 = AtomicU64::new(0);
            fn in_turn() {
                let id = cpu::id() as u64;
                for round in 0..5 {
                    while GO.load(SeqCst) != round * 4 + id {
                        cpu::relax();
                    }
                    GO.fetch_add(1, SeqCst);
                }
            }
            boot::install(&UPCALLS);
            start_others(|| {
                in_turn();
                idle()
            });
            in_turn();
            while GO.load(SeqCst) != 20 {
                cpu::relax();
            }
        });
    }
}

#[test]
fn cpus_that_wake_each_other_do_not_keep_a_third_from_going_on() {
    static DONE: AtomicU64 = AtomicU64::new(0);
    fn ping_pong() {
        let other = 1 - cpu::id();
        loop {
            // Off before the look: what comes in afterwards ends the wait.
            let _ = irq::disable();
            if DONE.load(SeqCst) != 0 {
                return;
            }
            irq::send(other, Ipi::Reschedule);
            cpu::wait_for_interrupt();
        }
    }
    for seed in 0..400 {
        let summary = passes(seed, 3, || {
            boot::install(&UPCALLS);
            start_others(|| {
                if cpu::id() == 1 {
                    ping_pong();
                } else {
                    (0..10_000).for_each(|_| irq::point());
                    DONE.store(1, SeqCst);
                    send_all(Ipi::Reschedule);
                }
                idle()
            });
            ping_pong();
        });
        assert!(summary.points < 80_000, "seed {seed}: {summary:?}");
    }
}

#[test]
fn interrupts_come_in_only_while_they_are_on() {
    for seed in 0..50 {
        passes(seed, 2, || {
            boot::install(&UPCALLS);
            start_others(|| {
                for _ in 0..20 {
                    send_all(Ipi::CallFunction);
                    irq::point();
                }
                idle()
            });
            for _ in 0..20 {
                irq::enable();
                irq::point();
                let _ = irq::disable();
                let calls = irq::counts(0).call_function;
                for _ in 0..20 {
                    irq::point();
                    cpu::relax();
                }
                assert_eq!(irq::counts(0).call_function, calls);
            }
            irq::send(0, Ipi::CallFunction);
            irq::send(0, Ipi::CallFunction);
            let before = irq::counts(0).call_function;
            cpu::wait_for_interrupt();
            for _ in 0..10_000 {
                irq::point();
            }
            // Two of a kind are merged; the other CPU may add its own.
            let taken = irq::counts(0).call_function - before;
            assert!((1..=22).contains(&taken), "{taken}");
        });
    }
}

#[test]
fn a_pending_interrupt_is_not_held_back_for_ever() {
    for seed in 0..100 {
        passes(seed, 1, || {
            boot::install(&UPCALLS);
            irq::send(0, Ipi::Reschedule);
            irq::enable();
            for _ in 0..20_000 {
                irq::point();
            }
            assert_eq!(RESCHEDULES.load(SeqCst), 1);
            assert_eq!(EXITS.load(SeqCst), 1);
        });
    }
}

#[test]
fn console_input_interrupts_and_is_read_once() {
    passes(3, 1, || {
        boot::install(&UPCALLS);
        sim::type_in(b"ls\n");
        cpu::wait_for_interrupt();
        assert_eq!(CONSOLE.load(SeqCst), 1);
        let mut buffer = [0; 2];
        assert_eq!(machine_sim::console::read(&mut buffer), 2);
        assert_eq!(&buffer, b"ls");
        assert_eq!(machine_sim::console::read(&mut buffer), 1);
        assert_eq!(machine_sim::console::read(&mut buffer), 0);
        machine_sim::console::write(b"out");
        assert_eq!(sim::console_output(), "out");
    });
}

#[test]
fn a_cpu_parks_and_comes_back_where_it_parked() {
    for seed in 0..50 {
        passes(seed, 2, || {
            static ROUNDS: AtomicU64 = AtomicU64::new(0);
            fn other() -> ! {
                loop {
                    ROUNDS.fetch_add(1, SeqCst);
                    cpu::park();
                    assert!(!irq::enabled());
                }
            }
            boot::install(&UPCALLS);
            let stack = machine_sim::thread::Stack::new(0).unwrap();
            let context = Box::leak(Box::new(machine_sim::thread::Context::new(stack, other)));
            for round in 0..5 {
                assert_eq!(ROUNDS.load(SeqCst), round);
                cpu::start(1, context).unwrap();
                while cpu::is_running(1) {
                    cpu::relax();
                }
            }
            assert_eq!(cpu::start(7, context), Err(contract::StartError::Absent));
            assert_eq!(cpu::start(0, context), Err(contract::StartError::Running));
        });
    }
}
