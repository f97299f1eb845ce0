//! Paths and what is done with them.

use errno::Errno;
use fs::{LookupFlags, NodeKind, OpenFlags, RenameFlags, Start};

use crate::harness::{Names, World, once, over_seeds, read_all, start};

#[test]
fn paths_are_walked_as_linux_walks_them() {
    once(|| {
        let world = World::new();
        world.mkdir("/a").unwrap();
        world.mkdir("/a/b").unwrap();
        world.write("/a/f", b"data");
        assert_eq!(world.read("//a//b/.././f"), Ok(b"data".to_vec()));
        assert_eq!(world.read("/../../a/f"), Ok(b"data".to_vec()));
        assert_eq!(world.stat("/a/f/"), Err(Errno::ENOTDIR));
        assert_eq!(world.stat("/a/f/x"), Err(Errno::ENOTDIR));
        assert_eq!(world.stat("/a/f/.."), Err(Errno::ENOTDIR));
        assert_eq!(world.stat("/a/none"), Err(Errno::ENOENT));
        assert_eq!(world.stat("/none/x"), Err(Errno::ENOENT));
        assert_eq!(world.stat(""), Err(Errno::ENOENT));
        assert_eq!(world.stat(&"x".repeat(256)), Err(Errno::ENAMETOOLONG));
        assert_eq!(world.stat(&"x".repeat(255)), Err(Errno::ENOENT));
        assert_eq!(world.stat(&"./".repeat(2048)), Err(Errno::ENAMETOOLONG));
        world.chdir("/a/b").unwrap();
        assert_eq!(world.cwd(), Ok("/a/b".into()));
        assert_eq!(world.read("../f"), Ok(b"data".to_vec()));
        assert_eq!(world.chdir("../f"), Err(Errno::ENOTDIR));
        world.rmdir("/a/b").unwrap();
        assert_eq!(world.cwd(), Err(Errno::ENOENT));
        assert_eq!(world.mkdir("x"), Err(Errno::ENOENT));
        assert!(world.stat("..").is_ok());
    });
}

#[test]
fn symbolic_links_lead_on_and_end() {
    once(|| {
        let world = World::new();
        world.mkdir("/d").unwrap();
        world.write("/d/f", b"data");
        world.symlink("d/f", "/relative").unwrap();
        world.symlink("/d", "/directory").unwrap();
        world.symlink("/directory/../relative", "/d/up").unwrap();
        world.symlink("loop", "/loop").unwrap();
        world.symlink("new", "/dangling").unwrap();
        assert_eq!(world.read("/relative"), Ok(b"data".to_vec()));
        assert_eq!(world.read("/directory/up"), Ok(b"data".to_vec()));
        assert_eq!(world.stat("/loop"), Err(Errno::ELOOP));
        assert_eq!(world.lstat("/directory").unwrap().size, 2);
        assert_eq!(world.lstat("/directory/").unwrap().file_type, fs::FileType::Directory);
        assert_eq!(world.stat("/dangling"), Err(Errno::ENOENT));
        world.write("/dangling", b"made");
        assert_eq!(world.read("/new"), Ok(b"made".to_vec()));
        let create = OpenFlags::CREAT | OpenFlags::WRONLY;
        assert_eq!(world.open("/dangling", create | OpenFlags::EXCL).err(), Some(Errno::EEXIST));
        assert_eq!(world.open("/relative", OpenFlags::NOFOLLOW).err(), Some(Errno::ELOOP));
        let place = world.open("/relative", OpenFlags::NOFOLLOW | OpenFlags::PATH).unwrap();
        let link = world.caller().read_link(&Start::At(place.path().clone()), b"");
        assert_eq!(link, Ok(b"d/f".to_vec()));
        assert_eq!(world.caller().read_link(&Start::Cwd, b"/d/f"), Err(Errno::EINVAL));
        for depth in 0..41 {
            world.symlink(&format!("chain{depth}"), &format!("/chain{}", depth + 1)).unwrap();
        }
        world.write("/chain0", b"end");
        assert_eq!(world.read("/chain40"), Ok(b"end".to_vec()));
        assert_eq!(world.read("/chain41"), Err(Errno::ELOOP));
    });
}

