//! CPUs that come and go.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use errno::Errno;
use kthread::Exit;
use sched::{CpuMask, TaskFlags};

use crate::tools::{cpus, dawdle, random, spawn};

pub(crate) fn under_load() {
    let all = cpus();
    let over = Arc::new(AtomicBool::new(false));
    let turns: Vec<Arc<AtomicU64>> = (0..6).map(|_| Arc::new(AtomicU64::new(0))).collect();
    let load: Vec<_> = turns
        .iter()
        .map(|turns| {
            let (over, turns) = (over.clone(), turns.clone());
            spawn("load", move |_| {
                while !over.load(Ordering::SeqCst) {
                    turns.fetch_add(1, Ordering::SeqCst);
                    dawdle();
                }
                0
            })
        })
        .collect();
    for _ in 0..3 {
        let Some(&cpu) = all.get(1 + random(all.len().max(2) as u64 - 1) as usize) else { break };
        hotplug::down(cpu).expect("it is not the last");
        assert!(!hotplug::is_online(cpu));
        let before: Vec<u64> = turns.iter().map(|turns| turns.load(Ordering::SeqCst)).collect();
        // Nobody was left on it: everybody goes on.
        for (turns, before) in turns.iter().zip(before) {
            while turns.load(Ordering::SeqCst) == before {
                sched::sleep_for(10_000);
            }
        }
        hotplug::up(cpu).expect("it was there before");
        assert!(hotplug::is_online(cpu));
    }
    over.store(true, Ordering::SeqCst);
    for thread in load {
        assert!(matches!(thread.join(), Exit::Returned(0)));
    }
    assert!(hotplug::down(machine::cpu::count()).is_err(), "there is no such CPU");
}

/// A CPU that is about to go, and still runs, takes the kernel's threads, and no program.
pub(crate) fn a_cpu_that_goes_is_no_choice() {
    let Some(&cpu) = cpus().get(1) else { return };
    let thread = spawn("program", move |_| {
        let me = sched::current_ref();
        sched::set_inactive(cpu).expect("nothing was promised");
        assert_eq!(sched::set_allowed_from_user(&me, CpuMask::of(cpu)), Ok(()));
        assert_eq!(sched::set_allowed_from_user(&me, CpuMask::ALL), Ok(()));
        me.remove_flags(TaskFlags::KTHREAD);
        let refused = sched::set_allowed_from_user(&me, CpuMask::of(cpu));
        let allowed = me.allowed();
        sched::set_active(cpu, true);
        assert_eq!((refused, allowed), (Err(Errno::EINVAL), CpuMask::ALL));
        assert_eq!(sched::set_allowed_from_user(&me, CpuMask::of(cpu)), Ok(()));
        0
    });
    assert!(matches!(thread.join(), Exit::Returned(0)));
}
