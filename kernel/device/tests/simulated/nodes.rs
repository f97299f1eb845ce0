//! What a device looks like, and what is whose.

use errno::Errno;
use fs::OpenFlags;

use crate::harness::{World, builder, over_seeds};

#[test]
fn d4_a_device_comes_and_goes() {
    over_seeds(50, 2, || {
        let world = World::new();
        let before = world.census();
        assert_eq!(world.node("/null"), Ok((0o020666, 0, 0, 3)));
        let device = builder(7).mode(0o640).owner(5, 6).add().unwrap();
        assert_eq!(world.node("/test7"), Ok((0o020640, 5, 6, 7)));
        assert_eq!(world.open("/test7", OpenFlags::empty()).err(), Some(Errno::EIO));
        assert_eq!(world.read("/sys/class/test/test7/dev").unwrap(), "200:7\n");
        let uevent = "MAJOR=200\nMINOR=7\nDEVNAME=test7\nDEVMODE=0640\nDEVUID=5\nDEVGID=6\n";
        assert_eq!(world.read("/sys/dev/char/200:7/uevent").unwrap(), uevent);
        let links = [
            ("/sys/class/test/test7", "../../devices/virtual/test/test7"),
            ("/sys/dev/char/200:7", "../../devices/virtual/test/test7"),
            ("/sys/devices/virtual/test/test7/subsystem", "../../../../class/test"),
        ];
        for (link, target) in links {
            assert_eq!(world.link_text(link).unwrap(), target);
        }
        assert_eq!(world.list("/sys/class/test/test7/subsystem"), ["test7"]);
        assert_eq!(builder(7).add().err(), Some(Errno::EEXIST));
        device.remove();
        let mut after = world.census();
        // The class stays.
        assert_eq!(after.remove(1), Vec::<String>::new());
        let (mut before, after) = (before, after);
        before.remove(1);
        assert_eq!(before, after);
        assert_eq!(world.stat("/test7").err(), Some(Errno::ENOENT));
    });
}

#[test]
fn d4_a_number_has_one_device() {
    over_seeds(5, 1, || {
        let world = World::new();
        let device = builder(7).add().unwrap();
        let other = device::Builder::new("test", "other").number(fs::DeviceNumber::new(200, 7));
        assert_eq!(other.add().err(), Some(Errno::EEXIST));
        assert_eq!(world.list("/sys/class/test"), ["test7"]);
        assert_eq!(world.list("/sys/devices/virtual/test"), ["test7"]);
        assert!(!world.exists("/other"));
        assert_eq!(world.read("/sys/dev/char/200:7/dev").unwrap(), "200:7\n");
        device.remove();
    });
}

#[test]
fn d4_directories_come_and_go_with_nodes() {
    over_seeds(50, 2, || {
        let world = World::new();
        let one = builder(1).node_path("in/put/one").add().unwrap();
        let two = builder(2).node_path("in/two").add().unwrap();
        assert_eq!(world.stat("/in/put").unwrap().mode(), 0o040755);
        one.remove();
        assert_eq!(world.list("/in"), ["two"]);
        two.remove();
        assert!(!world.exists("/in"));
        // What a program has put there keeps the directory, and a directory of its own stays anyway.
        let one = builder(1).node_path("in/put/one").add().unwrap();
        world.mknod("/in/put/mine", 9).unwrap();
        one.remove();
        assert_eq!(world.list("/in/put"), ["mine"]);
        world.mkdir("/own").unwrap();
        let two = builder(2).node_path("own/two").add().unwrap();
        two.remove();
        assert_eq!(world.stat("/own").unwrap().mode(), 0o040700);
        world.unlink("/in/put/mine").unwrap();
        // One of the kernel's that a program has emptied goes the next time.
        builder(1).node_path("in/put/one").add().unwrap().remove();
        assert!(!world.exists("/in"));
    });
}

#[test]
fn d4_what_programs_have_replaced_stays() {
    over_seeds(50, 2, || {
        let world = World::new();
        // Changed: the kernel's still.
        let device = builder(1).add().unwrap();
        world.chmod("/test1", 0o604).unwrap();
        world.link("/test1", "/second").unwrap();
        device.remove();
        assert!(!world.exists("/test1"));
        assert_eq!(world.node("/second"), Ok((0o020000, 0, 0, 1)), "nobody may use what is left");
        world.unlink("/second").unwrap();
        // Replaced, be it by the same: a program's.
        let device = builder(1).add().unwrap();
        world.unlink("/test1").unwrap();
        world.mknod("/test1", 1).unwrap();
        device.remove();
        assert_eq!(world.node("/test1"), Ok((0o020640, 0, 0, 1)));
        // It was there before: the device comes, and goes, without.
        builder(1).add().unwrap().remove();
        assert_eq!(world.node("/test1"), Ok((0o020640, 0, 0, 1)));
        world.unlink("/test1").unwrap();
        // Another device's node of the kernel's has taken the name.
        let (one, two) = (builder(1).add().unwrap(), builder(2).add().unwrap());
        world.rename("/test2", "/test1").unwrap();
        one.remove();
        assert_eq!(world.node("/test1"), Ok((0o020600, 0, 0, 2)));
        two.remove();
        assert!(world.exists("/test1"), "its name is another by now");
    });
}

#[test]
fn d4_the_keeper_has_its_own_place() {
    over_seeds(5, 2, || {
        let keeper = find_thread("kdevtmpfs");
        let theirs = process::Thread::of(&keeper).fs().unwrap();
        let mine = process::Thread::of(&sched::current()).fs();
        assert!(mine.is_none_or(|mine| mine.namespace().inode() != theirs.namespace().inode()));
        let root = theirs.root();
        assert_eq!(root.mount().superblock().kind(), "devtmpfs");
    });
}

fn find_thread(name: &str) -> sched::TaskRef {
    let mut found = None;
    process::for_each_task(|task| {
        if task.comm().as_bytes() == name.as_bytes() {
            found = Some(task.pid());
        }
    });
    process::find_task(found.unwrap()).unwrap()
}
