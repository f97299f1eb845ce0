//! Trace events with their meaning: what the timeline knows of each, and the rest as text.

/// A task by its number, with the name that it had.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Named {
    /// Its `comm`.
    pub name: String,
    /// Its number; 0: the idle task of a CPU.
    pub pid: u32,
}

impl Named {
    /// From its parts.
    pub(crate) fn new(name: &str, pid: u32) -> Self {
        Self { name: name.to_owned(), pid }
    }
}

/// A line of a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// Nanoseconds since boot.
    pub time: u64,
    /// Where.
    pub cpu: usize,
    /// The running task.
    pub task: Named,
    /// It has been interrupted, and this is not its doing.
    pub in_interrupt: bool,
    /// What happened.
    pub event: Event,
}

/// What a task does from a moment on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum State {
    /// It has been made, and nobody has woken it.
    New,
    /// It could run, and others do.
    Runnable,
    /// It runs on this CPU.
    Running(usize),
    /// It waits for something, or for a signal: `S`.
    Sleeping,
    /// It waits for something that will come: `D`.
    Uninterruptible,
    /// The same, and does not count as load: `I`.
    Idle,
    /// It has been stopped: `T`.
    Stopped,
    /// A tracer has stopped it: `t`.
    Traced,
    /// A kernel thread that has been parked: `P`.
    Parked,
    /// It has ended: `X`, `Z`.
    Dead,
    /// Events are missing.
    Unknown,
}

impl State {
    /// As `sched_switch` shows it.
    fn of_letters(letters: &str) -> Self {
        match letters.trim_end_matches('+').split('|').next().unwrap_or_default() {
            "R" => Self::Runnable,
            "S" => Self::Sleeping,
            "D" => Self::Uninterruptible,
            "I" => Self::Idle,
            "T" => Self::Stopped,
            "t" => Self::Traced,
            "P" => Self::Parked,
            "X" | "Z" => Self::Dead,
            _ => Self::Unknown,
        }
    }

    /// In words.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Runnable => "runnable",
            Self::Running(_) => "running",
            Self::Sleeping => "sleeping",
            Self::Uninterruptible => "uninterruptible",
            Self::Idle => "idle",
            Self::Stopped => "stopped",
            Self::Traced => "traced",
            Self::Parked => "parked",
            Self::Dead => "dead",
            Self::Unknown => "unknown",
        }
    }

    /// It will do nothing until somebody wakes it.
    pub(crate) fn is_asleep(self) -> bool {
        !matches!(self, Self::Runnable | Self::Running(_) | Self::Dead | Self::Unknown)
    }
}

/// What takes time and has a beginning and an end of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// An interrupt handler.
    Interrupt,
    /// A softirq vector.
    Softirq,
    /// A time-out's function.
    Timer,
    /// A high-resolution timer's function.
    HighTimer,
    /// An item of a workqueue.
    Work,
    /// A piece of work of a `kthread_worker`.
    KthreadWork,
    /// A step of a CPU that comes or goes.
    Hotplug,
}

impl Kind {
    /// Whose it is: the CPU's, on top of whatever runs there, or the running thread's.
    pub(crate) fn is_of_cpu(self) -> bool {
        matches!(self, Self::Interrupt | Self::Softirq | Self::Timer | Self::HighTimer)
    }

