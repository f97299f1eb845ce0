//! The vDSO, which `cargo xtask` builds first.

/// The file `user/vdso` as it was linked.
const FILE: &[u8] = include_bytes!(env!("HEDDLE_VDSO"));

/// Gives it to programs, unless the command line says otherwise.
///
/// # Errors
/// ENOMEM.
pub(crate) fn install() -> errno::Result<()> {
    if crate::parameters::get().vdso { exec::vdso::install(FILE) } else { Ok(()) }
}
