//! The system as a whole: its name, its memory, its randomness, its log.

use errno::{Errno, Result};
use fs::Capabilities;
use process::Thread;

use crate::abi;
use crate::abi::system::{NAME_LENGTH, Utsname};
use crate::current;
use crate::user::{MAX_RW_COUNT, UserPtr};

/// `uname`.
pub(crate) fn uname(result: UserPtr<Utsname>) -> Result<usize> {
    let uts = Thread::of(&sched::current()).uts();
    result.write(&Utsname {
        system: field(process::SYSNAME.as_bytes()),
        node: field(&uts.host_name()),
        release: field(process::RELEASE.as_bytes()),
        version: field(process::VERSION.as_bytes()),
        machine: field(process::MACHINE.as_bytes()),
        domain: field(&uts.domain_name()),
    })?;
    Ok(0)
}

fn field(text: &[u8]) -> [u8; NAME_LENGTH] {
    let mut field = [0; NAME_LENGTH];
    let length = text.len().min(NAME_LENGTH - 1);
    field[..length].copy_from_slice(&text[..length]);
    field
}

fn new_name(name: UserPtr<u8>, length: i32) -> Result<([u8; NAME_LENGTH], usize)> {
    current::credentials().require(Capabilities::SYS_ADMIN)?;
    let length =
        usize::try_from(length).ok().filter(|&length| length < NAME_LENGTH).ok_or(Errno::EINVAL)?;
    let mut text = [0; NAME_LENGTH];
    name.read_bytes(&mut text[..length])?;
    Ok((text, length))
}

/// `sethostname`.
pub(crate) fn sethostname(name: UserPtr<u8>, length: i32) -> Result<usize> {
    let (text, length) = new_name(name, length)?;
    Thread::of(&sched::current()).uts().set_host_name(&text[..length])?;
    Ok(0)
}

/// `setdomainname`.
pub(crate) fn setdomainname(name: UserPtr<u8>, length: i32) -> Result<usize> {
    let (text, length) = new_name(name, length)?;
    Thread::of(&sched::current()).uts().set_domain_name(&text[..length])?;
    Ok(0)
}

/// `vhangup`: hangs the caller's controlling terminal up, if it has one.
pub(crate) fn vhangup() -> Result<usize> {
    current::credentials().require(Capabilities::SYS_TTY_CONFIG)?;
    let session = process::session_of(process::process_of(&sched::current()));
    if let Some(terminal) = session.and_then(|session| session.terminal()) {
        terminal.hang_up();
    }
    Ok(0)
}

/// `sysinfo`.
pub(crate) fn sysinfo(result: UserPtr<abi::system::Sysinfo>) -> Result<usize> {
    /// Load averages are in units of 1/65536.
    const LOAD_SHIFT: u32 = 16;
    let memory = ::memory::statistics();
    result.write(&abi::system::Sysinfo {
        uptime: time::monotonic().div_ceil(time::SECOND) as i64,
        loads: sched::load_average().map(|hundredths| (hundredths << LOAD_SHIFT) / 100),
        total_ram: memory.total as u64,
        free_ram: memory.free as u64,
        processes: u16::try_from(process::task_count()).unwrap_or(u16::MAX),
        unit: 1,
        ..Default::default()
    })?;
    Ok(0)
}

/// `getrandom`.
pub(crate) fn getrandom(buffer: UserPtr<u8>, count: usize, flags: u32) -> Result<usize> {
    const GRND_NONBLOCK: u32 = 1;
    const GRND_RANDOM: u32 = 2;
    const GRND_INSECURE: u32 = 4;
    if flags & !(GRND_NONBLOCK | GRND_RANDOM | GRND_INSECURE) != 0
        || flags & (GRND_RANDOM | GRND_INSECURE) == GRND_RANDOM | GRND_INSECURE
    {
        return Err(Errno::EINVAL);
    }
    let count = count.min(MAX_RW_COUNT);
    let mut piece = [0; 256];
    let mut done = 0;
    while done < count {
        let length = piece.len().min(count - done);
        fs::random::fill(&mut piece[..length]);
        if let Err(error) = buffer.at(done)?.write_bytes(&piece[..length]) {
            return if done > 0 { Ok(done) } else { Err(error) };
        }
        done += length;
        if done < count && sched::current().signal_pending() {
            break;
        }
    }
    Ok(done)
}