    /// In words.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Interrupt => "interrupt",
            Self::Softirq => "softirq",
            Self::Timer => "timer",
            Self::HighTimer => "hrtimer",
            Self::Work => "work",
            Self::KthreadWork => "kthread_work",
            Self::Hotplug => "hotplug",
        }
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A CPU leaves one task in a state and goes on with another.
    Switch {
        /// The one that is left.
        previous: Named,
        /// What it does from now on.
        state: State,
        /// The one that runs.
        next: Named,
    },
    /// Somebody wakes a task.
    Waking {
        /// Whom.
        task: Named,
    },
    /// A task has been woken.
    Woken {
        /// Who.
        task: Named,
        /// For the first time.
        is_new: bool,
    },
    /// A task makes another.
    Fork {
        /// The one.
        parent: Named,
        /// The other.
        child: Named,
    },
    /// The running task executes a program.
    Exec {
        /// The file.
        file: String,
    },
    /// A task has another name.
    Rename {
        /// It, with its new name.
        task: Named,
    },
    /// The running task ends.
    Exit,
    /// Nobody asks for an ended task any more.
    Free {
        /// Who.
        task: Named,
    },
    /// A kernel thread is asked to stop.
    Stop {
        /// Who.
        task: Named,
    },
    /// Something begins.
    Begin {
        /// What.
        kind: Kind,
        /// Its end has the same.
        key: String,
        /// How it is called.
        name: String,
        /// All that is known.
        arguments: String,
    },
    /// Something ends.
    End {
        /// What.
        kind: Kind,
        /// Its beginning had the same.
        key: String,
    },
    /// What the timeline shows as it is.
    Other {
        /// The event's name.
        name: String,
        /// Its fields.
        text: String,
    },
}

/// Cuts a text at marks that come in this order; the first one begins it.
fn cut<'a, const N: usize>(text: &'a str, marks: [&str; N]) -> Option<[&'a str; N]> {
    let mut parts = [""; N];
    let mut rest = text.strip_prefix(marks[0])?;
    for (place, part) in parts.iter_mut().enumerate() {
        match marks.get(place + 1) {
            Some(mark) => (*part, rest) = rest.split_once(mark)?,
            None => *part = rest,
        }
    }
    Some(parts)
}

fn task(fields: &str) -> Option<Named> {
    let [name, rest] = cut(fields, ["comm=", " pid="])?;
    named(name, rest)
}

/// A name, and what begins with a number.
fn named(name: &str, pid: &str) -> Option<Named> {
    Some(Named::new(name, pid.split(' ').next()?.parse().ok()?))
}

impl Event {
    /// From the event's name and the text of its fields. One that is not known, or has other fields, is shown as it is.
    pub(crate) fn parse(name: &str, fields: &str) -> Self {
        known(name, fields.trim_start())
            .unwrap_or_else(|| Self::Other { name: name.to_owned(), text: fields.to_owned() })
    }
}

