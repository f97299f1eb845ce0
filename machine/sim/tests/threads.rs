//! Contexts, stacks and address spaces.

mod common;

use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering::SeqCst};

use common::*;
use contract::{Frame, PAGE_SIZE, Protection, SignalFrame, Trap};
use machine_sim::memory::{self, AddressSpace};
use machine_sim::sim::{self, Step};
use machine_sim::thread::{Context, STACK_SIZE, Stack, switch};
use machine_sim::user::{self, UserContext};
use machine_sim::{boot, cpu, irq};

const READ_WRITE: Protection = Protection { write: true, execute: false };
const READ_ONLY: Protection = Protection { write: false, execute: false };

/// A context goes back and forth between CPUs and keeps what it has on its stack.
#[test]
fn a_context_goes_on_on_another_cpu() {
    static TRAVELLER: AtomicPtr<Context> = AtomicPtr::new(core::ptr::null_mut());
    static HOME: [AtomicPtr<Context>; 2] = [const { AtomicPtr::new(core::ptr::null_mut()) }; 2];
    static FREE: AtomicBool = AtomicBool::new(true);
    static TRIPS: AtomicU64 = AtomicU64::new(0);
    fn get(place: &AtomicPtr<Context>) -> &'static Context {
        // SAFETY: contexts here are leaked.
        unsafe { &*place.load(SeqCst) }
    }
    fn traveller() -> ! {
        let mut trips = 0;
        loop {
            assert!(!irq::enabled());
            trips += 1;
            TRIPS.store(trips, SeqCst);
            switch(get(&TRAVELLER), get(&HOME[cpu::id()]));
        }
    }
    fn take_it(times: u64) {
        for _ in 0..times {
            while !FREE.swap(false, SeqCst) {
                cpu::relax();
            }
            switch(get(&HOME[cpu::id()]), get(&TRAVELLER));
            FREE.store(true, SeqCst);
            irq::point();
        }
    }
    for seed in 0..50 {
        passes(seed, 2, || {
            boot::install(&UPCALLS);
            let leak = |context| Box::into_raw(Box::new(context));
            HOME[0].store(leak(Context::boot()), SeqCst);
            TRAVELLER.store(leak(Context::new(Stack::new(0).unwrap(), traveller)), SeqCst);
            fn other() -> ! {
                take_it(20);
                idle()
            }
            let other = leak(Context::new(Stack::new(0).unwrap(), other));
            HOME[1].store(other, SeqCst);
            cpu::start(1, get(&HOME[1])).unwrap();
            take_it(20);
            while TRIPS.load(SeqCst) < 40 {
                cpu::relax();
            }
        });
    }
}

#[test]
fn contexts_switch_outside_of_runs_too() {
    static PAIR: AtomicPtr<(Context, Context)> = AtomicPtr::new(core::ptr::null_mut());
    fn visitor() -> ! {
        // SAFETY: the pair is leaked below.
        let (boot, visitor) = unsafe { &*PAIR.load(SeqCst) };
        loop {
            TURNS.fetch_add(1, SeqCst);
            switch(visitor, boot);
        }
    }
    static TURNS: AtomicU64 = AtomicU64::new(0);
    let _ = irq::disable();
    let pair = (Context::boot(), Context::new(Stack::new(0).unwrap(), visitor));
    let pair: &'static _ = Box::leak(Box::new(pair));
    PAIR.store(core::ptr::from_ref(pair).cast_mut(), SeqCst);
    for turn in 1..4 {
        switch(&pair.0, &pair.1);
        assert_eq!(TURNS.load(SeqCst), turn);
    }
}

#[test]
fn breaking_a_rule_of_switch_panics() {
    let same = fails(1, 1, || {
        let boot = Context::boot();
        switch(&boot, &boot);
    });
    assert!(same.message.contains("runs on CPU 0 is switched to"), "{same}");
    let on = fails(1, 1, || {
        let boot = Context::boot();
        irq::enable();
        switch(&boot, &Context::new(Stack::new(0).unwrap(), idle));
    });
    assert!(on.message.contains("interrupts on"), "{on}");
    let dropped = fails(1, 1, || drop(Context::boot()));
    assert!(dropped.message.contains("runs on CPU 0 is dropped"), "{dropped}");
}

