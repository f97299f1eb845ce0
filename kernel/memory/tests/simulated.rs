//! Frames, pages and heap on the simulated machine: several CPUs and nodes, interrupts that
//! allocate, memory that runs out.

use std::alloc::{GlobalAlloc, Layout};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use contract::{PAGE_SIZE, Upcalls};
use errno::Errno;
use fault::{Plan, Point, When};
use machine::sim::{self, Config};
use memory::heap::KernelHeap;
use memory::{Page, alloc_page, alloc_page_for_overwrite, statistics};

const PAGE: usize = PAGE_SIZE;

fn run(config: Config, body: fn()) {
    fixture::with_memory(&config, &UPCALLS, body);
}

static UPCALLS: Upcalls = Upcalls { timer, ..fixture::MEMORY_UPCALLS };

/// Takes all pages that there are.
fn exhaust() -> Vec<Page> {
    std::iter::from_fn(|| alloc_page(None).ok()).collect()
}

#[test]
fn a_page_lives_as_long_as_its_references() {
    run(Config::default(), || {
        let free = statistics().free;
        let page = alloc_page(None).unwrap();
        page.write(100, b"heddle");
        let other = page.clone();
        let number = page.number();
        let third = Page::try_get(number).unwrap();
        assert_eq!(page.reference_count(), 3);
        assert_eq!(Page::from_frame(third.into_frame()), page);
        assert_eq!(page.reference_count(), 2);
        drop(page);
        let mut text = [0; 6];
        other.read(100, &mut text);
        assert_eq!(&text, b"heddle");
        other.set_anonymous();
        drop(other);
        assert!(Page::try_get(number).is_none());
        assert_eq!(statistics().free, free);
        // The next one is the same frame, and knows nothing of its past.
        let next = alloc_page(None).unwrap();
        assert_eq!(next.number(), number);
        assert!(!next.is_anonymous());
        next.read(100, &mut text);
        assert_eq!(text, [0; 6]);
    });
}

#[test]
fn frames_of_zeros_serve_who_wants_zeros() {
    run(Config::default(), || {
        let everything = exhaust().len();
        let free = statistics().free;
        let give_back = |frames: Vec<_>| frames.into_iter().for_each(memory::free_zeroed_frame);
        let frame = memory::allocate_frame(None).unwrap();
        let number = frame.number();
        give_back(vec![frame]);
        assert_eq!(statistics().free, free);
        assert_ne!(alloc_page_for_overwrite(None).unwrap().number(), number);
        let page = alloc_page(None).unwrap();
        assert_eq!((page.number(), page.reference_count()), (number, 1));
        let mut contents = [1; PAGE];
        page.read(0, &mut contents);
        assert_eq!(contents, [0; PAGE]);
        // It is like any other from now on.
        page.write(0, &[7; PAGE]);
        drop(page);
        // More than are kept; none of them is lost, whoever needs them.
        give_back((0..100).map(|_| memory::allocate_frame(None).unwrap()).collect());
        assert_eq!(statistics().free, free);
        let pages: Vec<_> = std::iter::from_fn(|| alloc_page_for_overwrite(None).ok()).collect();
        assert_eq!(pages.len(), everything);
        drop(pages);
        give_back((0..100).map(|_| memory::allocate_frame(None).unwrap()).collect());
        memory::drain_cpu();
        assert_eq!(statistics().cached, 0);
        for page in exhaust() {
            page.read(0, &mut contents);
            assert_eq!(contents, [0; PAGE]);
        }
    });
}

#[test]
fn what_is_no_page_gives_no_reference() {
    run(Config::default(), || {
        let object = Layout::new::<[u64; 8]>();
        // SAFETY: the layout is not empty.
        let pointer = unsafe { KernelHeap.alloc(object) };
        let first = machine::memory::regions()[0].frames.start;
        let base = machine::memory::direct_map(first).addr();
        let slab = first + (pointer.addr() - base) / PAGE;
        for number in [0, 1, first, slab, slab + 1, usize::MAX / PAGE, usize::MAX] {
            assert!(Page::try_get(number).is_none(), "frame {number:#x}");
        }
        // SAFETY: allocated above with this layout.
        unsafe { KernelHeap.dealloc(pointer, object) };
    });
}

