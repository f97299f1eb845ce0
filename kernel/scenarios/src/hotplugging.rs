//! CPUs that come and go.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use kthread::Exit;

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
