//! A user context: registers, and running them.

use contract::{
    Access, DebugRegisters, Fault, OutOfFrames, PAGE_SIZE, REGISTER_WORDS, RestoredSignal,
    SignalFrame, Trap, UserRegisters,
};

use super::script::{self, STEP, Step};
use super::{copy_from, copy_to};
use crate::machine::here;
use crate::memory::{Miss, direct_map, translate};
use crate::schedule;

/// The registers of a user program.
#[derive(Clone, Copy, Debug, Default)]
struct Registers {
    /// The last trap was for a system call, and nobody has said that it is over.
    in_call: bool,
    instruction: usize,
    stack: usize,
    thread: usize,
    number: usize,
    arguments: [usize; 6],
    result: isize,
}

/// A user program's registers, outside of user mode.
#[derive(Debug)]
pub struct UserContext {
    registers: Registers,
    /// It traps after each step.
    stepping: bool,
    debug: DebugRegisters,
    extended: [u8; EXTENDED_STATE],
}

/// Bytes of floating-point state, which no program here uses.
const EXTENDED_STATE: usize = 16;

/// The size of what [`UserContext::extended_state`] copies.
#[must_use]
pub fn extended_state_size() -> usize {
    EXTENDED_STATE
}

/// The first word of a signal frame.
const MAGIC: usize = 0x5347_4652;
/// Words of a signal frame, before the signal's information.
const FRAME_WORDS: usize = 16;
const WORD: usize = size_of::<usize>();

impl UserContext {
    /// Registers of a program about to start.
    ///
    /// # Errors
    /// None here.
    pub fn new(entry: usize, stack_pointer: usize) -> Result<Self, OutOfFrames> {
        let registers =
            Registers { instruction: entry, stack: stack_pointer, ..Registers::default() };
        Ok(Self::with(registers))
    }

    fn with(registers: Registers) -> Self {
        let debug = DebugRegisters::default();
        Self { registers, stepping: false, debug, extended: [0; EXTENDED_STATE] }
    }

    /// A copy of the registers.
    ///
    /// # Errors
    /// None here.
    pub fn fork(&self) -> Result<Self, OutOfFrames> {
        Ok(Self { extended: self.extended, ..Self::with(self.registers) })
    }

    /// All registers cleared, then the given entry and stack pointer.
    pub fn reset(&mut self, entry: usize, stack_pointer: usize) {
        let registers =
            Registers { instruction: entry, stack: stack_pointer, ..Registers::default() };
        *self = Self::with(registers);
    }

    /// Runs the program at the instruction pointer ([`crate::sim::program`]) until it traps.
    ///
    /// # Panics
    /// If interrupts are off.
    pub fn run(&mut self) -> Trap {
        loop {
            let machine = here();
            assert!(
                !machine.active.get() || machine.cpu().interrupts.get(),
                "user mode with interrupts off"
            );
            let taken = machine.interrupts_taken.get();
            schedule::point(machine);
            self.registers.in_call = false;
            if machine.interrupts_taken.get() != taken {
                return Trap::Interrupt;
            }
            if let Some(trap) = self.step() {
                return trap;
            }
            if self.stepping {
                self.debug.status = DebugRegisters::STEP;
                return Trap::Debug;
            }
        }
    }

