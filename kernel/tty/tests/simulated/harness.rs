//! A kernel that is just enough for processes on pseudo terminals: PID 1 runs the test in a tree of
//! names with `/ptmx` and `/pts`, PID 2 is kthreadd.

use std::sync::Arc;

use contract::Upcalls;
use errno::{Errno, Result};
pub(crate) use fixture::processes::wait_for;
use fixture::processes::{self, registers};
use fixture::user_page;
use fs::{
    Caller, Credentials, File, FsContext, MountNamespace, OpenFlags, OpenOptions, Start, devtmpfs,
};
use process::{CloneFlags, Thread};
use tty::termios::Termios;

const TCGETS: u32 = 0x5401;
const TCSETS: u32 = 0x5402;
const TIOCSPTLCK: u32 = 0x4004_5431;

/// Runs a test as PID 1 of a fresh kernel, over some seeds.
pub(crate) fn over_seeds(seeds: u64, cpus: usize, test: fn()) {
    let test = move || {
        make_devices();
        test();
    };
    fixture::over_seeds(seeds, cpus, || processes::boot(&UPCALLS, kthread::kthreadd, test));
}

static UPCALLS: Upcalls = Upcalls {
    console_input: tty::input_interrupt,
    user_fault: user_page::user_fault,
    ..fixture::UPCALLS
};

fn make_devices() {
    fs::init().unwrap();
    workqueue::early_init();
    workqueue::init().unwrap();
    device::init().unwrap();
    tty::init().unwrap();
    let namespace = MountNamespace::new(devtmpfs::superblock().unwrap(), "devtmpfs");
    process::set_root(&FsContext::new(namespace));
    with_caller(|caller| caller.make_directory(&Start::Cwd, b"/pts", 0o755)).unwrap();
    with_caller(|caller| caller.mount(b"devpts", b"/pts", b"devpts", 0, b"")).unwrap();
    user_page::give();
}

fn with_caller<R>(body: impl FnOnce(&Caller<'_>) -> R) -> R {
    let fs = Thread::of(&sched::current()).fs().unwrap();
    let credentials = Credentials::root();
    body(&Caller { fs: &fs, credentials: &credentials })
}

/// Opens a file.
pub(crate) fn open(path: &str, flags: OpenFlags) -> Result<Arc<File>> {
    let options = OpenOptions { flags, mode: 0 };
    with_caller(|caller| caller.open(&Start::Cwd, path.as_bytes(), options))
}

/// Reads once.
pub(crate) fn read(file: &File, length: usize) -> Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    let mut buffer = &mut bytes[..];
    let count = file.read(&mut buffer)?;
    bytes.truncate(count);
    Ok(bytes)
}

/// Reads until so many bytes have come.
pub(crate) fn read_exactly(file: &File, length: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while bytes.len() < length {
        bytes.extend(read(file, length - bytes.len()).unwrap());
    }
    bytes
}

/// Writes once.
pub(crate) fn write(file: &File, mut bytes: &[u8]) -> Result<usize> {
    file.write(&mut bytes)
}

/// A command whose argument goes in and comes out.
pub(crate) fn ioctl<const N: usize>(
    file: &File,
    command: u32,
    argument: [u8; N],
) -> Result<[u8; N]> {
    let address = user_page::address();
    machine::user::copy_to(address, &argument).unwrap();
    file.ioctl(command, address)?;
    let mut result = [0; N];
    machine::user::copy_from(address, &mut result).unwrap();
    Ok(result)
}

/// A pair: an open master, and the path of its slave, which can be opened.
pub(crate) fn pair() -> (Arc<File>, String) {
    let master = open("/ptmx", OpenFlags::RDWR | OpenFlags::NOCTTY).unwrap();
    ioctl(&master, TIOCSPTLCK, [0; 4]).unwrap();
    let index = u32::from_ne_bytes(ioctl(&master, 0x8004_5430, [0; 4]).unwrap());
    (master, format!("/pts/{index}"))
}

/// A pair with an open slave that controls nobody.
pub(crate) fn open_pair() -> (Arc<File>, Arc<File>) {
    let (master, path) = pair();
    (master, open(&path, OpenFlags::RDWR | OpenFlags::NOCTTY).unwrap())
}

/// Changes a terminal's settings.
pub(crate) fn set(file: &File, change: impl FnOnce(&mut Termios)) {
    let mut termios = Termios::from_bytes(&ioctl(file, TCGETS, [0; Termios::SIZE]).unwrap());
    change(&mut termios);
    ioctl(file, TCSETS, termios.to_bytes()).unwrap();
}

/// What a user task does about its signals on the way to user mode. Returns the exit code if the
/// task is to end.
pub(crate) fn take_signals() -> Option<u32> {
    processes::take_signals(&mut registers(), |signal| panic!("nobody has a handler: {signal:?}"))
}

/// Makes a call as a user program does: signals are taken, and it is made again if it says so.
/// None: the task is to end with a code.
pub(crate) fn call<R>(
    mut function: impl FnMut() -> Result<R>,
) -> std::result::Result<Result<R>, u32> {
    loop {
        let outcome = function();
        if sched::current().signal_pending()
            && let Some(code) = take_signals()
        {
            return Err(code);
        }
        if !matches!(outcome, Err(Errno::ERESTARTSYS)) {
            return Ok(outcome);
        }
    }
}

/// Makes a child process that runs `body`.
pub(crate) fn fork(body: impl FnOnce() -> u32 + Send + 'static) -> u32 {
    processes::clone_with(CloneFlags::empty(), take_signals, body)
}
