//! Resource limits.

/// Which resource, with Linux's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Resource {
    /// CPU time in seconds.
    Cpu = 0,
    /// The size of a file in bytes.
    FileSize = 1,
    /// The size of the data segment in bytes.
    Data = 2,
    /// The size of the stack in bytes.
    Stack = 3,
    /// The size of a core file in bytes.
    Core = 4,
    /// Resident memory; not enforced, as in Linux.
    Resident = 5,
    /// Tasks of the user.
    Processes = 6,
    /// Open files: one more than the highest descriptor.
    Files = 7,
    /// Locked memory in bytes.
    LockedMemory = 8,
    /// The address space in bytes.
    AddressSpace = 9,
    /// File locks.
    Locks = 10,
    /// Queued signals of the user.
    SignalsPending = 11,
    /// Bytes in message queues.
    MessageQueue = 12,
    /// 20 minus the lowest nice value that may be asked for.
    Nice = 13,
    /// The highest real-time priority that may be asked for.
    RealTimePriority = 14,
    /// Microseconds of real-time CPU use without a sleep.
    RealTimeTime = 15,
}

/// How many resources there are.
pub const RESOURCES: usize = 16;
/// No limit.
pub const INFINITY: u64 = u64::MAX;

impl Resource {
    /// The resource with this number.
    pub fn from_number(number: u32) -> Option<Self> {
        use Resource::*;
        const ALL: [Resource; RESOURCES] = [
            Cpu,
            FileSize,
            Data,
            Stack,
            Core,
            Resident,
            Processes,
            Files,
            LockedMemory,
            AddressSpace,
            Locks,
            SignalsPending,
            MessageQueue,
            Nice,
            RealTimePriority,
            RealTimeTime,
        ];
        ALL.get(number as usize).copied()
    }
}

/// A limit: what is enforced, and how far it may be raised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// What is enforced.
    pub soft: u64,
    /// How far the process may raise it by itself.
    pub hard: u64,
}

impl Limit {
    const NONE: Self = Self { soft: INFINITY, hard: INFINITY };

    const fn new(soft: u64, hard: u64) -> Self {
        Self { soft, hard }
    }
}

/// A process's limits.
#[derive(Clone, Debug)]
pub struct Limits([Limit; RESOURCES]);

impl Limits {
    /// What the first process starts with. `tasks` is how many tasks the machine's memory allows.
    pub(crate) fn initial(tasks: u64) -> Self {
        let mut limits = [Limit::NONE; RESOURCES];
        let mut set = |resource: Resource, soft, hard| {
            limits[resource as usize] = Limit::new(soft, hard);
        };
        set(Resource::Stack, 8 << 20, INFINITY);
        set(Resource::Core, 0, INFINITY);
        set(Resource::Processes, tasks / 2, tasks / 2);
        set(Resource::Files, 1024, 4096);
        set(Resource::LockedMemory, 8 << 20, 8 << 20);
        set(Resource::SignalsPending, tasks / 2, tasks / 2);
        set(Resource::MessageQueue, 819_200, 819_200);
        set(Resource::Nice, 0, 0);
        set(Resource::RealTimePriority, 0, 0);
        Self(limits)
    }

    /// A limit.
    pub fn get(&self, resource: Resource) -> Limit {
        self.0[resource as usize]
    }

    pub(crate) fn set(&mut self, resource: Resource, limit: Limit) {
        self.0[resource as usize] = limit;
    }
}