#[test]
fn a_failure_says_where_sleepers_sleep() {
    static PAIR: AtomicPtr<(Context, Context)> = AtomicPtr::new(core::ptr::null_mut());
    #[inline(never)]
    fn somewhere_deep() {
        // SAFETY: the pair is leaked below.
        let (boot, sleeper) = unsafe { &*PAIR.load(SeqCst) };
        cpu::set_current(core::ptr::without_provenance(42));
        switch(sleeper, boot);
    }
    fn sleeper() -> ! {
        somewhere_deep();
        unreachable!()
    }
    let failure = fails(1, 1, || {
        sim::set_task_number(|| cpu::current().addr() as u64);
        let pair = (Context::boot(), Context::new(Stack::new(0).unwrap(), sleeper));
        let never_ran = Context::new(Stack::new(0).unwrap(), sleeper);
        let pair: &'static _ = Box::leak(Box::new(pair));
        PAIR.store(core::ptr::from_ref(pair).cast_mut(), SeqCst);
        cpu::set_current(core::ptr::without_provenance(43));
        switch(&pair.0, &pair.1);
        assert_eq!(never_ran.stack_bounds().len(), STACK_SIZE);
        sim::fail("on purpose")
    });
    let told: Vec<_> = failure.report.lines().filter(|line| line.starts_with("task ")).collect();
    assert_eq!(told.len(), 1, "{failure}");
    assert!(told[0].starts_with("task 43 < "), "{failure}");
    assert!(told[0].contains("::somewhere_deep < "), "{failure}");
}

#[test]
fn what_is_alive_is_counted() {
    passes(1, 1, || {
        boot::install(&UPCALLS);
        let stack = Stack::new(0).unwrap();
        let first = sim::live();
        assert_eq!((first.stacks, first.contexts), (1, 0));
        let mut context = Context::new(stack, idle);
        assert_eq!(context.stack_bounds().len(), STACK_SIZE);
        assert_eq!(sim::live().contexts, 1);
        let stack = context.take_stack();
        assert!(stack.is_some() && context.take_stack().is_none());
        drop(context);
        assert_eq!((sim::live().stacks, sim::live().contexts), (1, 0));
        drop(stack);
        let space = AddressSpace::new().unwrap();
        assert_eq!(space.map(PAGE_SIZE, new_frame(), READ_WRITE), Ok(None));
        assert_eq!((sim::live().address_spaces, sim::live().table_frames), (1, 2));
        drop(space);
        assert_eq!(sim::live(), sim::Live::default());
        assert_eq!(FREED.load(SeqCst), 3);
    });
}

#[test]
fn every_frame_for_a_table_can_be_missing() {
    for nth in 1..=2 {
        let config = sim::Config { faults: sim::Faults::Nth(nth), ..Default::default() };
        let outcome = sim::run(&config, || {
            boot::install(&UPCALLS);
            if let Ok(space) = AddressSpace::new() {
                let frame = new_frame();
                let number = frame.number();
                let back = space.map(PAGE_SIZE, frame, READ_WRITE).unwrap_err();
                assert_eq!(back.into_number(), number);
            }
            assert_eq!(sim::live(), sim::Live::default());
        });
        assert!(matches!(outcome, sim::Outcome::Passed(_)), "{outcome:?}");
    }
}

