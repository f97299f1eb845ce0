//! The real x86-64 machine: virtual machines that boot an ELF image through a PVH note, such as QEMU's
//! `microvm` and `q35`.
//!
//! Every CPU comes in through `entry`, sets itself up in [`boot`] or `smp`, and then belongs to the
//! kernel, which it leaves and enters again through `interrupt` and `user::enter`. What a CPU has for
//! itself is in `percpu`. The public modules are the machine contract, and the crate `machine` says
//! what each function promises; the others are how it is kept:
//!
//! | what | where |
//! |---|---|
//! | start | `entry`, `boot`, `smp`, `smap`, `features`, `acpi`, `region` |
//! | kernel memory | `layout`, `table`, `paging`, `stack`, `compare` |
//! | address spaces | `space`, `links`, `tlb` |
//! | interrupts and exceptions | `descriptor`, `interrupt`, `exception`, `apic` |
//! | clocks | `clock`, [`time`] |
//! | threads and programs | [`thread`], [`user`] |
//!
//! The image that links this crate defines `start_kernel`, and its linker script defines the symbols
//! named in `layout`, `smap` and `user::copy`.
#![cfg(all(target_os = "none", target_arch = "x86_64"))]
#![no_std]

extern crate alloc;

mod acpi;
mod apic;
pub mod backtrace;
pub mod boot;
mod clock;
mod compare;
pub mod console;
pub mod cpu;
mod description;
mod descriptor;
pub mod entropy;
mod entry;
mod exception;
mod features;
mod heap;
mod interrupt;
pub mod irq;
mod layout;
mod links;
mod lock;
pub mod memory;
mod once;
mod paging;
mod percpu;
pub mod power;
mod region;
mod registers;
mod smap;
mod smp;
mod space;
mod stack;
mod table;
pub mod thread;
pub mod time;
mod tlb;
pub mod user;