    /// One step of the program.
    fn step(&mut self) -> Option<Trap> {
        let registers = &mut self.registers;
        let at = registers.instruction;
        let Some(step) = script::at(at) else {
            let missing = Trap::PageFault { address: at, access: Access::Execute, present: false };
            return Some(missing);
        };
        let mut next = at + STEP;
        let trap = match step {
            Step::Compute(nanoseconds) => {
                let machine = here();
                machine.clock.set(machine.clock.get() + nanoseconds);
                None
            }
            Step::Load(address) => access(address, Access::Read, |_| ()).err(),
            Step::Store(address, value) => {
                access(address, Access::Write, |place| {
                    // SAFETY: one byte in a frame that user mode may write.
                    unsafe { place.write(value) }
                })
                .err()
            }
            Step::ExpectByte(address, value) => {
                // SAFETY: one byte in a frame that user mode may read.
                match access(address, Access::Read, |place| unsafe { place.read() }) {
                    Ok(found) if found == value => None,
                    Ok(found) => crate::sim::fail(&format!(
                        "the program at {at:#x} expects {value} at {address:#x} and finds {found}"
                    )),
                    Err(trap) => Some(trap),
                }
            }
            Step::SystemCall(number, arguments) => {
                registers.number = number;
                registers.arguments = arguments;
                registers.in_call = true;
                Some(Trap::SystemCall)
            }
            Step::Expect(result) if registers.result == result => None,
            Step::Expect(result) => crate::sim::fail(&format!(
                "the program at {at:#x} expects {result} from system call {} and gets {}",
                registers.number, registers.result
            )),
            Step::Jump(step) => {
                next = script::jump(at, step);
                None
            }
            Step::JumpIfZero(step) => {
                if registers.result == 0 {
                    next = script::jump(at, step);
                }
                None
            }
            Step::Trap(trap) => Some(trap),
        };
        // A fault leaves the instruction pointer at the access, to be tried again.
        if !matches!(trap, Some(Trap::PageFault { .. })) {
            registers.instruction = next;
        }
        trap
    }

    /// The number of the system call that trapped.
    #[must_use]
    pub fn system_call(&self) -> usize {
        self.registers.number
    }

    /// An argument of the system call that trapped, 0 if there is no such argument.
    #[must_use]
    pub fn argument(&self, index: usize) -> usize {
        self.registers.arguments.get(index).copied().unwrap_or(0)
    }

    /// What the system call returns.
    pub fn set_result(&mut self, result: isize) {
        self.registers.result = result;
    }

    /// What `set_result` set.
    #[must_use]
    pub fn result(&self) -> isize {
        self.registers.result
    }

    /// The next `run` makes the same call again.
    pub fn restart_system_call(&mut self) {
        self.registers.instruction -= STEP;
    }

    /// The next step's address.
    #[must_use]
    pub fn instruction_pointer(&self) -> usize {
        self.registers.instruction
    }

    /// The stack pointer.
    #[must_use]
    pub fn stack_pointer(&self) -> usize {
        self.registers.stack
    }

    /// Sets the stack pointer.
    pub fn set_stack_pointer(&mut self, address: usize) {
        self.registers.stack = address;
    }

    /// The thread pointer.
    #[must_use]
    pub fn thread_pointer(&self) -> usize {
        self.registers.thread
    }

    /// Sets the thread pointer.
    pub fn set_thread_pointer(&mut self, address: usize) {
        self.registers.thread = address;
    }

    /// The registers in the places of `user_regs_struct`.
    #[must_use]
    pub fn registers(&self) -> UserRegisters {
        let r = &self.registers;
        let mut words = [0; REGISTER_WORDS];
        for (place, argument) in UserRegisters::ARGUMENTS.into_iter().zip(r.arguments) {
            words[place] = argument as u64;
        }
        words[UserRegisters::RESULT] = r.result as u64;
        words[UserRegisters::SYSTEM_CALL] = if r.in_call { r.number as u64 } else { u64::MAX };
        words[UserRegisters::INSTRUCTION_POINTER] = r.instruction as u64;
        words[UserRegisters::STACK_POINTER] = r.stack as u64;
        words[UserRegisters::THREAD_POINTER] = r.thread as u64;
        UserRegisters(words)
    }

    /// Takes the registers from there.
    pub fn set_registers(&mut self, new: &UserRegisters) {
        let r = &mut self.registers;
        let word = |place: usize| new.0[place] as usize;
        r.arguments = UserRegisters::ARGUMENTS.map(word);
        r.result = new.result();
        r.in_call = new.system_call().is_some();
        if let Some(number) = new.system_call() {
            r.number = number;
        }
        r.instruction = word(UserRegisters::INSTRUCTION_POINTER);
        r.stack = word(UserRegisters::STACK_POINTER);
        r.thread = word(UserRegisters::THREAD_POINTER);
    }

