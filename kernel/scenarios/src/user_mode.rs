//! The real machine's user mode and address spaces, exercised without a process around them: a kernel thread takes on
//! an address space of its own and runs a few instructions in it.
//!
//! Only on real machines: these are their instructions. A program of the simulated one is a list of steps.

use alloc::sync::Arc;
use alloc::vec::Vec;

use kthread::{Builder, Exit};
use machine::memory::AddressSpace;
use machine::user::{self, USER_END, UserContext};
use machine::{Access, Fault, Frame, PAGE_SIZE, Protection, SignalFrame, Trap};
use memory::{Page, alloc_page};

use crate::tools::{cpus, join_all, random, spawn};

/// Where the code is, where the stack is, and where nothing is.
const CODE: usize = 0x40_0000;
const STACK: usize = 0x7000_0000;
const STACK_PAGES: usize = 4;
const STACK_TOP: usize = STACK + STACK_PAGES * PAGE_SIZE;
const NOWHERE: usize = 0x5000_0000;

const CODE_ONLY: Protection = Protection { write: false, execute: true };
const DATA: Protection = Protection { write: true, execute: false };
const READ_ONLY: Protection = Protection { write: false, execute: false };

/// Machine code of a program, and where in the page it goes.
type Piece = (usize, &'static [u8]);

/// mov edi,1; esi,2; edx,3; r10d,4; r8d,5; r9d,6; eax,39; syscall; mov rdi,rax; mov eax,40; syscall; hlt
const CALLS: Piece = (0x00, b"\xbf\x01\0\0\0\xbe\x02\0\0\0\xba\x03\0\0\0\x41\xba\x04\0\0\0\x41\xb8\x05\0\0\0\x41\xb9\x06\0\0\0\
      \xb8\x27\0\0\0\x0f\x05\x48\x89\xc7\xb8\x28\0\0\0\x0f\x05\xf4");
/// xor eax,eax; mov rax,[rax]
const LOAD_FROM_ZERO: Piece = (0x40, b"\x31\xc0\x48\x8b\x00");
/// lea rax,[rip]; mov [rax],al
const STORE_TO_CODE: Piece = (0x50, b"\x48\x8d\x05\0\0\0\0\x88\x00");
/// jmp rsp
const JUMP_TO_STACK: Piece = (0x60, b"\xff\xe4");
/// xor ecx,ecx; div ecx
const DIVIDE_BY_ZERO: Piece = (0x70, b"\x31\xc9\xf7\xf1");
/// ud2
const INVALID: Piece = (0x80, b"\x0f\x0b");
/// int3
const BREAKPOINT: Piece = (0x90, b"\xcc");
/// jmp to itself
const SPIN: Piece = (0xa0, b"\xeb\xfe");
/// again: movq rdi,xmm0; syscall; movq xmm0,rax; syscall; jmp again
const EXCHANGE: Piece = (0xb0, b"\x66\x48\x0f\x7e\xc7\x0f\x05\x66\x48\x0f\x6e\xc0\x0f\x05\xeb\xf0");
/// mov eax,1; syscall; movq xmm0,rsp; ret
const HANDLER: Piece = (0xc8, b"\xb8\x01\0\0\0\x0f\x05\x66\x48\x0f\x6e\xc4\xc3");
/// mov eax,15; syscall
const RESTORER: Piece = (0xe0, b"\xb8\x0f\0\0\0\x0f\x05");

/// 1: mov edi,ds; syscall; mov ds,eax; syscall; jmp 1b
const EXCHANGE_SELECTOR: Piece = (0xf0, b"\x8c\xdf\x0f\x05\x8e\xd8\x0f\x05\xeb\xf6");

const PROGRAM: [Piece; 12] = [
    CALLS,
    LOAD_FROM_ZERO,
    STORE_TO_CODE,
    JUMP_TO_STACK,
    DIVIDE_BY_ZERO,
    INVALID,
    BREAKPOINT,
    SPIN,
    EXCHANGE,
    HANDLER,
    RESTORER,
    EXCHANGE_SELECTOR,
];

fn address(piece: Piece) -> usize {
    CODE + piece.0
}

fn map(space: &AddressSpace, address: usize, page: Page, protection: Protection) {
    match space.map(address, page.into_frame(), protection) {
        Ok(old) => drop(old.map(Page::from_frame)),
        Err(frame) => {
            drop(Page::from_frame(frame));
            panic!("no memory for page tables");
        }
    }
}

fn page() -> Page {
    alloc_page(None).expect("a page")
}

/// Runs a story in a thread that has an address space with the program and a stack in it, and takes both away again.
pub(crate) fn with_program(story: fn(&AddressSpace)) {
    let thread = Builder::new(format_args!("user_mode"))
        .cpu(0)
        .run(move |_| {
            let space = Arc::new(AddressSpace::new().expect("a page-table root"));
            let code = page();
            for (offset, bytes) in PROGRAM {
                code.write(offset, bytes);
            }
            map(&space, CODE, code, CODE_ONLY);
            for at in (STACK..STACK_TOP).step_by(PAGE_SIZE) {
                map(&space, at, page(), DATA);
            }
            sched::use_address_space(Some(space.clone()));
            story(&space);
            sched::use_address_space(None);
            drop(space);
            let _irqs_off = sync::IrqGuard::new();
            sched::drop_lazy_space();
            0
        })
        .expect("a thread can be made");
    assert_eq!(thread.join(), Exit::Returned(0));
}

fn program(piece: Piece) -> UserContext {
    UserContext::new(address(piece), STACK_TOP).expect("a user context")
}

/// Runs until something other than an interrupt happens.
fn next_trap(context: &mut UserContext) -> Trap {
    loop {
        match context.run() {
            Trap::Interrupt => {}
            trap => return trap,
        }
    }
}

/// Runs to the next system call, and returns its number.
fn next_call(context: &mut UserContext) -> usize {
    assert_eq!(next_trap(context), Trap::SystemCall);
    context.system_call()
}

pub(crate) fn traps() {
    with_program(|_| {
        let fault = |address, access, present| Trap::PageFault { address, access, present };
        let expected = [
            (LOAD_FROM_ZERO, fault(0, Access::Read, false)),
            (STORE_TO_CODE, fault(address(STORE_TO_CODE) + 7, Access::Write, true)),
            (JUMP_TO_STACK, fault(STACK_TOP - 8, Access::Execute, true)),
            (DIVIDE_BY_ZERO, Trap::DivideError),
            (INVALID, Trap::InvalidInstruction),
            (BREAKPOINT, Trap::Breakpoint),
        ];
        for (piece, trap) in expected {
            let mut context = program(piece);
            context.set_stack_pointer(STACK_TOP - 8);
            assert_eq!(next_trap(&mut context), trap, "at {:#x}", address(piece));
        }
        // Places to go on at that no program may have.
        for entry in [1 << 47, usize::MAX, machine::memory::direct_map(0) as usize] {
            let mut context = UserContext::new(entry, STACK_TOP).expect("a user context");
            assert_eq!(next_trap(&mut context), Trap::GeneralProtection, "at {entry:#x}");
        }
        // An interrupt comes back as one, and the program goes on where it was.
        let mut context = program(SPIN);
        let ticks = (0..).take_while(|_| context.run() == Trap::Interrupt).take(3).count();
        assert_eq!((ticks, context.instruction_pointer()), (3, address(SPIN)));
    });
}

pub(crate) fn system_calls() {
    with_program(|_| {
        let mut context = program(CALLS);
        assert_eq!(next_call(&mut context), 39);
        let arguments: Vec<usize> = (0..6).map(|index| context.argument(index)).collect();
        assert_eq!(arguments, [1, 2, 3, 4, 5, 6]);
        context.set_result(77);
        assert_eq!(next_call(&mut context), 40);
        assert_eq!(context.argument(0), 77, "the result reached the program");
        // The same call again, and a copy of the program makes it, too.
        context.restart_system_call();
        let mut child = context.fork().expect("a copy");
        for context in [&mut context, &mut child] {
            assert_eq!(next_call(context), 40);
            assert_eq!(context.argument(0), 77);
            assert_eq!(next_trap(context), Trap::GeneralProtection, "hlt is not for programs");
        }
    });
}

/// Lets the program of [`EXCHANGE`] say what XMM0 holds and put something else there.
fn exchange(context: &mut UserContext, new: usize) -> usize {
    next_call(context);
    let old = context.argument(0);
    context.set_result(new as isize);
    next_call(context);
    old
}

pub(crate) fn floating_point() {
    with_program(|_| {
        let mut contexts = [program(EXCHANGE), program(EXCHANGE), program(EXCHANGE)];
        let mut held = [0; 3];
        for round in 0..200 {
            let which = random(3) as usize;
            let new = random(u64::MAX) as usize;
            let old = exchange(&mut contexts[which], new);
            assert_eq!(old, held[which], "program {which}, round {round}");
            held[which] = new;
            match random(8) {
                // Other threads have the CPU; what is live is saved.
                0 => sched::yield_now(),
                1 => sched::sleep_for(10_000),
                2 => {
                    let mut child = contexts[which].fork().expect("a copy");
                    assert_eq!(exchange(&mut child, 1), new, "a copy has the same state");
                }
                _ => {}
            }
        }
        contexts[0].reset(address(EXCHANGE), STACK_TOP);
        assert_eq!(exchange(&mut contexts[0], 1), 0, "a new program starts with clean registers");
    });
}

pub(crate) fn selectors() {
    /// What user mode may have in a data segment's register: nothing, data, code that can be read.
    const SELECTORS: [usize; 3] = [0, 0x2b, 0x33];
    with_program(|_| {
        let mut contexts = [program(EXCHANGE_SELECTOR), program(EXCHANGE_SELECTOR)];
        let mut held = [0; 2];
        for round in 0..100 {
            let which = random(2) as usize;
            let new = SELECTORS[random(3) as usize];
            let old = exchange(&mut contexts[which], new);
            assert_eq!(old, held[which], "program {which}, round {round}");
            held[which] = new;
            match random(4) {
                0 => sched::sleep_for(10_000),
                1 => {
                    let mut child = contexts[which].fork().expect("a copy");
                    assert_eq!(exchange(&mut child, 0), new, "a copy has the same selectors");
                }
                _ => {}
            }
        }
        exchange(&mut contexts[0], 0x2b);
        contexts[0].reset(address(EXCHANGE_SELECTOR), STACK_TOP);
        assert_eq!(exchange(&mut contexts[0], 0), 0, "a new program starts without selectors");
    });
}

fn signal<const NUMBER: u8>() -> SignalFrame<'static> {
    SignalFrame {
        signal: NUMBER.into(),
        handler: address(HANDLER),
        restorer: address(RESTORER),
        info: const { &[NUMBER; 128] },
        saved_mask: 0xabcd,
        stack_top: None,
        alternate_stack: (1, 2, 3),
    }
}

