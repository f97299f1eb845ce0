//! The virtual machine: which program is it ([`qemu`]), how it is made ([`options`]), how it runs and ends ([`vm`]), what its kernel says
//! ([`log`]) and what the addresses in that mean ([`symbols`]).

pub(crate) mod child;
pub(crate) mod log;
pub(crate) mod options;
pub(crate) mod qemu;
pub(crate) mod symbols;
pub(crate) mod vm;
