//! What the kernel does not take.

use core::sync::atomic::Ordering::Relaxed;

use runtime::process::{self, Fork};
use runtime::{Errno, Result};

use crate::Outcome;
use crate::sequence::{AREA_SIZE, Area, SIGNATURE, UNREGISTER, rseq};

const EPERM: Result<()> = Err(Errno(1));
const EFAULT: Result<()> = Err(Errno(14));
const EBUSY: Result<()> = Err(Errno(16));
const EINVAL: Result<()> = Err(Errno(22));
const SIGSEGV: u8 = 11;

pub(crate) fn registrations() -> Outcome {
    let (area, other) = (Area::new(), Area::new());
    let (here, there) = (area.address(), other.address());
    let steps = [
        (here, AREA_SIZE, UNREGISTER, SIGNATURE, EINVAL),
        (here, AREA_SIZE, 2, SIGNATURE, EINVAL),
        (here, AREA_SIZE - 1, 0, SIGNATURE, EINVAL),
        (here, 2 * AREA_SIZE, 0, SIGNATURE, EINVAL),
        (here + 8, AREA_SIZE, 0, SIGNATURE, EINVAL),
        (usize::MAX - 4095, AREA_SIZE, 0, SIGNATURE, EFAULT),
        (here, AREA_SIZE, 0, SIGNATURE, Ok(())),
        (here, AREA_SIZE, 0, SIGNATURE, EBUSY),
        (here, AREA_SIZE, 0, SIGNATURE + 1, EPERM),
        (there, AREA_SIZE, 0, SIGNATURE, EINVAL),
        (here, AREA_SIZE - 1, 0, SIGNATURE, EINVAL),
        (there, AREA_SIZE, UNREGISTER, SIGNATURE, EINVAL),
        (here, AREA_SIZE - 1, UNREGISTER, SIGNATURE, EINVAL),
        (here, AREA_SIZE, UNREGISTER | 2, SIGNATURE, EINVAL),
        (here, AREA_SIZE, UNREGISTER, SIGNATURE + 1, EPERM),
        (here, AREA_SIZE, UNREGISTER, SIGNATURE, Ok(())),
        (here, AREA_SIZE, UNREGISTER, SIGNATURE, EINVAL),
    ];
    for (area, length, flags, signature, expected) in steps {
        if rseq(area, length, flags, signature) != expected {
            return Err("another answer");
        }
    }
    Ok(())
}

/// `struct rseq_cs`, and the word before the place where it goes on.
#[repr(C, align(32))]
struct Descriptor {
    version: u32,
    flags: u32,
    start: usize,
    length: usize,
    abort: usize,
}

static PLACE: [u32; 4] = [0, SIGNATURE, 0, 0];

impl Descriptor {
    /// One with nothing wrong, of a sequence in which the program never is.
    fn good() -> Self {
        let abort = PLACE[2..].as_ptr().addr();
        Self { version: 0, flags: 0, start: abort + 64, length: 4, abort }
    }
}

/// A child that is registered and points at such a descriptor sleeps until it has been looked at. Gives the signal that it dies of.
fn sleeps(change: fn(&mut Descriptor)) -> Option<u8> {
    match process::fork().ok()? {
        Fork::Child => {
            let (area, mut descriptor) = (Area::new(), Descriptor::good());
            change(&mut descriptor);
            let address = match descriptor.version {
                // Means: no descriptor at all.
                u32::MAX => 0x1000,
                _ => core::ptr::from_ref(&descriptor).addr(),
            };
            let registered = area.register();
            area.sequence.store(address, Relaxed);
            // A sleep may be over before it has begun.
            let mut turns = 0;
            while area.sequence.load(Relaxed) != 0 && turns < 500 {
                process::sleep(2);
                turns += 1;
            }
            process::exit(i32::from(registered.is_err() || turns == 500))
        }
        Fork::Parent(child) => {
            let (_, status) = process::wait(Some(child)).ok()?;
            (status.signal() != 0 || status.code() == 0).then(|| status.signal())
        }
    }
}

pub(crate) fn descriptors() -> Outcome {
    if sleeps(|_| ()) != Some(0) {
        return Err("a good descriptor is not taken");
    }
    let changes: [fn(&mut Descriptor); 7] = [
        |descriptor| descriptor.version = 1,
        |descriptor| descriptor.version = u32::MAX,
        |descriptor| descriptor.abort += 4,
        |descriptor| descriptor.start = descriptor.abort,
        |descriptor| descriptor.length = usize::MAX,
        |descriptor| descriptor.start = 1 << 47,
        |descriptor| descriptor.abort = 1 << 47,
    ];
    for change in changes {
        if sleeps(change) != Some(SIGSEGV) {
            return Err("a bad descriptor is taken");
        }
    }
    Ok(())
}
