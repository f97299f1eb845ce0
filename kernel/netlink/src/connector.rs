//! `NETLINK_CONNECTOR`: process events (`struct cn_msg`, `struct proc_event`).

use alloc::sync::Arc;
use core::sync::atomic::{AtomicU32, Ordering};

use errno::{Errno, Result};
use fs::{Capabilities, Credentials};
use process::events::{self, Event, Numbers};
use sync::{PerCpu, PreemptGuard, per_cpu};

use crate::message::{self, Builder, HEADER, Header};
use crate::ports;
use crate::socket::{Protocol, Socket};

/// `CN_IDX_PROC`, which is the group, too.
const INDEX: u32 = 1;
/// `CN_VAL_PROC`.
const VALUE: u32 = 1;
/// Bytes of `struct cn_msg`.
const CONNECTOR_HEADER: usize = 20;
/// Bytes of `struct proc_event`.
const EVENT: usize = 40;
/// Where the part that depends on what happened is in it.
const DATA: usize = 16;
/// Longer ones are not looked at.
const MESSAGE_MAX: usize = 16384;
/// `PROC_CN_MCAST_LISTEN` and `PROC_CN_MCAST_IGNORE`.
const LISTEN: u32 = 1;
const IGNORE: u32 = 2;

/// How many events a CPU has told of: who listens sees by the numbers whether some are lost.
static TOLD: PerCpu<AtomicU32> = per_cpu!(AtomicU32::new(0));

/// Ties this crate to the processes.
pub(crate) fn init() {
    events::set_hook(|numbers, event| {
        let (cpu, sequence) = {
            let _stays_here = PreemptGuard::new();
            (machine::cpu::id() as u32, TOLD.this().fetch_add(1, Ordering::Relaxed))
        };
        let bytes = event_bytes(numbers, event);
        publish(sequence, 0, with_place(bytes, cpu, time::monotonic()));
    });
}

/// Handles what a program sends. What is malformed or for others is passed over, as Linux does.
pub(crate) fn handle(socket: &Socket, bytes: &[u8], credentials: &Credentials) {
    let Some((_, body, _)) = message::split(bytes) else { return };
    if body.len() > MESSAGE_MAX {
        return;
    }
    let Some(request) = Request::parse(body) else { return };
    let outcome = credentials
        .require(Capabilities::NET_ADMIN)
        .and_then(|()| set_listening(socket, request.operation));
    if events::is_watched() {
        let error = outcome.map_or_else(|error| error.number() as u32, |()| 0);
        let mut event = [0; EVENT];
        put(&mut event, &[error]);
        let acknowledged = request.acknowledges.wrapping_add(1);
        let event = with_place(event, u32::MAX, time::monotonic());
        publish(request.sequence, acknowledged, event);
    }
}

fn set_listening(socket: &Socket, operation: u32) -> Result<()> {
    match operation {
        LISTEN => {
            if !socket.listens.swap(true, Ordering::Relaxed) {
                events::watch();
            }
        }
        IGNORE => {
            if socket.listens.swap(false, Ordering::Relaxed) {
                events::unwatch();
            }
        }
        _ => return Err(Errno::EINVAL),
    }
    Ok(())
}

/// A message about process events.
#[derive(Debug, PartialEq, Eq)]
struct Request {
    sequence: u32,
    acknowledges: u32,
    operation: u32,
}

impl Request {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let is_ours = message::number(bytes, 0)? == INDEX && message::number(bytes, 4)? == VALUE;
        let fits = message::short(bytes, 16)? == 4;
        let request = Self {
            sequence: message::number(bytes, 8)?,
            acknowledges: message::number(bytes, 12)?,
            operation: message::number(bytes, CONNECTOR_HEADER)?,
        };
        (is_ours && fits).then_some(request)
    }
}

