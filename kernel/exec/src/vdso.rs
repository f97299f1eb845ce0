//! The vDSO and the clock page, which every program gets: the page first and the code, a whole ELF file, after it.
//!
//! Its bytes come with the kernel's image and are copied into pages once; all programs share these.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use errno::{Errno, Result};
use machine::PAGE_SIZE;
use memory::Page;
use sync::Once;
use vm::{Backing, MapFlags, MapRequest, MapSource, Mm, Prot};

/// Pages of the kernel's that programs see under a name.
struct Pages {
    name: &'static str,
    pages: Vec<Page>,
}

struct Vdso {
    data: Arc<Pages>,
    code: Arc<Pages>,
}

static VDSO: Once<Vdso> = Once::new();

/// Gives programs a vDSO from now on, and keeps its clock page. Once, when the machine starts.
///
/// # Errors
/// ENOMEM.
pub fn install(file: &[u8]) -> Result<()> {
    let mut code = Vec::new();
    for bytes in file.chunks(PAGE_SIZE) {
        let page = memory::alloc_page(None)?;
        page.write(0, bytes);
        code.push(page);
    }
    let data = Vec::from([memory::alloc_page(None)?]);
    let vdso = Vdso {
        data: Arc::new(Pages { name: "[vvar]", pages: data }),
        code: Arc::new(Pages { name: "[vdso]", pages: code }),
    };
    if VDSO.set(vdso).is_ok()
        && let Some(page) = VDSO.get().and_then(|vdso| vdso.data.pages.first())
    {
        time::publish(page.words());
    }
    Ok(())
}

/// Maps it into an address space that does not run yet. Gives the address of its ELF header, if there is a vDSO.
///
/// # Errors
/// ENOMEM.
pub(crate) fn map(mm: &Mm) -> Result<Option<usize>> {
    let Some(Vdso { data, code }) = VDSO.get() else { return Ok(None) };
    let length = (data.pages.len() + code.pages.len()) * PAGE_SIZE;
    // The data is given the whole room first, and the code then takes what is behind it.
    let start = mm.mmap(&MapRequest {
        address: 0,
        length,
        prot: Prot::READ,
        flags: MapFlags::PRIVATE,
        source: MapSource::Kernel { backing: data.clone(), may_copy: false },
    })?;
    let header = mm.mmap(&MapRequest {
        address: start + data.pages.len() * PAGE_SIZE,
        length: code.pages.len() * PAGE_SIZE,
        prot: Prot::READ | Prot::EXEC,
        flags: MapFlags::PRIVATE | MapFlags::FIXED,
        source: MapSource::Kernel { backing: code.clone(), may_copy: true },
    })?;
    Ok(Some(header))
}

impl Backing for Pages {
    fn page(&self, index: u64) -> Result<Page> {
        self.page_at_hand(index).ok_or(Errno::ENXIO)
    }

    fn page_at_hand(&self, index: u64) -> Option<Page> {
        self.pages.get(usize::try_from(index).ok()?).cloned()
    }

    fn path(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        out.write_str(self.name)
    }

    fn inode(&self) -> u64 {
        0
    }

    fn device(&self) -> (u32, u32) {
        (0, 0)
    }
}
