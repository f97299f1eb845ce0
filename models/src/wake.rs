//! Waking tasks.

use crate::state::Claim;
use crate::task::TaskRef;

/// Lets a task go on whose sleep has been claimed.
pub(crate) fn activate(task: TaskRef, _slept_as: u32) {
    task.state.set_running();
    task.thread.unpark();
}

/// No model's task ends.
pub(crate) use activate as activate_by_ending;

pub(crate) fn wake_up_state(task: &TaskRef, mask: u32) -> bool {
    match task.state.claim(mask) {
        Claim::Refused => false,
        Claim::Awake => true,
        Claim::Asleep(slept_as) => {
            activate(task.clone(), slept_as);
            true
        }
    }
}