#[test]
fn opening_heeds_its_flags() {
    once(|| {
        let world = World::new();
        world.mkdir("/d").unwrap();
        let create = OpenFlags::CREAT | OpenFlags::RDWR;
        assert_eq!(world.open("/d", OpenFlags::RDWR).err(), Some(Errno::EISDIR));
        assert_eq!(world.open("/d", OpenFlags::CREAT).err(), Some(Errno::EISDIR));
        assert_eq!(world.open("/d/x/", create).err(), Some(Errno::EISDIR));
        assert_eq!(world.open("/", create).err(), Some(Errno::EISDIR));
        assert_eq!(world.open("/d/.", create | OpenFlags::EXCL).err(), Some(Errno::EEXIST));
        world.write("/f", b"old");
        assert_eq!(world.open("/f", OpenFlags::DIRECTORY).err(), Some(Errno::ENOTDIR));
        assert_eq!(world.open("/f", create | OpenFlags::EXCL).err(), Some(Errno::EEXIST));
        let file = world.open("/f", OpenFlags::RDWR | OpenFlags::TRUNC).unwrap();
        assert_eq!(world.stat("/f").unwrap().size, 0);
        assert_eq!(file.flags(), OpenFlags::RDWR);
        assert_eq!(world.stat("/f").unwrap().permissions, 0o644);
        let unnamed = world.open("/d", OpenFlags::TMPFILE | OpenFlags::RDWR).unwrap();
        assert_eq!(unnamed.inode().stat().unwrap().links, 0);
        assert!(world.list("/d").is_empty());
        let linked = world.caller().link(
            &Start::At(unnamed.path().clone()),
            b"",
            LookupFlags::EMPTY_PATH,
            &Start::Cwd,
            b"/d/named",
        );
        assert_eq!(linked, Ok(()));
        assert_eq!(world.list("/d"), ["named"]);
    });
}

#[test]
fn links_and_their_counts() {
    once(|| {
        let world = World::new();
        world.mkdir("/d").unwrap();
        world.mkdir("/d/e").unwrap();
        assert_eq!(world.stat("/d").unwrap().links, 3);
        assert_eq!(world.stat("/").unwrap().links, 3);
        world.write("/f", b"x");
        let link = |from: &str, to: &str| {
            let flags = LookupFlags::empty();
            world.caller().link(&Start::Cwd, from.as_bytes(), flags, &Start::Cwd, to.as_bytes())
        };
        assert_eq!(link("/f", "/d/g"), Ok(()));
        assert_eq!(link("/f", "/d/g"), Err(Errno::EEXIST));
        assert_eq!(link("/d", "/h"), Err(Errno::EPERM));
        assert_eq!(world.stat("/f").unwrap().links, 2);
        let open = world.open("/f", OpenFlags::empty()).unwrap();
        world.unlink("/f").unwrap();
        world.unlink("/d/g").unwrap();
        assert_eq!(open.inode().stat().unwrap().links, 0);
        assert_eq!(read_all(&open), Ok(b"x".to_vec()));
        assert_eq!(open.path().to_bytes(&world.fs.root()), Ok(b"/f (deleted)".to_vec()));
        assert_eq!(world.unlink("/d"), Err(Errno::EISDIR));
        assert_eq!(world.rmdir("/d"), Err(Errno::ENOTEMPTY));
        assert_eq!(world.rmdir("/d/."), Err(Errno::EINVAL));
        assert_eq!(world.rmdir("/"), Err(Errno::EBUSY));
        world.rmdir("/d/e/").unwrap();
        world.rmdir("/d").unwrap();
        assert_eq!(world.stat("/").unwrap().links, 2);
    });
}

#[test]
fn renames_replace_exchange_or_refuse() {
    once(|| {
        let world = World::new();
        let plain = RenameFlags::empty();
        for directory in ["/a", "/a/sub", "/b", "/empty"] {
            world.mkdir(directory).unwrap();
        }
        world.write("/a/f", b"f");
        world.write("/b/g", b"g");
        assert_eq!(world.rename("/a/f", "/b/g", RenameFlags::NOREPLACE), Err(Errno::EEXIST));
        assert_eq!(world.rename("/a/f", "/b/none", RenameFlags::EXCHANGE), Err(Errno::ENOENT));
        world.rename("/a/f", "/b/g", RenameFlags::EXCHANGE).unwrap();
        assert_eq!(world.read("/a/f"), Ok(b"g".to_vec()));
        assert_eq!(world.read("/b/g"), Ok(b"f".to_vec()));
        world.rename("/a/f", "/b/g", plain).unwrap();
        assert_eq!(world.read("/b/g"), Ok(b"g".to_vec()));
        assert_eq!(world.stat("/a/f"), Err(Errno::ENOENT));
        assert_eq!(world.rename("/a", "/a/sub/x", plain), Err(Errno::EINVAL));
        assert_eq!(world.rename("/a/sub", "/a", plain), Err(Errno::ENOTEMPTY));
        assert_eq!(world.rename("/a", "/b", plain), Err(Errno::ENOTEMPTY));
        assert_eq!(world.rename("/b/g", "/a", plain), Err(Errno::EISDIR));
        assert_eq!(world.rename("/a", "/b/g", plain), Err(Errno::ENOTDIR));
        assert_eq!(world.rename("/a/.", "/x", plain), Err(Errno::EBUSY));
        world.chdir("/a/sub").unwrap();
        world.rename("/a", "/empty", plain).unwrap();
        assert_eq!(world.cwd(), Ok("/empty/sub".into()));
        assert_eq!(world.stat("/").unwrap().links, 4);
        world.rename("/empty", "/b/moved", plain).unwrap();
        assert_eq!(world.cwd(), Ok("/b/moved/sub".into()));
        assert_eq!((world.stat("/").unwrap().links, world.stat("/b").unwrap().links), (3, 3));
        world.rename("/b/moved", "/b/g", RenameFlags::EXCHANGE).unwrap();
        assert_eq!(world.cwd(), Ok("/b/g/sub".into()));
        assert_eq!(world.read("/b/moved"), Ok(b"g".to_vec()));
    });
}