pub(crate) fn signal_frames() {
    with_program(|_| {
        let mut context = program(EXCHANGE);
        let mut other = program(EXCHANGE);
        // The registers hold the program's state or another's, when the frame is written and when it is read.
        for (value, away_before, away_after) in
            [(0x1234, false, false), (2, true, false), (3, false, true), (4, true, true)]
        {
            exchange(&mut context, value);
            context.set_result(0x5678);
            let (place, stack_pointer) = (context.instruction_pointer(), context.stack_pointer());
            if away_before {
                exchange(&mut other, 5);
            }
            context.deliver_signal(&signal::<10>()).expect("there is a stack");
            assert_eq!(context.stack_pointer() % 16, 8, "as if the handler had been called");
            assert_eq!((next_call(&mut context), context.argument(0)), (1, 10));
            let mut info = [0; 128];
            user::copy_from(context.argument(1), &mut info).expect("the second argument");
            assert_eq!(info, [10; 128]);
            // The handler overwrites XMM0 and returns.
            assert_eq!(next_call(&mut context), 15);
            if away_after {
                exchange(&mut other, 6);
            }
            let restored = context.restore_signal().expect("the frame is as it was");
            assert_eq!((restored.mask, restored.alternate_stack), (0xabcd, (1, 2, 3)));
            assert_eq!((context.result(), context.stack_pointer()), (0x5678, stack_pointer));
            assert_eq!(context.instruction_pointer(), place);
            assert_eq!(exchange(&mut context, 0), value, "XMM0 is as it was");
        }
        // No stack, no frame, and nothing has changed.
        let place = context.instruction_pointer();
        context.set_stack_pointer(NOWHERE);
        assert_eq!(context.deliver_signal(&signal::<10>()), Err(Fault));
        assert_eq!(context.instruction_pointer(), place);
    });
}