fn known(name: &str, fields: &str) -> Option<Event> {
    let begin = |kind, key: &str, name: &str| Event::Begin {
        kind,
        key: key.to_owned(),
        name: name.to_owned(),
        arguments: fields.to_owned(),
    };
    let end = |kind, key: &str| Event::End { kind, key: key.to_owned() };
    Some(match name {
        "sched_switch" => {
            let marks = [
                "prev_comm=",
                " prev_pid=",
                " prev_prio=",
                " prev_state=",
                " ==> next_comm=",
                " next_pid=",
                " next_prio=",
            ];
            let [previous, previous_pid, _, letters, next, next_pid, _] = cut(fields, marks)?;
            Event::Switch {
                previous: named(previous, previous_pid)?,
                state: State::of_letters(letters),
                next: named(next, next_pid)?,
            }
        }
        "sched_waking" => Event::Waking { task: task(fields)? },
        "sched_wakeup" => Event::Woken { task: task(fields)?, is_new: false },
        "sched_wakeup_new" => Event::Woken { task: task(fields)?, is_new: true },
        "sched_process_fork" => {
            let [parent, parent_pid, child, child_pid] =
                cut(fields, ["comm=", " pid=", " child_comm=", " child_pid="])?;
            Event::Fork { parent: named(parent, parent_pid)?, child: named(child, child_pid)? }
        }
        "sched_process_exec" => {
            let [file, _] = cut(fields, ["filename=", " pid="])?;
            Event::Exec { file: file.to_owned() }
        }
        "task_rename" => {
            let [pid, _, new, _] =
                cut(fields, ["pid=", " oldcomm=", " newcomm=", " oom_score_adj="])?;
            Event::Rename { task: named(new, pid)? }
        }
        "sched_process_exit" => Event::Exit,
        "sched_process_free" => Event::Free { task: task(fields)? },
        "sched_kthread_stop" => Event::Stop { task: task(fields)? },
        "irq_handler_entry" => {
            let [irq, name] = cut(fields, ["irq=", " name="])?;
            begin(Kind::Interrupt, irq, name)
        }
        "irq_handler_exit" => end(Kind::Interrupt, cut(fields, ["irq=", " ret="])?[0]),
        "softirq_entry" | "softirq_exit" => {
            let [vector, action] = cut(fields, ["vec=", " [action="])?;
            match name {
                "softirq_entry" => begin(Kind::Softirq, vector, action.trim_end_matches(']')),
                _ => end(Kind::Softirq, vector),
            }
        }
        "timer_expire_entry" => {
            let [timer, function, _] = cut(fields, ["timer=", " function=", " now="])?;
            begin(Kind::Timer, timer, function)
        }
        "timer_expire_exit" => end(Kind::Timer, cut(fields, ["timer="])?[0]),
        "hrtimer_expire_entry" => {
            let [timer, function, _] = cut(fields, ["hrtimer=", " function=", " now="])?;
            begin(Kind::HighTimer, timer, function)
        }
        "hrtimer_expire_exit" => end(Kind::HighTimer, cut(fields, ["hrtimer="])?[0]),
        "workqueue_execute_start" => {
            let [work, function] = cut(fields, ["work struct ", ": function "])?;
            begin(Kind::Work, work, function)
        }
        "workqueue_execute_end" => {
            end(Kind::Work, cut(fields, ["work struct ", ": function "])?[0])
        }
        "sched_kthread_work_execute_start" => {
            let [work, function] = cut(fields, ["work struct ", ": function "])?;
            begin(Kind::KthreadWork, work, function)
        }
        "sched_kthread_work_execute_end" => {
            end(Kind::KthreadWork, cut(fields, ["work struct ", ": function "])?[0])
        }
        "cpuhp_enter" => {
            let [cpu, _, _, function] = cut(fields, ["cpu: ", " target: ", " step: ", " ("])?;
            begin(Kind::Hotplug, cpu, function.trim_end_matches(')'))
        }
        "cpuhp_exit" => {
            let [cpu, _] = cut(fields, ["cpu: ", " "])?;
            end(Kind::Hotplug, cpu.trim())
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r04_what_a_name_contains_does_not_matter() {
        let fields = "prev_comm=a b=c prev_pid=7 prev_prio=120 prev_state=D|K ==> next_comm=kworker/0:1-events next_pid=9 next_prio=120";
        let expected = Event::Switch {
            previous: Named::new("a b=c", 7),
            state: State::Uninterruptible,
            next: Named::new("kworker/0:1-events", 9),
        };
        assert_eq!(Event::parse("sched_switch", fields), expected);
    }

    #[test]
    fn r04_beginnings_and_ends_have_the_same_key() {
        for (begin, fields, end, end_fields) in [
            ("softirq_entry", "vec=1 [action=TIMER]", "softirq_exit", "vec=1 [action=TIMER]"),
            ("irq_handler_entry", "irq=4 name=ttyS0", "irq_handler_exit", "irq=4 ret=handled"),
            (
                "hrtimer_expire_entry",
                "hrtimer=00ab function=f now=7",
                "hrtimer_expire_exit",
                "hrtimer=00ab",
            ),
            (
                "workqueue_execute_start",
                "work struct 00ab: function f",
                "workqueue_execute_end",
                "work struct 00ab: function f",
            ),
            (
                "cpuhp_enter",
                "cpu: 0001 target: 239 step: 170 (f)",
                "cpuhp_exit",
                " cpu: 0001  state: 239 step: 170 ret: 0",
            ),
        ] {
            let Event::Begin { key, kind, .. } = Event::parse(begin, fields) else {
                panic!("{begin} is not read")
            };
            assert_eq!(Event::parse(end, end_fields.trim_start()), Event::End { kind, key });
        }
    }

    #[test]
    fn r04_other_events_are_kept_as_text() {
        let event = Event::parse("sched_switch", "of another kind");
        assert!(matches!(event, Event::Other { name, .. } if name == "sched_switch"));
    }
}
