//! What a kernel thread is made with.

use alloc::boxed::Box;
use core::fmt;

use errno::Errno;
use machine::{CpuId, NodeId};
use sched::{Attributes, CpuMask};

use crate::handle::{Created, Handle};
use crate::request::{self, Wish};
use crate::this::This;
use crate::thread::{Name, format_name};

/// A thread's function. What it returns is what [`Handle::stop`] gives.
pub(crate) type Function = Box<dyn FnOnce(&This) -> i32 + Send>;

/// Describes a kernel thread to be made.
///
/// ```no_run
/// # fn start(node: usize) -> Result<(), errno::Errno> {
/// let thread = kthread::Builder::new(format_args!("kswapd{node}")).node(node).freezable().run(|this| {
///     while !this.should_stop() {
///         this.sleep(1_000_000);
///     }
///     0
/// })?;
/// thread.stop();
/// # Ok(())
/// # }
/// ```
#[must_use = "a builder makes no thread by itself"]
pub struct Builder {
    pub(crate) name: Name,
    pub(crate) cpu: Option<CpuId>,
    pub(crate) wish: Wish,
}

impl Builder {
    /// With a formatted name, of which `comm` holds the first 15 bytes. Normal policy, any housekeeping CPU, never frozen.
    pub fn new(name: fmt::Arguments<'_>) -> Self {
        Self {
            name: format_name(name),
            cpu: None,
            wish: Wish {
                node: None,
                mask: None,
                attributes: Attributes::NORMAL,
                freezable: false,
                fixed_affinity: false,
            },
        }
    }

    /// Its stack and task come from this node; without one, from the creator's.
    pub fn node(mut self, node: NodeId) -> Self {
        self.wish.node = Some(node);
        self
    }

    /// A per-CPU thread: bound to the CPU, memory from its node, bound again whenever it is unparked.
    pub fn cpu(mut self, cpu: CpuId) -> Self {
        self.cpu = Some(cpu);
        self.wish.node = self.wish.node.or(Some(machine::cpu::node(cpu)));
        self.wish.fixed_affinity = true;
        self
    }

    /// Runs on these CPUs only, and user space cannot change that.
    pub fn bound_to(mut self, mask: CpuMask) -> Self {
        self.wish.mask = Some(mask);
        self.wish.fixed_affinity = true;
        self
    }

    /// Its scheduling attributes.
    pub fn attributes(mut self, attributes: Attributes) -> Self {
        self.wish.attributes = attributes;
        self
    }

    /// The freezer stops it: its function calls [`This::try_to_freeze`] or [`This::freezable_should_stop`].
    pub fn freezable(mut self) -> Self {
        self.wish.freezable = true;
        self
    }

    /// Has `kthreadd` make the thread; its function does not run before [`Created::wake`]. May sleep.
    ///
    /// # Errors
    /// EINTR: the caller was killed while it waited. ENOMEM: no request, no stack, no task. EAGAIN: no PID. EINVAL: attributes that
    /// contradict themselves.
    pub fn create(
        self,
        function: impl FnOnce(&This) -> i32 + Send + 'static,
    ) -> Result<Created, Errno> {
        self.wish.attributes.validate()?;
        request::create(self, Box::new(function))
    }

    /// Has the thread made and wakes it. May sleep.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    pub fn run(
        self,
        function: impl FnOnce(&This) -> i32 + Send + 'static,
    ) -> Result<Handle, Errno> {
        Ok(self.create(function)?.wake())
    }
}
