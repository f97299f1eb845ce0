//! The devices of major number 1: nothing, zeros, a full medium, random bytes.

use alloc::sync::Arc;

use errno::{Errno, Result};
use memory::Page;

use crate::file::File;
use crate::flags::OpenFlags;
use crate::io::{self, Sink, Source};
use crate::operations::FileOperations;
use crate::poll::{PollEvents, PollTable};
use crate::stat::DeviceNumber;
use crate::tmpfs::{Content, Instance};
use crate::{char_device, random};

/// `RNDGETENTCNT`: how many bits of entropy there are.
const RNDGETENTCNT: u32 = 0x8004_5200;
/// `RNDADDTOENTCNT`, `RNDADDENTROPY`, `RNDCLEARPOOL`, `RNDRESEEDCRNG`: accepted, as the count is
/// not kept.
const RNDADDTOENTCNT: u32 = 0x4004_5201;
const RNDCLEARPOOL: u32 = 0x5206;
const RNDRESEEDCRNG: u32 = 0x5207;

/// Which device, by its minor number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Null = 3,
    Zero = 5,
    Full = 7,
    Random = 8,
    Urandom = 9,
}

impl Kind {
    const ALL: [(Self, &'static str); 5] = [
        (Self::Null, "null"),
        (Self::Zero, "zero"),
        (Self::Full, "full"),
        (Self::Random, "random"),
        (Self::Urandom, "urandom"),
    ];
}

/// An open one.
struct Device {
    kind: Kind,
    /// What a mapping of `/dev/zero` shows: memory of its own for each open.
    zeros: Option<Content>,
}

/// The size of what `/dev/zero` shows to mappings.
const ENDLESS: u64 = i64::MAX as u64;

fn open(device: DeviceNumber, _flags: OpenFlags) -> Result<Arc<dyn FileOperations>> {
    let found = Kind::ALL.iter().find(|(kind, _)| *kind as u32 == device.minor);
    let &(kind, _) = found.ok_or(Errno::ENXIO)?;
    let zeros = (kind == Kind::Zero).then(|| Instance::unlimited().content(ENDLESS));
    Ok(Arc::new(Device { kind, zeros }))
}

/// Fills a sink with zeros until it is full or a signal comes.
fn fill_with_zeros(to: &mut dyn Sink) -> Result<usize> {
    io::in_pieces(|done| {
        let piece = memory::PAGE_SIZE.min(to.remaining());
        let interrupted = done > 0 && io::should_stop();
        (piece > 0 && !interrupted).then(|| (piece, to.put_zeros(piece)))
    })
}

/// Mixes what a program writes into the random numbers' key.
fn mix_from(from: &mut dyn Source) -> Result<usize> {
    let mut buffer = [0; 64];
    io::in_pieces(|_| {
        let piece = buffer.len().min(from.remaining());
        (piece > 0 && !io::should_stop()).then(|| {
            let taken = from.take(&mut buffer[..piece]);
            if let Ok(moved) = taken {
                random::mix(&buffer[..moved]);
            }
            (piece, taken)
        })
    })
}

impl FileOperations for Device {
    fn read(&self, _file: &File, to: &mut dyn Sink, _position: &mut u64) -> Result<usize> {
        match self.kind {
            Kind::Null => Ok(0),
            Kind::Zero | Kind::Full => fill_with_zeros(to),
            Kind::Random | Kind::Urandom => random::fill_sink(to),
        }
    }

    fn write(&self, _file: &File, from: &mut dyn Source, _position: &mut u64) -> Result<usize> {
        match self.kind {
            Kind::Null | Kind::Zero => Ok(from.remaining()),
            Kind::Full => Err(Errno::ENOSPC),
            Kind::Random | Kind::Urandom => mix_from(from),
        }
    }

    fn end(&self, _file: &File) -> Result<u64> {
        Ok(0)
    }

    fn poll(&self, _file: &File, _table: &mut PollTable<'_>) -> PollEvents {
        PollEvents::ALWAYS_READY
    }

    fn is_pollable(&self) -> bool {
        matches!(self.kind, Kind::Random)
    }

    fn ioctl(&self, _file: &File, command: u32, argument: usize) -> Result<usize> {
        if !matches!(self.kind, Kind::Random | Kind::Urandom) {
            return Err(Errno::ENOTTY);
        }
        match command {
            RNDGETENTCNT => {
                let bits: u32 = 256;
                machine::user::copy_to(argument, &bits.to_ne_bytes()).map_err(|_| Errno::EFAULT)?;
                Ok(0)
            }
            RNDADDTOENTCNT | RNDCLEARPOOL | RNDRESEEDCRNG => Ok(0),
            _ => Err(Errno::EINVAL),
        }
    }

    fn is_mappable(&self) -> bool {
        self.zeros.is_some()
    }

    fn page(&self, _file: &File, index: u64) -> Result<Page> {
        self.zeros.as_ref().ok_or(Errno::ENODEV)?.page(index)
    }

    fn is_shared_memory(&self) -> bool {
        true
    }
}

/// Their names and numbers.
pub fn all() -> impl Iterator<Item = (&'static str, DeviceNumber)> {
    Kind::ALL.into_iter().map(|(kind, name)| (name, DeviceNumber::new(1, kind as u32)))
}

/// Says who opens them.
///
/// # Errors
/// EBUSY: done already.
pub(crate) fn register() -> Result<()> {
    all().try_for_each(|(_, device)| char_device::register(device, "mem", open))
}
