//! What is measured: the rows of the table, in its order.
//!
//! A workload of the kernel is a function in `kernel/benchmarks` and its twin in `bench/linux`; one of programs is in `user/measure`,
//! or a program of others. A figure whose name is not here is shown all the same, under its name.

use super::results::Method;

/// Where a figure comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The machine as a whole.
    System,
    /// Code inside the kernel.
    Kernel,
    /// Our own small program.
    User,
    /// Programs of others.
    Programs,
}

impl Place {
    /// All, in the order in which they are shown.
    pub(super) const ALL: [Self; 4] = [Self::System, Self::Kernel, Self::User, Self::Programs];

    /// A heading.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::System => "The whole system",
            Self::Kernel => "Inside the kernel",
            Self::User => "What programs ask of the kernel",
            Self::Programs => "Unmodified programs",
        }
    }
}

/// What a figure is a number of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// Instructions or nanoseconds, as the method has it.
    Cost,
    /// Bytes.
    Bytes,
}

/// A row.
#[derive(Debug)]
pub(super) struct Workload {
    pub name: &'static str,
    pub title: &'static str,
    pub place: Place,
    pub unit: Unit,
    /// How many times less than Linux it is to be.
    pub goal: Option<f64>,
    /// The workload that gives this figure besides its own.
    by: Option<&'static str>,
    /// On fewer CPUs there is none.
    cpus: u32,
    /// It is no time: one method is enough.
    counted_only: bool,
}

const fn row(name: &'static str, title: &'static str, place: Place) -> Workload {
    Workload {
        name,
        title,
        place,
        unit: Unit::Cost,
        goal: None,
        by: None,
        cpus: 1,
        counted_only: false,
    }
}

impl Workload {
    const fn goal(self, times: f64) -> Self {
        Self { goal: Some(times), ..self }
    }

    const fn bytes(self) -> Self {
        Self { unit: Unit::Bytes, ..self }
    }

    const fn by(self, workload: &'static str) -> Self {
        Self { by: Some(workload), ..self }
    }

    const fn cpus(self, cpus: u32) -> Self {
        Self { cpus, ..self }
    }

    const fn counted_only(self) -> Self {
        Self { counted_only: true, ..self }
    }

    /// The name of what has to be run for this figure.
    pub(super) fn runs(&self) -> &'static str {
        self.by.unwrap_or(self.name)
    }

    /// Whether there is such a figure when it is taken like this.
    pub(super) fn is_taken(&self, method: Method) -> bool {
        method.cpus() >= self.cpus && (method == Method::Instructions || !self.counted_only)
    }
}

use Place::{Kernel, Programs, System, User};

