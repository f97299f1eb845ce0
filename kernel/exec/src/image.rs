//! A whole new program in an address space of its own: the file, its interpreter, its stack.
//!
//! All of it is made while the old program still runs, so that whatever goes wrong is an error that
//! the old program gets.

use alloc::sync::Arc;
use alloc::vec::Vec;

use errno::{Errno, Result};
use fs::{Caller, Credentials, File, LookupFlags, Start};
use machine::PAGE_SIZE;
use machine::user::USER_END;
use vm::{Force, Limits, MapFlags, MapRequest, MapSource, Mm, Prot};

use crate::elf::Placement;
use crate::file;
use crate::load::{Elf, Loaded};
use crate::stack::{Aux, Contents};
use crate::strings::Strings;
use crate::vdso;

/// Programs that may be anywhere go here and above, moved by a random distance.
const DYNAMIC_BASE: usize = (USER_END / 3 * 2) & !(PAGE_SIZE - 1);
/// How many pages that distance may have: 2^28, as in Linux.
const DYNAMIC_RANDOM: u64 = 1 << 28;
/// How many pages the stack is moved down at most: 2^22.
const STACK_RANDOM: u64 = 1 << 22;
/// How many pages the heap is moved up at most: 32 MiB.
const BRK_RANDOM: u64 = 1 << 13;
/// How much stack there is at once beyond what the arguments take; it grows on its own.
const STACK_EXTRA: usize = 128 * 1024;

/// What is the same for all programs of this machine.
const CLOCK_TICKS: usize = 100;
/// The longest signal frame, with the widest registers.
const MIN_SIGNAL_STACK: usize = 3632;

/// Everything that a new program is made of.
pub(crate) struct Ingredients<'a> {
    /// The ELF file.
    pub file: Arc<File>,
    /// The path that was executed.
    pub path: &'a [u8],
    /// `argv`.
    pub arguments: &'a Strings,
    /// `envp`.
    pub environment: &'a Strings,
    /// Who it will run as.
    pub credentials: &'a Credentials,
    /// It has rights that its caller had not.
    pub secure: bool,
    /// Its limits.
    pub limits: Limits,
    /// Whether the program that is replaced refuses large pages: then so does this one.
    pub refuses_large_pages: bool,
    /// Places are chosen at random.
    pub randomize: bool,
}

/// A program that is ready to run.
pub(crate) struct Image {
    /// Its memory.
    pub mm: Arc<Mm>,
    /// Its first instruction, or its interpreter's.
    pub entry: usize,
    /// Its stack pointer.
    pub stack_pointer: usize,
}

/// Random numbers for one program, made at once: each time of asking has a price.
struct Randomness {
    /// `AT_RANDOM`, for the program itself.
    own: [u8; 16],
    /// What decides the places of things: all 0 if these are not to be random.
    mmap_base: u64,
    base: u64,
    stack: u64,
    brk: u64,
}

impl Randomness {
    fn new(places_too: bool) -> Self {
        let (mut own, mut places) = ([0; 16], [[0; 8]; 4]);
        if places_too {
            let mut bytes = [0; 48];
            fs::random::fill(&mut bytes);
            own.copy_from_slice(&bytes[..16]);
            places.as_flattened_mut().copy_from_slice(&bytes[16..]);
        } else {
            fs::random::fill(&mut own);
        }
        let [mmap_base, base, stack, brk] = places.map(u64::from_ne_bytes);
        Self { own, mmap_base, base, stack, brk }
    }
}

/// Less than `limit` pages, in bytes.
const fn pages_below(limit: u64, random: u64) -> usize {
    (random % limit) as usize * PAGE_SIZE
}

