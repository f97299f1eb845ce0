//! Where the memory went.

use alloc::format;
use core::fmt::Write;

use errno::Result;
use kernfs::Text;
use machine::LARGE_PAGE_SIZE;
use machine::thread::STACK_SIZE;
use memory::PAGE_SIZE;

/// `meminfo`, in KiB.
pub(super) fn meminfo(text: &mut Text) -> Result<()> {
    let memory = memory::statistics();
    let tasks: usize = process::processes().iter().map(|process| process.thread_count()).sum();
    let shared = fs::tmpfs::pages_in_use() as usize * PAGE_SIZE;
    let large = machine::memory::large_page_counters().mapped;
    let rows = [
        ("MemTotal:", memory.total),
        ("MemFree:", memory.free),
        // Nothing is cached that could be dropped: files live in memory.
        ("MemAvailable:", memory.free.saturating_sub(memory.reserve)),
        ("Buffers:", 0),
        ("Cached:", shared),
        ("SwapCached:", 0),
        ("SwapTotal:", 0),
        ("SwapFree:", 0),
        ("Dirty:", 0),
        ("Writeback:", 0),
        ("Shmem:", shared),
        ("Slab:", memory.slab),
        ("SReclaimable:", 0),
        ("SUnreclaim:", memory.slab),
        ("KernelStack:", tasks * STACK_SIZE),
        ("AnonHugePages:", large * LARGE_PAGE_SIZE),
    ];
    for (name, bytes) in rows {
        writeln!(text, "{name:<16}{:>8} kB", bytes / 1024)?;
    }
    Ok(())
}

/// `vmstat`: of Linux's counters those that are kept, and those of address spaces and their
/// borrowing.
pub(super) fn vmstat(text: &mut Text) -> Result<()> {
    let free = memory::statistics().free / PAGE_SIZE;
    let spaces = sched::address_space_counters();
    let tlb = machine::memory::tlb_counters();
    let large = machine::memory::large_page_counters();
    let faults = vm::LargePageStatistics::current();
    for (name, value) in [
        ("nr_free_pages", free as u64),
        ("nr_tlb_remote_flush", tlb.remote_flushes),
        ("nr_tlb_local_flush_all", tlb.local_flushes),
        ("address_space_loads", tlb.switches),
        ("address_space_switches", spaces.switches),
        ("lazy_tlb_borrows", spaces.borrows),
        ("lazy_tlb_spared", spaces.spared),
        ("kernel_stack_maps", sched::stack_cache::maps()),
        ("nr_anon_transparent_hugepages", large.mapped as u64),
        ("thp_fault_alloc", faults.taken),
        ("thp_fault_fallback", faults.missed),
        ("thp_split_pmd", large.splits),
    ] {
        writeln!(text, "{name} {value}")?;
    }
    Ok(())
}

/// `buddyinfo`: free blocks of each size by node.
pub(super) fn buddyinfo(text: &mut Text) -> Result<()> {
    for node in 0..machine::memory::nodes() {
        write!(text, "Node {node}, zone {:>8} ", "Normal")?;
        for blocks in memory::node_statistics(node).free_blocks {
            write!(text, "{blocks:>6} ")?;
        }
        text.push(b"\n")?;
    }
    Ok(())
}

/// `zoneinfo`: what is free and what there is, by node, in pages.
pub(super) fn zoneinfo(text: &mut Text) -> Result<()> {
    for node in 0..machine::memory::nodes() {
        let statistics = memory::node_statistics(node);
        writeln!(text, "Node {node}, zone {:>8}", "Normal")?;
        writeln!(text, "  pages free     {}", statistics.free / PAGE_SIZE)?;
        for name in ["spanned", "present", "managed"] {
            writeln!(text, "        {name:<9}{}", statistics.total / PAGE_SIZE)?;
        }
    }
    Ok(())
}

/// `swaps`: a heading, as there is no swap space.
pub(super) fn swaps(text: &mut Text) -> Result<()> {
    text.push(b"Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n")
}

/// `slabinfo`: the heap's objects by size. CPUs keep some of those in use ready for the next who asks.
pub(super) fn slabinfo(text: &mut Text) -> Result<()> {
    text.push(b"slabinfo - version: 2.1\n")?;
    text.push(b"# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab>")?;
    text.push(b" : tunables <limit> <batchcount> <sharedfactor>")?;
    text.push(b" : slabdata <active_slabs> <num_slabs> <sharedavail>\n")?;
    for slab in memory::slab_statistics() {
        writeln!(
            text,
            "{:<17} {:>6} {:>6} {:>6} {:>4} {:>4} : tunables {:>4} {:>4} {:>4} : slabdata {:>6} {:>6} {:>6}",
            format!("kmalloc-{}", slab.object_size),
            slab.active,
            slab.objects,
            slab.object_size,
            slab.objects_per_slab,
            slab.pages_per_slab,
            0,
            0,
            0,
            slab.slabs,
            slab.slabs,
            0
        )?;
    }
    Ok(())
}
