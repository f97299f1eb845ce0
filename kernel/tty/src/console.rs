//! The serial console: `ttyS0`.
//!
//! Its interrupt only moves bytes into a ring. A kernel thread takes them from there through the
//! line discipline, which may echo, send signals and wait for locks; it runs also when no program
//! reads, so that ^C always works.

use alloc::string::ToString;
use alloc::sync::Arc;

use errno::Result;
use fs::DeviceNumber;
use sched::{Sleep, WaitQueue};
use sync::{LockClass, Once, SpinLock};

use crate::driver::Driver;
use crate::ring::Ring;
use crate::termios::Termios;
use crate::tty::Tty;

/// Taken in the interrupt; takes nothing itself.
static INPUT_LOCK: LockClass = LockClass::new("console.input");

/// What the interrupt has brought and the line discipline has not taken.
static INPUT: SpinLock<Ring<4096>> = SpinLock::new(&INPUT_LOCK, Ring::new());
/// Where the thread sleeps.
static WANTED: WaitQueue = WaitQueue::new();

static CONSOLE: Once<Arc<Tty>> = Once::new();

/// `ttyS0`.
pub(crate) const SERIAL: DeviceNumber = DeviceNumber::new(4, 64);

/// The console's terminal, once [`init`](crate::init) has made it.
pub fn console() -> Option<&'static Arc<Tty>> {
    CONSOLE.get()
}

/// The console has input: `Upcalls::console_input`. Runs in the interrupt, also before
/// [`init`](crate::init); what does not fit is lost, as on a line without flow control.
pub fn input_interrupt() {
    let mut bytes = [0; 64];
    loop {
        let count = machine::console::read(&mut bytes);
        if count == 0 {
            break;
        }
        INPUT.lock_irq().push(&bytes[..count]);
    }
    WANTED.wake_all();
}

/// Sends by the machine's console, which waits for the line where it must.
struct Serial;

impl Driver for Serial {
    fn write(&self, bytes: &[u8]) {
        machine::console::write(bytes);
    }

    fn room(&self) -> usize {
        usize::MAX
    }

    fn input_wanted(&self) {
        WANTED.wake_all();
    }
}

/// Makes the terminal and starts its thread.
pub(crate) fn init() -> Result<()> {
    let tty = Tty::new("ttyS0".to_string(), SERIAL, Termios::serial(), Arc::new(Serial))?;
    let terminal = tty.clone();
    kthread::Builder::new(format_args!("kttyd")).run(move |this| {
        while !this.should_stop() {
            pass_input_on(this, &terminal);
        }
        0
    })?;
    // `init` is called once.
    let _ = CONSOLE.set(tty);
    Ok(())
}

/// Waits for input that the terminal has room for, and gives it some.
fn pass_input_on(this: &kthread::This, tty: &Tty) {
    let mut bytes = [0; 256];
    let count = WANTED.wait_map(Sleep::Idle, None, || {
        if this.should_stop() {
            return Some(0);
        }
        let count = INPUT.lock_irq().peek(&mut bytes);
        (count > 0 && tty.has_input_room()).then_some(count)
    });
    let taken = tty.receive(&bytes[..count.unwrap_or(0)]);
    INPUT.lock_irq().consume(taken);
}
