//! The virtual machine: which program is it ([`qemu`]), how it is made ([`options`]), how it runs and ends ([`vm`]), what its kernel says
//! ([`log`]) and what the addresses in that mean ([`symbols`]).

pub mod child;
pub mod log;
pub mod options;
pub mod qemu;
pub mod symbols;
pub mod vm;
