//! Which address space a CPU has loaded, and making CPUs forget translations.
//!
//! Each space counts its changes; each CPU remembers up to which change its translations of a space are
//! good. Whoever removes a translation first changes the entry, then raises the count, then reads which
//! CPUs have the space loaded; a CPU that loads a space first says so, then reads the count. So a CPU
//! that the other does not see will see the new count, and starts without old translations. The CPUs
//! that are seen get a request and an interrupt, and are waited for.
//!
//! A CPU that only borrows a space, for a kernel thread or for its idle task, is passed by: nothing on it uses these translations, old
//! or not. The order is the same once more. It ends borrowing before it reads the count, and the other raises the
//! count before it reads who borrows: either the one is asked, or it sees that something has changed, and forgets
//! everything. Tables stay until their space is dropped, so what the processor looks up on its own account meanwhile does no harm.
//!
//! A CPU serves requests whenever it spins ([`serve`] is in every spin loop of the kernel, through
//! [`crate::cpu::relax`]), so two CPUs with interrupts off may wait for each other.
//!
//! Where the processor tags translations (PCID), a CPU keeps those of the spaces that it loaded last.
//! The change count then decides, when a space is loaded again, whether they may be used.

use crate::features;
use crate::interrupt::vector;
use crate::percpu::{self, PerCpu, count};
use crate::registers::{cr3, cr4 as bits, cr4, invlpg, set_cr3, set_cr4};
use crate::{apic, irq, paging};
use contract::PAGE_SIZE;
use core::ops::Range;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering::*, fence};

/// How many spaces' translations a CPU keeps apart.
const TAGS: usize = 6;
/// More pages than this are forgotten all at once.
const FEW_PAGES: usize = 32;
/// In CR3: keep the translations that have this tag.
const KEEP: u64 = 1 << 63;

/// The part of an address space that CPUs and flushes need. It stays where it is while loaded.
#[derive(Debug)]
pub struct Space {
    /// The physical address of the top-level table.
    pub root: u64,
    /// Never used twice, unlike its address.
    identity: u64,
    /// How many times translations were removed or restricted.
    changes: AtomicU64,
    /// Which CPUs have the space loaded.
    cpus: AtomicU32,
}

impl Space {
    pub fn new(root: u64) -> Self {
        static IDENTITY: AtomicU64 = AtomicU64::new(1);
        Self {
            root,
            identity: IDENTITY.fetch_add(1, Relaxed),
            changes: AtomicU64::new(1),
            cpus: AtomicU32::new(0),
        }
    }

    /// Whether a CPU has it loaded.
    pub fn is_loaded(&self) -> bool {
        self.cpus.load(Acquire) != 0
    }
}

/// A space whose translations a CPU may hold, and how new they are.
struct Tag {
    identity: AtomicU64,
    changes: AtomicU64,
}

/// A CPU's requests from others, its own request to others, and its tags.
pub struct Mailbox {
    /// Which CPUs have a request for this one.
    requests: AtomicU32,
    /// This CPU's request: the space (null: the kernel's half), the range, the space's count, and who
    /// has not served it yet.
    space: AtomicPtr<Space>,
    start: AtomicUsize,
    end: AtomicUsize,
    change: AtomicU64,
    waiting: AtomicU32,
    tags: [Tag; TAGS],
    /// The tag in use, and the one to give away next.
    tag: AtomicUsize,
    next_tag: AtomicUsize,
}

impl Mailbox {
    pub const fn new() -> Self {
        Self {
            requests: AtomicU32::new(0),
            space: AtomicPtr::new(null_mut()),
            start: AtomicUsize::new(0),
            end: AtomicUsize::new(0),
            change: AtomicU64::new(0),
            waiting: AtomicU32::new(0),
            tags: [const { Tag { identity: AtomicU64::new(0), changes: AtomicU64::new(0) } }; TAGS],
            tag: AtomicUsize::new(0),
            next_tag: AtomicUsize::new(0),
        }
    }

    /// Chooses the tag for a space; true if its translations are still good.
    fn choose(&self, space: &Space) -> (usize, bool) {
        let changes = space.changes.load(SeqCst);
        if features::get().pcid {
            for (i, tag) in self.tags.iter().enumerate() {
                if tag.identity.load(Relaxed) == space.identity {
                    let good = tag.changes.swap(changes, Relaxed) == changes;
                    return (i, good);
                }
            }
        }
        let next = self.next_tag.load(Relaxed);
        if features::get().pcid {
            self.next_tag.store((next + 1) % TAGS, Relaxed);
        }
        self.tags[next].identity.store(space.identity, Relaxed);
        self.tags[next].changes.store(changes, Relaxed);
        (next, false)
    }
}

