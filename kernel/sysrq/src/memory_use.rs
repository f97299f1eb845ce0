//! Where the memory is, in the lines of Linux that have something to say here.

use core::fmt;

use memory::{NodeStatistics, PAGE_SIZE};

const KILOBYTE: usize = 1024;

pub(crate) fn show() {
    let memory = memory::statistics();
    let pages = |bytes: usize| bytes / PAGE_SIZE;
    let shared = fs::tmpfs::pages_in_use();
    log::info!("Mem-Info:");
    log::info!(" slab_reclaimable:0 slab_unreclaimable:{}", pages(memory.slab));
    log::info!(" shmem:{shared}");
    log::info!(" free:{} free_pcp:{}", pages(memory.free - memory.cached), pages(memory.cached));
    for node in 0..machine::memory::nodes() {
        let zone = memory::node_statistics(node);
        let (free, total) = (zone.free / KILOBYTE, zone.total / KILOBYTE);
        log::info!("Node {node} Normal free:{free}kB present:{total}kB managed:{total}kB");
        log::info!("Node {node} Normal: {}= {free}kB", Blocks(&zone));
    }
    log::info!("{shared} total pagecache pages");
    log::info!("0 pages in swap cache");
    log::info!("Free swap  = 0kB");
    log::info!("Total swap = 0kB");
    log::info!("{} pages RAM", pages(memory.total));
}

/// How many blocks of each size are free.
struct Blocks<'a>(&'a NodeStatistics);

impl fmt::Display for Blocks<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (order, count) in self.0.free_blocks.iter().enumerate() {
            write!(f, "{count}*{}kB ", (PAGE_SIZE / KILOBYTE) << order)?;
        }
        Ok(())
    }
}