impl Image {
    /// Makes it. `caller` is who executes, whose rights decide whether the interpreter may be.
    ///
    /// # Errors
    /// ENOEXEC: not a program that can run here. ENOMEM,
    /// E2BIG, and those of the files.
    pub(crate) fn build(what: &Ingredients<'_>, caller: &Caller<'_>) -> Result<Self> {
        let random = Randomness::new(what.randomize);
        let program = Elf::read(what.file.clone())?;
        let interpreter = match program.interpreter()? {
            None => None,
            Some(path) => {
                let file = file::open(caller, &Start::Cwd, &path, LookupFlags::FOLLOW)?;
                Some(Elf::read(file)?)
            }
        };

        let mm = Mm::new()?;
        mm.set_limits(what.limits);
        mm.refuse_large_pages(what.refuses_large_pages);
        let mut layout = mm.layout();
        layout.mmap_base = vm::mmap_base(what.limits.stack, random.mmap_base);
        mm.set_layout(layout);

        let base = match program.header.placement {
            Placement::Fixed => None,
            Placement::Relocatable => Some(DYNAMIC_BASE + pages_below(DYNAMIC_RANDOM, random.base)),
        };
        let loaded = program.map(&mm, base)?;
        let linker = interpreter.as_ref().map(|elf| elf.map(&mm, None)).transpose()?;
        let entry = linker.as_ref().map_or(loaded.entry, |linker| linker.entry);
        if entry >= USER_END {
            return Err(Errno::ENOEXEC);
        }

        let top = USER_END - PAGE_SIZE - pages_below(STACK_RANDOM, random.stack);
        let vdso = vdso::map(&mm)?;
        let vector = vector(what, &loaded, linker.as_ref(), vdso);
        let executable_stack = program.program.executable_stack;
        let stack = make_stack(&mm, what, (&vector, random.own), top, executable_stack)?;

        layout.code = (loaded.code.start, loaded.code.end);
        layout.data = (loaded.data.start, loaded.data.end);
        layout.start_brk = loaded.end + pages_below(BRK_RANDOM, random.brk);
        layout.brk = layout.start_brk;
        layout.start_stack = stack.stack_pointer;
        layout.arguments = (stack.arguments.start, stack.arguments.end);
        layout.environment = (stack.environment.start, stack.environment.end);
        mm.set_layout(layout);
        mm.set_executable(program.backing().clone());
        mm.set_auxiliary_vector(stack.vector);
        Ok(Self { mm, entry, stack_pointer: stack.stack_pointer })
    }
}

/// The auxiliary vector, but for what depends on the stack.
fn vector(
    what: &Ingredients<'_>,
    program: &Loaded,
    linker: Option<&Loaded>,
    vdso: Option<usize>,
) -> Vec<(Aux, usize)> {
    let who = what.credentials;
    let mut vector = Vec::with_capacity(17);
    vector.extend(vdso.map(|address| (Aux::SysInfoEhdr, address)));
    vector.extend([
        (Aux::MinSigStack, MIN_SIGNAL_STACK),
        (Aux::Hwcap, hwcap()),
        (Aux::PageSize, PAGE_SIZE),
        (Aux::ClockTick, CLOCK_TICKS),
        (Aux::Headers, program.headers),
        (Aux::HeaderSize, 56),
        (Aux::HeaderCount, program.header_count),
        (Aux::Base, linker.map_or(0, |linker| linker.bias)),
        (Aux::Flags, 0),
        (Aux::Entry, program.entry),
        (Aux::Uid, who.uid as usize),
        (Aux::Euid, who.euid as usize),
        (Aux::Gid, who.gid as usize),
        (Aux::Egid, who.egid as usize),
        (Aux::Secure, usize::from(what.secure)),
        (Aux::Hwcap2, 0),
    ]);
    vector
}

/// On x86-64, AT_HWCAP is what CPUID leaf 1 says in EDX, which programs can ask for themselves. The
/// bits named here are those that every 64-bit CPU has: FPU to FXSR without the system ones, MMX,
/// SSE, SSE2.
fn hwcap() -> usize {
    if cfg!(target_arch = "x86_64") { 0x078b_fbfd } else { 0 }
}

struct NewStack {
    stack_pointer: usize,
    arguments: core::ops::Range<usize>,
    environment: core::ops::Range<usize>,
    vector: Vec<u64>,
}

fn make_stack(
    mm: &Mm,
    what: &Ingredients<'_>,
    (vector, random): (&[(Aux, usize)], [u8; 16]),
    top: usize,
    executable: bool,
) -> Result<NewStack> {
    let used = what.arguments.cost() + what.environment.cost() + what.path.len() + PAGE_SIZE;
    let length = (used + STACK_EXTRA).next_multiple_of(PAGE_SIZE);
    let mut prot = Prot::READ | Prot::WRITE;
    prot.set(Prot::EXEC, executable);
    mm.mmap(&MapRequest {
        address: top.checked_sub(length).ok_or(Errno::E2BIG)?,
        length,
        prot,
        flags: MapFlags::PRIVATE | MapFlags::GROWSDOWN | MapFlags::FIXED_NOREPLACE,
        source: MapSource::Anonymous,
    })?;
    let contents = Contents {
        arguments: what.arguments,
        environment: what.environment,
        path: what.path,
        random,
        vector,
    };
    let layout = contents.write(top, |address, bytes| {
        if mm.write_remote(address, bytes, Force::No) < bytes.len() {
            return Err(Errno::ENOMEM);
        }
        Ok(())
    })?;
    let mut shown = Vec::new();
    shown.try_reserve_exact(2 * layout.vector.len()).map_err(|_| Errno::ENOMEM)?;
    for &(entry, value) in &layout.vector {
        shown.extend([entry as u64, value as u64]);
    }
    Ok(NewStack {
        stack_pointer: layout.stack_pointer,
        arguments: layout.arguments,
        environment: layout.environment,
        vector: shown,
    })
}
