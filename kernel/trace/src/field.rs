//! The types that fields of events have: how they are stored, and how Linux calls them.

use core::fmt;
use core::sync::atomic::{AtomicU64, Ordering};

/// The bytes of a `comm`, with its final NUL.
pub(crate) const COMM_SIZE: usize = 16;

/// A name in a field of fixed size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name<const SIZE: usize>([u8; SIZE]);

impl<const SIZE: usize> Name<SIZE> {
    /// Cuts a name to what fits.
    pub fn new(name: &[u8]) -> Self {
        let mut bytes = [0; SIZE];
        let length = name.len().min(SIZE - 1);
        bytes[..length].copy_from_slice(&name[..length]);
        Self(bytes)
    }
}

impl<const SIZE: usize> fmt::Display for Name<SIZE> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = self.0.iter().position(|&byte| byte == 0).unwrap_or(SIZE);
        for chunk in self.0[..end].utf8_chunks() {
            f.write_str(chunk.valid())?;
            if !chunk.invalid().is_empty() {
                f.write_str("?")?;
            }
        }
        Ok(())
    }
}

/// What a function is called, cut to fit: the kernel keeps no table of its functions, but its types have names.
pub type Symbol = Name<96>;

impl Symbol {
    /// From the name of a type, without its blanks: a line's parts are told apart by them.
    pub fn of(name: &str) -> Self {
        let mut symbol = Self([0; _]);
        let bytes = name.bytes().filter(|&byte| byte != b' ');
        for (place, byte) in symbol.0[..Self::SIZE - 1].iter_mut().zip(bytes) {
            *place = byte;
        }
        symbol
    }
}

/// Which object something happens to: a number that is the same for the same object, and does not tell where in memory it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pointer(u64);

impl Pointer {
    /// An object by its address.
    pub fn to(address: usize) -> Self {
        if address == 0 {
            return Self(0);
        }
        // Mixed with what nobody outside knows, as often as it takes for each bit to depend on all others.
        let mut mixed = address as u64 ^ secret();
        for factor in [0xbf58_476d_1ce4_e5b9, 0x94d0_49bb_1331_11eb] {
            mixed = (mixed ^ mixed >> 31).wrapping_mul(factor);
        }
        Self((mixed >> 32).max(1))
    }
}

/// The same from boot to shutdown.
fn secret() -> u64 {
    static SECRET: AtomicU64 = AtomicU64::new(0);
    let mut secret = SECRET.load(Ordering::Relaxed);
    if secret == 0 {
        let mut bytes = [0; 8];
        machine::entropy::fill(&mut bytes);
        let fresh = u64::from_ne_bytes(bytes).max(1);
        // Whoever comes first has chosen it for all.
        secret = match SECRET.compare_exchange(0, fresh, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => fresh,
            Err(chosen) => chosen,
        };
    }
    secret
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// A type that a field can have.
pub(crate) trait Field: Sized {
    /// Bytes that it takes, and the multiple at which it lies.
    const SIZE: usize;
    const ALIGN: usize = Self::SIZE;
    /// Whether it can be negative.
    const SIGNED: bool;

    /// The declaration of a field of this type in C.
    fn declare(out: &mut dyn fmt::Write, name: &str) -> fmt::Result;

    /// Stores it in its bytes.
    fn put(&self, bytes: &mut [u8]);

    /// Takes it out of its bytes.
    fn get(bytes: &[u8]) -> Self;
}

macro_rules! number_field {
    ($($number:ty, $c:literal;)*) => {
        $(impl Field for $number {
            const SIZE: usize = size_of::<$number>();
            const SIGNED: bool = <$number>::MIN != 0;

            fn declare(out: &mut dyn fmt::Write, name: &str) -> fmt::Result {
                write!(out, concat!($c, " {}"), name)
            }

            fn put(&self, bytes: &mut [u8]) {
                bytes.copy_from_slice(&self.to_ne_bytes());
            }

            fn get(bytes: &[u8]) -> Self {
                bytes.try_into().map_or(0, Self::from_ne_bytes)
            }
        })*
    };
}

number_field! {
    i16, "short";
    i32, "int";
    u32, "unsigned int";
    i64, "long";
    u64, "unsigned long";
}

impl Field for Pointer {
    const SIZE: usize = size_of::<u64>();
    const SIGNED: bool = false;

    fn declare(out: &mut dyn fmt::Write, name: &str) -> fmt::Result {
        write!(out, "void * {name}")
    }

    fn put(&self, bytes: &mut [u8]) {
        self.0.put(bytes);
    }

    fn get(bytes: &[u8]) -> Self {
        Self(u64::get(bytes))
    }
}

impl<const LENGTH: usize> Field for Name<LENGTH> {
    const SIZE: usize = LENGTH;
    const ALIGN: usize = 1;
    const SIGNED: bool = false;

    fn declare(out: &mut dyn fmt::Write, name: &str) -> fmt::Result {
        write!(out, "char {name}[{LENGTH}]")
    }

    fn put(&self, bytes: &mut [u8]) {
        bytes.copy_from_slice(&self.0);
    }

    fn get(bytes: &[u8]) -> Self {
        Self(bytes.try_into().unwrap_or([0; LENGTH]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c06_names_are_cut_and_end() {
        assert_eq!(Name::<4>::new(b"abcdef").to_string(), "abc");
        assert_eq!(Name::<4>::new(b"a\xff").to_string(), "a?");
        let mut bytes = [0xff; 4];
        Name::<4>::new(b"x").put(&mut bytes);
        assert_eq!(bytes, *b"x\0\0\0");
    }
}
