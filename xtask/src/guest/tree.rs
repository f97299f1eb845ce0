//! A file tree in memory, to be packed.

use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// What can be in a tree.
#[derive(Debug)]
pub(crate) enum Node {
    /// A directory.
    Directory {
        /// Permission bits.
        mode: u32,
    },
    /// A regular file.
    File {
        /// Permission bits.
        mode: u32,
        /// All of it.
        contents: Vec<u8>,
    },
    /// A symbolic link.
    Link {
        /// Where it points.
        to: Vec<u8>,
    },
}

/// Nodes by their paths, which have no slash at either end. Every node's parents are there as directories.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    nodes: BTreeMap<Vec<u8>, Node>,
}

/// More links in a row than this are a loop.
const LINKS_MAX: usize = 16;

impl Tree {
    /// An empty tree.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// All nodes, parents before what is in them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], &Node)> {
        self.nodes.iter().map(|(path, node)| (&path[..], node))
    }

    /// Whether there is anything at a path, following links.
    pub(crate) fn has(&self, path: impl AsRef<Path>) -> bool {
        self.resolve(path.as_ref().as_os_str().as_bytes(), true)
            .is_ok_and(|path| path.is_empty() || self.nodes.contains_key(&path))
    }

    /// Puts a file at a path, in place of a file or link that was there.
    pub(crate) fn add_file(
        &mut self,
        path: impl AsRef<Path>,
        mode: u32,
        contents: Vec<u8>,
    ) -> Result<()> {
        if u32::try_from(contents.len()).is_err() {
            bail!("{} is too large to be packed", path.as_ref().display());
        }
        self.add(path.as_ref(), Node::File { mode, contents })
    }

    /// Puts a symbolic link at a path.
    pub(crate) fn add_link(&mut self, path: impl AsRef<Path>, to: impl AsRef<Path>) -> Result<()> {
        let to = to.as_ref().as_os_str().as_bytes().to_vec();
        self.add(path.as_ref(), Node::Link { to })
    }

    /// Puts a directory at a path, or does nothing if there is one (or a link to one).
    pub(crate) fn add_directory(&mut self, path: impl AsRef<Path>, mode: u32) -> Result<()> {
        self.add(path.as_ref(), Node::Directory { mode })
    }

    /// Lays a directory of the host over the tree. What is in both comes from the host; a directory that
    /// meets a link to a directory goes where the link points.
    pub(crate) fn overlay(&mut self, directory: &Path) -> Result<()> {
        self.overlay_but(directory, |_| false)
    }

    /// The same without what the function names, by its path below the directory, and all that is in it.
    pub(crate) fn overlay_but(
        &mut self,
        directory: &Path,
        left_out: fn(&Path) -> bool,
    ) -> Result<()> {
        self.overlay_at(directory, Path::new(""), left_out)
    }

    fn overlay_at(&mut self, from: &Path, to: &Path, left_out: fn(&Path) -> bool) -> Result<()> {
        let entries = fs::read_dir(from).with_context(|| format!("reading {}", from.display()))?;
        for entry in entries {
            let entry = entry?;
            let (from, to) = (entry.path(), to.join(entry.file_name()));
            if left_out(&to) {
                continue;
            }
            let complaint = || format!("reading {}", from.display());
            let data = fs::symlink_metadata(&from).with_context(complaint)?;
            let mode = data.permissions().mode() & 0o7777;
            if data.is_dir() {
                self.add_directory(&to, mode)?;
                self.overlay_at(&from, &to, left_out)?;
            } else if data.is_symlink() {
                self.add_link(&to, fs::read_link(&from).with_context(complaint)?)?;
            } else if data.is_file() {
                self.add_file(&to, mode, fs::read(&from).with_context(complaint)?)?;
            } else {
                bail!("{} is no file, directory or link", from.display());
            }
        }
        Ok(())
    }

    fn add(&mut self, path: &Path, node: Node) -> Result<()> {
        let is_directory = matches!(node, Node::Directory { .. });
        let place = self.resolve(path.as_os_str().as_bytes(), is_directory)?;
        if place.is_empty() {
            return Ok(());
        }
        for (index, _) in place.iter().enumerate().filter(|&(_, &byte)| byte == b'/') {
            self.nodes.entry(place[..index].to_vec()).or_insert(Node::Directory { mode: 0o755 });
        }
        match (self.nodes.get(&place), is_directory) {
            (Some(Node::Directory { .. }), true) => {}
            (Some(Node::Directory { .. }), false) => {
                bail!("/{} is a directory in the guest", path.display())
            }
            (Some(_), true) => bail!("/{} is a file in the guest", path.display()),
            (Some(Node::File { .. } | Node::Link { .. }) | None, _) => {
                self.nodes.insert(place, node);
            }
        }
        Ok(())
    }

    /// The path with links on the way followed, and the last one too if asked.
    fn resolve(&self, path: &[u8], follow_last: bool) -> Result<Vec<u8>> {
        let mut wanted: Vec<Vec<u8>> = components(path);
        let mut place: Vec<Vec<u8>> = Vec::new();
        let mut links = 0;
        while let Some(name) = wanted.pop() {
            if name == b".." {
                place.pop();
                continue;
            }
            place.push(name);
            if !follow_last && wanted.is_empty() {
                break;
            }
            let key = place.join(&b'/');
            let Some(Node::Link { to }) = self.nodes.get(&key) else {
                if matches!(self.nodes.get(&key), Some(Node::File { .. })) && !wanted.is_empty() {
                    bail!("/{} is a file in the guest", String::from_utf8_lossy(&key));
                }
                continue;
            };
            links += 1;
            if links > LINKS_MAX {
                let path = std::ffi::OsString::from_vec(path.to_vec());
                bail!("too many links on the way to {}", Path::new(&path).display());
            }
            place.pop();
            if to.starts_with(b"/") {
                place.clear();
            }
            wanted.extend(components(to));
        }
        Ok(place.join(&b'/'))
    }
}

