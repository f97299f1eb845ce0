//! Tracers and tracees: stops, events, and who waits for whom.

use std::sync::atomic::AtomicU32;

use contract::UserRegisters;
use errno::Errno;
use machine::user::UserContext;
use process::ptrace::{self, Options, Resume};
use process::{
    ChildEvent, CloneArgs, CloneFlags, NewProgram, SigSet, Signal, WaitFor, WaitOptions, Waited,
    begin_new_exec, current_process, kernel_clone, kill, tgkill, wait_for_child,
};
use sched::TaskRef;
use vm::Mm;

use crate::harness::{
    Flag, THREAD, clone_with, fork, linger, linger_until_killed, once, over_seeds, registers,
    take_signals, take_signals_of, wait_for, wait_for_end,
};

const ALL: WaitOptions = WaitOptions::EXITED.union(WaitOptions::ALL);

fn task(number: u32) -> TaskRef {
    process::find_task(number).unwrap()
}

/// Waits for the next event of one thread.
fn wait_of(number: u32) -> ChildEvent {
    // Not by way of the task: another may come to bear the number.
    let pid = process::current_pid_namespace().find(number).unwrap();
    wait_for_child(&WaitFor::Process(pid), ALL).unwrap().unwrap().event
}

const fn event(signal: u32, event: u32) -> ChildEvent {
    ChildEvent::Traced(signal | event << 8)
}

const STOP: u32 = 128;

fn number(signal: Signal) -> u32 {
    signal.number()
}

/// Lets a tracee go on that is stopped.
fn resume(tracee: u32, signal: Option<Signal>) {
    ptrace::resume(&task(tracee), Resume::Continue, signal).unwrap();
}

