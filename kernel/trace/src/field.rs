//! The types that fields of events have: how they are stored, and how Linux calls them.

use core::fmt;

/// The bytes of a `comm`, with its final NUL.
pub const COMM_SIZE: usize = 16;

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

/// A type that a field can have.
pub trait Field: Sized {
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
    i32, "int";
    u32, "unsigned int";
    i64, "long";
    u64, "unsigned long";
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
