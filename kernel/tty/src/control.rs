//! The `ioctl` commands of terminals.

use alloc::sync::Arc;

use errno::{Errno, Result};
use fs::{Capabilities, File};
use process::{Signal, Thread};

use crate::job;
use crate::termios::{Special, Termios};
use crate::tty::{Tty, WindowSize};

const TCGETS: u32 = 0x5401;
const TCSETS: u32 = 0x5402;
const TCSETSW: u32 = 0x5403;
const TCSETSF: u32 = 0x5404;
const TCSBRK: u32 = 0x5409;
const TCXONC: u32 = 0x540a;
const TCFLSH: u32 = 0x540b;
const TIOCEXCL: u32 = 0x540c;
const TIOCNXCL: u32 = 0x540d;
const TIOCSCTTY: u32 = 0x540e;
const TIOCGPGRP: u32 = 0x540f;
pub(crate) const TIOCSPGRP: u32 = 0x5410;
const TIOCOUTQ: u32 = 0x5411;
const TIOCSTI: u32 = 0x5412;
const TIOCGWINSZ: u32 = 0x5413;
const TIOCSWINSZ: u32 = 0x5414;
const FIONREAD: u32 = 0x541b;
const TIOCNOTTY: u32 = 0x5422;
const TIOCSETD: u32 = 0x5423;
const TIOCGETD: u32 = 0x5424;
const TCSBRKP: u32 = 0x5425;
const TIOCGSID: u32 = 0x5429;
const TCGETS2: u32 = 0x802c_542a;
const TCSETS2: u32 = 0x402c_542b;
const TCSETSW2: u32 = 0x402c_542c;
const TCSETSF2: u32 = 0x402c_542d;
const TIOCGDEV: u32 = 0x8004_5432;
const TIOCVHANGUP: u32 = 0x5437;
const TIOCGEXCL: u32 = 0x8004_5440;

/// `c_cc` byte that turns a special character off.
const DISABLED: u8 = 0;

/// From which end a command comes.
#[derive(Clone, Copy)]
pub(crate) enum Side<'a> {
    /// From the terminal itself, through this file.
    Terminal(&'a File),
    /// From the master side of a pseudo terminal.
    Master,
}

/// Carries a command out.
///
/// # Errors
/// ENOTTY: no such command, or it wants the caller's controlling terminal and this is not it.
/// EFAULT, EINVAL, EPERM, and what [`Tty::check_foreground`] gives.
pub(crate) fn ioctl(
    tty: &Arc<Tty>,
    side: Side<'_>,
    command: u32,
    argument: usize,
) -> Result<usize> {
    match command {
        TCGETS => put(argument, &{ settings(tty) }.to_bytes())?,
        TCGETS2 => put(argument, &{ settings(tty) }.to_bytes2())?,
        TCSETS | TCSETSW | TCSETSF => {
            let new = Termios::from_bytes(&get(argument)?);
            change_settings(tty, side, new, command == TCSETSF)?;
        }
        TCSETS2 | TCSETSW2 | TCSETSF2 => {
            let new = Termios::from_bytes2(&get(argument)?);
            change_settings(tty, side, new, command == TCSETSF2)?;
        }
        TCSBRK | TCSBRKP => background_stops(tty, side)?,
        TCXONC => {
            background_stops(tty, side)?;
            flow(tty, argument)?;
        }
        TCFLSH => {
            background_stops(tty, side)?;
            flush(tty, argument)?;
        }
        TIOCEXCL => tty.state().exclusive = true,
        TIOCNXCL => tty.state().exclusive = false,
        TIOCGEXCL => {
            let exclusive = tty.state().exclusive;
            put(argument, &i32::from(exclusive).to_ne_bytes())?;
        }
        TIOCSCTTY => {
            let Side::Terminal(file) = side else { return Err(Errno::ENOTTY) };
            tty.acquire(file.flags().readable(), argument == 1)?;
        }
        TIOCNOTTY => tty.give_up()?,
        TIOCGPGRP => {
            controlling(tty, side)?;
            put(argument, &tty.foreground_number().to_ne_bytes())?;
        }
        TIOCSPGRP => tty.set_foreground(i32::from_ne_bytes(get(argument)?))?,
        TIOCGSID => {
            controlling(tty, side)?;
            put(argument, &tty.session_number()?.to_ne_bytes())?;
        }
        TIOCGWINSZ => {
            let window = tty.state().window;
            put(argument, &window.to_bytes())?;
        }
        TIOCSWINSZ => resize(tty, WindowSize::from_bytes(&get(argument)?)),
        TIOCOUTQ => put_count(argument, tty.driver().unsent())?,
        FIONREAD => {
            let waiting = tty.state().ldisc.readable_bytes();
            put_count(argument, waiting)?;
        }
        TIOCSTI => {
            let credentials = Thread::of(&sched::current()).credentials();
            if !tty.controls_caller() && !credentials.capable(Capabilities::SYS_ADMIN) {
                return Err(Errno::EPERM);
            }
            tty.receive(&get::<1>(argument)?);
        }
        TIOCGETD => put(argument, &0_i32.to_ne_bytes())?,
        TIOCSETD => {
            // There is one line discipline, N_TTY.
            if i32::from_ne_bytes(get(argument)?) != 0 {
                return Err(Errno::EINVAL);
            }
        }
        TIOCGDEV => put(argument, &(tty.device().encode() as u32).to_ne_bytes())?,
        TIOCVHANGUP => {
            if !job::caller_is_privileged() {
                return Err(Errno::EPERM);
            }
            tty.hang_up();
        }
        _ => return Err(Errno::ENOTTY),
    }
    Ok(0)
}

