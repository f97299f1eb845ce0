//! The events of interrupts and softirqs.

use core::fmt;

use crate::event::{AnyEvent, COMMON_SIZE, Event, PAYLOAD_MAX, Record, records};
use crate::field::{Field, Name};

/// The names of the softirq vectors.
const VECTORS: [&str; 10] =
    ["HI", "TIMER", "NET_TX", "NET_RX", "BLOCK", "IRQ_POLL", "TASKLET", "SCHED", "HRTIMER", "RCU"];

fn vector_name(vector: u32) -> &'static str {
    VECTORS.get(vector as usize).copied().unwrap_or("?")
}

records! {
    /// An interrupt that a device's driver is asked about.
    IrqHandlerEntry {
        /// Its number.
        irq: i32,
        /// The driver's name.
        name: Name<16>,
    }
    format "\"irq=%d name=%s\", REC->irq, REC->name"
    print |e, out| write!(out, "irq={} name={}", e.irq, e.name);
    events {
        /// The driver's handler is about to be called.
        irq "irq_handler_entry" 152 IRQ_HANDLER_ENTRY;
    }

    /// What the driver has said.
    IrqHandlerExit {
        /// The interrupt's number.
        irq: i32,
        /// Not 0: it was the device's.
        ret: i32,
    }
    format "\"irq=%d ret=%s\", REC->irq, REC->ret ? \"handled\" : \"unhandled\""
    print |e, out| write!(
        out, "irq={} ret={}", e.irq, if e.ret == 0 { "unhandled" } else { "handled" }
    );
    events {
        /// The driver's handler has returned.
        irq "irq_handler_exit" 151 IRQ_HANDLER_EXIT;
    }

    /// A vector of softirqs.
    Softirq {
        /// The vector.
        vec: u32,
    }
    format "\"vec=%u [action=%s]\", REC->vec, __print_symbolic(REC->vec, { 0, \"HI\" }, { 1, \"TIMER\" }, { 2, \"NET_TX\" }, { 3, \"NET_RX\" }, { 4, \"BLOCK\" }, { 5, \"IRQ_POLL\" }, { 6, \"TASKLET\" }, { 7, \"SCHED\" }, { 8, \"HRTIMER\" }, { 9, \"RCU\" })"
    print |e, out| write!(out, "vec={} [action={}]", e.vec, vector_name(e.vec));
    events {
        /// A softirq vector is about to be served.
        irq "softirq_entry" 150 SOFTIRQ_ENTRY;
        /// A softirq vector has been served.
        irq "softirq_exit" 149 SOFTIRQ_EXIT;
        /// A softirq vector is wanted.
        irq "softirq_raise" 148 SOFTIRQ_RAISE;
    }
}
