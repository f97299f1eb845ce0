//! Writing the archive format that kernels unpack: cpio, "newc".

use super::tree::{Node, Tree};

const DIRECTORY: u32 = 0o040_000;
const REGULAR: u32 = 0o100_000;
const LINK: u32 = 0o120_000;

/// The archive of a whole tree, parents before what is in them. The same tree gives the same bytes.
pub(crate) fn archive(tree: &Tree) -> Vec<u8> {
    let mut archive = Vec::new();
    for (index, (path, node)) in tree.iter().enumerate() {
        let inode = index as u32 + 1;
        match node {
            Node::Directory { mode } => entry(&mut archive, inode, DIRECTORY | mode, path, &[]),
            Node::File { mode, contents } => {
                entry(&mut archive, inode, REGULAR | mode, path, contents);
            }
            Node::Link { to } => entry(&mut archive, inode, LINK | 0o777, path, to),
        }
    }
    entry(&mut archive, 0, 0, b"TRAILER!!!", &[]);
    archive
}

/// Appends one entry: a header of hexadecimal numbers, the name, the contents, each padded to 4 bytes.
fn entry(archive: &mut Vec<u8>, inode: u32, mode: u32, name: &[u8], contents: &[u8]) {
    let links = if mode & DIRECTORY == DIRECTORY { 2 } else { 1 };
    let size = u32::try_from(contents.len()).expect("files in the tree are below 4 GiB");
    let name_size = name.len() as u32 + 1;
    archive.extend_from_slice(b"070701");
    // Inode, mode, owner, group, links, time, size, device (2), special file's device (2), name, checksum.
    for field in [inode, mode, 0, 0, links, 0, size, 0, 0, 0, 0, name_size, 0] {
        archive.extend_from_slice(format!("{field:08X}").as_bytes());
    }
    archive.extend_from_slice(name);
    archive.push(0);
    pad(archive);
    archive.extend_from_slice(contents);
    pad(archive);
}

fn pad(archive: &mut Vec<u8>) {
    archive.resize(archive.len().next_multiple_of(4), 0);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::process::{Command, Stdio};

    fn sample() -> Tree {
        let mut tree = Tree::new();
        tree.add_file("dir/file", 0o640, b"hello".to_vec()).unwrap();
        tree.add_link("link", "dir/file").unwrap();
        tree
    }

    #[test]
    fn headers_are_newc() {
        let archive = archive(&sample());
        let first = "070701\
            00000001000041ED00000000000000000000000200000000000000000000000000000000000000000000000000000004\
            00000000";
        assert_eq!(&archive[..110], first.as_bytes());
        assert_eq!(&archive[110..116], b"dir\0\0\0");
        assert_eq!(archive.len() % 4, 0);
        assert!(archive.ends_with(b"TRAILER!!!\0\0\0\0"));
    }

    #[test]
    fn the_same_tree_gives_the_same_bytes() {
        assert_eq!(archive(&sample()), archive(&sample()));
    }

    #[test]
    fn another_program_unpacks_it() {
        let Some(busybox) = crate::command::find("busybox") else {
            return;
        };
        let directory = tempfile::tempdir().unwrap();
        let mut cpio = Command::new(busybox)
            .args(["cpio", "-i", "-d"])
            .current_dir(directory.path())
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut input = cpio.stdin.take().unwrap();
        input.write_all(&archive(&sample())).unwrap();
        drop(input);
        assert!(cpio.wait().unwrap().success());
        let through_link = std::fs::read(directory.path().join("link")).unwrap();
        assert_eq!(through_link, b"hello");
    }
}
