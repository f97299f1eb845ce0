//! Reading cpio archives of the "newc" format, as `cpio -H newc` and the kernel's own tools write
//! them.
//!
//! An archive is a row of entries: a header of ASCII hexadecimal numbers, the name with a NUL, and
//! the contents, both of these filled up to a multiple of four bytes. An entry named `TRAILER!!!`
//! ends it. Several archives may follow one another, with zeros in between.

use core::fmt;

/// Bytes in a header.
const HEADER: usize = 110;
/// The longest name, with its NUL.
const NAME_MAX: usize = 4096;
/// The name that ends an archive.
const TRAILER: &[u8] = b"TRAILER!!!";

/// What is wrong with an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// It ends in the middle of an entry.
    Truncated,
    /// What should be a header is not one.
    NotCpio,
    /// A number in a header is not hexadecimal.
    BadNumber,
    /// A name is empty, too long or does not end with a NUL.
    BadName,
    /// It is compressed, by the tool named.
    Compressed(&'static str),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("the archive is cut short"),
            Self::NotCpio => f.write_str("no cpio header of the newc format"),
            Self::BadNumber => f.write_str("a number in a header is not hexadecimal"),
            Self::BadName => f.write_str("a name is empty, too long or without an end"),
            Self::Compressed(tool) => {
                write!(f, "it is compressed ({tool}); only plain cpio archives are understood")
            }
        }
    }
}

/// An entry of an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The number that hard links to one file share.
    pub inode: u32,
    /// Type and permissions.
    pub mode: u32,
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// How many links the file has.
    pub links: u32,
    /// When it was changed, in seconds since 1970.
    pub modified: u32,
    /// The device that the file was on, which belongs to `inode`.
    pub device: (u32, u32),
    /// For device nodes: which device.
    pub represents: (u32, u32),
    /// The name, as the archive has it.
    pub name: &'a [u8],
    /// The contents, or a symbolic link's target.
    pub data: &'a [u8],
}

/// Reads an archive entry by entry.
#[derive(Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    /// At the start of an archive.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, offset: 0 }
    }

    /// Where in the archive it is.
    pub const fn offset(&self) -> usize {
        self.offset
    }

    /// The next entry; none at the end of the bytes, where an archive must have ended.
    ///
    /// # Errors
    /// [`Problem`]: [`offset`](Self::offset) is then where the bad entry starts.
    pub fn next_entry(&mut self) -> Result<Option<Entry<'a>>, Problem> {
        loop {
            self.skip_zeros();
            if self.offset == self.bytes.len() {
                return if self.offset == 0 { Err(Problem::Truncated) } else { Ok(None) };
            }
            let (entry, next) = self.entry()?;
            let is_last = entry.name == TRAILER;
            if is_last {
                self.offset = next.min(self.bytes.len());
                self.skip_zeros();
                if self.offset == self.bytes.len() {
                    return Ok(None);
                }
                continue;
            }
            if next >= self.bytes.len() {
                // Something must follow, the trailer at least.
                return Err(Problem::Truncated);
            }
            self.offset = next;
            return Ok(Some(entry));
        }
    }

    fn skip_zeros(&mut self) {
        let rest = &self.bytes[self.offset..];
        self.offset += rest.iter().position(|&byte| byte != 0).unwrap_or(rest.len());
    }

    /// The entry that starts here, and where the next one does.
    fn entry(&self) -> Result<(Entry<'a>, usize), Problem> {
        let rest = &self.bytes[self.offset..];
        check_magic(rest)?;
        let header = rest.get(..HEADER).ok_or(Problem::Truncated)?;
        let mut fields = [0; 13];
        for (field, digits) in fields.iter_mut().zip(header[6..].chunks_exact(8)) {
            *field = hexadecimal(digits)?;
        }
        let [inode, mode, uid, gid, links, modified, size, major, minor, rmajor, rminor, name, _] =
            fields;
        let name_length = name as usize;
        if !(2..=NAME_MAX).contains(&name_length) {
            return Err(Problem::BadName);
        }
        let name_end = self.offset + HEADER + name_length;
        let name = self.bytes.get(self.offset + HEADER..name_end).ok_or(Problem::Truncated)?;
        let Some((0, name)) = name.split_last() else { return Err(Problem::BadName) };
        if name.contains(&0) {
            return Err(Problem::BadName);
        }
        let start = name_end.next_multiple_of(4);
        let end = start.checked_add(size as usize).ok_or(Problem::Truncated)?;
        let data = self.bytes.get(start..end).ok_or(Problem::Truncated)?;
        let entry = Entry {
            inode,
            mode,
            uid,
            gid,
            links,
            modified,
            device: (major, minor),
            represents: (rmajor, rminor),
            name,
            data,
        };
        Ok((entry, end.next_multiple_of(4)))
    }
}

