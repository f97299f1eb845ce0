//! The initial file system.

use errno::Errno;
use fs::initramfs::{self, Problem, UnpackError};

use crate::harness::{World, once};

struct Archive(Vec<u8>);

impl Archive {
    fn entry(mut self, inode: u32, mode: u32, links: u32, name: &str, data: &[u8]) -> Self {
        let numbers = [inode, mode, 3, 4, links, 1_000_000, data.len() as u32, 0, 0, 5, 1];
        self.0.extend_from_slice(b"070701");
        for number in numbers.into_iter().chain([name.len() as u32 + 1, 0]) {
            self.0.extend_from_slice(format!("{number:08X}").as_bytes());
        }
        self.0.extend_from_slice(name.as_bytes());
        self.0.push(0);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self.0.extend_from_slice(data);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self
    }

    fn end(self) -> Vec<u8> {
        self.entry(0, 0, 1, "TRAILER!!!", b"").0
    }
}

fn new() -> Archive {
    Archive(Vec::new())
}

#[test]
fn everything_is_made() {
    once(|| {
        let world = World::new();
        let large: Vec<u8> = (0..10_000u32).map(|at| at as u8).collect();
        let archive = new()
            .entry(1, 0o40755, 2, ".", b"")
            .entry(2, 0o41777, 2, "./tmp", b"")
            .entry(3, 0o104755, 2, "bin", b"")
            .entry(3, 0o104755, 2, "/tmp/other", &large)
            .entry(4, 0o120777, 1, "link", b"tmp/other")
            .entry(5, 0o020620, 1, "console", b"")
            .entry(6, 0o010644, 1, "fifo", b"")
            .entry(7, 0o100600, 1, "bin2", b"first")
            .entry(8, 0o100600, 1, "bin2", b"2nd")
            .end();
        let unpacked = initramfs::unpack(&archive, &world.caller()).unwrap();
        assert_eq!(unpacked.entries, 9);
        assert_eq!(world.read("/bin"), Ok(large.clone()));
        assert_eq!(world.read("/link"), Ok(large));
        assert_eq!(world.read("/bin2"), Ok(b"2nd".to_vec()));
        let stat = world.stat("/bin").unwrap();
        assert_eq!((stat.mode(), stat.links, stat.uid, stat.gid), (0o104755, 2, 3, 4));
        assert_eq!(stat.modified, 1_000_000 * time::SECOND);
        assert_eq!(world.stat("/tmp").unwrap().permissions, 0o1777);
        let console = world.stat("/console").unwrap();
        assert_eq!((console.mode(), console.represents.encode()), (0o020620, 0x501));
        assert_eq!(world.stat("/fifo").unwrap().mode(), 0o010644);
    });
}

#[test]
fn what_is_wrong_is_said() {
    once(|| {
        let world = World::new();
        let archive = new().entry(1, 0o100644, 1, "f", b"data").end();
        let cut = initramfs::unpack(&archive[..archive.len() - 60], &world.caller());
        assert_eq!(
            cut.unwrap_err(),
            UnpackError::Archive { problem: Problem::Truncated, offset: 116 }
        );
        assert_eq!(world.read("/f"), Ok(b"data".to_vec()));
        let archive = new().entry(1, 0o100644, 1, "none/f", b"data").end();
        let error = initramfs::unpack(&archive, &world.caller()).unwrap_err();
        assert_eq!(error, UnpackError::Entry { name: "none/f".into(), error: Errno::ENOENT });
        let zip = initramfs::unpack(b"\x1f\x8b\x08\0more", &world.caller()).unwrap_err();
        assert!(zip.to_string().contains("gzip"), "{zip}");
    });
}
