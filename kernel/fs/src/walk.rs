//! Walking a path.
//!
//! A [`Walker`] goes from directory to directory until one component is left, and leaves that to
//! its caller, as `open`, `mkdir`, `unlink` and the others each treat it in their own way. A
//! symbolic link's target takes the place of what was walked, in front of the rest; so nothing here
//! is recursive.

use alloc::borrow::Cow;
use core::ops::Range;

use errno::{Errno, Result};

use crate::caller::{Caller, Start};
use crate::credentials::Access;
use crate::inode::LinkTarget;
use crate::path::Path;
use crate::stat::{FileType, NAME_MAX, PATH_MAX};

/// How many symbolic links one walk follows.
const MAX_LINKS: u32 = 40;

/// How a path ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Last {
    /// With a name in the directory that was reached, at this place of the text; `slash`: slashes
    /// follow it.
    Name { range: Range<usize>, slash: bool },
    /// With `.`, and that is where the walker is.
    Dot,
    /// With `..`, likewise.
    DotDot,
    /// With nothing: the text was only slashes, or the last link led straight to a place.
    Root,
}

/// The next name of a path.
struct Component {
    /// Its place in the text.
    range: Range<usize>,
    /// Slashes follow it.
    slash: bool,
    /// Nothing but these does.
    is_last: bool,
}

impl Component {
    /// The first one from a place in the text on. None: there are only slashes.
    #[inline(always)]
    fn first_of(text: &[u8], from: usize) -> Result<Option<Self>> {
        let is_name = |byte: &u8| *byte != b'/';
        let rest = text.get(from..).unwrap_or_default();
        let Some(slashes) = rest.iter().position(is_name) else { return Ok(None) };
        let rest = rest.get(slashes..).unwrap_or_default();
        let (length, slash, is_last) = match rest.iter().position(|byte| *byte == b'/') {
            None => (rest.len(), false, true),
            Some(length) => (length, true, !rest.iter().skip(length).any(is_name)),
        };
        if length > NAME_MAX {
            return Err(Errno::ENAMETOOLONG);
        }
        let start = from + slashes;
        Ok(Some(Self { range: start..start + length, slash, is_last }))
    }
}

/// On its way along a path.
pub(crate) struct Walker<'a> {
    caller: &'a Caller<'a>,
    root: Path,
    at: Path,
    text: Cow<'a, [u8]>,
    offset: usize,
    links: u32,
}

impl<'a> Walker<'a> {
    /// At the start of a path.
    pub(crate) fn new(caller: &'a Caller<'a>, start: &Start, path: &'a [u8]) -> Result<Self> {
        if path.is_empty() {
            return Err(Errno::ENOENT);
        }
        if path.len() >= PATH_MAX {
            return Err(Errno::ENAMETOOLONG);
        }
        let root = caller.fs.root();
        let at = match start {
            _ if path[0] == b'/' => root.clone(),
            Start::Cwd => caller.fs.cwd(),
            Start::At(path) => path.clone(),
        };
        Ok(Self { caller, root, at, text: Cow::Borrowed(path), offset: 0, links: 0 })
    }

    /// Where it is.
    pub(crate) fn at(&self) -> &Path {
        &self.at
    }

    /// Ends the walk.
    pub(crate) fn into_place(self) -> Path {
        self.at
    }

    /// Part of the text as it is now.
    pub(crate) fn name(&self, range: &Range<usize>) -> &[u8] {
        &self.text[range.clone()]
    }

    /// Goes on until the last component.
    ///
    /// # Errors
    /// ENOENT, ENOTDIR, EACCES, ELOOP, ENAMETOOLONG; what the file systems say.
    pub(crate) fn go_to_last(&mut self) -> Result<Last> {
        let mut last = Last::Root;
        loop {
            let Some(component) = Component::first_of(&self.text, self.offset)? else {
                return Ok(last);
            };
            let Component { range, slash, is_last } = component;
            self.offset = range.end;
            self.require_searchable()?;
            last = match self.name(&range) {
                b"." => Last::Dot,
                b".." => {
                    self.up();
                    Last::DotDot
                }
                _ if is_last => return Ok(Last::Name { range, slash }),
                name => {
                    let child = self.child(name)?;
                    self.enter(child)?;
                    Last::Root
                }
            };
        }
    }

    /// Goes to the end.
    ///
    /// # Errors
    /// As [`go_to_last`](Self::go_to_last).
    pub(crate) fn finish(mut self, follow: bool) -> Result<Path> {
        loop {
            let Last::Name { range, slash } = self.go_to_last()? else { return Ok(self.at) };
            let child = self.child(self.name(&range))?;
            if child.inode().file_type() == FileType::Symlink && (follow || slash) {
                self.follow(&child)?;
                continue;
            }
            if slash && child.inode().file_type() != FileType::Directory {
                return Err(Errno::ENOTDIR);
            }
            return Ok(child);
        }
    }

    fn require_searchable(&self) -> Result<()> {
        let directory = self.at.inode().ownership()?;
        if directory.file_type != FileType::Directory {
            return Err(Errno::ENOTDIR);
        }
        self.caller.credentials.check(&directory, Access::EXECUTE)
    }

    /// What the directory where the walker is has under a name, with whatever is mounted there.
    pub(crate) fn child(&self, name: &[u8]) -> Result<Path> {
        let child = self.at.dentry().lookup(name, self.at.keeps_children())?;
        Ok(self.at.with_dentry(child).into_covering())
    }

    fn enter(&mut self, child: Path) -> Result<()> {
        if child.inode().file_type() == FileType::Symlink {
            return self.follow(&child);
        }
        self.at = child;
        Ok(())
    }

    fn up(&mut self) {
        while !self.at.is(&self.root) {
            if let Some(below) = self.at.covered() {
                self.at = below;
                continue;
            }
            if let Some(parent) = self.at.dentry().parent() {
                self.at = self.at.with_dentry(parent).into_covering();
            }
            return;
        }
    }

    /// Goes on at the target of a symbolic link, with the rest of the path after it.
    ///
    /// # Errors
    /// ELOOP: too many links. ENOENT: an empty target.
    pub(crate) fn follow(&mut self, link: &Path) -> Result<()> {
        self.links += 1;
        if self.links > MAX_LINKS {
            return Err(Errno::ELOOP);
        }
        let mut text = match link.inode().read_link()? {
            LinkTarget::Place(place) => {
                self.at = place;
                return Ok(());
            }
            LinkTarget::Text(text) if text.is_empty() => return Err(Errno::ENOENT),
            LinkTarget::Text(text) => text,
        };
        if text[0] == b'/' {
            self.at = self.root.clone();
        }
        text.extend_from_slice(&self.text[self.offset..]);
        self.text = Cow::Owned(text);
        self.offset = 0;
        Ok(())
    }
}
