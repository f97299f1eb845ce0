//! The functions of the vDSO: clocks read without a system call, where the kernel gives one.

use core::ffi::CStr;
use core::mem::transmute;

use crate::start::auxiliary;

/// `AT_SYSINFO_EHDR`
const SYSINFO_EHDR: usize = 33;

/// Program headers of these kinds, and entries of the dynamic section.
const PT_LOAD: u32 = 1;
const PT_DYNAMIC: u32 = 2;
const DT_HASH: usize = 4;
const DT_STRTAB: usize = 5;
const DT_SYMTAB: usize = 6;

/// Seconds and the rest: nanoseconds in a `timespec`, microseconds in a `timeval`.
pub type Time = [i64; 2];

#[repr(C)]
struct FileHeader {
    identity: [u8; 16],
    kind: u16,
    machine: u16,
    version: u32,
    entry: usize,
    program_headers: usize,
    section_headers: usize,
    flags: u32,
    size: u16,
    program_header_size: u16,
    program_header_count: u16,
}

#[repr(C)]
struct ProgramHeader {
    kind: u32,
    flags: u32,
    offset: usize,
    address: usize,
    physical: usize,
    file_size: usize,
    memory_size: usize,
    alignment: usize,
}

#[repr(C)]
struct Symbol {
    name: u32,
    info: u8,
    other: u8,
    section: u16,
    value: usize,
    size: usize,
}

type GetTime = unsafe extern "C" fn(i32, *mut Time) -> i32;
type GetTimeOfDay = unsafe extern "C" fn(*mut Time, *mut [i32; 2]) -> i32;
type GetSeconds = unsafe extern "C" fn(*mut i64) -> i64;
type GetCpu = unsafe extern "C" fn(*mut u32, *mut u32, usize) -> i32;

/// The functions.
#[derive(Clone, Copy)]
pub struct Vdso {
    gettime: GetTime,
    getres: GetTime,
    gettimeofday: GetTimeOfDay,
    time: GetSeconds,
    getcpu: GetCpu,
}

impl Vdso {
    /// Looks for them. `None`: there is no vDSO, or one without them.
    pub fn find() -> Option<Self> {
        let base = auxiliary(SYSINFO_EHDR)?;
        // SAFETY: the kernel says that a vDSO is mapped there, whose functions have these types.
        unsafe {
            Some(Self {
                gettime: transmute::<usize, GetTime>(symbol(base, c"__vdso_clock_gettime")?),
                getres: transmute::<usize, GetTime>(symbol(base, c"__vdso_clock_getres")?),
                gettimeofday: transmute::<usize, GetTimeOfDay>(symbol(
                    base,
                    c"__vdso_gettimeofday",
                )?),
                time: transmute::<usize, GetSeconds>(symbol(base, c"__vdso_time")?),
                getcpu: transmute::<usize, GetCpu>(symbol(base, c"__vdso_getcpu")?),
            })
        }
    }

    /// `clock_gettime`, or what it returned instead of 0.
    pub fn clock_gettime(self, clock: i32) -> Result<Time, i32> {
        // SAFETY: the function stores a time.
        filled([0; 2], |time| unsafe { (self.gettime)(clock, time) })
    }

    /// `clock_getres`, likewise.
    pub fn clock_getres(self, clock: i32) -> Result<Time, i32> {
        // SAFETY: the function stores a time.
        filled([0; 2], |time| unsafe { (self.getres)(clock, time) })
    }

    /// `gettimeofday` and the time zone.
    pub fn gettimeofday(self) -> Result<(Time, [i32; 2]), i32> {
        let mut zone = [-1; 2];
        // SAFETY: the function stores a time and a zone.
        let time = filled([0; 2], |time| unsafe { (self.gettimeofday)(time, &raw mut zone) })?;
        Ok((time, zone))
    }

    /// `time`: what it returned, which it has also stored.
    pub fn time(self) -> Result<i64, i64> {
        let mut stored = -1;
        // SAFETY: the function stores a number.
        let seconds = unsafe { (self.time)(&raw mut stored) };
        if seconds == stored { Ok(seconds) } else { Err(seconds) }
    }

    /// `getcpu`: the CPU and the node.
    pub fn getcpu(self) -> Result<(u32, u32), i32> {
        let mut node = u32::MAX;
        // SAFETY: the function stores two numbers.
        let cpu = filled(u32::MAX, |cpu| unsafe { (self.getcpu)(cpu, &raw mut node, 0) })?;
        Ok((cpu, node))
    }
}

fn filled<T>(mut place: T, fill: impl FnOnce(*mut T) -> i32) -> Result<T, i32> {
    match fill(&raw mut place) {
        0 => Ok(place),
        error => Err(error),
    }
}

/// Where a symbol is.
///
/// # Safety
/// An ELF shared object is mapped at `base`.
unsafe fn symbol(base: usize, name: &CStr) -> Option<usize> {
    // SAFETY: the headers, the dynamic section and the tables that it names are all mapped.
    unsafe {
        let file = &*(base as *const FileHeader);
        let first = (base + file.program_headers) as *const ProgramHeader;
        let header = |kind| {
            (0..usize::from(file.program_header_count))
                .map(|index| &*first.add(index))
                .find(|header| header.kind == kind)
        };
        let load = header(PT_LOAD)?;
        let moved = |address: usize| {
            base.wrapping_add(load.offset).wrapping_sub(load.address).wrapping_add(address)
        };
        let dynamic = moved(header(PT_DYNAMIC)?.address) as *const [usize; 2];
        let table = |wanted| {
            (0..)
                .map(|index| dynamic.add(index).read())
                .take_while(|[tag, _]| *tag != 0)
                .find_map(|[tag, address]| (tag == wanted).then_some(moved(address)))
        };
        let (symbols, strings) = (table(DT_SYMTAB)? as *const Symbol, table(DT_STRTAB)?);
        // The second word is how many symbols there are.
        let count = (table(DT_HASH)? as *const u32).add(1).read();
        (0..count as usize)
            .map(|index| &*symbols.add(index))
            .find(|symbol| {
                let its = CStr::from_ptr((strings + symbol.name as usize) as *const _);
                symbol.section != 0 && its == name
            })
            .map(|symbol| moved(symbol.value))
    }
}
