//! From the first Rust function to the kernel's: what the boot loader said, then one subsystem after
//! the other, in the order in which they need each other.
//!
//! The image provides the function that all this leads to, under the name `start_kernel`.

use crate::layout::{DIRECT_BASE, DIRECT_SIZE, IMAGE_BASE, LOW_MEMORY_END, image};
use crate::once::Once;
use crate::{
    acpi, apic, console, cpu, descriptor, features, paging, percpu, region, smap, smp, time, user,
};
use contract::{CpuRegisters, FrameRange, Oops, Upcalls};
use core::ops::Range;
use core::sync::atomic::{AtomicBool, AtomicPtr, Ordering::*};

unsafe extern "Rust" {
    /// The kernel's first function: on the boot CPU, interrupts off, preemption off by one level.
    safe fn start_kernel() -> !;
}

/// The start of the PVH start information.
#[derive(Clone, Copy)]
#[repr(C)]
struct StartInfo {
    magic: u32,
    version: u32,
    flags: u32,
    modules: u32,
    module_list: u64,
    command_line: u64,
    root_pointer: u64,
    memory_map: u64,
    memory_map_entries: u32,
}

const START_INFO_MAGIC: u32 = 0x336e_c578;

#[derive(Clone, Copy)]
#[repr(C)]
struct Module {
    address: u64,
    size: u64,
}

#[derive(Clone, Copy)]
#[repr(C)]
struct MemoryMapEntry {
    address: u64,
    size: u64,
    kind: u32,
    reserved: u32,
}

const MEMORY_FREE: u32 = 1;
const MAX_MAP: usize = 64;
const MAX_COMMAND_LINE: usize = 2048;

/// What the boot loader said, copied out of memory that becomes free.
struct Loaded {
    command_line: ([u8; MAX_COMMAND_LINE], usize),
    ramdisk: Range<usize>,
}

static LOADED: Once<Loaded> = Once::new();
static RAMDISK_RELEASED: AtomicBool = AtomicBool::new(false);

/// A structure of the boot loader's at a physical address in the first gigabyte, aligned or not.
fn loaded<T: Copy>(physical: u64) -> Option<T> {
    let reachable = physical != 0 && physical < (1 << 30) - size_of::<T>() as u64;
    // SAFETY: the boot tables map the first gigabyte, and the structures are made of plain integers.
    reachable.then(|| unsafe { ((DIRECT_BASE + physical as usize) as *const T).read_unaligned() })
}

/// Where Rust begins.
pub extern "C" fn start(start_info: u64) -> ! {
    percpu::boot_cpu().adopt();
    features::detect();
    console::start();
    descriptor::fill_interrupt_table();
    smap::patch(features::get().smap);

    let Some(info) = loaded::<StartInfo>(start_info).filter(|info| info.magic == START_INFO_MAGIC)
    else {
        give_up("no PVH start information: boot this image through its PVH note");
    };
    let map = memory_map(&info);
    let usable = || map.iter().filter(|entry| entry.kind == MEMORY_FREE).map(range);
    usable().for_each(|memory| region::add(&memory));
    region::reserve(&(0..LOW_MEMORY_END));
    region::reserve(&(image::start() - IMAGE_BASE..image::end() - IMAGE_BASE));
    keep(&info);

    let low = core::iter::once(0..LOW_MEMORY_END);
    if paging::start(low.chain(usable())).is_err() {
        give_up("no memory for page tables");
    }
    acpi::read(info_root(info.version, info.root_pointer));
    region::assign_nodes(acpi::platform().affinities());
    apic::start();
    smp::find_cpus();
    user::start();
    time::start();
    console::enable_interrupts();
    cpu::mark_running();
    start_kernel()
}

fn info_root(version: u32, root_pointer: u64) -> usize {
    if version >= 1 { root_pointer as usize } else { 0 }
}

fn range(entry: &MemoryMapEntry) -> Range<usize> {
    let start = entry.address as usize;
    start..start.saturating_add(entry.size as usize).min(DIRECT_SIZE)
}

