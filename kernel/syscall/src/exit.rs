//! The end, by the program's own wish.

use errno::Result;

use crate::call::Call;

/// `exit`: ends the thread.
pub(crate) fn exit(call: &mut Call<'_>, status: i32) -> Result<usize> {
    call.end_task(process::exit_code_of_status(status));
    Ok(0)
}

/// `exit_group`: ends the process.
pub(crate) fn exit_group(call: &mut Call<'_>, status: i32) -> Result<usize> {
    let code = process::signal::group_exit(process::exit_code_of_status(status));
    call.end_task(code);
    Ok(0)
}