fn settings(tty: &Tty) -> Termios {
    *tty.state().ldisc.termios()
}

/// Background processes do not change a terminal.
fn background_stops(tty: &Tty, side: Side<'_>) -> Result<()> {
    match side {
        Side::Terminal(_) => tty.check_foreground(Signal::SIGTTOU),
        Side::Master => Ok(()),
    }
}

/// The command is about the caller's own terminal.
fn controlling(tty: &Tty, side: Side<'_>) -> Result<()> {
    match side {
        Side::Terminal(_) if !tty.controls_caller() => Err(Errno::ENOTTY),
        _ => Ok(()),
    }
}

/// The drivers send at once, so the variants that let output drain first do nothing else.
fn change_settings(tty: &Tty, side: Side<'_>, new: Termios, flush: bool) -> Result<()> {
    background_stops(tty, side)?;
    let effects = {
        let mut state = tty.state();
        if flush {
            state.ldisc.flush_input();
        }
        state.ldisc.set_termios(new)
    };
    tty.apply(effects);
    if flush {
        tty.driver().input_wanted();
    }
    Ok(())
}

/// TCXONC: 0 holds output, 1 releases it; 2 and 3 ask the sender to stop and to go on.
fn flow(tty: &Tty, action: usize) -> Result<()> {
    match action {
        0 => tty.state().ldisc.stop(),
        1 => {
            let effects = tty.state().ldisc.start();
            tty.apply(effects);
        }
        2 | 3 => {
            let special = if action == 2 { Special::Stop } else { Special::Start };
            let character = settings(tty).character(special);
            if character != DISABLED {
                tty.send(character);
            }
        }
        _ => return Err(Errno::EINVAL),
    }
    Ok(())
}

/// TCFLSH: 0 input, 1 output, 2 both.
fn flush(tty: &Tty, which: usize) -> Result<()> {
    if which > 2 {
        return Err(Errno::EINVAL);
    }
    if which != 1 {
        tty.state().ldisc.flush_input();
        tty.flow_control();
        tty.driver().input_wanted();
    }
    if which != 0 {
        tty.state().ldisc.flush_echo();
        tty.driver().flush();
        tty.writers.wake_all();
    }
    Ok(())
}

/// Tells the foreground group of a new size.
fn resize(tty: &Tty, window: WindowSize) {
    let old = core::mem::replace(&mut tty.state().window, window);
    if old != window {
        tty.signal_foreground(Signal::SIGWINCH);
    }
}

impl WindowSize {
    fn to_bytes(self) -> [u8; 8] {
        let mut bytes = [0; 8];
        let words = [self.rows, self.columns, self.width, self.height];
        for (place, word) in bytes.chunks_exact_mut(2).zip(words) {
            place.copy_from_slice(&word.to_ne_bytes());
        }
        bytes
    }

    fn from_bytes(bytes: &[u8; 8]) -> Self {
        let word = |at: usize| u16::from_ne_bytes([bytes[at], bytes[at + 1]]);
        Self { rows: word(0), columns: word(2), width: word(4), height: word(6) }
    }
}

/// Copies an argument from user memory.
pub(crate) fn get<const N: usize>(address: usize) -> Result<[u8; N]> {
    let mut bytes = [0; N];
    machine::user::copy_from(address, &mut bytes).map_err(|_| Errno::EFAULT)?;
    Ok(bytes)
}

/// Copies a result to user memory.
pub(crate) fn put(address: usize, bytes: &[u8]) -> Result<()> {
    machine::user::copy_to(address, bytes).map_err(|_| Errno::EFAULT)
}

/// Copies a count to user memory, as an `int`.
pub(crate) fn put_count(address: usize, count: usize) -> Result<()> {
    put(address, &(count as i32).to_ne_bytes())
}
