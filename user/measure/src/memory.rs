//! Address spaces: mappings come and go, pages are made when they are touched.

use runtime::Result;
use runtime::clock::ticks;
use runtime::memory::Mapping;

use crate::{Workload, average, report};

const PAGE: usize = 4096;

pub(crate) const WORKLOADS: &[Workload] = &[
    Workload { name: "mmap_munmap", measure: mmap_munmap },
    Workload { name: "page_fault", measure: page_fault },
];

/// A mapping of 64 KiB, of which one page is used.
fn mmap_munmap() -> Result<u64> {
    average(500, || {
        let mut mapping = Mapping::new(16 * PAGE)?;
        mapping.bytes()[5 * PAGE] = 1;
        Ok(())
    })
}

/// Touches 64 MiB, page by page, and gives them back; the figures are for one page.
fn page_fault() -> Result<u64> {
    const PAGES: usize = 64 * 1024 * 1024 / PAGE;
    let mut mapping = Mapping::new(PAGES * PAGE)?;
    let start = ticks();
    for page in mapping.bytes().chunks_mut(PAGE) {
        page[0] = 1;
    }
    let figure = (ticks() - start) / PAGES as u64;
    let start = ticks();
    drop(mapping);
    report("unmap_page", (ticks() - start) / PAGES as u64);
    Ok(figure)
}