/// What CR3 holds for a space under a tag. Tag 0 is the kernel's.
fn cr3_for(root: u64, tag: usize) -> u64 {
    root | if features::get().pcid { tag as u64 + 1 } else { 0 }
}

/// Makes this CPU use a space, or none. Interrupts off. If it is loaded already, what has changed while it was borrowed is forgotten.
#[inline]
pub(crate) fn load(space: Option<&Space>) {
    let cpu = percpu::this();
    let wanted = space.map_or(null_mut(), |space| core::ptr::from_ref(space).cast_mut());
    let loaded = cpu.loaded_space.load(Relaxed);
    if loaded != wanted {
        replace(cpu, loaded, space);
    } else if let Some(space) = space
        && cpu.borrows.load(Relaxed)
    {
        stop_borrowing(cpu, space);
    }
}

/// From now on this CPU uses nothing of the space that it has loaded, until it loads one. Interrupts off.
#[inline]
pub(crate) fn borrow() {
    // Release: what was done with the translations is done.
    percpu::this().borrows.store(true, Release);
}

fn stop_borrowing(cpu: &PerCpu, space: &Space) {
    // Before the count is read: see the module.
    cpu.borrows.swap(false, SeqCst);
    let changes = space.changes.load(SeqCst);
    let tag = &cpu.mailbox.tags[cpu.mailbox.tag.load(Relaxed)];
    if tag.changes.load(Relaxed) != changes {
        tag.changes.store(changes, Relaxed);
        count(&cpu.counts.local_flushes);
        // SAFETY: the table that is loaded.
        unsafe { set_cr3(cr3() & !KEEP) };
    }
}

fn replace(cpu: &PerCpu, loaded: *mut Space, space: Option<&Space>) {
    debug_assert!(!irq::enabled(), "an address space is loaded with interrupts off");
    let me = 1 << cpu.id();
    let value = match space {
        None => paging::root().physical(),
        Some(space) => {
            cpu.borrows.store(false, Relaxed);
            // Before the count is read: see the module.
            space.cpus.fetch_or(me, SeqCst);
            let (tag, good) = cpu.mailbox.choose(space);
            cpu.mailbox.tag.store(tag, Relaxed);
            cr3_for(space.root, tag) | if good { KEEP } else { 0 }
        }
    };
    cpu.loaded_space
        .store(space.map_or(null_mut(), |s| core::ptr::from_ref(s).cast_mut()), Relaxed);
    // SAFETY: every space's table maps the kernel's half as all do.
    unsafe { set_cr3(value) };
    // SAFETY: a space outlives its being loaded: its owner checks before it drops it.
    if let Some(loaded) = unsafe { loaded.as_ref() } {
        loaded.cpus.fetch_and(!me, Release);
    }
    count(&cpu.counts.switches);
}

/// Makes all CPUs forget what they know of a range of a space; its entries have been changed.
pub(crate) fn flush(space: &Space, range: Range<usize>) {
    let interrupts = irq::disable();
    let cpu = percpu::this();
    // After the entries' change, before the CPUs are read: see the module.
    let change = space.changes.fetch_add(1, SeqCst) + 1;
    let cpus = space.cpus.load(SeqCst);
    let me = 1 << cpu.id();
    // As the others do, this CPU will see that something has changed when it ends borrowing.
    if cpus & me != 0 && !cpu.borrows.load(Relaxed) {
        forget(cpu, space, &range, change);
    }
    let users = cpus & !me & !borrowers(cpus & !me);
    if users != 0 {
        ask(cpu, core::ptr::from_ref(space).cast_mut(), range, change, users);
    }
    if interrupts {
        irq::enable();
    }
}

/// Which of these CPUs only borrow what they have loaded.
fn borrowers(cpus: u32) -> u32 {
    let borrows = |id: &usize| {
        cpus & 1 << id != 0 && percpu::of(*id).is_some_and(|cpu| cpu.borrows.load(SeqCst))
    };
    (0..percpu::cpus()).filter(borrows).fold(0, |all, id| all | 1 << id)
}

/// Makes all CPUs that have a space loaded pass a barrier, by a request to forget nothing. The exchanges with which they serve
/// it, and with which a CPU that this one does not see loads the space, are the barriers; the return from the interrupt, and the load
/// of CR3, make the processor forget what it has fetched.
pub(crate) fn barrier(space: &Space) {
    let interrupts = irq::disable();
    let cpu = percpu::this();
    // What the caller did comes before reading who has the space.
    fence(SeqCst);
    let others = space.cpus.load(SeqCst) & !(1 << cpu.id());
    if others != 0 {
        // No change is number 0: nothing is forgotten.
        ask(cpu, core::ptr::from_ref(space).cast_mut(), 0..0, 0, others);
    }
    // And what the caller does next comes after they have served.
    fence(SeqCst);
    if interrupts {
        irq::enable();
    }
}