/// Frames that a hostile program has written all over: restoring one fails or gives a program that runs in user mode,
/// with its own rights, and traps.
pub(crate) fn hostile_signal_frames() {
    with_program(|_| {
        let mut context = program(SPIN);
        let mut accepted = 0;
        for _ in 0..100 {
            context.reset(address(SPIN), STACK_TOP - random(64) as usize);
            context.deliver_signal(&signal::<1>()).expect("there is a stack");
            let frame = context.stack_pointer();
            if random(2) == 0 {
                // With its state in the registers, into which the frame's may go straight.
                assert_eq!(next_call(&mut context), 1);
            }
            // As if the handler had returned.
            context.set_stack_pointer(frame + 8);
            for _ in 0..random(12) {
                let at = frame + random((STACK_TOP - frame) as u64) as usize;
                let bytes = random(u64::MAX).to_le_bytes();
                let length = (random(8) as usize + 1).min(STACK_TOP - at);
                user::copy_to(at, &bytes[..length]).expect("the stack");
            }
            if context.restore_signal().is_ok() {
                accepted += 1;
                // Perhaps it spins: the tick ends it.
                context.run();
            }
        }
        assert!(accepted > 0, "not all of them were broken");
    });
}

pub(crate) fn copies_from_any_address() {
    with_program(|_| {
        let kernel = machine::memory::direct_map(0) as usize;
        let hostile = [
            0,
            NOWHERE,
            STACK_TOP - 16,
            USER_END - 16,
            USER_END,
            1 << 47,
            kernel,
            usize::MAX - 15,
            usize::MAX,
        ];
        for address in hostile {
            assert_eq!(user::copy_from(address, &mut [0; 32]), Err(Fault), "{address:#x}");
            assert_eq!(user::copy_to(address, &[0; 32]), Err(Fault), "{address:#x}");
            assert_eq!(user::clear(address, 32), Err(Fault), "{address:#x}");
            if address != STACK_TOP - 16 {
                assert_eq!(
                    user::copy_string_from(address, &mut [1; 32]),
                    Err(Fault),
                    "{address:#x}"
                );
            }
        }
        assert_eq!(user::copy_to(CODE, &[0]), Err(Fault), "code is read-only for the kernel, too");
        let text = b"a string that is longer than a few words\0";
        for offset in 0..9 {
            user::copy_to(STACK + offset, text).expect("the stack");
            let mut buffer = [0xff; 64];
            assert_eq!(user::copy_string_from(STACK + offset, &mut buffer), Ok(text.len() - 1));
            assert_eq!(buffer[..text.len()], text[..]);
            assert_eq!(user::copy_string_from(STACK + offset, &mut buffer[..5]), Ok(5));
        }
        let mut across = [0; 2 * PAGE_SIZE];
        user::clear(STACK + 1, across.len()).expect("the stack");
        user::copy_to(STACK + 9, &[7; PAGE_SIZE + 3]).expect("the stack");
        user::copy_from(STACK + 1, &mut across).expect("the stack");
        let sevens = across.iter().skip(8).take_while(|byte| **byte == 7).count();
        assert_eq!((sevens, across[..8].iter().all(|byte| *byte == 0)), (PAGE_SIZE + 3, true));
        user::copy_to(STACK, &42u32.to_le_bytes()).expect("the stack");
        assert_eq!(user::compare_exchange_u32(STACK, 1, 2), Ok(42));
        assert_eq!(user::compare_exchange_u32(STACK, 42, 43), Ok(42));
        assert_eq!(user::load_u32(STACK), Ok(43));
        assert_eq!(user::load_u32(STACK + 1), Err(Fault), "not aligned");
    });
}