    /// Copies the floating-point state into a buffer of [`extended_state_size`].
    pub fn extended_state(&self, buffer: &mut [u8]) {
        buffer.copy_from_slice(&self.extended);
    }

    /// Sets the floating-point state.
    ///
    /// # Errors
    /// [`Fault`] for another size.
    pub fn set_extended_state(&mut self, buffer: &[u8]) -> Result<(), Fault> {
        self.extended = buffer.try_into().map_err(|_| Fault)?;
        Ok(())
    }

    /// Whether the program traps after each step.
    pub fn set_single_step(&mut self, on: bool) {
        self.stepping = on;
    }

    /// The watched addresses, which nobody watches here.
    #[must_use]
    pub fn debug_registers(&self) -> DebugRegisters {
        self.debug
    }

    /// Sets them.
    pub fn set_debug_registers(&mut self, new: &DebugRegisters) {
        self.debug = *new;
    }

    /// Puts a frame on the user stack and goes on in the handler. The frame is this machine's own:
    /// sixteen words, then the signal's information.
    ///
    /// # Errors
    /// [`Fault`] if the stack cannot be written.
    pub fn deliver_signal(&mut self, signal: &SignalFrame<'_>) -> Result<(), Fault> {
        let r = &self.registers;
        let a = &r.arguments;
        let (stack, flags, size) = signal.alternate_stack;
        let words: [usize; FRAME_WORDS] = [
            MAGIC,
            r.instruction,
            r.stack,
            r.thread,
            r.number,
            a[0],
            a[1],
            a[2],
            a[3],
            a[4],
            a[5],
            r.result as usize,
            signal.saved_mask as usize,
            stack,
            flags as usize,
            size,
        ];
        let bytes = words.len() * WORD + signal.info.len();
        let top = signal.stack_top.unwrap_or(r.stack);
        let frame = top.checked_sub(bytes).ok_or(Fault)? & !0xf;
        copy_to(frame, words.map(usize::to_ne_bytes).as_flattened())?;
        copy_to(frame + words.len() * WORD, signal.info)?;
        self.registers.stack = frame;
        self.registers.instruction = signal.handler;
        let info = frame + words.len() * WORD;
        self.registers.arguments = [signal.signal as usize, info, frame, 0, 0, 0];
        Ok(())
    }

    /// Takes the frame at the stack pointer off again.
    ///
    /// # Errors
    /// [`Fault`] if there is none.
    pub fn restore_signal(&mut self) -> Result<RestoredSignal, Fault> {
        let mut bytes = [[0; WORD]; FRAME_WORDS];
        copy_from(self.registers.stack, bytes.as_flattened_mut())?;
        let words = bytes.map(usize::from_ne_bytes);
        let [
            MAGIC,
            instruction,
            stack,
            thread,
            number,
            a,
            b,
            c,
            d,
            e,
            f,
            result,
            mask,
            at,
            flags,
            size,
        ] = words
        else {
            return Err(Fault);
        };
        self.registers = Registers {
            in_call: false,
            instruction,
            stack,
            thread,
            number,
            arguments: [a, b, c, d, e, f],
            result: result as isize,
        };
        Ok(RestoredSignal { mask: mask as u64, alternate_stack: (at, flags as u32, size) })
    }
}

/// What user mode does to memory.
fn access<R>(address: usize, access: Access, body: impl FnOnce(*mut u8) -> R) -> Result<R, Trap> {
    match translate(address, access) {
        // SAFETY: the offset lies in the frame.
        Ok(frame) => Ok(body(unsafe { direct_map(frame).add(address % PAGE_SIZE) })),
        Err(Miss { present }) => Err(Trap::PageFault { address, access, present }),
    }
}