#[test]
fn permissions_are_asked_for() {
    once(|| {
        let root = World::new();
        let user = root.user(1000);
        root.mkdir("/closed").unwrap();
        root.write("/closed/f", b"secret");
        let closed = root.caller().lookup(&Start::Cwd, b"/closed", LookupFlags::empty()).unwrap();
        root.caller().change_mode(&closed, 0o700).unwrap();
        assert_eq!(user.read("/closed/f"), Err(Errno::EACCES));
        assert_eq!(user.mkdir("/mine"), Err(Errno::EACCES));
        assert_eq!(user.caller().change_mode(&closed, 0o777), Err(Errno::EPERM));
        root.mkdir("/tmp").unwrap();
        let tmp = root.caller().lookup(&Start::Cwd, b"/tmp", LookupFlags::empty()).unwrap();
        root.caller().change_mode(&tmp, 0o1777).unwrap();
        user.write("/tmp/mine", b"");
        let other = root.user(1001);
        assert_eq!(other.unlink("/tmp/mine"), Err(Errno::EPERM));
        assert_eq!(other.rename("/tmp/mine", "/tmp/x", RenameFlags::empty()), Err(Errno::EPERM));
        assert_eq!(other.open("/tmp/mine", OpenFlags::WRONLY).err(), Some(Errno::EACCES));
        assert_eq!(user.unlink("/tmp/mine"), Ok(()));
        let node = NodeKind::CharDevice(fs::DeviceNumber::new(1, 3));
        let made = user.caller().make_node(&Start::Cwd, b"/tmp/null", node, 0o666);
        assert_eq!(made, Err(Errno::EPERM));
    });
}

#[test]
fn a_directory_that_changes_is_read_once_through() {
    once(|| {
        let world = World::new();
        world.mkdir("/d").unwrap();
        (0..20).for_each(|number| world.write(&format!("/d/{number}"), b""));
        struct Few(Names, usize);
        impl fs::DirectorySink for Few {
            fn entry(&mut self, name: &[u8], inode: u64, kind: fs::FileType, next: u64) -> bool {
                if self.1 == 0 {
                    return false;
                }
                self.1 -= 1;
                self.0.entry(name, inode, kind, next)
            }
        }
        let directory = world.open("/d", OpenFlags::DIRECTORY).unwrap();
        let mut seen = Vec::new();
        for turn in 0.. {
            let mut few = Few(Names::default(), 3);
            directory.read_directory(&mut few).unwrap();
            if few.0.0.is_empty() {
                break;
            }
            seen.append(&mut few.0.0);
            if turn < 5 {
                // What was seen goes, and something comes at the end.
                world.unlink(&format!("/d/{turn}")).unwrap();
                world.write(&format!("/d/new{turn}"), b"");
            }
        }
        for number in 5..20 {
            let count = seen.iter().filter(|name| **name == number.to_string()).count();
            assert_eq!(count, 1, "{number} in {seen:?}");
        }
        assert!(seen.contains(&"new4".to_string()));
    });
}

/// A chain of directories far deeper than a kernel stack goes away when its file system does.
#[test]
fn deep_trees_are_taken_apart() {
    once(|| {
        let world = World::new();
        for _ in 0..2000 {
            world.mkdir("d").unwrap();
            world.chdir("d").unwrap();
        }
        assert_eq!(world.cwd().unwrap().len(), 4000);
    });
}

/// Tasks that make, move and remove the same names at once leave a sound tree.
#[test]
fn names_change_under_many_hands() {
    over_seeds(100, 3, || {
        let world = World::new();
        world.mkdir("/a").unwrap();
        world.mkdir("/b").unwrap();
        let tasks: Vec<_> = (0..3)
            .map(|number| {
                let world = world.clone();
                start(move || {
                    for turn in 0..4 {
                        let (from, to) =
                            if (turn + number) % 2 == 0 { ("/a", "/b") } else { ("/b", "/a") };
                        let _ = world.mkdir(&format!("{from}/d"));
                        let _ = world.rename(
                            &format!("{from}/d"),
                            &format!("{to}/d"),
                            RenameFlags::empty(),
                        );
                        let _ = world.rename(to, &format!("{from}/d/in"), RenameFlags::empty());
                        let _ = world.rename(&format!("{from}/d/in"), to, RenameFlags::empty());
                        let _ = world.rmdir(&format!("{to}/d"));
                    }
                })
            })
            .collect();
        tasks.into_iter().for_each(crate::harness::Running::join);
        // Every directory that is left is found by its name and counted in its parent.
        let mut left = vec![String::from("/")];
        while let Some(path) = left.pop() {
            let children = world.list(&path);
            assert_eq!(world.stat(&path).unwrap().links, 2 + children.len() as u32, "{path}");
            left.extend(children.iter().map(|name| format!("{path}/{name}")));
        }
    });
}
