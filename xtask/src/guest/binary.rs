//! Programs of the host that are to run in the guest.

use anyhow::{Context, Result, bail};
use object::Endianness;
use object::elf;
use object::read::elf::{ElfFile64, FileHeader, ProgramHeader};
use std::fs;
use std::path::Path;

/// What matters about a program.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Binary {
    /// The dynamic loader that it needs, if any.
    pub interpreter: Option<String>,
}

impl Binary {
    /// Reads a program from the host and says why the guest could not run it, if so.
    pub(crate) fn read(path: &Path) -> Result<(Self, Vec<u8>)> {
        let data = fs::metadata(path).with_context(|| path.display().to_string())?;
        if !data.is_file() {
            bail!("{}: not a file", path.display());
        }
        let contents = fs::read(path).with_context(|| path.display().to_string())?;
        let binary = Self::parse(&contents).with_context(|| path.display().to_string())?;
        Ok((binary, contents))
    }

    /// Looks at a program's headers.
    pub(crate) fn parse(contents: &[u8]) -> Result<Self> {
        if !contents.starts_with(&elf::ELFMAG) {
            bail!("not an ELF program");
        }
        if contents.get(4) != Some(&elf::ELFCLASS64.0) {
            bail!("not a program for x86-64 (it is not a 64-bit one)");
        }
        let file = ElfFile64::<Endianness>::parse(contents).context("damaged ELF file")?;
        let (header, endian) = (file.elf_header(), file.endian());
        let architecture = header.e_machine(endian);
        if architecture != elf::EM_X86_64 {
            bail!("not a program for x86-64 ({})", name(architecture.0));
        }
        if !matches!(header.e_type(endian), elf::ET_EXEC | elf::ET_DYN) {
            bail!("an ELF file, but not a program");
        }
        let mut interpreter = None;
        for segment in header.program_headers(endian, contents).context("damaged ELF file")? {
            if let Some(path) = segment.interpreter(endian, contents).context("damaged ELF file")? {
                interpreter = Some(String::from_utf8_lossy(path).into_owned());
            }
        }
        Ok(Self { interpreter })
    }
}

fn name(architecture: u16) -> String {
    match architecture {
        3 => "it is for 32-bit x86".into(),
        40 => "it is for 32-bit Arm".into(),
        183 => "it is for arm64".into(),
        243 => "it is for RISC-V".into(),
        other => format!("its ELF machine number is {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A 64-bit little-endian header without segments.
    fn header(kind: u16, architecture: u16) -> Vec<u8> {
        let mut header = vec![0; 64];
        header[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
        header[16..18].copy_from_slice(&kind.to_le_bytes());
        header[18..20].copy_from_slice(&architecture.to_le_bytes());
        header[20] = 1;
        header[52] = 64;
        header
    }

    fn complaint(contents: &[u8]) -> String {
        format!("{:#}", Binary::parse(contents).unwrap_err())
    }

    #[test]
    fn says_what_is_wrong() {
        assert_eq!(complaint(b""), "not an ELF program");
        assert_eq!(complaint(b"#!/bin/sh\n"), "not an ELF program");
        assert_eq!(complaint(&header(2, 183)), "not a program for x86-64 (it is for arm64)");
        assert_eq!(complaint(&header(1, 62)), "an ELF file, but not a program");
        assert!(complaint(&header(2, 62)[..40]).starts_with("damaged ELF file"));
        assert!(complaint(b"\x7fELF\x01\x01\x01").starts_with("not a program for x86-64"));
    }

    #[test]
    fn takes_a_program() {
        let binary = Binary::parse(&header(2, 62)).unwrap();
        assert_eq!(binary.interpreter, None);
        let own = std::env::current_exe().unwrap();
        let (binary, _) = Binary::read(&own).unwrap();
        assert!(binary.interpreter.is_some_and(|path| path.contains("ld-")));
    }
}