pub(crate) fn pages_of_a_space() {
    with_program(|space| {
        const BASE: usize = 0x1_0000_0000;
        const PAGES: usize = 100;
        // Across a border between page tables, every third page.
        let pages: Vec<usize> =
            (0..PAGES).map(|i| BASE - 50 * PAGE_SIZE + 3 * i * PAGE_SIZE).collect();
        for at in &pages {
            map(space, *at, page(), DATA);
        }
        user::copy_to(pages[10], &[1]).expect("a mapped page");
        let mut seen = Vec::new();
        space.for_each_mapped(pages[0]..USER_END, &mut |at, _, protection: Protection| {
            seen.push((at, protection))
        });
        assert!(seen.iter().map(|(at, _)| *at).eq(pages.iter().copied()));
        space.protect(pages[10]..pages[11], READ_ONLY);
        assert_eq!(user::copy_to(pages[10], &[2]), Err(Fault), "the old translation is gone");
        assert_eq!(space.look_up(pages[10]).map(|(_, protection)| protection), Some(READ_ONLY));
        assert!(space.clear_accessed(pages[10]) && !space.clear_accessed(pages[10]));
        // Replaced: the new page is seen at once.
        let new = page();
        new.write(0, &[9]);
        map(space, pages[10], new, READ_ONLY);
        let mut byte = [0];
        user::copy_from(pages[10], &mut byte).expect("a mapped page");
        assert_eq!(byte, [9]);
        user::copy_to(pages[20], &[1]).expect("a mapped page");
        let (mut count, mut dirty) = (0, 0);
        space.unmap(pages[0]..USER_END, &mut |frame: Frame, written: bool| {
            drop(Page::from_frame(frame));
            count += 1;
            dirty += usize::from(written);
        });
        assert_eq!((count, dirty), (PAGES, 1));
        assert_eq!(user::copy_from(pages[20], &mut byte), Err(Fault));
        assert!(pages.iter().all(|at| space.look_up(*at).is_none()));
    });
}