fn memory_map(info: &StartInfo) -> [MemoryMapEntry; MAX_MAP] {
    let mut map = [MemoryMapEntry { address: 0, size: 0, kind: 0, reserved: 0 }; MAX_MAP];
    let entries = if info.version >= 1 { info.memory_map_entries as usize } else { 0 };
    for (i, slot) in map.iter_mut().enumerate().take(entries) {
        let offset = (i * size_of::<MemoryMapEntry>()) as u64;
        if let Some(entry) = loaded(info.memory_map + offset) {
            *slot = entry;
        }
    }
    map
}

/// Copies the command line and keeps the initial ramdisk.
fn keep(info: &StartInfo) {
    let mut line = ([0; MAX_COMMAND_LINE], 0);
    while line.1 < MAX_COMMAND_LINE && info.command_line != 0 {
        match loaded::<u8>(info.command_line + line.1 as u64) {
            None | Some(0) => break,
            Some(byte) => line.0[line.1] = byte,
        }
        line.1 += 1;
    }
    while line.1 > 0 && matches!(line.0[line.1 - 1], b'\n' | b' ') {
        line.1 -= 1;
    }
    let ramdisk = match loaded::<Module>(info.module_list).filter(|_| info.modules > 0) {
        Some(module) => {
            let start = module.address as usize;
            start..start.saturating_add(module.size as usize).min(DIRECT_SIZE)
        }
        None => 0..0,
    };
    region::reserve(&ramdisk);
    LOADED.set(Loaded { command_line: line, ramdisk });
}

/// Says why the machine cannot start, and ends.
pub fn give_up(why: &str) -> ! {
    for part in ["heddle: ", why, "\n"] {
        console::write(part.as_bytes());
        console::log(part.as_bytes());
    }
    crate::power::exit(255)
}

/// The command line. See the contract.
pub fn command_line() -> &'static str {
    let Some(loaded) = LOADED.get() else { return "" };
    let bytes = &loaded.command_line.0[..loaded.command_line.1];
    match core::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => core::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or(""),
    }
}

fn ramdisk() -> Range<usize> {
    LOADED.get().map_or(0..0, |loaded| loaded.ramdisk.clone())
}

/// The initial file system's image. See the contract.
pub fn initial_ramdisk() -> &'static [u8] {
    let range = ramdisk();
    if range.is_empty() || RAMDISK_RELEASED.load(Acquire) {
        return &[];
    }
    // SAFETY: the frames are not among the free regions, and stay so until they are released.
    unsafe { core::slice::from_raw_parts((DIRECT_BASE + range.start) as *const u8, range.len()) }
}

/// The frames of the initial file system's image, once. See the contract.
pub fn release_initial_ramdisk() -> Option<FrameRange> {
    let range = ramdisk();
    if range.is_empty() || RAMDISK_RELEASED.swap(true, AcqRel) {
        return None;
    }
    Some(region::outer(&range))
}

/// What answers before the kernel has installed itself.
static NOBODY: Upcalls = Upcalls {
    timer: || {},
    reschedule: || {},
    call_function: || {},
    console_input: || {},
    interrupt_exit: || {},
    user_fault: |_, _| false,
    allocate_frame: |_| None,
    free_frame: |_| {},
    free_zeroed_frame: |_| {},
    oops: no_kernel,
    nmi: |_| {},
};

fn no_kernel(oops: &Oops<'_>) -> ! {
    let instruction = oops.registers.map_or(0, CpuRegisters::instruction);
    let _ = core::fmt::write(
        &mut console::Writer,
        format_args!("heddle: {:?} at {:#x}: {}\n", oops.kind, instruction, oops.message),
    );
    crate::power::exit(255)
}

static UPCALLS: AtomicPtr<Upcalls> = AtomicPtr::new((&raw const NOBODY).cast_mut());

/// The kernel's entry points.
#[inline]
pub fn upcalls() -> &'static Upcalls {
    // SAFETY: it always points at a static.
    unsafe { &*UPCALLS.load(Acquire) }
}

/// Hands the kernel's entry points over. See the contract.
pub fn install(upcalls: &'static Upcalls) {
    UPCALLS.store(core::ptr::from_ref(upcalls).cast_mut(), Release);
}
