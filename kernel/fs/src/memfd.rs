//! `memfd_create`: a file in memory without a name.

use alloc::sync::Arc;
use alloc::vec::Vec;

use errno::{Errno, Result};
use sync::Once;

use crate::anonymous;
use crate::credentials::Credentials;
use crate::dentry::Dentry;
use crate::file::File;
use crate::flags::OpenFlags;
use crate::inode::{NewNode, NodeKind};
use crate::path::Path;
use crate::tmpfs::Instance;

/// The longest name: with the prefix it must fit a directory entry.
const NAME_MAX: usize = 249;

fn instance() -> &'static Arc<Instance> {
    static INSTANCE: Once<Arc<Instance>> = Once::new();
    loop {
        if let Some(instance) = INSTANCE.get() {
            return instance;
        }
        let _ = INSTANCE.set(Instance::unlimited());
    }
}

/// Makes a file; the name is only shown in `/proc`.
///
/// # Errors
/// EINVAL: the name is too long. ENFILE.
pub fn create(name: &[u8], credentials: &Arc<Credentials>) -> Result<Arc<File>> {
    if name.len() > NAME_MAX {
        return Err(Errno::EINVAL);
    }
    let node = instance().unnamed_file(&NewNode {
        kind: NodeKind::Regular,
        permissions: 0o777,
        uid: credentials.fsuid,
        gid: credentials.fsgid,
    })?;
    let shown: Vec<u8> = [b"/memfd:", name, b" (deleted)"].concat();
    let dentry = Dentry::anonymous(node.clone(), &shown);
    let path = Path::new(anonymous::mount().0.clone(), dentry);
    File::new(path, node, OpenFlags::RDWR, credentials)
}