#[test]
fn small_objects_have_a_reserve_and_the_hook_is_asked() {
    static ASKED: AtomicUsize = AtomicUsize::new(0);
    static SPARE: AtomicBool = AtomicBool::new(false);
    run(Config::default(), || {
        let everything = statistics().free;
        let pages = exhaust();
        assert_eq!(alloc_page(None).err(), Some(Errno::ENOMEM));
        assert_eq!(statistics().free, statistics().reserve);
        assert_eq!(pages.len() * PAGE + statistics().free, everything);
        let small = Layout::new::<[u64; 16]>();
        let short_run = Layout::new::<[u64; 2048]>();
        let long_run = Layout::new::<[u64; 16384]>();
        assert_eq!(memory::require_free(), Err(Errno::ENOMEM));
        // SAFETY: the layouts are not empty.
        unsafe {
            assert!(KernelHeap.alloc(long_run).is_null());
            for layout in [small, short_run] {
                let object = KernelHeap.alloc(layout);
                assert!(!object.is_null());
                KernelHeap.dealloc(object, layout);
            }
        }
        memory::set_out_of_memory_hook(|| {
            ASKED.fetch_add(1, Ordering::Relaxed);
            SPARE.swap(false, Ordering::Relaxed)
        });
        // Only where the caller may sleep: here preemption is off, as at boot.
        assert!(alloc_page(None).is_err());
        assert_eq!(ASKED.load(Ordering::Relaxed), 0);
        machine::cpu::preempt_sub(machine::preempt::PREEMPT_UNIT);
        machine::irq::enable();
        assert!(alloc_page(None).is_err());
        assert_eq!(ASKED.load(Ordering::Relaxed), 1);
        SPARE.store(true, Ordering::Relaxed);
        assert!(alloc_page(None).is_err());
        assert_eq!(ASKED.load(Ordering::Relaxed), 3);
        drop(pages);
        assert!(alloc_page(None).is_ok());
        assert_eq!(memory::require_free(), Ok(()));
    });
}

#[test]
fn all_memory_merges_again() {
    run(Config::default(), || {
        let blocks = memory::node_statistics(0).free_blocks;
        drop(exhaust());
        memory::drain_cpu();
        let now = memory::node_statistics(0).free_blocks;
        // What was counted as whole untouched sections leaves a piece at each end.
        assert_eq!(now[10], blocks[10]);
        assert!(now[..10].iter().all(|&count| count <= 2), "{now:?}");
        assert_eq!(statistics().cached, 0);
    });
}

#[test]
fn nodes_are_kept_apart_until_one_is_empty() {
    run(Config { cpus: 2, nodes: 2, ..Config::default() }, || {
        let near = alloc_page(None).unwrap();
        assert_eq!(near.node(), 0);
        let far = alloc_page(Some(1)).unwrap();
        assert_eq!(far.node(), 1);
        drop(far);
        assert_eq!(statistics().cached, 15 * PAGE, "a far frame goes home");
        let mut per_node = [0; 2];
        let pages = exhaust();
        pages.iter().for_each(|page| per_node[page.node()] += 1);
        assert!(per_node.iter().all(|&count| count > 1000), "{per_node:?}");
        let first_far = pages.iter().position(|page| page.node() == 1).unwrap();
        assert!(pages[first_far..].iter().all(|page| page.node() == 1));
    });
}

#[test]
fn a_region_can_be_added_later() {
    run(Config::default(), || {
        let pages = exhaust();
        let total = statistics().total;
        // Frames that are in use so far, in one run: as the initial ramdisk's are.
        let mut frames: Vec<_> =
            pages.into_iter().map(|page| page.into_frame().into_number()).collect();
        frames.sort_unstable();
        let run = frames.chunk_by(|a, b| a + 1 == *b).max_by_key(|run| run.len()).unwrap();
        let range = contract::FrameRange { start: run[0], end: run[0] + run.len() };
        memory::add_region(contract::Region { frames: range, node: 0 });
        assert_eq!(statistics().total, total + run.len() * PAGE);
        let now = statistics();
        assert_eq!(exhaust().len() * PAGE, now.free - now.reserve);
        memory::add_region(contract::Region {
            frames: contract::FrameRange { start: 7, end: 7 },
            node: 0,
        });
        assert_eq!(statistics().total, total + run.len() * PAGE);
    });
}

#[test]
fn failures_on_purpose() {
    run(Config::default(), || {
        fault::arm(Plan { point: Some(Point::Page), when: When::Nth(2) });
        let outcomes = [(); 3].map(|()| alloc_page(None).is_ok());
        assert_eq!(outcomes, [true, false, true]);
        assert_eq!(fault::disarm().failed, 1);
        fault::arm(Plan { point: Some(Point::Page), when: When::Nth(1) });
        assert!(memory::allocate_frame(None).is_none());
        fault::disarm();
    });
}

/// An object that a CPU holds, and the byte that it is filled with.
struct Held {
    pointer: *mut u8,
    layout: Layout,
    byte: u8,
}

