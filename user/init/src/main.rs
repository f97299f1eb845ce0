//! PID 1 of the guest that `cargo xtask run` boots.
//!
//! It mounts what a user land expects, opens the console, says that it is ready, and starts one child in a
//! session of its own with the console as controlling terminal: a login shell, or the command that
//! `/etc/heddle/run` names ([`order`]). It reaps whatever dies. When that child is gone, so is
//! the machine: powered off after a shell, ended with the command's status after a command.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

mod child;
mod console;
mod end;
mod order;

use order::Order;
use runtime::file;

runtime::program!(main);

/// What the host waits for on the console before it sends any input.
const READY: &[u8] = b"\x1eready\x1e";

const ORDER_MAX: usize = 32 * 1024;

fn main(_: runtime::Arguments) -> i32 {
    mount_all();
    if let Err(error) = console::open() {
        return error.0;
    }
    let mut buffer = [0; ORDER_MAX];
    let order = match file::read_file(c"/etc/heddle/run", &mut buffer) {
        Ok(text) if text.len() == ORDER_MAX => {
            runtime::eprintln!("init: /etc/heddle/run is too long");
            return 1;
        }
        Ok(text) => Order::parse(text),
        Err(_) => Order::default(),
    };
    console::set_up(&order);
    // A console that cannot be written to will not show a complaint either.
    let _ = file::write_all(1, READY);
    let status = match child::start(&order) {
        Ok(pid) => child::wait_for(pid),
        Err(error) => {
            runtime::eprintln!("init: fork: error {}", error.0);
            125
        }
    };
    console::drain();
    end::machine(&order, status)
}

/// Mounts what the kernel has of the usual file systems. One that is missing is not an error: the command may
/// well do without it.
fn mount_all() {
    for (kind, directory) in [
        (c"devtmpfs", c"/dev"),
        (c"devpts", c"/dev/pts"),
        (c"proc", c"/proc"),
        (c"sysfs", c"/sys"),
        (c"tmpfs", c"/tmp"),
        (c"tmpfs", c"/dev/shm"),
        (c"cgroup2", c"/sys/fs/cgroup"),
    ] {
        // A directory that is there, or cannot be made, is the mount's concern.
        let _ = file::make_directory(directory, 0o755);
        let _ = file::mount(kind, directory);
    }
    // What a device manager adds to the kernel's own nodes.
    for (target, path) in [
        (c"/proc/self/fd", c"/dev/fd"),
        (c"fd/0", c"/dev/stdin"),
        (c"fd/1", c"/dev/stdout"),
        (c"fd/2", c"/dev/stderr"),
    ] {
        let _ = file::make_link(target, path);
    }
}
