//! System V's objects outlive the processes that made them: the supervisor removes what the workers have left.

use runtime::sys;

/// The numbers of the calls, of `*_STAT_ANY`, which goes by place, and where the command stands among the arguments.
struct Kind {
    control: usize,
    stat_any: usize,
    command: usize,
}

const KINDS: [Kind; 3] = [
    // shmctl
    Kind { control: 31, stat_any: 15, command: 1 },
    // semctl
    Kind { control: 66, stat_any: 20, command: 2 },
    // msgctl
    Kind { control: 71, stat_any: 13, command: 1 },
];

const IPC_RMID: usize = 0;
const IPC_INFO: usize = 3;

/// Removes all segments, sets and queues that there are.
pub(crate) fn remove_all() {
    for kind in &KINDS {
        // Returns the highest place.
        for place in 0..=kind.call(0, IPC_INFO).max(0) as usize {
            let number = kind.call(place, kind.stat_any);
            if number >= 0 {
                kind.call(number as usize, IPC_RMID);
            }
        }
    }
}

impl Kind {
    fn call(&self, object: usize, command: usize) -> isize {
        // More than any of these calls writes.
        let mut result = [0_u64; 32];
        let mut arguments = [0; 6];
        arguments[0] = object;
        arguments[self.command] = command;
        arguments[self.command + 1] = result.as_mut_ptr().addr();
        // SAFETY: nothing is written but `result`.
        unsafe { sys::call(self.control, arguments) }
    }
}
