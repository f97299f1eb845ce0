//! Kernel stacks and contexts: real ones, on the host.

use core::cell::RefCell;
use core::ops::Range;
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use contract::{CpuId, NodeId, OutOfFrames, PAGE_SIZE};

use crate::arch;
use crate::machine::here;
use crate::report;
use crate::schedule;

/// Bytes of a kernel stack. More than on real machines: host code is built for the host, often
/// without optimisation.
pub const STACK_SIZE: usize = 128 * 1024;

/// A stack and its guard page.
const SLOT: usize = STACK_SIZE + PAGE_SIZE;
/// Slots that are mapped at a time.
const SLOTS_A_MAPPING: usize = 64;
/// Where mappings are asked for, so that addresses are the same in every run.
const WISHED_PLACE: usize = 0x1000_0000_0000;

/// A kernel stack with a guard page below it. Its memory goes to the pool when it is dropped.
#[derive(Debug)]
pub struct Stack {
    bottom: usize,
    node: NodeId,
}

impl Stack {
    /// A kernel stack, "near" the node.
    ///
    /// # Errors
    /// If the host has no memory, or the fault plan says so at the point `stack`.
    pub fn new(node: NodeId) -> Result<Self, OutOfFrames> {
        let machine = here();
        if crate::sim::should_fail("stack") {
            return Err(OutOfFrames);
        }
        let bottom = machine.stacks.take()?;
        machine.live.set(machine.live.get().with_stacks(1));
        Ok(Self { bottom, node })
    }

    /// The node that was asked for.
    #[must_use]
    pub fn node(&self) -> NodeId {
        self.node
    }

    /// The addresses of the stack, without the guard.
    pub(crate) fn bounds(&self) -> Range<usize> {
        self.bottom..self.bottom + STACK_SIZE
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        let machine = here();
        machine.live.set(machine.live.get().with_stacks(-1));
        machine.stacks.free.borrow_mut().push(self.bottom);
    }
}

/// Stacks that nobody uses, and the mappings that all of them come from.
#[derive(Debug, Default)]
pub(crate) struct StackPool {
    free: RefCell<Vec<usize>>,
    mappings: RefCell<Vec<Mapping>>,
}

/// A run of slots, the guard first in each.
#[derive(Clone, Copy, Debug)]
struct Mapping {
    start: usize,
    used: usize,
}

impl StackPool {
    /// The lowest usable address of a stack that nobody uses.
    pub(crate) fn take(&self) -> Result<usize, OutOfFrames> {
        if let Some(bottom) = self.free.borrow_mut().pop() {
            return Ok(bottom);
        }
        let mut mappings = self.mappings.borrow_mut();
        if mappings.last().is_none_or(|mapping| mapping.used == SLOTS_A_MAPPING) {
            let length = SLOT * SLOTS_A_MAPPING;
            let start = map_host_memory(WISHED_PLACE + mappings.len() * length, length)?;
            mappings.push(Mapping { start, used: 0 });
        }
        let mapping = mappings.last_mut().ok_or(OutOfFrames)?;
        let guard = mapping.start + mapping.used * SLOT;
        make_guard(guard)?;
        mapping.used += 1;
        Ok(guard + PAGE_SIZE)
    }

    /// Whether an address lies in a stack's guard page.
    pub(crate) fn is_guard(&self, address: usize) -> bool {
        // The handler of a fault may ask in the middle of `take`; then the answer is no.
        self.mappings.try_borrow().is_ok_and(|mappings| {
            mappings.iter().any(|mapping| {
                (mapping.start..mapping.start + mapping.used * SLOT).contains(&address)
                    && (address - mapping.start) % SLOT < PAGE_SIZE
            })
        })
    }

    /// The tasks that have been left on a stack, by number, and where on it.
    pub(crate) fn sleepers(&self) -> Vec<(usize, usize)> {
        let mappings = self.mappings.borrow();
        let ends = mappings
            .iter()
            .flat_map(|mapping| (1..=mapping.used).map(move |slots| mapping.start + slots * SLOT));
        ends.map(note_below)
            .map(|note| (note.task.load(Relaxed), note.saved.load(Relaxed)))
            .filter(|&(task, saved)| saved != 0 && task != FRESH)
            .collect()
    }

