//! What happens in a simulated run, told as it happens to whoever looks at it from outside.
//!
//! A run that is looked at is the same as one that is not: nothing here takes a lock or goes through a point where another CPU could
//! come in between, no time passes, and no ring is needed.

use machine::sim;
use sync::Once;

use crate::control;
use crate::event::{AnyEvent, PAYLOAD_MAX};
use crate::events::{self, WORKQUEUE_ACTIVATE_WORK, WORKQUEUE_QUEUE_WORK};
use crate::line::Entry;

static SINK: Once<fn(&Entry)> = Once::new();

/// Has each record given to `sink` at once, and none put into the rings. Before the kernel starts, once.
///
/// Two events are left out: where they are on, the kernel goes another way, so that an item can be seen on its own.
pub fn tap(sink: fn(&Entry)) {
    let fresh = SINK.set(sink).is_ok();
    assert!(fresh, "one looks at a run");
    let left_out = [WORKQUEUE_QUEUE_WORK.id(), WORKQUEUE_ACTIVATE_WORK.id()];
    events::all().filter(|event| !left_out.contains(&event.id())).for_each(AnyEvent::tap);
}

/// Tells of an event, whose fields `encode` stores.
pub(crate) fn tell(id: u16, encode: impl FnOnce(&mut [u8; PAYLOAD_MAX]) -> Option<usize>) {
    sim::aside(|| {
        let mut bytes = [0; PAYLOAD_MAX];
        let Some(length) = encode(&mut bytes) else { return };
        if let (Some(sink), Some(moment)) = (SINK.get(), control::moment(id)) {
            sink(&Entry::of(moment, &bytes[..length]));
        }
    });
}
