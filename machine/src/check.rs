//! The contract, as signatures. A machine that lacks one of these, or has it with another type, does
//! not compile.
#![expect(clippy::type_complexity, reason = "a signature is spelled out as what it is")]

use crate::*;
use core::ops::Range;

/// # `boot`
///
/// - `install`: hands the kernel's entry points over; once, on the boot CPU, before interrupts go on.
/// - `command_line`: what the boot loader passed, without a final newline.
/// - `initial_ramdisk`: the initial file system's image, empty if there is none.
/// - `release_initial_ramdisk`: the image is not needed any more; its frames, once, for the allocator.
const _: () = {
    let _: fn(&'static Upcalls) = boot::install;
    let _: fn() -> &'static str = boot::command_line;
    let _: fn() -> &'static [u8] = boot::initial_ramdisk;
    let _: fn() -> Option<FrameRange> = boot::release_initial_ramdisk;
};

/// # `cpu`
///
/// - `count`: CPUs present, started or not. They are numbered from 0.
/// - `id`: the CPU this runs on. Stays true only while preemption is off.
/// - `node`: the NUMA node of a CPU.
/// - `start`: makes a stopped CPU run `idle`, a context that never ran or that called `park`.
///   Called by one CPU at a time, in a context that may spin for milliseconds.
/// - `park`: takes the calling CPU out of service. Interrupts off, and the caller has moved all work away. Returns, with interrupts
///   off, when another CPU calls `start` for it.
/// - `is_running`: whether the CPU has been started and has not parked.
/// - `relax`: one turn of a spin loop.
/// - `wait_for_interrupt`: called with interrupts off; lets them in and stops until one was taken, with no
///   gap in between. Returns with interrupts on.
/// - `preempt_*`: the per-CPU word of [`contract::preempt`]. Each is one uninterruptible step, so a
///   task that is moved in between never changes another CPU's count. `preempt_sub` returns the new value.
///   `preempt_set` overwrites the word (the switch to a task with a count of its own).
/// - `set_need_resched`, `clear_need_resched`: clear and set `NO_RESCHED` on this CPU.
/// - `current`, `set_current`: one word per CPU for the kernel's idea of the running task, read in one step.
/// - `user_number`: whether a program can read its CPU's number and node, in a word as [`contract::CPU_NUMBER_BITS`] says.
/// - `describe`: text for `/proc/cpuinfo`.
const _: () = {
    let _: fn() -> usize = cpu::count;
    let _: fn() -> CpuId = cpu::id;
    let _: fn(CpuId) -> NodeId = cpu::node;
    let _: fn(CpuId, &thread::Context) -> Result<(), StartError> = cpu::start;
    let _: fn() = cpu::park;
    let _: fn(CpuId) -> bool = cpu::is_running;
    let _: fn() = cpu::relax;
    let _: fn() = cpu::wait_for_interrupt;
    let _: fn() -> u32 = cpu::preempt_count;
    let _: fn(u32) = cpu::preempt_add;
    let _: fn(u32) -> u32 = cpu::preempt_sub;
    let _: fn(u32) = cpu::preempt_set;
    let _: fn() = cpu::set_need_resched;
    let _: fn() = cpu::clear_need_resched;
    let _: fn() -> *const () = cpu::current;
    let _: fn(*const ()) = cpu::set_current;
    let _: fn() -> bool = cpu::user_number;
    let _: fn(CpuId, &mut dyn core::fmt::Write) -> core::fmt::Result = cpu::describe;
};

/// # `irq`
///
/// - `enabled`, `enable`, `disable`: this CPU's interrupts. `disable` returns whether they were on; `mask` is for who knows.
/// - `send`: an interrupt for another running CPU (or for this one). Sending one that is pending already is merged.
/// - `send_nmi`: has another running CPU call `Upcalls::nmi` soon, whether it takes interrupts or not. Any context. Requests
///   that come before the first is taken are merged.
/// - `point`: a place where an interrupt or another CPU may come in between. Nothing on a real machine; the
///   simulated one asks its generator. Locks and marked atomics call it.
/// - `counts`: how many interrupts of each kind a CPU has taken, for `/proc/interrupts`.
const _: () = {
    let _: fn() -> bool = irq::enabled;
    let _: fn() = irq::enable;
    let _: fn() -> bool = irq::disable;
    let _: fn() = irq::mask;
    let _: fn(CpuId, Ipi) = irq::send;
    let _: fn(CpuId) = irq::send_nmi;
    let _: fn() = irq::point;
    let _: fn(CpuId) -> InterruptCounts = irq::counts;
};

/// # `time`
///
/// - `now`: nanoseconds since boot; never goes back, and is the same on all CPUs.
/// - `counter`, `rate`: the counter behind it, and how `now` is made of that, which never changes. What is read of it after something was loaded is not
///   less than what was read by whoever stored that.
/// - `set_timer`: `Upcalls::timer` runs on this CPU at or soon after this time. `None`: never. One setting at a
///   time. A time that has passed fires at once. Call with interrupts or preemption off.
/// - `boot_date`: seconds since 1970 when `now` was 0.
/// - `user_counter`: how a program gets what `now` gives from the processor's counter, if it can read that and it is a clock on
///   all CPUs and at all times.
const _: () = {
    let _: fn() -> u64 = time::now;
    let _: fn() -> u64 = time::counter;
    let _: fn() -> Counter = time::rate;
    let _: fn(Option<u64>) = time::set_timer;
    let _: fn() -> u64 = time::boot_date;
    let _: fn() -> Option<Counter> = time::user_counter;
};

/// # `thread`
///
/// - `Stack::new`: a kernel stack of `STACK_SIZE` bytes with a guard page below it, its memory near the node. May take
///   locks; not from an interrupt.
/// - `Context::new`: a context that has not run; when first switched to, it calls `entry` with interrupts off.
/// - `Context::boot`: adopts the stack that the boot CPU runs on as the running context; once.
/// - `Context::take_stack`: takes the stack of a context that is not running, to use it again; the context cannot be switched to any more.
///   None for the boot context, and the second time.
/// - `Context::saved_frame_pointer`: where a backtrace of a context that is not running starts.
/// - `switch`: saves the running context in `previous`, which must be it, and goes on in `next`, which must not be running
///   anywhere. Interrupts off. User registers that the kernel does not touch (floating point) are saved with the context. Panics if
///   a rule is broken. Comes back when somebody switches to `previous` again.
/// - Dropping a context that is running panics.
const _: () = {
    let _: usize = thread::STACK_SIZE;
    let _: fn(NodeId) -> Result<thread::Stack, OutOfFrames> = thread::Stack::new;
    let _: fn(&thread::Stack) -> NodeId = thread::Stack::node;
    let _: fn(thread::Stack, fn() -> !) -> thread::Context = thread::Context::new;
    let _: fn() -> thread::Context = thread::Context::boot;
    let _: fn(&mut thread::Context) -> Option<thread::Stack> = thread::Context::take_stack;
    let _: fn(&thread::Context) -> usize = thread::Context::saved_frame_pointer;
    let _: fn(&thread::Context) -> Range<usize> = thread::Context::stack_bounds;
    let _: fn(&thread::Context, &thread::Context) = thread::switch;
};

/// # `memory`
///
/// - `regions`: the free memory that the kernel gets, the same at each call.
/// - `nodes`: how many NUMA nodes there are, at least 1. `node_distance` is as in `/sys/devices/system/node`.
/// - `direct_map`: where the kernel sees a frame's memory. Dereferencing it is the caller's affair.
/// - `read`, `write`, `zero`, `copy`: a frame's contents, byte by byte; user mode may be changing them meanwhile.
/// - `AddressSpace::new`: an empty user half; the kernel's half is shared by all.
/// - `map`: maps a page, or replaces what is mapped (flushing it); returns the frame that was there. The entry owns the frame.
///   On failure the frame comes back with the error.
/// - `map_absent`: maps a page unless one is mapped; then that one stays, and the frame given comes back. As a failure it comes back with
///   the error.
/// - `map_run`: maps the pages that follow each other from an address on, but where one is mapped or none is given; returns how
///   many it has mapped. The other frames stay where they are, so do all from the one on for which there is no page table.
/// - `map_large`: maps a block as one large page where nothing at all is mapped, or the block comes back: something is mapped there, or
///   there is no frame for a table (one is set aside for the day when the large page is split). Whoever calls sees to it that nobody
///   else maps or unmaps there meanwhile but by `map_large`; a page that is mapped there at the same time could be lost.
/// - `is_vacant`: whether nothing is mapped in the large page around an address.
/// - `large_at`: if the address is in a large page, the number of its first frame and its protection.
/// - What asks for a part of a large page (`map` over a page of it, `unmap`, `protect`, `clear_accessed`) splits it first: from then on small
///   pages map the same frames, with the same protection, accessed and written as they were. It cannot fail, and no reference changes hands.
/// - `unmap`: removes what is mapped in the range and gives the frames to `sink`, each with whether it was written to, after no CPU can
///   reach them any more. A large page that is removed as a whole is given as a block.
/// - `protect`: changes the protection of what is mapped in the range, and flushes.
/// - `look_up`: the number of the frame mapped at an address and its protection.
/// - `for_each_mapped`: address, frame number and protection of every mapped page in a range, in order, passing over what has
///   no page tables. A large page that is in the range as a whole is shown as one. The visitor may change other spaces, but not this one.
/// - `clear_accessed`: clears the page's accessed bit and returns what it was, without a flush.
/// - `load`: makes this CPU use the space. Interrupts off. If it is loaded already, only what has changed while it was borrowed is done.
/// - `borrow`: leaves loaded what is loaded, but from now on nothing on this CPU uses it, until a `load`; nobody interrupts it for a
///   flush meanwhile. Interrupts off.
/// - `load_kernel_only`: makes this CPU use no user half (for a CPU that goes away).
/// - `AddressSpace::barrier`, `memory::barrier`: all CPUs that have the space loaded, or all that run, pass a full memory barrier between
///   the call and its return, and the calling one two; those in user mode also forget what instructions they have fetched. A CPU
///   that loads the space or starts later does so, too, before it goes to user mode. Any context that may wait for other CPUs.
/// - Dropping an address space that a CPU has loaded panics; one that still maps frames gives them to `Upcalls::free_frame`.
/// - `large_page_counters`: how many large pages are mapped, and how many were split.
/// - `tlb_counters`: switches of address space, flushes of one's own TLB, and flush requests to other CPUs.
const _: () = {
    use memory::AddressSpace;
    let _: fn() -> &'static [Region] = memory::regions;
    let _: fn() -> usize = memory::nodes;
    let _: fn(NodeId, NodeId) -> u32 = memory::node_distance;
    let _: fn(usize) -> *mut u8 = memory::direct_map;
    let _: fn(&Frame, usize, &mut [u8]) = memory::read;
    let _: fn(&Frame, usize, &[u8]) = memory::write;
    let _: fn(&Frame) = memory::zero;
    let _: fn(&Frame, &Frame) = memory::copy;
    let _: fn() -> Result<AddressSpace, OutOfFrames> = AddressSpace::new;
    let _: fn(&AddressSpace, usize, Frame, Protection) -> Result<Option<Frame>, Frame> =
        AddressSpace::map;
    let _: fn(&AddressSpace, usize, Frame, Protection) -> Result<Option<Frame>, Frame> =
        AddressSpace::map_absent;
    let _: fn(&AddressSpace, usize, &mut [Option<Frame>], Protection) -> usize =
        AddressSpace::map_run;
    let _: fn(&AddressSpace, usize, Block, Protection) -> Result<(), Block> =
        AddressSpace::map_large;
    let _: fn(&AddressSpace, usize) -> bool = AddressSpace::is_vacant;
    let _: fn(&AddressSpace, usize) -> Option<(usize, Protection)> = AddressSpace::large_at;
    let _: fn(&AddressSpace, Range<usize>, &mut dyn UnmapSink) = AddressSpace::unmap;
    let _: fn(&AddressSpace, Range<usize>, Protection) = AddressSpace::protect;
    let _: fn(&AddressSpace, usize) -> Option<(usize, Protection)> = AddressSpace::look_up;
    let _: fn(&AddressSpace, Range<usize>, &mut dyn MappedVisitor) = AddressSpace::for_each_mapped;
    let _: fn(&AddressSpace, usize) -> bool = AddressSpace::clear_accessed;
    let _: fn(&AddressSpace) = AddressSpace::load;
    let _: fn(&AddressSpace) = AddressSpace::barrier;
    let _: fn() = memory::barrier;
    let _: fn() = memory::borrow;
    let _: fn() = memory::load_kernel_only;
    let _: fn() -> LargePageCounters = memory::large_page_counters;
    let _: fn() -> TlbCounters = memory::tlb_counters;
};

/// # `user`
///
/// - `USER_END`: the first address that is not a user address.
/// - `UserContext::new`: registers of a program about to start.
/// - `fork`: a copy of the registers, floating-point state included, taken by the task that owns it, while it is current.
/// - `reset`: what `execve` does: all registers cleared, then the given entry and stack pointer.
/// - `run`: enters user mode and comes back at the next trap. Called with preemption allowed, interrupts on or off, and the task's
///   address space loaded; returns with interrupts on.
/// - `system_call`, `argument`: number and arguments of the system call that trapped. `set_result`: what it returns.
/// - `restart_system_call`: the next `run` makes the same call again.
/// - `deliver_signal`, `restore_signal`: the signal frame on the user stack, in Linux's layout.
/// - `registers`, `set_registers`: the general registers as a debugger sees them. What user mode may not have is passed over:
///   other selectors, privileged flags, addresses that are no user addresses.
/// - `extended_state_size`, `extended_state`, `set_extended_state`: the floating-point and vector registers in the layout that debuggers know
///   (XSAVE's on x86-64); the buffer is of that size. `set_extended_state` gives a `Fault` for what cannot be meant, and changes nothing then.
/// - `set_single_step`: whether `run` comes back with `Trap::Debug` after one instruction. Not seen in the flags.
/// - `debug_registers`, `set_debug_registers`: watched addresses; the caller has checked that they and the control word make sense. `fork` does not copy them.
/// - `copy_to_frame`, `copy_from_frame`: a user address, a frame, an offset in it and a length; from user memory to the frame, or back. Panics
///   if the range is not in the frame.
/// - `copy_from`, `copy_to`, `clear`, `copy_string_from`: user memory of the loaded address space. May sleep in `Upcalls::user_fault`. With preemption off or in an
///   interrupt a missing page is a `Fault`. `copy_string_from` stops after the first NUL and returns the length without it, or the buffer's
///   whole length if there was none.
/// - `load_u32`, `compare_exchange_u32`: aligned atomics for futexes; the latter returns the value that was there.
const _: () = {
    use user::UserContext;
    let _: usize = user::USER_END;
    let _: fn(usize, usize) -> Result<UserContext, OutOfFrames> = UserContext::new;
    let _: fn(&UserContext) -> Result<UserContext, OutOfFrames> = UserContext::fork;
    let _: fn(&mut UserContext, usize, usize) = UserContext::reset;
    let _: fn(&mut UserContext) -> Trap = UserContext::run;
    let _: fn(&UserContext) -> usize = UserContext::system_call;
    let _: fn(&UserContext, usize) -> usize = UserContext::argument;
    let _: fn(&mut UserContext, isize) = UserContext::set_result;
    let _: fn(&UserContext) -> isize = UserContext::result;
    let _: fn(&mut UserContext) = UserContext::restart_system_call;
    let _: fn(&UserContext) -> usize = UserContext::instruction_pointer;
    let _: fn(&UserContext) -> usize = UserContext::stack_pointer;
    let _: fn(&mut UserContext, usize) = UserContext::set_stack_pointer;
    let _: fn(&UserContext) -> usize = UserContext::thread_pointer;
    let _: fn(&mut UserContext, usize) = UserContext::set_thread_pointer;
    let _: fn(&mut UserContext, &SignalFrame<'_>) -> Result<(), Fault> =
        UserContext::deliver_signal;
    let _: fn(&mut UserContext) -> Result<RestoredSignal, Fault> = UserContext::restore_signal;
    let _: fn(&UserContext) -> UserRegisters = UserContext::registers;
    let _: fn(&mut UserContext, &UserRegisters) = UserContext::set_registers;
    let _: fn() -> usize = user::extended_state_size;
    let _: fn(&UserContext, &mut [u8]) = UserContext::extended_state;
    let _: fn(&mut UserContext, &[u8]) -> Result<(), Fault> = UserContext::set_extended_state;
    let _: fn(&mut UserContext, bool) = UserContext::set_single_step;
    let _: fn(&UserContext) -> DebugRegisters = UserContext::debug_registers;
    let _: fn(&mut UserContext, &DebugRegisters) = UserContext::set_debug_registers;
    let _: fn(usize, &mut [u8]) -> Result<(), Fault> = user::copy_from;
    let _: fn(usize, &[u8]) -> Result<(), Fault> = user::copy_to;
    let _: fn(usize, usize) -> Result<(), Fault> = user::clear;
    let _: fn(usize, &Frame, usize, usize) -> Result<(), Fault> = user::copy_to_frame;
    let _: fn(usize, &Frame, usize, usize) -> Result<(), Fault> = user::copy_from_frame;
    let _: fn(usize, &mut [u8]) -> Result<usize, Fault> = user::copy_string_from;
    let _: fn(usize) -> Result<u32, Fault> = user::load_u32;
    let _: fn(usize, u32, u32) -> Result<u32, Fault> = user::compare_exchange_u32;
};

/// # `console`, `power`, `entropy`, `backtrace`
///
/// - `console::write`: sends bytes to the serial console, waiting for it where it must. Any context.
/// - `console::read`: bytes that have come in, up to the buffer's length, 0 if there are none.
/// - `console::sysrq`: the byte that came in within five seconds of a break, once; `read` does not give it.
/// - `console::log`: the kernel log's way out: a debug port where the machine has one, the console where not.
/// - `power::off`, `reset`: as they say. `exit`: off, with a status for whoever runs the machine, where it can be told.
/// - `entropy::fill`: random bytes, and how good they are: false if the machine has no source of its own.
/// - `backtrace::walk`: return addresses from a frame pointer up, as long as they stay in `bounds`.
/// - `backtrace::symbols`: where the image starts, and the table of its functions as crate `symbols` reads it; empty if there is none.
/// - `backtrace::frame_pointer`: the caller's own frame pointer, 0 if it is not known.
/// - `backtrace::interrupted`: what the registers held when the innermost interrupt came in whose handler, or whose softirqs, this is. None
///   if that is not known.
/// - `backtrace::is_interrupt`: whether a return address leads out of a handler: frames below it are an interrupt's, those above it
///   are of what was interrupted.
/// - `backtrace::code`: a byte of the kernel's code, if it can be read.
const _: () = {
    let _: fn(&[u8]) = console::write;
    let _: fn(&mut [u8]) -> usize = console::read;
    let _: fn() -> Option<u8> = console::sysrq;
    let _: fn(&[u8]) = console::log;
    let _: fn() -> ! = power::off;
    let _: fn() -> ! = power::reset;
    let _: fn(u8) -> ! = power::exit;
    let _: fn(&mut [u8]) -> bool = entropy::fill;
    let _: fn(usize, Range<usize>, &mut dyn FnMut(usize)) = backtrace::walk;
    let _: fn() -> (usize, &'static [u8]) = backtrace::symbols;
    let _: fn() -> usize = backtrace::frame_pointer;
    let _: fn() -> Option<CpuRegisters> = backtrace::interrupted;
    let _: fn(usize) -> bool = backtrace::is_interrupt;
    let _: fn(usize) -> Option<u8> = backtrace::code;
};
