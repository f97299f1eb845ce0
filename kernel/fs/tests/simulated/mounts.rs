//! Mounts.

use errno::Errno;
use fs::{LookupFlags, MountFlags, OpenFlags, Start, UnmountFlags};

use crate::harness::{World, once};

impl World {
    fn mount(&self, kind: &str, at: &str, flags: u32) -> Result<(), Errno> {
        self.caller().mount(b"none", at.as_bytes(), kind.as_bytes(), flags, b"")
    }

    fn bind(&self, from: &str, to: &str, flags: u32) -> Result<(), Errno> {
        self.caller().mount(from.as_bytes(), to.as_bytes(), b"", 4096 | flags, b"")
    }

    fn unmount(&self, at: &str) -> Result<(), Errno> {
        self.caller().unmount(at.as_bytes(), UnmountFlags::empty())
    }

    fn mounts(&self) -> String {
        let mut text = String::new();
        self.fs.namespace().show(&self.fs.root(), &mut text).unwrap();
        text
    }
}

#[test]
fn a_mount_covers_and_uncovers() {
    once(|| {
        let world = World::new();
        world.mkdir("/m").unwrap();
        world.write("/m/below", b"");
        world.mount("tmpfs", "/m", 0).unwrap();
        assert!(world.list("/m").is_empty());
        world.write("/m/above", b"");
        assert_eq!(world.list("/m/../m"), ["above"]);
        assert_eq!(world.rmdir("/m"), Err(Errno::EBUSY));
        assert_eq!(world.rename("/m", "/n", fs::RenameFlags::empty()), Err(Errno::EBUSY));
        assert_eq!(world.rename("/m/above", "/x", fs::RenameFlags::empty()), Err(Errno::EXDEV));
        world.chdir("/m").unwrap();
        assert_eq!(world.cwd(), Ok("/m".into()));
        assert_eq!(world.unmount("/m"), Err(Errno::EBUSY));
        world.chdir("..").unwrap();
        assert_eq!(world.cwd(), Ok("/".into()));
        let open = world.open("/m/above", OpenFlags::empty()).unwrap();
        assert_eq!(world.unmount("/m"), Err(Errno::EBUSY));
        drop(open);
        world.mount("tmpfs", "/m", 0).unwrap();
        assert!(world.list("/m").is_empty());
        world.unmount("/m").unwrap();
        assert_eq!(world.list("/m"), ["above"]);
        world.unmount("/m").unwrap();
        assert_eq!(world.list("/m"), ["below"]);
        assert_eq!(world.unmount("/m"), Err(Errno::EINVAL));
        assert_eq!(world.unmount("/"), Err(Errno::EBUSY));
        assert_eq!(world.mount("nofs", "/m", 0), Err(Errno::ENODEV));
        world.mount("devtmpfs", "/m", 0).unwrap();
        assert_eq!(world.mount("devtmpfs", "/m", 0), Err(Errno::EBUSY));
        world.unmount("/m").unwrap();
        assert_eq!(world.mount("tmpfs", "/m/below", 0), Err(Errno::ENOTDIR));
        assert_eq!(world.user(5).mount("tmpfs", "/m", 0), Err(Errno::EPERM));
    });
}

#[test]
fn detaching_waits_for_users() {
    once(|| {
        let world = World::new();
        world.mkdir("/m").unwrap();
        world.mount("tmpfs", "/m", 0).unwrap();
        world.mkdir("/m/inner").unwrap();
        world.mount("tmpfs", "/m/inner", 0).unwrap();
        world.write("/m/f", b"data");
        world.chdir("/m").unwrap();
        world.caller().unmount(b"/m", UnmountFlags::DETACH).unwrap();
        assert!(world.list("/m").is_empty());
        assert_eq!(world.read("f"), Ok(b"data".to_vec()));
        assert_eq!(world.cwd(), Ok("(unreachable)/".into()));
        assert_eq!(world.fs.cwd().to_bytes(&world.fs.root()), Ok(b"/".to_vec()));
        world.chdir("/").unwrap();
        assert_eq!(world.mounts().lines().count(), 1);
    });
}

