//! Files: on tmpfs, and those that the kernel writes itself.

use core::ffi::CStr;

use runtime::{Result, file};

use crate::{Workload, average};

pub(crate) const WORKLOADS: &[Workload] = &[
    Workload { name: "open_close", measure: open_close },
    Workload { name: "stat", measure: stat },
    Workload { name: "create_unlink", measure: create_unlink },
    Workload { name: "write_read_4k", measure: write_read },
    Workload { name: "read_proc_stat", measure: read_proc_stat },
];

/// `/tmp` is a tmpfs.
const FILE: &CStr = c"/tmp/measure";

const TURNS: u64 = 500;

fn make() -> Result<i32> {
    file::open(FILE, file::O_RDWR | file::O_CREAT)
}

fn open_close() -> Result<u64> {
    file::close(make()?)?;
    let figure = average(TURNS, || file::close(file::open(FILE, file::O_RDONLY)?));
    file::unlink(FILE)?;
    figure
}

fn stat() -> Result<u64> {
    file::close(make()?)?;
    let figure = average(TURNS, || file::stat(FILE));
    file::unlink(FILE)?;
    figure
}

fn create_unlink() -> Result<u64> {
    average(TURNS, || {
        file::close(make()?)?;
        file::unlink(FILE)
    })
}

/// A page is written to a file and read back.
fn write_read() -> Result<u64> {
    let mut page = [1; 4096];
    let figure = average(TURNS, || {
        let descriptor = make()?;
        file::write(descriptor, &page)?;
        file::close(descriptor)?;
        let descriptor = make()?;
        file::read(descriptor, &mut page)?;
        file::close(descriptor)
    });
    file::unlink(FILE)?;
    figure
}

/// `stat` of every process and kernel thread is opened, read and closed; the figure is for one.
fn read_proc_stat() -> Result<u64> {
    let mut count = 0;
    let whole = average(20, || {
        count = 0;
        for_each_process(|path| {
            count += 1;
            let mut text = [0; 512];
            file::read_file(path, &mut text).map(drop)
        })
    })?;
    Ok(whole / count.max(1))
}

/// Calls with the path of `stat` of each directory in `/proc` whose name is a number.
fn for_each_process(mut visit: impl FnMut(&CStr) -> Result<()>) -> Result<()> {
    /// Where a record has its own length, and where its name starts.
    const LENGTH: usize = 16;
    const NAME: usize = 19;
    let directory = file::open(c"/proc", file::O_RDONLY | file::O_DIRECTORY)?;
    let mut buffer = [0; 4096];
    loop {
        let filled = file::read_entries(directory, &mut buffer)?;
        if filled == 0 {
            return file::close(directory);
        }
        let mut records = &buffer[..filled];
        while let [.., _] = records {
            let length = usize::from(u16::from_ne_bytes([records[LENGTH], records[LENGTH + 1]]));
            let (record, rest) = records.split_at(length);
            records = rest;
            let Ok(name) = CStr::from_bytes_until_nul(&record[NAME..]) else { continue };
            if name.to_bytes()[0].is_ascii_digit()
                && let Some(path) = stat_path(name.to_bytes(), &mut [0; 32])
            {
                visit(path)?;
            }
        }
    }
}

fn stat_path<'a>(name: &[u8], path: &'a mut [u8; 32]) -> Option<&'a CStr> {
    let mut end = 0;
    for part in [b"/proc/", name, b"/stat"] {
        path.get_mut(end..end + part.len())?.copy_from_slice(part);
        end += part.len();
    }
    CStr::from_bytes_until_nul(path).ok()
}