    fn is_stack(&self, bounds: &Range<usize>) -> bool {
        self.mappings.borrow().iter().any(|mapping| {
            (mapping.start..mapping.start + mapping.used * SLOT).contains(&bounds.start)
                && (bounds.start - mapping.start) % SLOT >= PAGE_SIZE
                && (bounds.start - mapping.start) / SLOT
                    == (bounds.end.saturating_sub(1).saturating_sub(mapping.start)) / SLOT
        })
    }
}

/// Whether the addresses lie in one kernel stack.
pub(crate) fn is_stack(bounds: &Range<usize>) -> bool {
    bounds.start < bounds.end && here().stacks.is_stack(bounds)
}

/// Makes a guard of a page of an unused slot. Linux 6.13 and later mark the page; others split the mapping, which costs a run
/// with many threads a tenth of its time.
fn make_guard(page: usize) -> Result<(), OutOfFrames> {
    const MADV_GUARD_INSTALL: libc::c_int = 102;
    // SAFETY: the page is in a mapping of our own, in a slot that nobody has used.
    let refused = unsafe {
        libc::madvise(page as *mut _, PAGE_SIZE, MADV_GUARD_INSTALL) != 0
            && libc::mprotect(page as *mut _, PAGE_SIZE, libc::PROT_NONE) != 0
    };
    if refused { Err(OutOfFrames) } else { Ok(()) }
}

/// Private zeroed host memory, taken only as it is touched.
pub(crate) fn map_host_memory(wish: usize, length: usize) -> Result<usize, OutOfFrames> {
    // SAFETY: a new mapping at a place of the host's choice touches nothing that exists.
    let address = unsafe {
        libc::mmap(
            wish as *mut _,
            length,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
            -1,
            0,
        )
    };
    if address == libc::MAP_FAILED { Err(OutOfFrames) } else { Ok(address as usize) }
}

/// What lies at the top of each stack: where the code that was left there goes on.
#[repr(C, align(16))]
struct Note {
    /// The stack pointer; 0 while nobody has been left there.
    saved: AtomicUsize,
    /// The number of the task that was left there, [`FRESH`] if none has begun yet.
    task: AtomicUsize,
}

/// Nothing has run on the stack.
const FRESH: usize = usize::MAX;

/// The note of the stack that ends at `end`.
fn note_below(end: usize) -> &'static Note {
    // SAFETY: stacks stay mapped for the life of the process, code begins below the note, and any bytes are a `Note`.
    unsafe { &*((end - size_of::<Note>()) as *const Note) }
}

/// Where code begins on a stack.
pub(crate) fn first_frame(end: usize) -> usize {
    end - size_of::<Note>()
}

/// No CPU runs the context.
const NOWHERE: usize = usize::MAX;
/// No CPU will run the context any more: its stack has been taken.
const NEVER: usize = usize::MAX - 1;

/// A kernel context: a stack, and where on it the code goes on.
#[derive(Debug)]
pub struct Context {
    /// `None`: the boot stack, which is nobody's.
    stack: Option<Stack>,
    /// The CPU that runs it.
    running_on: AtomicUsize,
}

impl Context {
    /// A context that has not run; when first switched to, it calls `entry` with interrupts off.
    #[must_use]
    pub fn new(stack: Stack, entry: fn() -> !) -> Self {
        let end = stack.bounds().end;
        // SAFETY: the stack is ours, and nothing is on it.
        let saved = unsafe { arch::new_stack(first_frame(end), begin, entry as usize) };
        note_below(end).saved.store(saved, Relaxed);
        note_below(end).task.store(FRESH, Relaxed);
        Self::with(Some(stack), NOWHERE)
    }

    /// Adopts the boot stack as the running context; once.
    ///
    /// # Panics
    /// If it is called twice.
    #[must_use]
    pub fn boot() -> Self {
        let machine = here();
        assert!(!machine.boot_taken.replace(true), "the boot stack has been adopted already");
        Self::with(None, machine.this())
    }