#[test]
fn binds_show_the_same_files() {
    once(|| {
        let world = World::new();
        for directory in ["/a", "/a/sub", "/a/sub/deep", "/b", "/c"] {
            world.mkdir(directory).unwrap();
        }
        world.mount("tmpfs", "/a/sub/deep", 0).unwrap();
        world.write("/a/sub/deep/f", b"x");
        world.bind("/a/sub", "/b", 0).unwrap();
        assert!(world.list("/b/deep").is_empty());
        world.bind("/a/sub", "/c", 16384).unwrap();
        assert_eq!(world.list("/c/deep"), ["f"]);
        world.write("/b/shared", b"1");
        assert_eq!(world.read("/a/sub/shared"), Ok(b"1".to_vec()));
        world.chdir("/b").unwrap();
        assert_eq!(world.cwd(), Ok("/b".into()));
        world.chdir("..").unwrap();
        assert_eq!(world.cwd(), Ok("/".into()));
        world.write("/a/file", b"bound");
        world.write("/target", b"");
        world.bind("/a/file", "/target", 0).unwrap();
        assert_eq!(world.read("/target"), Ok(b"bound".to_vec()));
        assert_eq!(world.bind("/a/file", "/b", 0), Err(Errno::ENOTDIR));
        assert_eq!(world.unmount("/c"), Err(Errno::EBUSY));
        for place in ["/target", "/c/deep", "/c", "/b", "/a/sub/deep"] {
            world.unmount(place).unwrap();
        }
    });
}

#[test]
fn flags_are_kept_and_shown() {
    once(|| {
        let world = World::new();
        world.mkdir("/m n").unwrap();
        let flags = (MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV).bits();
        world.caller().mount(b"src", b"/m n", b"tmpfs", flags, b"size=64k,mode=700").unwrap();
        let line = "src /m\\040n tmpfs ro,nosuid,nodev,relatime,size=64k,mode=700 0 0";
        assert_eq!(world.mounts().lines().nth(1), Some(line));
        assert_eq!(world.mkdir("/m n/x"), Err(Errno::EROFS));
        let create = OpenFlags::CREAT | OpenFlags::WRONLY;
        assert_eq!(world.open("/m n/x", create).err(), Some(Errno::EROFS));
        world.mount("", "/m n", 32).unwrap();
        world.mkdir("/m n/x").unwrap();
        assert_eq!(world.caller().mount(b"", b"/m n", b"", 32, b"what=1"), Err(Errno::EINVAL));
        world.mkdir("/moved").unwrap();
        world.caller().mount(b"/m n", b"/moved", b"", 8192, b"").unwrap();
        assert!(world.stat("/moved/x").is_ok());
        let into_itself = world.caller().mount(b"/moved", b"/moved/x", b"", 8192, b"");
        assert_eq!(into_itself, Err(Errno::ELOOP));
        let mut info = String::new();
        world.fs.namespace().show_info(&world.fs.root(), &mut info).unwrap();
        assert!(
            info.lines().nth(1).unwrap().contains(" / /moved rw,relatime - tmpfs src rw"),
            "{info}"
        );
    });
}

#[test]
fn a_changed_root_is_the_top() {
    once(|| {
        let world = World::new();
        world.mkdir("/jail").unwrap();
        world.write("/outside", b"");
        world.symlink("/outside", "/jail/link").unwrap();
        let inside = World { fs: world.fs.fork_copy(), credentials: world.credentials.clone() };
        inside.caller().change_root(b"/jail").unwrap();
        inside.chdir("/").unwrap();
        assert_eq!(inside.stat("/../../outside"), Err(Errno::ENOENT));
        assert_eq!(inside.stat("/link"), Err(Errno::ENOENT));
        inside.write("/outside", b"mine");
        assert_eq!(inside.read("/link"), Ok(b"mine".to_vec()));
        assert_eq!(world.read("/jail/outside"), Ok(b"mine".to_vec()));
        assert_eq!(world.user(1).caller().change_root(b"/jail"), Err(Errno::EPERM));
        let outside = world.caller().lookup(&Start::Cwd, b"/", LookupFlags::empty()).unwrap();
        assert_eq!(outside.to_bytes(&inside.fs.root()), Ok(b"/".to_vec()));
        inside.fs.set_cwd(outside);
        assert_eq!(inside.cwd(), Ok("(unreachable)/".into()));
    });
}
