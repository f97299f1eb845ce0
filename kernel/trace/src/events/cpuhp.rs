//! The events of CPUs that come and go.

use core::fmt;

use super::Symbol;
use crate::event::{AnyEvent, COMMON_SIZE, Event, PAYLOAD_MAX, Record, records};
use crate::field::Field;

records! {
    /// A step of a CPU's coming or going that begins.
    CpuhpEnter {
        /// The CPU.
        cpu: u32,
        /// The step at which it will be in the end.
        target: i32,
        /// This step.
        idx: i32,
        /// Whose part it is.
        fun: Symbol,
    }
    format "\"cpu: %04u target: %3d step: %3d (%s)\", REC->cpu, REC->target, REC->idx, REC->fun"
    print |e, out| write!(
        out, "cpu: {:04} target: {:3} step: {:3} ({})", e.cpu, e.target, e.idx, e.fun
    );
    events {
        /// A subsystem is about to do its part.
        cpuhp "cpuhp_enter" 155 CPUHP_ENTER;
    }

    /// A step that has been done.
    CpuhpExit {
        /// The CPU.
        cpu: u32,
        /// The step at which it is now.
        state: i32,
        /// This step.
        idx: i32,
        /// An error, or 0.
        ret: i32,
    }
    format "\" cpu: %04u  state: %3d step: %3d ret: %d\", REC->cpu, REC->state, REC->idx, REC->ret"
    print |e, out| write!(
        out, " cpu: {:04}  state: {:3} step: {:3} ret: {}", e.cpu, e.state, e.idx, e.ret
    );
    events {
        /// A subsystem has done its part.
        cpuhp "cpuhp_exit" 153 CPUHP_EXIT;
    }
}
