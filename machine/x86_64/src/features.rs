//! What the processor can do.

use crate::once::Once;
use crate::registers::{cpuid, cr4};
use core::arch::x86_64::CpuidResult;

/// What this crate asks about, found once at boot.
pub(crate) struct Features {
    /// The bits of CR4 that are set beyond those that long mode needs.
    pub cr4: u64,
    /// 1-GiB pages.
    pub huge_pages: bool,
    /// Supervisor-mode access prevention: user pages are out of reach outside user copies.
    pub smap: bool,
    /// RDFSBASE and its kin.
    pub fsgsbase: bool,
    /// The x2APIC's registers.
    pub x2apic: bool,
    /// The local timer can wait for a value of the time-stamp counter.
    pub tsc_deadline: bool,
    /// The time-stamp counter runs at one speed in all of the processor's states.
    pub invariant_tsc: bool,
    /// RDTSCP, which reads a word of the kernel's along with the counter.
    pub rdtscp: bool,
    /// Tags in the TLB.
    pub pcid: bool,
    /// RDRAND and RDSEED.
    pub rdrand: bool,
    pub rdseed: bool,
    /// XSAVE, and its variant that leaves out what has not changed.
    pub xsave: bool,
    pub xsaveopt: bool,
    /// Saving and restoring leave out where the last floating-point error was (as AMD's processors do without
    /// XSAVEERPTR): the pointers have to be made harmless by hand.
    pub keeps_error_pointers: bool,
    /// Who runs this virtual machine, if it says so.
    pub hypervisor: Option<Hypervisor>,
}

/// Virtual machine monitors whose clocks are known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Hypervisor {
    /// QEMU's own translator.
    Tcg,
    /// KVM, at this CPUID leaf.
    Kvm(u32),
    /// Another one.
    Other,
}

static FEATURES: Once<Features> = Once::new();

/// The features; after `detect`.
pub(crate) fn get() -> &'static Features {
    FEATURES.get().expect("features are detected first")
}

/// Registers EBX, ECX, EDX of a CPUID leaf as the text that they spell.
pub(crate) fn text(registers: [u32; 3]) -> [u8; 12] {
    let mut bytes = [0; 12];
    for (i, register) in registers.into_iter().enumerate() {
        bytes[4 * i..4 * i + 4].copy_from_slice(&register.to_le_bytes());
    }
    bytes
}

fn hypervisor() -> Option<Hypervisor> {
    if cpuid(1, 0).ecx & 1 << 31 == 0 {
        return None;
    }
    for base in [0x4000_0000, 0x4000_0100] {
        let CpuidResult { ebx, ecx, edx, .. } = cpuid(base, 0);
        match &text([ebx, ecx, edx]) {
            b"TCGTCGTCGTCG" => return Some(Hypervisor::Tcg),
            b"KVMKVMKVM\0\0\0" => return Some(Hypervisor::Kvm(base)),
            _ => {}
        }
    }
    Some(Hypervisor::Other)
}

fn keeps_error_pointers() -> bool {
    let CpuidResult { ebx, ecx, edx, .. } = cpuid(0, 0);
    let vendor = matches!(&text([ebx, edx, ecx]), b"AuthenticAMD" | b"HygonGenuine");
    let has_leaf = cpuid(0x8000_0000, 0).eax >= 0x8000_0008;
    vendor && !(has_leaf && cpuid(0x8000_0008, 0).ebx & 1 << 2 != 0)
}

/// Asks the processor; once, at boot.
pub(crate) fn detect() {
    let highest = cpuid(0, 0).eax;
    let one = cpuid(1, 0);
    let seven = if highest >= 7 { cpuid(7, 0).ebx } else { 0 };
    let seven_ecx = if highest >= 7 { cpuid(7, 0).ecx } else { 0 };
    let extended = cpuid(0x8000_0001, 0).edx;
    let highest_extended = cpuid(0x8000_0000, 0).eax;
    let xsave = one.ecx & 1 << 26 != 0;
    let pcid = one.ecx & 1 << 17 != 0;
    let smap = seven & 1 << 20 != 0;
    let fsgsbase = seven & 1 << 0 != 0;
    let mut bits = cr4::PGE | cr4::OSFXSR | cr4::OSXMMEXCPT;
    for (present, bit) in [
        (xsave, cr4::OSXSAVE),
        (pcid, cr4::PCIDE),
        (smap, cr4::SMAP),
        (fsgsbase, cr4::FSGSBASE),
        (seven & 1 << 7 != 0, cr4::SMEP),
        (seven_ecx & 1 << 2 != 0, cr4::UMIP),
    ] {
        if present {
            bits |= bit;
        }
    }
    FEATURES.set(Features {
        cr4: bits,
        huge_pages: extended & 1 << 26 != 0,
        smap,
        fsgsbase,
        x2apic: one.ecx & 1 << 21 != 0,
        tsc_deadline: one.ecx & 1 << 24 != 0,
        invariant_tsc: highest_extended >= 0x8000_0007 && cpuid(0x8000_0007, 0).edx & 1 << 8 != 0,
        rdtscp: extended & 1 << 27 != 0,
        pcid,
        rdrand: one.ecx & 1 << 30 != 0,
        rdseed: seven & 1 << 18 != 0,
        xsave,
        xsaveopt: xsave && cpuid(0xd, 1).eax & 1 != 0,
        keeps_error_pointers: keeps_error_pointers(),
        hypervisor: hypervisor(),
    });
}