/// Ends a tracee and waits for that, whatever it tells before.
fn kill_and_wait(tracee: u32) {
    kill(tracee as i32, Some(Signal::SIGKILL)).unwrap();
    loop {
        match wait_of(tracee) {
            ChildEvent::Ended(9) => return,
            ChildEvent::Traced(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn c04_a_tracee_stops_for_a_signal() {
    over_seeds(60, 2, || {
        let child = fork(|| {
            ptrace::trace_me().unwrap();
            assert_eq!(ptrace::trace_me(), Err(Errno::EPERM));
            let mut context = registers();
            context.set_stack_pointer(0x1000);
            kill(process::tgid() as i32, Some(Signal::SIGUSR1)).unwrap();
            let end = take_signals_of(&mut context, &AtomicU32::new(0));
            assert_eq!(end, None, "the tracer has taken the signal away");
            assert_eq!(context.stack_pointer(), 0x2000, "and changed a register");
            3
        });
        let waited = wait_for(ALL);
        assert_eq!(waited.pid, child);
        assert_eq!(waited.event, ChildEvent::Traced(number(Signal::SIGUSR1)));
        let nothing = wait_for_child(&WaitFor::Any, ALL | WaitOptions::NOHANG).unwrap();
        assert!(nothing.is_none(), "a stop is told once");
        let tracee = task(child);
        let letter = sched::state::letter(tracee.state());
        assert_eq!(letter, 't', "it is told before it has stopped");
        assert_eq!(ptrace::signal_info(&tracee).unwrap().signal, Signal::SIGUSR1);
        ptrace::with_snapshot(&tracee, |snapshot| {
            let stack = UserRegisters::STACK_POINTER;
            assert_eq!(snapshot.registers().0[stack], 0x1000);
            snapshot.registers_mut().0[stack] = 0x2000;
            Ok(())
        })
        .unwrap();
        resume(child, None);
        assert_eq!(
            ptrace::resume(&tracee, Resume::Continue, None),
            Err(Errno::ESRCH),
            "it is not stopped"
        );
        assert_eq!(wait_for_end().event, ChildEvent::Ended(3));
    });
}

#[test]
fn c04_a_tracer_changes_the_signal() {
    over_seeds(40, 2, || {
        let child = fork(|| {
            ptrace::trace_me().unwrap();
            // Ignored, and told nevertheless.
            kill(process::tgid() as i32, Some(Signal::SIGCHLD)).unwrap();
            take_signals(&AtomicU32::new(0)).unwrap()
        });
        assert_eq!(wait_of(child), ChildEvent::Traced(number(Signal::SIGCHLD)));
        resume(child, Some(Signal::SIGTERM));
        assert_eq!(wait_for_end().event, ChildEvent::Ended(number(Signal::SIGTERM)));
    });
}

#[test]
fn c04_attach_stops_and_detach_lets_go() {
    over_seeds(60, 3, || {
        let over = Flag::default();
        let child = fork({
            let over = over.clone();
            move || linger(&AtomicU32::new(0), || over.is_up())
        });
        let tracee = task(child);
        ptrace::attach(&tracee).unwrap();
        assert_eq!(ptrace::attach(&tracee), Err(Errno::EPERM));
        assert_eq!(wait_of(child), ChildEvent::Traced(number(Signal::SIGSTOP)));
        assert!(ptrace::tracer_of(&tracee).is_some());
        ptrace::detach(&tracee, None).unwrap();
        assert!(ptrace::tracer_of(&tracee).is_none());
        assert_eq!(ptrace::detach(&tracee, None), Err(Errno::ESRCH));
        over.raise();
        assert_eq!(wait_for_end().event, ChildEvent::Ended(0));
    });
}

#[test]
fn c04_some_may_not_be_traced() {
    once(|| {
        let kthreadd = task(2);
        assert_eq!(ptrace::attach(&kthreadd), Err(Errno::EPERM));
        assert_eq!(ptrace::attach(&sched::current_ref()), Err(Errno::EPERM));
        let child = fork(linger_until_killed);
        assert_eq!(ptrace::resume(&task(child), Resume::Step, None), Err(Errno::ESRCH));
        assert_eq!(ptrace::interrupt(&task(child)), Err(Errno::ESRCH));
        kill(child as i32, Some(Signal::SIGKILL)).unwrap();
        let zombie = task(child);
        let look = WaitOptions::EXITED | WaitOptions::NOWAIT;
        wait_for(look);
        assert_eq!(ptrace::attach(&zombie), Err(Errno::EPERM));
        wait_for_end();
    });
}

#[test]
fn c04_seize_interrupt_and_listen() {
    over_seeds(100, 3, || {
        let child = fork(linger_until_killed);
        let tracee = task(child);
        ptrace::seize(&tracee, Options::empty()).unwrap();
        ptrace::interrupt(&tracee).unwrap();
        let own_wish = event(number(Signal::SIGTRAP), STOP);
        assert_eq!(wait_of(child), own_wish);
        assert_eq!(ptrace::listen(&tracee), Ok(()));
        // Whoever listens asks nothing else.
        assert_eq!(ptrace::resume(&tracee, Resume::Continue, None), Err(Errno::ESRCH));
        ptrace::interrupt(&tracee).unwrap();
        assert_eq!(wait_of(child), own_wish);
        resume(child, None);

        kill(child as i32, Some(Signal::SIGSTOP)).unwrap();
        assert_eq!(wait_of(child), ChildEvent::Traced(number(Signal::SIGSTOP)));
        assert_eq!(ptrace::listen(&tracee), Err(Errno::EIO), "not in a stop of the process");
        resume(child, Some(Signal::SIGSTOP));
        assert_eq!(wait_of(child), event(number(Signal::SIGSTOP), STOP));
        ptrace::listen(&tracee).unwrap();
        kill(child as i32, Some(Signal::SIGCONT)).unwrap();
        assert_eq!(wait_of(child), own_wish, "the stop of the process is over");
        resume(child, None);
        assert_eq!(wait_of(child), ChildEvent::Traced(number(Signal::SIGCONT)));
        resume(child, Some(Signal::SIGCONT));
        kill_and_wait(child);
    });
}

#[test]
fn c04_attaching_to_a_stopped_process() {
    over_seeds(100, 3, || {
        let child = fork(linger_until_killed);
        kill(child as i32, Some(Signal::SIGSTOP)).unwrap();
        assert_eq!(
            wait_for(ALL | WaitOptions::STOPPED).event,
            ChildEvent::Stopped(Signal::SIGSTOP)
        );
        let tracee = task(child);
        ptrace::seize(&tracee, Options::empty()).unwrap();
        // The stop is there at the first look, and is its process's.
        let first = wait_for_child(&WaitFor::Any, ALL | WaitOptions::NOHANG).unwrap().unwrap();
        assert_eq!(first.event, event(number(Signal::SIGSTOP), STOP));
        ptrace::detach(&tracee, None).unwrap();
        sched::sleep_for(machine::sim::random(200_000));
        assert!(current_process().pid().task().is_some());
        assert!(process::process_of(&tracee).is_stopped(), "as before");
        kill(child as i32, Some(Signal::SIGCONT)).unwrap();
        assert_eq!(wait_for(ALL | WaitOptions::CONTINUED).event, ChildEvent::Continued);
        kill(child as i32, Some(Signal::SIGKILL)).unwrap();
        assert_eq!(wait_for_end().event, ChildEvent::Ended(9));
    });
}

/// Forks with the registers of the program, as a system call does.
fn traced_clone(flags: CloneFlags, context: &mut UserContext) -> u32 {
    let args = CloneArgs { flags, ..CloneArgs::FORK };
    let body = || take_signals(&AtomicU32::new(0)).unwrap_or(0);
    loop {
        match kernel_clone(&args, body, |_| Ok(()), context) {
            Ok(number) => return number,
            Err(error) => assert_eq!(error, Errno::ERESTARTNOINTR),
        }
        // A child's SIGCHLD comes first, and stops its parent for the tracer.
        assert_eq!(take_signals_of(context, &AtomicU32::new(0)), None);
    }
}

#[test]
fn c04_clones_are_told_and_traced() {
    over_seeds(100, 3, || {
        let child = fork(|| {
            ptrace::trace_me().unwrap();
            kill(process::tgid() as i32, Some(Signal::SIGSTOP)).unwrap();
            let mut context = registers();
            assert_eq!(take_signals_of(&mut context, &AtomicU32::new(0)), None);
            traced_clone(CloneFlags::empty(), &mut context);
            traced_clone(CloneFlags::VFORK | CloneFlags::VM, &mut context);
            traced_clone(CloneFlags::UNTRACED, &mut context);
            for _ in 0..3 {
                // Its children's signals stop it for the tracer.
                while wait_for_child(&WaitFor::Any, ALL).is_err() {
                    assert_eq!(take_signals_of(&mut context, &AtomicU32::new(0)), None);
                }
            }
            0
        });
        assert_eq!(wait_of(child), ChildEvent::Traced(number(Signal::SIGSTOP)));
        let options = Options::FORK | Options::VFORK | Options::VFORK_DONE;
        ptrace::set_options(&task(child), options).unwrap();
        resume(child, None);
        let trap = number(Signal::SIGTRAP);
        let next_of = |tracee: u32| loop {
            match wait_of(tracee) {
                ChildEvent::Traced(code) if code == number(Signal::SIGCHLD) => resume(tracee, None),
                other => return other,
            }
        };
        for (first, after) in [(1, None), (2, Some(5))] {
            assert_eq!(next_of(child), event(trap, first));
            let newborn = ptrace::event_message(&task(child)).unwrap() as u32;
            assert_eq!(wait_of(newborn), ChildEvent::Traced(number(Signal::SIGSTOP)));
            resume(child, None);
            resume(newborn, None);
            assert_eq!(wait_of(newborn), ChildEvent::Ended(0));
            if let Some(after) = after {
                assert_eq!(next_of(child), event(trap, after));
                assert_eq!(ptrace::event_message(&task(child)), Ok(newborn.into()));
                resume(child, None);
            }
        }
        // Nothing of the third; but a tracee tells of SIGCHLD.
        loop {
            match wait_for(ALL) {
                Waited { event: ChildEvent::Ended(0), .. } => break,
                Waited { event: ChildEvent::Traced(17), pid, .. } => resume(pid, None),
                other => panic!("{other:?}"),
            }
        }
    });
}

#[test]
fn c04_the_parent_waits_after_the_tracer() {
    over_seeds(100, 3, || {
        let (attached, end) = (Flag::default(), Flag::default());
        let child = fork({
            let end = end.clone();
            move || linger(&AtomicU32::new(0), || end.is_up())
        });
        let tracer = fork({
            let attached = attached.clone();
            move || {
                ptrace::seize(&task(child), Options::empty()).unwrap();
                attached.raise();
                assert_eq!(wait_of(child), ChildEvent::Ended(0));
                7
            }
        });
        attached.wait();
        end.raise();
        let mut seen = Vec::new();
        for _ in 0..2 {
            seen.push(wait_for_end().pid);
        }
        seen.sort_unstable();
        assert_eq!(seen, [child, tracer]);
    });
}

#[test]
fn c04_tracees_of_a_tracer_that_ends() {
    over_seeds(100, 3, || {
        for kill_them in [false, true] {
            let over = Flag::default();
            let child = fork({
                let over = over.clone();
                move || linger(&AtomicU32::new(0), || over.is_up())
            });
            let tracer = fork(move || {
                let options = if kill_them { Options::EXITKILL } else { Options::empty() };
                ptrace::seize(&task(child), options).unwrap();
                if machine::sim::random(2) == 0 {
                    ptrace::interrupt(&task(child)).unwrap();
                    wait_of(child);
                }
                0
            });
            let pid = process::Thread::of(&task(tracer)).pid();
            wait_for_child(&WaitFor::Process(pid), ALL).unwrap();
            over.raise();
            let end = wait_for_end().event;
            assert_eq!(end, ChildEvent::Ended(if kill_them { 9 } else { 0 }));
        }
    });
}

#[test]
fn c04_every_thread_is_waited_for() {
    over_seeds(100, 3, || {
        let (started, end) = (Flag::default(), Flag::default());
        let child = fork({
            let (started, end) = (started.clone(), end.clone());
            move || {
                let ended = end.clone();
                clone_with(THREAD, move || {
                    started.raise();
                    linger(&AtomicU32::new(0), || ended.is_up())
                });
                linger(&AtomicU32::new(0), || end.is_up())
            }
        });
        started.wait();
        let threads = process::process_of(&task(child)).threads();
        let numbers: Vec<u32> = threads.iter().map(|thread| thread.pid()).collect();
        assert_eq!(numbers.len(), 2);
        for &thread in &numbers {
            ptrace::seize(&task(thread), Options::empty()).unwrap();
        }
        drop(threads);
        end.raise();
        // The leader stays until the other one has been waited for.
        let pid = process::Thread::of(&task(child)).pid();
        assert_eq!(wait_of(numbers[1]), ChildEvent::Ended(0));
        let waited = wait_for_child(&WaitFor::Process(pid), ALL).unwrap().unwrap();
        assert_eq!(waited.event, ChildEvent::Ended(0));
        assert!(matches!(wait_for_child(&WaitFor::Any, ALL), Err(Errno::ECHILD)));
    });
}

#[test]
fn c04_a_traced_thread_executes_a_program() {
    over_seeds(100, 3, || {
        let ready = Flag::default();
        let go = Flag::default();
        let child = fork({
            let (ready, go) = (ready.clone(), go.clone());
            move || {
                clone_with(THREAD, move || {
                    ready.raise();
                    go.wait();
                    let mut context = registers();
                    let before = process::Thread::of(&sched::current()).pid();
                    begin_new_exec(NewProgram {
                        mm: Mm::new().unwrap(),
                        credentials: process::credentials(),
                        comm: b"new",
                    })
                    .unwrap();
                    ptrace::exec_stop(&before, &mut context);
                    assert_eq!(take_signals(&AtomicU32::new(0)), None);
                    5
                });
                linger_until_killed()
            }
        });
        ready.wait();
        let threads = process::process_of(&task(child)).threads();
        let numbers: Vec<u32> = threads.iter().map(|thread| thread.pid()).collect();
        drop(threads);
        for &thread in &numbers {
            ptrace::seize(&task(thread), Options::EXEC).unwrap();
        }
        go.raise();
        // The thread that executes is the leader from then on, and the old leader says nothing.
        assert_eq!(wait_of(child), event(number(Signal::SIGTRAP), 4));
        assert_eq!(ptrace::event_message(&task(child)), Ok(numbers[1].into()));
        assert!(process::find_task(numbers[1]).is_none());
        resume(child, None);
        assert_eq!(wait_for_end().event, ChildEvent::Ended(5));
    });
}

#[test]
fn c04_masks_and_waiting_signals_are_shown() {
    over_seeds(20, 2, || {
        let blocked = SigSet::of(Signal::SIGUSR2);
        let child = fork(move || {
            process::signal::set_mask(blocked);
            ptrace::trace_me().unwrap();
            let me = process::tgid();
            tgkill(Some(me), me, Some(Signal::SIGUSR2)).unwrap();
            kill(me as i32, Some(Signal::SIGUSR1)).unwrap();
            take_signals(&AtomicU32::new(0)).unwrap()
        });
        assert_eq!(wait_of(child), ChildEvent::Traced(number(Signal::SIGUSR1)));
        let tracee = task(child);
        assert_eq!(ptrace::signal_mask(&tracee), Ok(blocked));
        let waiting = ptrace::peek_signals(&tracee, false, 0, 8).unwrap();
        assert_eq!(waiting.len(), 1);
        assert_eq!(waiting[0].signal, Signal::SIGUSR2);
        assert!(ptrace::peek_signals(&tracee, true, 0, 8).unwrap().is_empty());
        ptrace::set_signal_mask(&tracee, SigSet::ALL).unwrap();
        assert!(!ptrace::signal_mask(&tracee).unwrap().contains(Signal::SIGKILL));
        ptrace::set_signal_mask(&tracee, SigSet::EMPTY).unwrap();
        resume(child, None);
        assert_eq!(wait_of(child), ChildEvent::Traced(number(Signal::SIGUSR2)));
        resume(child, Some(Signal::SIGUSR2));
        assert_eq!(wait_for_end().event, ChildEvent::Ended(number(Signal::SIGUSR2)));
    });
}

#[test]
fn c04_sigkill_ends_every_stop() {
    over_seeds(100, 3, || {
        let child = fork(linger_until_killed);
        let tracee = task(child);
        ptrace::seize(&tracee, Options::empty()).unwrap();
        ptrace::interrupt(&tracee).unwrap();
        sched::sleep_for(machine::sim::random(100_000));
        kill_and_wait(child);
        assert!(ptrace::signal_info(&tracee).is_err());
    });
}
