//! The serial console: `ttyS0`.
//!
//! Its interrupt only moves bytes into a ring. A work item takes them from there through the
//! line discipline, which may echo, send signals and wait for locks; it is queued by the interrupt,
//! so ^C works also when no program reads. A byte behind a break is none for programs: it goes to SysRq at once.

use alloc::string::ToString;
use alloc::sync::Arc;

use errno::Result;
use fs::DeviceNumber;
use sync::{LockClass, Once, SpinLock};
use workqueue::{Running, Work, WorkItem};

use crate::driver::Driver;
use crate::ring::Ring;
use crate::termios::Termios;
use crate::tty::Tty;

/// Taken in the interrupt; takes nothing itself.
static INPUT_LOCK: LockClass = LockClass::new("console.input");

/// What the interrupt has brought and the line discipline has not taken.
static INPUT: SpinLock<Ring<4096>> = SpinLock::new(&INPUT_LOCK, Ring::new());
/// What takes it from there; no program's business, so it belongs to no CPU.
static FLUSH: Once<Work<FlushToLdisc>> = Once::new();

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
    if let Some(key) = machine::console::sysrq() {
        sysrq::press(key);
    }
    let mut bytes = [0; 64];
    loop {
        let count = machine::console::read(&mut bytes);
        if count == 0 {
            break;
        }
        INPUT.lock_irq().push(&bytes[..count]);
    }
    kick();
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
        kick();
    }
}

/// Makes the terminal, and the item that brings it its input.
pub(crate) fn init() -> Result<()> {
    let tty = Tty::new("ttyS0".to_string(), SERIAL, Termios::serial(), Arc::new(Serial))?;
    // `init` is called once.
    let _ = FLUSH.set(Work::new(FlushToLdisc { tty: tty.clone() }));
    let _ = CONSOLE.set(tty);
    // What was typed before.
    kick();
    Ok(())
}

/// Gives the terminal the input that waits, as long as it has room.
struct FlushToLdisc {
    tty: Arc<Tty>,
}

impl WorkItem for FlushToLdisc {
    fn run(&self, _: &Running<'_>) {
        let mut bytes = [0; 256];
        loop {
            let count = INPUT.lock_irq().peek(&mut bytes);
            // Without room it stays where it is until a program has read: `input_wanted`.
            if count == 0 || !self.tty.has_input_room() {
                return;
            }
            let taken = self.tty.receive(&bytes[..count]);
            INPUT.lock_irq().consume(taken);
        }
    }

    fn name(&self) -> &'static str {
        "flush_to_ldisc"
    }
}

/// There is input, or room for it. Any context.
fn kick() {
    if let Some(flush) = FLUSH.get() {
        workqueue::system_unbound_wq().queue(flush);
    }
}