    fn with(stack: Option<Stack>, running_on: usize) -> Self {
        let machine = here();
        machine.live.set(machine.live.get().with_contexts(1));
        Self { stack, running_on: AtomicUsize::new(running_on) }
    }

    fn note(&self) -> &'static Note {
        note_below(self.stack_bounds().end)
    }

    /// Where the context goes on. It is going to: it has no place any more.
    fn take_saved(&self) -> usize {
        self.note().saved.swap(0, Relaxed)
    }

    /// Takes the stack of a context that is not running, to use it again; the context cannot be switched to any more. `None`: it
    /// was the boot stack, or has been taken.
    ///
    /// # Panics
    /// If the context is running.
    #[must_use]
    pub fn take_stack(&mut self) -> Option<Stack> {
        let stack = self.stack.take()?;
        self.assert_idle("taken apart");
        *self.running_on.get_mut() = NEVER;
        note_below(stack.bounds().end).saved.store(0, Relaxed);
        Some(stack)
    }

    /// Where a backtrace of a context that is not running starts, 0 if it is running.
    #[must_use]
    pub fn saved_frame_pointer(&self) -> usize {
        match self.note().saved.load(Relaxed) {
            0 => 0,
            saved => arch::saved_frame_pointer(saved),
        }
    }

    /// The addresses of the context's stack.
    #[must_use]
    pub fn stack_bounds(&self) -> Range<usize> {
        match &self.stack {
            Some(stack) => stack.bounds(),
            None => here().boot_stack.get().0..here().boot_stack.get().1,
        }
    }

    /// CPU `cpu` is going to run this context. `None`: it parked in it, and its stack pointer is
    /// its own affair.
    pub(crate) fn take_for_start(&self, cpu: CpuId) -> Option<usize> {
        match self.running_on.load(Relaxed) {
            NOWHERE => {
                self.running_on.store(cpu, Relaxed);
                Some(self.take_saved())
            }
            parked if parked == cpu => None,
            other => panic!("CPU {cpu} started with a context that runs on CPU {other}"),
        }
    }

    fn assert_idle(&self, what: &str) {
        let cpu = self.running_on.load(Relaxed);
        assert!(cpu == NOWHERE, "a context that runs on CPU {cpu} is {what}");
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        if *self.running_on.get_mut() != NEVER {
            self.assert_idle("dropped");
        }
        if let Some(stack) = &self.stack {
            note_below(stack.bounds().end).saved.store(0, Relaxed);
        }
        let machine = here();
        machine.live.set(machine.live.get().with_contexts(-1));
    }
}

/// The first code on a new stack.
extern "C" fn begin(entry: usize) -> ! {
    report::answer_if_asked(here());
    // SAFETY: `Context::new` put the function pointer there.
    let entry: fn() -> ! = unsafe { core::mem::transmute(entry) };
    entry()
}

/// Saves the running context in `previous` and goes on in `next`. Interrupts off. Comes back when
/// somebody switches to `previous` again.
///
/// # Panics
/// If interrupts are on, `previous` is not running on this CPU, or `next` runs anywhere.
pub fn switch(previous: &Context, next: &Context) {
    let machine = here();
    schedule::point(machine);
    let this = machine.this();
    let cpu = machine.cpu();
    assert!(!cpu.interrupts.get(), "switch with interrupts on");
    assert_eq!(previous.running_on.load(Relaxed), this, "the context to leave does not run here");
    next.assert_idle("switched to");
    let load = next.take_saved();
    assert!(load != 0, "the context to go on in was never left");
    let note = previous.note();
    note.task.store(cpu.left_task.get() as usize, Relaxed);
    previous.running_on.store(NOWHERE, Relaxed);
    next.running_on.store(this, Relaxed);
    cpu.relaxed.set(0);
    cpu.oopses.set(0);
    // SAFETY: `next` does not run anywhere, as checked, so its pointer was stored by `Context::new`
    // or by an earlier switch, and it owns its stack.
    unsafe { arch::switch_stacks(note.saved.as_ptr(), load) };
    report::answer_if_asked(here());
    // Now perhaps on another CPU: nothing from above may be used.
    schedule::point(here());
}
