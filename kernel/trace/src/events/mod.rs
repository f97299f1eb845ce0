//! The events that there are, with the names, fields and texts that Linux gives them.

mod cpuhp;
mod irq;
mod kthread;
mod sched;
mod task;
mod timer;
mod workqueue;

pub use cpuhp::*;
pub use irq::*;
pub use kthread::*;
pub use sched::*;
pub use task::*;
pub use timer::*;
pub use workqueue::*;

use crate::event::AnyEvent;
use crate::field::{COMM_SIZE, Name, Pointer, Symbol};

/// A task's short name.
pub type Comm = Name<COMM_SIZE>;
/// A file's name, or another text, cut to fit.
pub type Text = Name<256>;

/// Every event.
pub fn all() -> impl Iterator<Item = &'static dyn AnyEvent> {
    let tables = [
        sched::TABLE,
        kthread::TABLE,
        task::TABLE,
        irq::TABLE,
        timer::TABLE,
        workqueue::TABLE,
        cpuhp::TABLE,
    ];
    tables.into_iter().flatten().copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{PAYLOAD_MAX, Record};

    #[test]
    fn c06_every_number_and_name_is_used_once() {
        for (place, event) in all().enumerate() {
            for other in all().take(place) {
                assert_ne!(event.id(), other.id());
                assert_ne!((event.system(), event.name()), (other.system(), other.name()));
            }
        }
    }

    #[test]
    fn c06_a_format_says_where_the_fields_are() {
        let mut text = String::new();
        SCHED_SWITCH.write_format(&mut text).unwrap();
        assert!(text.starts_with("name: sched_switch\nID: 322\nformat:\n\tfield:unsigned short"));
        assert!(text.contains("\tfield:char prev_comm[16];\toffset:8;\tsize:16;\tsigned:0;\n"));
        assert!(text.contains("\tfield:long prev_state;\toffset:32;\tsize:8;\tsigned:1;\n"));
        assert!(text.contains("\tfield:int next_prio;\toffset:60;\tsize:4;\tsigned:1;\n"));
    }

    #[test]
    fn c06_what_is_stored_is_shown() {
        let switch = SchedSwitch {
            prev_comm: Comm::new(b"sh"),
            prev_pid: 7,
            prev_prio: 120,
            prev_state: 2,
            next_comm: Comm::new(b"swapper/0"),
            next_pid: 0,
            next_prio: 120,
        };
        let mut bytes = [0; PAYLOAD_MAX];
        let length = switch.encode(&mut bytes);
        let mut text = String::new();
        SchedSwitch::print(&bytes[..length], &mut text).unwrap();
        assert_eq!(
            text,
            "prev_comm=sh prev_pid=7 prev_prio=120 prev_state=D ==> next_comm=swapper/0 next_pid=0 next_prio=120"
        );
    }

    #[test]
    fn c06_who_follows_uses_the_leaders_test() {
        assert!(!SCHED_PROCESS_FORK.is_on());
        SCHED_PROCESS_FORK.record_and_observe(|| panic!("it is off"), || panic!(), || panic!());
        TASK_NEWTASK.set_enabled(true).unwrap();
        assert!(SCHED_PROCESS_FORK.is_on() && !SCHED_PROCESS_FORK.is_enabled());
        let mut told = false;
        SCHED_PROCESS_FORK.record_and_observe(
            || told = true,
            || panic!("nobody records it"),
            || panic!("nobody looks"),
        );
        assert!(told);
        TASK_NEWTASK.set_enabled(false).unwrap();
        assert!(!SCHED_PROCESS_FORK.is_on());
    }

    #[test]
    fn c06_tasks_and_cpus_are_shown_as_on_linux() {
        fn text<R: Record>(record: R) -> String {
            let (mut bytes, mut text) = ([0; PAYLOAD_MAX], String::new());
            let length = record.encode(&mut bytes);
            R::print(&bytes[..length], &mut text).unwrap();
            text
        }
        let comm = Comm::new(b"life");
        assert_eq!(
            text(TaskNewtask { pid: 7, comm, clone_flags: 0x80_0711, oom_score_adj: -5 }),
            "pid=7 comm=life clone_flags=800711 oom_score_adj=-5"
        );
        assert_eq!(
            text(TaskRename { pid: 7, oldcomm: comm, newcomm: Comm::new(b"x"), oom_score_adj: 0 }),
            "pid=7 oldcomm=life newcomm=x oom_score_adj=0"
        );
        let fun = Symbol::of("f");
        assert_eq!(
            text(CpuhpEnter { cpu: 1, target: 239, idx: 170, fun }),
            "cpu: 0001 target: 239 step: 170 (f)"
        );
        assert_eq!(
            text(CpuhpExit { cpu: 1, state: 239, idx: 170, ret: -12 }),
            " cpu: 0001  state: 239 step: 170 ret: -12"
        );
        let name = Name::new(b"ttyS0");
        assert_eq!(text(IrqHandlerEntry { irq: 4, name }), "irq=4 name=ttyS0");
        assert_eq!(text(IrqHandlerExit { irq: 4, ret: 1 }), "irq=4 ret=handled");
    }

    #[test]
    fn c06_timers_and_work_are_shown_as_on_linux() {
        let text =
            |bytes: &[u8], print: fn(&[u8], &mut dyn core::fmt::Write) -> core::fmt::Result| {
                let mut text = String::new();
                print(bytes, &mut text).unwrap();
                text
            };
        let timer = Pointer::to(0x1000);
        let start = TimerStart {
            timer,
            function: Symbol::of("tick::{{closure}}"),
            expires: 1250,
            now: 1300,
            flags: 3,
        };
        let mut bytes = [0; PAYLOAD_MAX];
        let length = start.encode(&mut bytes);
        assert_eq!(
            text(&bytes[..length], TimerStart::print),
            format!(
                "timer={timer} function=tick::{{{{closure}}}} expires=1250 [timeout=-50] cpu=3 idx=0 flags="
            )
        );
        let queued = WorkqueueQueueWork {
            work: timer,
            function: Symbol::of("Flush<u8, u16>"),
            workqueue: Name::new(b"events"),
            req_cpu: CPU_UNBOUND,
            cpu: -1,
        };
        let length = queued.encode(&mut bytes);
        assert_eq!(
            text(&bytes[..length], WorkqueueQueueWork::print),
            format!(
                "work struct={timer} function=Flush<u8,u16> workqueue=events req_cpu=8192 cpu=-1"
            )
        );
    }

    #[test]
    fn c06_pointers_tell_objects_apart_and_not_where_they_are() {
        let (one, other) = (Pointer::to(0x1000), Pointer::to(0x1040));
        assert_eq!(one, Pointer::to(0x1000));
        assert_ne!(one, other);
        let text = one.to_string();
        assert!(
            text.len() == 16 && text.starts_with("00000000") && !text.ends_with("1000"),
            "{text}"
        );
        assert_eq!(Pointer::to(0).to_string(), "0000000000000000");
    }
}