fn check_magic(bytes: &[u8]) -> Result<(), Problem> {
    /// How compressed files start.
    const TOOLS: [(&[u8], &str); 6] = [
        (b"\x1f\x8b", "gzip"),
        (b"\xfd7zXZ\0", "xz"),
        (b"\x28\xb5\x2f\xfd", "zstd"),
        (b"BZh", "bzip2"),
        (b"\x02\x21\x4c\x18", "lz4"),
        (b"\x5d\x00\x00", "lzma"),
    ];
    let plain: [&[u8]; 2] = [b"070701", b"070702"];
    if plain.iter().any(|magic| bytes.starts_with(magic)) {
        return Ok(());
    }
    match TOOLS.iter().find(|(magic, _)| bytes.starts_with(magic)) {
        Some((_, tool)) => Err(Problem::Compressed(tool)),
        None if bytes.len() < 6 && plain[0].starts_with(bytes) => Err(Problem::Truncated),
        None => Err(Problem::NotCpio),
    }
}

fn hexadecimal(digits: &[u8]) -> Result<u32, Problem> {
    digits.iter().try_fold(0, |number, &digit| {
        let value = char::from(digit).to_digit(16).ok_or(Problem::BadNumber)?;
        Ok(number << 4 | value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(entries: &[(&str, u32, &[u8])]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (number, (name, mode, data)) in entries.iter().enumerate() {
            let header = format!(
                "070701{:08x}{mode:08x}{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}",
                number + 1,
                5,
                6,
                1,
                1000,
                data.len(),
                8,
                1,
                4,
                64,
                name.len() + 1,
                0,
            );
            bytes.extend_from_slice(header.as_bytes());
            bytes.extend_from_slice(name.as_bytes());
            bytes.push(0);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
            bytes.extend_from_slice(data);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
        bytes
    }

    fn whole() -> Vec<u8> {
        archive(&[("dir", 0o40755, b""), ("dir/file", 0o100644, b"hello"), ("TRAILER!!!", 0, b"")])
    }

    #[test]
    fn entries_come_in_order() {
        let bytes = whole();
        let mut reader = Reader::new(&bytes);
        let first = reader.next_entry().unwrap().unwrap();
        assert_eq!((first.name, first.mode, first.uid, first.gid), (&b"dir"[..], 0o40755, 5, 6));
        let second = reader.next_entry().unwrap().unwrap();
        assert_eq!((second.name, second.data), (&b"dir/file"[..], &b"hello"[..]));
        assert_eq!((second.inode, second.represents), (2, (4, 64)));
        assert_eq!(reader.next_entry(), Ok(None));
    }

    #[test]
    fn archives_may_follow_one_another() {
        let mut bytes = whole();
        bytes.resize(bytes.len().next_multiple_of(512), 0);
        bytes.extend(whole());
        let mut reader = Reader::new(&bytes);
        let mut names = 0;
        while reader.next_entry().unwrap().is_some() {
            names += 1;
        }
        assert_eq!(names, 4);
    }

    #[test]
    fn an_archive_cut_anywhere_is_refused() {
        let bytes = whole();
        // The last bytes only fill up the trailer.
        let last = bytes.iter().rposition(|&byte| byte == b'!').unwrap() + 1;
        for length in 0..last {
            let mut reader = Reader::new(&bytes[..length]);
            let problem = loop {
                match reader.next_entry() {
                    Ok(Some(_)) => {}
                    Ok(None) => panic!("{length} bytes were taken for an archive"),
                    Err(problem) => break problem,
                }
            };
            assert_eq!(problem, Problem::Truncated, "at {length}");
        }
    }

    #[test]
    fn garbage_is_named() {
        let problem = |bytes: &[u8]| Reader::new(bytes).next_entry().unwrap_err();
        assert_eq!(problem(b"\x1f\x8b\x08\0\0\0\0\0"), Problem::Compressed("gzip"));
        assert_eq!(problem(b"\x28\xb5\x2f\xfdxxxx"), Problem::Compressed("zstd"));
        assert_eq!(problem(&[0xaa; 200]), Problem::NotCpio);
        let mut bytes = whole();
        bytes[20] = b'x';
        assert_eq!(problem(&bytes), Problem::BadNumber);
        let mut bytes = whole();
        bytes[94..102].copy_from_slice(b"00000000");
        assert_eq!(problem(&bytes), Problem::BadName);
        let mut bytes = whole();
        bytes[94..102].copy_from_slice(b"ffffffff");
        assert_eq!(problem(&bytes), Problem::BadName);
        let mut bytes = whole();
        bytes[54..62].copy_from_slice(b"ffffffff");
        assert_eq!(problem(&bytes), Problem::Truncated);
    }
}
