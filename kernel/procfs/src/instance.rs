//! A mounted procfs: it shows one PID namespace.

use alloc::sync::Arc;

use errno::Result;
use fs::{FileSystem, FileSystemType, Inode, MountRequest, StatFs, Superblock};
use kernfs::{Directory, Tree};
use process::PidNamespace;

use crate::root::Root;

/// `PROC_SUPER_MAGIC`
const MAGIC: u32 = 0x9fa0;

/// How `mount` finds it.
pub(crate) static PROC: FileSystemType = FileSystemType { name: "proc", nodev: true, mount };

fn mount(request: &MountRequest<'_>) -> Result<Arc<Superblock>> {
    request.refuse_options()?;
    let instance = Instance::new(process::current_pid_namespace());
    Ok(Superblock::new(PROC.name, Arc::new(ProcFs(instance))))
}

/// One mount's view.
pub(crate) struct Instance {
    namespace: Arc<PidNamespace>,
}

impl Instance {
    fn new(namespace: Arc<PidNamespace>) -> Arc<Self> {
        Arc::new(Self { namespace })
    }

    /// The namespace whose processes it shows, by the numbers that they have in it.
    pub(crate) fn namespace(&self) -> &Arc<PidNamespace> {
        &self.namespace
    }

    /// The files that are about no process; all instances share them.
    pub(crate) fn files(&self) -> &'static Arc<Directory> {
        crate::files()
    }

    /// Device and inode numbers.
    pub(crate) fn tree(&self) -> &'static Arc<Tree> {
        crate::files().tree()
    }
}

struct ProcFs(Arc<Instance>);

impl FileSystem for ProcFs {
    fn root(&self) -> Arc<dyn Inode> {
        Arc::new(Root::new(self.0.clone()))
    }

    fn has_own_names_only(&self) -> bool {
        true
    }

    fn statfs(&self) -> Result<StatFs> {
        Ok(StatFs { magic: MAGIC, block_size: memory::PAGE_SIZE as u32, ..StatFs::default() })
    }
}
