//! Memory where large pages are welcome.

use std::fs;

/// What a large page is.
pub(crate) const LARGE: usize = 2 << 20;
pub(crate) const PAGE: usize = 4096;

/// Private memory, aligned as large pages are.
pub(crate) struct Area {
    start: usize,
    length: usize,
}

impl Area {
    /// So many large pages, where they are welcome or not.
    pub(crate) fn new(count: usize, advice: libc::c_int) -> Self {
        let (length, more) = (count * LARGE, (count + 1) * LARGE);
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: fresh memory at a place of the kernel's choice, and what is too much of it is unmapped again.
        unsafe {
            let at = libc::mmap(std::ptr::null_mut(), more, protection, flags, -1, 0);
            assert_ne!(at, libc::MAP_FAILED);
            let start = at.addr().next_multiple_of(LARGE);
            let before = start - at.addr();
            if before > 0 {
                assert_eq!(libc::munmap(at, before), 0);
            }
            let after = (start + length) as *mut libc::c_void;
            assert_eq!(libc::munmap(after, LARGE - before), 0);
            assert_eq!(libc::madvise(start as *mut libc::c_void, length, advice), 0);
            Self { start, length }
        }
    }

    /// Where a page is.
    pub(crate) fn page(&self, number: usize) -> *mut libc::c_void {
        assert!(number * PAGE < self.length, "beyond the end");
        (self.start + number * PAGE) as *mut libc::c_void
    }

    pub(crate) fn pages(&self) -> usize {
        self.length / PAGE
    }

    /// Stores into a page, which is there.
    pub(crate) fn store(&self, page: usize, value: u64) {
        // SAFETY: within the mapping; others may look at the same time.
        unsafe { self.page(page).cast::<u64>().write_volatile(value) };
    }

    /// Loads from a page, which is there.
    pub(crate) fn load(&self, page: usize) -> u64 {
        // SAFETY: as above.
        unsafe { self.page(page).cast::<u64>().read_volatile() }
    }

    /// Stores each page's number into it.
    pub(crate) fn fill(&self) {
        (0..self.pages()).for_each(|page| self.store(page, page as u64));
    }

    /// Whether each page of a range holds its number.
    #[track_caller]
    pub(crate) fn is_filled(&self, pages: std::ops::Range<usize>) {
        pages.for_each(|page| assert_eq!(self.load(page), page as u64, "page {page}"));
    }

    /// KiB of it that large pages map, by `smaps`.
    pub(crate) fn large(&self) -> usize {
        kib(self.start, "AnonHugePages:")
    }
}

impl Drop for Area {
    fn drop(&mut self) {
        // SAFETY: what this value has mapped, as far as it still is.
        unsafe { libc::munmap(self.start as *mut libc::c_void, self.length) };
    }
}

/// A row of `smaps` for the mapping that an address is in.
fn kib(address: usize, row: &str) -> usize {
    let text = fs::read_to_string("/proc/self/smaps").expect("smaps");
    let mut inside = false;
    for line in text.lines() {
        let first = line.split(' ').next().unwrap_or_default();
        if let Some((start, end)) = first.split_once('-') {
            let number = |text| usize::from_str_radix(text, 16);
            if let (Ok(start), Ok(end)) = (number(start), number(end)) {
                inside = (start..end).contains(&address);
            }
        } else if inside && first == row {
            let value = line.split_whitespace().nth(1).and_then(|value| value.parse().ok());
            return value.expect("a number");
        }
    }
    panic!("{row} is not in smaps")
}

/// A counter of `/proc/vmstat`.
pub(crate) fn counter(name: &str) -> u64 {
    let text = fs::read_to_string("/proc/vmstat").expect("vmstat");
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("{name} is not in vmstat"))
}