/// Sends an event to all who listen.
fn publish(sequence: u32, acknowledges: u32, event: [u8; EVENT]) {
    let header = Header { kind: message::DONE, sequence, ..Header::default() };
    // Without memory nobody hears of it; the numbers show that.
    let Ok(mut builder) = Builder::new(header) else { return };
    for word in [INDEX, VALUE, sequence, acknowledges, EVENT as u32] {
        builder.put(&word.to_ne_bytes());
    }
    builder.put(&event);
    let bytes = builder.finish();
    debug_assert_eq!(bytes.len(), HEADER + CONNECTOR_HEADER + EVENT);
    ports::multicast(Protocol::Connector, INDEX, &Arc::from(bytes));
}

fn put(event: &mut [u8; EVENT], words: &[u32]) {
    for (place, word) in event[DATA..].chunks_exact_mut(4).zip(words) {
        place.copy_from_slice(&word.to_ne_bytes());
    }
}

fn with_place(mut event: [u8; EVENT], cpu: u32, now: u64) -> [u8; EVENT] {
    event[4..8].copy_from_slice(&cpu.to_ne_bytes());
    event[8..DATA].copy_from_slice(&now.to_ne_bytes());
    event
}

fn event_bytes(Numbers { pid, tgid }: Numbers, event: &Event) -> [u8; EVENT] {
    let mut bytes = [0; EVENT];
    let kind: u32 = match *event {
        Event::Fork { parent } => {
            put(&mut bytes, &[parent.pid, parent.tgid, pid, tgid]);
            0x1
        }
        Event::Exec => {
            put(&mut bytes, &[pid, tgid]);
            0x2
        }
        Event::User { real, effective } => {
            put(&mut bytes, &[pid, tgid, real, effective]);
            0x4
        }
        Event::Group { real, effective } => {
            put(&mut bytes, &[pid, tgid, real, effective]);
            0x40
        }
        Event::Session => {
            put(&mut bytes, &[pid, tgid]);
            0x80
        }
        Event::Traced { tracer } => {
            put(&mut bytes, &[pid, tgid, tracer.pid, tracer.tgid]);
            0x100
        }
        Event::Name(name) => {
            put(&mut bytes, &[pid, tgid]);
            bytes[DATA + 8..].copy_from_slice(&name);
            0x200
        }
        Event::Exit { code, signal, parent } => {
            put(&mut bytes, &[pid, tgid, code, signal, parent.pid, parent.tgid]);
            0x8000_0000
        }
    };
    bytes[..4].copy_from_slice(&kind.to_ne_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_have_linux_s_layout() {
        let (child, parent) = (Numbers { pid: 8, tgid: 7 }, Numbers { pid: 6, tgid: 5 });
        let words = |event: &Event| {
            let bytes = with_place(event_bytes(child, event), 3, 0x1_0000_0002);
            core::array::from_fn::<u32, 10, _>(|i| message::number(&bytes, 4 * i).unwrap())
        };
        assert_eq!(words(&Event::Fork { parent }), [1, 3, 2, 1, 6, 5, 8, 7, 0, 0]);
        let exit = Event::Exit { code: 256, signal: 17, parent };
        assert_eq!(words(&exit), [0x8000_0000, 3, 2, 1, 8, 7, 256, 17, 6, 5]);
        let name = words(&Event::Name(*b"0123456789abcdef"));
        assert_eq!((name[0], name[6]), (0x200, u32::from_ne_bytes(*b"0123")));
    }

    #[test]
    fn only_whole_requests_about_processes_count() {
        let bytes = |words: [u32; 6]| words.map(u32::to_ne_bytes).concat();
        let request = Request { sequence: 5, acknowledges: 6, operation: LISTEN };
        let good = [INDEX, VALUE, 5, 6, 4, LISTEN];
        assert_eq!(Request::parse(&bytes(good)), Some(request));
        assert_eq!(Request::parse(&bytes(good)[..23]), None);
        for (place, other) in [(0, 2), (1, 2), (4, 8)] {
            let mut bad = good;
            bad[place] = other;
            assert_eq!(Request::parse(&bytes(bad)), None);
        }
    }
}
