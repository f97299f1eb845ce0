//! The end of the machine.

use errno::{Errno, Result};
use fs::Capabilities;

use crate::user::UserPtr;

/// The first number that every caller must know, so that nobody calls this by accident.
const MAGIC1: u32 = 0xfee1_dead;
/// The second: one of these.
const MAGIC2: [u32; 4] = [0x2812_1969, 0x0512_1996, 0x1604_1998, 0x2011_2000];

const RESTART: u32 = 0x0123_4567;
const HALT: u32 = 0xcdef_0123;
const CAD_ON: u32 = 0x89ab_cdef;
const CAD_OFF: u32 = 0;
const POWER_OFF: u32 = 0x4321_fedc;
const RESTART2: u32 = 0xa1b2_c3d4;

/// The longest argument of a restart, its final NUL included.
const ARGUMENT_MAX: usize = 256;

/// `reboot`. A restart with the argument `exit=N` ends the machine with status N, where its host
/// can be told.
pub(crate) fn reboot(
    first: u32,
    second: u32,
    command: u32,
    argument: UserPtr<u8>,
) -> Result<usize> {
    process::credentials().require(Capabilities::SYS_BOOT)?;
    if first != MAGIC1 || !MAGIC2.contains(&second) {
        return Err(Errno::EINVAL);
    }
    match command {
        // There is no Ctrl-Alt-Del to be turned on or off.
        CAD_ON | CAD_OFF => Ok(0),
        RESTART => {
            log::info!("reboot: restarting system");
            machine::power::reset()
        }
        // Nobody can look at a halted virtual machine.
        HALT | POWER_OFF => {
            log::info!("reboot: power down");
            machine::power::off()
        }
        RESTART2 => {
            let argument = argument.read_string(ARGUMENT_MAX, Errno::EINVAL)?;
            match exit_status(&argument) {
                Some(status) => {
                    log::info!("reboot: ending with status {status}");
                    machine::power::exit(status)
                }
                None => {
                    log::info!("reboot: restarting system with an argument");
                    machine::power::reset()
                }
            }
        }
        _ => Err(Errno::EINVAL),
    }
}

fn exit_status(argument: &[u8]) -> Option<u8> {
    core::str::from_utf8(argument).ok()?.strip_prefix("exit=")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::exit_status;

    #[test]
    fn only_a_status_ends_with_a_status() {
        assert_eq!(exit_status(b"exit=7"), Some(7));
        assert_eq!(exit_status(b"exit=0"), Some(0));
        assert_eq!(exit_status(b"exit=256"), None);
        assert_eq!(exit_status(b"exit="), None);
        assert_eq!(exit_status(b"bootloader"), None);
        assert_eq!(exit_status(b"\xff"), None);
    }
}