impl Held {
    fn new(size: usize, align: usize, byte: u8) -> Option<Self> {
        let layout = Layout::from_size_align(size, align).unwrap();
        // SAFETY: the size is not 0; all of it is then written.
        unsafe {
            let pointer = KernelHeap.alloc(layout);
            if pointer.is_null() {
                return None;
            }
            assert!(pointer.addr().is_multiple_of(align));
            pointer.write_bytes(byte, size);
            Some(Self { pointer, layout, byte })
        }
    }

    fn resize(self, size: usize) -> Self {
        self.check();
        let kept = size.min(self.layout.size());
        // SAFETY: allocated with this layout; the rest is written before it is read.
        let pointer = unsafe { KernelHeap.realloc(self.pointer, self.layout, size) };
        if pointer.is_null() {
            return self;
        }
        let layout = Layout::from_size_align(size, self.layout.align()).unwrap();
        // SAFETY: as above.
        unsafe {
            let start = std::slice::from_raw_parts(pointer, kept);
            assert!(start.iter().all(|&byte| byte == self.byte));
            pointer.write_bytes(self.byte, size);
        }
        let moved = Self { pointer, layout, byte: self.byte };
        std::mem::forget(self);
        moved
    }

    fn check(&self) {
        // SAFETY: `new` has written all of it.
        let bytes = unsafe { std::slice::from_raw_parts(self.pointer, self.layout.size()) };
        assert!(bytes.iter().all(|&byte| byte == self.byte), "somebody else wrote here");
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.check();
        // SAFETY: allocated with this layout, and given up here.
        unsafe { KernelHeap.dealloc(self.pointer, self.layout) };
    }
}

fn random(bound: usize) -> usize {
    sim::random(bound as u64) as usize
}

/// Allocates and frees at random, as tasks would.
fn churn(rounds: usize) {
    let mut held: BTreeMap<usize, Held> = BTreeMap::new();
    let mut pages: Vec<(Page, u8)> = Vec::new();
    for round in 0..rounds {
        let key = random(64);
        match random(10) {
            0..3 => {
                if let Ok(page) = alloc_page(None) {
                    page.write(key, &[round as u8]);
                    pages.push((page, round as u8));
                }
            }
            3..5 if !pages.is_empty() => {
                let (page, byte) = pages.swap_remove(random(pages.len()));
                let mut found = [0; 64];
                page.read(0, &mut found);
                assert!(found.contains(&byte));
            }
            5 => drop(held.remove(&key).map(|it| it.resize(1 + random(9000)))),
            _ => {
                let size = 1 + random(1 << random(15));
                let made = Held::new(size, 1 << random(9), round as u8);
                // The old one under the key, if any, goes.
                held.extend(made.map(|made| (key, made)));
            }
        }
    }
}

static DONE: AtomicUsize = AtomicUsize::new(0);

fn timer() {
    churn(6);
    if DONE.load(Ordering::Relaxed) < machine::cpu::count() {
        machine::time::set_timer(Some(machine::time::now() + 3_000));
    }
}

fn work() {
    machine::time::set_timer(Some(machine::time::now()));
    machine::irq::enable();
    churn(250);
    DONE.fetch_add(1, Ordering::Relaxed);
    while DONE.load(Ordering::Relaxed) < machine::cpu::count() {
        machine::cpu::relax();
    }
    let _ = machine::irq::disable();
    memory::drain_cpu();
}

fn other_cpu() -> ! {
    work();
    DONE.fetch_add(1, Ordering::Relaxed);
    loop {
        machine::cpu::park();
    }
}

/// All CPUs and their interrupts allocate and free at once: nobody's memory is anybody else's, and
/// all of it comes back.
#[test]
fn everybody_at_once() {
    for seed in 0..40 {
        let cpus = 1 + (seed % 4) as usize;
        let nodes = 1 + usize::from(cpus > 1 && seed % 8 > 3);
        run(Config { cpus, nodes, seed, ..Config::default() }, || {
            let cpus = machine::cpu::count();
            let contexts: Vec<_> = (1..cpus)
                .map(|cpu| {
                    let stack = machine::thread::Stack::new(machine::cpu::node(cpu)).unwrap();
                    machine::thread::Context::new(stack, other_cpu)
                })
                .collect();
            let before = statistics();
            for (cpu, context) in contexts.iter().enumerate() {
                machine::cpu::start(cpu + 1, context).unwrap();
            }
            work();
            while DONE.load(Ordering::Relaxed) < 2 * cpus - 1 {
                machine::cpu::relax();
            }
            let after = statistics();
            assert_eq!(after.free + after.slab, before.free + before.slab);
            assert_eq!((after.large, after.cached), (0, 0));
            // An idle slab of each class may stay.
            assert!(after.slab <= 18 * 4 * PAGE, "{after:?}");
            sim::pass();
        });
    }
}