/// Makes all running CPUs forget a range of the kernel's half; its entries have been changed.
pub(crate) fn flush_kernel(range: Range<usize>) {
    let interrupts = irq::disable();
    let cpu = percpu::this();
    // The entries' change comes before reading who runs; a CPU that starts to run forgets everything
    // after it has said so.
    fence(SeqCst);
    let mut others = 0;
    for other in (0..percpu::cpus()).filter_map(percpu::of) {
        if other.id() != cpu.id() && other.running.load(SeqCst) {
            others |= 1 << other.id();
        }
    }
    range.clone().step_by(PAGE_SIZE).for_each(invlpg);
    if others != 0 {
        ask(cpu, null_mut(), range, 0, others);
    }
    if interrupts {
        irq::enable();
    }
}

/// Puts a request to other CPUs and waits until all have served it. Interrupts are off, so that this
/// CPU has one request at a time.
fn ask(cpu: &PerCpu, space: *mut Space, range: Range<usize>, change: u64, targets: u32) {
    let mailbox = &cpu.mailbox;
    let flushes = !range.is_empty();
    mailbox.space.store(space, Relaxed);
    mailbox.start.store(range.start, Relaxed);
    mailbox.end.store(range.end, Relaxed);
    mailbox.change.store(change, Relaxed);
    mailbox.waiting.store(targets, Release);
    for target in (0..percpu::cpus()).filter(|id| targets & 1 << id != 0).filter_map(percpu::of) {
        target.mailbox.requests.fetch_or(1 << cpu.id(), AcqRel);
        apic::send(target.apic_id.load(Relaxed), vector::FLUSH);
        if flushes {
            count(&cpu.counts.remote_flushes);
        }
    }
    while mailbox.waiting.load(Acquire) != 0 {
        serve();
        core::hint::spin_loop();
    }
}

/// Serves what other CPUs ask of this one. Any context.
#[inline]
pub(crate) fn serve() {
    let cpu = percpu::this();
    if cpu.mailbox.requests.load(Relaxed) != 0 {
        serve_all();
    }
}

#[cold]
fn serve_all() {
    let interrupts = irq::disable();
    let cpu = percpu::this();
    let requests = cpu.mailbox.requests.swap(0, Acquire);
    for from in (0..percpu::cpus()).filter(|id| requests & 1 << id != 0).filter_map(percpu::of) {
        let request = &from.mailbox;
        let range = request.start.load(Relaxed)..request.end.load(Relaxed);
        let space = request.space.load(Relaxed);
        if space.is_null() {
            range.step_by(PAGE_SIZE).for_each(invlpg);
        } else if space == cpu.loaded_space.load(Relaxed) {
            // SAFETY: whoever asks has the space, and waits.
            forget(cpu, unsafe { &*space }, &range, request.change.load(Relaxed));
        }
        request.waiting.fetch_and(!(1 << cpu.id()), Release);
    }
    if interrupts {
        irq::enable();
    }
}

/// Forgets a range of the loaded space. If this is not the very next change that the CPU has not seen
/// yet, everything goes: then what is known of the space is as new as the count read before.
fn forget(cpu: &PerCpu, space: &Space, range: &Range<usize>, change: u64) {
    let tag = &cpu.mailbox.tags[cpu.mailbox.tag.load(Relaxed)];
    let seen = tag.changes.load(Relaxed);
    if seen >= change {
        return;
    }
    count(&cpu.counts.local_flushes);
    if seen + 1 == change && range.len() <= FEW_PAGES * PAGE_SIZE {
        tag.changes.store(change, Relaxed);
        range.clone().step_by(PAGE_SIZE).for_each(invlpg);
    } else {
        tag.changes.store(space.changes.load(SeqCst), Relaxed);
        // SAFETY: the table that is loaded.
        unsafe { set_cr3(cr3() & !KEEP) };
    }
}

/// Forgets all translations of this CPU, of all spaces and of the kernel's half.
pub(crate) fn flush_everything() {
    let mailbox = &percpu::this().mailbox;
    mailbox.tags.iter().for_each(|tag| tag.identity.store(0, Relaxed));
    let value = cr4();
    // SAFETY: turning global pages off and on again changes nothing else.
    unsafe {
        set_cr4(value & !bits::PGE);
        set_cr4(value);
    }
}
