//! The instructions that open and close user memory, where the processor has them.
//!
//! On a processor without supervisor-mode access prevention `stac` and `clac` are invalid. So the code
//! is assembled with empty instructions of the same length, each noted in a table, and boot writes
//! the real ones over them before the image's code becomes read-only.

/// `stac` or `clac`, for use in assembly.
#[macro_export]
#[doc(hidden)]
macro_rules! smap_site {
    ("stac") => {
        $crate::smap_site!(@ "0xcb")
    };
    ("clac") => {
        $crate::smap_site!(@ "0xca")
    };
    (@ $last:literal) => {
        concat!(
            "771: .byte 0x0f, 0x1f, 0x00\n",
            ".pushsection .smap_sites, \"a\", @progbits\n",
            ".quad 771b, ", $last, "\n",
            ".popsection"
        )
    };
}

#[repr(C)]
struct Site {
    address: *mut [u8; 3],
    last_byte: u64,
}

unsafe extern "C" {
    static __smap_sites_start: Site;
    static __smap_sites_end: Site;
}

/// Writes the real instructions if the processor has them; once, before the image is protected.
pub(crate) fn patch(present: bool) {
    let mut site = &raw const __smap_sites_start;
    while present && site < &raw const __smap_sites_end {
        // SAFETY: the table's entries are three-byte instructions of the image, still writable, and
        // no other CPU runs.
        unsafe {
            (*site).address.write([0x0f, 0x01, (*site).last_byte as u8]);
            site = site.add(1);
        }
    }
}