/// The names that a path is made of, the last one first.
fn components(path: &[u8]) -> Vec<Vec<u8>> {
    path.split(|&byte| byte == b'/')
        .filter(|name| !name.is_empty() && *name != b".")
        .rev()
        .map(<[u8]>::to_vec)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(tree: &Tree) -> Vec<String> {
        tree.iter().map(|(path, _)| String::from_utf8(path.to_vec()).unwrap()).collect()
    }

    #[test]
    fn parents_come_first() {
        let mut tree = Tree::new();
        tree.add_file("/a/b/c", 0o644, vec![]).unwrap();
        tree.add_file("a-b", 0o644, vec![]).unwrap();
        assert_eq!(paths(&tree), ["a", "a-b", "a/b", "a/b/c"]);
    }

    #[test]
    fn a_directory_over_a_link_goes_where_it_points() {
        let mut tree = Tree::new();
        tree.add_directory("bin", 0o755).unwrap();
        tree.add_link("usr/bin", "../bin").unwrap();
        let host = tempfile::tempdir().unwrap();
        fs::create_dir_all(host.path().join("usr/bin")).unwrap();
        fs::write(host.path().join("usr/bin/tool"), "x").unwrap();
        tree.overlay(host.path()).unwrap();
        assert_eq!(paths(&tree), ["bin", "bin/tool", "usr", "usr/bin"]);
        assert!(tree.has("/usr/bin/tool"));
    }

    #[test]
    fn links_that_loop_are_an_error() {
        let mut tree = Tree::new();
        tree.add_link("a", "b").unwrap();
        tree.add_link("b", "a").unwrap();
        assert!(tree.add_file("a/file", 0o644, vec![]).is_err());
    }

    #[test]
    fn a_file_is_no_directory() {
        let mut tree = Tree::new();
        tree.add_file("file", 0o644, vec![]).unwrap();
        assert!(tree.add_file("file/in", 0o644, vec![]).is_err());
        assert!(tree.add_directory("file", 0o755).is_err());
        tree.add_directory("dir", 0o755).unwrap();
        assert!(tree.add_file("dir", 0o644, vec![]).is_err());
    }

    #[test]
    fn a_file_replaces_a_link_and_not_its_target() {
        let mut tree = Tree::new();
        tree.add_file("bin/busybox", 0o755, b"box".to_vec()).unwrap();
        tree.add_link("bin/ls", "busybox").unwrap();
        tree.add_file("bin/ls", 0o755, b"ls".to_vec()).unwrap();
        let contents = |wanted: &[u8]| {
            let (_, node) = tree.iter().find(|(path, _)| *path == wanted).unwrap();
            match node {
                Node::File { contents, .. } => contents.clone(),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(contents(b"bin/ls"), b"ls");
        assert_eq!(contents(b"bin/busybox"), b"box");
    }
}
