//! The root file system: the initial ramdisk unpacked into memory, with the devices on `/dev`.

use alloc::sync::Arc;

use errno::{Errno, Result};
use fs::{
    Caller, Credentials, FsContext, MountFlags, MountNamespace, OpenFlags, OpenOptions, Start,
    initramfs, tmpfs,
};
use machine::Region;

/// Makes the root file system and gives it to PID 1 and kthreadd.
///
/// # Errors
/// ENOMEM, and what making directories and mounting in an empty file system can say.
pub(crate) fn make() -> Result<Arc<FsContext>> {
    let root = tmpfs::new_rootfs()?;
    let context = FsContext::new(MountNamespace::new(root, "rootfs"));
    process::set_root(&context);
    let credentials = Credentials::root();
    let caller = Caller { fs: &context, credentials: &credentials };
    unpack_ramdisk(&caller);
    match caller.make_directory(&Start::Cwd, b"/dev", 0o755) {
        Ok(()) | Err(Errno::EEXIST) => {}
        Err(error) => return Err(error),
    }
    let dev = caller.lookup(&Start::Cwd, b"/dev", fs::LookupFlags::FOLLOW)?;
    caller.mount_new(b"devtmpfs", &dev, b"devtmpfs", MountFlags::empty(), b"mode=0755")?;
    Ok(context)
}

/// A ramdisk that is bad does not end the boot here: what was unpacked may do, and if there is no init program that is said next.
fn unpack_ramdisk(caller: &Caller<'_>) {
    let archive = machine::boot::initial_ramdisk();
    if archive.is_empty() {
        log::warn!("initramfs: there is none");
    } else {
        match initramfs::unpack(archive, caller) {
            Ok(unpacked) => {
                log::info!("initramfs: {} entries, {} KiB", unpacked.entries, unpacked.bytes / 1024)
            }
            Err(error) => log::error!("initramfs: cannot be unpacked: {error}"),
        }
    }
    if let Some(frames) = machine::boot::release_initial_ramdisk() {
        memory::add_region(Region { frames, node: 0 });
    }
}

/// Opens the console as standard input, output and error of the first program.
pub(crate) fn open_console(context: &Arc<FsContext>) {
    let credentials = Credentials::root();
    let caller = Caller { fs: context, credentials: &credentials };
    let options = OpenOptions { flags: OpenFlags::from_bits_retain(O_RDWR), mode: 0 };
    let opened = caller.open(&Start::Cwd, b"/dev/console", options).and_then(|console| {
        let me = sched::current_ref();
        let files = process::Thread::of(&me).files().ok_or(Errno::EBADF)?;
        for _ in 0..3 {
            files.add(console.clone(), false, fs::NR_OPEN)?;
        }
        Ok(())
    });
    if let Err(error) = opened {
        log::warn!("unable to open an initial console: {error}");
    }
}

/// Read and write.
const O_RDWR: u32 = 2;