/// What is mapped at once goes where nothing is.
pub(crate) fn a_run_of_pages() {
    with_program(|space| {
        /// Between two page tables.
        const BORDER: usize = 0x1_0000_0000;
        let start = BORDER - 2 * PAGE_SIZE;
        let address = |number: usize| start + number * PAGE_SIZE;
        map(space, address(1), page(), DATA);
        let mut frames = [true, true, false, true, true].map(|is| is.then(|| page().into_frame()));
        let numbers = frames.each_ref().map(|frame| frame.as_ref().map(|frame| frame.number()));
        assert_eq!(space.map_run(start, &mut frames, READ_ONLY), 3);
        let left: Vec<usize> = frames.iter().flatten().map(|frame| frame.number()).collect();
        assert_eq!(left, numbers[1].into_iter().collect::<Vec<_>>(), "one is mapped there");
        for number in [0, 3, 4] {
            let found = space.look_up(address(number));
            assert_eq!(found, numbers[number].map(|frame| (frame, READ_ONLY)), "page {number}");
        }
        assert_eq!(space.look_up(address(1)).map(|(_, protection)| protection), Some(DATA));
        assert_eq!(space.look_up(address(2)), None);
        user::copy_from(address(4), &mut [0]).expect("a mapped page");
        let mut count = 0;
        space.unmap(start..address(5), &mut |frame: Frame, _: bool| {
            drop(Page::from_frame(frame));
            count += 1;
        });
        assert_eq!(count, 4);
        frames.into_iter().flatten().for_each(|frame| drop(Page::from_frame(frame)));
    });
}

/// An address space's tables go with it, few or many, whether or not something is mapped still.
pub(crate) fn tables_go_with_their_space() {
    /// Each in a table of its own, and every other one in a table above it, too.
    const FAR: usize = 1 << 29;
    const ROUNDS: usize = 40;
    let free = memory::statistics().free;
    for round in 0..ROUNDS {
        for places in [0, 1, 3, 40] {
            let space = AddressSpace::new().expect("a page-table root");
            for place in 0..places {
                map(&space, CODE + place * FAR, page(), DATA);
            }
            if !round.is_multiple_of(4) {
                space
                    .unmap(0..USER_END, &mut |frame: Frame, _: bool| drop(Page::from_frame(frame)));
            }
        }
    }
    // Others allocate meanwhile, but nothing like 40 times 70 frames.
    let lost = free.saturating_sub(memory::statistics().free) / PAGE_SIZE;
    assert!(lost < 500, "{lost} frames are lost");
}

/// A thread on every CPU changes its own part of one address space and reads everybody's; what a thread has unmapped
/// or replaced it never sees again.
pub(crate) fn one_space_on_every_cpu() {
    const SLOTS: usize = 16;
    const PART: usize = 1 << 26;
    let space = Arc::new(AddressSpace::new().expect("a page-table root"));
    let threads = cpus().into_iter().map(|cpu| {
        let space = space.clone();
        spawn("shootdown", move |_| {
            sched::use_address_space(Some(space.clone()));
            let slot = |cpu: usize, slot: usize| CODE + (cpu + 1) * PART + slot * 9 * PAGE_SIZE;
            let mut expected = [None; SLOTS];
            for _ in 0..60 {
                let which = random(SLOTS as u64) as usize;
                let at = slot(cpu, which);
                match random(4) {
                    0 | 1 => {
                        let value = random(256) as u8;
                        let new = page();
                        new.write(0, &[value]);
                        map(&space, at, new, DATA);
                        expected[which] = Some(value);
                    }
                    2 => {
                        space.unmap(at..at + PAGE_SIZE, &mut |frame: Frame, _: bool| {
                            drop(Page::from_frame(frame))
                        });
                        expected[which] = None;
                    }
                    _ => {
                        // Somebody else's, so that this CPU has a translation of it.
                        let _ = user::copy_from(slot(random(4) as usize, which), &mut [0]);
                    }
                }
                let mut byte = [0];
                let found = user::copy_from(at, &mut byte).ok().map(|()| byte[0]);
                assert_eq!(found, expected[which], "CPU {cpu} slot {which}");
            }
            sched::use_address_space(None);
            0
        })
    });
    join_all(threads.collect());
}