/// All rows.
pub(super) const WORKLOADS: &[Workload] = &[
    row("start_to_user", "start to the first user instruction", System).goal(25.0),
    row("memory_at_shell", "memory in use at the shell", System).bytes().goal(8.0).counted_only(),
    row("thousand_threads_bytes", "memory of an idle kernel thread", System)
        .bytes()
        .by("thousand_threads"),
    row("image_size", "the kernel's image", System).bytes(),
    row("create_wake_stop", "create, wake and stop a thread", Kernel).goal(10.0),
    row("create_stop_unwoken", "create and stop a thread, never woken", Kernel).goal(10.0),
    row("thousand_threads", "each of 1,000 threads made", Kernel),
    row("thousand_threads_stop", "each of 1,000 threads stopped", Kernel).by("thousand_threads"),
    row("park_unpark", "park and unpark a thread", Kernel),
    row("yield_to_nobody", "yield with nobody waiting", Kernel),
    row("completion_ping_pong", "completion ping-pong, one CPU", Kernel).goal(4.0),
    row("completion_two_cpus", "completion ping-pong, two CPUs", Kernel).cpus(2),
    row("wake_to_run", "wake-up until a real-time thread runs", Kernel),
    row("user_kthread_user", "user, kernel thread, user (lazy TLB)", Kernel),
    row("migrate_running", "move a running thread to another CPU", Kernel).cpus(2),
    row("queue_flush", "queue a work item and flush it", Kernel).goal(4.0),
    row("work_batched", "one of 2,000 work items at once", Kernel).goal(4.0),
    row("delayed_cancel", "queue delayed work and cancel it", Kernel),
    row("delayed_flush", "queue delayed work and flush it", Kernel),
    row("tasklet_round_trip", "schedule a tasklet and wait for it", Kernel).goal(4.0),
    row("tasklet_by_ksoftirqd", "the same by way of ksoftirqd, as Linux does it", Kernel),
    row("timer_arm_cancel", "arm and cancel a timer of the wheel", Kernel),
    row("hrtimer_arm_cancel", "arm and cancel a precise timer", Kernel),
    row("getppid", "getppid", User).goal(2.0),
    row("clock_gettime", "clock_gettime, as a C library has it", User),
    row("fork_exit_wait", "fork, exit, wait", User).goal(2.0),
    row("vfork_exec_wait", "vfork, execute a small program, wait", User).goal(2.0),
    row("fork_exec_busybox", "fork, execute busybox true, wait", User).goal(2.0),
    row("thread_create_join", "create and join a thread", User),
    row("pipe_ping_pong", "pipe ping-pong between processes", User).goal(2.0),
    row("switch_16_processes", "a byte one on in a ring of 16 processes", User),
    row("futex_ping_pong", "futex ping-pong between threads", User).goal(2.0),
    row("page_fault", "touch a new page, of 64 MiB", User).goal(2.0),
    row("unmap_page", "unmap a page, of 64 MiB", User).by("page_fault"),
    row("touch_large", "touch a page, where large pages are welcome", User),
    row("unmap_large", "unmap a page, where large pages are welcome", User).by("touch_large"),
    row("mmap_munmap", "mmap 64 KiB, touch a page, munmap", User),
    row("signal_delivery", "send oneself a signal and handle it", User),
    row("open_close", "open and close a file on tmpfs", User),
    row("stat", "stat a file on tmpfs", User),
    row("create_unlink", "create and unlink a file on tmpfs", User),
    row("write_read_4k", "write 4 KiB to tmpfs and read them back", User),
    row("read_proc_stat", "read /proc/PID/stat of a thread", User),
    row("busybox_sh", "busybox sh starts 100 programs", Programs),
    row("busybox_pipe", "busybox dd, 16 MiB through a pipe", Programs),
    row("busybox_ls", "busybox ls -lR of 400 links", Programs),
    row("hackbench_pipe", "hackbench, 2 groups, pipes", Programs).goal(1.5),
    row("hackbench_threads", "hackbench, 2 groups, threads and pipes", Programs),
    row("hackbench_socket", "hackbench, 2 groups, sockets", Programs),
];

/// The row of a figure.
pub(super) fn find(name: &str) -> Option<&'static Workload> {
    WORKLOADS.iter().find(|workload| workload.name == name)
}

/// Where a figure belongs that may have no row.
pub(super) fn place(name: &str) -> Place {
    find(name).map_or(Place::Kernel, |workload| workload.place)
}

/// What a figure that may have no row is a number of.
pub(super) fn unit(name: &str) -> Unit {
    find(name).map_or(Unit::Cost, |workload| workload.unit)
}

/// Whether anything with this in its name comes from there. What has no row may come from anywhere.
pub(super) fn wanted(filter: &str, place: Place) -> bool {
    let mut matching =
        WORKLOADS.iter().filter(|workload| workload.name.contains(filter)).peekable();
    matching.peek().is_none() || matching.any(|workload| workload.place == place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique() {
        let mut names: Vec<_> = WORKLOADS.iter().map(|workload| workload.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), WORKLOADS.len());
    }

    #[test]
    fn figures_come_from_workloads_that_there_are() {
        let names: Vec<_> = WORKLOADS.iter().map(|workload| workload.name).collect();
        assert!(WORKLOADS.iter().all(|workload| names.contains(&workload.runs())));
        let two = find("completion_two_cpus").unwrap();
        assert!(!two.is_taken(Method::Instructions) && two.is_taken(Method::Wall { cpus: 4 }));
        assert!(!find("memory_at_shell").unwrap().is_taken(Method::Wall { cpus: 1 }));
    }

    #[test]
    fn a_filter_spares_what_it_excludes() {
        assert!(wanted("", Place::System) && wanted("fork", Place::User));
        assert!(!wanted("getppid", Place::Kernel));
        assert!(wanted("new_in_the_kernel", Place::Kernel));
    }
}