#[test]
fn user_memory_is_what_the_loaded_space_says() {
    passes(1, 2, || {
        boot::install(&UPCALLS);
        let space = AddressSpace::new().unwrap();
        assert!(user::copy_to(PAGE_SIZE, b"x").is_err());
        for page in [1, 2] {
            assert_eq!(space.map(page * PAGE_SIZE, new_frame(), READ_WRITE), Ok(None));
        }
        space.load();
        let across = 2 * PAGE_SIZE - 3;
        user::copy_to(across, b"across\0").unwrap();
        let mut buffer = [1; 10];
        assert_eq!(user::copy_string_from(across, &mut buffer), Ok(6));
        assert_eq!(&buffer[..7], b"across\0");
        assert!(user::copy_to(3 * PAGE_SIZE - 1, b"ab").is_err());
        assert!(user::copy_from(user::USER_END - 1, &mut buffer).is_err());
        assert!(user::copy_from(usize::MAX, &mut buffer).is_err());
        assert_eq!(user::compare_exchange_u32(PAGE_SIZE, 0, 9), Ok(0));
        assert_eq!(user::compare_exchange_u32(PAGE_SIZE, 0, 8), Ok(9));
        assert_eq!(user::load_u32(PAGE_SIZE), Ok(9));
        assert!(user::load_u32(PAGE_SIZE + 1).is_err());

        // The accessed bit stays clear while the translation is cached, and the protection does
        // not.
        assert!(space.clear_accessed(PAGE_SIZE));
        assert_eq!(user::load_u32(PAGE_SIZE), Ok(9));
        assert!(!space.clear_accessed(PAGE_SIZE));
        space.protect(PAGE_SIZE..2 * PAGE_SIZE, READ_ONLY);
        assert!(user::copy_to(PAGE_SIZE, b"x").is_err());
        assert_eq!(space.look_up(PAGE_SIZE).unwrap().1, READ_ONLY);

        let mut frames = Vec::new();
        space.unmap(0..user::USER_END, &mut |frame: Frame, dirty: bool| {
            frames.push((frame.into_number(), dirty))
        });
        assert_eq!(frames.len(), 2);
        assert!(frames.iter().all(|&(_, dirty)| dirty));
        assert!(user::copy_from(PAGE_SIZE, &mut buffer).is_err());
        memory::load_kernel_only();
        assert_eq!(memory::tlb_counters().switches, 2);
    });
    let dropped = fails(1, 1, || {
        let space = AddressSpace::new().unwrap();
        space.load();
        drop(space);
    });
    assert!(dropped.message.contains("dropped that 1 CPUs have loaded"), "{dropped}");
}

#[test]
fn programs_trap_and_go_on() {
    passes(1, 1, || {
        boot::install(&UPCALLS);
        static PROGRAM: [Step; 6] = [
            Step::Store(PAGE_SIZE, 7),
            Step::SystemCall(57, [1, 2, 3, 4, 5, 6]),
            Step::JumpIfZero(0),
            Step::Expect(-4),
            Step::ExpectByte(PAGE_SIZE, 7),
            Step::Trap(Trap::DivideError),
        ];
        static HANDLER: [Step; 1] = [Step::SystemCall(15, [0; 6])];
        let space = AddressSpace::new().unwrap();
        space.load();
        irq::enable();
        let entry = sim::program(&PROGRAM);
        let mut context = UserContext::new(entry, 3 * PAGE_SIZE).unwrap();
        let miss =
            Trap::PageFault { address: PAGE_SIZE, access: contract::Access::Write, present: false };
        assert_eq!(context.run(), miss);
        assert_eq!(context.run(), miss);
        for page in [1, 2] {
            assert_eq!(space.map(page * PAGE_SIZE, new_frame(), READ_WRITE), Ok(None));
        }
        assert_eq!(context.run(), Trap::SystemCall);
        assert_eq!((context.system_call(), context.argument(5)), (57, 6));
        context.restart_system_call();
        assert_eq!(context.run(), Trap::SystemCall);
        let mut child = context.fork().unwrap();
        child.set_result(0);
        assert_eq!(child.run(), Trap::SystemCall);
        context.set_result(-4);

        let at = context.instruction_pointer();
        let signal = SignalFrame {
            signal: 10,
            handler: sim::program(&HANDLER),
            restorer: 0,
            info: &[3; 128],
            saved_mask: 0xf0,
            stack_top: None,
            alternate_stack: (1, 2, 3),
        };
        context.deliver_signal(&signal).unwrap();
        assert_eq!(context.argument(0), 10);
        assert_eq!(context.run(), Trap::SystemCall);
        assert_eq!(context.system_call(), 15);
        let restored = context.restore_signal().unwrap();
        assert_eq!((restored.mask, restored.alternate_stack), (0xf0, (1, 2, 3)));
        assert_eq!(context.instruction_pointer(), at);
        assert_eq!(context.stack_pointer(), 3 * PAGE_SIZE);
        assert_eq!(context.run(), Trap::DivideError);
        let _ = irq::disable();
        memory::load_kernel_only();
    });
}
