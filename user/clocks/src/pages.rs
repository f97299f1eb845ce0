//! What a program can do to the pages: change its own copy of the code, and nothing else.

use runtime::process::{self, Fork};
use runtime::sys::{self, number};
use runtime::{Errno, auxiliary, error};

use crate::Outcome;

const PAGE: usize = 4096;
const READ: usize = 1;
const WRITE: usize = 2;
const EACCES: Errno = Errno(13);

fn protect(page: usize, protection: usize) -> Result<(), Errno> {
    // SAFETY: nothing of this program's own is there.
    error::check(unsafe { sys::call(number::MPROTECT, [page, PAGE, protection, 0, 0, 0]) })
        .map(drop)
}

pub(crate) fn protected() -> Outcome {
    let Some(code) = auxiliary(33) else { return Err("no vDSO") };
    if protect(code - PAGE, READ | WRITE) != Err(EACCES) {
        return Err("the clock page can be made writable");
    }
    match process::fork() {
        Ok(Fork::Child) => {
            let first = code as *mut u8;
            let changed = protect(code, READ | WRITE);
            // SAFETY: the page can be stored to now, and nobody in this process calls what is in it any more.
            unsafe { first.write_volatile(0) };
            process::exit(i32::from(changed.is_err()))
        }
        Ok(Fork::Parent(child)) => {
            if process::wait(Some(child)).map(|(_, status)| status.code()) != Ok(0) {
                return Err("a program cannot have a copy of the code");
            }
        }
        Err(_) => return Err("cannot fork"),
    }
    // SAFETY: the page is mapped for reading.
    if unsafe { (code as *const u8).read_volatile() } != 0x7f {
        return Err("another program's store is seen here");
    }
    Ok(())
}
