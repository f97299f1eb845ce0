//! The names of the places that can fail.

macro_rules! points {
    ($($name:ident = $text:literal, $doc:literal;)*) => {
        /// A place that can be made to fail.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Point { $(#[doc = $doc] $name,)* }

        impl Point {
            /// All points, each at the index that is its number.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The name by which a command line or a test's output calls it.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

points! {
    Page = "page", "A page frame for anybody: user memory, page tables, page cache. ENOMEM.";
    KernelStack = "kernel_stack", "A kernel stack, cached or new. ENOMEM.";
    QueuePlace = "queue_place", "Room for one more task on the run queues. ENOMEM.";
    ProcessTable = "process_table", "Room for one more process, group or session in the process table. ENOMEM.";
    PidTable = "pid_table", "Room for a process number in its table. ENOMEM.";
    Task = "task", "The memory of a task. ENOMEM.";
    Pid = "pid", "A process number. EAGAIN.";
    CreateRequest = "create_request", "The request that a creator hands to kthreadd. ENOMEM.";
    AddressSpace = "address_space", "A page-table root. ENOMEM.";
    Mapping = "mapping", "A description of a user mapping. ENOMEM.";
    PoolWorkqueue = "pool_workqueue", "A queue's row in a pool of workers. ENOMEM.";
    Inode = "inode", "A file in a file system in memory. ENOSPC.";
    KernelEntry = "kernel_entry", "A name in a directory that the kernel fills, as those of sysfs are. ENOMEM.";
    Device = "device", "The description of a device. ENOMEM.";
    File = "file", "An open file's description. ENFILE.";
}

impl Point {
    /// The point with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|point| point.name() == name)
    }
}
