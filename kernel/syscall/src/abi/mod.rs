//! Structures as Linux lays them out for 64-bit programs.
//!
//! Field names are Linux's without their prefixes. Padding is a field of its own, which is what
//! lets the compiler prove that no stray byte is copied out.

pub mod file;
pub mod ipc;
pub mod process;
pub mod signal;
pub mod socket;
pub mod system;
pub mod time;
pub mod timex;
