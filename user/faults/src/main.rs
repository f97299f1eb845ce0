//! Does the one wrong thing that its argument names, for tests of what the kernel makes of it.
//!
//! Most end by a signal. If the kernel lets one of these pass, the program says so and ends with 1.
#![no_std]
#![no_main]

use core::arch::asm;
use core::ffi::CStr;
use core::hint::black_box;
use runtime::memory::{self, PROT_READ, PROT_WRITE};
use runtime::{file, sys};

runtime::program!(main);

/// A fault by name.
type Fault = (&'static str, fn());

const FAULTS: [Fault; 12] = [
    ("null-write", null_write),
    ("null-call", null_call),
    ("kernel-read", kernel_read),
    ("non-canonical-read", non_canonical_read),
    ("text-write", text_write),
    ("data-execute", data_execute),
    ("stack-overrun", stack_overrun),
    ("divide", divide),
    ("illegal", illegal),
    ("privileged", privileged),
    ("port", port),
    ("breakpoint", breakpoint),
];

fn main(mut arguments: runtime::Arguments) -> i32 {
    let name = arguments.nth(1).and_then(|name| name.to_str().ok()).unwrap_or("null-write");
    match (name, FAULTS.iter().find(|(known, _)| *known == name)) {
        (_, Some((_, fault))) => {
            fault();
            runtime::println!("{name}: nothing happened");
            1
        }
        ("list", None) => {
            for (name, _) in FAULTS {
                runtime::println!("{name}");
            }
            0
        }
        ("unknown-call", None) => unknown_call(),
        ("provoke", None) => arguments.next().map_or(2, provoke),
        (_, None) => {
            runtime::eprintln!("faults: no such fault: {name}");
            2
        }
    }
}

/// Makes a system call that Heddle does not have, three times.
fn unknown_call() -> i32 {
    const KEXEC_LOAD: usize = 246;
    const ENOSYS: isize = -38;
    for _ in 0..3 {
        // SAFETY: no kernel changes this process's memory for it.
        let returned = unsafe { sys::call(KEXEC_LOAD, [usize::MAX; 6]) };
        if returned != ENOSYS {
            runtime::println!("kexec_load returned {returned}");
            return 1;
        }
    }
    0
}

/// Has the kernel fail in this way, in a system call that holds no lock: one that does not move the file's position.
fn provoke(way: &CStr) -> i32 {
    const PWRITE64: usize = 18;
    const O_WRONLY: usize = 1;
    let Ok(file) = file::open(c"/sys/kernel/debug/provoke-crash/DIRECT", O_WRONLY) else {
        return 1;
    };
    let bytes = way.to_bytes();
    let arguments = [file as usize, bytes.as_ptr() as usize, bytes.len(), 0, 0, 0];
    // SAFETY: the kernel reads the bytes and changes nothing.
    let returned = unsafe { sys::call(PWRITE64, arguments) };
    runtime::println!("{returned}");
    1
}

/// Reads a byte where the address may be wrong on purpose.
fn read(address: usize) {
    // SAFETY: not sound, and meant: nothing is done with the value should there be one.
    unsafe { asm!("mov al, [{}]", in(reg) address, out("al") _, options(nostack, readonly)) };
}

/// Writes a byte where the address may be wrong on purpose.
fn write(address: usize) {
    // SAFETY: not sound, and meant: the kernel ends the process before anything can go wrong here.
    unsafe { asm!("mov byte ptr [{}], 1", in(reg) address, options(nostack)) };
}

/// Calls whatever is at an address that may be wrong on purpose.
fn call(address: usize) {
    // SAFETY: not sound, and meant, as above.
    unsafe { asm!("call {}", in(reg) address, clobber_abi("C")) };
}

fn null_write() {
    write(0);
}

fn null_call() {
    call(0);
}

fn kernel_read() {
    read(0xffff_ffff_8000_0000);
}

fn non_canonical_read() {
    read(0x8000_0000_0000_0000);
}

fn text_write() {
    write(main as fn(runtime::Arguments) -> i32 as usize);
}

fn data_execute() {
    const RETURN: u8 = 0xc3;
    match memory::map(4096, PROT_READ | PROT_WRITE, false) {
        Ok(page) => {
            // SAFETY: the page is ours and writable.
            unsafe { (page as *mut u8).write_volatile(RETURN) };
            call(page);
        }
        Err(error) => runtime::println!("mmap: error {}", error.0),
    }
}

fn stack_overrun() {
    fn deeper(depth: u64) -> u64 {
        let frame = black_box([depth; 64]);
        if depth == u64::MAX { frame[0] } else { deeper(depth + 1) + frame[1] }
    }
    black_box(deeper(0));
}

fn divide() {
    // SAFETY: changes the named registers only, if it came to that.
    unsafe { asm!("div {:e}", in(reg) 0, inout("eax") 1 => _, inout("edx") 0 => _) };
}

fn illegal() {
    // SAFETY: does not return; the process ends.
    unsafe { asm!("ud2") };
}

fn privileged() {
    // SAFETY: changes no memory.
    unsafe { asm!("hlt") };
}

fn port() {
    // SAFETY: changes no memory.
    unsafe { asm!("out 0x80, al", in("al") 0u8) };
}

fn breakpoint() {
    // SAFETY: changes nothing.
    unsafe { asm!("int3") };
}
