//! Address spaces: mappings come and go, pages are made when they are touched.

use runtime::Result;
use runtime::clock::ticks;
use runtime::memory::Mapping;

use crate::{Workload, average, report};

const PAGE: usize = 4096;

pub(crate) const WORKLOADS: &[Workload] = &[
    Workload { name: "mmap_munmap", measure: mmap_munmap },
    Workload { name: "page_fault", measure: page_fault },
    Workload { name: "touch_large", measure: touch_large },
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
    let (touch, unmap) = touch_all(Mapping::new(PAGES * PAGE)?);
    report("unmap_page", unmap);
    Ok(touch)
}

/// The same where the kernel may take large pages for them, if it has any.
fn touch_large() -> Result<u64> {
    let mut mapping = Mapping::new(PAGES * PAGE)?;
    mapping.welcome_large_pages();
    let (touch, unmap) = touch_all(mapping);
    report("unmap_large", unmap);
    Ok(touch)
}

const PAGES: usize = 64 * 1024 * 1024 / PAGE;

/// What it takes to touch a page, and to give it back.
fn touch_all(mut mapping: Mapping) -> (u64, u64) {
    let start = ticks();
    for page in mapping.bytes().chunks_mut(PAGE) {
        page[0] = 1;
    }
    let touch = ticks() - start;
    let start = ticks();
    drop(mapping);
    (touch / PAGES as u64, (ticks() - start) / PAGES as u64)
}
